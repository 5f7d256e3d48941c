package delivery

import (
	"maps"
	"os"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// mayPost holds that nothing is posted while something that the delivery does
// not know of is in Slack.
func (w *world) mayPost(t *testing.T) {
	t.Helper()
	unknown := w.unknown()
	if unknown == 0 {
		return
	}
	if !w.readable && w.onUnknown == v1alpha1.UnknownOutcomeRetry {
		w.risked = true
	}
	if !w.risked && !w.forged {
		t.Fatalf("it posts (%s) while %d messages are in Slack that it does not know of:%s", w.onUnknown, unknown, w.path)
	}
}

// mayEdit holds that nothing is edited while a newer message, of which the
// delivery does not know, has the content already.
func (w *world) mayEdit(t *testing.T) {
	t.Helper()
	m := w.at(w.d.Posted.Timestamp)
	if m == nil || m.closed {
		return // Slack will say so, and it is looked for
	}
	if n := w.unknown(); n > 0 && !w.risked && !w.accepted && !w.forged && w.readable {
		t.Fatalf("it edits the older message while %d newer ones are in Slack that it does not know of:%s", n, w.path)
	}
}

// mayTouch holds that another object's message is neither edited nor deleted,
// whatever the status says. Where nothing can be read, Slack alone keeps what the
// bot has not written.
func (w *world) mayTouch(t *testing.T, what string) {
	t.Helper()
	if m := w.at(w.d.Posted.Timestamp); m != nil && !w.counts(*m) && w.readable {
		t.Fatalf("it is about to %s a message of another object:%s", what, w.path)
	}
}

// check holds what must be so in every state.
func (w *world) check(t *testing.T) {
	t.Helper()
	count := 0
	for i := range w.count {
		if w.counts(w.messages[i]) {
			count++
		}
	}
	if count > w.allowed && !w.risked && !w.forged {
		t.Fatalf("%d messages are in Slack, want at most %d:%s", count, w.allowed, w.path)
	}
	if h := w.d.Halt; h != nil && h.Reason == v1alpha1.ReasonDeadlineExceeded && w.unknown() > 0 && !w.risked {
		t.Fatalf("it says that it was not delivered in time, and it is in Slack:%s", w.path)
	}
	if err := w.d.broken(); err != "" {
		t.Fatalf("%s:%s", err, w.path)
	}
	switch w.d.Phase {
	case Delivered:
		w.checkDelivered(t)
	case Unknown:
		if !w.doubtful {
			t.Fatalf("it says that the outcome is unknown, and no answer was lost and no process ended:%s", w.path)
		}
	case Removed:
		if w.d.Leftover == "" && count > 0 && w.update == v1alpha1.UpdateEdit && w.allowed == 1 && !w.risked && !w.forged && !w.keyed {
			t.Fatalf("it says that the message is removed without a word of a leftover, and %d are in Slack:%s", count, w.path)
		}
	}
}

// checkDelivered holds that Slack has what the delivery says, and that this is
// what is wanted.
func (w *world) checkDelivered(t *testing.T) {
	t.Helper()
	if w.d.Stale != "" || w.forged {
		return
	}
	if w.d.Posted.Hash != hashOf(w.show()) && !w.remove {
		t.Fatalf("it says Delivered and nothing of another content, and content %s is out, want %s:%s", w.d.Posted.Hash, hashOf(w.show()), w.path)
	}
	for i := range w.count {
		m := w.messages[i]
		if (w.webhook || ts(i) == w.d.Posted.Timestamp) && (m.gone && !m.missed || !m.gone && hashOf(m.hash) == w.d.Posted.Hash) {
			return
		}
	}
	t.Fatalf("it says Delivered, and Slack does not have that content:%s\n%+v\n%+v", w.path, w.messages[:w.count], w.d.Posted)
}

// ends holds that without faults everything comes to an end.
func (w *world) ends(t *testing.T, ended map[uint64]struct{}) {
	t.Helper()
	n := w.clone("without faults from here")
	n.left = budget{}
	way := map[uint64]struct{}{}
	for {
		k := n.key()
		_, known := ended[k]
		if _, round := way[k]; round && !known {
			t.Fatalf("it goes round and does not come to an end:%s", n.path)
		}
		way[k] = struct{}{}
		step := n.d.Next(n.want(), n.can(), noon)
		if known || step.Do == Nothing {
			break
		}
		n = n.outcomes(t, step)[0]
	}
	maps.Copy(ended, way)
}

// explore walks through every state that can be reached, nearest first, so that a
// failure tells of one of the shortest ways to it.
func explore(t *testing.T, start *world) int {
	t.Helper()
	seen := map[uint64]struct{}{start.key(): {}}
	queue := []*world{start}
	ended := map[uint64]struct{}{}
	for len(queue) > 0 {
		w := queue[0]
		queue = queue[1:]
		w.check(t)
		w.ends(t, ended)
		for _, next := range [][]*world{w.people(), w.system(t)} {
			for _, n := range next {
				k := n.key()
				if _, ok := seen[k]; !ok {
					seen[k] = struct{}{}
					queue = append(queue, n)
				}
			}
		}
	}
	return len(seen)
}

// start is a world with a new object.
func (s setting) start(onUnknown v1alpha1.UnknownOutcomePolicy, readable bool, left budget) *world {
	w := &world{facts: facts{
		setting: s, generation: 1, update: v1alpha1.UpdateEdit, onUnknown: onUnknown, conversation: "C1", via: "ns/c", readable: readable, left: left, allowed: 1,
	}}
	w.begin(Ownership{Made: true, Observed: true, Intends: !s.own})
	return w
}

// Whatever happens, and in whatever order, the promises hold.
func TestModel(t *testing.T) {
	total := 0
	for _, c := range []struct {
		name string
		setting
		// left is what may happen in a normal run, and long with CHAOS=long.
		left, long budget
		// taken: another object's message with the key is in Slack beforehand.
		taken bool
	}{
		{name: "contents and crashes", left: budget{contents: 2, crashes: 1, lost: 1}, long: budget{contents: 2, crashes: 1, lost: 2}},
		{name: "two crashes", left: budget{contents: 1, crashes: 2, gone: 1}, long: budget{contents: 1, policies: 1, crashes: 2, lost: 1}},
		{name: "answers", left: budget{answers: 2, crashes: 1, lost: 1}, long: budget{answers: 2, contents: 1, crashes: 2, lost: 1}},
		{name: "answers and policies", left: budget{answers: 1, contents: 1, policies: 1}, long: budget{answers: 2, contents: 1, policies: 2, gone: 1}},
		{name: "policies", left: budget{contents: 1, policies: 2, crashes: 1}, long: budget{contents: 2, policies: 2, crashes: 1}},
		{name: "channels", left: budget{contents: 1, channels: 1, crashes: 1}, long: budget{contents: 1, channels: 2, crashes: 1, lost: 1}},
		{name: "gone or closed", left: budget{contents: 1, lost: 1, gone: 1}, long: budget{contents: 2, policies: 1, crashes: 1, gone: 1}},
		{name: "gone and set back", left: budget{contents: 2, gone: 1}, long: budget{contents: 2, lost: 1, gone: 2}},
		{name: "refusals", left: budget{contents: 1, lost: 1, refusals: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, refusals: 2}},
		{name: "deadline", left: budget{policies: 1, lost: 1, deadlines: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, deadlines: 1, refusals: 1}},
		{name: "deletion", left: budget{contents: 1, lost: 1, removals: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, removals: 1, gone: 1}},
		{name: "waits and requests", left: budget{crashes: 1, lost: 1, holds: 1, requests: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, holds: 2, requests: 1}},
		{name: "scopes", left: budget{policies: 1, lost: 1, scopes: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, scopes: 2}},
		{name: "own channel", setting: setting{own: true}, left: budget{contents: 1, crashes: 1, scopes: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, scopes: 1}},
		{name: "webhook", setting: setting{webhook: true}, left: budget{contents: 1, policies: 1, crashes: 1, lost: 1},
			long: budget{contents: 2, policies: 1, crashes: 1, lost: 1, refusals: 1}},
		{name: "webhook deletion", setting: setting{webhook: true}, left: budget{crashes: 1, lost: 1, removals: 1}, long: budget{contents: 1, policies: 1, crashes: 2, lost: 2, removals: 1}},
		{name: "key", setting: setting{keyed: true}, left: budget{crashes: 1, lost: 1, remakes: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, remakes: 1, removals: 1}},
		{name: "key that is taken", setting: setting{keyed: true}, taken: true, left: budget{contents: 1, crashes: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, channels: 1, removals: 1}},
		{name: "made again without a key", left: budget{lost: 1, remakes: 1}, long: budget{contents: 1, policies: 1, crashes: 1, lost: 1, remakes: 1}},
		{name: "forgery", left: budget{contents: 1, forgeries: 1, removals: 1}, long: budget{contents: 2, policies: 1, crashes: 1, forgeries: 1, removals: 1}},
	} {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			left := c.left
			if os.Getenv("CHAOS") == "long" {
				left = c.long
			}
			for _, readable := range []bool{true, false} {
				if c.webhook && readable {
					continue
				}
				for _, onUnknown := range []v1alpha1.UnknownOutcomePolicy{v1alpha1.UnknownOutcomeRetry, v1alpha1.UnknownOutcomeGiveUp} {
					w := c.start(onUnknown, readable, left)
					if c.taken {
						w.put(message{hash: 5, conversation: w.conversation, owner: alike})
						w.allowed += map[bool]int{false: 1}[readable]
					}
					n := explore(t, w)
					total += n
					t.Logf("readable=%v %s: %d states", readable, onUnknown, n)
				}
			}
		})
	}
	t.Logf("%d states in all", total)
}
