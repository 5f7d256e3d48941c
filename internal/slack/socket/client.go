package socket

import (
	"context"
	"net/http"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// Opener asks Slack for the URL of a connection; every error is an *slack.Error.
type Opener interface {
	OpenConnection(ctx context.Context) (string, error)
}

// Taker is told of one interactive payload as Slack sent it.
type Taker interface {
	// Take returns true when the payload may be acknowledged: what had to be stored
	// is stored. It returns within ctx, which ends TakeTime after the payload was
	// read.
	Take(ctx context.Context, from App, payload []byte) (acknowledge bool)
}

// App is whom a payload came for.
type App struct {
	// AppID (A…) of the app, as Slack told it of the connection or of the bot; empty
	// when it did not say.
	AppID string
	// TeamID (T…) of the workspace, as auth.test tells it of the SlackChannels' tokens;
	// empty when they are of several, or it is not known yet.
	TeamID string
	// Channels share the connection: what they have posted may be answered through
	// it.
	Channels []Channel
	// Unsure is true when it could not be told now whether Channels are all.
	Unsure bool
}

// Channel is a SlackChannel.
type Channel struct {
	types.NamespacedName
	UID types.UID
	// TeamID of its workspace; empty when it is not known yet.
	TeamID string
}

// Options of New.
type Options struct {
	// Opener with the app-level token.
	Opener Opener
	// Client made by egress.NewClient.
	Client *http.Client
	// Take is told of what people press, as of the app that hello named. It is
	// Taker.Take with what else the caller knows of the app.
	Take func(ctx context.Context, appID string, payload []byte) bool
	// Meter is told what happens.
	Meter Meter
	// Changed, if set, is called when State has changed.
	Changed func()
	// Times are DefaultTimes when zero.
	Times Times
	// Frames is the memory for long frames and for payloads, which connections may
	// share; nil is without a bound but the connection's own.
	Frames *egress.Budget
}

// TakeTime is how long a payload may take from when it was read to when it is
// stored. After 3 s Slack tells the person that it failed
// (docs.slack.dev/interactivity/handling-user-interaction).
const TakeTime = 2500 * time.Millisecond

// Times of a Client, for tests to shorten.
type Times struct {
	// Take is TakeTime.
	Take time.Duration
	// FirstPause and LongestPause are between attempts, of which the growth ends
	// with a connection that lived for Good.
	FirstPause, LongestPause, Good time.Duration
	// TooMany is the pause after too_many_websockets, and Off that after what a
	// person has to mend.
	TooMany, Off time.Duration
	// Hello is how long a hello may take after the connection was opened.
	Hello time.Duration
	// Ping is the time between two pings, and Pong how long the answer may take.
	Ping, Pong time.Duration
	// Before is how long before its end a connection is replaced.
	Before time.Duration
	// Linger is how long an old connection is read beside a new one, when Slack has
	// said that it ends it; it is Before and Linger otherwise.
	Linger time.Duration
}

// DefaultTimes of a Client.
func DefaultTimes() Times {
	return Times{
		Take: TakeTime, FirstPause: time.Second, LongestPause: time.Minute, Good: time.Minute, TooMany: time.Minute, Off: 10 * time.Minute,
		Hello: 15 * time.Second, Ping: 15 * time.Second, Pong: 10 * time.Second, Before: time.Minute, Linger: 15 * time.Second,
	}
}

// Client keeps a connection to one app.
type Client struct {
	o           Options
	kick, renew chan struct{}

	mu    sync.Mutex
	state State
	// open connections, those that are being replaced too.
	open map[*conn]struct{}
	// bytes of the payloads that are being taken.
	bytes int
	// idle is told when something was taken.
	idle *sync.Cond
}

// New returns a client, which Run starts.
func New(o Options) *Client {
	if o.Times == (Times{}) {
		o.Times = DefaultTimes()
	}
	if o.Changed == nil {
		o.Changed = func() {}
	}
	c := &Client{o: o, kick: make(chan struct{}, 1), renew: make(chan struct{}, 1), open: map[*conn]struct{}{}}
	c.idle = sync.NewCond(&c.mu)
	return c
}

// State of the connection.
func (c *Client) State() State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

// Kick ends the pause before the next attempt, if there is one.
func (c *Client) Kick() {
	select {
	case c.kick <- struct{}{}:
	default:
	}
}

// Renew replaces the connection by another one, whose hello tells how many the app
// has now.
func (c *Client) Renew() {
	select {
	case c.renew <- struct{}{}:
	default:
	}
}

// set changes the state, and tells of what is worth to be told.
func (c *Client) set(change func(*State)) {
	c.mu.Lock()
	before := c.state
	change(&c.state)
	after := c.state
	c.mu.Unlock()
	before.Hello, after.Hello = time.Time{}, time.Time{}
	if sameError(before.Err, after.Err) {
		before.Err, after.Err = nil, nil
	}
	if before != after {
		c.o.Changed()
	}
}

func sameError(a, b *slack.Error) bool {
	return a == b || a != nil && b != nil && a.Error() == b.Error()
}

// Run keeps a connection until ctx ends, then lets what is being taken come to its
// end and closes.
func (c *Client) Run(ctx context.Context) {
	c.set(func(s *State) { s.Since = time.Now() })
	var current *conn
	failures := 0
	for ctx.Err() == nil {
		next, trouble, err := c.connect(ctx)
		if ctx.Err() != nil {
			break
		}
		if next == nil {
			failures++
			c.failed(current, trouble, err)
			c.rest(ctx, c.pause(trouble, err, failures))
			if current != nil && current.ended() {
				current = nil
			}
			continue
		}
		if current != nil {
			go current.retire()
		}
		current = next
		if why, bad := c.hold(ctx, current, &failures); bad {
			c.rest(ctx, c.pause(why, nil, failures))
		}
		if current.ended() {
			current = nil
		}
	}
	c.stop()
}

// hold waits until a connection ends, or is to be replaced. Bad means that another
// one has to wait: Slack wants none now, or this one was no better than none.
func (c *Client) hold(ctx context.Context, current *conn, failures *int) (why Trouble, bad bool) {
	asked := false
	select {
	case <-ctx.Done():
		return Stopped, false
	case <-current.done:
	case <-current.renew:
	case <-c.renew:
		asked = true
		current.replace(Renewed, c.o.Times.Linger)
	}
	why = current.why()
	good := time.Since(current.opened) >= c.o.Times.Good
	if good {
		*failures = 0
	}
	if bad = why == TooMany || why == Disabled || !asked && !good; bad {
		*failures++
	}
	return why, bad
}

// failed notes an attempt that came to nothing.
func (c *Client) failed(current *conn, trouble Trouble, err *slack.Error) {
	c.o.Meter.Disconnected(string(trouble))
	c.set(func(s *State) {
		s.Trouble, s.Err = trouble, err
		s.Connected = current != nil && !current.ended()
		if !s.Connected && s.Since.IsZero() {
			s.Since = time.Now()
		}
	})
}

// pause before the next attempt.
func (c *Client) pause(trouble Trouble, err *slack.Error, failures int) time.Duration {
	t := c.o.Times
	pause := backoff.Full(failures, 2*t.FirstPause, t.LongestPause)
	switch {
	case trouble == TooMany:
		return backoff.Around(t.TooMany) + t.TooMany/10
	case trouble == Disabled, err != nil && !err.Class.Transient():
		return backoff.Around(t.Off)
	case err != nil:
		return max(pause, err.RetryAfter)
	}
	return pause
}

// rest waits for the next attempt, unless somebody has mended something.
func (c *Client) rest(ctx context.Context, pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	case <-c.kick:
	}
}

// stop ends all connections, each with a close frame.
func (c *Client) stop() {
	c.mu.Lock()
	open := make([]*conn, 0, len(c.open))
	for one := range c.open {
		open = append(open, one)
	}
	c.mu.Unlock()
	var all sync.WaitGroup
	for _, one := range open {
		all.Go(func() { one.close(Stopped) })
	}
	all.Wait()
	c.set(func(s *State) { s.Connected, s.Trouble = false, Stopped })
}
