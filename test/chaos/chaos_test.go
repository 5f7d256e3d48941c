package chaos

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// errors20 makes a fifth of the posts fail with 500, a half of these after the
// message was taken.
func (s *scene) errors20() {
	s.fault(slacksim.Fault{Method: "chat.postMessage", Kind: "http", Status: 500, Times: -1, Probability: 0.1})
	s.fault(slacksim.Fault{Method: "chat.postMessage", Kind: "http_after", Status: 500, Times: -1, Probability: 0.11})
}

// The operator is killed at random moments while messages keep coming and a
// fifth of the posts fail.
func TestKilledAmidErrors(t *testing.T) {
	t.Parallel()
	s := stage(t, "kills", "killed at random amid 20 % errors 500", 8)
	o := s.operator()
	s.ready()
	s.errors20()
	kills := pick(5, 100)
	for range kills {
		s.send(pick(12, 20))
		s.pause(0, pick(4*time.Second, 8*time.Second))
		o.Kill()
		s.kills++
		o = s.operator()
	}
	s.mend()
	s.finished(v1alpha1.PhaseDelivered)
	o.Stop()
	s.must(o.Autopsy(0))
	s.exactly(s.account())
}

// A leader is killed, or ends, while a second replica waits.
func TestLeaderChanges(t *testing.T) {
	t.Parallel()
	s := stage(t, "leaders", "leader killed or ended, a second replica waiting", 4)
	start := func() *harness.Operator {
		return s.operator("--leader-elect", "--leader-election-namespace="+harness.OperatorNamespace)
	}
	s.mayLead()
	first := start()
	s.ready()
	second := start()
	for i := range pick(2, 12) {
		s.send(pick(16, 40))
		s.pause(0, 3*time.Second)
		if i%2 == 0 {
			first.Kill()
		} else {
			first.Stop()
		}
		s.kills++
		first, second = second, start()
	}
	s.send(8)
	s.finished(v1alpha1.PhaseDelivered)
	first.Stop()
	second.Stop()
	s.exactly(s.account())
}

// What Slack does to its callers.
func TestFaultsOfSlack(t *testing.T) {
	for _, c := range []struct {
		name, title string
		teams       int
		messages    int
		faults      []slacksim.Fault
	}{
		{"cut-after", "10 % of connections cut after Slack took the message", pick(3, 20), pick(40, 1000),
			[]slacksim.Fault{{Kind: "close_after", Probability: 0.1}}},
		{"cut-before", "10 % of connections cut before Slack took it", pick(3, 10), pick(40, 400),
			[]slacksim.Fault{{Kind: "close_before", Probability: 0.1}}},
		{"mixed", "5 % each: 500 before, after, cut, garbage, ok without ts", pick(3, 10), pick(40, 600), []slacksim.Fault{
			{Kind: "http", Status: 500, Probability: 0.05}, {Kind: "http_after", Status: 502, Probability: 0.05},
			{Kind: "close_after", Probability: 0.05}, {Kind: "garbage_after", Probability: 0.05}, {Kind: "no_ts", Probability: 0.05},
		}},
		{"storm", "429 to 20 % of the posts", pick(3, 10), pick(30, 300),
			[]slacksim.Fault{{Kind: "ratelimit", RetryAfter: 1, Probability: 0.2}}},
		{"hang", "silence to 5 % of the posts, before and after", pick(3, 10), pick(30, 300),
			[]slacksim.Fault{{Kind: "hang_before", Probability: 0.025}, {Kind: "hang_after", Probability: 0.025}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, c.name, c.title, c.teams)
			o := s.operator()
			s.ready()
			for _, f := range c.faults {
				f.Method, f.Times = "chat.postMessage", -1
				s.fault(f)
			}
			s.send(c.messages)
			s.finished(v1alpha1.PhaseDelivered)
			o.Stop()
			s.must(o.Autopsy(0))
			s.exactly(s.account())
		})
	}
}

// Slack is down for a while, and a burst waits for one channel.
func TestSlackIsDown(t *testing.T) {
	t.Parallel()
	s := stage(t, "down", "Slack down for a while", pick(3, 10))
	o := s.operator()
	s.ready()
	s.fault(slacksim.Fault{Method: "*", Kind: "http", Status: 503, Times: -1})
	s.send(pick(40, 300))
	s.pause(pick(8*time.Second, 60*time.Second), pick(9*time.Second, 61*time.Second))
	s.mend()
	s.finished(v1alpha1.PhaseDelivered)
	o.Stop()
	s.exactly(s.account())
}

