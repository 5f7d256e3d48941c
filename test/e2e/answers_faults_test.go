package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// slowly is a world in which the API server can be held up.
func (w *world) slowly() (*answersWorld, *harness.SlowAPI) {
	w.t.Helper()
	config, err := env.Cluster.UserConfig(harness.OperatorUser, "system:serviceaccounts", "system:serviceaccounts:"+harness.OperatorNamespace)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	slow, err := harness.NewSlowAPI(config, w.t.TempDir())
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.t.Cleanup(slow.Close)
	return w.answers("--kubeconfig=" + slow.Kubeconfig), slow
}

// gateway holds what is let through later, and tells when something is held.
type gateway struct {
	reached, open chan struct{}
	once, opened  sync.Once
}

func newGateway() *gateway { return &gateway{reached: make(chan struct{}), open: make(chan struct{})} }

func (g *gateway) hold(ctx context.Context) {
	g.once.Do(func() { close(g.reached) })
	select {
	case <-g.open:
	case <-ctx.Done():
	}
}

func (g *gateway) let() { g.opened.Do(func() { close(g.open) }) }

// pressing presses without waiting for the outcome.
func (w *world) pressing(n *v1alpha1.SlackNotification, who, action string) <-chan slacksim.Press {
	d := n.Status.Deliveries[0]
	out := make(chan slacksim.Press, 1)
	go func() {
		p, err := tryPress(slacksim.Pressing{Who: w.id("U", who), Channel: d.ConversationID, TS: d.Timestamp, Action: "sn:" + action, Wait: true})
		if err != nil {
			p.Fate = err.Error()
		}
		out <- p
	}()
	return out
}

// Whatever fails between the click and the changed message: what was acknowledged is
// stored, and the message shows it.
func TestAnswersWhenThingsFail(t *testing.T) {
	a, slow := newWorld(t).slowly()
	w := a.world
	t.Run("the API server takes its time", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("slow")
		w.shown(n)
		gate := newGateway()
		slow.Hold(func(ctx context.Context, patch string) {
			if harness.IsAnswer(patch) {
				gate.hold(ctx)
			}
		}, nil)
		p := w.pressing(n, "ADA", "approve")
		<-gate.reached
		gate.let()
		isAcked(t, <-p)
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
	})
	t.Run("the API server does not store it in time", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("too-slow")
		w.shown(n)
		gate := newGateway()
		slow.Hold(func(ctx context.Context, patch string) {
			if harness.IsAnswer(patch) {
				gate.hold(ctx)
			}
		}, nil)
		isWarned(t, w.press(n, "ADA", "approve"))
		slow.Hold(nil, nil)
		gate.let()
		p := w.press(n, "ADA", "approve")
		isAcked(t, p)
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
		w.shows(n, "✓ approved by", buttons)
	})
	t.Run("pressed before the delivery is recorded", func(t *testing.T) {
		w := w.within(t)
		gate := newGateway()
		slow.Hold(func(ctx context.Context, patch string) {
			if !harness.IsAnswer(patch) {
				gate.hold(ctx)
			}
		}, nil)
		before := len(w.alerts())
		n := w.ask("fast")
		w.Eventually(func() int { return len(w.alerts()) }).Should(gomega.Equal(before + 1))
		<-gate.reached
		m := w.alerts()[before]
		done := make(chan slacksim.Press, 1)
		go func() {
			p, _ := tryPress(slacksim.Pressing{Who: w.id("U", "ADA"), Channel: m.Channel, TS: m.TS, Action: "sn:approve", Wait: true})
			done <- p
		}()
		isWarned(t, <-done) // it is never recorded in time
		slow.Hold(nil, nil)
		gate.let()
		w.shown(n)
		w.acked(n, "ADA", "approve")
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
	})
	t.Run("killed between the store and the acknowledgement", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("kill-ack")
		w.shown(n)
		gate := newGateway()
		slow.Hold(nil, func(ctx context.Context, patch string) {
			if harness.IsAnswer(patch) {
				gate.hold(ctx)
			}
		})
		p := w.pressing(n, "ADA", "approve")
		<-gate.reached
		a.operator.Kill()
		gate.let()
		isWarned(t, <-p)
		slow.Hold(nil, nil)
		a.start()
		w.shows(n, "✓ approved by", buttons)
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
	})
	t.Run("killed between the store and the edit", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("kill-edit")
		w.shown(n)
		w.fault(slacksim.Fault{Method: "chat.update", Team: w.team, Kind: "error", Code: "internal_error", Times: -1})
		w.acked(n, "ADA", "approve")
		a.operator.Kill()
		w.mend()
		a.start()
		w.shows(n, "✓ approved by", buttons)
		w.becomes(n, delivered())
		w.Expect(w.outcome(n)).To(gomega.Equal("decision=approve; approve by UADA; True Answered"))
	})
	t.Run("expired while nobody was there", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("expired", expiresAfter(time.Second))
		w.shown(n)
		a.operator.Kill()
		a.start()
		w.Eventually(func() string { return w.outcome(n) }).Should(gomega.Equal("decision=Expired; ; False Expired"))
		w.shows(n, "nobody answered in time", buttons)
	})
	t.Run("the controller writes at the same time", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("race", decidedBy(v1alpha1.DecidedByNone))
		w.shown(n)
		var all []<-chan slacksim.Press
		for i := range 10 {
			all = append(all, w.pressing(n, []string{"ADA", "YUEH"}[i%2], "approve"))
			w.update(n, func() { n.Spec.Text = "text " + string(rune('a'+i)) })
		}
		acked := 0
		for _, p := range all {
			if p := <-p; p.Fate == slacksim.FateAcked {
				acked++
			}
		}
		w.becomes(n, delivered())
		w.Expect(len(n.Status.Responses)).To(gomega.BeNumerically(">=", acked), "what was acknowledged is there")
		w.Expect(acked).To(gomega.BeNumerically(">", 0))
	})
	t.Run("kubectl wait", func(t *testing.T) {
		w := w.within(t)
		n := w.ask("wait")
		w.shown(n)
		assets, err := devcluster.Assets()
		w.Expect(err).NotTo(gomega.HaveOccurred())
		config := filepath.Join(t.TempDir(), "kubeconfig")
		w.Expect(devcluster.WriteKubeconfig(config, env.Cluster.AdminConfig())).To(gomega.Succeed())
		wait := exec.Command(filepath.Join(assets, "kubectl"), "--kubeconfig="+config, "-n", w.ns, "wait", "sln/wait", "--for=jsonpath={.status.decision}", "--timeout=60s")
		ended := make(chan error, 1)
		go func() { ended <- wait.Run() }()
		w.acked(n, "ADA", "reject")
		w.Expect(<-ended).NotTo(gomega.HaveOccurred())
		w.Expect(w.outcome(n)).To(gomega.HavePrefix("decision=reject;"))
	})
}
