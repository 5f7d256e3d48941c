package incident

import (
	"context"
	"fmt"
	"reflect"
	"regexp"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// heed takes what people have answered into the state of an open incident, and has
// its buttons fit it.
func (a *session) heed(ctx context.Context, i *incident) error {
	now := a.Clock.Now().UTC()
	state := i.state
	before := state.Answers
	if state.Key != overflowKey {
		state.Answers = before.fold(i.object.Status.Responses, a.rule.Spec.Actions, state.offered()).
			noteSilence(i.object.Status.Responses, now).at(now).offered(a.rule.Spec.Actions)
	}
	if over := state.Answers.Silence; over != nil && over.Over && before.silencingBy(over.Response) {
		if err := a.tellSilence(ctx, i, over); err != nil {
			return err
		}
	}
	if by := state.Answers.Resolved; by != nil {
		state.Lasting = true
		return a.resolve(ctx, i, state, Desired{Note: resolvedNote(by)})
	}
	if due := state.Answers.due(); !due.IsZero() {
		a.at(due)
	}
	n := i.object.DeepCopy()
	if !reflect.DeepEqual(before, state.Answers) || a.rule.Spec.Actions != nil || len(n.Spec.Actions) > 0 {
		a.dress(n, &state, false)
		if err := a.write(ctx, i, n, state); err != nil {
			return err
		}
	}
	a.tally(i)
	return nil
}

// tally counts the answers to an open incident.
func (a *session) tally(i *incident) {
	if i.state.Answers.Acknowledged != nil {
		a.maintained.Acknowledged++
	}
	if s := i.state.Answers.Silence; s != nil && !s.Over {
		if result := SilenceOf(i.object.Status.Responses, s.Response); result != nil && result.State == v1alpha1.SilenceActive {
			a.maintained.Silenced++
		}
	}
}

// offered leaves of the answers what the rule still offers: nobody could undo the
// rest.
func (a Answers) offered(actions *v1alpha1.AlertActions) Answers {
	if actions == nil || actions.Acknowledge == nil {
		a.Acknowledged = nil
	}
	if actions == nil || actions.Snooze == nil {
		a.Snoozed = nil
	}
	if (actions == nil || actions.Silence == nil) && a.silencing() && !a.Silence.Ending {
		s := *a.Silence
		s.Ending = true
		a.Silence = &s
	}
	return a
}

// silencingBy reports whether a silence is asked for by a response, and is not over,
// or was not known of yet.
func (a Answers) silencingBy(response string) bool {
	return a.Silence == nil || a.Silence.Response != response || !a.Silence.Over
}

// silenceHolds is until when a silence of an incident may be in Alertmanager; zero
// when there is none.
func silenceHolds(i *incident) time.Time {
	s := i.state.Answers.Silence
	if s == nil || s.Over || s.Refused != "" {
		return time.Time{}
	}
	result := SilenceOf(i.object.Status.Responses, s.Response)
	switch {
	case result != nil && (result.State == v1alpha1.SilenceEnded || result.State == v1alpha1.SilenceFailed):
		return time.Time{}
	case result != nil && result.EndsAt != nil:
		return result.EndsAt.Time
	case !s.Until.IsZero():
		return s.Until
	}
	return i.state.ResolvedAt.Add(time.Hour)
}

// tellSilence says in the thread that a silence was not made, or that somebody has
// ended it elsewhere.
func (a *session) tellSilence(ctx context.Context, i *incident, s *Silence) error {
	result := SilenceOf(i.object.Status.Responses, s.Response)
	if result == nil || result.Message == "" {
		return nil
	}
	content := v1alpha1.Content{Severity: v1alpha1.SeverityInfo, Text: "The silence has ended: " + message.Escape(safetext.Line(result.Message))}
	if result.State == v1alpha1.SilenceFailed {
		content = v1alpha1.Content{Severity: v1alpha1.SeverityWarning, Text: "Not silenced: " + message.Escape(safetext.Line(result.Message))}
	}
	return a.reply(ctx, i, "silence-"+shortID(s.Response), content)
}

// shortID makes a part of a name of the ID of a response, which is data.
func shortID(id string) string { return alerting.KeyOf(id, nil).ID }

// userID is one of Slack's.
var userID = regexp.MustCompile(`^[UW][A-Z0-9]{1,30}$`)

// who names a person in Slack's mrkdwn.
func (a *Answer) who() string {
	if userID.MatchString(a.By) {
		return "<@" + a.By + ">"
	}
	return message.Escape(safetext.Line(a.Name))
}

// resolvedNote says that an incident was ended by hand, which is no evidence that it
// is over.
func resolvedNote(by *Answer) string {
	return fmt.Sprintf("_Resolved by %s with the button. Nothing has said that it is over; once that was said, a later firing is a new incident._", by.who())
}
