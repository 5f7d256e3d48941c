package readback

import (
	"fmt"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// answers scripts a page.
func answers(next string, list ...slack.StoredMessage) func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
	return func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) { return list, next, nil }
}

func TestTrouble(t *testing.T) {
	for name, row := range map[string]struct {
		err func(slack.HistoryQuery) ([]slack.StoredMessage, string, error)
		// atLeast and atMost are when to ask again.
		atLeast, atMost time.Duration
		penalties       int
	}{
		"a 429 is no answer":                  {fails(slack.ClassRateLimited, "ratelimited", 20*time.Second), 20 * time.Second, 20 * time.Second, 1},
		"a 429 without a time is none either": {fails(slack.ClassRateLimited, "ratelimited", 0), time.Second, time.Minute, 1},
		"a 503 is repeated":                   {fails(slack.ClassUnavailable, "http_503", 0), time.Millisecond, time.Second, 0},
		"a 503 that names a time is obeyed":   {fails(slack.ClassUnavailable, "http_503", time.Minute), time.Minute, time.Minute, 0},
		"silence is repeated":                 {fails(slack.ClassAmbiguous, "", 0), time.Millisecond, time.Second, 0},
		"what nobody knows is repeated":       {fails(slack.ClassUnknown, "what", 0), time.Millisecond, time.Second, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.slack.chatter(35, time.Millisecond)
			q, other := r.sends("n"), r.sends("other")
			r.passes(3 * time.Second)
			r.slack.script = append(r.slack.script, nil, nil, row.err)
			a := r.ask(q)
			r.wants(a, Later, "after the third page failed")
			if wait := a.At.Sub(r.now); a.Err == nil || wait < row.atLeast || wait > row.atMost {
				t.Errorf("asked back in %v with %v, wanted in %v to %v with the error", wait, a.Err, row.atLeast, row.atMost)
			}
			if n := len(r.limiter.penalties); n != row.penalties {
				t.Errorf("the Limiter was penalised %d times, wanted %d", n, row.penalties)
			}
			if b := r.ask(other); b.Kind != Later || !b.At.Equal(a.At) || b.Err == nil {
				t.Errorf("another was answered %+v, wanted the same wait and error", b)
			}
			r.wantsCalls(3, "nobody tries in between")
			r.wants(r.until(q), Absent, "when the trouble is over")
			r.wantsCalls(5, "the reading went on where it stood")
			r.wants(r.ask(other), Absent, "the other, by the same reading")
		})
	}
}

func TestPausesGrow(t *testing.T) {
	r := newRig(t)
	q := r.sends("n")
	r.passes(3 * time.Second)
	var last time.Duration
	for range 20 {
		r.slack.script = append(r.slack.script, fails(slack.ClassUnavailable, "http_503", 0))
		a := r.ask(q)
		last = a.At.Sub(r.now)
		r.now = a.At
	}
	if last < longestPause/2 || last > longestPause {
		t.Errorf("the pause after 20 failures is %v, wanted %v to %v", last, longestPause/2, longestPause)
	}
	r.wants(r.ask(q), Absent, "at the end")
	r.slack.script = append(r.slack.script, fails(slack.ClassUnavailable, "http_503", 0))
	if a := r.ask(r.sendsSettled("m")); a.At.Sub(r.now) > firstPause {
		t.Errorf("the first failure after a success pauses %v, wanted at most %v", a.At.Sub(r.now), firstPause)
	}
}

// sendsSettled is a question of now, that need not wait.
func (r *rig) sendsSettled(notification string) Question {
	q := r.sends(notification)
	q.Settled = r.now
	return q
}

func TestWhatWasSeenBeforeAnErrorIsFound(t *testing.T) {
	r := newRig(t)
	r.slack.chatter(15, time.Millisecond)
	r.slack.post(bot, of("n", "r"))
	r.slack.script = append(r.slack.script, nil, fails(slack.ClassAccessDenied, "account_inactive", 0))
	r.wants(r.ask(r.sendsSettled("other")), Refused, "who reads")
	r.wants(r.ask(r.sendsSettled("n")), Found, "what the first page had")
}

