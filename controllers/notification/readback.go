package notification

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// readback reads conversations back for messages of unknown outcome. One
// reading serves all of a conversation's that are in doubt.
type readback struct {
	mu    sync.Mutex
	scans map[conversationKey]*scan
	swept time.Time
}

// conversationKey names a conversation, or one thread in it.
type conversationKey struct{ team, conversation, thread string }

// method that reads it.
func (k conversationKey) method() string {
	if k.thread != "" {
		return slack.MethodReplies
	}
	return slack.MethodHistory
}

// stored names a message that the operator has written.
type stored struct{ notification, recipient string }

// findings are the messages that were found. A notification whose content was
// posted anew has several.
type findings map[stored][]slack.StoredMessage

// after returns a message that is newer than the one with a ts.
func (f findings) after(id stored, ts string) (slack.StoredMessage, bool) {
	for _, m := range f[id] {
		// Both are of ten and six digits.
		if m.Timestamp > ts {
			return m, true
		}
	}
	return slack.StoredMessage{}, false
}

// scan is one conversation. What is wanted from it comes together while the
// first of those in doubt wait for the settle time.
type scan struct {
	// wanted is the earliest time that anybody wants it read from.
	wanted time.Time
	// waiting are woken when there is news.
	waiting map[types.NamespacedName]struct{}
	used    time.Time
	// failures in a row to read; nobody tries again before notBefore.
	failures  int
	notBefore time.Time
	trouble   *slack.Error

	// reading is true while somebody makes a call for it.
	reading bool
	// began is when the present reading began, oldest from where on it reads,
	// and cursor how far it has come; began is zero when there is none.
	began, oldest time.Time
	cursor        string
	partial       findings

	// complete is what the last whole reading has found; it began at
	// completeAt and went back to completeFrom.
	complete                 findings
	completeAt, completeFrom time.Time
}

// scanKept is how long a reading that nobody uses is remembered.
const scanKept = 5 * time.Minute

// want notes that a conversation will have to be read from a time on.
func (b *readback) want(key conversationKey, oldest, now time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.scan(key, now).want(oldest)
}

func (b *readback) scan(key conversationKey, now time.Time) *scan {
	if b.scans == nil {
		b.scans = map[conversationKey]*scan{}
	}
	if now.Sub(b.swept) > scanKept {
		b.swept = now
		for k, s := range b.scans {
			if now.Sub(s.used) > scanKept && !s.reading {
				delete(b.scans, k)
			}
		}
	}
	s := b.scans[key]
	if s == nil {
		s = &scan{waiting: map[types.NamespacedName]struct{}{}}
		b.scans[key] = s
	}
	s.used = now
	return s
}

func (s *scan) want(oldest time.Time) {
	if s.wanted.IsZero() || oldest.Before(s.wanted) {
		s.wanted = oldest
	}
}

// answer is what is known of one message.
type answer int

const (
	// unanswered: it has to be read on.
	unanswered answer = iota
	// absent: a whole reading, begun after the settle time, does not have it.
	absent
	// present: it is there.
	present
	// elsewhere: somebody else is reading, and wakes who waits.
	elsewhere
	// postponed: it could not be read, and is tried again later.
	postponed
)

// question is one message that may be in a conversation.
type question struct {
	key conversationKey
	id  stored
	// after is the ts of a message that is not meant, nor are older ones; empty
	// when any will do.
	after string
	// oldest is the time of the attempt, less the clocks' skew; settled is
	// when its absence begins to mean something.
	oldest, settled time.Time
	owner           types.NamespacedName
}

// ask tells what is known. When it is unanswered, the caller has taken the
// reading over and must call read or leave.
func (b *readback) ask(q question, now time.Time) (answer, slack.StoredMessage) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scan(q.key, now)
	for _, f := range []findings{s.complete, s.partial} {
		if m, ok := f.after(q.id, q.after); ok {
			return present, m
		}
	}
	if !s.completeAt.IsZero() && !s.completeAt.Before(q.settled) && !s.completeFrom.After(q.oldest) {
		return absent, slack.StoredMessage{}
	}
	s.want(q.oldest)
	if s.reading {
		s.waiting[q.owner] = struct{}{}
		return elsewhere, slack.StoredMessage{}
	}
	if now.Before(s.notBefore) {
		return postponed, slack.StoredMessage{}
	}
	if s.began.IsZero() || s.began.Before(q.settled) || s.oldest.After(q.oldest) {
		// A reading that can't answer this one is begun anew, for all.
		s.began, s.oldest, s.cursor, s.partial = now, s.wanted, "", findings{}
	}
	s.reading = true
	delete(s.waiting, q.owner)
	return unanswered, slack.StoredMessage{}
}

// trouble tells why a conversation could not be read, and when that is tried
// again.
func (b *readback) trouble(key conversationKey, now time.Time) (*slack.Error, time.Time) {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scan(key, now)
	return s.trouble, s.notBefore
}

// leave hands the reading back, and returns who is to be woken.
func (b *readback) leave(key conversationKey, now time.Time) []types.NamespacedName {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.scan(key, now)
	s.reading = false
	owners := make([]types.NamespacedName, 0, len(s.waiting))
	for owner := range s.waiting {
		owners = append(owners, owner)
	}
	clear(s.waiting)
	return owners
}

// page reads one page for the caller of ask. After an error, what was read
// counts for nothing, but for the messages that were found.
func (b *readback) page(ctx context.Context, api slack.API, key conversationKey, now time.Time) error {
	b.mu.Lock()
	s := b.scan(key, now)
	query := slack.HistoryQuery{Conversation: key.conversation, ThreadTS: key.thread, Oldest: s.oldest, Cursor: s.cursor}
	b.mu.Unlock()

	list, next, err := api.History(ctx, query)

	b.mu.Lock()
	defer b.mu.Unlock()
	if err != nil {
		s.began, s.cursor = time.Time{}, ""
		if e := slack.AsError(err); e.Class.Transient() {
			s.failures++
			s.notBefore, s.trouble = now.Add(max(backoff(s.failures), e.RetryAfter)), e
		}
		return err
	}
	s.failures, s.trouble = 0, nil
	for _, m := range list {
		if m.Metadata != nil && m.Metadata.EventType == message.EventType {
			id := stored{m.Metadata.Payload["notification"], m.Metadata.Payload["recipient"]}
			s.partial[id] = append(s.partial[id], m)
		}
	}
	s.cursor = next
	if next == "" {
		s.complete, s.completeAt, s.completeFrom = s.partial, s.began, s.oldest
		s.began, s.partial, s.wanted = time.Time{}, nil, time.Time{}
	}
	return nil
}
