package readback

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// world is what a fuzz input does: questions, posts and errors in any order,
// also in the middle of a call, checked against all that was ever posted.
type world struct {
	*rig
	data []byte
	// open are the questions without an answer.
	open   map[int]Question
	nested int
	asked  int
	faults bool
}

// next byte of the input; 0 at its end.
func (w *world) next() byte {
	if len(w.data) == 0 {
		return 0
	}
	b := w.data[0]
	w.data = w.data[1:]
	return b
}

var (
	fuzzErrors = []slack.Class{
		slack.ClassRateLimited, slack.ClassUnavailable, slack.ClassAmbiguous, slack.ClassUnknown,
		slack.ClassInvalidCursor, slack.ClassNotInChannel,
	}
	fuzzAuthors = []Author{bot, {BotID: "B1"}, {UserID: "U1"}, stranger, {}}
	fuzzOldest  = []time.Duration{0, time.Second, 10 * time.Second, 5 * time.Minute, 90 * 24 * time.Hour}
)

// do is one thing that happens.
func (w *world) do() {
	what, arg := w.next(), int(w.next())
	switch what % 8 {
	case 0:
		w.passes(time.Duration(arg) * 100 * time.Millisecond)
		if arg > 200 {
			w.passes(time.Duration(arg-200) * 20 * time.Second)
		}
	case 1:
		w.slack.post(fuzzAuthors[arg%5], of(fmt.Sprint("n", arg/5%4), "r"))
	case 2:
		w.slack.post(fuzzAuthors[arg%5], withKey(fmt.Sprint("k", arg/5%2)))
	case 3:
		w.slack.chatter(arg%12, time.Duration(arg/12)*200*time.Millisecond)
	case 4, 5:
		w.question(arg)
	case 6:
		for _, i := range w.numbers() {
			if i%4 == arg%4 {
				w.check(i)
			}
		}
	case 7:
		w.fault(arg)
	}
}