func TestACursorThatSlackForgot(t *testing.T) {
	forgot := fails(slack.ClassInvalidCursor, "invalid_cursor", 0)
	t.Run("begins the reading anew", func(t *testing.T) {
		r := newRig(t)
		r.slack.chatter(25, time.Millisecond)
		r.slack.script = append(r.slack.script, nil, nil, forgot)
		q := r.sendsSettled("n")
		r.wants(r.until(q), Absent, "the answer")
		r.wantsCalls(6, "two pages, the error and three pages")
		if r.slack.calls[3].Cursor != "" {
			t.Errorf("went on at %q, wanted from the top", r.slack.calls[3].Cursor)
		}
	})
	t.Run("again and again is backed off from", func(t *testing.T) {
		r := newRig(t)
		r.slack.chatter(25, time.Millisecond)
		for range 40 {
			r.slack.script = append(r.slack.script, nil, forgot)
		}
		q, begin := r.sendsSettled("n"), r.now
		r.wants(r.until(q), Absent, "the answer")
		if took := r.now.Sub(begin); took < 10*time.Minute {
			t.Errorf("forty readings were begun within %v, wanted pauses that grow", took)
		}
	})
}

func TestAnEmptyPageWithACursorGoesOn(t *testing.T) {
	r := newRig(t)
	r.slack.post(bot, of("n", "r"))
	r.slack.script = append(r.slack.script, answers("x"), answers("y"), func(q slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
		return r.slack.messages, "", nil
	})
	r.wants(r.ask(r.sendsSettled("n")), Found, "behind two empty pages")
}

func TestPagesWithoutEnd(t *testing.T) {
	for name, row := range map[string]struct {
		cursor func(i int) string
		within int
	}{
		"the same cursor": {func(int) string { return "x" }, 3},
		"a circle":        {func(i int) string { return fmt.Sprint(i % 17) }, 64},
		"always another":  {func(i int) string { return fmt.Sprint(i) }, mostPages},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			found := slack.StoredMessage{Timestamp: timestamp(r.now), BotID: "B1", Metadata: of("m", "r")}
			i := 0
			endless := func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
				i++
				return []slack.StoredMessage{found}, row.cursor(i), nil
			}
			for range 2*mostPages + 10 {
				r.slack.script = append(r.slack.script, endless)
			}
			q := r.sendsSettled("n")
			a := r.ask(q)
			for a.Kind == Later && a.Err == nil {
				r.now = later(r.now, a.At)
				a = r.ask(q)
			}
			r.wants(a, Later, "when the pages have no end")
			if len(r.slack.calls) > row.within || !a.At.After(r.now) || a.Err.Class != slack.ClassAmbiguous {
				t.Errorf("%d pages were read, then asked back in %v with %v", len(r.slack.calls), a.At.Sub(r.now), a.Err)
			}
			r.wants(r.ask(r.sendsSettled("m")), Found, "what the pages had")
			r.now = a.At
			b := r.ask(q)
			for b.Kind == Later && b.Err == nil {
				b = r.ask(q)
			}
			if b.Kind != Later || b.At.Sub(r.now) < firstPause {
				t.Errorf("the second time: %+v, wanted a longer pause", b)
			}
			r.slack.script = nil
			r.wants(r.until(q), Absent, "when the pages end")
		})
	}
}

