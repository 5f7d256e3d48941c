package channel

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// ways out and consequences, one of which each message that calls for a person
// must name.
var afterwards = regexp.MustCompile(`as soon as|checked again every \d+ minutes|within \d+ minutes|name another (one|channel) in spec\.|until it is set to false`)

// Each reason that a SlackChannel can have, with the sentence that a newcomer
// reads, is in testdata/messages.txt. UPDATE=1 writes it again: read what has
// changed.
func TestMessages(t *testing.T) {
	no := false
	hook := func(c *v1alpha1.SlackChannel) {
		c.Spec.WebAPI, c.Spec.Webhook = nil, &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "hook"}}
	}
	type setup func(g *scene)
	token := func(f slacksim.Token) setup {
		return func(g *scene) {
			f.Token, f.Team, f.BotUser, f.BotID = "xoxb-golden", slacksim.DemoTeam, slacksim.DemoBotUser, "B0BOT0000"
			if f.Scopes == nil {
				f.Scopes = slacksim.AllScopes
			}
			g.slack.set("tokens", f)
			g.token(f.Token)
		}
	}
	fault := func(f slacksim.Fault) setup { return func(g *scene) { g.slack.set("faults", f) } }
	refusedBy := func(e *slack.Error) setup {
		return func(g *scene) {
			g.reconcile("c")
			c := g.stored("c")
			conn, err := g.r.Connections.Resolve(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			g.r.Health.Report(client.ObjectKeyFromObject(c), conn.Credential, e, g.r.Clock.Now())
		}
	}
	cases := []struct {
		name    string
		reason  string
		channel string
		change  func(*v1alpha1.SlackChannel)
		setup   setup
	}{
		{"found", v1alpha1.ReasonVerified, "#alerts", nil, nil},
		{"without a channel", v1alpha1.ReasonVerified, "", nil, nil},
		{"managed", v1alpha1.ReasonVerified, "made", managing(v1alpha1.Manage{}), nil},
		{"suspended", v1alpha1.ReasonSuspended, "#alerts", func(c *v1alpha1.SlackChannel) { c.Spec.Suspend = true }, nil},
		{"no Secret", v1alpha1.ReasonSecretNotFound, "#alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "nope" }, nil},
		{"no key", v1alpha1.ReasonSecretKeyNotFound, "#alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Key = "tokn" }, nil},
		{"proxy is no URL", v1alpha1.ReasonInvalidConnection, "#alerts", func(c *v1alpha1.SlackChannel) {
			c.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}}
		}, nil},
		{"connection not allowed", v1alpha1.ReasonConnectionNotAllowed, "#alerts", func(c *v1alpha1.SlackChannel) {
			c.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}, CASecretRef: &v1alpha1.SecretReference{Name: "ca"}}
		}, func(g *scene) { g.r.Connections.Custom = connection.Namespaces{"platform"} }},
		{"wrong token", v1alpha1.ReasonInvalidToken, "#alerts", nil, func(g *scene) { g.token("xoxb-wrong") }},
		{"token revoked", v1alpha1.ReasonInvalidToken, "#alerts", nil, token(slacksim.Token{Error: "token_revoked"})},
		{"app not let in", v1alpha1.ReasonInvalidToken, "#alerts", nil, fault(slacksim.Fault{Method: "auth.test", Kind: "error", Code: "team_access_not_granted", Times: -1})},
		{"scopes to list channels", v1alpha1.ReasonMissingScope, "#alerts", nil, token(slacksim.Token{Scopes: []string{"chat:write"}})},
		{"scope to join", v1alpha1.ReasonMissingScope, "#random", nil, token(slacksim.Token{Scopes: []string{"chat:write", "channels:read"}})},
		{"scope to create", v1alpha1.ReasonMissingScope, "made", managing(v1alpha1.Manage{}), token(slacksim.Token{Scopes: []string{"chat:write", "channels:read"}})},
		{"no such name", v1alpha1.ReasonChannelNotFound, "#deploy", nil, nil},
		{"no such ID", v1alpha1.ReasonChannelNotFound, "C0NOWHERE", nil, nil},
		{"not to be created", v1alpha1.ReasonChannelNotFound, "nowhere", managing(v1alpha1.Manage{Create: &no}), nil},
		{"may not join", v1alpha1.ReasonNotInChannel, "#random", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Join = &no },
			token(slacksim.Token{Scopes: []string{"chat:write", "channels:read"}})},
		{"could not join", v1alpha1.ReasonNotInChannel, "#random", nil, func(g *scene) {
			token(slacksim.Token{Scopes: []string{"chat:write", "channels:read", "channels:join"}})(g)
			g.slack.set("faults", slacksim.Fault{Method: "conversations.join", Kind: "error", Code: "method_not_supported_for_channel_type", Times: -1})
		}},
		{"archived", v1alpha1.ReasonChannelArchived, "#ancient", nil, func(g *scene) {
			g.slack.set("channels", slacksim.Channel{ID: "C0ANCIENT", Name: "ancient", Archived: true})
		}},
		{"name taken", v1alpha1.ReasonNameTaken, "random", managing(v1alpha1.Manage{}), nil},
		{"name taken by a channel that is not seen", v1alpha1.ReasonNameTaken, "unseen", managing(v1alpha1.Manage{}), func(g *scene) {
			g.slack.set("channels", slacksim.Channel{ID: "C0UNSEEN0", Name: "unseen", Private: true})
		}},
		{"name that Slack refuses", v1alpha1.ReasonManageFailed, "--", managing(v1alpha1.Manage{}), nil},
		{"claimed", v1alpha1.ReasonChannelClaimed, "made", managing(v1alpha1.Manage{}), func(g *scene) {
			elder := slackChannel("b", "made", managing(v1alpha1.Manage{}))
			elder.Status.Workspace = &v1alpha1.Workspace{ID: slacksim.DemoTeam}
			if err := g.store.Create(t.Context(), elder); err != nil {
				t.Fatal(err)
			}
			if err := g.store.Status().Update(t.Context(), elder); err != nil {
				t.Fatal(err)
			}
		}},
		{"Slack is down", v1alpha1.ReasonSlackUnreachable, "#alerts", nil, fault(slacksim.Fault{Method: "auth.test", Kind: "http", Status: 503, Times: -1})},
		{"webhook untried", v1alpha1.ReasonWebhookNotVerified, "", hook, nil},
		{"webhook that works", v1alpha1.ReasonVerified, "", hook, refusedBy(nil)},
		{"webhook revoked", v1alpha1.ReasonWebhookRevoked, "", hook, refusedBy(&slack.Error{Class: slack.ClassWebhookRevoked, Method: "webhook", Code: "no_service"})},
		{"webhook of an archived channel", v1alpha1.ReasonChannelArchived, "", hook, refusedBy(&slack.Error{Class: slack.ClassChannelArchived, Method: "webhook", Code: "channel_is_archived"})},
		{"webhook of a channel that is gone", v1alpha1.ReasonChannelNotFound, "", hook, refusedBy(&slack.Error{Class: slack.ClassChannelNotFound, Method: "webhook", Code: "channel_not_found"})},
		{"webhook of another host", v1alpha1.ReasonInvalidWebhookURL, "", func(c *v1alpha1.SlackChannel) {
			hook(c)
			c.Spec.Webhook.URLSecretRef.Name = "evil"
		}, nil},
	}
	file := filepath.Join("testdata", "messages.txt")
	golden, _ := os.ReadFile(file)
	var got []string
	for _, one := range cases {
		t.Run(one.name, func(t *testing.T) {
			c := slackChannel("c", one.channel)
			c.CreationTimestamp = metav1.Unix(1_700_000_000, 0)
			if one.change != nil {
				one.change(c)
			}
			secret := func(name, key, value string) *corev1.Secret {
				return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name}, Data: map[string][]byte{key: []byte(value)}}
			}
			g := newScene(t, newWorkspace(t), c, secret("proxy", "address", "::plantedsecret"),
				secret("hook", "url", "https://hooks.slack.com/services/T0/B0/plantedsecret"), secret("evil", "url", "https://evil.example.com/plantedsecret"))
			if one.setup != nil {
				one.setup(g)
			}
			ready := conditions.Find(g.becomes("c", one.reason), v1alpha1.ConditionReady)
			line := one.name + " | " + one.reason + " | " + regexp.MustCompile(`since [-0-9]+ [0-9:]+ UTC`).ReplaceAllString(ready.Message, "since TIME")
			got = append(got, line)
			if os.Getenv("UPDATE") == "" && !slices.Contains(strings.Split(string(golden), "\n"), line) {
				t.Errorf("the message is not that of %s:\n%s", file, line)
			}
			if strings.Contains(line, "planted") {
				t.Error("the message holds a secret")
			}
			if ready.Status == metav1.ConditionFalse && !afterwards.MatchString(ready.Message) && !strings.Contains(ready.Message, "nothing needs to be done") {
				t.Errorf("the message does not say what follows the mend: %s", ready.Message)
			}
		})
	}
	if os.Getenv("UPDATE") != "" {
		if err := os.WriteFile(file, []byte(strings.Join(got, "\n")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
