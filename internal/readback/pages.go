package readback

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// identity is what a message is known by: the object and the recipient, or the
// key.
type identity struct{ notification, recipient, key string }

func (q Question) identity() identity {
	if q.Key != "" {
		return identity{key: q.Key}
	}
	return identity{notification: q.Notification, recipient: q.Recipient}
}

// reading is one way through a place, page by page.
type reading struct {
	// began is when its first page was asked for; it has all messages that were
	// there then, down to where it has come.
	began time.Time
	// oldest is the time back to which it reads.
	oldest time.Time
	// inOrder is true while its pages are newest first, as Slack documents it
	// for a conversation, but not for a thread.
	inOrder bool
	// first is the ts that the last page began with, depth the one it ended at.
	first, depth string
	// done is true after the last page; cursor leads to the next one.
	done   bool
	cursor string
	pages  int
	// saved is an earlier cursor. It is renewed whenever the number of pages
	// has doubled, so a cursor that comes again meets it (Brent's algorithm).
	saved string
	// touched is when the last page came.
	touched time.Time

	found map[identity][]slack.StoredMessage
	// fullSince is when there was no more room; from then on only what somebody
	// had asked for is kept, in squeezed.
	fullSince time.Time
	squeezed  map[identity][]slack.StoredMessage
	// kept is how many messages are in both.
	kept int
	// bare has for each author the ts of the newest post without metadata, and
	// proven who has one with metadata.
	bare   map[Author]string
	proven map[Author]struct{}
}

func newReading(now, oldest time.Time, thread bool) *reading {
	return &reading{
		began: now, oldest: oldest, inOrder: !thread, touched: now,
		found: map[identity][]slack.StoredMessage{}, squeezed: map[identity][]slack.StoredMessage{},
		bare: map[Author]string{}, proven: map[Author]struct{}{},
	}
}

// suits reports whether the reading can prove the absence of what q asks for.
// A thread comes oldest first and is known to its end only, so a short question
// does not join a long reading of one.
func (r *reading) suits(q Question) bool {
	if r.began.Before(q.Settled) || r.oldest.After(q.Oldest) {
		return false
	}
	return q.Place.Thread == "" || near(r.oldest, q.Oldest)
}

// near reports whether two questions about a thread may share a reading.
func near(oldest, other time.Time) bool { return other.Sub(oldest) <= time.Hour }

// sawAll reports whether the reading has seen every message from a ts on that
// was there at the time settled and can be meant by who is known since a time.
func (r *reading) sawAll(settled, since time.Time, ts string) bool {
	if r.began.Before(settled) || !r.fullSince.IsZero() && since.After(r.fullSince) {
		return false
	}
	return r.reached() <= ts
}

// reached returns the ts from which on it has all messages; later than any when
// there is none.
func (r *reading) reached() string {
	switch {
	case r.done:
		return timestamp(r.oldest)
	case r.inOrder && r.depth != "":
		return r.depth
	}
	return "~"
}

// find returns the newest message that q can mean, however old.
func (r *reading) find(q Question) (newest slack.StoredMessage, ok bool) {
	for _, m := range slices.Concat(r.found[q.identity()], r.squeezed[q.identity()]) {
		if m.Timestamp > q.After && m.Timestamp > newest.Timestamp && q.Author.wrote(m) {
			newest, ok = m, true
		}
	}
	return newest, ok
}

// stripped reports whether a post of the author's, not older than q.Oldest,
// came without metadata.
func (r *reading) stripped(q Question) bool {
	oldest := timestamp(q.Oldest)
	for by, ts := range r.bare {
		if ts >= oldest && q.Author.posted(by) {
			return true
		}
	}
	return false
}

// proves reports whether a post of the author's came with metadata.
func (r *reading) proves(a Author) bool {
	for by := range r.proven {
		if a.posted(by) {
			return true
		}
	}
	return false
}

