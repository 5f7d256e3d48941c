package directory

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	clocktesting "k8s.io/utils/clock/testing"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/pacing/pacingtest"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// No test is to fail because the machine is slow.
func TestMain(m *testing.M) {
	gomega.SetDefaultEventuallyTimeout(time.Minute)
	os.Exit(m.Run())
}

// fakeAPI answers from tables, counts the calls, and can be held up or made to fail.
type fakeAPI struct {
	slack.API

	mu      sync.Mutex
	calls   map[string]int
	cursors []string
	nextErr map[string][]error
	always  map[string]*slack.Error
	gate    chan struct{}

	users   [][]slack.User
	convs   [][]slack.Conversation
	private bool // without the scope for private channels when false
	groups  []slack.UserGroup
	byEmail map[string]slack.User
	info    map[string]slack.Conversation
}

func newFake(pages ...[]slack.User) *fakeAPI {
	return &fakeAPI{calls: map[string]int{}, nextErr: map[string][]error{}, users: pages, private: true,
		byEmail: map[string]slack.User{}, info: map[string]slack.Conversation{}}
}

// Reset forgets the calls.
func (f *fakeAPI) Reset() {
	f.mu.Lock()
	defer f.mu.Unlock()
	clear(f.calls)
	f.cursors = nil
}

// NextErr makes the next calls of a method fail.
func (f *fakeAPI) NextErr(method string, errs ...*slack.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, e := range errs {
		e.Method = method
		f.nextErr[method] = append(f.nextErr[method], e)
	}
}

// Calls of a method.
func (f *fakeAPI) Calls(method string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.calls[method]
}

func (f *fakeAPI) called(ctx context.Context, method string) error {
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-ctx.Done():
			return &slack.Error{Class: slack.ClassUnavailable}
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls[method]++
	if queue := f.nextErr[method]; len(queue) > 0 {
		f.nextErr[method] = queue[1:]
		return queue[0]
	}
	if e := f.always[method]; e != nil {
		return e
	}
	return nil
}

// Always makes a method fail; nil ends that.
func (f *fakeAPI) Always(method string, e *slack.Error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.always = map[string]*slack.Error{method: e}
	if e == nil {
		f.always = nil
	}
}

// Cursors that users.list was asked with, without an error.
func (f *fakeAPI) Cursors() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.cursors)
}

func paged[T any](pages [][]T, cursor string) ([]T, string) {
	i := 0
	_, _ = fmt.Sscanf(cursor, "page-%d", &i)
	if i >= len(pages) {
		return nil, ""
	}
	next := ""
	if i+1 < len(pages) {
		next = fmt.Sprintf("page-%d", i+1)
	}
	return pages[i], next
}

