package pacing

import "time"

const (
	// sweepEvery is how often what is idle is forgotten.
	sweepEvery = time.Minute
	// idleAfter is how long a workspace, or a method of it, is remembered that
	// nobody uses.
	idleAfter = time.Hour
)

// sweep forgets lanes whose past does not matter any more.
func (l *Lanes) sweep(now time.Time) {
	if now.Before(l.swept.Add(sweepEvery)) || now.Before(l.started.Add(l.options.Interval+l.options.Margin)) {
		return
	}
	l.swept = now
	used, kept := map[*workspace]struct{}{}, remembered{}
	for key, one := range l.lanes {
		if one.busy == nil && one.queue.size == 0 && !one.ready.After(now) && !kept.keeps(now, one) {
			delete(l.lanes, key)
			continue
		}
		used[one.workspace] = struct{}{}
	}
	for name, w := range l.workspaces {
		if _, ok := used[w]; !ok && !w.blocked.After(now) && now.Sub(w.touched) > idleAfter {
			delete(l.workspaces, name)
		}
	}
}

// Stats are numbers for metrics.
type Stats struct {
	// Queued tickets wait; Granted have their turn and were not taken yet;
	// InFlight are being posted.
	Queued, Granted, InFlight int
	// Lanes and Workspaces that are remembered.
	Lanes, Workspaces int
}

// Stats counts what is there now.
func (l *Lanes) Stats() Stats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := Stats{Lanes: len(l.lanes), Workspaces: len(l.workspaces)}
	for _, it := range l.items {
		switch it.state {
		case queued:
			s.Queued++
		case granted:
			s.Granted++
		case taken, posting:
			s.InFlight++
		}
	}
	return s
}
