package notification

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// backlog is a rig whose channel takes one message a second, by a clock that moves
// when it is told to.
type backlog struct {
	*rig
	clock *clocktesting.FakePassiveClock
	began time.Time
}

// newBacklog has so many messages of others wait for the channel, of which one
// has just been sent.
func newBacklog(t *testing.T, ahead int) *backlog {
	t.Helper()
	b := &backlog{rig: newRig(t), began: time.Now()}
	b.clock = clocktesting.NewFakePassiveClock(b.began)
	b.r.Clock, b.r.Lanes = b.clock, pacing.NewLanes(b.began, pacing.LaneOptions{})
	for i := range ahead + 1 {
		name := fmt.Sprintf("other/%d", i)
		b.r.Lanes.Ask(b.began, b.lane(), pacing.Ticket{ID: name, Owner: name, Group: "default", Since: b.began.Add(-time.Second)})
	}
	b.r.Lanes.Begin(b.began, "other/0")
	b.r.Lanes.Done(b.began, "other/0", true)
	return b
}

func (b *backlog) lane() pacing.Lane {
	return pacing.Lane{Workspace: slack.SharedDomain().Workspace(slacksim.DemoTeam, slacksim.DemoBotUser), Conversation: "C0ALERTS0"}
}

// add creates a message, and looks at it once.
func (b *backlog) add(i int) {
	b.t.Helper()
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{
		Namespace: "default", Name: fmt.Sprintf("n%03d", i), UID: types.UID(fmt.Sprintf("uid-%03d", i)), Generation: 1, CreationTimestamp: metav1.NewTime(b.began),
	}}
	n.Spec.ChannelRef.Name, n.Spec.Text = "c", n.Name
	n.Status.ObservedGeneration = -1 // the default of the schema
	if err := b.store.Create(b.t.Context(), n); err != nil {
		b.t.Fatal(err)
	}
	b.look(i)
}

func (b *backlog) look(i int) {
	b.t.Helper()
	b.request.Name = fmt.Sprintf("n%03d", i)
	b.reconcile()
}

// A wait for the turn is told when it is long, or longer than it should be, and
// then once.
func TestWaitIsToldWhenItIsLong(t *testing.T) {
	const long = "WaitingForTurn: waits for its turn in #alerts, about 50s, 49 before it"
	later := func(seconds ...int) func(b *backlog) {
		return func(b *backlog) {
			for _, s := range seconds {
				b.clock.SetTime(b.began.Add(time.Duration(s) * time.Second))
				b.look(0)
			}
		}
	}
	for _, row := range []struct {
		name  string
		ahead int
		// others are messages to other conversations, one each.
		others int
		then   func(b *backlog)
		// says is what the status begins with then; empty when it tells nothing.
		says   string
		writes int
	}{
		{name: "one that is sent soon", ahead: 10},
		{name: "one that is sent late", ahead: 49, says: long, writes: 1},
		{name: "the workspace's limit is used up by messages to others", ahead: 0, others: 600, says: "WaitingForTurn: waits for its turn in its workspace, about 2m, 600 before it", writes: 1},
		{name: "on time", ahead: 10, then: later(4, 9)},
		{name: "late, because the others are not sent", ahead: 10, then: later(16), says: "WaitingForTurn: waits for its turn in #alerts, about ", writes: 1},
		{name: "the figure is not told anew", ahead: 49, then: later(20, 45), says: long, writes: 1},
		{name: "the figure is not told anew after it was late", ahead: 10, says: "WaitingForTurn", writes: 1, then: func(b *backlog) {
			later(16)(b)
			b.r.Lanes.ForgetOwner(b.began, "other/1")
			later(17, 30)(b)
		}},
		{name: "Slack has asked to wait", ahead: 0, says: "WaitingForTurn: waits for its turn in #alerts, about 20s", writes: 1, then: func(b *backlog) {
			b.r.Lanes.Penalize(b.began, b.lane(), 20*time.Second)
			b.look(0)
		}},
		{name: "in place of what it waited for before", ahead: 10, says: "WaitingForTurn", writes: 1, then: func(b *backlog) {
			n := b.now()
			n.Status.ObservedGeneration = 1
			conditions.Retrying(n, v1alpha1.ReasonSlackChannelNotReady, "waits for the SlackChannel")
			if err := b.store.Status().Update(b.t.Context(), n); err != nil {
				b.t.Fatal(err)
			}
			later(3)(b)
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			b := newBacklog(t, row.ahead)
			for i := range row.others {
				name := fmt.Sprintf("elsewhere/%d", i)
				b.r.Lanes.Ask(b.began, pacing.Lane{Workspace: b.lane().Workspace, Conversation: fmt.Sprintf("C%08d", i)},
					pacing.Ticket{ID: name, Owner: name, Group: "default", Since: b.began.Add(-time.Second)})
			}
			b.add(0)
			if row.then != nil {
				row.then(b)
			}
			got := ""
			if c := conditions.Find(b.now(), v1alpha1.ConditionReady); c != nil {
				got = c.Reason + ": " + c.Message
			}
			if !strings.HasPrefix(got, row.says) || row.says == "" && got != "" {
				t.Errorf("it says %q, want %q", got, row.says)
			}
			if b.store.Writes != row.writes || b.posts() != 0 {
				t.Errorf("%d writes and %d posts, want %d and none", b.store.Writes, b.posts(), row.writes)
			}
		})
	}
}

// Of 40 messages that come at once to a channel, at most one in five costs more
// than the write that says that it was delivered.
func TestBacklogCostsFewWrites(t *testing.T) {
	const size = 40
	b := newBacklog(t, 0)
	for i := range size {
		b.add(i)
	}
	for second := range size + 2 {
		b.clock.SetTime(b.began.Add(time.Duration(second) * 1010 * time.Millisecond))
		for _, grant := range b.r.Lanes.Due(b.clock.Now()) {
			b.request.Name = strings.TrimPrefix(grant.Ticket.Owner, "default/")
			b.reconcile()
		}
	}
	if b.posts() != size {
		t.Fatalf("%d were posted, want %d", b.posts(), size)
	}
	if limit := size + size/5; b.store.Writes > limit {
		t.Errorf("%d writes for %d messages, want at most %d", b.store.Writes, size, limit)
	}
}
