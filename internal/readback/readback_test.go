package readback

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func TestAnswers(t *testing.T) {
	for name, row := range map[string]struct {
		// posts happen before the question.
		posts func(f *fakeSlack)
		alter func(q *Question)
		kind  Kind
	}{
		"a message that is there is found": {func(f *fakeSlack) { f.post(bot, of("n", "r")) }, nil, Found},
		"nothing is absent":                {func(*fakeSlack) {}, nil, Absent},
		"another notification's is absent": {func(f *fakeSlack) { f.post(bot, of("m", "r")) }, nil, Absent},
		"another recipient's is absent":    {func(f *fakeSlack) { f.post(bot, of("n", "s")) }, nil, Absent},
		"a stranger's is absent":           {func(f *fakeSlack) { f.post(stranger, of("n", "r")) }, nil, Absent},
		"one of the same bot is found":     {func(f *fakeSlack) { f.post(Author{BotID: "B1"}, of("n", "r")) }, nil, Found},
		"one of the same user is found":    {func(f *fakeSlack) { f.post(Author{UserID: "U1"}, of("n", "r")) }, nil, Found},
		"one of nobody's is found":         {func(f *fakeSlack) { f.post(Author{}, of("n", "r")) }, nil, Found},
		"any author's is found when none is known": {func(f *fakeSlack) { f.post(stranger, of("n", "r")) },
			func(q *Question) { q.Author = Author{} }, Found},
		"another event type is absent": {func(f *fakeSlack) { m := of("n", "r"); m.EventType = "x"; f.post(bot, m) }, nil, Absent},
		"metadata without end is none of ours": {func(f *fakeSlack) {
			m := of("n", "r")
			m.Payload["x"] = strings.Repeat("x", 5000)
			f.post(bot, m)
		}, nil, Absent},
		"an older message is absent": {func(f *fakeSlack) { f.post(bot, of("n", "r")) },
			func(q *Question) { q.Oldest = epoch.Add(time.Second) }, Absent},
		"a message exactly as old is found": {func(f *fakeSlack) { f.post(bot, of("n", "r")) },
			func(q *Question) { q.Oldest = epoch }, Found},
		"the message to be replaced is absent": {func(f *fakeSlack) { f.post(bot, of("n", "r")) },
			func(q *Question) { q.After = timestamp(epoch) }, Absent},
		"a key is found": {func(f *fakeSlack) { f.post(bot, withKey("k")) },
			func(q *Question) { q.Notification, q.Recipient, q.Key = "", "", "k" }, Found},
		"another key is absent": {func(f *fakeSlack) { f.post(bot, withKey("l")) },
			func(q *Question) { q.Notification, q.Recipient, q.Key = "", "", "k" }, Absent},
		"a message on the last of seven pages is found": {func(f *fakeSlack) { f.post(bot, of("n", "r")); f.chatter(69, time.Millisecond) }, nil, Found},
		"a question for nothing is refused":             {func(*fakeSlack) {}, func(q *Question) { q.Notification = "" }, Refused},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			row.posts(r.slack)
			q := r.sends("n")
			if row.alter != nil {
				row.alter(&q)
			}
			r.wants(r.until(q), row.kind, "the answer")
		})
	}
}

func TestAbsenceWaitsForTheSettleTime(t *testing.T) {
	r := newRig(t)
	q := r.sends("n")
	a := r.ask(q)
	r.wants(a, Later, "before the settle time")
	if !a.At.Equal(q.Settled) || a.Err != nil {
		t.Errorf("asked back at %v with %v, wanted %v and no error", a.At, a.Err, q.Settled)
	}
	r.wantsCalls(0, "before the settle time")
	other := r.sends("m")
	other.Settled = r.now
	r.wants(r.ask(other), Absent, "who need not wait")
	r.passes(3 * time.Second)
	r.wants(r.ask(q), Absent, "after the settle time")
	r.wantsCalls(2, "a reading begun before the settle time proves nothing")
}

func TestFoundBeforeTheSettleTime(t *testing.T) {
	r := newRig(t)
	q := r.sends("n")
	r.slack.post(bot, of("n", "r"))
	r.wants(r.until(func() Question { o := r.sends("m"); o.Settled = r.now; return o }()), Absent, "another")
	r.wants(r.ask(q), Found, "what another's reading has seen")
	r.wantsCalls(1, "both")
}

