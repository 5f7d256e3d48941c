package pacing

import (
	"fmt"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/race"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// postFor has one conversation after the other posted to for a while, as fast as
// it goes, and tells how many were.
func postFor(l *Lanes, w slack.Workspace, from time.Time, d time.Duration) (posted int) {
	for now := from; now.Before(from.Add(d)); now = now.Add(100 * time.Millisecond) {
		id := fmt.Sprint(now)
		lane := Lane{w, id}
		if l.Ask(now, lane, Ticket{ID: id, Owner: id, Group: fmt.Sprint(posted % 7)}).Granted && l.Begin(now, id) {
			l.Done(now, id, true)
			posted++
		} else {
			l.Forget(now, id)
		}
	}
	return posted
}

// Whatever comes, some messages go out, and when it stops all do again.
func TestALearntRateHasAFloorAndRecovers(t *testing.T) {
	race.Pointless(t)
	l := NewLanes(epoch, LaneOptions{})
	now := epoch.Add(time.Hour)
	all := postFor(l, team("T1"), now, 10*time.Minute)
	now = now.Add(10 * time.Minute)
	for i := range 1000 {
		l.PenalizePost(now, Lane{team("T1"), fmt.Sprint("flooded", i)}, time.Second)
		now = now.Add(time.Second)
	}
	now = now.Add(time.Second)
	least := postFor(l, team("T1"), now, 10*time.Minute)
	if least < all/25 || least > all/4 {
		t.Errorf("%d messages in ten minutes after 1,000 answers 429, %d without any, want between a 25th and a quarter of them", least, all)
	}
	for range 12 {
		now = now.Add(10 * time.Minute)
		postFor(l, team("T1"), now, 10*time.Minute)
	}
	now = now.Add(10 * time.Minute)
	if again := postFor(l, team("T1"), now, 10*time.Minute); again != all {
		t.Errorf("%d messages in ten minutes two hours after the last 429, want %d as before", again, all)
	}
}

// What is not used for a while begins anew.
func TestWhatWasLearntIsForgotten(t *testing.T) {
	l, limiter := NewLanes(epoch, LaneOptions{}), NewLimiter(LimiterOptions{})
	now := epoch.Add(time.Hour)
	lane := Lane{team("T1"), "C1"}
	l.Penalize(now, lane, time.Second)
	l.Penalize(now, Lane{Workspace: team("T1")}, time.Second)
	limiter.Penalize(now, team("T1"), slack.MethodUpdate, time.Second)
	look := func(at time.Time) [3]float64 {
		p := l.Parts(at)
		return [3]float64{p.Workspace, p.Conversation, limiter.Parts(at).Methods[slack.MethodUpdate]}
	}
	if parts, want := look(now.Add(forgetAfter-time.Second)), [3]float64{0.5, 0.5, 0.5}; parts != want {
		t.Errorf("parts %v of the limits are taken, want %v", parts, want)
	}
	if parts, want := look(now.Add(forgetAfter)), [3]float64{1, 1, 1}; parts != want {
		t.Errorf("parts %v of the limits are taken, want %v", parts, want)
	}
}

// Answers to what was under way when Slack asked to wait count once.
func TestOneOverflowIsOneLesson(t *testing.T) {
	l, limiter := NewLanes(epoch, LaneOptions{}), NewLimiter(LimiterOptions{})
	now := epoch.Add(time.Hour)
	for i := range 20 {
		at := now.Add(time.Duration(i) * time.Millisecond)
		l.PenalizePost(at, Lane{team("T1"), fmt.Sprint("C", i)}, time.Second)
		limiter.Penalize(at, team("T1"), slack.MethodUpdate, time.Second)
	}
	if part := l.Parts(now).Workspace; part != 0.5 {
		t.Errorf("%v of the workspace's limit is taken after one overflow, want a half", part)
	}
	if part := limiter.Parts(now).Methods[slack.MethodUpdate]; part != 0.5 {
		t.Errorf("%v of the method's limit is taken after one overflow, want a half", part)
	}
}

// A conversation that somebody else floods makes that one slow, and no other.
func TestAFloodedConversationSlowsNoOther(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{})
	now := epoch.Add(time.Hour)
	for i := range 100 {
		now = now.Add(20 * time.Second)
		id := fmt.Sprint(i)
		lane := Lane{team("T1"), "flooded"}
		l.Ask(now, lane, Ticket{ID: id, Owner: id})
		l.Begin(now, id)
		l.Done(now, id, true)
		l.PenalizePost(now, lane, time.Second)
		postFor(l, team("T1"), now.Add(time.Second), 500*time.Millisecond)
	}
	p := l.Parts(now)
	if p.Workspace < 0.5 || p.Conversation > leastOfConversation {
		t.Errorf("parts %+v are taken, want %v of the conversation's limit and most of the workspace's", p, leastOfConversation)
	}
}

