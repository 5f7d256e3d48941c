package silence

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/backoff"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
	"github.com/slack-notifier/slack-notifier/internal/silencer"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// job is one pass over the silence of one incident.
type job struct {
	*Reconciler
	notification *v1alpha1.SlackNotification
	alert        *v1alpha1.SlackAlert
	state        incident.State
	wanted       *incident.Silence
	response     *v1alpha1.Response
	memory       *memory
}

// advance does the next thing, and returns when to come again; 0 for when something
// changes.
func (j *job) advance(ctx context.Context) (time.Duration, error) {
	result := j.response.Silence
	began := result != nil && (result.State == v1alpha1.SilenceActive || result.State == v1alpha1.SilencePending)
	switch {
	case result != nil && result.State == v1alpha1.SilenceFailed:
		return 0, nil
	case result != nil && result.State == v1alpha1.SilenceEnded:
		return j.lookAfter(ctx)
	case j.wanted.Refused != "":
		return 0, j.fail(ctx, j.wanted.Refused)
	case !j.within() && result == nil:
		return 0, j.fail(ctx, "a silence of this SlackAlert must match its own namespace: the annotation "+incident.StateAnnotation+" was changed by somebody else than the operator")
	case !j.within() || !j.state.Open() || j.wanted.Ending || j.wanted.Over:
		return j.finish(ctx)
	}
	return j.keep(ctx, began)
}

// keep looks after a silence that is wanted, or makes it.
func (j *job) keep(ctx context.Context, began bool) (time.Duration, error) {
	switch {
	case began && j.response.Silence.State == v1alpha1.SilenceActive:
		return j.look(ctx)
	case j.alert.Spec.Suspend && !began:
		return 0, nil
	}
	return j.begin(ctx)
}

// due is how long the silence is to be from now on.
func (j *job) due() time.Time {
	if !j.wanted.Until.IsZero() {
		return j.wanted.Until
	}
	return j.Clock.Now().Add(j.Times.Length)
}

// mark is what a silence is known by.
func (j *job) mark() string {
	return fmt.Sprintf("[slack-notifier %s/%s]", j.notification.UID, j.response.ID)
}

// matchers of the silence.
func (j *job) matchers() []silencer.Matcher {
	out := make([]silencer.Matcher, len(j.wanted.Matchers))
	for i, m := range j.wanted.Matchers {
		out[i] = silencer.Matcher{Name: m.Name, Value: m.Value}
	}
	return out
}

// within reports whether the silence stays within the rule's namespace, or may leave
// it. That it does was seen to when it was offered; but who may edit an incident may
// edit its annotations too.
func (j *job) within() bool {
	return slices.Contains(j.ClusterScopeNamespaces, j.alert.Namespace) ||
		slices.Contains(j.wanted.Matchers, incident.Matcher{Name: source.NamespaceLabel, Value: j.alert.Namespace})
}

// maxTitle of an incident is in the comment, in characters.
const maxTitle = 150

// silence is what Alertmanager is asked for.
func (j *job) silence() silencer.Silence {
	title := []rune(safetext.Line(j.notification.Spec.Title))
	by := safetext.Line(j.wanted.Name)
	return silencer.Silence{
		// Alertmanager makes now of what is past; its clock may be behind ours.
		Matchers: j.matchers(), StartsAt: j.Clock.Now().Add(-time.Minute), EndsAt: j.due(),
		CreatedBy: strings.TrimSpace(by + " (Slack " + safetext.Line(j.wanted.By) + ")"),
		Comment:   "Silenced from Slack: " + string(title[:min(len(title), maxTitle)]) + " " + j.mark(),
	}
}

// unsettled is how long to wait until what was done before shows.
func (j *job) unsettled() time.Duration {
	j.mu.Lock()
	since := j.began
	j.mu.Unlock()
	if j.memory.tried.After(since) {
		since = j.memory.tried
	}
	return since.Add(j.Times.Settle).Sub(j.Clock.Now())
}

// begin makes the silence, unless it is there already.
func (j *job) begin(ctx context.Context) (time.Duration, error) {
	if wait := j.unsettled(); wait > 0 {
		return wait, nil
	}
	if !j.wanted.Until.IsZero() && !j.Clock.Now().Before(j.wanted.Until) {
		return j.finish(ctx)
	}
	am, err := j.connect(ctx)
	if err != nil {
		return j.unable(ctx, err)
	}
	defer am.Close()
	there, err := am.Find(ctx, j.matchers(), j.mark())
	if err != nil {
		return j.failed(ctx, err)
	}
	if len(there) > 0 {
		return j.holds(ctx, last(there))
	}
	j.memory.tried, j.memory.absent = time.Time{}, true
	alerts, err := am.Alerts(ctx, j.matchers())
	if err != nil {
		return j.failed(ctx, err)
	}
	if !j.among(alerts) {
		return 0, j.fail(ctx, "that Alertmanager has no alert of this incident that the silence would match: check spec.actions.silence.alertmanager.url of the SlackAlert")
	}
	s := j.silence()
	id, err := am.Put(ctx, s)
	if err != nil {
		var e *silencer.Error
		if errors.As(err, &e) && e.Sent {
			j.memory.tried, j.memory.absent = j.Clock.Now(), false
		}
		return j.failed(ctx, err)
	}
	s.ID = id
	log.FromContext(ctx).Info("Silenced in Alertmanager", "silence", id, "until", s.EndsAt, "by", j.wanted.By)
	return j.holds(ctx, s)
}

