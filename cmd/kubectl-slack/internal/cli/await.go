package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// finished reports whether all that can be done for a message has been done.
func finished(n *v1alpha1.SlackNotification) bool {
	if n.Status.ObservedGeneration != n.Generation {
		return false
	}
	return n.Status.FinishedAt != nil || n.Status.Phase == v1alpha1.PhaseFailed || n.Status.Phase == v1alpha1.PhasePartiallyDelivered ||
		n.Status.Phase == v1alpha1.PhaseSuspended
}

// await waits until a message is done, and says what became of it.
func (a *app) await(ctx context.Context, cluster client.WithWatch, n *v1alpha1.SlackNotification, patience time.Duration, done func(*v1alpha1.SlackNotification) bool) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	key := client.ObjectKeyFromObject(n)
	last := ""
	for {
		current := &v1alpha1.SlackNotification{}
		switch err := cluster.Get(ctx, key, current); {
		case err == nil:
			n = current
		case apierrors.IsNotFound(err):
			return fmt.Errorf("SlackNotification %s is gone", key)
		case ctx.Err() == nil:
			return err
		}
		if done(n) {
			return a.outcome(n)
		}
		if now := progress(n); now != last {
			a.hint("%s", now)
			last = now
		}
		select {
		case <-time.After(300 * time.Millisecond):
		case <-ctx.Done():
			a.hint("not done after %s; kubectl slack explain sln/%s -n %s says more", patience, n.Name, n.Namespace)
			_ = a.outcome(n) // that it is not delivered is told by the code
			return no()
		}
	}
}

// progress of a message in one line.
func progress(n *v1alpha1.SlackNotification) string {
	phase := string(n.Status.Phase)
	if phase == "" {
		phase = "waits for the operator"
	}
	for _, d := range n.Status.Deliveries {
		if d.Message != "" && d.State != v1alpha1.DeliveryDelivered {
			return fmt.Sprintf("%s %s: %s", phase, n.Status.Summary, d.Message)
		}
	}
	return strings.TrimSpace(phase + " " + n.Status.Summary)
}

// outcome says what became of each delivery. The error ends the process with 1 where
// somebody was not reached.
func (a *app) outcome(n *v1alpha1.SlackNotification) error {
	reached := len(n.Status.Deliveries) > 0
	for _, d := range n.Status.Deliveries {
		line := fmt.Sprintf("%s: %s", d.Recipient, d.State)
		if d.State == v1alpha1.DeliveryDelivered {
			if d.Permalink != "" {
				line += " " + d.Permalink
			}
		} else {
			reached = false
			line += fmt.Sprintf(" (%s) %s", d.Reason, d.Message)
		}
		a.say("%s", line)
	}
	if len(n.Status.Deliveries) == 0 {
		for _, c := range n.Status.Conditions {
			if c.Type == v1alpha1.ConditionReady {
				a.say("%s: %s", c.Reason, c.Message)
			}
		}
	}
	if !reached {
		return no()
	}
	return nil
}
