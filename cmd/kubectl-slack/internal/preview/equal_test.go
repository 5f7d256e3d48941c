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

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
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
	m := message.Render(content, message.Options{
		DefaultSender: c.Spec.Sender, ClusterName: cluster, Webhook: hook, Paging: message.PagingOf(rules, guest),
	}).Message
	if !hook {
		m.Metadata = message.Metadata(message.Identity{
			NotificationUID: string(n.UID), Recipient: message.DefaultRecipient, ContentHash: message.Hash(n.Spec.Content),
			Namespace: n.Namespace, IdempotencyKey: n.Spec.IdempotencyKey,
		})
	}
	return m
}

// What is shown as JSON is, byte for byte, what the adapters post to the simulated
// Slack, for a thousand random contents and both ways; and Slack takes what is shown
// to be taken, and refuses what is shown to be refused.
func TestBodiesAreWhatIsPosted(t *testing.T) {
	got, api, hook := newSlack(t)
	random := rand.New(rand.NewPCG(1, 2)) // the same contents each time
	taken, refused := 0, 0
	samples := sampleContents(t)
	for i := range 1000 + len(samples) {
		n := &v1alpha1.SlackNotification{}
		n.Namespace, n.Name, n.UID = "team-a", fmt.Sprint("n", i), "uid"
		n.Spec.ChannelRef.Name = "alerts"
		if n.Spec.Content = randomContent(random); i >= 1000 {
			n.Spec.Content = samples[i-1000]
		}
		c := &v1alpha1.SlackChannel{}
		c.Namespace, c.Name = "team-a", "alerts"
		c.Spec.WebAPI = &v1alpha1.WebAPI{Channel: "C0PREVIEW1"}
		if random.IntN(3) == 0 {
			c.Namespace = "platform" // the message is a guest's
			n.Spec.ChannelRef.Namespace = "platform"
		}
		if random.IntN(3) == 0 {
			c.Spec.Sender = &v1alpha1.Sender{Username: "default", IconEmoji: ":bell:"}
		}
		cluster := []string{"", "prod <1>"}[random.IntN(2)]
		for _, via := range []Via{WebAPI, Webhook} {
			shown := Of(n, c, Options{Via: via, ClusterName: cluster})
			m := sent(n, c, cluster, via == Webhook)
			var err error
			if via == Webhook {
				_, err = hook.Post(context.Background(), "", m)
			} else {
				_, err = api.Post(context.Background(), "C0PREVIEW1", m)
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
	if taken < 1000 || refused < 50 {
		t.Errorf("%d were taken and %d refused: the contents try too little", taken, refused)
	}
}

// sampleContents are those of config/samples.
func sampleContents(t *testing.T) []v1alpha1.Content {
	t.Helper()
	var out []v1alpha1.Content
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
					out = append(out, n.Spec.Content)
				}
			}
		}
	}
	if len(out) < 6 {
		t.Fatalf("only %d samples", len(out))
	}
	for i := range out { // whom they mention is looked up by the operator alone
		out[i].Text = strings.ReplaceAll(out[i].Text, "<@ada@example.com>", "<@U0ADA12345>")
	}
	return out
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
