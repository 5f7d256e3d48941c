package plugin

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// message makes a SlackNotification, which change breaks.
func (w *world) message(name string, change func(*v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}}
	n.Spec.ChannelRef.Name, n.Spec.Text = "alerts", "Hello"
	if change != nil {
		change(n)
	}
	w.create(n)
	return n
}

// rule makes a SlackAlert on Deployments, which change breaks.
func (w *world) rule(change func(*v1alpha1.SlackAlert)) {
	r := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "r"}}
	r.Spec.ChannelRef.Name = "alerts"
	r.Spec.Source.Objects = &v1alpha1.ObjectsSource{APIVersion: "apps/v1", Kind: "Deployment", When: "false"}
	change(r)
	w.create(r)
}

// rechannel changes the SlackChannel.
func (w *world) rechannel(change func(*v1alpha1.SlackChannel)) {
	w.Eventually(func() error {
		c := &v1alpha1.SlackChannel{}
		if err := env.Client.Get(w.t.Context(), client.ObjectKeyFromObject(w.alerts), c); err != nil {
			return err
		}
		change(c)
		return env.Client.Update(w.t.Context(), c)
	}).Should(gomega.Succeed())
}

// secret makes a Secret of one key.
func (w *world) secret(name, key, value string) {
	w.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: name}, StringData: map[string]string{key: value}})
}

// elsewhere has the SlackChannel be one of another workspace, in which the bot has few
// scopes and is in no channel.
func (w *world) elsewhere(scopes ...string) {
	team, token := w.team+"E", "xoxb-plantedsecret-few-"+w.team
	w.simIn(team, "users", slacksim.User{ID: w.bot() + "E", Name: "bot", Bot: true})
	w.simIn(team, "channels", slacksim.Channel{ID: w.channel + "E", Name: "alerts"})
	w.simIn(team, "tokens", slacksim.Token{Token: token, Team: team, BotUser: w.bot() + "E", BotID: "B" + team, Scopes: scopes})
	w.secret("few", "token", token)
	w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "few" })
}

// hooked has the SlackChannel be an incoming webhook.
func (w *world) hooked(url string) {
	w.secret("hook", "url", url)
	w.rechannel(func(c *v1alpha1.SlackChannel) {
		c.Spec.WebAPI, c.Spec.Webhook = nil, &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "hook"}}
	})
	// What is sent before the operator has seen that goes out by the Web API.
	w.Eventually(func() (int64, error) {
		c := &v1alpha1.SlackChannel{}
		err := env.Client.Get(w.t.Context(), client.ObjectKeyFromObject(w.alerts), c)
		return c.Generation - c.Status.ObservedGeneration, err
	}).Should(gomega.BeZero())
}

// hook is a webhook of the test's channel, and its URL.
func (w *world) hook(fails string) string {
	path := "/services/" + w.team + "/B1/hook-plantedsecret"
	w.sim("webhooks", slacksim.Webhook{Path: path, Team: w.team, Channel: w.channel, Error: fails})
	return env.Slack + path
}

