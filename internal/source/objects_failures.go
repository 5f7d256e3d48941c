package source

import (
	"fmt"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// evaluatingGrace is how long an object may lack a field before that is told: many
// have no status when they are new.
const evaluatingGrace = 2 * time.Second

// Failures implements Watched.
func (o *objects) Failures() Failures {
	o.mu.Lock()
	defer o.mu.Unlock()
	var t Failures
	now := o.schedule.Now()
	for _, f := range o.failing {
		if f.undecided {
			continue
		}
		if due := f.at.Add(evaluatingGrace); f.missing && now.Before(due) {
			t.Next = earlier(t.Next, due)
			continue
		}
		t.Failing++
		words := &t.Broken
		if f.missing {
			t.Missing++
			words = &t.Lacking
		}
		if text := f.thing.Kind + " " + strings.TrimPrefix(f.thing.Namespace+"/"+f.thing.Name, "/") + ": " + f.text; *words == "" || text < *words {
			*words = text
		}
	}
	if o.evaluated > 0 && o.missing == o.evaluated {
		t.Hint = o.missed
	}
	return t
}

// Share implements Watched.
func (o *objects) Share(n int, w Watch) string {
	all := w.Count(func(c *kindwatch.Object) bool { return o.scope.Has(c.Namespace, c.Labels) && !ofRules(c) })
	return fmt.Sprintf("%d of %d %s", kindwatch.About(n), kindwatch.About(max(n, all)), o.scope.Kind.Plural())
}