func TestOneReadingServesAll(t *testing.T) {
	r := newRig(t)
	r.slack.post(bot, of("n7", "r"))
	r.slack.chatter(35, time.Millisecond)
	var all []Question
	for i := range 100 {
		q := r.sends(fmt.Sprint("n", i))
		q.Oldest = q.Oldest.Add(-time.Duration(i) * time.Second)
		all = append(all, q)
		r.reader.Expect(r.now, q)
	}
	r.passes(3 * time.Second)
	for i, q := range all {
		kind := Absent
		if i == 7 {
			kind = Found
		}
		r.wants(r.ask(q), kind, q.Notification)
	}
	r.wantsCalls(4, "one reading of four pages")
	if want := all[99].Oldest.Add(-time.Microsecond); !r.slack.calls[0].Oldest.Equal(want) {
		t.Errorf("read back to %v, wanted to what the oldest expected question needs, %v", r.slack.calls[0].Oldest, want)
	}
}

func TestReadsFivePagesAtATime(t *testing.T) {
	r := newRig(t)
	r.slack.chatter(75, time.Millisecond)
	q := r.sends("n")
	q.Settled = r.now
	a := r.ask(q)
	r.wants(a, Later, "after five of eight pages")
	if a.At.After(r.now) || a.Err != nil {
		t.Errorf("asked back in %v with %v, wanted at once", a.At.Sub(r.now), a.Err)
	}
	r.wantsCalls(5, "the first time")
	r.wants(r.ask(q), Absent, "after the rest")
	r.wantsCalls(8, "both times")
}

func TestAQuestionFromLongAgoKeepsNobodyWaiting(t *testing.T) {
	for _, first := range []string{"the long one first", "the short one first"} {
		t.Run(first, func(t *testing.T) {
			r := newRig(t)
			r.slack.chatter(3000, time.Hour) // 125 days
			long, short := r.sends("long"), r.sends("short")
			long.Oldest = r.now.Add(-90 * 24 * time.Hour)
			r.passes(3 * time.Second)
			if first == "the long one first" {
				r.reader.Expect(r.now, short)
				r.wants(r.ask(long), Later, "the long one")
			} else {
				r.reader.Expect(r.now, long)
			}
			before := len(r.slack.calls)
			r.wants(r.ask(short), Absent, "the short one")
			if n := len(r.slack.calls) - before; n > 1 {
				t.Errorf("the short one took %d pages, wanted at most 1", n)
			}
			r.wants(r.until(long), Absent, "the long one")
			if n := len(r.slack.calls); n > 217 {
				t.Errorf("%d pages were read, wanted 90 days of 216 once, and one for the short question", n)
			}
		})
	}
}

func TestAShortQuestionDoesNotReadAWholeThread(t *testing.T) {
	r := newRig(t)
	r.slack.oldestFirst = true
	r.slack.chatter(3000, time.Hour)
	long, short := r.sends("long"), r.sends("short")
	long.Oldest = r.now.Add(-90 * 24 * time.Hour)
	long.Place.Thread, short.Place.Thread = "1.2", "1.2"
	r.passes(3 * time.Second)
	r.wants(r.ask(long), Later, "the long one")
	r.wants(r.until(short), Absent, "the short one")
	if n := len(r.slack.calls); n > 7 {
		t.Errorf("the short one was answered after %d pages, wanted its own beside five of the long one", n)
	}
	r.wants(r.until(long), Absent, "the long one")
	// And when the short one comes first.
	again := r.sends("again")
	again.Place, long.Settled = short.Place, again.Settled
	r.reader.Expect(r.now, long)
	calls := len(r.slack.calls)
	r.wants(r.until(again), Absent, "the short one")
	r.wantsCalls(calls+1, "a thread's last five minutes")
}

func TestAThreadIsKnownToItsEndOnly(t *testing.T) {
	r := newRig(t)
	r.slack.oldestFirst = true
	r.slack.chatter(12, 30*time.Second)
	r.slack.post(bot, of("n", "r"))
	q := r.sends("n")
	q.Place.Thread = "1.2"
	r.wants(r.until(q), Found, "a message at the end of a thread")
	if r.slack.calls[0].ThreadTS != "1.2" {
		t.Errorf("read %+v, wanted the thread", r.slack.calls[0])
	}
}

func TestPagesOutOfOrderProveNothingEarly(t *testing.T) {
	r := newRig(t)
	r.slack.post(bot, of("n", "r"))
	inTime := r.slack.messages[0]
	r.slack.script = append(r.slack.script, func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
		return []slack.StoredMessage{{Timestamp: "1000000000.000000"}, {Timestamp: "1000000001.000000"}}, "x", nil
	}, func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
		return []slack.StoredMessage{inTime}, "", nil
	})
	long := r.sends("long")
	long.Oldest, long.Settled = time.Time{}, r.now
	q := r.sends("n")
	q.Settled = r.now
	r.slack.during = func() { r.slack.during = nil; r.ask(q) }
	r.wants(r.until(long), Absent, "the one who reads")
	r.wants(r.ask(q), Found, "a message below a page of old ones")
}