// brokenSetUps by what is broken in them: the object that is explained, the first
// problem that is told, and the way out, which may stand in that same sentence.
var brokenSetUps = []struct {
	name, object string
	breakIt      func(w *world)
	cause, way   string
}{
	{"a SlackChannel that does not exist", "sln/n", func(w *world) {
		w.message("n", func(n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Name = "alrets" })
	}, `SlackChannel \S+/alrets does not exist`, `correct spec\.channelRef`},
	{"a namespace that is not allowed", "sln/n", func(w *world) {
		other := w.ns + "-owner"
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: other}})
		c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: other, Name: "alerts"}}
		c.Spec.WebAPI = &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "slack-bot"}, Channel: "#alerts"}
		w.create(c)
		w.message("n", func(n *v1alpha1.SlackNotification) { n.Spec.ChannelRef.Namespace = other })
	}, `does not let namespace \S+ refer to it`, `spec\.allowedNamespaces`},
	{"no Secret", "sln/n", func(w *world) {
		w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "slack-bto" })
		w.message("n", nil)
	}, `Secret \S+/slack-bto does not exist \(spec\.webAPI\.tokenSecretRef\)`, `kubectl create secret generic slack-bto -n \S+ --from-literal=token=…`},
	{"a Secret without the key", "slc/alerts", func(w *world) {
		w.secret("other", "apiToken", w.token)
		w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "other" })
	}, `has no key "token", but apiToken`, `spec\.webAPI\.tokenSecretRef\.key`},
	{"a token that Slack refuses", "sln/n", func(w *world) {
		w.secret("wrong", "token", "xoxb-plantedsecret-unknown")
		w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "wrong" })
		w.message("n", nil)
	}, `not ready \(InvalidToken\): .*invalid_auth`, `kubectl slack verify slc/alerts`},
	{"a missing scope", "slc/alerts", func(w *world) { w.elsewhere("chat:write") }, `not ready \(MissingScope\): .*channels:read`, `kubectl slack verify slc/alerts`},
	{"a bot outside of the channel", "slc/alerts", func(w *world) { w.elsewhere("chat:write", "channels:read") }, `not ready \(\w+\): the bot is not a member of channel .*/invite`, `kubectl slack verify slc/alerts`},
	{"no such Slack channel", "slc/alerts", func(w *world) {
		w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel = "#alrets" })
	}, `not ready \(ChannelNotFound\): .*alrets`, `kubectl slack verify slc/alerts`},
	{"an archived Slack channel", "sln/n", func(w *world) {
		w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel = "#old" })
		w.message("n", nil)
	}, `not ready \(ChannelArchived\)`, `kubectl slack verify slc/alerts`},
	{"a suspended SlackChannel", "sln/n", func(w *world) {
		w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.Suspend = true })
		w.message("n", nil)
	}, `spec\.suspend of SlackChannel \S+ stops all deliveries`, `set spec\.suspend of the SlackChannel to false`},
	{"a suspended message", "sln/n", func(w *world) {
		w.message("n", func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true })
	}, `spec\.suspend holds it`, `kubectl patch sln/n .*"suspend":false`},
	{"a person who is not there", "sln/n", func(w *world) {
		w.message("n", func(n *v1alpha1.SlackNotification) { n.Spec.Recipients = []v1alpha1.Recipient{{User: "adda"}} })
	}, `\(UserNotFound\): .*adda`, `kubectl slack resend sln/n`},
	{"recipients through a webhook", "sln/n", func(w *world) {
		w.hooked(w.hook(""))
		w.message("n", func(n *v1alpha1.SlackNotification) { n.Spec.Recipients = []v1alpha1.Recipient{{User: "ada"}} })
	}, `\(?RecipientsNotSupported\)?: `, `spec\.webAPI|spec\.recipients`},
	{"a webhook that was revoked", "sln/n", func(w *world) {
		w.hooked(w.hook("no_service"))
		w.message("n", nil)
	}, `\(?WebhookRevoked\)?: `, `webhook`},
	{"a webhook of a stranger's host", "slc/alerts", func(w *world) {
		w.hooked("https://hooks.example.com/services/T0/B0/plantedsecret")
	}, `not ready \(InvalidWebhookURL\): `, `kubectl slack verify slc/alerts`},
	{"an outcome that nobody knows", "sln/n", func(w *world) {
		w.hooked(w.hook(""))
		w.sim("faults", slacksim.Fault{Method: "webhook", Team: w.team, Kind: "close_after", Times: 1})
		w.message("n", func(n *v1alpha1.SlackNotification) { n.Spec.OnUnknownOutcome = ptr.To(v1alpha1.UnknownOutcomeGiveUp) })
	}, `nobody knows whether Slack has taken it`, `--again --recipient default`},
	{"a parent that does not exist", "sln/n", func(w *world) {
		w.message("n", func(n *v1alpha1.SlackNotification) {
			n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: "gone"}}
		})
	}, `a reply to SlackNotification gone, which does not exist`, `spec\.thread\.notificationRef`},
	{"a parent that is not out", "sln/n", func(w *world) {
		w.message("first", func(n *v1alpha1.SlackNotification) { n.Spec.Suspend = true })
		w.message("n", func(n *v1alpha1.SlackNotification) {
			n.Spec.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: "first"}}
		})
	}, `waits for SlackNotification first, to which it is a reply, and which is Suspended`, `kubectl slack explain sln/first`},
	{"a deadline that is over", "sln/n", func(w *world) {
		w.rechannel(func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel = "#alrets" })
		second := int64(1)
		w.message("n", func(n *v1alpha1.SlackNotification) { n.Spec.ActiveDeadlineSeconds = &second })
	}, `its time was over at`, `activeDeadlineSeconds`},
	{"a Slack that does not answer", "sln/n", func(w *world) {
		w.sim("faults", slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "http", Status: 503, Times: -1})
		w.message("n", nil)
	}, `retrying, \d+ attempts so far \(SlackUnavailable\)`, `tried again|503`},
	{"a message that Slack refuses", "sln/n", func(w *world) {
		w.message("n", func(n *v1alpha1.SlackNotification) {
			n.Spec.Blocks = []v1alpha1.Block{{Type: "nosuch", Raw: []byte(`{"type":"nosuch"}`)}}
		})
	}, `\(MessageRejected\): .*spec\.blocks\[0\]`, `kubectl slack resend sln/n`},
	{"a channel in which apps may not post", "sln/n", func(w *world) {
		w.sim("faults", slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "error", Code: "restricted_action", Times: -1})
		w.message("n", nil)
	}, `\(PostingRestricted\): `, `kubectl slack resend sln/n`},
	{"buttons that nobody takes", "sln/n", func(w *world) {
		w.message("n", func(n *v1alpha1.SlackNotification) {
			n.Spec.Actions = []v1alpha1.Action{{Name: "go", Text: "Go"}}
			n.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}}
		})
	}, `spec\.actions are not shown`, `spec\.interactions`},
	{"buttons without their Secret", "slc/alerts", func(w *world) {
		w.rechannel(func(c *v1alpha1.SlackChannel) {
			c.Spec.Interactions = &v1alpha1.Interactions{AppTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "slack-app"}}
		})
	}, `Secret \S+/slack-app does not exist \(spec\.interactions\.appTokenSecretRef\)`, `--from-literal=appToken=…`},
	{"a rule whose kind may not be watched", "sla/r", func(w *world) {
		w.rule(func(r *v1alpha1.SlackAlert) {
			r.Spec.Source.Objects.APIVersion, r.Spec.Source.Objects.Kind = "v1", "ConfigMap"
		})
	}, `WatchForbidden: the operator may not list configmaps`, `ClusterRole`},
	{"a rule on Secrets", "sla/r", func(w *world) {
		w.rule(func(r *v1alpha1.SlackAlert) {
			r.Spec.Source.Objects.APIVersion, r.Spec.Source.Objects.Kind = "v1", "Secret"
		})
	}, `WatchForbidden: Secrets are never watched`, `name another kind in spec\.source\.objects`},
	{"a rule whose kind does not exist", "sla/r", func(w *world) {
		w.rule(func(r *v1alpha1.SlackAlert) { r.Spec.Source.Objects.Kind = "Deploymentz" })
	}, `KindNotFound: .*Deploymentz`, `CustomResourceDefinition|apiVersion|kind`},
	{"a rule that does not compile", "sla/r", func(w *world) {
		w.rule(func(r *v1alpha1.SlackAlert) { r.Spec.Source.Objects.When = "object.spec.replicas >" })
	}, `InvalidExpression: `, `spec\.source\.objects\.when`},
	{"a rule whose field is missing", "sla/r", func(w *world) {
		labels := map[string]string{"app": "web"}
		d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "web"}}
		d.Spec.Selector = &metav1.LabelSelector{MatchLabels: labels}
		d.Spec.Template.Labels, d.Spec.Template.Spec.Containers = labels, []corev1.Container{{Name: "web", Image: "web"}}
		w.create(d)
		w.rule(func(r *v1alpha1.SlackAlert) { r.Spec.Source.Objects.When = "object.spec.paused" })
	}, `no such key: paused`, `kubectl slack alert test`},
	{"a rule through no SlackChannel", "sla/r", func(w *world) {
		w.rule(func(r *v1alpha1.SlackAlert) { r.Spec.ChannelRef.Name = "alrets" })
	}, `alrets`, `channelRef`},
}

