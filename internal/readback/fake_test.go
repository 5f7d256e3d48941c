package readback

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/pacing/pacingtest"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

var epoch = time.Unix(1_790_000_000, 0)

// bot is who posts; stranger is another app.
var (
	bot      = Author{BotID: "B1", UserID: "U1"}
	stranger = Author{BotID: "B2", UserID: "U2"}
)

// fakeSlack is one conversation, read in pages.
type fakeSlack struct {
	slack.API
	rig *rig
	// messages in order of time.
	messages []slack.StoredMessage
	last     time.Time
	pageSize int
	// oldestFirst is the order of a thread.
	oldestFirst bool
	// takes is how long a call takes.
	takes time.Duration
	// script has the answers to the next calls; nil for what is so.
	script []func(q slack.HistoryQuery) ([]slack.StoredMessage, string, error)
	// during happens in each call, before the page is made.
	during func()
	calls  []slack.HistoryQuery
}

func (f *fakeSlack) History(ctx context.Context, q slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
	f.calls = append(f.calls, q)
	if f.during != nil {
		f.during()
	}
	f.rig.now = f.rig.now.Add(f.takes)
	if err := ctx.Err(); err != nil {
		return nil, "", &slack.Error{Class: slack.ClassAmbiguous, Method: slack.MethodHistory, Reason: err.Error()}
	}
	if len(f.script) > 0 {
		next := f.script[0]
		f.script = f.script[1:]
		if next != nil {
			return next(q)
		}
	}
	return f.page(q)
}

// page is what Slack would answer.
func (f *fakeSlack) page(q slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
	list := slices.Clone(f.messages)
	if !f.oldestFirst {
		slices.Reverse(list)
	}
	oldest := timestamp(q.Oldest)
	cursor := strings.TrimRight(strings.TrimPrefix(q.Cursor, "after:"), "x") // a cursor is good with more x
	list = slices.DeleteFunc(list, func(m slack.StoredMessage) bool {
		switch {
		case q.Exactly != "":
			return m.Timestamp != q.Exactly
		case !q.Oldest.IsZero() && m.Timestamp <= oldest:
			return true
		case cursor == "":
			return false
		case f.oldestFirst:
			return m.Timestamp <= cursor
		}
		return m.Timestamp >= cursor
	})
	if len(list) <= f.pageSize {
		return list, "", nil
	}
	return list[:f.pageSize], "after:" + list[f.pageSize-1].Timestamp, nil
}

// post adds a message; the ts is the time, or just after the last one.
func (f *fakeSlack) post(by Author, m *slack.Metadata) string {
	at := later(f.rig.now, f.last.Add(time.Microsecond))
	f.last = at
	stored := slack.StoredMessage{Timestamp: timestamp(at), BotID: by.BotID, UserID: by.UserID, Metadata: m}
	f.messages = append(f.messages, stored)
	return stored.Timestamp
}

// chatter posts what people say, one each time.
func (f *fakeSlack) chatter(n int, each time.Duration) {
	for range n {
		f.post(Author{UserID: "U9"}, nil)
		f.rig.now = f.rig.now.Add(each)
	}
}

func of(notification, recipient string) *slack.Metadata {
	return &slack.Metadata{EventType: message.EventType, Payload: map[string]string{
		PayloadNotification: notification, PayloadRecipient: recipient, "content": "c",
	}}
}

func withKey(key string) *slack.Metadata {
	m := of("n of "+key, "r")
	m.Payload[PayloadKey] = key
	return m
}

func fails(class slack.Class, code string, retryAfter time.Duration) func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
	return func(slack.HistoryQuery) ([]slack.StoredMessage, string, error) {
		return nil, "", &slack.Error{Class: class, Method: slack.MethodHistory, Code: code, RetryAfter: retryAfter}
	}
}

// fakeLimiter gives a slot whenever asked, but not before free.
type fakeLimiter struct {
	free      time.Time
	penalties []time.Duration
	holders   []pacing.Holder
}

func (l *fakeLimiter) Reserve(now time.Time, _ slack.Workspace, _ string, h pacing.Holder) (time.Time, bool) {
	l.holders = append(l.holders, h)
	if now.Before(l.free) {
		return l.free, false
	}
	return now, true
}

func (*fakeLimiter) Done(time.Time, slack.Workspace, string, string) {}

func (l *fakeLimiter) Penalize(_ time.Time, _ slack.Workspace, _ string, retryAfter time.Duration) {
	l.penalties = append(l.penalties, retryAfter)
}

// rig is a Reader in a world of its own.
type rig struct {
	t       testing.TB
	now     time.Time
	slack   *fakeSlack
	limiter *fakeLimiter
	reader  *Reader
	woken   []string
}

func newRig(t testing.TB) *rig {
	r := &rig{t: t, now: epoch, limiter: &fakeLimiter{}}
	r.slack = &fakeSlack{rig: r, pageSize: 10}
	r.reader = New(Options{Limiter: pacingtest.Watch(t, r.limiter), Wake: func(n types.NamespacedName) { r.woken = append(r.woken, n.Name) }})
	return r
}

func (r *rig) clock() time.Time { return r.now }

func (r *rig) ask(q Question) Answer {
	return r.reader.Ask(context.Background(), r.clock, r.slack, q)
}

// until asks as often as it takes, at the times that it is told.
func (r *rig) until(q Question) Answer {
	r.t.Helper()
	for range 1000 {
		a := r.ask(q)
		if a.Kind != Later {
			return a
		}
		r.now = later(r.now, a.At)
	}
	r.t.Fatalf("no answer for %s after 1000 times asking", q.Owner.Name)
	return Answer{}
}

// sends says that a notification was attempted now, and asks for it.
func (r *rig) sends(notification string) Question {
	return Question{
		Place: Place{Workspace: slack.SharedDomain().Workspace("T1", "U1"), Conversation: "C1"}, Credential: "v1",
		Notification: notification, Recipient: "r", Author: bot,
		Oldest: r.now.Add(-5 * time.Minute), Settled: r.now.Add(3 * time.Second),
		Owner: types.NamespacedName{Namespace: "team", Name: notification}, Group: "team",
	}
}

func (r *rig) passes(d time.Duration) { r.now = r.now.Add(d) }

// wants compares kinds.
func (r *rig) wants(a Answer, kind Kind, why string) {
	r.t.Helper()
	if a.Kind != kind {
		r.t.Fatalf("%s: got %v (error %v, at %v), wanted %v", why, a.Kind, a.Err, a.At.Sub(r.now), kind)
	}
}

func (r *rig) wantsCalls(n int, why string) {
	r.t.Helper()
	if len(r.slack.calls) != n {
		r.t.Fatalf("%s: %d calls were made, wanted %d", why, len(r.slack.calls), n)
	}
}
