package readback

import (
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// state is what is known of one place.
type state struct {
	place Place
	used  time.Time
	// busy is true while somebody reads.
	busy    bool
	pending map[pendingID]*pending
	// open are the readings under way, at most two. The first goes on to its
	// end, whatever is asked meanwhile. The second serves who came too late for
	// it, is replaced when somebody comes too late for both, and becomes the
	// first when that has ended. Their pages take turns.
	open []*reading
	turn int
	// past are readings that nobody needs to go on, the newest first.
	past []*reading

	// failures in a row of calls, of which the last unserved said that there is no such
	// method, and restarts in a row of readings that came to no end. Nobody reads before
	// notBefore, because of trouble.
	failures, unserved, restarts int
	notBefore                    time.Time
	trouble                      *slack.Error
	// refused by credential.
	refused map[string]refusal
	// cursors are the pages at which the looks for one message go on, by its ts.
	cursors map[string]string
}

type refusal struct {
	err   *slack.Error
	until time.Time
}

// pendingID tells questions apart.
type pendingID struct {
	identity
	after string
	owner types.NamespacedName
}

// pending is a question without an answer.
type pending struct {
	Question
	// since is when it became known; at until it is forgotten, as who asked has
	// not come back.
	since, until time.Time
	// waiting is true when the owner is to be woken.
	waiting bool
	// answer is what a reading has brought, kept for the owner to fetch.
	answer *Answer
}

// same reports whether an answer to p answers q.
func (p *pending) same(q Question) bool {
	return p.Author == q.Author && p.Oldest.Equal(q.Oldest) && !q.Settled.After(p.Settled)
}

// state of a place, which it makes.
func (r *Reader) state(p Place, now time.Time) *state {
	if now.Sub(r.swept) >= remembered/5 {
		r.swept = now
		for place, s := range r.states {
			if s.sweep(now); s.idle(now) {
				delete(r.states, place)
			}
		}
	}
	s := r.states[p]
	if s == nil {
		s = &state{place: p, pending: map[pendingID]*pending{}, refused: map[string]refusal{}}
		r.states[p] = s
	}
	s.used = now
	return s
}

// idle reports whether the state can be forgotten.
func (s *state) idle(now time.Time) bool {
	return !s.busy && len(s.pending) == 0 && len(s.refused) == 0 && !now.Before(s.notBefore) && now.Sub(s.used) >= remembered
}

// sweep forgets what is too old to be of use.
func (s *state) sweep(now time.Time) {
	for id, p := range s.pending {
		if now.After(p.until) {
			delete(s.pending, id)
		}
	}
	for credential, one := range s.refused {
		if !now.Before(one.until) {
			delete(s.refused, credential)
		}
	}
	s.prune(now)
}

// prune drops readings that are too old to answer anybody.
func (s *state) prune(now time.Time) {
	if !s.busy {
		s.retire(func(rd *reading) bool { return !s.needed(rd) })
	}
	s.past = slices.DeleteFunc(s.past, func(rd *reading) bool { return now.Sub(rd.touched) >= lasting })
}

// register notes a question until a time.
func (s *state) register(q Question, now, until time.Time) *pending {
	id := pendingID{q.identity(), q.After, q.Owner}
	p := s.pending[id]
	if p == nil {
		p = &pending{since: now}
		s.pending[id] = p
	}
	if !p.same(q) {
		p.answer = nil
	}
	p.Question, p.until, p.waiting = q, until.Add(remembered/2), false
	return p
}

// asked reports whether somebody asks for an identity, and can mean a message.
func (s *state) asked(id identity, m slack.StoredMessage) bool {
	for _, p := range s.pending {
		if p.identity() == id && p.Author.wrote(m) {
			return true
		}
	}
	return false
}

// kept is how many messages all readings keep.
func (r *Reader) kept() int {
	n := 0
	for _, s := range r.states {
		for _, rd := range slices.Concat(s.open, s.past) {
			n += rd.kept
		}
	}
	return n
}

// answer tells what the readings say about a question that is known since a
// time; false when they don't.
func (s *state) answer(q Question, since time.Time) (Answer, bool) {
	readings := slices.Concat(s.open, s.past)
	a := Answer{Kind: Absent}
	from := timestamp(q.Oldest)
	for _, rd := range readings {
		if m, ok := rd.find(q); ok && m.Timestamp >= from {
			a, from = Answer{Kind: Found, Message: m}, m.Timestamp
		}
	}
	if a.Kind == Found && q.Key == "" {
		return a, true
	}
	// Nothing newer may be missed: no message at all, or the newest of a key.
	if !seen(readings, q, since, from) {
		return Answer{}, false
	}
	if a.Kind == Absent {
		a.Stripped = slices.ContainsFunc(readings, func(rd *reading) bool { return rd.stripped(q) }) &&
			!slices.ContainsFunc(readings, func(rd *reading) bool { return rd.proves(q.Author) })
	}
	return a, true
}

// seen reports whether a reading begun at q.Settled or later has every message
// from a ts on. For a key, whose days would be read again for each question, an
// earlier reading may have the part that was long over when it began.
func seen(readings []*reading, q Question, since time.Time, from string) bool {
	recent := func(from string) bool {
		return slices.ContainsFunc(readings, func(rd *reading) bool { return rd.sawAll(q.Settled, since, from) })
	}
	return recent(from) || q.Key != "" && slices.ContainsFunc(readings, func(base *reading) bool {
		until := timestamp(base.began.Add(-overlap))
		return until > from && base.sawAll(time.Time{}, since, from) && recent(until)
	})
}

// pick returns the reading whose next page is to be read: one that leads to an
// answer for q, or the other one that somebody needs.
func (s *state) pick(q Question, now time.Time) *reading {
	s.retire(func(rd *reading) bool { return !s.needed(rd) })
	if !slices.ContainsFunc(s.open, func(rd *reading) bool { return rd.suits(q) }) {
		if len(s.open) == 2 {
			second := s.open[1]
			s.retire(func(rd *reading) bool { return rd == second })
		}
		s.open = append(s.open, newReading(now, s.wanted(q, now), s.place.Thread != ""))
	}
	s.turn++
	return s.open[s.turn%len(s.open)]
}

// needed reports whether a reading leads to an answer for anybody.
func (s *state) needed(rd *reading) bool {
	for _, p := range s.pending {
		if p.answer == nil && rd.suits(p.Question) && !rd.done {
			return true
		}
	}
	return false
}

// wanted is how far back a new reading goes for q, and for all others that it
// can serve and no open one does.
func (s *state) wanted(q Question, now time.Time) time.Time {
	oldest := q.Oldest
	for _, p := range s.pending {
		served := slices.ContainsFunc(s.open, func(rd *reading) bool { return rd.suits(p.Question) })
		if served || p.answer != nil || p.Settled.After(now) || !p.Oldest.Before(oldest) {
			continue
		}
		if s.place.Thread == "" || near(p.Oldest, q.Oldest) {
			oldest = p.Oldest
		}
	}
	return oldest
}

// retire ends readings. What they have seen stays known for a while.
func (s *state) retire(which func(*reading) bool) {
	s.open = slices.DeleteFunc(s.open, func(rd *reading) bool {
		if !which(rd) {
			return false
		}
		if rd.pages > 0 {
			s.past = slices.Insert(s.past, 0, rd)
		}
		return true
	})
	for len(s.past) > mostPast {
		// The one that goes furthest back cost most.
		last := len(s.past) - 1
		if deepest(s.past) == last {
			last--
		}
		s.past = slices.Delete(s.past, last, last+1)
	}
}

// deepest returns the index of the reading that goes furthest back.
func deepest(readings []*reading) int {
	deep := 0
	for i, rd := range readings {
		if rd.reached() < readings[deep].reached() {
			deep = i
		}
	}
	return deep
}

// answered notes what a page has brought to those who wait, and returns whom to
// wake for it.
func (s *state) answered() []types.NamespacedName {
	var owners []types.NamespacedName
	for _, p := range s.pending {
		if p.answer != nil {
			continue
		}
		a, ok := s.answer(p.Question, p.since)
		if !ok {
			continue
		}
		p.answer = &a
		if p.waiting {
			p.waiting = false
			owners = append(owners, p.Owner)
		}
	}
	return owners
}

// waiters returns at most that many of those who wait, to be woken.
func (s *state) waiters(most int) []types.NamespacedName {
	var owners []types.NamespacedName
	for _, p := range s.pending {
		if p.waiting && len(owners) < most {
			p.waiting = false
			owners = append(owners, p.Owner)
		}
	}
	return owners
}
