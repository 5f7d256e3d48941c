package preview

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/reference"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/webapi"
	"github.com/slack-notifier/slack-notifier/internal/slack/webhook"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// receiver keeps the body of the last post, which it hands on to the simulated Slack.
type receiver struct {
	slack http.Handler
	last  []byte
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	r.last = body
	req.Body = io.NopCloser(bytes.NewReader(body))
	r.slack.ServeHTTP(w, req)
}

const (
	testToken = "xoxb-preview"
	testHook  = "/services/TPREVIEW/B0/hook"
	// testCluster is the ClusterHash of the test's cluster.
	testCluster = "01234567"
)

// newSlack is a simulated Slack, and the operator's two ways to it.
func newSlack(t *testing.T) (*receiver, *webapi.Client, *webhook.Client) {
	t.Helper()
	sim := slacksim.New(slacksim.Config{NoLimits: true})
	got := &receiver{slack: sim}
	server := httptest.NewServer(got)
	t.Cleanup(server.Close)
	for path, body := range map[string]any{
		"users?team=TPREVIEW":    slacksim.User{ID: "UBOT", Name: "bot", Bot: true},
		"channels?team=TPREVIEW": slacksim.Channel{ID: "C0PREVIEW1", Name: "preview", Members: []string{"UBOT"}},
		"tokens?team=TPREVIEW":   slacksim.Token{Token: testToken, Team: "TPREVIEW", BotUser: "UBOT", BotID: "BBOT", Scopes: slacksim.AllScopes},
		"webhooks?team=TPREVIEW": slacksim.Webhook{Path: testHook, Team: "TPREVIEW", Channel: "C0PREVIEW1"},
	} {
		data, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(server.URL+"/_sim/"+path, "application/json", bytes.NewReader(data))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(path, err, resp)
		}
		_ = resp.Body.Close()
	}
	hosts, err := egress.NewAllowList([]string{strings.TrimPrefix(server.URL, "http://")})
	if err != nil {
		t.Fatal(err)
	}
	client, err := egress.NewClient(egress.Options{Timeout: 10 * time.Second, Allow: hosts})
	if err != nil {
		t.Fatal(err)
	}
	api, err := webapi.New(webapi.Options{Token: testToken, APIURL: server.URL + "/api/", Client: client})
	if err != nil {
		t.Fatal(err)
	}
	url, err := webhook.ParseURL(server.URL+testHook, hosts)
	if err != nil {
		t.Fatal(err)
	}
	return got, api, webhook.New(webhook.Options{URL: url, Client: client})
}

// sent is what the operator would post for a notification, made as its controller does:
// rendered, marked, and handed to the adapter.
func sent(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel, cluster string, hook bool) slack.Message {
	rules, guest := reference.Guest(c, n.Namespace)
	content, _ := message.Allowed(n.Spec.Content, rules, guest)
	below := message.InteractionOf(n, c)
	hash := message.HashWith(n.Spec.Content, below)
	below.Button.Cluster, below.Button.Render = testCluster, interact.RenderHash(hash, message.DefaultRecipient)
	m := message.Render(content, message.Options{
		DefaultSender: c.Spec.Sender, ClusterName: cluster, Webhook: hook, Paging: message.PagingOf(rules, guest), Interaction: below,
	}).Message
	if !hook {
		id := message.Identity{
			NotificationUID: string(n.UID), Recipient: message.DefaultRecipient, ContentHash: hash,
			Namespace: n.Namespace, IdempotencyKey: n.Spec.IdempotencyKey,
		}
		if len(n.Spec.Actions) > 0 {
			id.Cluster = testCluster
		}
		m.Metadata = message.Metadata(id)
	}
	return m
}