func (f *fakeAPI) ListUsers(ctx context.Context, cursor string, _ int) ([]slack.User, string, error) {
	if err := f.called(ctx, slack.MethodUsersList); err != nil {
		return nil, "", err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.cursors = append(f.cursors, cursor)
	page, next := paged(f.users, cursor)
	return page, next, nil
}

func (f *fakeAPI) ListConversations(ctx context.Context, cursor string, _ int, private bool) ([]slack.Conversation, string, error) {
	if err := f.called(ctx, slack.MethodConversationsList); err != nil {
		return nil, "", err
	}
	if private && !f.private {
		return nil, "", &slack.Error{Class: slack.ClassMissingScope, Needed: "groups:read"}
	}
	page, next := paged(f.convs, cursor)
	return page, next, nil
}

func (f *fakeAPI) ListUserGroups(ctx context.Context) ([]slack.UserGroup, error) {
	if err := f.called(ctx, slack.MethodUserGroupsList); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.groups, nil
}

func (f *fakeAPI) LookupUserByEmail(ctx context.Context, email string) (slack.User, error) {
	if err := f.called(ctx, slack.MethodLookupByEmail); err != nil {
		return slack.User{}, err
	}
	if u, ok := f.byEmail[email]; ok {
		return u, nil
	}
	return slack.User{}, &slack.Error{Class: slack.ClassUserNotFound, Code: "users_not_found"}
}

func (f *fakeAPI) ConversationInfo(ctx context.Context, id string) (slack.Conversation, error) {
	if err := f.called(ctx, slack.MethodConversationInfo); err != nil {
		return slack.Conversation{}, err
	}
	if c, ok := f.info[id]; ok {
		return c, nil
	}
	return slack.Conversation{}, &slack.Error{Class: slack.ClassChannelNotFound, Code: "channel_not_found"}
}

func (f *fakeAPI) OpenDirectMessage(ctx context.Context, userID string) (string, error) {
	if err := f.called(ctx, slack.MethodConversationsOpen); err != nil {
		return "", err
	}
	return "D" + userID[1:], nil
}

// openLimiter lets everything through, and notes the penalties and who asked.
type openLimiter struct {
	mu        sync.Mutex
	penalties []time.Duration
	holders   map[string][]pacing.Holder
}

func (l *openLimiter) Reserve(now time.Time, _ slack.Workspace, method string, h pacing.Holder) (time.Time, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holders == nil {
		l.holders = map[string][]pacing.Holder{}
	}
	if !slices.Contains(l.holders[method], h) {
		l.holders[method] = append(l.holders[method], h)
	}
	return now, true
}

func (*openLimiter) Done(time.Time, slack.Workspace, string, string) {}

func (l *openLimiter) Penalize(_ time.Time, _ slack.Workspace, _ string, after time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.penalties = append(l.penalties, after)
}

// bench is a Directory with all that it is tested with.
type bench struct {
	gomega.Gomega
	t     testing.TB
	api   *fakeAPI
	clock *clocktesting.FakeClock
	dir   *Directory
	ws    Workspace
	limit *openLimiter

	mu    sync.Mutex
	woken map[string]int
}

func newBench(t testing.TB, api *fakeAPI, change ...func(*Options)) *bench {
	t.Helper()
	b := &bench{
		Gomega: gomega.NewWithT(t), t: t, api: api, limit: &openLimiter{}, woken: map[string]int{},
		clock: clocktesting.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)),
	}
	o := Options{Limiter: pacingtest.Watch(t, b.limit), Clock: b.clock, Wake: func(owner string) {
		b.mu.Lock()
		defer b.mu.Unlock()
		b.woken[owner]++
	}}
	for _, f := range change {
		f(&o)
	}
	b.dir = New(o)
	b.ws = Workspace{Key: slack.SharedDomain().Workspace("T1", "UBOT"), TeamName: "Acme", Credential: "c1", API: api}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = b.dir.Start(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	return b
}

func (b *bench) find(name string) (slack.User, error) {
	return b.dir.FindUser(b.t.Context(), b.ws, Query{User: name}, "owner-"+name)
}

func (b *bench) email(address string) (slack.User, error) {
	return b.dir.FindUser(b.t.Context(), b.ws, Query{Email: address}, "owner-"+address)
}

func (b *bench) wakes(owner string) func() int {
	return func() int {
		b.mu.Lock()
		defer b.mu.Unlock()
		return b.woken[owner]
	}
}

// ticking waits until something waits for the clock, beside the sweep of what
// is not used.
func (b *bench) ticking() {
	b.t.Helper()
	b.Eventually(b.clock.Waiters).Should(gomega.BeNumerically(">", 1))
}

// settle repeats a lookup until it gives something else than that it is loading.
func settle[T any](b *bench, look func() (T, error)) (T, error) {
	b.t.Helper()
	var out T
	var err error
	b.Eventually(func() bool {
		out, err = look()
		_, loading := err.(*LoadingError) //nolint:errorlint // never wrapped
		return loading
	}).Should(gomega.BeFalse())
	return out, err
}
