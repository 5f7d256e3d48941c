package e2e

import (
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// A namespace with much to look at when the operator starts keeps no other one
// waiting: it is looked at in its turn, and delivered before the flood is through.
// There is one worker, so that who comes before whom is seen in the order of the
// writes.
func TestReconcilesTakeNamespacesInTurn(t *testing.T) {
	w := newWorld(t)
	const flood = 600
	guest := w.guest()
	first := w.operator("turns-before")
	c := w.webAPI("c", "#alerts", shared, func(c *v1alpha1.SlackChannel) { c.Labels = map[string]string{"shard": "own", "turns": "yes"} })
	w.ready(c)
	first.Stop()
	w.Expect(first.Autopsy(0)).To(gomega.Succeed())

	// Labels that this operator alone looks for: it is to have one list of all.
	labels := func(n *v1alpha1.SlackNotification) { n.Labels = map[string]string{"shard": "own", "turns": "yes"} }
	unknown := func(ns, name string) *v1alpha1.SlackNotification {
		n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: v1alpha1.SlackNotificationSpec{
			ChannelRef: v1alpha1.ChannelReference{Name: "nowhere"}, Content: v1alpha1.Content{Text: "text"},
		}}
		labels(n)
		return n
	}
	names := make(chan string)
	failed := make(chan error, flood)
	var makers sync.WaitGroup
	for range 8 {
		makers.Go(func() {
			for name := range names {
				if err := env.client.Create(w.ctx, unknown(w.ns, name)); err != nil {
					failed <- err
				}
			}
		})
	}
	for i := range flood {
		names <- fmt.Sprint("flood-", i)
	}
	close(names)
	makers.Wait()
	close(failed)
	w.Expect(failed).NotTo(gomega.Receive())
	var told []*v1alpha1.SlackNotification
	for i := range 5 {
		told = append(told, unknown(guest, fmt.Sprint("told-", i)))
		w.create(told[i])
	}
	sent := w.notify("sent", "c", w.from(guest), labels)

	second, err := env.StartOperator(w.ctx, "turns", "--watch-label-selector=turns=yes", "--concurrency=1", "--settle-time=1ms")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	for _, n := range told {
		w.becomes(n, stalled("Pending", v1alpha1.ReasonSlackChannelNotFound))
	}
	w.becomes(sent, delivered())
	var written []int
	w.Eventually(func() int {
		list := &v1alpha1.SlackNotificationList{}
		w.Expect(env.client.List(w.ctx, list, client.InNamespace(w.ns))).To(gomega.Succeed())
		written = nil
		for i := range list.Items {
			if n := &list.Items[i]; n.Status.ObservedGeneration > 0 {
				written = append(written, version(w, n))
			}
		}
		return len(written)
	}).Should(gomega.Equal(flood))
	before := func(n *v1alpha1.SlackNotification) (count int) {
		for _, v := range written {
			if v < version(w, n) {
				count++
			}
		}
		return count
	}
	// The guest has six objects, one of which may be woken a few times before the rest.
	for _, n := range told {
		w.Expect(before(n)).To(gomega.BeNumerically("<=", 20), "of the flood were looked at before the guest's")
	}
	w.Expect(before(sent)).To(gomega.BeNumerically("<", flood), "of the flood were looked at before the guest's message was out")
	t.Logf("of %d notifications %d were looked at before the guest's, and %d before its message was out", flood, before(told[4]), before(sent))
	second.Stop()
	w.Expect(second.Autopsy(0)).To(gomega.Succeed())
}

// version of an object, which grows with each write in the cluster.
func version(w *world, o client.Object) int {
	v, err := strconv.Atoi(o.GetResourceVersion())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return v
}
