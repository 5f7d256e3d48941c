package readback

import (
	"context"
	"math"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Expect tells that q will be asked at q.Settled, so that a reading begun then
// for somebody else goes far enough back for q too.
func (r *Reader) Expect(now time.Time, q Question) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if q.invalid() == nil {
		r.state(q.Place, now).register(q, now, later(now, q.Settled))
	}
}

// Ask answers q. Where nothing read before does, it reads up to five pages,
// unless somebody else is reading the place, there is no slot, or Slack was in
// trouble a moment ago. After Later the same question is asked again.
//
// The end of ctx is no answer, and nobody else's trouble.
func (r *Reader) Ask(ctx context.Context, now func() time.Time, api slack.API, q Question) Answer {
	a, ok := r.enter(now(), q)
	if ok {
		return a
	}
	defer func() { r.leave(now(), q, a.Kind, ctx.Err() == nil) }()
	for range pagesAtOnce {
		if a, ok = r.step(ctx, now, api, q); ok {
			return a
		}
	}
	a = r.postpone(q, now(), now())
	return a
}

// invalid says what a question lacks; nil when nothing.
func (q Question) invalid() *slack.Error {
	if q.Place.Conversation != "" && (q.Notification == "") != (q.Key == "") {
		return nil
	}
	return &slack.Error{
		Class: slack.ClassInvalidCall, Method: q.Place.method(),
		Reason: "a question names a conversation and either a notification or a key",
	}
}