// last is the silence that holds the longest.
func last(list []silencer.Silence) silencer.Silence {
	out := list[0]
	for _, s := range list[1:] {
		if s.EndsAt.After(out.EndsAt) {
			out = s
		}
	}
	return out
}

// holds records that Alertmanager has the silence.
func (j *job) holds(ctx context.Context, s silencer.Silence) (time.Duration, error) {
	j.memory.failures = 0
	end := metav1.NewTime(s.EndsAt.Truncate(time.Second))
	err := j.record(ctx, v1alpha1.SilenceResult{ID: s.ID, State: v1alpha1.SilenceActive, EndsAt: &end})
	return j.next(s.EndsAt), err
}

// next is when to look again.
func (j *job) next(end time.Time) time.Duration {
	wait := j.Times.Look
	if left := end.Sub(j.Clock.Now()); !j.wanted.Until.IsZero() && left > 0 {
		wait = min(wait, left+time.Second)
	}
	return wait
}

// failed deals with a call that failed: what is final is told, all else tried again.
func (j *job) failed(ctx context.Context, err error) (time.Duration, error) {
	var e *silencer.Error
	if !errors.As(err, &e) {
		return 0, err
	}
	j.memory.failures++
	now, result := j.Clock.Now(), j.response.Silence
	starting := (result == nil || result.State == v1alpha1.SilencePending) && (j.memory.absent || j.unasked())
	switch {
	case starting && e.Final():
		return 0, j.fail(ctx, e.Words)
	case starting && now.Sub(j.response.RecordedAt.Time) > j.Times.Patience:
		return 0, j.fail(ctx, e.Words+"; it was tried for "+j.Times.Patience.String())
	case result != nil && result.State == v1alpha1.SilenceActive && result.EndsAt != nil && now.After(result.EndsAt.Time) && !j.state.Open():
		return 0, j.ended(ctx, "") // by itself
	}
	return j.again(ctx, e)
}

// again has Alertmanager asked again after a pause, and tells of a failure that lasts.
func (j *job) again(ctx context.Context, e *silencer.Error) (time.Duration, error) {
	pause := backoff.Full(j.memory.failures, time.Second, max(j.Times.Look, time.Second))
	if j.memory.failures == 1 {
		log.FromContext(ctx).Info("Alertmanager did not do what it was asked for; it is asked again", "problem", e.Words)
	}
	if j.memory.failures < 3 {
		return pause, nil
	}
	told := v1alpha1.SilenceResult{State: v1alpha1.SilencePending}
	if j.response.Silence != nil {
		told = *j.response.Silence
	}
	told.Message = e.Words
	return pause, j.record(ctx, told)
}

// unable deals with an Alertmanager that can't be asked as the SlackAlert says.
func (j *job) unable(ctx context.Context, err error) (time.Duration, error) {
	var p *Problem
	if !errors.As(err, &p) {
		return 0, err
	}
	if j.response.Silence == nil && j.unasked() {
		return 0, j.fail(ctx, p.Message)
	}
	return j.failed(ctx, &silencer.Error{Words: p.Message})
}

// unasked reports whether nobody has asked for the silence: no other process has led
// since it is wanted, and this one has not.
func (j *job) unasked() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.wanted.At.After(j.began) && j.memory.tried.IsZero()
}

// maxWords are told of what went wrong, in characters.
const maxWords = 500

// fail records that there is no silence.
func (j *job) fail(ctx context.Context, words string) error {
	if runes := []rune(words); len(runes) > maxWords {
		words = string(runes[:maxWords-1]) + "…"
	}
	log.FromContext(ctx).Info("Not silenced", "problem", words, "by", j.wanted.By)
	return j.record(ctx, v1alpha1.SilenceResult{State: v1alpha1.SilenceFailed, Message: words})
}

// ended records that the silence holds no more. words are for those who may not know
// why.
func (j *job) ended(ctx context.Context, words string) error {
	end := metav1.NewTime(j.Clock.Now().Truncate(time.Second))
	out := v1alpha1.SilenceResult{State: v1alpha1.SilenceEnded, EndsAt: &end, Message: words}
	if j.response.Silence != nil {
		out.ID = j.response.Silence.ID
	}
	j.memory.looked, j.memory.gone, j.memory.failures = time.Time{}, time.Time{}, 0
	return j.record(ctx, out)
}

// maxTries of a write that others cross.
const maxTries = 6

// record writes what became of the silence into the response, unless it stands there.
func (j *job) record(ctx context.Context, result v1alpha1.SilenceResult) error {
	n := j.notification.DeepCopy()
	for range maxTries {
		i := responseOf(n, j.response.ID)
		if i < 0 {
			return nil
		}
		if same(n.Status.Responses[i].Silence, &result) {
			return nil
		}
		n.Status.Responses[i].Silence = &result
		err := j.Client.Status().Update(ctx, n)
		if err == nil {
			j.writes.WroteAt(n)
			return nil
		}
		if !apierrors.IsConflict(err) {
			return client.IgnoreNotFound(err)
		}
		n = &v1alpha1.SlackNotification{}
		if err := j.Live.Get(ctx, client.ObjectKeyFromObject(j.notification), n); err != nil || n.UID != j.notification.UID {
			return client.IgnoreNotFound(err)
		}
	}
	return fmt.Errorf("the status of SlackNotification %s/%s is being changed all the time", n.Namespace, n.Name)
}

func same(a, b *v1alpha1.SilenceResult) bool {
	return a != nil && a.ID == b.ID && a.State == b.State && a.Message == b.Message && a.EndsAt.Equal(b.EndsAt)
}
