package directory

import (
	"context"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

const (
	// keepUnused is how long lists and answers are kept that nobody asks for.
	keepUnused = time.Hour
	sweepEvery = 5 * time.Minute
)

// sweepOften drops what is not used any more, until ctx ends.
func (d *Directory) sweepOften(ctx context.Context) {
	for {
		timer := d.clock.NewTimer(sweepEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
			d.sweep()
		}
	}
}

func (d *Directory) sweep() {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.clock.Now()
	unused, old := now.Add(-keepUnused), now.Add(-d.options.MissEvery)
	sweepLists(d.users, unused, old)
	sweepLists(d.convs, unused, old)
	for key, l := range d.groups {
		l.refused.expire(old)
		if !l.used.After(unused) {
			delete(d.groups, key)
		}
	}
	sweepAnswers(d.infos, unused)
	sweepAnswers(d.emails, unused)
	d.absent.expire(old)
	for key, a := range d.asked {
		if !a.since.After(unused) {
			delete(d.asked, key)
		}
	}
	for key, c := range d.contradicted {
		if !c.at.After(unused) {
			delete(d.contradicted, key)
		}
	}
}

func sweepLists[K comparable, E entry](lists map[K]*list[E], unused, old time.Time) {
	for key, l := range lists {
		l.refused.expire(old)
		if !l.used.After(unused) {
			l.stop()
			delete(lists, key)
		}
	}
}

func sweepAnswers[K comparable, T any](answers map[K]known[T], unused time.Time) {
	for key, a := range answers {
		if !a.used.After(unused) {
			delete(answers, key)
		}
	}
}

// Forget stops using credentials, because the SlackChannel that they are from
// was deleted or has others now. A list that is being read with them is read on
// with those of somebody else who waits for it, or not at all. Whoever waits
// with the forgotten ones is woken.
func (d *Directory) Forget(credential string) {
	if credential == "" {
		return
	}
	d.mu.Lock()
	var owners []string
	for _, l := range d.users {
		owners = append(owners, l.forget(credential)...)
	}
	for _, l := range d.convs {
		owners = append(owners, l.forget(credential)...)
	}
	for _, l := range d.groups {
		delete(l.refused, credential)
	}
	d.mu.Unlock()
	for _, owner := range owners {
		d.options.Wake(owner)
	}
}

// Invalidate forgets what is known of a conversation, or of a direct message,
// because Slack said otherwise (channel_not_found, is_archived, …): the next
// lookup asks anew.
func (d *Directory) Invalidate(workspace slack.Workspace, conversationID string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	team := workspace.AllApps()
	d.contradict(team, conversationID)
	for key, l := range d.convs {
		if key.AllApps() == team {
			makeRoom(l.doubted, maxNewer)
			l.doubted[conversationID] = d.clock.Now()
		}
	}
}
