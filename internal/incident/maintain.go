package incident

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// Group is a group of a rule with an open incident.
type Group struct {
	Key     alerting.Key
	Current Current
	// Ended is true when it was ended by hand, though nothing has said that it is over.
	Ended bool
}

// Open returns the groups of a rule that have open incidents, those beyond
// maxIncidents included, and those that were ended by hand and go on.
func (s *Store) Open(ctx context.Context, rule *v1alpha1.SlackAlert) ([]Group, error) {
	m := s.of(rule.UID)
	m.Lock()
	defer m.Unlock()
	b, err := s.load(ctx, rule, &m.memory)
	if err != nil {
		return nil, err
	}
	var out []Group
	for _, i := range b.all() {
		if i.state.fires() && i.state.Key != overflowKey {
			out = append(out, Group{alerting.Key{ID: i.state.Key, Text: i.state.Text}, i.current(s.Clock.Now()), !i.state.Open()})
		}
	}
	for id, g := range b.overflow.Open {
		out = append(out, Group{Key: alerting.Key{ID: id, Text: g.Text}, Current: Current{Open: true, Known: true, Data: g.Data}})
	}
	return out, nil
}

// Maintained is how the incidents of a rule are.
type Maintained struct {
	// Firing is how many are open, of which somebody is on Acknowledged, and Silenced
	// have a silence in Alertmanager.
	Firing, Acknowledged, Silenced int
	// Next is when they are to be maintained again; zero for when something changes.
	Next time.Time
}

// defaultTTL of the SlackNotifications of an incident that is over, and the
// longest.
const (
	defaultTTL = 24 * time.Hour
	longestTTL = 30 * 24 * time.Hour
)

// maintainKey tells what is maintained from groups, where refusals are noted.
const maintainKey = "tend/"

// patience is when to look again at what waits for a delivery, if the news of
// it do not come.
const patience = time.Minute

// Maintain reminds of open incidents and deletes what has been over for long. kept,
// if not nil, tells which of them are still needed.
func (s *Store) Maintain(ctx context.Context, rule *v1alpha1.SlackAlert, kept func(Current, time.Time) bool) (Maintained, error) {
	m := s.of(rule.UID)
	m.Lock()
	defer m.Unlock()
	b, err := s.load(ctx, rule, &m.memory)
	if err != nil {
		return Maintained{}, err
	}
	a := &session{Store: s, rule: rule, m: &m.memory, snapshot: b, muted: s.mutedUntil(rule), maintained: Maintained{Firing: b.firing()}}
	var refused *RefusedError
	for _, i := range b.all() {
		err = a.tend(ctx, i, kept)
		switch {
		case errors.Is(err, errOutdated):
			// The cache will show it soon.
			a.at(s.Clock.Now().Add(time.Second))
		case errors.As(err, &refused):
			m.note(maintainKey+i.object.Name, refused.Words, s.Clock.Now())
			a.at(s.Clock.Now().Add(patience))
		case err != nil:
			return a.maintained, err
		default:
			m.note(maintainKey+i.object.Name, "", s.Clock.Now())
		}
	}
	a.maintained.Firing = b.firing()
	return a.maintained, nil
}

// tend does what there is to do about one incident.
func (a *session) tend(ctx context.Context, i *incident, kept func(Current, time.Time) bool) error {
	if i.state.Open() {
		if err := a.heed(ctx, i); err != nil {
			return err
		}
	}
	if !i.state.Open() {
		if err := a.calm(ctx, i); err != nil {
			return err
		}
		return a.expire(ctx, i, kept)
	}
	for _, step := range []func(context.Context, *incident) error{a.unhold, a.remind, a.escalate} {
		if err := step(ctx, i); err != nil {
			return err
		}
	}
	return nil
}

func (a *session) at(at time.Time) {
	if a.maintained.Next.IsZero() || at.Before(a.maintained.Next) {
		a.maintained.Next = at
	}
}

// remind makes a reminder in the thread of an open incident when it is due.
func (a *session) remind(ctx context.Context, i *incident) error {
	every := a.rule.Spec.RepeatInterval
	if every == nil || every.Duration <= 0 {
		return nil
	}
	last := i.state.OpenedAt
	if i.state.RemindedAt.After(last) {
		last = i.state.RemindedAt
	}
	now := a.now()
	if quiet, until := i.state.Answers.quiet(now); quiet {
		if !until.IsZero() {
			a.at(until)
		}
		return nil
	}
	if due := afterMute(last.Add(every.Duration), a.muted); now.Before(due) {
		a.at(due)
		return nil
	}
	if !isOut(i.object) {
		// Replies to what is not out yet would come all at once.
		a.at(now.Add(patience))
		return nil
	}
	state := i.state
	state.Reminders++
	state.RemindedAt = now
	if err := a.reply(ctx, i, fmt.Sprintf("reminder-%d", state.Reminders), alerting.ReminderContent(i.object.Spec.Content)); err != nil {
		return err
	}
	if err := a.write(ctx, i, i.object.DeepCopy(), state); err != nil {
		return err
	}
	a.at(now.Add(every.Duration))
	return nil
}

// expire deletes what belongs to an incident that has been over for long: first
// the replies in its thread, then itself, and nothing that is still on its way.
func (a *session) expire(ctx context.Context, i *incident, kept func(Current, time.Time) bool) error {
	ttl := defaultTTL
	if a.rule.Spec.NotificationTTL != nil {
		ttl = min(a.rule.Spec.NotificationTTL.Duration, longestTTL)
	}
	now := a.Clock.Now()
	if due := i.state.ResolvedAt.Add(ttl); now.Before(due) {
		a.at(due)
		return nil
	}
	if i.state.Lasting { // what still fires is no new incident
		return nil
	}
	if until := silenceHolds(i); now.Before(until) { // it is to be ended
		a.at(now.Add(patience))
		return nil
	}
	if kept != nil && kept(Current{Known: true, Data: i.state.Data}, i.state.ResolvedAt) {
		a.at(now.Add(patience))
		return nil
	}
	left := false
	for _, reply := range a.snapshot.replies[i.object.Labels[v1alpha1.LabelIncident]] {
		if !finished(reply) {
			left = true
		} else if err := a.delete(ctx, a.m, reply); err != nil {
			return err
		}
	}
	if left || !finished(i.object) {
		a.at(now.Add(patience))
		return nil
	}
	return a.delete(ctx, a.m, i.object)
}

// isOut reports whether the message of an incident can be replied to.
func isOut(n *v1alpha1.SlackNotification) bool {
	return n.Status.Phase == v1alpha1.PhaseDelivered || n.Status.Phase == v1alpha1.PhasePartiallyDelivered
}

// finished reports whether nothing is left to be delivered of a notification.
func finished(n *v1alpha1.SlackNotification) bool {
	return n.Spec.Suspend || n.Status.FinishedAt != nil && n.Status.ObservedGeneration == n.Generation
}

// OpenKeys returns the IDs of the groups whose open incidents a SlackNotification
// holds: one, or several if it is the overflow.
func OpenKeys(n *v1alpha1.SlackNotification) []string {
	s, ok := StateOf(n)
	if !ok || !s.fires() {
		return nil
	}
	if s.Key != overflowKey {
		return []string{s.Key}
	}
	var out []string
	for id := range readOverflow(s.Data).Open {
		out = append(out, id)
	}
	return out
}
