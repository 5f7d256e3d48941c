package answering

import (
	"context"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Messages reads one message back (readback.Reader).
type Messages interface {
	One(ctx context.Context, now func() time.Time, api slack.API, p readback.Place, credential, ts string, h pacing.Holder) readback.Answer
}

const (
	// maxStrays wait to be looked up; what is beyond is not looked up.
	maxStrays = 64
	// strayTime is how long it may take to look one up.
	strayTime = 30 * time.Second
)

// stray is a click on a button that names another cluster.
type stray struct {
	from    App
	channel *v1alpha1.SlackChannel
	click   interact.Click
	// cluster is the hash of this one.
	cluster string
}

// strays are looked up one after the other, beside the taking of clicks.
type strays struct {
	once  sync.Once
	queue chan stray
	asked pacer
}

func (s *strays) line() chan stray {
	s.once.Do(func() { s.queue = make(chan stray, maxStrays) })
	return s.queue
}

// astray deals with a click on a button that names another cluster. The person is
// told. What the button names is not believed: everybody can write such a button into
// his own blocks, also by the app's webhooks.
func (t *Taker) astray(ctx context.Context, from App, click interact.Click, cluster string) {
	c := t.anyChannel(ctx, from, click.TeamID)
	t.tell(c, click, t.foreign())
	if t.Shared == nil || !t.strays.asked.may(types.UID(click.ConversationID+"/"+click.Timestamp), t.Clock.Now()) {
		return
	}
	select {
	case t.strays.line() <- stray{from, c, click, cluster}:
	default:
	}
}

// follow looks strays up until ctx ends.
func (t *Taker) follow(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-t.strays.line():
			t.Shared(one.from, t.proven(ctx, one))
		}
	}
}

// proven reports whether the message that was pressed is another cluster's, by what
// Slack has of it.
func (t *Taker) proven(ctx context.Context, s stray) bool {
	if s.channel == nil || t.Messages == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(ctx, strayTime)
	defer cancel()
	conn, err := t.Connections.Resolve(ctx, s.channel)
	if err != nil || conn.API == nil {
		return false
	}
	identity, err := t.identities.of(ctx, conn)
	if err != nil {
		return false
	}
	place := readback.Place{
		Workspace:    conn.Workspace(identity),
		Conversation: s.click.ConversationID, Thread: s.click.ThreadTS,
	}
	holder := pacing.Holder{Name: "stray/" + s.click.ConversationID + "/" + s.click.Timestamp, Group: "stray"}
	for {
		a := t.Messages.One(ctx, t.Clock.Now, conn.API, place, conn.Credential, s.click.Timestamp, holder)
		switch {
		case a.Kind == readback.Found:
			return elsewhere(a.Message, identity.BotUserID, s.cluster)
		case a.Kind != readback.Later:
			return false
		}
		timer := t.Clock.NewTimer(max(a.At.Sub(t.Clock.Now()), lookEvery))
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C():
		}
	}
}

// elsewhere reports whether a message was posted by another cluster, or by another
// program with the bot's token. An operator marks its messages with buttons, so what
// this one has posted for somebody is known, whatever its blocks say; and a webhook is
// not the bot.
func elsewhere(m slack.StoredMessage, bot, cluster string) bool {
	if m.Metadata != nil && m.Metadata.EventType == message.EventType {
		of := m.Metadata.Payload[message.PayloadCluster]
		return of != "" && of != cluster
	}
	return bot != "" && m.UserID == bot
}

// foreign tells the person that the click went astray.
func (t *Taker) foreign() string {
	here := "another one"
	if t.ClusterName != "" {
		here = "cluster " + escape(t.ClusterName)
	}
	return "This button belongs to another cluster, and " + here + " got the click, because both use the same Slack app: nothing was recorded. Press again; for good, give each cluster a Slack app of its own."
}
