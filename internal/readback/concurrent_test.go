package readback

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// parallelSlack counts who reads a conversation at the same time.
type parallelSlack struct {
	slack.API
	reading [4]atomic.Int32
	worst   atomic.Int32
	calls   atomic.Int32
}

func (p *parallelSlack) History(_ context.Context, q slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
	place := &p.reading[q.Conversation[1]-'0']
	n := place.Add(1)
	defer place.Add(-1)
	if n > p.worst.Load() {
		p.worst.Store(n)
	}
	if p.calls.Add(1)%5 == 0 {
		return nil, "", &slack.Error{Class: slack.ClassUnavailable, Method: slack.MethodHistory}
	}
	m := slack.StoredMessage{Timestamp: timestamp(epoch.Add(-time.Duration(len(q.Cursor)) * time.Minute)), BotID: "B1", Metadata: of("n3", "r")}
	if len(q.Cursor) < 7 {
		return []slack.StoredMessage{m}, q.Cursor + "x", nil
	}
	return []slack.StoredMessage{m}, "", nil
}

// openLimiter gives every slot; unlike fakeLimiter to many at once.
type openLimiter struct{}

func (openLimiter) Done(time.Time, slack.Workspace, string, string) {}
func (openLimiter) Reserve(now time.Time, _ slack.Workspace, _ string, _ pacing.Holder) (time.Time, bool) {
	return now, true
}
func (openLimiter) Penalize(time.Time, slack.Workspace, string, time.Duration) {}

func TestManyAskAtOnce(t *testing.T) {
	var ticks atomic.Int64
	clock := func() time.Time { return epoch.Add(time.Duration(ticks.Add(1)) * time.Second) }
	api := &parallelSlack{}
	reader := New(Options{Limiter: openLimiter{}, Wake: func(types.NamespacedName) {}})
	var all sync.WaitGroup
	for worker := range 8 {
		all.Go(func() {
			for i := range 50 {
				q := Question{
					Place:        Place{Workspace: slack.SharedDomain().Workspace("T1", "U1"), Conversation: fmt.Sprint("C", i%4)},
					Notification: fmt.Sprint("n", i%5), Recipient: "r", Oldest: epoch.Add(-5 * time.Minute), Settled: clock(),
					Owner: types.NamespacedName{Name: fmt.Sprint(worker, "/", i)},
				}
				want := Absent
				if i%5 == 3 {
					want = Found
				}
				a := Answer{}
				for tries := 0; a.Kind == Later && tries < 1_000_000; tries++ {
					a = reader.Ask(context.Background(), clock, api, q)
					runtime.Gosched()
				}
				if a.Kind != want {
					t.Errorf("%s was answered %v (%v), wanted %v", q.Notification, a.Kind, a.Err, want)
				}
			}
		})
	}
	all.Wait()
	if n := api.worst.Load(); n != 1 {
		t.Errorf("%d read one conversation at the same time, wanted one", n)
	}
}
