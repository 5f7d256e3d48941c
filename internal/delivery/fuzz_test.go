package delivery

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// everyEvent has one of each event, and a refusal of each class by each step.
func everyEvent() []Event {
	all := []Event{
		Held{Note: Note{Reason: v1alpha1.ReasonWaitingForTurn}}, Held{Until: noon.Add(time.Minute)}, Announced{}, Attempting{},
		PostOK{Conversation: "C1", Timestamp: "3.0"}, PostOK{}, EditOK{}, DeleteOK{}, JoinOK{}, NotMember{},
		Found{Conversation: "C1", Timestamp: "4.0", Hash: "h1", Via: "ns/c"}, Found{Conversation: "C1", Timestamp: "4.0", Hash: "h2", Via: "ns/other", Adopted: true},
		Absent{}, Absent{Here: "C1"}, Absent{Here: "C2"}, Unreadable{Why: "no"}, ThreadGone{},
		Confirmed{}, Confirmed{Hash: "h1"}, Unconfirmable{}, NotOurs{}, Gone{}, SameAs{Recipient: "default"}, NeedsPerson{Reason: v1alpha1.ReasonUserNotFound},
	}
	for do := Nothing; do <= Delete; do++ {
		for class := slack.ClassUnknown; class <= slack.ClassAlreadyDone; class++ {
			e := refuse(do, class)
			e.Conversation, e.Settle = "C1", time.Second
			all = append(all, e)
		}
	}
	return all
}

// everyWant has each combination of what the spec can ask for.
func everyWant() []Want {
	var all []Want
	for i := range 3 * 2 * 2 * 2 * 2 * 2 * 2 {
		bit := func(n int) bool { return i/3>>n&1 == 1 }
		w := Want{
			Hash: "h1", Update: []v1alpha1.UpdatePolicy{v1alpha1.UpdateEdit, v1alpha1.UpdateRepost, v1alpha1.UpdateIgnore}[i%3], OnUnknown: v1alpha1.UnknownOutcomeRetry,
			Via: "ns/c", Settled: noon, Created: noon, Changed: bit(0), Keyed: bit(1), Remove: bit(2),
		}
		if bit(3) {
			w.Hash = "h2"
		}
		if bit(4) {
			w.OnUnknown = v1alpha1.UnknownOutcomeGiveUp
		}
		if bit(5) {
			w.Via, w.Deadline = "ns/other", noon.Add(time.Second)
		}
		all = append(all, w)
	}
	return all
}

func everyCan() []Can {
	return []Can{{}, {Read: true, Edit: true, Credential: "c"}, {Read: true, Edit: true, Join: true, Credential: "d"}, {Read: true, Edit: true, PostUnseen: true, Proven: true, Credential: "c"}}
}

// everyPhase has a delivery of each phase, with and without a message.
func everyPhase() map[string]func() Delivery {
	in := func(phase Phase, posted, doubt bool) func() Delivery {
		return func() Delivery {
			d := unsent()
			if posted {
				d = sent()
			}
			d.Phase = phase
			if doubt {
				d.Doubt = &Doubt{Cause: Takeover}
			}
			if phase == Unknown {
				d.Halt = &Halt{Reason: v1alpha1.ReasonOutcomeUnknown, Final: true}
			}
			return d
		}
	}
	return map[string]func() Delivery{
		"unsent": in(Unsent, false, false), "unsent, accepted": in(Unsent, false, true), "replacing": in(Unsent, true, false),
		"verifying": in(Verifying, false, true), "verifying a newer one": in(Verifying, true, true), "editing": in(Editing, true, false),
		"delivered": in(Delivered, true, false), "shared": func() Delivery { return Delivery{Phase: Delivered, SameAs: "default"} },
		"unknown": in(Unknown, false, true), "unknown, with an older one": in(Unknown, true, true), "removed": in(Removed, true, false),
	}
}

// An event may come late, or from a controller that errs: none breaks a delivery,
// in whatever phase it comes.
func TestEveryEventInEveryPhase(t *testing.T) {
	wants := slices.DeleteFunc(everyWant(), func(w Want) bool { return w.Changed || w.Keyed }) // Want and Restore read these
	for name, make := range everyPhase() {
		t.Run(name, func(t *testing.T) {
			for _, e := range everyEvent() {
				for _, w := range wants {
					for _, c := range everyCan() {
						d := make()
						before := d.Phase
						d.Apply(e, w, c, noon)
						if _, held := e.(Held); held && d.Phase != before {
							t.Fatalf("a wait brings phase %d, want it to stay %d", d.Phase, before)
						}
						if broken := d.sound(w); broken != "" {
							t.Fatalf("%s after %T %+v, with %+v and %+v: %+v", broken, e, e, w, c, d)
						}
						d.Next(w, c, noon.Add(time.Hour))
						if broken := d.sound(w); broken != "" {
							t.Fatalf("%s by the next step after %T %+v, with %+v and %+v: %+v", broken, e, e, w, c, d)
						}
					}
				}
			}
		})
	}
}

// sound says what does not hold; a removal may be halted in any phase.
func (d *Delivery) sound(w Want) string {
	c := *d
	if w.Remove && c.Phase == Delivered {
		c.Halt = nil
	}
	return c.broken()
}

// doubts reports whether another process must look before it sends.
func (d *Delivery) doubts() bool { return d.mayBeSent() || d.Phase == Unknown || d.announced() }

// Whatever comes, in whatever order: nothing panics, the rules hold, and the
// status hands every doubt on to the next process.
func FuzzDelivery(f *testing.F) {
	f.Add([]byte{0, 4, 0, 9, 1, 3, 0, 11, 2, 0})
	f.Add([]byte("lost, and found again, and then reposted, restarted, and removed"))
	events, wants, ways := everyEvent(), everyWant(), everyCan()
	f.Fuzz(func(t *testing.T, moves []byte) {
		d, w, c, now := unsent(), wants[0], ways[1], noon
		trail := ""
		for i := 0; i+1 < len(moves) && i < 200; i += 2 {
			kind, n := moves[i], int(moves[i+1])
			trail += fmt.Sprintf(" %d:%d", kind%8, n)
			switch kind % 8 {
			case 0, 1:
				d.Apply(events[(int(kind)/8*256+n)%len(events)], w, c, now)
			case 2:
				removing := w.Remove // which is for good
				w = wants[n%len(wants)]
				w.Remove = w.Remove || removing
				d.Want(w, now)
			case 3, 4:
				d.Next(w, c, now)
			case 5:
				c, now = ways[n%len(ways)], now.Add(time.Duration(n)*time.Minute)
			case 6:
				d.Request(now)
			case 7:
				doubts, gone := d.doubts(), d.Phase == Removed
				s := d.Status()
				d = Restore(d.Recipient, &s, w, Ownership{Made: n&1 != 0, Observed: n&2 != 0, Skipped: n&4 != 0, Intends: n&8 != 0, Mine: n&16 != 0}, now)
				if doubts && !gone && d.Phase != Verifying && d.Phase != Unknown {
					t.Fatalf("a doubt is lost over a restart: phase %d of the status %+v, by%s", d.Phase, s, trail)
				}
			}
			if broken := d.sound(w); broken != "" {
				t.Fatalf("%s, by%s: %+v", broken, trail, d)
			}
		}
	})
}
