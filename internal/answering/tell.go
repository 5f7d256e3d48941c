package answering

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

const (
	// tellers tell people at once, and maxTold wait for one of them.
	tellers = 4
	maxTold = 256
	// privateTellers and maxPrivate are for SlackChannels with a proxy or CA of their
	// own, whose server may be slow; maxOfOne of these for one namespace.
	privateTellers = 2
	maxPrivate     = 64
	maxOfOne       = 16
	// tellTime is how long it may take to tell one.
	tellTime = 10 * time.Second
)

// told is what somebody is to be told.
type told struct {
	channel       *v1alpha1.SlackChannel
	address, text string
	uid           string
	// done gives the place back.
	done func()
}

// teller tells people what came of their clicks, beside the taking of them: an
// acknowledgement waits for nobody. What it can't tell is lost.
type teller struct {
	once           sync.Once
	queue, private chan told

	mu sync.Mutex
	// of counts what is told, or waits for it, by private ways.
	of map[slack.Domain]int
}

// enter takes a place for what goes by a domain; not ok without one.
func (t *teller) enter(d slack.Domain) (leave func(), ok bool) {
	if !d.Private() {
		return func() {}, true
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.of[d] >= maxOfOne {
		return nil, false
	}
	if t.of == nil {
		t.of = map[slack.Domain]int{}
	}
	t.of[d]++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.of[d]--; t.of[d] == 0 {
			delete(t.of, d)
		}
	}, true
}

func (t *teller) line(private bool) chan told {
	t.once.Do(func() { t.queue, t.private = make(chan told, maxTold), make(chan told, maxPrivate) })
	if private {
		return t.private
	}
	return t.queue
}

// tell queues a text for the person who pressed, in mrkdwn.
func (t *Taker) tell(c *v1alpha1.SlackChannel, click interact.Click, text string) {
	if c == nil || click.ResponseURL == "" {
		return
	}
	d := connection.DomainOf(c)
	leave, ok := t.teller.enter(d)
	if !ok {
		t.Log.V(1).Info("Could not tell a person what came of a click, since too many of the namespace wait for its own proxy", "slackchannel", client.ObjectKeyFromObject(c))
		return
	}
	select {
	case t.teller.line(d.Private()) <- told{c, click.ResponseURL, text, string(click.Button.UID), leave}:
	default:
		leave()
		t.Log.Info("Could not tell a person what came of a click, since too many wait for that", "user", click.UserID)
	}
}

// NeedLeaderElection is false: every replica takes clicks.
func (*Taker) NeedLeaderElection() bool { return false }

// Start tells people, and looks up what went astray, until ctx ends
// (manager.Runnable).
func (t *Taker) Start(ctx context.Context) error {
	var group sync.WaitGroup
	group.Go(func() { t.follow(ctx) })
	for i := range tellers + privateTellers {
		line := t.teller.line(i >= tellers)
		group.Go(func() {
			for {
				select {
				case <-ctx.Done():
					return
				case one := <-line:
					t.say(ctx, one)
				}
			}
		})
	}
	group.Wait()
	return nil
}

func (t *Taker) say(ctx context.Context, one told) {
	defer one.done()
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	conn, err := t.Connections.Resolve(ctx, one.channel)
	if err == nil && conn.Responder != nil {
		err = conn.Responder.Tell(ctx, one.address, one.text)
	}
	if err != nil {
		t.Log.Info("Could not tell a person what came of a click", "slackchannel", client.ObjectKeyFromObject(one.channel), "error", err.Error())
	}
}

// anyChannel is a SlackChannel of the app, by which its people can be told: one of
// the workspace of the click where there is one. It is nil when there is none.
func (t *Taker) anyChannel(ctx context.Context, from App, team string) (found *v1alpha1.SlackChannel) {
	for _, one := range from.Channels {
		c := &v1alpha1.SlackChannel{}
		if t.Client.Get(ctx, one.NamespacedName, c) != nil || c.UID != one.UID {
			continue
		}
		if at := c.Status.Workspace; at != nil && at.ID == team {
			return c
		}
		if found == nil {
			found = c
		}
	}
	return found
}
