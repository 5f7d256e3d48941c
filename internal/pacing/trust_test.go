package pacing

import (
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Whatever a tenant's own server answers in the name of a workspace, the
// workspace's messages and calls go on for everybody else.
func TestAClaimedWorkspaceStopsNobody(t *testing.T) {
	own, claimed := team("T1"), slack.PrivateDomain("evil").Workspace("T1", "U1")
	now := epoch.Add(time.Minute)
	l := NewLanes(epoch, LaneOptions{})
	limiter := NewLimiter(LimiterOptions{})
	l.Penalize(now, Lane{Workspace: claimed}, 24*time.Hour)
	l.Penalize(now, Lane{claimed, "C1"}, 24*time.Hour)
	for range 100 {
		l.Failed(now, claimed)
	}
	limiter.Penalize(now, claimed, slack.MethodUsersList, 24*time.Hour)
	if turn := l.Ask(now, Lane{own, "C1"}, Ticket{ID: "victim"}); !turn.Granted {
		t.Errorf("the message of another waits until %v, down %v; want it to be granted at once", turn.At.Sub(now), turn.Down)
	}
	if at, ok := limiter.Reserve(now, own, slack.MethodUsersList, Holder{Name: "victim"}); !ok {
		t.Errorf("the call of another waits for %v, want it to be made at once", at.Sub(now))
	}
	if turn := l.Ask(now, Lane{claimed, "C1"}, Ticket{ID: "own"}); turn.Granted {
		t.Error("the tenant's own message does not wait as his server asked")
	}
	// An answer by his server is none of Slack's either.
	for range 100 {
		l.Failed(now, own)
	}
	l.Answered(claimed)
	if turn := l.Ask(now, Lane{own, "C2"}, Ticket{ID: "second"}); !turn.Down {
		t.Error("the answer of a tenant's server counts for the workspace, which is down")
	}
}

// Slack counts by app: two apps of one workspace have a budget each.
func TestAppsAreCountedApart(t *testing.T) {
	limiter := NewLimiter(LimiterOptions{})
	other := slack.SharedDomain().Workspace("T1", "U2")
	limiter.Penalize(epoch, team("T1"), slack.MethodUpdate, time.Hour)
	if at, ok := limiter.Reserve(epoch, other, slack.MethodUpdate, Holder{Name: "x"}); !ok {
		t.Errorf("the other app waits for %v", at.Sub(epoch))
	}
}
