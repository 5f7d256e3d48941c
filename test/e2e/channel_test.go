package e2e

import (
	"testing"

	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Every reason of a SlackChannel, with what a newcomer must find in the message.
func TestSlackChannelReasons(t *testing.T) {
	no := false
	cases := []struct {
		name  string
		setup func(w *world) *v1alpha1.SlackChannel
		want  look
		says  []string
	}{
		{"by name", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "#alerts") },
			current("", v1alpha1.ReasonVerified), []string{"#alerts"}},
		{"by ID", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", w.id("C", "ALERTS")) },
			current("", v1alpha1.ReasonVerified), nil},
		{"without a channel", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "") },
			current("", v1alpha1.ReasonVerified), []string{"token was accepted"}},
		{"private channel by name", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "ops") },
			current("", v1alpha1.ReasonVerified), nil},
		{"joins a public channel", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "other") },
			current("", v1alpha1.ReasonVerified), nil},
		{"webhook", func(w *world) *v1alpha1.SlackChannel { return w.hooked("c", w.hook) },
			current("", v1alpha1.ReasonWebhookNotVerified), []string{"first message will tell"}},
		{"suspended", func(w *world) *v1alpha1.SlackChannel {
			return w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) { c.Spec.Suspend = true })
		}, held("", v1alpha1.ReasonSuspended), []string{"spec.suspend"}},
		{"Secret missing", func(w *world) *v1alpha1.SlackChannel {
			return w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "nope" })
		}, stalled("", v1alpha1.ReasonSecretNotFound), []string{`Secret "nope"`, "create it"}},
		{"key missing", func(w *world) *v1alpha1.SlackChannel {
			return w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Key = "tokn" })
		}, stalled("", v1alpha1.ReasonSecretKeyNotFound), []string{`no key "tokn"`}},
		{"empty value", func(w *world) *v1alpha1.SlackChannel {
			w.secret("empty", "token", " \n")
			return w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "empty" })
		}, stalled("", v1alpha1.ReasonSecretKeyNotFound), []string{"is empty"}},
		{"wrong token", func(w *world) *v1alpha1.SlackChannel {
			w.token = "xoxb-wrong-plantedsecrettoken"
			return w.webAPI("c", "alerts")
		}, stalled("", v1alpha1.ReasonInvalidToken), []string{"invalid_auth", "c-token"}},
		{"token with a line break inside", func(w *world) *v1alpha1.SlackChannel {
			w.token = "xoxb-plantedsecrettoken\nxoxb-plantedsecrettoken"
			return w.webAPI("c", "alerts")
		}, stalled("", v1alpha1.ReasonInvalidToken), []string{"white space"}},
		{"revoked token", func(w *world) *v1alpha1.SlackChannel {
			w.grant(slacksim.Token{Token: w.token, Error: "token_revoked"})
			return w.webAPI("c", "alerts")
		}, stalled("", v1alpha1.ReasonInvalidToken), []string{"token_revoked"}},
		{"missing scope", func(w *world) *v1alpha1.SlackChannel {
			w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write"}})
			return w.webAPI("c", "alerts")
		}, stalled("", v1alpha1.ReasonMissingScope), []string{"channels:read"}},
		{"unknown channel", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "#deploy") },
			stalled("", v1alpha1.ReasonChannelNotFound), []string{`"#deploy"`, "invite the bot", "ID"}},
		{"unknown channel ID", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "C0NOWHERE") },
			stalled("", v1alpha1.ReasonChannelNotFound), []string{"channel_not_found", "C0NOWHERE"}},
		{"private channel that the bot is not in", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "secret") },
			stalled("", v1alpha1.ReasonChannelNotFound), []string{"invite the bot"}},
		{"archived channel", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "old") },
			stalled("", v1alpha1.ReasonChannelArchived), []string{"archived"}},
		{"may not join", func(w *world) *v1alpha1.SlackChannel {
			w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write", "channels:read"}})
			return w.webAPI("c", "other", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Join = &no })
		}, stalled("", v1alpha1.ReasonNotInChannel), []string{"spec.webAPI.join", "invite"}},
		{"lacks the scope to join", func(w *world) *v1alpha1.SlackChannel {
			w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write", "channels:read"}})
			return w.webAPI("c", "other")
		}, stalled("", v1alpha1.ReasonMissingScope), []string{"channels:join"}},
		{"webhook of another host", func(w *world) *v1alpha1.SlackChannel {
			w.secret("c-url", "url", "https://evil.example.com/services/plantedsecrethook")
			c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Spec: v1alpha1.SlackChannelSpec{
				Webhook: &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "c-url"}}}}
			w.create(c)
			return c
		}, stalled("", v1alpha1.ReasonInvalidWebhookURL), []string{"evil.example.com", "--allowed-hosts"}},
		{"webhook of Workflow Builder", func(w *world) *v1alpha1.SlackChannel {
			w.secret("c-url", "url", "https://hooks.slack.com/triggers/T0/1/plantedsecrethook")
			c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Name: "c"}, Spec: v1alpha1.SlackChannelSpec{
				Webhook: &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "c-url"}}}}
			w.create(c)
			return c
		}, stalled("", v1alpha1.ReasonInvalidWebhookURL), []string{"Workflow Builder"}},
		{"certificate authority is none", func(w *world) *v1alpha1.SlackChannel {
			w.secret("ca", "ca.crt", "this is no certificate")
			return w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) {
				c.Spec.Connection = &v1alpha1.Connection{CASecretRef: &v1alpha1.SecretReference{Name: "ca"}}
			})
		}, stalled("", v1alpha1.ReasonInvalidConnection), []string{"PEM"}},
		{"proxy that nobody listens on", func(w *world) *v1alpha1.SlackChannel {
			w.create(secretOf(w.ns, "proxy", map[string]string{"address": "http://127.0.0.1:9", "username": "u", "password": "plantedsecretproxy"}))
			return w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) {
				c.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}}
			})
		}, retrying("", v1alpha1.ReasonSlackUnreachable), []string{"spec.connection.proxySecretRef", "opened no way to Slack", "--allowed-proxies"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			got := c.setup(w)
			w.becomes(got, c.want)
			for _, part := range c.says {
				w.Expect(w.message(got)).To(gomega.ContainSubstring(part))
			}
		})
	}
}

