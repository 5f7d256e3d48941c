package channel

import (
	"context"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// creation is an attempt to create a channel of which it is not known what
// became of it.
type creation struct {
	name string
	// from and to are when the call was under way.
	from, to time.Time
}

// clockMargin is how far Slack's clock may be from this one.
const clockMargin = time.Minute

// made reports whether a channel may be what the attempt has made.
func (a creation) made(found slack.Conversation) bool {
	return !a.from.IsZero() && a.name == found.Name &&
		!found.Created.Before(a.from.Add(-clockMargin)) && !found.Created.After(a.to.Add(clockMargin))
}

// createdHere reports whether a channel was created for a SlackChannel of this
// cluster, by an operator that could not write it down. That the bot has made it
// lately is not enough: in another cluster the same manifest may have done so.
// So there must be an attempt whose answer this process has lost, or one that
// an earlier process announced and did not live to see; or a SlackChannel of
// this cluster must own the channel, which then passes to the older.
func (r *Reconciler) createdHere(ctx context.Context, k *check, found slack.Conversation) (bool, error) {
	if !mayCreate(k.c) || found.Creator == "" || found.Creator != k.identity.BotUserID {
		return false, nil
	}
	if k.managed.lost.made(found) || k.managed.inherited.made(found) {
		return true, nil
	}
	others, err := r.claimants(ctx, k.c, found.ID)
	for i := range others {
		if others[i].Status.Managed == found.ID {
			return true, err
		}
	}
	return false, err
}

// requeueSoon goes on as soon as the status is written.
const requeueSoon = time.Millisecond

// maxTimeout is the longest that spec.connection.timeout lets a call take.
const maxTimeout = 2 * time.Minute

// The announcement of a creation, around the name and the time.
const (
	announcing   = "channel #"
	announcingAt = " is being created, as of "
)

// announceCreation writes into the status that a channel is about to be created:
// should this process not live to see the answer, the next one knows of the
// attempt. It returns nil when that stands in the status, and when the creation
// was refused or got lost before: to say so at each attempt would be a write and
// an Event each time, for a crash at the very moment.
func (r *Reconciler) announceCreation(k *check) *outcome {
	ready := conditions.Find(k.c, v1alpha1.ConditionReady)
	if !k.managed.lost.from.IsZero() || k.holds && ready != nil && ready.Status == metav1.ConditionFalse {
		return nil
	}
	if a := announcedCreation(k.c); a.name == k.managed.name && a.from.Add(clockMargin).After(r.Clock.Now()) {
		return nil
	}
	return progressing(announcing+k.managed.name+announcingAt+r.Clock.Now().UTC().Format(time.RFC3339), requeueSoon)
}

// announcedCreation reads an announcement from the status; zero when there is none.
func announcedCreation(c *v1alpha1.SlackChannel) creation {
	cond := conditions.Find(c, v1alpha1.ConditionReady)
	if cond == nil || cond.Reason != v1alpha1.ReasonVerifying {
		return creation{}
	}
	rest, ok := strings.CutPrefix(cond.Message, announcing)
	name, at, ok2 := strings.Cut(rest, announcingAt)
	from, err := time.Parse(time.RFC3339, at)
	if !ok || !ok2 || err != nil {
		return creation{}
	}
	return creation{name: name, from: from, to: from.Add(clockMargin + maxTimeout)}
}
