package source

import (
	"context"
	"fmt"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// tally counts the posts of each rule that this process has judged. The zero value is
// ready to use.
type tally struct {
	mu sync.Mutex
	by map[types.UID]*judgements
}

// judgements are those by one generation of a rule.
type judgements struct {
	generation int64
	// all posts, and those for which an expression lacked something or failed.
	all, missing, failed int
	// toldAt is when that was last written into the status.
	toldAt time.Time
}

// maxTallies is how many rules are counted for. Beyond, all are counted anew.
const maxTallies = 10_000

// tellingPace is the time between two changes of the count in a rule's status.
const tellingPace = time.Minute

// add counts a post, and returns the count.
func (t *tally) add(alert *v1alpha1.SlackAlert, failed *alerting.EvalError) judgements {
	t.mu.Lock()
	defer t.mu.Unlock()
	j := t.by[alert.UID]
	if j == nil || j.generation != alert.Generation {
		if t.by == nil || len(t.by) >= maxTallies {
			t.by = map[types.UID]*judgements{}
		}
		j = &judgements{generation: alert.Generation}
		t.by[alert.UID] = j
	}
	j.all++
	switch {
	case failed == nil:
	case failed.Missing:
		j.missing++
	default:
		j.failed++
	}
	return *j
}

// told notes that the count is in the status.
func (t *tally) told(rule types.UID, now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if j := t.by[rule]; j != nil {
		j.toldAt = now
	}
}

func (t *tally) forget(rule types.UID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.by, rule)
}

// condition tells of an expression that can't be evaluated on posts.
func (j judgements) condition(failed *alerting.EvalError) metav1.Condition {
	told := metav1.Condition{Type: v1alpha1.ConditionEvaluating, Status: metav1.ConditionFalse, ObservedGeneration: j.generation}
	share := func(n int) string {
		if j.all == 1 {
			return "a post"
		}
		return fmt.Sprintf("%d of %d posts", kindwatch.About(n), kindwatch.About(j.all))
	}
	if failed.Missing {
		told.Reason = v1alpha1.ReasonFieldMissing
		told.Message = fmt.Sprintf("%s, for %s, which is no evidence: it neither opens an incident nor ends one; say what a missing field means, as in body.?state.orValue('')", failed, share(j.missing))
		return told
	}
	told.Reason = v1alpha1.ReasonEvaluationFailed
	told.Message = fmt.Sprintf("%s, for %s; correct the expression: what it fails for counts for nothing", failed, share(j.failed))
	return told
}

// doubt tells in the rule's status of an expression that can't be evaluated on
// posts. It is written here and not by the controller, because each replica takes
// posts: at once when it is not told yet, and else now and then as the count grows,
// until the controller takes it out again.
func (r *Receiver) doubt(ctx context.Context, alert *v1alpha1.SlackAlert, failed *alerting.EvalError, j judgements) {
	told, now := j.condition(failed), r.Clock.Now()
	for range 3 {
		if alert.Generation != told.ObservedGeneration || !news(alert, told, now.Sub(j.toldAt) < tellingPace) {
			return
		}
		alert = alert.DeepCopy()
		meta.SetStatusCondition(&alert.Status.Conditions, told)
		err := r.Store.Client.Status().Update(ctx, alert)
		if apierrors.IsConflict(err) {
			err = r.Store.Live.Get(ctx, client.ObjectKeyFromObject(alert), alert)
			if err == nil {
				continue
			}
		}
		if err != nil && !apierrors.IsNotFound(err) {
			log.FromContext(ctx).Error(err, "Could not tell in the status that an expression can't be evaluated", "slackalert", client.ObjectKeyFromObject(alert))
		}
		r.tally.told(alert.UID, now)
		return
	}
}

// news reports whether a condition is to be written: what fails goes before what is
// missing, and a count alone, which was just told, is none.
func news(alert *v1alpha1.SlackAlert, told metav1.Condition, lately bool) bool {
	c := meta.FindStatusCondition(alert.Status.Conditions, told.Type)
	switch {
	case c == nil || c.Status != metav1.ConditionFalse || c.ObservedGeneration != told.ObservedGeneration:
		return true
	case c.Reason != told.Reason:
		return told.Reason == v1alpha1.ReasonEvaluationFailed
	}
	return !lately && c.Message != told.Message
}
