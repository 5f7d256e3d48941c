package pacing

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

// simulate does what comes at random, and holds what came of it against what
// must hold whatever comes.
func simulate(t testing.TB, seed uint64, n int) {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	budget := []Limit{{Events: 5 + random.IntN(20), Per: time.Duration(1+random.IntN(20)) * time.Second}}
	w := newWorld(t, LaneOptions{Budget: budget, InFlight: 1 + random.IntN(8)})
	w.random = random
	w.handshake = func() time.Duration { return time.Duration(random.IntN(900)) * time.Millisecond }
	w.latency = func() time.Duration { return time.Duration(random.IntN(3000)) * time.Millisecond }
	w.refused = func() bool { return random.IntN(8) == 0 }
	forgotten := map[string]bool{}
	forget := func(id string) {
		delete(w.waiting, id)
		forgotten[id] = true
	}
	for asked := 0; asked < n; {
		owner := fmt.Sprint("owner", random.IntN(10))
		switch random.IntN(14) {
		case 0:
			w.lanes.Penalize(w.now, Lane{team("T1"), fmt.Sprint("C", random.IntN(4))}, time.Duration(random.IntN(5000))*time.Millisecond)
		case 1:
			w.lanes.Penalize(w.now, Lane{Workspace: team("T1")}, time.Duration(random.IntN(3000))*time.Millisecond)
		case 2:
			if id, ok := anyOf(random, w.waiting); ok {
				w.lanes.Forget(w.now, id)
				forget(id)
			}
		case 3:
			keep := []string{}
			for id, g := range w.waiting {
				if g.Ticket.Owner == owner && random.IntN(2) == 0 {
					keep = append(keep, id)
				}
			}
			for id := range w.flights {
				keep = append(keep, id)
			}
			w.lanes.Keep(w.now, owner, keep)
			for id, g := range w.waiting {
				if g.Ticket.Owner == owner && !slices.Contains(keep, id) {
					forget(id)
				}
			}
		case 4:
			// A pass that ends without using its turns, and another one later.
			if id, ok := anyOf(random, w.waiting); ok {
				g := w.waiting[id]
				if w.lanes.Ask(w.now, g.Lane, g.Ticket).Granted {
					w.lanes.ForgetUnused(w.now, g.Ticket.Owner)
					w.ask(g.Lane, g.Ticket)
				}
			}
		case 5:
			w.lanes.Failed(w.now, team("T1"))
		case 6:
			w.lanes.Answered(team("T1"))
		case 7, 8, 9:
			w.run(time.Duration(random.IntN(4000)) * time.Millisecond)
		default:
			w.ask(Lane{team(fmt.Sprint("T", 1+random.IntN(2))), fmt.Sprint("C", random.IntN(4))}, Ticket{
				ID: fmt.Sprint(asked), Owner: owner, Priority: random.IntN(4), Group: fmt.Sprint(random.IntN(3)),
				Since: epoch.Add(-time.Duration(random.IntN(60)) * time.Second),
			})
			asked++
		}
		w.consistent()
	}
	w.drain()
	w.check(time.Second, budget)
	if s := w.lanes.Stats(); s.Queued+s.Granted+s.InFlight != 0 {
		t.Errorf("seed %d: tickets are left when all is sent: %+v", seed, s)
	}
	seen := map[string]int{}
	for _, p := range w.posts {
		seen[p.id]++
	}
	for id, count := range seen {
		if count != 1 {
			t.Errorf("seed %d: %s was sent %d times", seed, id, count)
		}
	}
	for i := range n {
		if id := fmt.Sprint(i); seen[id] == 0 && !forgotten[id] && !w.unwritten[id] {
			t.Errorf("seed %d: %s was not sent", seed, id)
		}
	}
}

func anyOf[V any](random *rand.Rand, m map[string]V) (string, bool) {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	if len(keys) == 0 {
		return "", false
	}
	slices.Sort(keys)
	return keys[random.IntN(len(keys))], true
}

// consistent holds the inner structures against each other.
func (w *world) consistent() {
	w.t.Helper()
	l := w.lanes
	queuedIn := map[*lane]int{}
	busy := map[*workspace]int{}
	for id, it := range l.items {
		if it.ticket.ID != id || l.owners[it.ticket.Owner][id] != it {
			w.t.Fatalf("%s is not its owner's", id)
		}
		if it.state == queued {
			queuedIn[it.lane]++
		} else {
			busy[it.lane.workspace]++
			if it.lane.busy != it {
				w.t.Fatalf("%s has a turn that its lane does not know", id)
			}
		}
	}
	for key, one := range l.lanes {
		checkQueue(w.t, &one.queue)
		if one.queue.size != queuedIn[one] {
			w.t.Fatalf("%v holds %d tickets, of which %d are known", key, one.queue.size, queuedIn[one])
		}
		if one.busy != nil && l.items[one.busy.ticket.ID] != one.busy {
			w.t.Fatalf("%v is held by a ghost, %s", key, one.busy.ticket.ID)
		}
		wants := one.busy == nil && one.queue.size > 0
		if waiting := one.waits || one.candidates != nil; waiting != wants {
			w.t.Fatalf("%v: waits for a turn: %v, want %v", key, waiting, wants)
		}
		if one.candidates != nil && len(one.candidates) < min(len(one.queue.flows), maxCandidates) && len(one.queue.flows) <= maxCandidates {
			w.t.Fatalf("%v stands in %d flows of its workspace, want %d", key, len(one.candidates), len(one.queue.flows))
		}
		for flow, c := range one.candidates {
			if one.queue.flows[flow].first() != c.place {
				w.t.Fatalf("%v has an outdated place in %v", key, flow)
			}
		}
	}
	for name, ws := range l.workspaces {
		checkQueue(w.t, &ws.ready)
		if ws.busy != busy[ws] || ws.used.open != busy[ws] {
			w.t.Fatalf("%s counts %d and %d turns, want %d", name, ws.busy, ws.used.open, busy[ws])
		}
	}
}

// checkQueue holds the orders of a queue against its flows.
func checkQueue[T any](t testing.TB, q *queue[T]) {
	t.Helper()
	size, light := 0, 0
	flows := map[int]int{}
	for key, f := range q.flows {
		size += f.elements.len()
		flows[key.priority]++
		if q.counts[key.group] < q.kept.quota {
			light++
		}
		if f.elements.len() == 0 || q.strict.rank(f) >= q.strict.len() {
			t.Fatalf("flow %v has %d elements", key, f.elements.len())
		}
	}
	if q.size != size || q.strict.len() != len(q.flows) || q.aged.len() != len(q.flows) || q.light.len() != light || len(q.levels) != len(flows) {
		t.Fatalf("a queue of %d flows (%d light) with %d elements has %d in turn, %d by age, %d light, %d elements",
			len(q.flows), light, size, q.strict.len(), q.aged.len(), q.light.len(), q.size)
	}
}

// Whatever comes, nobody is lost, nobody is sent twice, and no limit is hit.
func TestNothingIsLostAndNoLimitIsHit(t *testing.T) {
	for seed := range uint64(60) {
		simulate(t, seed, 120)
	}
}

func FuzzLanes(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) { simulate(t, seed, 60) })
}
