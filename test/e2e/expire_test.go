package e2e

import (
	"fmt"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Whatever came of it, an object that has finished is deleted when its time to
// live is over, and is not looked at all the while.
func TestWhatFailedExpires(t *testing.T) {
	for _, c := range []struct {
		name   string
		make   func(w *world) *v1alpha1.SlackNotification
		became look
	}{
		{"Failed", func(w *world) *v1alpha1.SlackNotification {
			return w.notify("n", "c", to(user("nobody")), owned)
		}, stalled("Failed", v1alpha1.ReasonUserNotFound)},
		{"PartiallyDelivered", func(w *world) *v1alpha1.SlackNotification {
			return w.notify("n", "c", to(user("nobody"), room("alerts")), owned)
		}, partially()},
		{"Unknown", func(w *world) *v1alpha1.SlackNotification {
			w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write", "channels:read"}})
			w.fault(slacksim.Fault{Method: "chat.postMessage", Team: w.team, Kind: "close_after"})
			return w.notify("n", "c", giveUp, owned)
		}, stalled("Failed", v1alpha1.ReasonOutcomeUnknown)},
		{"Failed by its deadline", func(w *world) *v1alpha1.SlackNotification {
			return w.notify("n", "nowhere", deadline(1), owned)
		}, stalled("Failed", v1alpha1.ReasonDeadlineExceeded)},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			o := w.operator("expires-" + w.ns)
			defer o.Stop()
			w.ready(w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) }))
			n := c.make(w)
			w.becomes(n, c.became)
			before := w.passes(o)
			w.update(n, func() { n.Spec.TTLSecondsAfterFinished = ptr(int32(1)) })
			w.Eventually(w.gone(n)).Should(gomega.BeTrue(), func() string {
				return fmt.Sprintf("it is still there after %d more passes", w.passes(o)-before)
			})
			w.Expect(w.passes(o)-before).To(gomega.BeNumerically("<=", 20), "for one object that only waits for its end")
		})
	}
}

// What Flux, Helm or Argo CD would make again at once is kept, and says so; when
// they let go of it, it goes.
func TestTrackedObjectsAreKept(t *testing.T) {
	w := newWorld(t)
	o := w.operator("tracked-" + w.ns)
	defer o.Stop()
	w.ready(w.webAPI("c", "", func(c *v1alpha1.SlackChannel) { own(c) }))
	track := []func(n *v1alpha1.SlackNotification){
		func(n *v1alpha1.SlackNotification) { n.Labels["kustomize.toolkit.fluxcd.io/name"] = "apps" },
		func(n *v1alpha1.SlackNotification) { n.Labels["helm.toolkit.fluxcd.io/name"] = "apps" },
		func(n *v1alpha1.SlackNotification) { n.Labels["argocd.argoproj.io/instance"] = "apps" },
		func(n *v1alpha1.SlackNotification) {
			n.Annotations = map[string]string{"argocd.argoproj.io/tracking-id": "apps:slack.notify.dev/SlackNotification:x/n"}
		},
	}
	var list []*v1alpha1.SlackNotification
	for i, mark := range track {
		id := w.id("C", fmt.Sprint("T", i))
		w.channel(slacksim.Channel{ID: id, Name: fmt.Sprint("t", i), Members: []string{w.id("U", "BOT")}})
		list = append(list, w.notify(fmt.Sprint("n", i), "c", to(room(id)), expires(1), owned, mark))
	}
	for _, n := range list {
		w.Eventually(func() *metav1.Condition { return w.condition(n, v1alpha1.ConditionExpired) }).ShouldNot(gomega.BeNil(), "%s, %s", n.Labels, n.Annotations)
		cond := w.condition(n, v1alpha1.ConditionExpired)
		w.Expect(cond.Status).To(gomega.Equal(metav1.ConditionFalse))
		w.Expect(cond.Reason).To(gomega.Equal(v1alpha1.ReasonTrackedByGitOps))
		w.Expect(cond.Message).NotTo(gomega.BeEmpty())
		w.Expect(w.see(n)).To(gomega.Equal(delivered()))
	}
	before := w.passes(o)
	w.becomes(w.notify("later", "c", to(room("alerts")), owned), delivered())
	w.Expect(w.passes(o)-before).To(gomega.BeNumerically("<=", 10), "for another object; the kept ones are not looked at again and again")
	for _, n := range list {
		w.Expect(n.DeletionTimestamp).To(gomega.BeNil())
		w.update(n, func() { n.Labels, n.Annotations = map[string]string{"shard": "own"}, nil })
		w.Eventually(w.gone(n)).Should(gomega.BeTrue(), n.Name)
	}
}
