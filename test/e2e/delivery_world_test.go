package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// callsSince lists what this test's tokens and webhooks have called since a
// time: the methods named, or all.
func (w *world) callsSince(since time.Time, methods ...string) (out []slacksim.Call) {
	w.t.Helper()
	var calls slacksim.Calls
	w.Expect(json.Unmarshal(fetch(w.t, env.slack+"/_sim/calls"), &calls)).To(gomega.Succeed())
	for _, c := range calls.Log {
		wanted := len(methods) == 0
		for _, m := range methods {
			wanted = wanted || c.Method == m
		}
		if wanted && c.Team == w.team && !c.At.Before(since) {
			out = append(out, c)
		}
	}
	return out
}

// methodsSince are the methods of callsSince, but for auth.test, by which
// SlackChannels are verified.
func (w *world) methodsSince(since time.Time) (out []string) {
	w.t.Helper()
	for _, c := range w.callsSince(since) {
		if c.Method != "auth.test" {
			out = append(out, c.Method)
		}
	}
	return out
}

// guest is a namespace of another tenant.
func (w *world) guest() string {
	w.t.Helper()
	name := w.ns + "-guest"
	w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	return name
}

// from puts a notification into another namespace than its SlackChannel's.
func (w *world) from(guest string) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Namespace, n.Spec.ChannelRef.Namespace = guest, w.ns }
}

// shared lets all namespaces refer to a SlackChannel.
func shared(c *v1alpha1.SlackChannel) {
	c.Spec.AllowedNamespaces = &v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromAll}
}

// warningsIn are the reasons of the Warning Events about a SlackNotification.
func (w *world) warningsIn(ns, name string) (out []string) {
	w.t.Helper()
	list := &corev1.EventList{}
	w.Expect(env.client.List(w.ctx, list, client.InNamespace(ns))).To(gomega.Succeed())
	for _, e := range list.Items {
		if e.InvolvedObject.Kind == "SlackNotification" && e.InvolvedObject.Name == name && e.Type == corev1.EventTypeWarning {
			out = append(out, e.Reason)
		}
	}
	return out
}

// tells reports whether a reason stands anywhere in the status.
func (w *world) tells(n *v1alpha1.SlackNotification, reason string) bool {
	w.see(n)
	for _, c := range n.Status.Conditions {
		if c.Reason == reason {
			return true
		}
	}
	for _, d := range n.Status.Deliveries {
		if d.Reason == reason {
			return true
		}
	}
	return false
}

// sentences are all that the status says.
func (w *world) sentences(n *v1alpha1.SlackNotification) string {
	w.see(n)
	var out []string
	for _, c := range n.Status.Conditions {
		out = append(out, c.Message)
	}
	for _, d := range n.Status.Deliveries {
		out = append(out, d.Message)
	}
	return strings.Join(out, "\n")
}

// settles waits until nothing is left to do about the spec as it is.
func (w *world) settles(n *v1alpha1.SlackNotification) {
	w.t.Helper()
	w.Eventually(func(g gomega.Gomega) {
		got := w.see(n)
		g.Expect(got.Kstatus).To(gomega.BeElementOf(status.CurrentStatus, status.FailedStatus))
		g.Expect(n.Status.ObservedGeneration).To(gomega.Equal(n.Generation))
	}).Should(gomega.Succeed(), func() string { return w.message(n) })
}

// vanish deletes an object, and waits until it is gone.
func (w *world) vanish(n client.Object) {
	w.t.Helper()
	w.Expect(w.writer().Delete(w.ctx, n)).To(gomega.Succeed())
	w.Eventually(w.gone(n)).Should(gomega.BeTrue())
}

// request annotates an object as kubectl does: look now.
func (w *world) request(o client.Object, value string) {
	w.t.Helper()
	patch := fmt.Sprintf(`{"metadata":{"annotations":{%q:%q}}}`, v1alpha1.AnnotationRequestedAt, value)
	w.Expect(w.writer().Patch(w.ctx, o, client.RawPatch(types.MergePatchType, []byte(patch)))).To(gomega.Succeed())
}

// direct is the conversation of the bot with the first recipient.
func direct(n *v1alpha1.SlackNotification) string { return n.Status.Deliveries[0].ConversationID }

// age makes a message older than it is; it has another ts then.
func (w *world) age(channel, ts string, by time.Duration) string {
	w.t.Helper()
	body, err := json.Marshal(map[string]any{"channel": channel, "ts": ts, "seconds": int(by.Seconds())})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	resp, err := http.Post(env.slack+"/_sim/age", "application/json", bytes.NewReader(body))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer resp.Body.Close()
	var out struct {
		TS string `json:"ts"`
	}
	w.Expect(json.NewDecoder(resp.Body).Decode(&out)).To(gomega.Succeed())
	w.Expect(out.TS).NotTo(gomega.BeEmpty())
	return out.TS
}

var reconcileTotal = regexp.MustCompile(`(?m)^controller_runtime_reconcile_total\{controller="slacknotification",result="[a-z_]+"\} (\S+)$`)

// passes counts how often an operator has looked at a SlackNotification.
func (w *world) passes(o *harness.Operator) int {
	w.t.Helper()
	total := 0
	for _, m := range reconcileTotal.FindAllStringSubmatch(string(fetch(w.t, o.Metrics)), -1) {
		n, err := strconv.ParseFloat(m[1], 64)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		total += int(n)
	}
	return total
}

// proven waits until the SlackChannel's first message has been read back, so
// that no more calls are made for it.
func (w *world) proven(c *v1alpha1.SlackChannel) {
	w.t.Helper()
	w.becomes(w.notify("proves-"+c.Name, c.Name), delivered())
	w.Eventually(func() string {
		w.see(c)
		for _, cond := range c.Status.Conditions {
			if cond.Type == v1alpha1.ConditionExactlyOnce {
				return cond.Message
			}
		}
		return ""
	}).Should(gomega.ContainSubstring("as a message has shown"))
}

func partially() look {
	return look{Phase: "PartiallyDelivered", Ready: "False", Reason: v1alpha1.ReasonPartiallyDelivered, Stalled: true, Kstatus: status.FailedStatus}
}

func keyed(key string) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.IdempotencyKey = key }
}

func deadline(seconds int64) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.ActiveDeadlineSeconds = &seconds }
}

func expires(seconds int32) func(*v1alpha1.SlackNotification) {
	return func(n *v1alpha1.SlackNotification) { n.Spec.TTLSecondsAfterFinished = &seconds }
}

func owned(n *v1alpha1.SlackNotification) { own(n) }