func TestRefusalsAreRemembered(t *testing.T) {
	for name, class := range map[string]slack.Class{
		"missing_scope": slack.ClassMissingScope, "invalid_auth": slack.ClassInvalidCredentials,
		"not_in_channel": slack.ClassNotInChannel, "channel_not_found": slack.ClassChannelNotFound,
		"thread_not_found": slack.ClassMessageNotFound, "account_inactive": slack.ClassAccessDenied,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			for range 3 {
				r.slack.script = append(r.slack.script, fails(class, name, 0))
			}
			for i := range 1000 {
				a := r.ask(r.sendsSettled(fmt.Sprint("n", i)))
				if r.wants(a, Refused, "the reading"); a.Err.Class != class || !a.At.After(r.now) {
					t.Fatalf("refused with %v until %v, wanted %v and a time to come", a.Err, a.At.Sub(r.now), name)
				}
			}
			r.wantsCalls(1, "a thousand questions")
			changed := r.sendsSettled("n")
			changed.Credential = "v2"
			r.wants(r.ask(changed), Refused, "another token")
			r.wantsCalls(2, "another token asks anew")
			elsewhere := r.sendsSettled("n")
			elsewhere.Place.Workspace = slack.SharedDomain().Workspace("T1", "U2")
			r.wants(r.ask(elsewhere), Refused, "another bot")
			r.wantsCalls(3, "another bot asks anew")
			r.passes(refusedFor)
			r.wants(r.ask(r.sendsSettled("n")), Absent, "after half a minute")
		})
	}
}

func TestAllWhoWaitLearnOfARefusal(t *testing.T) {
	r := newRig(t)
	r.slack.script = append(r.slack.script, fails(slack.ClassNotInChannel, "not_in_channel", 0))
	reads := r.sendsSettled("reads")
	r.slack.during = func() {
		r.slack.during = nil
		for i := range 10 {
			r.wants(r.ask(r.sendsSettled(fmt.Sprint("n", i))), Later, "while another reads")
		}
	}
	r.wants(r.ask(reads), Refused, "who reads")
	if len(r.woken) != 10 {
		t.Errorf("woken are %v, wanted all ten", r.woken)
	}
}

func TestStripped(t *testing.T) {
	noPayload := &slack.Metadata{EventType: message.EventType}
	for name, row := range map[string]struct {
		posts func(f *fakeSlack)
		want  bool
	}{
		"nothing at all proves nothing": {func(*fakeSlack) {}, false},
		"a post without metadata":       {func(f *fakeSlack) { f.post(bot, nil) }, true},
		"a post under another name":     {func(f *fakeSlack) { f.post(Author{BotID: "B1"}, nil) }, true},
		"an event type alone":           {func(f *fakeSlack) { f.post(bot, noPayload) }, true},
		"a notice of the bot":           {func(f *fakeSlack) { f.post(Author{UserID: "U1"}, nil) }, false},
		"a notice that adds the app":    {func(f *fakeSlack) { f.post(Author{BotID: "B1", UserID: "U9"}, nil) }, false},
		"another app's post":            {func(f *fakeSlack) { f.post(stranger, nil) }, false},
		"people":                        {func(f *fakeSlack) { f.chatter(3, time.Second) }, false},
		"another kind of metadata":      {func(f *fakeSlack) { f.post(bot, &slack.Metadata{EventType: "x"}) }, false},
		"one with and one without":      {func(f *fakeSlack) { f.post(bot, of("m", "r")); f.post(bot, nil) }, false},
		"a stranger's with metadata":    {func(f *fakeSlack) { f.post(stranger, of("m", "r")); f.post(bot, nil) }, true},
		"an older post":                 {func(f *fakeSlack) { f.post(bot, nil); f.rig.passes(time.Hour) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			row.posts(r.slack)
			a := r.ask(r.sendsSettled("n"))
			if a.Kind != Absent || a.Stripped != row.want {
				t.Errorf("got %v, stripped %v; wanted Absent, stripped %v", a.Kind, a.Stripped, row.want)
			}
		})
	}
	t.Run("a deeper reading than the question's", func(t *testing.T) {
		r := newRig(t)
		r.slack.post(bot, nil)
		r.passes(time.Hour)
		deep := r.sendsSettled("deep")
		deep.Oldest = epoch
		if a := r.ask(deep); !a.Stripped {
			t.Errorf("the deep one got %+v, wanted stripped", a)
		}
		if a := r.ask(func() Question { q := r.sends("n"); q.Settled = r.now; return q }()); a.Kind != Absent || a.Stripped {
			t.Errorf("the other got %+v, wanted Absent and not stripped by what is older", a)
		}
	})
}

