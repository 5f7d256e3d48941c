package connection

import (
	"fmt"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Whatever tenants' servers do, workers are left for the others.
func TestGateLeavesWorkersForOthers(t *testing.T) {
	const workers = 64
	g := NewGate(SharesOf(workers))
	enter := func(namespace string, d slack.Domain) (n int, leaves []func()) {
		for range 10 * workers {
			leave, pause := g.Enter(namespace, d)
			if leave == nil {
				if pause < 500*time.Millisecond || pause > 30*time.Second {
					t.Fatalf("it may come again after %v, want some seconds", pause)
				}
				continue
			}
			n++
			leaves = append(leaves, leave)
		}
		return n, leaves
	}
	a, leaves := enter("a", slack.PrivateDomain("a"))
	b, _ := enter("b", slack.PrivateDomain("b"))
	c, _ := enter("c", slack.PrivateDomain("c"))
	if a != workers/4 || b != workers/4 || c != 0 {
		t.Errorf("servers of tenants hold %d, %d and %d workers, want a quarter of %d each, and half in all", a, b, c, workers)
	}
	shared, _ := enter("a", slack.SharedDomain())
	if shared != workers/2 {
		t.Errorf("a namespace by the operator's own way has %d workers, want half, whatever its private ones do", shared)
	}
	for _, leave := range leaves {
		leave()
		leave() // twice is once
	}
	if c, _ = enter("c", slack.PrivateDomain("c")); c != workers/4 {
		t.Errorf("after the end of calls another has %d workers, want a quarter", c)
	}
	if len(g.inside) != 3 {
		t.Errorf("%d namespaces are remembered, want the three that are inside", len(g.inside))
	}
}

// Namespaces that found no room, and are gone, are not remembered.
func TestGateForgetsWhoDoesNotComeAgain(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(time.Now())
	g := NewGate(Shares{Namespace: 1, Private: 1, AllPrivate: 1})
	g.clock = clock
	busy, _ := g.Enter("busy", slack.PrivateDomain("busy"))
	for i := range 1000 {
		if leave, _ := g.Enter(fmt.Sprint(i), slack.PrivateDomain(fmt.Sprint(i))); leave != nil {
			t.Fatal("there is room for one alone")
		}
	}
	clock.SetTime(clock.Now().Add(time.Hour))
	if leave, _ := g.Enter("last", slack.PrivateDomain("last")); leave != nil {
		t.Fatal("there is room for one alone")
	}
	if n := len(g.refused); n != 1 {
		t.Errorf("after an hour %d are remembered, want the last one", n)
	}
	busy()
	clock.SetTime(clock.Now().Add(time.Hour))
	if leave, _ := g.Enter("busy", slack.SharedDomain()); leave == nil {
		t.Error("there is no room, though nobody is inside")
	} else {
		leave()
	}
	if kept := len(g.inside) + len(g.refused); kept != 0 {
		t.Errorf("%d namespaces are remembered when nobody is there any more, want none", kept)
	}
}

func TestGateOfOneWorker(t *testing.T) {
	g := NewGate(SharesOf(1))
	leave, _ := g.Enter("a", slack.PrivateDomain("a"))
	if leave == nil {
		t.Fatal("the only worker may not call")
	}
	leave()
	if leave, _ = g.Enter("b", slack.SharedDomain()); leave == nil {
		t.Error("the only worker may not call")
	}
	if leave, _ = (*Gate)(nil).Enter("b", slack.SharedDomain()); leave == nil {
		t.Error("without a gate nobody may call")
	}
}
