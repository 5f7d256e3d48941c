package source

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// deaf knows since when a rule has taken posts. What was not heard before that
// is no evidence. The zero value is ready to use.
type deaf struct {
	mu    sync.Mutex
	since map[types.UID]time.Time
}

// until returns since when a rule takes posts: from now on when that is asked
// for the first time, or when deaf is true.
func (d *deaf) until(rule types.UID, now time.Time, deaf bool) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.since == nil {
		d.since = map[types.UID]time.Time{}
	}
	if _, known := d.since[rule]; !known || deaf {
		d.since[rule] = now
	}
	return d.since[rule]
}

func (d *deaf) forget(rule types.UID) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.since, rule)
}

// Deaf says that a rule takes no posts now, so that nothing counts as over for
// want of them.
func (r *Receiver) Deaf(rule types.UID) { r.deaf.until(rule, r.Clock.Now(), true) }

// Forget drops what is kept in memory of a rule that is gone.
func (r *Receiver) Forget(rule types.UID) {
	r.deaf.forget(rule)
	r.tally.forget(rule)
}

// comeback is how long who could not post is given to post again. Alertmanager
// does by group_interval.
const comeback = time.Hour

// latePosts is how long a sender may still tell of something as firing that is
// over (Alertmanager's group_interval), with time to spare.
const latePosts = 2 * time.Hour

// Heard is what the posts of a rule have left behind.
type Heard struct {
	// Next is when EndQuiet is to be called again; zero for when something
	// changes.
	Next time.Time
	// Unread says that a post was too large to be read, and what to do; empty if
	// none was of late.
	Unread string
}

// EndQuiet ends what no post has told of for spec.resolveAfter.
func (r *Receiver) EndQuiet(ctx context.Context, alert *v1alpha1.SlackAlert) (Heard, error) {
	return postedSources[alerting.SourceOf(&alert.Spec)].endQuiet(r, ctx, alert)
}

func sooner(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// forWantOfNews says that nothing was posted of an incident for a time.
func forWantOfNews(within time.Duration) string { return forWantOf("post", within) }

// forWantOf says what has not come.
func forWantOf(news string, within time.Duration) string {
	return fmt.Sprintf("_No %s has told of it for %s (resolveAfter), so it counts as resolved. Nothing has said that it is over._", news, shortDuration(within))
}

// shortDuration is a duration as people write it: 1h30m, not 1h30m0s.
func shortDuration(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if len(text) > len(zero) && text[len(text)-len(zero):] == zero {
			text = text[:len(text)-2]
		}
	}
	return text
}