func TestASlotIsWaitedFor(t *testing.T) {
	r := newRig(t)
	q := r.sends("n")
	q.Priority = 3
	r.passes(3 * time.Second)
	r.limiter.free = r.now.Add(4 * time.Second)
	a := r.ask(q)
	r.wants(a, Later, "without a slot")
	if !a.At.Equal(r.limiter.free) || a.Err != nil {
		t.Errorf("asked back at %v with %v, wanted at the slot %v", a.At, a.Err, r.limiter.free)
	}
	r.wantsCalls(0, "without a slot")
	if h := r.limiter.holders[0]; h.Group != "team" || h.Priority != 3 || !strings.Contains(h.Name, "/C1/") {
		t.Errorf("the slot was asked for by %+v", h)
	}
	r.wants(r.until(q), Absent, "with a slot")
}

func TestKeys(t *testing.T) {
	ask := func(r *rig) Question {
		q := r.sends("")
		q.Recipient, q.Key = "", "k"
		q.Oldest, q.Settled = r.now.Add(-7*24*time.Hour), r.now
		return q
	}
	t.Run("the newest is found, on the first page", func(t *testing.T) {
		r := newRig(t)
		r.slack.post(bot, withKey("k"))
		r.slack.chatter(30, time.Minute)
		newest := r.slack.post(bot, withKey("k"))
		r.slack.post(stranger, withKey("k"))
		r.passes(time.Minute)
		a := r.ask(ask(r))
		if r.wants(a, Found, "the key"); a.Message.Timestamp != newest {
			t.Errorf("found %s, wanted the newest of the bot's, %s", a.Message.Timestamp, newest)
		}
		r.wantsCalls(1, "newest first")
	})
	t.Run("days that were read are not read again for another", func(t *testing.T) {
		r := newRig(t)
		r.slack.post(bot, withKey("l"))
		r.slack.chatter(1000, 8*time.Minute) // five and a half days
		r.wants(r.until(ask(r)), Absent, "the first")
		r.wantsCalls(101, "the first")
		for i := range 20 {
			r.slack.chatter(1, 30*time.Second)
			q := ask(r)
			q.Key, q.Owner.Name = fmt.Sprint("k", i), fmt.Sprint("k", i)
			r.wants(r.until(q), Absent, "a later one")
		}
		if n := len(r.slack.calls); n > 101+2*20 {
			t.Errorf("%d calls; wanted a page or two for each later one", n)
		}
		q := ask(r)
		q.Key = "l"
		r.wants(r.until(q), Found, "what the first reading saw")
		r.passes(lasting - 10*time.Minute)
		r.wants(r.until(ask(r)), Absent, "much later")
		if n := len(r.slack.calls); n < 200 {
			t.Errorf("%d calls; wanted all to be read again after a quarter of an hour", n)
		}
	})
	t.Run("one of eight days ago is absent", func(t *testing.T) {
		r := newRig(t)
		r.slack.post(bot, withKey("k"))
		r.passes(8 * 24 * time.Hour)
		r.wants(r.until(ask(r)), Absent, "the key")
	})
	t.Run("an earlier reading does not hide a newer one", func(t *testing.T) {
		r := newRig(t)
		r.slack.post(bot, withKey("k"))
		r.passes(time.Minute)
		r.wants(r.until(ask(r)), Found, "the key")
		newest := r.slack.post(bot, withKey("k"))
		r.passes(time.Minute)
		a := r.until(ask(r))
		if r.wants(a, Found, "the key"); a.Message.Timestamp != newest {
			t.Errorf("found %s, wanted %s", a.Message.Timestamp, newest)
		}
	})
}

func TestOne(t *testing.T) {
	r := newRig(t)
	r.slack.chatter(30, time.Second)
	ts := r.slack.post(bot, of("n", "r"))
	bare := r.slack.post(bot, nil)
	place := r.sends("n").Place
	one := func(ts string) Answer {
		return r.reader.One(context.Background(), r.clock, r.slack, place, "v1", ts, place.holder("team", 0))
	}
	a := one(ts)
	if r.wants(a, Found, "the message"); a.Message.Metadata.Payload[PayloadNotification] != "n" || a.Stripped {
		t.Errorf("found %+v", a)
	}
	if a := one(bare); a.Kind != Found || !a.Stripped {
		t.Errorf("a message without metadata: %+v, wanted Found and Stripped", a)
	}
	r.wants(one("1.000000"), Absent, "another")
	r.wantsCalls(3, "one call each")
	r.limiter.free = r.now.Add(time.Second)
	if a := one(ts); a.Kind != Later || !a.At.Equal(r.limiter.free) {
		t.Errorf("without a slot: %+v", a)
	}
	r.passes(time.Second)
	r.slack.script = append(r.slack.script, fails(slack.ClassUnavailable, "http_503", 0))
	if a := one(ts); a.Kind != Later || a.Err == nil || !a.At.After(r.now) {
		t.Errorf("after a failure: %+v, wanted Later with the error", a)
	}
	r.passes(time.Minute)
	r.slack.script = append(r.slack.script, fails(slack.ClassNotInChannel, "not_in_channel", 0))
	for range 2 {
		if a := one(ts); a.Kind != Refused || a.Err.Class != slack.ClassNotInChannel {
			t.Errorf("after a refusal: %+v", a)
		}
	}
	r.wantsCalls(5, "a refusal is remembered")
}