func TestBurstIntoOneChannel(t *testing.T) {
	t.Parallel()
	s := stage(t, "burst", "burst into one channel that takes 1 a second", 1)
	s.places = s.places[:1]
	o := s.operator()
	s.ready()
	s.send(pick(20, 30))
	s.finished(v1alpha1.PhaseDelivered)
	o.Stop()
	r := s.account()
	s.exactly(r)
	if r.provoked > 0 {
		t.Errorf("%d answers 429 were provoked", r.provoked)
	}
}

// What can't be delivered is told.
func TestChannelNotFoundIsTold(t *testing.T) {
	t.Parallel()
	s := stage(t, "gone", "channel_not_found", 1)
	o := s.operator()
	s.ready()
	s.fault(slacksim.Fault{Method: "*", Kind: "error", Code: "channel_not_found", Times: -1})
	s.send(10)
	s.Eventually(func() int {
		list := &v1alpha1.SlackNotificationList{}
		s.must(env.Client.List(t.Context(), list, client.InNamespace(s.name)))
		told := 0
		for i := range list.Items {
			for _, c := range list.Items[i].Status.Conditions {
				if c.Type == v1alpha1.ConditionStalled && c.Status == metav1.ConditionTrue && c.Reason == v1alpha1.ReasonChannelNotFound {
					told++
				}
			}
		}
		return told
	}).Should(gomega.Equal(10))
	s.mend()
	o.Stop()
}

// By a webhook nothing can be looked up: Retry loses nothing, and GiveUp sends
// nothing twice.
func TestWebhooks(t *testing.T) {
	for _, policy := range []v1alpha1.UnknownOutcomePolicy{v1alpha1.UnknownOutcomeRetry, v1alpha1.UnknownOutcomeGiveUp} {
		t.Run(string(policy), func(t *testing.T) {
			t.Parallel()
			name := map[v1alpha1.UnknownOutcomePolicy]string{v1alpha1.UnknownOutcomeRetry: "hook-retry", v1alpha1.UnknownOutcomeGiveUp: "hook-giveup"}[policy]
			s := stage(t, name, fmt.Sprintf("webhook, %s: 10 %% cut after, and killed", policy), pick(3, 10), func(s *scene) { s.webhook, s.policy = true, &policy })
			o := s.operator()
			s.ready()
			s.fault(slacksim.Fault{Method: "webhook", Kind: "close_after", Times: -1, Probability: 0.1})
			for range pick(2, 20) {
				s.send(pick(12, 20))
				s.pause(500*time.Millisecond, 2500*time.Millisecond)
				o.Kill()
				s.kills++
				o = s.operator()
			}
			s.mend()
			counts := s.finished(v1alpha1.PhaseDelivered, v1alpha1.PhaseFailed)
			o.Stop()
			r := s.account()
			switch policy {
			case v1alpha1.UnknownOutcomeRetry:
				if r.lost > 0 || counts[v1alpha1.PhaseFailed] > 0 {
					t.Errorf("%d lost, %v", r.lost, counts)
				}
			case v1alpha1.UnknownOutcomeGiveUp:
				if r.doubled > 0 || r.lost > counts[v1alpha1.PhaseFailed] {
					t.Errorf("%d doubled, %d lost, and %v", r.doubled, r.lost, counts)
				}
			}
		})
	}
}

// The control plane goes away while messages are on their way. It is shared, so
// this runs before the parallel tests go on.
func TestControlPlaneGoesAway(t *testing.T) {
	s := stage(t, "plane", "kube-apiserver killed, etcd paused", 4)
	o := s.operator("--settle-time=2s")
	s.ready()
	var group sync.WaitGroup
	for range pick(1, 5) {
		group.Go(func() { s.send(pick(24, 60)) })
		s.pause(500*time.Millisecond, 2*time.Second)
		env.Cluster.KillAPIServer()
		s.kills++
		s.pause(time.Second, 3*time.Second)
		s.must(env.Cluster.StartAPIServer(t.Context()))
		group.Wait()

		group.Go(func() { s.send(pick(24, 60)) })
		s.pause(500*time.Millisecond, 2*time.Second)
		s.must(env.Cluster.PauseEtcd())
		s.pause(2*time.Second, 4*time.Second)
		s.must(env.Cluster.ResumeEtcd())
		group.Wait()
	}
	s.finished(v1alpha1.PhaseDelivered)
	o.Stop()
	s.must(o.Autopsy(0))
	s.exactly(s.account())
}
