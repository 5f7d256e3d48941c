package e2e

import (
	"fmt"
	"strings"
	"sync"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// history is every status that the objects of a world have had. What passes by
// itself is looked for here: a test that only looks now and then would miss it on
// a busy machine.
type history struct {
	mu   sync.Mutex
	seen map[string][]moment
}

// moment is one version of an object.
type moment struct {
	look
	said string
}

// record follows the objects of the world's namespace until the test ends.
func (w *world) record() *history {
	w.t.Helper()
	p := &history{seen: map[string][]moment{}}
	for _, list := range []client.ObjectList{&v1alpha1.SlackNotificationList{}, &v1alpha1.SlackChannelList{}} {
		watching, err := env.client.Watch(w.ctx, list, client.InNamespace(w.ns))
		w.Expect(err).NotTo(gomega.HaveOccurred())
		done := make(chan struct{})
		w.t.Cleanup(func() { watching.Stop(); <-done })
		go func() {
			defer close(done)
			for e := range watching.ResultChan() {
				if o, ok := e.Object.(conditioned); ok {
					p.mu.Lock()
					key := historyKey(o)
					p.seen[key] = append(p.seen[key], moment{w.glance(o), said(o)})
					p.mu.Unlock()
				}
			}
		}()
	}
	return p
}

func historyKey(o client.Object) string { return fmt.Sprintf("%T/%s", o, o.GetName()) }

// passesThrough waits until an object is, or has been, as wanted, and said these words
// in the message of Ready.
func (w *world) passesThrough(o conditioned, want look, words string) {
	w.t.Helper()
	w.Eventually(func() error {
		w.history.mu.Lock()
		defer w.history.mu.Unlock()
		for _, m := range w.history.seen[historyKey(o)] {
			if m.look == want && strings.Contains(m.said, words) {
				return nil
			}
		}
		return fmt.Errorf("%s was never %+v with the words %q; it was: %+v", o.GetName(), want, words, w.history.seen[historyKey(o)])
	}).Should(gomega.Succeed())
}