func TestSlackChannelTellsWhatSlackSaid(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "#alerts")
	w.ready(c)
	w.Expect(c.Status.Workspace.ID).To(gomega.Equal(w.team))
	w.Expect(c.Status.Channel).To(gomega.Equal(&v1alpha1.ChannelInfo{ID: w.id("C", "ALERTS"), Name: "alerts"}))
	w.Expect(c.Status.BotUserID).To(gomega.Equal(w.id("U", "BOT")))
	w.Expect(c.Status.Scopes).To(gomega.ContainElements("chat:write", "users:read"))
}

// ExactlyOnce tells the truth about what may be read back.
func TestExactlyOnce(t *testing.T) {
	cases := []struct {
		name   string
		setup  func(w *world) *v1alpha1.SlackChannel
		status metav1.ConditionStatus
		reason string
		says   string
	}{
		{"with all scopes", func(w *world) *v1alpha1.SlackChannel { return w.webAPI("c", "alerts") },
			metav1.ConditionTrue, v1alpha1.ReasonVerifiable, ""},
		{"scopes not reported but granted", func(w *world) *v1alpha1.SlackChannel {
			w.grant(slacksim.Token{Token: w.token, HideScopes: true})
			return w.webAPI("c", "alerts")
		}, metav1.ConditionTrue, v1alpha1.ReasonVerifiable, ""},
		{"without the scope", func(w *world) *v1alpha1.SlackChannel {
			w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write", "channels:read"}})
			return w.webAPI("c", "alerts")
		}, metav1.ConditionFalse, v1alpha1.ReasonMissingScope, "channels:history"},
		{"webhook", func(w *world) *v1alpha1.SlackChannel { return w.hooked("c", w.hook) },
			metav1.ConditionFalse, v1alpha1.ReasonWebhook, "can't be asked"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			got := c.setup(w)
			w.Eventually(func(g gomega.Gomega) {
				w.see(got)
				cond := meta.FindStatusCondition(got.Status.Conditions, v1alpha1.ConditionExactlyOnce)
				g.Expect(cond).NotTo(gomega.BeNil())
				g.Expect(cond.Status).To(gomega.Equal(c.status))
				g.Expect(cond.Reason).To(gomega.Equal(c.reason))
				g.Expect(cond.Message).To(gomega.ContainSubstring(c.says))
			}).Should(gomega.Succeed())
		})
	}
}