// take adds a page, of which it keeps as many messages as there is room for, and
// all that somebody asks for. It returns an error when the pages have no end.
func (r *reading) take(list []slack.StoredMessage, next string, now time.Time, room int, asked func(identity, slack.StoredMessage) bool) error {
	r.pages++
	r.touched = now
	r.descend(list)
	most := min(mostKept, r.kept+room)
	for _, m := range list {
		if !isTimestamp(m.Timestamp) {
			continue
		}
		for _, id := range r.identify(m) {
			if r.kept < most {
				r.kept++
				r.found[id] = append(r.found[id], m)
				continue
			}
			if r.fullSince.IsZero() {
				r.fullSince = now
			}
			if asked(id, m) {
				r.squeeze(id, m)
			}
		}
	}
	r.cursor, r.done = next, next == ""
	switch {
	case r.done:
		return nil
	case next == r.saved:
		return fmt.Errorf("a cursor came again after %d pages", r.pages)
	case r.pages >= mostPages:
		return fmt.Errorf("there was no end after %d pages", r.pages)
	case r.pages&(r.pages-1) == 0:
		r.saved = next
	}
	return nil
}

// descend notes how far back the pages have come. A page may repeat messages of
// the one before, as when others have arrived on top meanwhile.
func (r *reading) descend(list []slack.StoredMessage) {
	for i, m := range list {
		switch {
		case !isTimestamp(m.Timestamp):
			r.inOrder = false
		case i == 0:
			if r.first != "" && m.Timestamp > r.first {
				r.inOrder = false
			}
			r.first = m.Timestamp
		case m.Timestamp > list[i-1].Timestamp:
			r.inOrder = false
		}
	}
	if n := len(list); n > 0 && r.inOrder {
		r.depth = list[n-1].Timestamp
	}
}

// squeeze adds a message to a full reading. The newest are the ones that count.
func (r *reading) squeeze(id identity, m slack.StoredMessage) {
	list := r.squeezed[id]
	if len(list) < mostAlike {
		r.kept++
		r.squeezed[id] = append(list, m)
		return
	}
	oldest := 0
	for i := range list {
		if list[i].Timestamp < list[oldest].Timestamp {
			oldest = i
		}
	}
	if list[oldest].Timestamp < m.Timestamp {
		list[oldest] = m
	}
}

// identify returns by what a message can be asked for, and notes what it tells
// of Slack.
func (r *reading) identify(m slack.StoredMessage) []identity {
	by := Author{m.BotID, m.UserID}
	ours := m.Metadata != nil && m.Metadata.EventType == message.EventType
	switch {
	case m.Metadata == nil || ours && len(m.Metadata.Payload) == 0:
		if _, known := r.bare[by]; by.BotID != "" && (known || len(r.bare) < mostAuthors) {
			r.bare[by] = max(r.bare[by], m.Timestamp)
		}
		return nil
	case !ours:
		return nil
	}
	if by.BotID != "" && len(r.proven) < mostAuthors {
		r.proven[by] = struct{}{}
	}
	payload := m.Metadata.Payload
	if !fits(payload) {
		return nil
	}
	var ids []identity
	if uid := payload[PayloadNotification]; uid != "" {
		ids = append(ids, identity{notification: uid, recipient: payload[PayloadRecipient]})
	}
	if key := payload[PayloadKey]; key != "" {
		ids = append(ids, identity{key: key})
	}
	return ids
}

func fits(payload map[string]string) bool {
	size := 0
	for k, v := range payload {
		size += len(k) + len(v)
	}
	return size <= mostPayload
}

// timestamp writes a time as Slack does, so that until the year 2286 they
// compare as strings; "" is older than all.
func timestamp(t time.Time) string {
	if t.Unix() < 0 {
		return ""
	}
	return fmt.Sprintf("%010d.%06d", t.Unix(), t.Nanosecond()/1000)
}

// isTimestamp reports whether a string is a ts that compares as a string: ten digits,
// and decimals, of which Slack has six.
func isTimestamp(s string) bool {
	seconds, decimals, point := strings.Cut(s, ".")
	digits := func(s string) bool { return strings.Trim(s, "0123456789") == "" }
	return len(seconds) == 10 && digits(seconds) && digits(decimals) && len(decimals) <= 9 && point == (decimals != "")
}
