package interact

import (
	"fmt"
	"html"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// MaxResponses of a notification are kept, which is what the schema takes.
const MaxResponses = 100

// Late is why a click that was understood changes nothing.
type Late struct {
	// Text is for the person who pressed, in mrkdwn.
	Text string
}

// ExpiresAt is from when on no answer counts any more; false while that is not
// known, and when answers count for ever. deliveredAt is told in whole seconds, so
// a second is added: nobody has less time than the spec says.
func ExpiresAt(n *v1alpha1.SlackNotification) (time.Time, bool) {
	if n.Spec.Answers == nil || n.Spec.Answers.ExpiresAfter == nil {
		return time.Time{}, false
	}
	var first time.Time
	for i := range n.Status.Deliveries {
		if at := n.Status.Deliveries[i].DeliveredAt; at != nil && (first.IsZero() || at.Time.Before(first)) {
			first = at.Time
		}
	}
	if first.IsZero() {
		return time.Time{}, false
	}
	return first.Add(n.Spec.Answers.ExpiresAfter.Duration + time.Second), true
}

// Open reports whether answers are still taken, as far as the object tells: it is
// not decided and has not been said to be expired.
func Open(n *v1alpha1.SlackNotification) bool {
	return len(n.Spec.Actions) > 0 && n.Spec.Answers != nil && n.Status.Decision == "" && n.DeletionTimestamp.IsZero()
}

// Expire writes the decision Expired when the time to answer is over, and reports
// whether it did.
func Expire(n *v1alpha1.SlackNotification, now time.Time) bool {
	at, ok := ExpiresAt(n)
	if !ok || !Open(n) || now.Before(at) {
		return false
	}
	n.Status.Decision = v1alpha1.DecisionExpired
	return true
}

// Chosen is what a click asks for.
type Chosen struct {
	Action *v1alpha1.Action
	// Value is the option's value; empty for a button.
	Value string
	// Done is what the message calls it.
	Done string
}

// Allowed are those who may take the action.
func (c Chosen) Allowed(n *v1alpha1.SlackNotification) v1alpha1.AllowedPeople {
	switch {
	case c.Action.Allowed != nil:
		return *c.Action.Allowed
	case n.Spec.Answers != nil:
		return n.Spec.Answers.Allowed
	}
	return v1alpha1.AllowedPeople{}
}

// Recorded reports whether the click is stored already.
func Recorded(n *v1alpha1.SlackNotification, c Click) bool {
	id := c.ID()
	return slices.ContainsFunc(n.Status.Responses, func(r v1alpha1.Response) bool { return r.ID == id })
}

// Choose finds what a click asks for; Late when that is not, or no longer, to be
// had.
func Choose(n *v1alpha1.SlackNotification, c Click, now time.Time) (Chosen, *Late) {
	if n.Status.Decision != "" {
		return Chosen{}, decided(n)
	}
	at, expires := ExpiresAt(n)
	if expires && !now.Before(at) {
		return Chosen{}, expired(at)
	}
	i := slices.IndexFunc(n.Spec.Actions, func(a v1alpha1.Action) bool { return a.Name == c.Action })
	if i < 0 || !Open(n) {
		return Chosen{}, &Late{Text: "This button is not there any more: nothing was recorded. The message in the channel shows how it stands now."}
	}
	out := Chosen{Action: &n.Spec.Actions[i], Done: doneOf(n.Spec.Actions[i])}
	if len(out.Action.Options) > 0 {
		option := optionOf(out.Action, c.Value)
		if option == nil {
			return Chosen{}, &Late{Text: "This choice is not there any more: nothing was recorded. The message in the channel shows those that are."}
		}
		out.Value = option.Value
		if out.Action.Done != "" {
			out.Done = out.Action.Done + " " + option.Text
		} else {
			out.Done = out.Action.Text + ": " + option.Text
		}
	}
	if n.Spec.Answers.DecidedBy != v1alpha1.DecidedByEach {
		return out, nil
	}
	for i := range n.Status.Responses {
		if r := &n.Status.Responses[i]; r.User.ID == c.UserID {
			return Chosen{}, &Late{Text: fmt.Sprintf("You have answered this already: “%s”. Each person has one answer, and the first one counts.", escape(DoneOf(r)))}
		}
	}
	if len(n.Status.Responses) >= MaxResponses {
		return Chosen{}, &Late{Text: fmt.Sprintf("%d people have answered this already, which is the most that can be: nothing was recorded.", MaxResponses)}
	}
	return out, nil
}

func doneOf(a v1alpha1.Action) string {
	if a.Done != "" {
		return a.Done
	}
	return a.Text
}

// DoneOf is what the message calls a response.
func DoneOf(r *v1alpha1.Response) string {
	switch {
	case r.Done != "":
		return r.Done
	case r.Value != "":
		return r.Action + ": " + r.Value
	}
	return r.Action
}

// optionOf finds the option with a value. Slack may give back what it has escaped.
func optionOf(a *v1alpha1.Action, value string) *v1alpha1.ActionOption {
	for _, v := range []string{value, html.UnescapeString(value)} {
		for i := range a.Options {
			if a.Options[i].Value == v {
				return &a.Options[i]
			}
		}
	}
	return nil
}

// decided says what was decided, and by whom.
func decided(n *v1alpha1.SlackNotification) *Late {
	if n.Status.Decision == v1alpha1.DecisionExpired {
		if at, ok := ExpiresAt(n); ok {
			return expired(at)
		}
		return &Late{Text: "Too late: the time to answer this is over. Nothing was recorded."}
	}
	for i := range n.Status.Responses {
		if r := &n.Status.Responses[i]; r.Action == n.Status.Decision {
			return &Late{Text: fmt.Sprintf("This was decided already: “%s” by <@%s>, %s. Nothing was recorded.", escape(DoneOf(r)), r.User.ID, Clock(r.At.Time))}
		}
	}
	return &Late{Text: fmt.Sprintf("This was decided already: %s. Nothing was recorded.", escape(n.Status.Decision))}
}

func expired(at time.Time) *Late {
	return &Late{Text: "Too late: the time to answer this was over " + Clock(at) + ". Nothing was recorded."}
}

// Clock writes a time as each reader's own clock shows it
// (docs.slack.dev/messaging/formatting-message-text#date-formatting).
func Clock(at time.Time) string {
	return fmt.Sprintf("<!date^%d^{time}|%s>", at.Unix(), at.UTC().Format("15:04 UTC"))
}

// Response is what is stored of a click.
func (c Chosen) Response(n *v1alpha1.SlackNotification, k Click, by string, now time.Time) v1alpha1.Response {
	return v1alpha1.Response{
		Action: c.Action.Name, Value: c.Value, Done: c.Done,
		User: v1alpha1.ResponseUser{ID: k.UserID, Name: k.UserName, TeamID: k.UserTeamID},
		At:   metav1.NewMicroTime(k.At), RecordedAt: metav1.NewMicroTime(now), AllowedBy: by,
		ConversationID: k.ConversationID, Timestamp: k.Timestamp, Generation: n.Generation, ID: k.ID(),
	}
}

// Record adds a response to the status, and decides where it does. The caller has
// asked Choose and May of the same object.
func Record(n *v1alpha1.SlackNotification, r v1alpha1.Response) {
	s := &n.Status
	s.Responses = trim(append(slices.Clone(s.Responses), r))
	if n.Spec.Answers.DecidedBy == v1alpha1.DecidedByFirst || n.Spec.Answers.DecidedBy == "" {
		s.Decision = r.Action
	}
}

// trim keeps MaxResponses at most: those with a silence that is not over, and of
// the others the last. With First and Each there are never more.
func trim(all []v1alpha1.Response) []v1alpha1.Response {
	for i := 0; len(all) > MaxResponses && i < len(all)-1; {
		if s := all[i].Silence; s != nil && (s.State == v1alpha1.SilencePending || s.State == v1alpha1.SilenceActive) {
			i++
			continue
		}
		all = slices.Delete(all, i, i+1)
	}
	return all[max(0, len(all)-MaxResponses):]
}

// Answered is the condition Answered: status, reason and message. It is not ok for
// a notification that nobody is asked by.
func Answered(n *v1alpha1.SlackNotification) (status metav1.ConditionStatus, reason, message string, ok bool) {
	s := &n.Status
	if len(n.Spec.Actions) == 0 && len(s.Responses) == 0 {
		return "", "", "", false
	}
	if len(s.Responses) > 0 {
		last := &s.Responses[len(s.Responses)-1]
		for i := range s.Responses {
			if s.Responses[i].Action == s.Decision {
				last = &s.Responses[i]
				break
			}
		}
		return metav1.ConditionTrue, v1alpha1.ReasonAnswered, sentence(last, len(s.Responses)-1), true
	}
	if s.Decision == v1alpha1.DecisionExpired {
		return metav1.ConditionFalse, v1alpha1.ReasonAnswerExpired, "nobody answered within the time of spec.answers.expiresAfter", true
	}
	return metav1.ConditionFalse, v1alpha1.ReasonAwaitingAnswer, "nobody has answered yet", true
}

// sentence says what was answered, as in "approve by ada (U012)".
func sentence(r *v1alpha1.Response, more int) string {
	out := r.Action
	if r.Value != "" {
		out += " " + r.Value
	}
	out += " by "
	if r.User.Name != "" {
		out += r.User.Name + " (" + r.User.ID + ")"
	} else {
		out += r.User.ID
	}
	switch {
	case more == 1:
		out += ", and 1 other answer"
	case more > 1:
		out += fmt.Sprintf(", and %d other answers", more)
	}
	return out
}
