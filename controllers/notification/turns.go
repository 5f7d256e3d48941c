package notification

import (
	"context"
	"time"

	"k8s.io/utils/clock"
)

// Turns wakes notifications whose turn to be posted has come
// (manager.Runnable).
type Turns struct {
	Reconciler *Reconciler
	Clock      clock.Clock
}

// Start runs until ctx ends.
func (t *Turns) Start(ctx context.Context) error {
	lanes := t.Reconciler.Lanes
	for {
		now := t.Clock.Now()
		for _, grant := range lanes.Due(now) {
			t.Reconciler.wakeName(grant.Ticket.Owner)
		}
		// An hour, for the case that nothing waits: Changed comes before.
		wait := time.Hour
		if at, ok := lanes.NextAt(); ok {
			wait = max(at.Sub(now), 0)
		}
		timer := t.Clock.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-lanes.Changed():
		case <-timer.C():
		}
		timer.Stop()
	}
}