// What is shown as JSON is, byte for byte, what the adapters post to the simulated
// Slack, for a thousand random contents and both ways; and Slack takes what is shown
// to be taken, and refuses what is shown to be refused.
func TestBodiesAreWhatIsPosted(t *testing.T) {
	got, api, hook := newSlack(t)
	random := rand.New(rand.NewPCG(1, 2)) // the same contents each time
	taken, refused, pressable := 0, 0, 0
	samples := sampleSpecs(t)
	for i := range 1000 + len(samples) {
		n := &v1alpha1.SlackNotification{}
		n.Spec.Content = randomContent(random)
		randomActions(random, n)
		if i >= 1000 {
			n = samples[i-1000]
			n.Spec.Recipients, n.Spec.Thread, n.Spec.IdempotencyKey = nil, nil, ""
		}
		n.Namespace, n.Name, n.UID = "team-a", fmt.Sprint("n", i), types.UID(fmt.Sprintf("01234567-89ab-cdef-0123-%012d", i))
		n.Spec.ChannelRef = v1alpha1.ChannelReference{Name: "alerts"}
		c := &v1alpha1.SlackChannel{}
		c.Namespace, c.Name = "team-a", "alerts"
		c.Spec.WebAPI = &v1alpha1.WebAPI{Channel: "C0PREVIEW1"}
		if random.IntN(4) > 0 || i >= 1000 {
			c.Spec.Interactions = &v1alpha1.Interactions{}
		}
		if random.IntN(3) == 0 {
			c.Namespace = "platform" // the message is a guest's
			n.Spec.ChannelRef.Namespace = "platform"
		}
		if random.IntN(3) == 0 {
			c.Spec.Sender = &v1alpha1.Sender{Username: "default", IconEmoji: ":bell:"}
		}
		cluster := []string{"", "prod <1>"}[random.IntN(2)]
		for _, via := range []Via{WebAPI, Webhook} {
			shown := Of(n, c, Options{Via: via, ClusterName: cluster, Cluster: testCluster})
			m := sent(n, c, cluster, via == Webhook)
			var err error
			if via == Webhook {
				_, err = hook.Post(context.Background(), "", m)
			} else {
				_, err = api.Post(context.Background(), "C0PREVIEW1", m)
			}
			if bytes.Contains(got.last, []byte(`"block_id":"sn1:`)) {
				pressable++
			}
			if !bytes.Equal(shown.Posts[0].Body, got.last) {
				t.Fatalf("content %d by %s: shown\n%s\nposted\n%s", i, via, shown.Posts[0].Body, got.last)
			}
			if (len(shown.Refusals) > 0) != (err != nil) {
				t.Fatalf("content %d by %s: refusals %q, but Slack says %v", i, via, shown.Refusals, err)
			}
			if err != nil {
				refused++
			} else {
				taken++
			}
		}
	}
	if taken < 1000 || refused < 50 || pressable < 200 {
		t.Errorf("%d were taken, %d refused and %d had buttons: the contents try too little", taken, refused, pressable)
	}
}

// sampleSpecs are the SlackNotifications of config/samples.
func sampleSpecs(t *testing.T) []*v1alpha1.SlackNotification {
	t.Helper()
	var out []*v1alpha1.SlackNotification
	actions := 0
	for _, pattern := range []string{"*.yaml", "later/*.yaml"} {
		files, err := filepath.Glob("../../../../config/samples/" + pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range strings.Split(string(data), "\n---\n") {
				n := &v1alpha1.SlackNotification{}
				if yaml.Unmarshal([]byte(text), n) == nil && n.Kind == "SlackNotification" {
					// whom they mention is looked up by the operator alone
					n.Spec.Text = strings.ReplaceAll(n.Spec.Text, "<@ada@example.com>", "<@U0ADA12345>")
					out, actions = append(out, n), actions+len(n.Spec.Actions)
				}
			}
		}
	}
	if len(out) < 6 || actions == 0 {
		t.Fatalf("only %d samples, with %d actions", len(out), actions)
	}
	return out
}

