package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// patience of the tests: long, because the machine may be busy.
const patience = 3 * time.Minute

// world is a namespace and a Slack workspace for one test alone.
type world struct {
	*gomega.WithT
	history *history
	t       *testing.T
	ctx     context.Context
	ns      string
	team    string
	token   string
	hook    string
	// as is who writes objects; the cluster's administrator when nil.
	as client.Client
}

// writer writes objects.
func (w *world) writer() client.Client {
	if w.as != nil {
		return w.as
	}
	return env.client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	t.Parallel()
	return newWorldAlone(t)
}

// newWorldAlone makes a world of a test that runs before those beside each other:
// no operator of another test learns of its SlackChannels.
func newWorldAlone(t *testing.T) *world {
	t.Helper()
	h := fnv.New32a()
	_, _ = h.Write([]byte(t.Name()))
	id := fmt.Sprintf("%08X", h.Sum32())
	w := &world{WithT: gomega.NewWithT(t), t: t, ctx: t.Context(), ns: "t-" + strings.ToLower(id), team: "T" + id}
	w.SetDefaultEventuallyTimeout(patience)
	w.SetDefaultEventuallyPollingInterval(40 * time.Millisecond)
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns, Labels: map[string]string{"test": id}}})
	w.history = w.record()

	bot := w.id("U", "BOT")
	w.user(slacksim.User{ID: bot, Name: "slack-notifier", RealName: "slack-notifier", Bot: true})
	w.user(slacksim.User{ID: w.id("U", "YUEH"), Name: "yueh.liu", DisplayName: "yueh", RealName: "Yueh Liu", Email: "yueh@example.com"})
	w.user(slacksim.User{ID: w.id("U", "ADA"), Name: "ada", DisplayName: "Countess", RealName: "Ada Lovelace", Email: "ada@example.com"})
	w.user(slacksim.User{ID: w.id("U", "SAM1"), Name: "sam.one", DisplayName: "Sam", RealName: "Sam One"})
	w.user(slacksim.User{ID: w.id("U", "SAM2"), Name: "sam.two", DisplayName: "Sam", RealName: "Sam Two"})
	w.user(slacksim.User{ID: w.id("U", "GONE"), Name: "gone", RealName: "Gone Away", Email: "gone@example.com", Deleted: true})
	w.user(slacksim.User{ID: w.id("U", "OTHER"), Name: "otherbot", RealName: "Other Bot", Bot: true})
	w.user(slacksim.User{ID: w.id("U", "SHY"), Name: "shy", RealName: "Shy Person", Unreachable: true})
	w.channel(slacksim.Channel{ID: w.id("C", "ALERTS"), Name: "alerts", Members: []string{bot}})
	w.channel(slacksim.Channel{ID: w.id("C", "DEPLOYS"), Name: "deploys", Members: []string{bot}})
	w.channel(slacksim.Channel{ID: w.id("C", "OTHER"), Name: "other"})
	w.channel(slacksim.Channel{ID: w.id("C", "OLD"), Name: "old", Archived: true})
	w.channel(slacksim.Channel{ID: w.id("C", "SECRET"), Name: "secret", Private: true})
	w.channel(slacksim.Channel{ID: w.id("C", "OPS"), Name: "ops", Private: true, Members: []string{bot}})
	w.channel(slacksim.Channel{ID: w.id("C", "READONLY"), Name: "readonly", Members: []string{bot}, ReadOnly: true})
	w.token = "xoxb-" + strings.ToLower(id) + "-plantedsecrettoken"
	w.grant(slacksim.Token{Token: w.token})
	w.hook = "/services/" + w.team + "/B0/plantedsecrethook" + strings.ToLower(id)
	w.webhook(slacksim.Webhook{Path: w.hook, Channel: w.id("C", "ALERTS")})
	return w
}

// id makes an ID that no other test has.
func (w *world) id(kind, name string) string { return kind + w.team[1:] + name }

