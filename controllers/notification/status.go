package notification

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// tally counts the deliveries by what is left to do.
type tally struct {
	all, delivered, failed, open, tried, retrying int
	firstFailed, firstRetrying, firstOpen         *v1alpha1.Delivery
}

func count(deliveries []v1alpha1.Delivery) tally {
	t := tally{all: len(deliveries)}
	for i := range deliveries {
		d := &deliveries[i]
		if d.Attempts > 0 {
			t.tried++
		}
		switch d.State {
		case v1alpha1.DeliveryDelivered:
			t.delivered++
		case v1alpha1.DeliveryFailed, v1alpha1.DeliveryUnknown:
			t.failed++
			if t.firstFailed == nil {
				t.firstFailed = d
			}
		default:
			t.open++
			if t.firstOpen == nil {
				t.firstOpen = d
			}
			if d.State == v1alpha1.DeliveryRetrying {
				t.retrying++
				if t.firstRetrying == nil {
					t.firstRetrying = d
				}
			}
		}
	}
	return t
}

// compose writes the status that follows from the deliveries and the block. It
// is a pure function of its arguments.
func compose(n *v1alpha1.SlackNotification, deliveries []v1alpha1.Delivery, b *block, place string, now time.Time) {
	t := count(deliveries)
	s := &n.Status
	s.ObservedGeneration = n.Generation
	s.Deliveries = deliveries
	s.Summary = fmt.Sprintf("%d/%d", t.delivered, t.all)
	s.Phase = phaseOf(t, b)
	switch {
	case t.open > 0:
		s.FinishedAt = nil
	case s.FinishedAt == nil:
		s.FinishedAt = &metav1.Time{Time: now.Truncate(time.Second)}
	}
	summarise(n, t, b, place)
}

func phaseOf(t tally, b *block) v1alpha1.Phase {
	switch {
	case t.delivered == t.all:
		return v1alpha1.PhaseDelivered
	case b != nil && b.reason == v1alpha1.ReasonSuspended && t.open > 0:
		return v1alpha1.PhaseSuspended
	case t.open == 0 && t.delivered > 0:
		return v1alpha1.PhasePartiallyDelivered
	case t.open == 0:
		return v1alpha1.PhaseFailed
	case t.tried > 0 || t.delivered > 0:
		return v1alpha1.PhaseDelivering
	default:
		return v1alpha1.PhasePending
	}
}

// summarise sets Ready, Reconciling and Stalled.
func summarise(n *v1alpha1.SlackNotification, t tally, b *block, place string) {
	switch {
	case t.delivered == t.all && t.all == 1:
		conditions.Ready(n, v1alpha1.ReasonDelivered, "delivered to "+place+remarks(n.Status.Deliveries, t))
	case t.delivered == t.all:
		conditions.Ready(n, v1alpha1.ReasonDelivered, fmt.Sprintf("delivered to all %d recipients", t.all)+remarks(n.Status.Deliveries, t))
	case b != nil && t.open > 0:
		blockCondition(n, b)
	case t.open == 0:
		reason, text := t.firstFailed.Reason, failures(n.Status.Deliveries, t)
		conditions.Stalled(n, reason, text)
		if t.delivered > 0 {
			conditions.Set(n, v1alpha1.ConditionReady, metav1.ConditionFalse, v1alpha1.ReasonPartiallyDelivered, text)
		}
	case t.retrying > 0 && t.firstRetrying.Reason != v1alpha1.ReasonWaitingForTurn:
		conditions.Retrying(n, t.firstRetrying.Reason, label(t, t.firstRetrying)+t.firstRetrying.Message)
	default:
		reason, text := t.firstOpen.Reason, label(t, t.firstOpen)+t.firstOpen.Message
		if reason == "" {
			reason, text = v1alpha1.ReasonPending, "waits to be sent"
		}
		conditions.Progressing(n, reason, text)
	}
}

// remarks say what is unusual about messages that were delivered.
func remarks(deliveries []v1alpha1.Delivery, t tally) string {
	var b strings.Builder
	shown := 0
	for i := range deliveries {
		if d := &deliveries[i]; d.Message != "" && shown < failuresShown {
			shown++
			b.WriteString("; " + label(t, d) + d.Message)
		}
	}
	return b.String()
}

func blockCondition(n *v1alpha1.SlackNotification, b *block) {
	switch b.kind {
	case blockProgress:
		conditions.Progressing(n, b.reason, b.message)
	case blockRetry:
		conditions.Retrying(n, b.reason, b.message)
	case blockStall:
		conditions.Stalled(n, b.reason, b.message)
	case blockHold:
		conditions.Suspended(n, b.reason, b.message)
	}
}

// label names the recipient where there are several.
func label(t tally, d *v1alpha1.Delivery) string {
	if t.all == 1 {
		return ""
	}
	return d.Recipient + ": "
}

// failuresShown in the message of a condition; the deliveries have them all.
const failuresShown = 3

func failures(deliveries []v1alpha1.Delivery, t tally) string {
	var parts []string
	if t.all > 1 {
		parts = append(parts, fmt.Sprintf("%d of %d recipients were not reached", t.failed, t.all))
	}
	shown := 0
	for i := range deliveries {
		d := &deliveries[i]
		if d.State != v1alpha1.DeliveryFailed && d.State != v1alpha1.DeliveryUnknown {
			continue
		}
		if shown++; shown > failuresShown {
			parts = append(parts, "and more, see status.deliveries")
			break
		}
		parts = append(parts, label(t, d)+d.Message)
	}
	return strings.Join(parts, "; ")
}