// randomActions are some that the schema admits, on half of the notifications, some of
// which were answered.
func randomActions(r *rand.Rand, n *v1alpha1.SlackNotification) {
	if r.IntN(2) == 0 {
		return
	}
	texts := []string{"Approve", "a & b <c>", "漢字 :rocket:", strings.Repeat("long ", 15), "\u2028"}
	text := func() string { return texts[r.IntN(len(texts))] }
	n.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}, DecidedBy: []v1alpha1.DecidedBy{"", v1alpha1.DecidedByEach}[r.IntN(2)]}
	for i := range 1 + r.IntN(7) {
		a := v1alpha1.Action{Name: fmt.Sprint("a", i), Text: text(), Style: []v1alpha1.ActionStyle{"", v1alpha1.ActionDefault, v1alpha1.ActionPrimary, v1alpha1.ActionDanger}[r.IntN(4)]}
		if r.IntN(3) == 0 {
			a.Confirm = "Really? " + text()
		}
		if r.IntN(3) == 0 {
			a.Style = ""
			for o := range 1 + r.IntN(12) {
				a.Options = append(a.Options, v1alpha1.ActionOption{Text: text(), Value: fmt.Sprint("v<", o)})
			}
		}
		n.Spec.Actions = append(n.Spec.Actions, a)
	}
	for i := range max(r.IntN(16)-3, 0) {
		n.Status.Responses = append(n.Status.Responses, v1alpha1.Response{
			Action: "a0", Done: text(), User: v1alpha1.ResponseUser{ID: "U0ADA12345", Name: "ada"}, At: metav1.NewMicroTime(time.Unix(1_800_000_000+int64(i), 0)), ID: fmt.Sprint(i),
		})
	}
	if r.IntN(6) == 0 {
		n.Status.Decision = []string{"a0", v1alpha1.DecisionExpired}[r.IntN(2)]
	}
}

// randomContent is a content that the schema admits; its blocks may be wrong.
func randomContent(r *rand.Rand) v1alpha1.Content {
	words := []string{"web", "*bold*", "_it_", "`code`", "```\nblock\n```", "<!channel>", "<@U0123456>", "&amp;", "<", ">", "&", "\n", "\n\n", "🚨", ":x:", "<https://example.com|link>", "> quote", "漢字", "| a | b |", "- item", "\"quoted\"", "\\", "\u2028"}
	text := func(most int) string {
		var b strings.Builder
		for range 1 + r.IntN(most) {
			b.WriteString(words[r.IntN(len(words))] + " ")
		}
		return "t" + b.String()
	}
	var c v1alpha1.Content
	c.Severity = []v1alpha1.Severity{"", "", "Info", "Success", "Warning", "Error", "Critical"}[r.IntN(7)]
	if r.IntN(2) == 0 {
		c.Title = string([]rune(text(8))[:1]) + strings.ReplaceAll(text(6), "\n", " ")
	}
	switch r.IntN(4) {
	case 0:
		c.Markdown = text(30)
	case 1:
		c.Text = text(10)
		c.Blocks = append(c.Blocks, randomBlock(r, text))
	case 2:
		c.Text = strings.Repeat(text(20), 1+r.IntN(40))
	default:
		c.Text = text(5)
	}
	for range r.IntN(4) {
		c.Fields = append(c.Fields, v1alpha1.Field{Title: text(2), Value: text(10), Short: r.IntN(2) == 0})
	}
	if r.IntN(4) == 0 {
		c.Link = &v1alpha1.Link{Text: "Open <it>", URL: "https://example.com/?a=1&b=|2"}
	}
	if r.IntN(5) == 0 {
		c.Sender = &v1alpha1.Sender{Username: "own", IconURL: "https://example.com/i.png"}
	}
	if r.IntN(6) == 0 {
		a := v1alpha1.RawObject{}
		a.Raw = []byte(`{"color":"good","text":"old <!here>","fallback":"f"}`)
		c.Attachments = append(c.Attachments, a)
	}
	c.UnfurlLinks = r.IntN(2) == 0
	return c
}

func randomBlock(r *rand.Rand, text func(int) string) v1alpha1.Block {
	kind, content := "section", any(map[string]any{"type": "mrkdwn", "text": text(5)})
	switch r.IntN(4) {
	case 0:
		kind = "nosuch"
	case 1:
		kind, content = "header", map[string]any{"type": "plain_text", "text": strings.Repeat("h", 100+r.IntN(100))}
	}
	raw, _ := json.Marshal(map[string]any{"type": kind, "text": content}) // texts alone
	return v1alpha1.Block{Type: kind, Raw: raw}
}
