package silence

import (
	"context"
	"errors"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/silencer"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// early is how much sooner than Times.Look a look may be.
const early = 10

// tooEarly is how long to wait until the next look.
func (j *job) tooEarly() time.Duration {
	if j.memory.looked.IsZero() {
		return 0
	}
	wait := j.memory.looked.Add(j.Times.Look - j.Times.Look/early).Sub(j.Clock.Now())
	return max(wait, 0)
}

// look sees whether the silence holds, renews it when that is due, and sees whether
// its alerts fire.
func (j *job) look(ctx context.Context) (time.Duration, error) {
	if wait := j.tooEarly(); wait > 0 {
		return wait, nil
	}
	am, err := j.connect(ctx)
	if err != nil {
		return j.unable(ctx, err)
	}
	defer am.Close()
	s, ended, err := j.find(ctx, am)
	if err != nil {
		return j.failed(ctx, err)
	}
	if ended {
		return j.over(ctx, am, s)
	}
	now := j.Clock.Now()
	if j.wanted.Until.IsZero() && s.EndsAt.Sub(now) <= j.Times.Rest {
		if s, err = j.renew(ctx, am, s); err != nil {
			return j.failed(ctx, err)
		}
	}
	if wait, err := j.holds(ctx, s); err != nil {
		return wait, err
	}
	alerts, err := am.Alerts(ctx, j.matchers())
	if err != nil {
		return j.failed(ctx, err)
	}
	j.memory.looked = now
	if j.among(alerts) {
		j.memory.gone = time.Time{}
		return j.next(s.EndsAt), nil
	}
	return j.vanished(ctx, am)
}

// find looks the silence up by its ID, and by its mark where that has ended: a process
// may have ended before it noted a new ID.
func (j *job) find(ctx context.Context, am *silencer.Client) (s silencer.Silence, ended bool, err error) {
	s, err = am.Get(ctx, j.response.Silence.ID)
	var e *silencer.Error
	unknown := errors.As(err, &e) && e.NotFound()
	if err != nil && !unknown {
		return s, false, err
	}
	if !unknown && !s.Expired {
		return s, false, nil
	}
	others, err := am.Find(ctx, j.matchers(), j.mark())
	if err != nil {
		return s, false, err
	}
	if len(others) > 0 {
		return last(others), false, nil
	}
	return s, true, nil
}

// renew makes the silence longer.
func (j *job) renew(ctx context.Context, am *silencer.Client, s silencer.Silence) (silencer.Silence, error) {
	more := j.silence()
	if !s.Expired {
		more.ID, more.StartsAt = s.ID, s.StartsAt
	}
	id, err := am.Put(ctx, more)
	more.ID = id
	return more, err
}

// over deals with a silence that holds no more, though it was to.
func (j *job) over(ctx context.Context, am *silencer.Client, s silencer.Silence) (time.Duration, error) {
	now := j.Clock.Now()
	planned := j.response.Silence.EndsAt
	byItself := planned != nil && !now.Before(planned.Time) && (s.ID == "" || !s.EndsAt.Before(planned.Add(-2*time.Second)))
	switch {
	case !j.wanted.Until.IsZero() && !now.Before(j.wanted.Until.Add(-2*time.Second)):
		return j.Times.Look, j.ended(ctx, "")
	case s.ID == "" && j.unsettled() > 0: // a peer may not know it yet
		return j.unsettled(), nil
	case byItself && j.wanted.Until.IsZero():
		// Nobody has renewed it in time; it is to last as long as the incident.
		s, err := j.renew(ctx, am, s)
		if err != nil {
			return j.failed(ctx, err)
		}
		return j.holds(ctx, s)
	case s.ID == "":
		return j.Times.Look, j.ended(ctx, "Alertmanager does not know it any more")
	}
	return j.Times.Look, j.ended(ctx, "somebody has ended it in Alertmanager")
}

// among reports whether one of the alerts is the incident's.
func (j *job) among(alerts []silencer.Alert) bool {
	list := make([]source.Alert, len(alerts))
	for i, a := range alerts {
		list[i] = source.Alert{Fingerprint: a.Fingerprint, Labels: a.Labels}
	}
	return source.Among(j.alert, j.state.Data, list)
}

// vanished ends the incident when none of its alerts was there twice in a row, at an
// Alertmanager that has had the time to be told of them.
func (j *job) vanished(ctx context.Context, am *silencer.Client) (time.Duration, error) {
	now := j.Clock.Now()
	if j.alert.Spec.Suspend { // it changes no incident
		return j.Times.Look, nil
	}
	if j.memory.gone.IsZero() {
		j.memory.gone = now
		return j.Times.Look, nil
	}
	since, err := am.Since(ctx)
	if err != nil {
		return j.failed(ctx, err)
	}
	if since.IsZero() || now.Sub(since) < j.Times.Uptime {
		j.memory.gone = time.Time{}
		return j.Times.Look, nil
	}
	log.FromContext(ctx).Info("Alertmanager has no alert of a silenced incident any more; it is over")
	return j.Times.Look, j.Posts.Vanish(ctx, j.alert, j.state.Key)
}

// lookAfter sees to an incident whose silence has ended. When an alert fires unsilenced,
// posts will tell of its end. One that ended while it was silenced is told of by
// nobody.
func (j *job) lookAfter(ctx context.Context) (time.Duration, error) {
	if !j.state.Open() || j.memory.settled {
		return 0, nil
	}
	if wait := j.tooEarly(); wait > 0 {
		return wait, nil
	}
	am, err := j.connect(ctx)
	if err != nil {
		j.memory.settled = true // it can't be asked
		return 0, client404(err)
	}
	defer am.Close()
	alerts, err := am.Alerts(ctx, j.matchers())
	if err != nil {
		j.memory.failures++
		return j.Times.Look, nil
	}
	j.memory.looked = j.Clock.Now()
	var loud []silencer.Alert
	for _, a := range alerts {
		if len(a.SilencedBy) == 0 {
			loud = append(loud, a)
		}
	}
	switch {
	case j.among(loud):
		j.memory.settled = true
		return 0, nil
	case j.among(alerts):
		j.memory.gone = time.Time{}
		return j.Times.Look, nil
	}
	return j.vanished(ctx, am)
}

// client404 keeps errors of the API server alone.
func client404(err error) error {
	var p *Problem
	if errors.As(err, &p) {
		return nil
	}
	return err
}

// finish ends the silence in Alertmanager, and twins of it, which a process may have
// made that ended before it noted that.
func (j *job) finish(ctx context.Context) (time.Duration, error) {
	if j.response.Silence == nil || j.response.Silence.State == v1alpha1.SilencePending {
		if wait := j.unsettled(); wait > 0 {
			return wait, nil
		}
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
	ids := map[string]bool{}
	for _, s := range there {
		ids[s.ID] = true
	}
	if j.response.Silence != nil && j.response.Silence.ID != "" {
		ids[j.response.Silence.ID] = true
	}
	for id := range ids {
		if err := am.Expire(ctx, id); err != nil {
			return j.failed(ctx, err)
		}
		log.FromContext(ctx).Info("Ended a silence in Alertmanager", "silence", id)
	}
	return j.Times.Look, j.ended(ctx, "")
}