func (w *world) numbers() []int {
	var all []int
	for i := range w.open {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

// question comes up: expected, or asked at once.
func (w *world) question(arg int) {
	if len(w.open) > 20 {
		return
	}
	w.asked++
	q := w.sends(fmt.Sprint("n", arg%4))
	q.Owner.Name = fmt.Sprint("owner", w.asked)
	q.Oldest = w.now.Add(-fuzzOldest[arg/4%5])
	if w.slack.oldestFirst {
		q.Place.Thread = "1.2"
	}
	switch arg / 20 % 4 {
	case 0:
		q.Settled = w.now
	case 1:
		q.Notification, q.Recipient, q.Key = "", "", fmt.Sprint("k", arg%2)
	case 2:
		if n := len(w.slack.messages); n > 0 {
			q.After = w.slack.messages[n/2].Timestamp
		}
	}
	w.open[w.asked] = q
	if arg/80%2 == 0 {
		w.reader.Expect(w.now, q)
	} else {
		w.check(w.asked)
	}
}

func (w *world) fault(arg int) {
	if !w.faults {
		return
	}
	class := fuzzErrors[arg%len(fuzzErrors)]
	w.slack.script = append(w.slack.script, func(q slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
		switch {
		case arg >= 240:
			return nil, q.Cursor + "x", nil // a cursor that leads nowhere new
		case arg >= 120:
			return w.slack.page(q)
		}
		return nil, "", &slack.Error{Class: class, Method: slack.MethodHistory, RetryAfter: time.Duration(arg%3) * time.Second}
	})
}

// check asks a question and holds the answer against what was posted.
func (w *world) check(number int) Answer {
	q, ok := w.open[number]
	if !ok {
		return Answer{Kind: Absent} // answered amid another's call
	}
	delete(w.open, number) // not while it is being asked
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	if w.faults && w.nested == 0 && number%7 == 3 && w.next() > 200 {
		cancel()
	}
	a := w.reader.Ask(ctx, w.clock, w.slack, q)
	switch a.Kind {
	case Found:
		w.checkFound(q, a.Message)
	case Absent:
		for _, m := range w.slack.messages {
			if w.means(q, m) && m.Timestamp < timestamp(q.Settled) {
				w.t.Fatalf("%s is absent, but %+v was there when it was settled, at %s", q.identity(), m, timestamp(q.Settled))
			}
		}
	case Refused:
		if a.Err == nil || a.Err.Class.Transient() || !w.faults {
			w.t.Fatalf("refused because of %v", a.Err)
		}
		w.open[number] = q
	case Later:
		if a.At.IsZero() || a.Err == nil && a.At.Sub(w.now) > time.Minute {
			w.t.Fatalf("later: %+v", a)
		}
		w.open[number] = q
	}
	return a
}

func (w *world) means(q Question, m slack.StoredMessage) bool {
	if m.Metadata == nil || m.Timestamp < timestamp(q.Oldest) || m.Timestamp <= q.After || !q.Author.wrote(m) {
		return false
	}
	payload := m.Metadata.Payload
	if q.Key != "" {
		return payload[PayloadKey] == q.Key
	}
	return payload[PayloadNotification] == q.Notification && payload[PayloadRecipient] == q.Recipient
}

func (w *world) checkFound(q Question, found slack.StoredMessage) {
	if !w.means(q, found) {
		w.t.Fatalf("found %+v for %+v", found, q)
	}
	if !slices.ContainsFunc(w.slack.messages, func(m slack.StoredMessage) bool { return m.Timestamp == found.Timestamp }) {
		w.t.Fatalf("found %+v, which is not there", found)
	}
	for _, m := range w.slack.messages {
		if q.Key != "" && w.means(q, m) && m.Timestamp > found.Timestamp && m.Timestamp < timestamp(q.Settled) {
			w.t.Fatalf("found %s by its key, but %s is newer and was there", found.Timestamp, m.Timestamp)
		}
	}
}

// end asks all questions until they have their answers.
func (w *world) end() {
	w.faults, w.slack.script, w.data = false, nil, nil
	for range 3000 {
		if len(w.open) == 0 {
			return
		}
		next := w.now.Add(fallback)
		for _, i := range w.numbers() {
			a := w.checkPassing(i)
			if a.Kind != Found && a.Kind != Absent && a.At.Before(next) {
				next = a.At
			}
		}
		w.now = later(w.now, next)
	}
	w.t.Fatalf("%d questions have no answer though the errors have ended", len(w.open))
}

// checkPassing allows for refusals that are remembered.
func (w *world) checkPassing(number int) Answer {
	w.faults = true
	defer func() { w.faults = false }()
	return w.check(number)
}

// TestRandomWorlds is FuzzReader with inputs of its own.
func TestRandomWorlds(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		data := make([]byte, random.IntN(400))
		for i := range data {
			data[i] = byte(random.IntN(256))
		}
		live(t, data)
	}
}

func FuzzReader(f *testing.F) {
	f.Add([]byte{3, 0, 4, 80, 1, 0, 6, 0})
	f.Add([]byte{2, 1, 3, 255, 3, 255, 4, 36, 4, 80, 7, 4, 6, 0, 6, 0, 1, 3, 6, 1})
	f.Add([]byte{8, 1, 3, 200, 5, 99, 5, 119, 7, 0, 7, 240, 7, 5, 6, 3, 2, 7, 4, 100, 6, 2})
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) <= 400 {
			live(t, data)
		}
	})
}

// live does what data says, then ends.
func live(t *testing.T, data []byte) {
	w := &world{rig: newRig(t), data: data, open: map[int]Question{}, faults: true}
	shape := w.next()
	w.slack.pageSize = 1 + int(shape%4)
	w.slack.oldestFirst = shape%16 >= 8
	w.slack.takes = time.Duration(shape/32) * 300 * time.Millisecond
	w.slack.during = func() {
		if w.nested++; w.nested == 1 && w.next()%3 == 0 {
			w.do()
		}
		w.nested--
	}
	for len(w.data) > 0 {
		w.do()
	}
	w.end()
}