func (w *world) sim(path string, body any) {
	w.t.Helper()
	data, err := json.Marshal(body)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	resp, err := http.Post(env.slack+"/_sim/"+path, "application/json", bytes.NewReader(data))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	w.Expect(resp.StatusCode).To(gomega.Equal(http.StatusOK))
}

func (w *world) user(u slacksim.User)       { w.sim("users?team="+w.team, u) }
func (w *world) channel(c slacksim.Channel) { w.sim("channels?team="+w.team, c) }

func (w *world) grant(t slacksim.Token) {
	t.Team, t.BotUser, t.BotID = w.team, w.id("U", "BOT"), w.id("B", "BOT")
	if t.Scopes == nil {
		t.Scopes = slacksim.AllScopes
	}
	w.sim("tokens?team="+w.team, t)
}

func (w *world) webhook(h slacksim.Webhook) {
	h.Team, h.AppName = w.team, "slack-notifier"
	w.sim("webhooks?team="+w.team, h)
}

// fault makes something go wrong, in this test's channels alone.
func (w *world) fault(f slacksim.Fault) { w.sim("faults", f) }

// hold keeps the next post to a channel on its way until mend, so that what comes
// after it queues up, however slow the machine is.
func (w *world) hold(channel string) {
	w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Channel: channel, Kind: "hold"})
}

// patient waits for an answer as long as a SlackChannel may.
func patient(c *v1alpha1.SlackChannel) {
	c.Spec.Connection = &v1alpha1.Connection{Timeout: &metav1.Duration{Duration: 30 * time.Second}}
}

// mend ends the faults of this test.
func (w *world) mend() {
	w.t.Helper()
	req, err := http.NewRequestWithContext(w.ctx, http.MethodDelete, env.slack+"/_sim/faults?team="+w.team, nil)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	resp, err := http.DefaultClient.Do(req)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	_ = resp.Body.Close()
}

// messages of a channel, as the simulated Slack has them.
func (w *world) messages(channel string) []slacksim.Message {
	w.t.Helper()
	var out []slacksim.Message
	w.Expect(json.Unmarshal(fetch(w.t, env.slack+"/_sim/messages?channel="+channel), &out)).To(gomega.Succeed())
	return out
}

func (w *world) create(o client.Object) {
	w.t.Helper()
	if o.GetNamespace() == "" && w.ns != "" {
		if _, isNamespace := o.(*corev1.Namespace); !isNamespace {
			o.SetNamespace(w.ns)
		}
	}
	w.Expect(w.writer().Create(w.ctx, o)).To(gomega.Succeed())
}

func (w *world) secret(name, key, value string) {
	w.t.Helper()
	w.create(secretOf(w.ns, name, map[string]string{key: value}))
}

// update changes an object that others may change too.
func (w *world) update(o client.Object, change func()) {
	w.t.Helper()
	w.Eventually(func() error {
		if err := env.client.Get(w.ctx, client.ObjectKeyFromObject(o), o); err != nil {
			return err
		}
		change()
		return w.writer().Update(w.ctx, o)
	}).Should(gomega.Succeed())
}

// webAPI makes a SlackChannel with a good token.
func (w *world) webAPI(name, channel string, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
	w.t.Helper()
	w.secret(name+"-token", "token", w.token)
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SlackChannelSpec{
		WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: name + "-token"}, Channel: channel},
	}}
	for _, change := range changes {
		change(c)
	}
	w.create(c)
	return c
}

// hooked makes a SlackChannel with a webhook.
func (w *world) hooked(name, path string) *v1alpha1.SlackChannel {
	w.t.Helper()
	w.secret(name+"-url", "url", env.slack+path)
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SlackChannelSpec{
		Webhook: &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: name + "-url"}},
	}}
	w.create(c)
	return c
}

// notify makes a SlackNotification with a text.
func (w *world) notify(name, channel string, changes ...func(*v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	w.t.Helper()
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.SlackNotificationSpec{
		ChannelRef: v1alpha1.ChannelReference{Name: channel}, Content: v1alpha1.Content{Text: "text of " + name},
	}}
	for _, change := range changes {
		change(n)
	}
	w.create(n)
	return n
}

