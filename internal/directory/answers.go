package directory

import (
	"fmt"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// refusals are why Slack has refused something, by credential or by what was
// asked for.
type refusals map[string]refusal

type refusal struct {
	err *slack.Error
	at  time.Time
}

// maxRefusals that are remembered; to ask again costs a call and nothing else.
const maxRefusals = 20_000

func (r refusals) add(key string, err *slack.Error, at time.Time) {
	makeRoom(r, maxRefusals)
	r[key] = refusal{err, at}
}

// of returns the refusal that is younger than since, if there is one.
func (r refusals) of(key string, since time.Time) *slack.Error {
	if have, ok := r[key]; ok && have.at.After(since) {
		return have.err
	}
	return nil
}

func (r refusals) expire(since time.Time) {
	for key, have := range r {
		if !have.at.After(since) {
			delete(r, key)
		}
	}
}

// makeRoom drops any entry of a map that is full.
func makeRoom[K comparable, V any](m map[K]V, limit int) {
	if len(m) < limit {
		return
	}
	for k := range m {
		delete(m, k)
		return
	}
}

// known is a single answer, when it was given and when it was last used.
type known[T any] struct {
	value    T
	at, used time.Time
}

// maxAnswers to one kind of call that are kept.
const maxAnswers = 50_000

// call is a single call for one subject, which equal callers at the same time
// make once.
type call[T any] struct {
	method string
	// subject is what is asked about, unique within workspace and method.
	// version changes when what was known of it is not to be believed.
	subject string
	version uint64
	// scope is what the call takes, for when Slack does not name it; general
	// is true when every call of the method takes it, so that the refusal of
	// one is that of all.
	scope   string
	general bool
	// what is read, for people.
	what string
	do   func() (T, error)
	// known returns an answer that is kept.
	known func() (T, bool)
	// keep stores an answer; the caller holds the lock.
	keep func(T)
}

// ask returns a kept answer, or makes a call in its slot, unless Slack has
// refused it within the last minute.
//
// The slot and the call are those of the namespace and the credential: nobody
// is told of another's refusal, or waits where another stands in line.
func ask[T any](d *Directory, ws Workspace, c call[T]) (T, error) {
	if out, ok := c.known(); ok {
		return out, nil
	}
	leave, err := d.enter(ws, c.method)
	if err != nil {
		return *new(T), err
	}
	defer leave()
	absent := fmt.Sprintf("%s/%s/%s@%d", c.method, ws.Key, c.subject, c.version)
	general := c.method + "/" + ws.Key.String() + "//" + ws.Credential
	v, err, _ := d.flight.Do(absent+"/"+ws.Namespace+"/"+ws.Credential, func() (any, error) {
		if out, ok := c.known(); ok { // since just now
			return out, nil
		}
		if err := d.refusedBefore(ws, c.what, c.scope, absent, general); err != nil {
			return nil, err
		}
		end, err := d.slot(ws, c.method, "directory/"+ws.Namespace+"/"+c.subject)
		if err != nil {
			return nil, err
		}
		out, err := c.do()
		end()
		d.mu.Lock()
		defer d.mu.Unlock()
		if err == nil {
			c.keep(out)
			return out, nil
		}
		e := slack.AsError(err)
		switch e.Class {
		case slack.ClassUserNotFound, slack.ClassChannelNotFound, slack.ClassUserDeactivated, slack.ClassUserNotMessageable:
			d.absent.add(absent, e, d.clock.Now())
		case slack.ClassMissingScope:
			if c.general {
				d.absent.add(general, e, d.clock.Now())
			}
			return nil, refusedFor(c.what, c.scope, ws, e)
		}
		return nil, d.refused(ws, c.method, e)
	})
	out, ok := v.(T)
	if !ok {
		return *new(T), err
	}
	return out, err
}

// refusedBefore returns what Slack has answered within the last minute, if it
// was a refusal.
func (d *Directory) refusedBefore(ws Workspace, what, scope string, keys ...string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	since := d.clock.Now().Add(-d.options.MissEvery)
	for _, key := range keys {
		if e := d.absent.of(key, since); e != nil {
			return refusedFor(what, scope, ws, e)
		}
	}
	return nil
}

// refusedFor tells a missing scope apart from every other refusal.
func refusedFor(what, scope string, ws Workspace, e *slack.Error) error {
	if e.Class != slack.ClassMissingScope {
		return e
	}
	if e.Needed != "" {
		scope = e.Needed
	}
	return &ScopeError{What: what, Scope: scope, In: place(ws), Err: e}
}

// busyPause is about when to come again where too many wait for a server.
const busyPause = 2 * time.Second

// enter makes sure that not all callers wait for the server of one domain.
func (d *Directory) enter(ws Workspace, method string) (leave func(), err error) {
	if leave = d.options.Enter(ws.Key.Domain()); leave == nil {
		return nil, &WaitError{Method: method, At: d.clock.Now().Add(backoff.Around(busyPause))}
	}
	return leave, nil
}

// slot asks for a slot to make a call now, of whose end the Limiter is to be told.
func (d *Directory) slot(ws Workspace, method, holder string) (end func(), err error) {
	if at, ok := d.options.Limiter.Reserve(d.clock.Now(), ws.Key, method, pacing.Holder{Name: holder, Group: ws.Namespace}); !ok {
		return nil, &WaitError{Method: method, At: at}
	}
	return func() { d.options.Limiter.Done(d.clock.Now(), ws.Key, method, holder) }, nil
}

// refused obeys a 429, which is a wait and no failure.
func (d *Directory) refused(ws Workspace, method string, err error) error {
	e := slack.AsError(err)
	if e.Class != slack.ClassRateLimited {
		return e
	}
	now := d.clock.Now()
	if !e.Busy {
		d.options.Limiter.Penalize(now, ws.Key, method, e.RetryAfter)
	}
	return &WaitError{Method: method, At: now.Add(max(e.RetryAfter, time.Second))}
}

// subjectKey is a conversation that Slack was asked about.
type subjectKey struct {
	team slack.Workspace
	id   string
}

// contradiction is what tells answers apart from those that were given before
// Slack said otherwise.
type contradiction struct {
	version uint64
	at      time.Time
}

// contradict has all that is known of a conversation asked for anew. The caller
// holds the lock.
func (d *Directory) contradict(team slack.Workspace, id string) {
	makeRoom(d.contradicted, maxAnswers)
	d.lastVersion++
	d.contradicted[subjectKey{team, id}] = contradiction{version: d.lastVersion, at: d.clock.Now()}
}

// version of what is known of a conversation. The caller holds the lock.
func (d *Directory) version(team slack.Workspace, id string) uint64 {
	return d.contradicted[subjectKey{team, id}].version
}

// current returns an answer that is still good for some time, and notes that it
// was used. The caller holds the lock.
func current[K comparable, T any](d *Directory, answers map[K]known[T], key K, keep time.Duration) (out T, ok bool) {
	now := d.clock.Now()
	have, ok := answers[key]
	if !ok || now.Sub(have.at) >= keep {
		return out, false
	}
	have.used = now
	answers[key] = have
	return have.value, true
}