func (w *world) bot() string { return "U" + strings.TrimPrefix(w.team, "T") + "BOT" }

// Each broken set-up is told by its cause, which comes first, and the way out: the real
// operator has looked at it on a real API server.
func TestExplainBrokenSetUps(t *testing.T) {
	for i, row := range brokenSetUps {
		t.Run(row.name, func(t *testing.T) {
			w := newNamedWorld(t, fmt.Sprintf("broken%d", i))
			row.breakIt(w)
			cause, way := regexp.MustCompile(row.cause), regexp.MustCompile(row.way)
			w.Eventually(func() string {
				out, errs, code := w.slack("", "explain", row.object)
				lines := strings.Split(out, "\n")
				for k, line := range lines {
					if !strings.HasPrefix(line, "problem") {
						continue
					}
					if code == 1 && cause.MatchString(line) && (way.MatchString(line) || way.MatchString(lines[k+1])) {
						return "told"
					}
					break
				}
				return fmt.Sprintf("exit code %d, want 1 and the first problem %s with %s:\n%s%s", code, row.cause, row.way, out, errs)
			}).WithPolling(time.Second).Should(gomega.Equal("told"))
		})
	}
}

// Who may see little is told what is not known, and whom to ask.
func TestExplainFewRights(t *testing.T) {
	w := newWorld(t)
	w.message("n", nil)
	w.create(&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "one"}, Rules: []rbacv1.PolicyRule{{
		APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{"slacknotifications"}, Verbs: []string{"get"}}}})
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "one"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "one"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "few"}}})
	w.Eventually(func() string {
		out, errs, code := w.slack("", "--as", "few", "explain", "sln/n")
		return fmt.Sprintf("%d %s%s", code, out, errs)
	}).WithPolling(time.Second).Should(gomega.And(
		gomega.HavePrefix("0 "), gomega.ContainSubstring("default    delivered: https://"), gomega.ContainSubstring("you may not see who leads (forbidden)"),
		gomega.MatchRegexp(`unknown  channel    you may not see SlackChannel \S+/alerts\n\s+→ ask for the ClusterRole slack-notifier-viewer-role`),
	))
	// What may be watched, but not its Secret.
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "view"}, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "slack-notifier-viewer-role"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: "User", Name: "viewer"}}})
	w.Eventually(func() string {
		out, _, _ := w.slack("", "--as", "viewer", "explain", "slc/alerts")
		return out
	}).WithPolling(time.Second).Should(gomega.And(
		gomega.MatchRegexp(`unknown  secret     whether Secret \S+/slack-bot exists can't be told: forbidden \(spec\.webAPI\.tokenSecretRef\)`),
		gomega.ContainSubstring("is ready"),
	))
}