func TestMemoryIsBounded(t *testing.T) {
	t.Run("places are forgotten", func(t *testing.T) {
		r := newRig(t)
		for i := range 1000 {
			q := r.sends("n")
			q.Place.Conversation = fmt.Sprint("C", i)
			r.reader.Expect(r.now, q)
			r.wants(r.until(q), Absent, "the answer")
		}
		abandoned := r.sends("abandoned")
		abandoned.Place.Conversation = "C-abandoned"
		r.wants(r.ask(abandoned), Later, "who never comes back")
		r.passes(2 * remembered)
		r.until(r.sends("n"))
		if n := len(r.reader.states); n != 1 {
			t.Errorf("%d places are remembered, wanted the one in use", n)
		}
	})
	t.Run("messages are kept when somebody asks for them", func(t *testing.T) {
		r := newRig(t)
		r.slack.pageSize = 200
		r.slack.post(bot, of("last", "r"))
		r.slack.post(bot, of("late", "r"))
		for i := range mostKept + 500 {
			r.slack.post(bot, of(fmt.Sprint("m", i), "r"))
		}
		last, first, late := r.sendsSettled("last"), r.sendsSettled("first"), r.sendsSettled("late")
		r.reader.Expect(r.now, last)
		r.wants(r.until(first), Absent, "what is not there")
		var kept int
		for _, rd := range r.reader.states[first.Place].past {
			kept += rd.kept
		}
		if kept > mostKept+1 {
			t.Errorf("%d messages are kept, wanted at most %d and the one asked for", kept, mostKept)
		}
		calls := len(r.slack.calls)
		r.wants(r.ask(last), Found, "what was asked for in time")
		r.wantsCalls(calls, "the same reading")
		r.passes(time.Millisecond)
		r.wants(r.until(late), Found, "what nobody had asked for in time, by another reading")
		if len(r.slack.calls) == calls {
			t.Error("the full reading answered what it had not kept")
		}
	})
	t.Run("all places together", func(t *testing.T) {
		r := newRig(t)
		r.slack.pageSize = 1000
		for i := range mostKept {
			r.slack.post(bot, of(fmt.Sprint("m", i), "r"))
		}
		for i := range 20 {
			q := r.sendsSettled(fmt.Sprint("m", i))
			q.Place.Conversation = fmt.Sprint("C", i)
			r.wants(r.until(q), Found, "whatever else is kept")
		}
		if n := r.reader.kept(); n > mostKeptInAll+20 {
			t.Errorf("%d messages are kept, wanted at most %d", n, mostKeptInAll)
		}
	})
	t.Run("a stranger's flood hides no message", func(t *testing.T) {
		r := newRig(t)
		r.slack.pageSize = 1000
		r.slack.post(bot, of("n", "r"))
		for range mostKept + 500 {
			r.slack.post(stranger, of("n", "r"))
		}
		r.wants(r.until(r.sends("n")), Found, "the bot's own")
	})
	t.Run("authors", func(t *testing.T) {
		r := newRig(t)
		r.slack.pageSize = 200
		for i := range 2000 {
			r.slack.post(Author{BotID: fmt.Sprint("B", i)}, nil)
			r.slack.post(Author{BotID: fmt.Sprint("B", i)}, of("m", "r"))
		}
		r.wants(r.until(r.sends("n")), Absent, "the answer")
		for _, rd := range r.reader.states[r.sends("n").Place].past {
			if len(rd.bare) > mostAuthors || len(rd.proven) > mostAuthors {
				t.Errorf("%d and %d authors are remembered", len(rd.bare), len(rd.proven))
			}
		}
	})
}
