package channel

import (
	"context"
	"flag"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// town is a workspace of many channels, which answers within a time and counts.
type town struct {
	slack.API

	mu    sync.Mutex
	rooms []slack.Conversation
	at    map[string]int
	calls map[string]int
	// refusal of the token; nil when it is good.
	refusal *slack.Error
}

func newTown(n int) *town {
	w := &town{at: map[string]int{}, calls: map[string]int{}}
	for i := range n {
		w.build(fmt.Sprintf("team-%d", i))
	}
	return w
}

func (w *town) build(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := slack.Conversation{ID: fmt.Sprintf("C%010d", len(w.rooms)), Name: name, Member: true}
	w.at[c.ID] = len(w.rooms)
	w.rooms = append(w.rooms, c)
}

func (w *town) called(method string) *slack.Error {
	time.Sleep(100 * time.Millisecond)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls[method]++
	return w.refusal
}

// count of the calls of a method so far.
func (w *town) count(method string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.calls[method]
}

func (w *town) AuthTest(context.Context) (slack.Identity, error) {
	if e := w.called(slack.MethodAuthTest); e != nil {
		return slack.Identity{}, e
	}
	return slack.Identity{TeamID: "T1", TeamName: "Town", BotUserID: "U1", BotID: "B1", Scopes: []string{"channels:read", "channels:history"}}, nil
}

func (w *town) ConversationInfo(_ context.Context, id string) (slack.Conversation, error) {
	if e := w.called(slack.MethodConversationInfo); e != nil {
		return slack.Conversation{}, e
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i, ok := w.at[id]; ok {
		return w.rooms[i], nil
	}
	return slack.Conversation{}, &slack.Error{Class: slack.ClassChannelNotFound, Code: "channel_not_found"}
}

func (w *town) ListConversations(_ context.Context, cursor string, limit int, _ bool) ([]slack.Conversation, string, error) {
	if e := w.called(slack.MethodConversationsList); e != nil {
		return nil, "", e
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	from := w.at[cursor]
	to := min(from+limit, len(w.rooms))
	next := ""
	if to < len(w.rooms) {
		next = w.rooms[to].ID
	}
	return w.rooms[from:to], next, nil
}

// many is a process that checks SlackChannels of one token, without an API server.
type many struct {
	t     *testing.T
	town  *town
	r     *Reconciler
	queue workqueue.TypedRateLimitingInterface[reconcile.Request]

	mu    sync.Mutex
	slack map[string]*v1alpha1.SlackChannel
	// ready has when each became Ready.
	ready map[string]time.Time
}

// inATown runs in a bubble, whose time passes as soon as nothing is left to do.
func inATown(t *testing.T, rooms int, do func(t *testing.T, m *many)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		limiter, wake := pacing.NewLimiter(pacing.LimiterOptions{}), &wakeup.Source{}
		m := &many{t: t, town: newTown(rooms), slack: map[string]*v1alpha1.SlackChannel{}, ready: map[string]time.Time{}}
		people := directory.New(directory.Options{Limiter: limiter, Wake: func(owner string) { m.r.WakeOwner(owner) }})
		m.r = &Reconciler{Health: &connection.Health{Channels: wake}, Directory: people, Limiter: limiter, Wake: wake, Clock: clock.RealClock{}}
		m.queue = workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		if err := wake.Start(ctx, m.queue); err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		all.Go(func() { _ = people.Start(ctx) })
		for range concurrency {
			all.Go(func() { m.work(ctx) })
		}
		do(t, m)
		cancel()
		m.queue.ShutDown()
		all.Wait()
		time.Sleep(time.Minute) // a page that is being read
	})
}

func (m *many) work(ctx context.Context) {
	for {
		request, shutdown := m.queue.Get()
		if shutdown {
			return
		}
		m.mu.Lock()
		c := m.slack[request.Name]
		m.mu.Unlock()
		if after := m.check(ctx, c); after > 0 {
			m.queue.AddAfter(request, after)
		}
		m.queue.Done(request)
	}
}

// check is what Reconcile does but for what is stored.
func (m *many) check(ctx context.Context, c *v1alpha1.SlackChannel) time.Duration {
	r := m.r
	conn := &connection.Connection{API: m.town, Domain: slack.SharedDomain(), Credential: string(c.UID), Token: "token", Client: "10s", Secrets: "v1"}
	r.takeUp(c)
	known := r.recall(c, conn.Credential)
	r.Directory.Forget(r.tokens.join(client.ObjectKeyFromObject(c), conn, r.Clock.Now()))
	o := r.verifyWebAPI(ctx, r.begin(c, conn, known))
	o.apply(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	switch cond := conditions.Find(c, v1alpha1.ConditionReady); {
	case cond == nil || cond.Status != metav1.ConditionTrue:
		delete(m.ready, c.Name)
	case m.ready[c.Name].IsZero():
		m.ready[c.Name] = time.Now()
	}
	if o.after == 0 && o.recheck {
		return backoff.Around(max(o.every, r.checkEvery()))
	}
	return o.after
}

// add a SlackChannel that names a channel.
func (m *many) add(channel string) {
	c := slackChannel(strings.ToLower(strings.Trim(channel, "#")), channel)
	m.mu.Lock()
	m.slack[c.Name] = c
	m.mu.Unlock()
	m.queue.Add(reconcile.Request{NamespacedName: client.ObjectKeyFromObject(c)})
}

// half by name and half by ID.
func (m *many) addAll(n int) {
	for i := range n {
		at := i * len(m.town.rooms) / n // all over the workspace
		if i%2 == 0 {
			m.add(fmt.Sprintf("#team-%d", at))
		} else {
			m.add(fmt.Sprintf("C%010d", at))
		}
	}
}

// until n SlackChannels are Ready; it returns how long that took.
func (m *many) until(n int, most time.Duration) time.Duration {
	m.t.Helper()
	begin := time.Now()
	for {
		m.mu.Lock()
		there := len(m.ready)
		m.mu.Unlock()
		if there >= n {
			return time.Since(begin)
		}
		if time.Since(begin) > most {
			m.t.Fatalf("after %v %d of %d SlackChannels are Ready", most, there, n)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

var manyMore = flag.Bool("many-more", false, "check ten thousand SlackChannels, and in a workspace of 100,000 channels")

// Checks of many SlackChannels of one workspace leave nine tenths of Slack's limits
// to deliveries, and all are Ready soon. The figures are in docs/benchmarks.md.
func TestChecksOfMany(t *testing.T) {
	for _, test := range []struct {
		name     string
		n, rooms int
		// ready is the most until all are, and added until one of a new channel is.
		ready, added time.Duration
	}{
		{"a few", 10, 1_000, time.Minute, time.Minute},
		{"1,000 of 2,000 channels", 1_000, 2_000, time.Minute, time.Minute},
		{"10,000 of 20,000 channels", 10_000, 20_000, 3 * time.Minute, time.Minute},
		{"40 of 100,000 channels", 40, 100_000, 8 * time.Minute, time.Minute},
		{"1,000 of 100,000 channels", 1_000, 100_000, 8 * time.Minute, time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			if !*manyMore && test.rooms > 2_000 {
				t.Skip("takes a minute, and many with the race detector: -many-more")
			}
			inATown(t, test.rooms, func(t *testing.T, m *many) {
				m.addAll(test.n)
				ready := m.until(test.n, test.ready)
				time.Sleep(time.Hour)
				methods := []string{slack.MethodAuthTest, slack.MethodConversationsList, slack.MethodConversationInfo}
				before := map[string]int{}
				for _, method := range methods {
					before[method] = m.town.count(method)
				}
				hours := 6
				if test.rooms > 20_000 {
					hours = 24
				}
				time.Sleep(time.Duration(hours) * time.Hour)
				row := fmt.Sprintf("| %d of %d | %v |", test.n, test.rooms, ready.Round(time.Second))
				for _, method := range methods {
					an := float64(m.town.count(method)-before[method]) / float64(hours)
					row += fmt.Sprintf(" %.0f |", an)
					if most := map[string]float64{slack.MethodAuthTest: 60, slack.MethodConversationsList: 120 + 10, slack.MethodConversationInfo: 300 + 10}[method]; an > most {
						t.Errorf("%s is called %.0f times an hour, want at most %.0f", method, an, most)
					}
				}
				m.until(test.n, 0) // all are so still
				m.town.build("brand-new")
				m.add("#brand-new")
				took := m.until(test.n+1, test.added)
				t.Logf("%s %v |", row, took.Round(100*time.Millisecond))
			})
		})
	}
}
