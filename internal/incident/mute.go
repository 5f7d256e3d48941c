package incident

import (
	"context"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// mutedUntil returns the end of the time in which a rule posts nothing; nil when
// it may post now. Mute times that can't be read are told in the rule's status,
// and mute nothing.
func (s *Store) mutedUntil(rule *v1alpha1.SlackAlert) *metav1.Time {
	if len(rule.Spec.MuteTimes) == 0 {
		return nil
	}
	times, err := alerting.CompileMuteTimes(rule.Spec.MuteTimes)
	if err != nil {
		return nil
	}
	if until, muted := times.Until(s.Clock.Now()); muted {
		return &metav1.Time{Time: until}
	}
	return nil
}

// held reports whether a message waits for the end of a muted time, and so was told
// to nobody.
func (s *Store) held(n *v1alpha1.SlackNotification) bool {
	if n.Spec.NotBefore == nil || !s.Clock.Now().Before(n.Spec.NotBefore.Time) {
		return false
	}
	for i := range n.Status.Deliveries {
		if n.Status.Deliveries[i].Attempts > 0 {
			return false
		}
	}
	return true
}

// unhold has a message that waits for the end of a muted time wait as the rule says
// by now.
func (a *session) unhold(ctx context.Context, i *incident) error {
	if !a.held(i.object) || i.object.Spec.NotBefore.Equal(a.muted) {
		return nil
	}
	n := i.object.DeepCopy()
	n.Spec.NotBefore = a.muted
	return a.write(ctx, i, n, i.state)
}

// afterMute is the later of two times, of which nil is none.
func afterMute(due time.Time, muted *metav1.Time) time.Time {
	if muted != nil && muted.After(due) {
		return muted.Time
	}
	return due
}
