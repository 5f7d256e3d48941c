package incident

import (
	"context"
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// escalation is the beginning of the names of steps.
const escalation = "escalation-"

// stepNames name the steps of a rule by their times, so that a step that is added
// does not make another one twice.
func stepNames(steps []v1alpha1.Escalation) []string {
	out := make([]string, len(steps))
	for k, step := range steps {
		name := shorter(step.After)
		for n := 2; slices.Contains(out[:k], name); n++ {
			name = fmt.Sprintf("%s-%d", shorter(step.After), n)
		}
		out[k] = name
	}
	return out
}

// shorter is a duration as people write it: 1h30m, not 1h30m0s.
func shorter(d metav1.Duration) string {
	text := d.Duration.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}

// escalate makes the steps that are due while nobody is on an open incident. Their
// times count from its beginning, without those in which it was snoozed.
func (a *session) escalate(ctx context.Context, i *incident) error {
	steps := a.rule.Spec.Escalate
	if len(steps) == 0 || i.state.Key == overflowKey {
		return nil
	}
	now := a.now()
	if quiet, until := i.state.Answers.quiet(now); quiet {
		if !until.IsZero() {
			a.at(until)
		}
		return nil
	}
	begun := i.state.OpenedAt
	if held := i.object.Spec.NotBefore; held != nil && held.After(begun) {
		begun = held.UTC() // nobody was told before
	}
	names := stepNames(steps)
	for k := range steps {
		if slices.Contains(i.state.Escalated, names[k]) {
			continue
		}
		due := afterMute(begun.Add(steps[k].After.Duration+i.state.Answers.Paused), a.muted)
		switch {
		case now.Before(due):
			a.at(due)
		case len(steps[k].Recipients) == 0 && !isOut(i.object):
			a.at(now.Add(patience)) // there is no thread yet
		default:
			if err := a.step(ctx, i, names[k], &steps[k]); err != nil {
				return err
			}
		}
	}
	return nil
}

// step makes one step, unless somebody has answered meanwhile.
func (a *session) step(ctx context.Context, i *incident, name string, step *v1alpha1.Escalation) error {
	there := &v1alpha1.SlackNotification{}
	if err := a.Live.Get(ctx, keyOf(i.object), there); err != nil {
		return outdated(err)
	}
	if now, ok := StateOf(there); !ok || !now.Open() {
		return errOutdated
	}
	for range i.state.Answers.uncounted(there.Status.Responses) {
		return errOutdated
	}
	n := a.newReply(ctx, i, escalation+name)
	n.Spec.Content = v1alpha1.Content{Severity: i.object.Spec.Severity, Text: step.Text}
	if len(step.Recipients) > 0 {
		n.Spec.Thread, n.Spec.Recipients = nil, step.Recipients
		n.Spec.Content = escalated(i.object, step.Text)
	}
	if err := a.createOnce(ctx, n); err != nil {
		return err
	}
	state := i.state
	state.Escalated = append(slices.Clone(state.Escalated), name)
	return a.write(ctx, i, i.object.DeepCopy(), state)
}

// escalated is what others are told of an incident: its message, and the way to it,
// where its buttons are.
func escalated(n *v1alpha1.SlackNotification, text string) v1alpha1.Content {
	c := *n.Spec.Content.DeepCopy()
	lines := []string{text, c.Text}
	for i := range n.Status.Deliveries {
		if link := safetext.Line(n.Status.Deliveries[i].Permalink); strings.HasPrefix(link, "https://") && !strings.ContainsAny(link, "<>| ") {
			lines = append(lines, "<"+link+"|The incident's message>")
			break
		}
	}
	c.Text = strings.Join(slices.DeleteFunc(lines, func(line string) bool { return line == "" }), "\n")
	return c
}

// calm has those told that an incident is over who were told of it by its escalation.
func (a *session) calm(ctx context.Context, i *incident) error {
	if a.rule.Spec.OnResolve == v1alpha1.ResolveNone {
		return nil
	}
	for _, reply := range a.snapshot.replies[i.object.Labels[v1alpha1.LabelIncident]] {
		own := strings.HasPrefix(reply.Name, i.object.Name+"-"+escalation) && reply.Spec.Thread == nil
		if !own || reply.Spec.Severity == v1alpha1.SeveritySuccess || a.byWebhook(ctx, reply) {
			continue
		}
		n := reply.DeepCopy()
		n.Spec.Content = alerting.AsResolved(n.Spec.Content)
		if err := a.update(ctx, a.m, n); err != nil {
			return err
		}
	}
	return nil
}