// However many conversations have met a 429, few are remembered, and another
// domain's many leave those of the shared one alone.
func TestFewLessonsAreRemembered(t *testing.T) {
	l := NewLanes(epoch, LaneOptions{})
	now := epoch.Add(time.Hour)
	own := Lane{team("T1"), "C1"}
	l.Penalize(now, own, time.Second)
	for i := range 50_000 {
		claimed := slack.PrivateDomain("evil").Workspace(fmt.Sprint("T", i%300), "U1")
		l.Penalize(now, Lane{claimed, fmt.Sprint("C", i)}, time.Second)
	}
	now = now.Add(2 * time.Minute)
	l.Ask(now, Lane{team("T2"), "C"}, Ticket{ID: "x"})
	l.Forget(now, "x")
	if s := l.Stats(); s.Lanes > maxRemembered+10 {
		t.Errorf("%d conversations are remembered, want %d or so", s.Lanes, maxRemembered)
	}
	if part := l.Parts(now).Conversation; part != 0.5 {
		t.Errorf("%v of a conversation's limit is taken, want the half that was learnt, whatever others met", part)
	}
}

// Whatever a tenant's own server answers, the parts of others are as they were,
// and the numbers for people do not tell of it.
func TestAClaimedWorkspaceTeachesNobody(t *testing.T) {
	l, limiter := NewLanes(epoch, LaneOptions{}), NewLimiter(LimiterOptions{})
	now := epoch.Add(time.Hour)
	claimed := slack.PrivateDomain("evil").Workspace("T1", "U1")
	for i := range 1000 {
		at := now.Add(time.Duration(i) * time.Second)
		l.PenalizePost(at, Lane{claimed, "C1"}, time.Second)
		l.Penalize(at, Lane{Workspace: claimed}, time.Second)
		limiter.Penalize(at, claimed, slack.MethodUpdate, time.Second)
	}
	now = now.Add(1000 * time.Second)
	if p := l.Parts(now); p.Workspace != 1 || p.Conversation != 1 {
		t.Errorf("parts %+v are taken, want all", p)
	}
	if p := limiter.Parts(now); len(p.Methods) != 0 {
		t.Errorf("parts %v are told, want none of a tenant's own server", p.Methods)
	}
	posted := postFor(l, team("T1"), now, time.Minute)
	if posted < 270 {
		t.Errorf("another posts %d messages in a minute, want all that he may", posted)
	}
}

// Who has a fixed share keeps to it whatever is answered, and shares that add up
// to 1 add up to no more than the limits.
func TestAFixedShare(t *testing.T) {
	for _, row := range []struct {
		name    string
		sharers int
	}{
		{name: "alone", sharers: 1}, {name: "halves", sharers: 2}, {name: "thirds", sharers: 3}, {name: "tenths", sharers: 10}, {name: "hundredths", sharers: 100},
	} {
		t.Run(row.name, func(t *testing.T) {
			share := 1 / float64(row.sharers)
			for _, whole := range [][]Limit{Tier2[:1], Tier3[:1], Tier4[:1], DefaultBudget()[:1]} {
				mine := Share(whole, share)[0]
				inPeriod := mine.Events * row.sharers
				if mine.Events == 1 {
					inPeriod = int(float64(row.sharers)*float64(whole[0].Per)/float64(mine.Per) + 0.5)
				}
				if inPeriod > whole[0].Events || inPeriod < whole[0].Events*8/10 {
					t.Errorf("%d shares of %+v are %d calls, want no more and not much less", row.sharers, whole[0], inPeriod)
				}
			}
			l := NewLanes(epoch, LaneOptions{Share: share})
			limiter := NewLimiter(LimiterOptions{Share: share})
			now := epoch.Add(time.Hour)
			l.PenalizePost(now, Lane{team("T1"), "C1"}, time.Second)
			limiter.Penalize(now, team("T1"), slack.MethodUpdate, time.Second)
			if turn := l.Ask(now, Lane{team("T1"), "C2"}, Ticket{ID: "x"}); turn.Granted || turn.At.Before(now.Add(time.Second)) {
				t.Errorf("%+v, want Slack's wait to be obeyed", turn)
			}
			p := l.Parts(now)
			if p.Workspace != share || p.Conversation != share || limiter.Parts(now).Methods[slack.MethodUpdate] != share {
				t.Errorf("parts %+v are taken, want %v whatever was answered", p, share)
			}
			l.Forget(now, "x")
			posted := postFor(l, team("T1"), now.Add(2*time.Second), 10*time.Minute)
			if most := 3000 / row.sharers; posted > most+1 || posted < most*8/10 {
				t.Errorf("%d messages in ten minutes, want %d or a little less", posted, most)
			}
		})
	}
}