// Slack may say of an empty page that there is another. The message is gone only when
// all were read.
func TestOneOnALaterPage(t *testing.T) {
	empty := func(next string) func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
		return func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) { return nil, next, nil }
	}
	setup := func(t *testing.T) (*rig, func() Answer) {
		r := newRig(t)
		ts := r.slack.post(bot, of("n", "r"))
		place := r.sends("n").Place
		return r, func() Answer {
			return r.reader.One(context.Background(), r.clock, r.slack, place, "v1", ts, place.holder("team", 0))
		}
	}
	t.Run("it is found there", func(t *testing.T) {
		r, one := setup(t)
		r.slack.script = append(r.slack.script, empty("2"), nil)
		r.wants(one(), Found, "the message")
		if got := r.slack.calls[1].Cursor; got != "2" {
			t.Errorf("the second call asked for %q, want page 2", got)
		}
	})
	t.Run("it is gone after the last", func(t *testing.T) {
		r, one := setup(t)
		r.slack.script = append(r.slack.script, empty("2"), empty(""))
		r.wants(one(), Absent, "the message")
	})
	t.Run("pages that are left prove nothing, and are read later", func(t *testing.T) {
		r, one := setup(t)
		for page := range pagesAtOnce {
			r.slack.script = append(r.slack.script, empty(fmt.Sprint(page+2)))
		}
		a := one()
		if r.wants(a, Later, "the message"); !a.At.After(r.now) {
			t.Errorf("asked back at %v, wanted later than now", a.At)
		}
		r.slack.script = append(r.slack.script, nil)
		r.wants(one(), Found, "the message")
		if got, want := r.slack.calls[len(r.slack.calls)-1].Cursor, fmt.Sprint(pagesAtOnce+1); got != want {
			t.Errorf("it went on at %q, want %q", got, want)
		}
	})
	t.Run("a wait for a slot loses no page", func(t *testing.T) {
		r, one := setup(t)
		r.slack.script = append(r.slack.script, func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
			r.limiter.free = r.now.Add(time.Minute)
			return nil, "2", nil
		}, empty(""))
		r.wants(one(), Later, "without a slot")
		r.passes(time.Minute)
		r.wants(one(), Absent, "the message")
		if got := r.slack.calls[1].Cursor; got != "2" {
			t.Errorf("it went on at %q, want page 2", got)
		}
	})
	t.Run("a cursor that Slack does not know any more begins it anew", func(t *testing.T) {
		r, one := setup(t)
		r.slack.script = append(r.slack.script, empty("2"), fails(slack.ClassInvalidCursor, "invalid_cursor", 0))
		r.wants(one(), Later, "after the cursor")
		r.passes(time.Hour)
		r.wants(one(), Found, "the message")
		if got := r.slack.calls[2].Cursor; got != "" {
			t.Errorf("it went on at %q, want the first page", got)
		}
	})
}

// A server that has no such method can't be asked, which is believed when it has said so
// for a while; between other failures it tells nothing.
func TestServerWithoutTheMethod(t *testing.T) {
	missing := func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
		return nil, "", &slack.Error{Class: slack.ClassAmbiguous, Method: slack.MethodHistory, Code: "http_404", Unserved: true}
	}
	ask := func(r *rig, q Question) Answer {
		a := r.ask(q)
		r.now = later(r.now, a.At)
		return a
	}
	r := newRig(t)
	q := r.sends("n")
	r.passes(time.Minute)
	for range unservedAfter {
		r.slack.script = append(r.slack.script, fails(slack.ClassAmbiguous, "http_503", 0), missing)
		r.wants(ask(r, q), Later, "an outage")
		r.wants(ask(r, q), Later, "one 404 after it")
	}
	r.slack.script = append(r.slack.script, nil)
	r.wants(ask(r, q), Absent, "after the outage")

	r = newRig(t)
	q = r.sends("n")
	r.passes(time.Minute)
	for range unservedAfter {
		r.slack.script = append(r.slack.script, missing)
		r.wants(ask(r, q), Later, "a 404")
	}
	r.slack.script = append(r.slack.script, missing)
	if a := ask(r, q); a.Kind != Refused || !a.Err.Unserved {
		t.Errorf("after %d in a row: %+v, want Refused", unservedAfter+1, a)
	}
}
