package chaos

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/onsi/gomega"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// The operator's clock and the API server's disagree, and it is killed between
// a post and the write of the status, and restarted at once.
func TestWrongClock(t *testing.T) {
	for _, c := range []struct {
		name   string
		offset time.Duration
	}{{"behind", -30 * time.Second}, {"ahead", 30 * time.Second}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := stage(t, c.name, fmt.Sprintf("clock 30 s %s, killed between post and status", c.name), pick(2, 4))
			program, err := env.WrongClock(c.offset)
			s.must(err)
			s.program = &program
			o := s.operator()
			s.ready()
			for range pick(2, 25) {
				s.fault(slacksim.Fault{Method: "chat.postMessage", Kind: "hang_after", Times: -1})
				before := s.total()
				s.send(len(s.places))
				s.taken(before, len(s.places)/2)
				o.Kill()
				s.kills++
				s.mend()
				s.send(len(s.places)) // while nobody leads
				o = s.operator()
				s.pause(0, 2*time.Second)
			}
			s.finished(v1alpha1.PhaseDelivered)
			s.end(o)
			s.exactly(s.account())
		})
	}
}

// A notification gets the label of another shard while its post is under way,
// or its outcome open.
func TestRelabelledAmidAPost(t *testing.T) {
	t.Parallel()
	s := stage(t, "shards", "relabelled to another shard amid a post", pick(2, 4))
	other := s.name + "-b"
	first, second := s.operator(), s.operator("--watch-label-selector="+shardLabel+"="+other)
	s.ready()
	s.doubts(0.4)
	s.fault(slacksim.Fault{Method: "chat.postMessage", Kind: "slow", DelayMS: 2000, Times: -1, Probability: 0.7})
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": map[string]string{shardLabel: other}}})
	s.must(err)
	for range pick(3, 30) {
		from := s.sent
		s.send(2 * len(s.places))
		s.pause(100*time.Millisecond, 1000*time.Millisecond)
		for i := from; i < s.sent; i++ {
			n := &v1alpha1.SlackNotification{ObjectMeta: s.meta(nth(i))}
			s.must(env.Client.Patch(t.Context(), n, client.RawPatch(types.MergePatchType, patch)))
		}
	}
	s.mend()
	s.finished(v1alpha1.PhaseDelivered)
	s.end(first)
	s.end(second)
	s.exactly(s.account())
}

// Objects are deleted and made again, as by a prune or a backup that is
// restored, before, amid and after their delivery: their key is what counts.
func TestMadeAgainWithAKey(t *testing.T) {
	t.Parallel()
	s := stage(t, "pruned", "pruned and made again with idempotencyKey, amid kills", pick(2, 4))
	s.shape = func(_ int, n *v1alpha1.SlackNotification) { n.Spec.IdempotencyKey = "key-of-" + n.Name }
	o := s.operator()
	s.ready()
	s.errors20()
	s.send(pick(8, 16))
	for round := range pick(4, 40) {
		s.pause(0, pick(3*time.Second, 6*time.Second))
		for i := range s.sent {
			if rand.IntN(2) == 0 {
				s.again(i)
			}
		}
		if round%2 == 1 {
			o.Kill()
			s.kills++
			if round%4 == 1 {
				s.again(rand.IntN(s.sent))
			}
			o = s.operator()
		}
	}
	s.mend()
	s.finished(v1alpha1.PhaseDelivered)
	s.again(0) // after its delivery, and with nothing going wrong
	s.finished(v1alpha1.PhaseDelivered)
	s.end(o)
	s.exactly(s.account())
}

// again deletes a notification and makes it anew.
func (s *scene) again(i int) {
	s.t.Helper()
	n := &v1alpha1.SlackNotification{ObjectMeta: s.meta(nth(i))}
	s.must(client.IgnoreNotFound(env.Client.Delete(s.t.Context(), n)))
	s.Eventually(func() bool { return apierrors.IsNotFound(s.get(n)) }).Should(gomega.BeTrue())
	s.must(s.create(s.t.Context(), i))
}

// Where nothing can be read back, GiveUp never sends twice: not after a restart
// either, when a mention has to be looked up anew. What is unknown is told, and
// stays so.
func TestGiveUpWithMentions(t *testing.T) {
	t.Parallel()
	s := stage(t, "mentions", "GiveUp with mentions, no history scope, restarts", pick(2, 4), func(s *scene) {
		s.policy = ptr.To(v1alpha1.UnknownOutcomeGiveUp)
		s.scopes = []string{"chat:write", "channels:read", "users:read", "users:read.email"}
		s.shape = func(_ int, n *v1alpha1.SlackNotification) { n.Spec.Text += " Look, <@yueh.liu>." }
	})
	for _, team := range s.teams {
		s.sim("users?team="+team, slacksim.User{ID: "U" + team[1:] + "YUEH", Name: "yueh.liu", RealName: "Yueh Liu"})
	}
	o := s.operator()
	s.ready()
	s.doubts(0.5)
	s.send(pick(12, 60))
	s.finished(v1alpha1.PhaseDelivered, v1alpha1.PhaseFailed)
	s.mend()
	unknown := s.unknown()
	if len(unknown) == 0 {
		t.Error("no outcome is unknown, though half of the answers were cut")
	}
	for range pick(2, 10) {
		o.Kill()
		s.kills++
		s.fault(slacksim.Fault{Method: "users.list", Kind: "slow", DelayMS: 1000}) // the mention has to wait
		o = s.operator()
		s.send(len(s.places)) // when these are out, the rest has been looked at
		s.finished(v1alpha1.PhaseDelivered, v1alpha1.PhaseFailed)
		s.mend()
		if now := s.unknown(); !slices.Equal(now, unknown) {
			t.Errorf("after a restart the outcome of %v is unknown, want that of %v", now, unknown)
		}
	}
	s.end(o)
	s.exactly(s.account())
}

// unknown names the notifications whose outcome is told to be unknown.
func (s *scene) unknown() (names []string) {
	s.t.Helper()
	for _, n := range s.list() {
		if len(n.Status.Deliveries) == 1 && n.Status.Deliveries[0].State == v1alpha1.DeliveryUnknown {
			if !tells(&n, v1alpha1.ReasonOutcomeUnknown) {
				s.t.Errorf("%s does not tell that its outcome is unknown: %+v", n.Name, n.Status.Conditions)
			}
			names = append(names, n.Name)
		}
	}
	return names
}
