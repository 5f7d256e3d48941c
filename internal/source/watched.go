package source

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// Watched is a source whose objects are watched in the cluster, for one rule. It is
// the handler of the rule's watch, and safe for concurrent use.
type Watched interface {
	kindwatch.Handler
	// Update of a group that has changed or is overdue. commit is called when it is
	// stored.
	Update(key alerting.Key, p *Pass) (u incident.Update, commit func())
	// Overdue tells when an open incident is to be looked at though nothing
	// has changed; false for never.
	Overdue(open incident.Group) (time.Time, bool)
	// Suppress is told when a person has deleted an open incident.
	Suppress(key string)
	// Begun is told when all that there was at first has been looked at.
	Begun(w Watch)
	// Save writes into the status what must survive a restart, now and then, and
	// returns when there is more to write; zero for when something changes.
	Save(alert *v1alpha1.SlackAlert) time.Time
	// Failures tells of expressions that can't be evaluated.
	Failures() Failures
	// Share tells for people how many there are of all that is looked at.
	Share(n int, w Watch) string
}

// Watch is what a source asks of its watch.
type Watch interface {
	// Get returns an object, or nil. It must not be changed.
	Get(namespace, name string) map[string]any
	// Count is how many objects are counted of those that are watched.
	Count(counts func(*kindwatch.Object) bool) int
	// Replay has the source look at all that there is once more.
	Replay()
	// Version is the resourceVersion up to where the watch has come; empty when it
	// can't be told.
	Version() string
}

// Schedule has the groups of a source looked at: Update is called for those whose
// time has come.
type Schedule interface {
	// Now is the time by the clock that all times of the source are by.
	Now() time.Time
	// Changed notes that a group has changed. What begins or ceases to fire is urgent.
	Changed(key string, now time.Time, urgent bool)
	// At notes that a group is to be looked at when a time has come.
	At(key string, at time.Time)
	// Wake has the rule reconciled, though no group has changed.
	Wake()
}

// Env is what a source that is watched is handed.
type Env struct {
	// Alert is the rule as it is stored, and Rule what it says, compiled.
	Alert *v1alpha1.SlackAlert
	Rule  *alerting.Rule
	// Scope is what the rule looks at.
	Scope *kindwatch.Scope
	// Schedule of the rule's groups.
	Schedule Schedule
	// Evaluated is told the result of each evaluation, as it is counted.
	Evaluated func(result string)
}

// Target is what a rule asks to be watched.
type Target struct {
	// Field is the source's place in the rule.
	Field string
	// Kind of the objects, and Plural what people call them; empty for the
	// plural of the kind.
	Kind   schema.GroupVersionKind
	Plural string
	// Selector of the objects, and Namespaces that of other namespaces than the rule's
	// own; nil for none.
	Selector, Namespaces *metav1.LabelSelector
}

// Failures tells of expressions of a rule that can't be evaluated.
type Failures struct {
	// Failing is how many objects or Events they can't be evaluated for; Missing
	// is how many of those lack a field.
	Failing, Missing int
	// Broken is one where an expression fails by itself, and Lacking one that
	// lacks a field; empty if there is none.
	Broken, Lacking string
	// Next is when that is told which has only just begun to fail.
	Next time.Time
	// Hint is what "when" names and nothing has had so far.
	Hint string
}

// watchedSource is what the controller has to know of a source before it is at work.
type watchedSource struct {
	// target is what a rule asks for. The error is a kindwatch.Unavailable.
	target func(alert *v1alpha1.SlackAlert) (Target, error)
	// follow begins the source, which goes on where the one before it has been;
	// before is nil when there was none.
	follow func(e Env, before Watched) Watched
	// retain tells which incidents that are over must be kept, so that they are not
	// opened again; nil for none.
	retain func(alert *v1alpha1.SlackAlert) func(current incident.Current, over time.Time) bool
}

// watchedSources are those that are watched. All others are posted.
var watchedSources = map[alerting.Source]watchedSource{
	alerting.Objects: {target: objectsTarget, follow: followObjects},
	alerting.Events:  {target: eventsTarget, follow: followEvents, retain: retainEvents},
}

// TargetOf is what a rule asks to be watched, and the zero Target for one that takes
// posts. The error is a kindwatch.Unavailable.
func TargetOf(alert *v1alpha1.SlackAlert) (Target, error) {
	if TakesPosts(alert) {
		return Target{}, nil
	}
	return watchedSources[alerting.SourceOf(&alert.Spec)].target(alert)
}

// Follow begins the source of a rule, which goes on where the one before it has
// been; before is nil when there was none.
func Follow(e Env, before Watched) Watched {
	return watchedSources[e.Rule.Source].follow(e, before)
}

// MustRetain tells which incidents that are over must be kept, so that they are not
// opened again; nil for none.
func MustRetain(alert *v1alpha1.SlackAlert, now func() time.Time) func(current incident.Current, over time.Time) bool {
	source, ok := watchedSources[alerting.SourceOf(&alert.Spec)]
	switch {
	case !ok:
		return func(_ incident.Current, over time.Time) bool { return now().Sub(over) < latePosts }
	case source.retain == nil:
		return nil
	}
	return source.retain(alert)
}

// earlier of two times, of which zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