// enter answers from what is known. When it can't, nor is there a reason to
// wait, q's owner reads the place from now on, and must leave.
func (r *Reader) enter(now time.Time, q Question) (Answer, bool) {
	if err := q.invalid(); err != nil {
		return Answer{Kind: Refused, Err: err, At: now.Add(refusedFor)}, true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(q.Place, now)
	p := s.register(q, now, now)
	s.prune(now)
	if a, ok := s.known(p); ok {
		return a, true
	}
	switch refusal, refused := s.refused[q.Credential]; {
	case now.Before(q.Settled):
		return p.later(q.Settled, nil), true
	case refused && now.Before(refusal.until):
		s.forget(q)
		return Answer{Kind: Refused, Err: refusal.err, At: refusal.until}, true
	case s.busy:
		a := p.later(now.Add(fallback), nil)
		p.waiting = true
		return a, true
	case now.Before(s.notBefore):
		return p.later(s.notBefore, s.trouble), true
	}
	s.busy = true
	return Answer{}, false
}

// known returns the answer to p, if there is one, and forgets p.
func (s *state) known(p *pending) (Answer, bool) {
	a := p.answer
	if a == nil {
		found, ok := s.answer(p.Question, p.since)
		if !ok {
			return Answer{}, false
		}
		a = &found
	}
	s.forget(p.Question)
	return *a, true
}

// forget ends a question.
func (s *state) forget(q Question) { delete(s.pending, pendingID{q.identity(), q.After, q.Owner}) }

// later makes the answer Later, and keeps the question until then.
func (p *pending) later(at time.Time, err *slack.Error) Answer {
	p.until = later(p.until, at.Add(remembered/2))
	return Answer{Kind: Later, At: at, Err: err}
}

// leave hands the place back. When q's owner does not come back to read on,
// somebody else is woken.
func (r *Reader) leave(now time.Time, q Question, kind Kind, comesBack bool) {
	r.mu.Lock()
	s := r.state(q.Place, now)
	s.busy = false
	var owners []types.NamespacedName
	switch {
	case kind == Refused:
		owners = s.waiters(math.MaxInt)
	case kind != Later || !comesBack:
		owners = s.waiters(1)
	}
	r.mu.Unlock()
	for _, owner := range owners {
		r.wake(owner)
	}
}

// step reads one page; false when q has no answer yet.
func (r *Reader) step(ctx context.Context, now func() time.Time, api slack.API, q Question) (Answer, bool) {
	begin := now()
	if ctx.Err() != nil {
		return r.postpone(q, begin, begin), true
	}
	h := q.Place.holder(q.Group, q.Priority)
	at, ok := r.limiter.Reserve(begin, q.Place.Workspace, q.Place.method(), h)
	if !ok {
		return r.postpone(q, begin, at), true
	}
	r.mu.Lock()
	rd := r.state(q.Place, begin).pick(q, begin)
	query := slack.HistoryQuery{Conversation: q.Place.Conversation, ThreadTS: q.Place.Thread, Oldest: rd.oldest, Cursor: rd.cursor}
	r.mu.Unlock()
	if !query.Oldest.IsZero() {
		query.Oldest = query.Oldest.Add(-time.Microsecond) // Slack leaves out what is exactly as old
	}

	list, next, err := api.History(ctx, query)
	end := now()
	r.limiter.Done(end, q.Place.Workspace, q.Place.method(), h.Name)
	switch {
	case err != nil && ctx.Err() != nil:
		return r.postpone(q, end, end), true
	case err != nil:
		return r.failed(end, q, rd, slack.AsError(err))
	default:
		return r.took(end, q, rd, list, next)
	}
}

// postpone makes the answer Later for who reads.
func (r *Reader) postpone(q Question, now, at time.Time) Answer {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(q.Place, now).register(q, now, now).later(at, nil)
}

// took notes a page.
func (r *Reader) took(now time.Time, q Question, rd *reading, list []slack.StoredMessage, next string) (Answer, bool) {
	r.mu.Lock()
	s := r.state(q.Place, now)
	s.failures, s.unserved, s.trouble = 0, 0, nil
	endless := rd.take(list, next, now, mostKeptInAll-r.kept(), s.asked)
	owners := s.answered()
	p := s.register(q, now, now)
	a, ok := s.known(p)
	if rd.done || ok {
		s.restarts = 0
	}
	if rd.done || endless != nil {
		s.retire(func(one *reading) bool { return one == rd })
	}
	if endless != nil && !ok {
		s.restarts++
		s.pause(now, s.restarts, &slack.Error{
			Class: slack.ClassAmbiguous, Method: q.Place.method(), Reason: "Slack's pages of the conversation have no end: " + endless.Error(),
		})
		a, ok = p.later(s.notBefore, s.trouble), true
	}
	r.mu.Unlock()
	for _, owner := range owners {
		r.wake(owner)
	}
	return a, ok
}

// failed decides after a call that brought no page. What the reading has seen
// counts, and it goes on where it stood; but a cursor that Slack does not know
// any more ends it, and another one is begun, the first time at once.
func (r *Reader) failed(now time.Time, q Question, rd *reading, e *slack.Error) (Answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(q.Place, now)
	p := s.register(q, now, now)
	if e.Class == slack.ClassInvalidCursor {
		s.retire(func(one *reading) bool { return one == rd })
		if s.restarts++; s.restarts == 1 {
			return Answer{}, false
		}
		s.pause(now, s.restarts, e)
		return p.later(s.notBefore, e), true
	}
	a := r.trouble(now, s, q.Credential, e)
	if a.Kind == Refused {
		s.forget(q)
		return a, true
	}
	return p.later(a.At, a.Err), true
}

// trouble notes why a call failed, and answers who made it.
func (r *Reader) trouble(now time.Time, s *state, credential string, e *slack.Error) Answer {
	unserved := s.unserved
	s.unserved = 0
	switch {
	case e.Class == slack.ClassRateLimited:
		if !e.Busy {
			r.limiter.Penalize(now, s.place.Workspace, s.place.method(), e.RetryAfter)
		}
		pause := e.RetryAfter
		if pause <= 0 {
			pause = pacing.DefaultRetryAfter
		}
		s.notBefore, s.trouble = now.Add(pause), e
	case e.Class.Transient() && (!e.Unserved || unserved < unservedAfter):
		if s.failures++; e.Unserved {
			s.unserved = unserved + 1
		}
		s.pause(now, s.failures, e)
	default:
		s.refused[credential] = refusal{e, now.Add(refusedFor)}
		return Answer{Kind: Refused, Err: e, At: now.Add(refusedFor)}
	}
	return Answer{Kind: Later, Err: e, At: s.notBefore}
}

// unservedAfter is how many times in a row a status must have said that there is no such
// method before that is believed, which takes minutes: a proxy on the way may say so
// while what is behind it comes back.
const unservedAfter = 9

// pause keeps all from reading for a while.
func (s *state) pause(now time.Time, failures int, e *slack.Error) {
	s.notBefore, s.trouble = now.Add(max(backoff.Full(failures, firstPause, longestPause), e.RetryAfter)), e
}

// One asks for the one message of a place that has a ts: Found, Absent, Later
// or Refused. It makes one call, and more only where Slack says that there is another
// page, which it may say of an empty one (slack.HistoryQuery); the message is Absent when
// all were read. After Later it goes on where it stood. It shares with readings what is
// known of errors. The holder's name is the caller's to choose.
func (r *Reader) One(ctx context.Context, now func() time.Time, api slack.API, p Place, credential, ts string, h pacing.Holder) Answer {
	for range pagesAtOnce {
		list, next, a, ok := r.once(ctx, now, api, p, credential, slack.HistoryQuery{Exactly: ts, Cursor: r.cursorOf(now(), p, ts)}, h)
		if !ok {
			if a.Err != nil && a.Err.Class == slack.ClassInvalidCursor {
				r.keepCursor(now(), p, ts, "")
			}
			return a
		}
		for _, m := range list {
			if m.Timestamp == ts {
				r.keepCursor(now(), p, ts, "")
				return Answer{Kind: Found, Message: m, Stripped: m.Metadata == nil || len(m.Metadata.Payload) == 0}
			}
		}
		r.keepCursor(now(), p, ts, next)
		if next == "" {
			return Answer{Kind: Absent}
		}
	}
	return Answer{Kind: Later, At: now().Add(fallback)}
}

// mostCursors bounds how many messages of a place are looked for page by page at once.
const mostCursors = 100

// cursorOf is the page at which the look for one message goes on.
func (r *Reader) cursorOf(now time.Time, p Place, ts string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state(p, now).cursors[ts]
}

// keepCursor notes it; "" means that the look begins anew.
func (r *Reader) keepCursor(now time.Time, p Place, ts, cursor string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(p, now)
	switch {
	case cursor == "":
		delete(s.cursors, ts)
	case s.cursors == nil || len(s.cursors) >= mostCursors:
		s.cursors = map[string]string{ts: cursor}
	default:
		s.cursors[ts] = cursor
	}
}

// May asks whether Slack lets a place be read, whatever is there. When it does not,
// the answer is Refused or Later. Otherwise it is like One.
func (r *Reader) May(ctx context.Context, now func() time.Time, api slack.API, p Place, credential string, h pacing.Holder) (Answer, bool) {
	_, _, a, ok := r.once(ctx, now, api, p, credential, slack.HistoryQuery{Limit: 1}, h)
	return a, ok
}

// once makes one call about a place; not ok when it could not be made, or failed.
func (r *Reader) once(ctx context.Context, now func() time.Time, api slack.API, p Place, credential string, q slack.HistoryQuery, h pacing.Holder) (list []slack.StoredMessage, next string, a Answer, ok bool) {
	begin := now()
	if a, ok := r.mayCall(begin, p, credential); !ok {
		return nil, "", a, false
	}
	if ctx.Err() != nil {
		return nil, "", Answer{Kind: Later, At: begin}, false
	}
	if at, ok := r.limiter.Reserve(begin, p.Workspace, p.method(), h); !ok {
		return nil, "", Answer{Kind: Later, At: at}, false
	}
	q.Conversation, q.ThreadTS = p.Conversation, p.Thread
	list, next, err := api.History(ctx, q)
	end := now()
	r.limiter.Done(end, p.Workspace, p.method(), h.Name)
	switch {
	case err != nil && ctx.Err() != nil:
		return nil, "", Answer{Kind: Later, At: end}, false
	case err != nil:
		r.mu.Lock()
		defer r.mu.Unlock()
		return nil, "", r.trouble(end, r.state(p, end), credential, slack.AsError(err)), false
	}
	return list, next, Answer{}, true
}

// mayCall reports whether no refusal and no trouble speaks against a call.
func (r *Reader) mayCall(now time.Time, p Place, credential string) (Answer, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.state(p, now)
	if refusal, ok := s.refused[credential]; ok && now.Before(refusal.until) {
		return Answer{Kind: Refused, Err: refusal.err, At: refusal.until}, false
	}
	if now.Before(s.notBefore) {
		return Answer{Kind: Later, Err: s.trouble, At: s.notBefore}, false
	}
	return Answer{}, true
}

// later of two times.
func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