func to(recipients ...v1alpha1.Recipient) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.Recipients = recipients }
}

func user(name string) v1alpha1.Recipient  { return v1alpha1.Recipient{User: name} }
func email(name string) v1alpha1.Recipient { return v1alpha1.Recipient{Email: name} }
func room(name string) v1alpha1.Recipient  { return v1alpha1.Recipient{Channel: name} }

// look is what a user sees of an object at a glance.
type look struct {
	Phase, Ready, Reason string
	Stalled, Reconciling bool
	Kstatus              status.Status
}

type conditioned interface {
	client.Object
	GetConditions() []metav1.Condition
}

// see reads an object and sums it up.
func (w *world) see(o conditioned) look {
	w.t.Helper()
	if err := env.client.Get(w.ctx, client.ObjectKeyFromObject(o), o); err != nil {
		return look{Reason: err.Error()}
	}
	return w.glance(o)
}

// glance sums an object up.
func (w *world) glance(o conditioned) look {
	w.t.Helper()
	var out look
	if n, ok := o.(*v1alpha1.SlackNotification); ok {
		out.Phase = string(n.Status.Phase)
	}
	if ready := meta.FindStatusCondition(o.GetConditions(), v1alpha1.ConditionReady); ready != nil {
		out.Ready, out.Reason = string(ready.Status), ready.Reason
		if ready.ObservedGeneration != o.GetGeneration() {
			out.Reason += " (of an older generation)"
		}
	}
	out.Stalled = meta.IsStatusConditionTrue(o.GetConditions(), v1alpha1.ConditionStalled)
	out.Reconciling = meta.IsStatusConditionTrue(o.GetConditions(), v1alpha1.ConditionReconciling)
	kind := "SlackNotification"
	switch o.(type) {
	case *v1alpha1.SlackChannel:
		kind = "SlackChannel"
	case *v1alpha1.SlackAlert:
		kind = "SlackAlert"
	}
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	u := &unstructured.Unstructured{Object: content}
	u.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	result, err := status.Compute(u)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	out.Kstatus = result.Status
	return out
}

func (w *world) message(o conditioned) string {
	w.t.Helper()
	w.Expect(env.client.Get(w.ctx, client.ObjectKeyFromObject(o), o)).To(gomega.Succeed())
	return said(o)
}

// said is the message of Ready.
func said(o conditioned) string {
	if ready := meta.FindStatusCondition(o.GetConditions(), v1alpha1.ConditionReady); ready != nil {
		return ready.Message
	}
	return ""
}

// The three ways that an object can be, as kubectl wait, Flux and Argo CD see
// them.
func current(phase, reason string) look {
	return look{Phase: phase, Ready: "True", Reason: reason, Kstatus: status.CurrentStatus}
}
func stalled(phase, reason string) look {
	return look{Phase: phase, Ready: "False", Reason: reason, Stalled: true, Kstatus: status.FailedStatus}
}
func retrying(phase, reason string) look {
	return look{Phase: phase, Ready: "False", Reason: reason, Reconciling: true, Kstatus: status.InProgressStatus}
}
func progressing(phase, reason string) look {
	return look{Phase: phase, Ready: "Unknown", Reason: reason, Reconciling: true, Kstatus: status.InProgressStatus}
}
func held(phase, reason string) look {
	return look{Phase: phase, Ready: "False", Reason: reason, Kstatus: status.InProgressStatus}
}

func (w *world) becomes(o conditioned, want look) {
	w.t.Helper()
	w.Eventually(func() look { return w.see(o) }).Should(gomega.Equal(want), func() string { return w.message(o) })
}

func (w *world) ready(c *v1alpha1.SlackChannel) {
	w.t.Helper()
	w.becomes(c, current("", v1alpha1.ReasonVerified))
}
