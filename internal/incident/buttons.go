package incident

import (
	"strings"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// defaultSnoozes are offered where a rule names none.
var defaultSnoozes = []v1alpha1.ActionDuration{"1h", "4h", "24h"}

// maxDialog is how many characters a dialog of Slack's has room for
// (docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object).
const maxDialog = 300

// everyone of the workspace.
var everyone = &v1alpha1.AllowedPeople{Everyone: true}

// allowedBy is who may take an action; nobody when that is not said.
func allowedBy(said *v1alpha1.AllowedPeople) *v1alpha1.AllowedPeople {
	if said == nil {
		return &v1alpha1.AllowedPeople{}
	}
	return said
}

// buttons are those below the message of an open incident. What undoes takes the place
// of what it undoes.
func buttons(rule *v1alpha1.AlertActions, a Answers, offer Offer) []v1alpha1.Action {
	var out []v1alpha1.Action
	if rule == nil {
		return nil
	}
	if b := rule.Acknowledge; b != nil {
		allowed := everyone
		if b.Allowed != nil {
			allowed = b.Allowed
		}
		if a.Acknowledged != nil {
			out = append(out, v1alpha1.Action{Name: ActionUnacknowledge, Text: "Unacknowledge", Done: "unacknowledged", Allowed: allowed})
		} else {
			out = append(out, v1alpha1.Action{Name: ActionAcknowledge, Text: "Acknowledge", Style: v1alpha1.ActionPrimary, Done: "acknowledged", Allowed: allowed})
		}
	}
	if b := rule.Snooze; b != nil {
		if a.Snoozed != nil {
			out = append(out, v1alpha1.Action{Name: ActionUnsnooze, Text: "Unsnooze", Done: "unsnoozed", Allowed: allowedBy(b.Allowed)})
		} else if options := choices(b.Durations, defaultSnoozes); len(options) > 0 {
			out = append(out, v1alpha1.Action{Name: ActionSnooze, Text: "Snooze", Done: "snoozed", Allowed: allowedBy(b.Allowed), Options: options})
		}
	}
	if b := rule.Resolve; b != nil {
		out = append(out, v1alpha1.Action{Name: ActionResolve, Text: "Resolve", Done: "resolved", Allowed: allowedBy(b.Allowed)})
	}
	if b := rule.Silence; b != nil {
		out = append(out, silenceButton(b, a, offer)...)
	}
	return out
}

// silenceButton is none while a silence is on its way to its end.
func silenceButton(rule *v1alpha1.SilenceAction, a Answers, offer Offer) []v1alpha1.Action {
	switch {
	case a.silencing() && (a.Silence.Ending || a.Silence.Refused != ""):
		return nil
	case a.silencing():
		return []v1alpha1.Action{{Name: ActionUnsilence, Text: "Unsilence", Done: "unsilenced", Allowed: &rule.Allowed}}
	}
	b := v1alpha1.Action{Name: ActionSilence, Text: "Silence", Done: "silenced", Allowed: &rule.Allowed, Options: choices(rule.Durations, nil)}
	if rule.UntilResolved {
		b.Options = append(b.Options, v1alpha1.ActionOption{Text: "until it is over", Value: UntilResolved})
	}
	if len(b.Options) == 0 {
		return nil
	}
	// Where there is nothing to confirm, the answer says why.
	if offer.Refused == "" {
		b.Confirm = Dialog(offer.Matchers)
	}
	return []v1alpha1.Action{b}
}

// Dialog is what is asked before a silence is made.
func Dialog(matchers []Matcher) string {
	list := make([]string, len(matchers))
	for i, m := range matchers {
		list[i] = m.String()
	}
	return "For every receiver of Alertmanager: " + strings.Join(list, ", ")
}

// FitsDialog reports whether a dialog has room for all matchers.
func FitsDialog(matchers []Matcher) bool {
	return utf8.RuneCountInString(Dialog(matchers)) <= maxDialog
}

// choices are the lines of a menu of durations.
func choices(durations, instead []v1alpha1.ActionDuration) []v1alpha1.ActionOption {
	if len(durations) == 0 {
		durations = instead
	}
	var out []v1alpha1.ActionOption
	for _, d := range durations {
		if _, ok := parseDuration(string(d)); ok {
			out = append(out, v1alpha1.ActionOption{Text: "for " + string(d), Value: string(d)})
		}
	}
	return out
}

// dress gives a message the buttons that fit its state, and none when it is over or
// about many incidents.
//
// news is true when the alerts may have changed since the last time.
func (a *session) dress(n *v1alpha1.SlackNotification, s *State, news bool) {
	a.renewOffer(s, news)
	var actions []v1alpha1.Action
	if s.Open() && s.Key != overflowKey {
		actions = buttons(a.rule.Spec.Actions, s.Answers, s.offered())
	}
	n.Spec.Actions, n.Spec.Answers = actions, nil
	if len(actions) > 0 {
		n.Spec.Answers = &v1alpha1.Answers{DecidedBy: v1alpha1.DecidedByNone}
	}
}

// offered is what a silence would match.
func (s *State) offered() Offer {
	if s.Offer == nil {
		return Offer{}
	}
	return *s.Offer
}

// keptFor is the offer after a replica has been at work that has not seen the rule as it
// is: it does not decide what a silence matches. With news whoever has seen it does.
func (o Offer) keptFor(rule *v1alpha1.SlackAlert, news bool) *Offer {
	if news {
		o.Generation = rule.Generation
	}
	return &o
}

// renewOffer asks what a silence would match, when the rule or the alerts may have
// changed that.
func (a *session) renewOffer(s *State, news bool) {
	silences := a.rule.Spec.Actions != nil && a.rule.Spec.Actions.Silence != nil && a.Offer != nil
	switch {
	case !silences || s.Key == overflowKey || !s.Open():
		s.Offer = nil
		return
	case s.Offer != nil && s.Offer.Generation == a.rule.Generation && !news:
		return
	case s.Offer != nil && s.Offer.Generation > a.rule.Generation:
		s.Offer = s.Offer.keptFor(a.rule, news)
		return
	}
	offer := a.Offer(a.rule, s.Data)
	offer.Generation = a.rule.Generation
	if offer.Refused == "" && !FitsDialog(offer.Matchers) {
		offer.Matchers, offer.Refused = nil, "what a silence would match is longer than the 300 characters that a dialog can list: name fewer labels in spec.actions.silence.labels"
	}
	if was := s.Offer; was != nil {
		offer.Since = was.Since
		if !equality.Semantic.DeepEqual(was.Matchers, offer.Matchers) {
			offer.Since = a.Clock.Now().UTC()
		}
	}
	s.Offer = &offer
}
