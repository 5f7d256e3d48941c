package pacing

import "time"

// Begin tells that the message of ticket id is about to be written to Slack,
// which Ask has granted. When it returns false, nothing may be posted: Slack
// has asked to wait since, or the turn has lapsed; a ticket that is still known
// is queued again, in its place, and its owner is woken by another Grant.
func (l *Lanes) Begin(now time.Time, id string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	it := l.items[id]
	switch {
	case it == nil || it.state == queued:
		return false
	case it.state == posting:
		return true
	case l.halted(now, it):
		l.requeue(now, it)
		l.plan(it.lane.workspace)
		l.signal()
		return false
	}
	l.turn(it, posting)
	l.flights.push(now.Add(l.options.InFlightExpiry), it)
	return true
}

// Done tells that the post of ticket id is over, well or not. With sent, Slack
// may have counted it at any time until now, so the lane's interval counts from
// here: however long the handshake or the answer took, two messages are never
// closer at Slack. Without sent, which is for a post that was certainly never
// written, as when the connection was refused, the lane is free at once. A
// message that must be sent again asks again; with Since it has its old place.
func (l *Lanes) Done(now time.Time, id string, sent bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it := l.items[id]; it != nil {
		l.drop(now, it, sent)
		l.signal()
	}
}

// drop takes a ticket out, wherever it is.
func (l *Lanes) drop(now time.Time, it *item, sent bool) {
	one := it.lane
	one.workspace.touched = now
	if it.state != queued {
		l.release(now, it, sent)
	} else {
		one.pull(now, it)
		if sent {
			one.workspace.used.add(now, l.options.Budget)
			l.sent(now, one)
		}
	}
	l.turn(it, queued) // what lapses later means another
	delete(l.items, it.ticket.ID)
	if set := l.owners[it.ticket.Owner]; set != nil {
		delete(set, it.ticket.ID)
		if len(set) == 0 {
			delete(l.owners, it.ticket.Owner)
		}
	}
	l.plan(one.workspace)
	l.sweep(now)
}

// Forget drops the ticket. A turn that was not used, as Begin was not called,
// leaves the lane free for the next one at once.
func (l *Lanes) Forget(now time.Time, id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if it := l.items[id]; it != nil {
		l.drop(now, it, it.state == posting)
		l.signal()
	}
}

// ForgetOwner drops all tickets of an owner, as when its object was deleted.
func (l *Lanes) ForgetOwner(now time.Time, owner string) {
	l.forget(now, owner, func(*item) bool { return true })
}

// Keep drops all tickets of an owner but those with these IDs, as when its
// object has lost recipients.
func (l *Lanes) Keep(now time.Time, owner string, ids []string) {
	keep := make(map[string]struct{}, len(ids))
	for _, id := range ids {
		keep[id] = struct{}{}
	}
	l.forget(now, owner, func(it *item) bool {
		_, ok := keep[it.ticket.ID]
		return !ok
	})
}

// ForgetUnused drops the tickets of an owner whose turn has come and was not
// used, at the end of a pass over its object: whatever kept it from posting,
// the lanes are free for others at once. Tickets that wait keep their places,
// and a post under way goes on.
func (l *Lanes) ForgetUnused(now time.Time, owner string) {
	l.forget(now, owner, func(it *item) bool { return it.state == granted || it.state == taken })
}

func (l *Lanes) forget(now time.Time, owner string, drop func(*item) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dropped := false
	for _, it := range l.owners[owner] {
		if drop(it) {
			l.drop(now, it, it.state == posting)
			dropped = true
		}
	}
	if dropped {
		l.signal()
	}
}

// Penalize obeys a 429 answer: nothing is posted in the lane before
// now+retryAfter, what was granted before included, unless Begin was called for
// it. A Lane without Conversation stands for the whole workspace.
// DefaultRetryAfter is taken when Slack did not say how long. Unless
// LaneOptions.Share is fixed, less of the lane's limit is taken from then on.
func (l *Lanes) Penalize(now time.Time, key Lane, retryAfter time.Duration) {
	l.penalize(now, key, retryAfter, key.Conversation == "")
}

// PenalizePost obeys a 429 of chat.postMessage to a conversation: it holds for the
// method in the whole workspace (docs.slack.dev/apis/web-api/rate-limits).
//
// Slack does not say whether the conversation has had too much or the workspace.
// It is put down to the conversation when this process has been posting to it as
// fast as it may, or when it has met a 429 there lately; and else to the workspace.
func (l *Lanes) PenalizePost(now time.Time, key Lane, retryAfter time.Duration) {
	l.penalize(now, key, retryAfter, true)
}

func (l *Lanes) penalize(now time.Time, key Lane, retryAfter time.Duration, whole bool) {
	if retryAfter <= 0 {
		retryAfter = DefaultRetryAfter
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	until := now.Add(retryAfter)
	w := l.workspace(now, key.Workspace)
	if l.options.Share == 0 && !w.blocked.After(now) {
		l.learn(now, key, w, whole)
	}
	if whole && until.After(w.blocked) {
		w.blocked = until
	}
	if !whole {
		l.lane(now, key).delay(now, until)
	}
	l.plan(w)
	l.signal()
}

// learn takes less of what a 429 is put down to. Those that come while the
// workspace is blocked already are answers to posts that were under way, and say
// nothing new.
func (l *Lanes) learn(now time.Time, key Lane, w *workspace, whole bool) {
	if key.Conversation != "" {
		one := l.lane(now, key)
		busy := !one.last.IsZero() && one.gap <= 2*l.interval(one, now)
		if !whole || busy || one.learnt.refusedLately(now) {
			one.learnt.refuse(now, leastOfConversation)
			one.delay(now, l.after(one, one.last))
			return
		}
		one.learnt.note(now)
	}
	w.learnt.refuse(now, leastPart)
	l.scale(now, w)
}

// Due grants what may be posted now and returns it, to wake the owners. An
// owner takes the grant by Ask, within GrantExpiry.
func (l *Lanes) Due(now time.Time) []Grant {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.expire(now)
	var out []Grant
	for {
		w, ok := l.agenda.first()
		if !ok || w.next.After(now) {
			return out
		}
		w.promote(now)
		for it := l.grant(now, w); it != nil; it = l.grant(now, w) {
			out = append(out, Grant{Ticket: it.ticket, Lane: it.lane.key})
		}
		l.plan(w)
	}
}

// expire drops the grants that nobody took, and the posts that nobody ended.
func (l *Lanes) expire(now time.Time) {
	for _, list := range []*expiries[*item]{&l.grants, &l.flights} {
		for it, ok := list.pop(now); ok; it, ok = list.pop(now) {
			l.drop(now, it, it.state == posting)
		}
	}
}

// NextAt is when Due has something to do next; false when nothing is waiting
// for a time.
func (l *Lanes) NextAt() (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var next time.Time
	found := false
	if w, ok := l.agenda.first(); ok {
		next, found = w.next, true
	}
	for _, list := range []*expiries[*item]{&l.grants, &l.flights} {
		if at, ok := list.next(); ok && (!found || at.Before(next)) {
			next, found = at, true
		}
	}
	return next, found
}