// A Secret that comes later, or is mended, is seen at once.
func TestSecretChangesAreSeen(t *testing.T) {
	w := newWorld(t)
	good := w.token
	w.token = "xoxb-wrong-plantedsecrettoken"
	c := w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "later" })
	n := w.notify("n", "c")
	w.becomes(c, stalled("", v1alpha1.ReasonSecretNotFound))
	w.becomes(n, stalled("Pending", v1alpha1.ReasonSecretNotFound))

	w.secret("later", "token", "xoxb-wrong-plantedsecrettoken")
	w.becomes(c, stalled("", v1alpha1.ReasonInvalidToken))
	w.becomes(n, stalled("Pending", v1alpha1.ReasonInvalidToken))

	s := secretOf(w.ns, "later", nil)
	w.update(s, func() { s.StringData = map[string]string{"token": good} })
	w.ready(c)
	w.becomes(n, current("Delivered", v1alpha1.ReasonDelivered))
}

func TestWebhookIsVerifiedAndRevoked(t *testing.T) {
	w := newWorld(t)
	c := w.hooked("c", w.hook)
	w.becomes(c, current("", v1alpha1.ReasonWebhookNotVerified))
	w.becomes(w.notify("first", "c"), current("Delivered", v1alpha1.ReasonDelivered))
	w.becomes(c, current("", v1alpha1.ReasonVerified))

	w.webhook(slacksim.Webhook{Path: w.hook, Channel: w.id("C", "ALERTS"), Error: "no_service"})
	n := w.notify("second", "c")
	w.becomes(n, stalled("Failed", v1alpha1.ReasonWebhookRevoked))
	w.Expect(n.Status.Deliveries[0].Message).To(gomega.ContainSubstring("no_service"))
	w.becomes(c, stalled("", v1alpha1.ReasonWebhookRevoked))
	w.Expect(w.message(c)).To(gomega.ContainSubstring("c-url"))

	// A new webhook mends both.
	w.webhook(slacksim.Webhook{Path: w.hook + "2", Channel: w.id("C", "ALERTS")})
	s := secretOf(w.ns, "c-url", nil)
	w.update(s, func() { s.StringData = map[string]string{"url": env.slack + w.hook + "2"} })
	w.becomes(n, current("Delivered", v1alpha1.ReasonDelivered))
	w.becomes(c, current("", v1alpha1.ReasonVerified))
}

// Slack that does not answer is no fault of the channel's, and passes.
func TestSlackUnreachablePasses(t *testing.T) {
	w := newWorld(t)
	w.fault(slacksim.Fault{Method: "conversations.info", Channel: w.id("C", "ALERTS"), Kind: "http", Status: 503, Times: 3})
	c := w.webAPI("c", w.id("C", "ALERTS"))
	w.passesThrough(c, retrying("", v1alpha1.ReasonSlackUnreachable), "http_503")
	w.ready(c)
}

func TestTokenRevokedWhileInUse(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "alerts")
	w.ready(c)
	w.grant(slacksim.Token{Token: w.token, Error: "account_inactive"})
	n := w.notify("n", "c")
	w.becomes(n, stalled("Failed", v1alpha1.ReasonInvalidToken))
	// The first refused message has the SlackChannel checked.
	w.becomes(c, stalled("", v1alpha1.ReasonInvalidToken))
	w.grant(slacksim.Token{Token: w.token})
	s := secretOf(w.ns, "c-token", nil)
	w.update(s, func() { s.Annotations = map[string]string{"rotated": "yes"} })
	w.ready(c)
	w.becomes(n, current("Delivered", v1alpha1.ReasonDelivered))
}
