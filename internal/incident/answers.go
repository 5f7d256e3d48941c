package incident

import (
	"slices"
	"strconv"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// The names of the actions of incidents, as they stand in the responses of their
// SlackNotifications. What undoes is an action of its own: to press twice must not
// undo.
const (
	ActionAcknowledge   = "acknowledge"
	ActionUnacknowledge = "unacknowledge"
	ActionSnooze        = "snooze"
	ActionUnsnooze      = "unsnooze"
	ActionResolve       = "resolve"
	ActionSilence       = "silence"
	ActionUnsilence     = "unsilence"
)

// UntilResolved is the value of a silence that lasts as long as its incident.
const UntilResolved = "untilResolved"

// Answers is what people have made of an incident with its buttons. It is kept in
// the incident's state, because a status keeps no more than the last responses. It
// is never changed in place.
type Answers struct {
	// Last is the ID of the last response that counts here, and LastAt when that
	// was recorded.
	Last   string    `json:"last,omitempty"`
	LastAt time.Time `json:"lastAt,omitzero"`
	// Acknowledged says by whom; nil when nobody is on it.
	Acknowledged *Answer `json:"acknowledged,omitempty"`
	// Snoozed says by whom; nil when it is not.
	Snoozed *Answer `json:"snoozed,omitempty"`
	// Paused is how long the snoozes were that are over.
	Paused time.Duration `json:"paused,omitempty"`
	// Resolved says who has ended it by hand.
	Resolved *Answer `json:"resolved,omitempty"`
	// Silence is the last one that was asked for.
	Silence *Silence `json:"silence,omitempty"`
}

// Answer is who answered, and for how long that holds.
type Answer struct {
	// By is the ID of the person, and Name what Slack calls them.
	By   string `json:"by"`
	Name string `json:"name,omitempty"`
	// At is when it was recorded.
	At time.Time `json:"at"`
	// Until is when it holds no more; zero for as long as the incident.
	Until time.Time `json:"until,omitzero"`
}

// Silence is a silence in Alertmanager that somebody has asked for. What became of
// it stands in the response.
type Silence struct {
	Answer
	// Response is the ID of the response that asks for it.
	Response string `json:"response"`
	// Matchers are those that its dialog has listed.
	Matchers []Matcher `json:"matchers,omitempty"`
	// Refused says why Alertmanager is not asked.
	Refused string `json:"refused,omitempty"`
	// Ending is true when somebody wants it to end before the incident does.
	Ending bool `json:"ending,omitempty"`
	// Over is true when the response says that it has ended or failed, and OverAt
	// since when that is known.
	Over   bool      `json:"over,omitempty"`
	OverAt time.Time `json:"overAt,omitzero"`
}

// Matcher is a label that must have this very value.
type Matcher struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// String is the matcher in Alertmanager's notation.
func (m Matcher) String() string { return m.Name + "=" + strconv.Quote(m.Value) }

// Offer is what a silence of an incident would match.
type Offer struct {
	Matchers []Matcher `json:"matchers,omitempty"`
	// Refused says why it can't be silenced, and the way out.
	Refused string `json:"refused,omitempty"`
	// Since is when the matchers became these; zero for from the beginning.
	Since time.Time `json:"since,omitzero"`
	// Generation of the SlackAlert that says so.
	Generation int64 `json:"generation"`
}

// holds reports whether an answer is given and holds at a time.
func (a *Answer) holds(now time.Time) bool {
	return a != nil && (a.Until.IsZero() || now.Before(a.Until))
}

// at is what holds at a time: what was for a while is over by itself.
func (a Answers) at(now time.Time) Answers {
	if a.Acknowledged != nil && !a.Acknowledged.holds(now) {
		a.Acknowledged = nil
	}
	if a.Snoozed != nil && !a.Snoozed.holds(now) {
		a = a.unsnooze(a.Snoozed.Until)
	}
	return a
}

// unsnooze ends a snooze, whose time does not count for the escalation.
func (a Answers) unsnooze(at time.Time) Answers {
	if a.Snoozed == nil {
		return a
	}
	a.Paused += max(at.Sub(a.Snoozed.At), 0)
	a.Snoozed = nil
	return a
}

// fold counts the responses that were not counted yet, in their order. What a rule
// does not offer, what can't be read and what changes nothing does nothing.
func (a Answers) fold(responses []v1alpha1.Response, actions *v1alpha1.AlertActions, offer Offer) Answers {
	for i := range a.uncounted(responses) {
		r := &responses[i]
		at := recorded(r)
		a.Last, a.LastAt = r.ID, at
		if actions == nil || at.IsZero() {
			continue
		}
		a = a.at(at).take(r, Answer{By: r.User.ID, Name: r.User.Name, At: at}, actions, offer)
	}
	return a
}

// uncounted are the places of the responses that were not counted yet. The last one
// that was counted may be gone, because a status keeps no more than the last ones.
func (a Answers) uncounted(responses []v1alpha1.Response) func(func(int) bool) {
	from := 0
	if at := slices.IndexFunc(responses, func(r v1alpha1.Response) bool { return r.ID == a.Last }); at >= 0 && a.Last != "" {
		from = at + 1
	} else if a.Last != "" {
		for from < len(responses) && !recorded(&responses[from]).After(a.LastAt) {
			from++
		}
	}
	return func(yield func(int) bool) {
		for i := from; i < len(responses); i++ {
			if !yield(i) {
				return
			}
		}
	}
}

// recorded is when a response was stored, as precise as it is.
func recorded(r *v1alpha1.Response) time.Time { return r.RecordedAt.UTC() }

// take counts one response.
func (a Answers) take(r *v1alpha1.Response, by Answer, actions *v1alpha1.AlertActions, offer Offer) Answers {
	switch r.Action {
	case ActionAcknowledge:
		if actions.Acknowledge != nil && a.Acknowledged == nil {
			if d := actions.Acknowledge.ExpiresAfter; d != nil {
				by.Until = by.At.Add(d.Duration)
			}
			a.Acknowledged = &by
		}
	case ActionSnooze:
		if d, ok := parseDuration(r.Value); ok && actions.Snooze != nil {
			by.Until = by.At.Add(d)
			a = a.unsnooze(by.At)
			a.Snoozed = &by
		}
	case ActionResolve:
		if actions.Resolve != nil && a.Resolved == nil {
			a.Resolved = &by
		}
	case ActionSilence:
		if actions.Silence != nil && !a.silencing() {
			a = a.silence(r, by, offer)
		}
	default:
		return a.undo(r, by)
	}
	return a
}

// undo counts a response that takes another one back.
func (a Answers) undo(r *v1alpha1.Response, by Answer) Answers {
	switch r.Action {
	case ActionUnacknowledge:
		a.Acknowledged = nil
	case ActionUnsnooze:
		a = a.unsnooze(by.At)
	case ActionUnsilence:
		if a.silencing() && !a.Silence.Ending {
			s := *a.Silence
			s.Ending = true
			a.Silence = &s
		}
	}
	return a
}

// staleDialog is said to who has seen other matchers than would be sent.
const staleDialog = "the alerts of this incident have changed since the button was shown, and with them what a silence would match; press again, and look at the dialog"

// silence notes that one is asked for.
func (a Answers) silence(r *v1alpha1.Response, by Answer, offer Offer) Answers {
	d, ok := parseDuration(r.Value)
	if !ok && r.Value != UntilResolved {
		return a
	}
	if ok {
		by.Until = by.At.Add(d)
	}
	s := &Silence{Answer: by, Response: r.ID, Matchers: offer.Matchers, Refused: offer.Refused}
	if s.Refused == "" && r.At.UTC().Before(offer.Since) {
		s.Refused = staleDialog
	}
	if len(s.Matchers) == 0 && s.Refused == "" {
		s.Refused = "it is not known what to match"
	}
	a.Silence = s
	return a
}

// noteSilence has a silence be over of which the response says so.
func (a Answers) noteSilence(responses []v1alpha1.Response, now time.Time) Answers {
	if a.Silence == nil || a.Silence.Over {
		return a
	}
	result := SilenceOf(responses, a.Silence.Response)
	if result == nil || result.State != v1alpha1.SilenceEnded && result.State != v1alpha1.SilenceFailed {
		return a
	}
	s := *a.Silence
	s.Over, s.OverAt = true, now
	a.Silence = &s
	return a
}

// SilenceOf returns what became of the silence that a response asks for; nil when
// nothing did yet.
func SilenceOf(responses []v1alpha1.Response, id string) *v1alpha1.SilenceResult {
	for i := range responses {
		if responses[i].ID == id {
			return responses[i].Silence
		}
	}
	return nil
}

// afterSilence is for how long what was sent during a silence may still arrive.
const afterSilence = time.Minute

// SilencedUntil is until when posts leave out what is silenced; zero when nothing was.
func (a Answers) SilencedUntil(now time.Time) time.Time {
	switch {
	case a.Silence == nil || a.Silence.Refused != "":
		return time.Time{}
	case a.Silence.Over:
		return a.Silence.OverAt.Add(afterSilence)
	}
	return now.Add(afterSilence)
}

// silencing reports whether a silence is asked for and has not ended or failed.
func (a Answers) silencing() bool { return a.Silence != nil && !a.Silence.Over }

// quiet reports whether nobody is to be reminded at a time, and until when that is
// so; zero for until somebody answers.
func (a Answers) quiet(now time.Time) (quiet bool, until time.Time) {
	a = a.at(now)
	if a.silencing() {
		return true, time.Time{}
	}
	for _, answer := range []*Answer{a.Acknowledged, a.Snoozed} {
		if answer == nil {
			continue
		}
		if answer.Until.IsZero() {
			return true, time.Time{}
		}
		quiet = true
		if answer.Until.After(until) {
			until = answer.Until
		}
	}
	return quiet, until
}

// due is when a part of it holds no more by itself; zero for never.
func (a Answers) due() time.Time {
	var out time.Time
	for _, answer := range []*Answer{a.Acknowledged, a.Snoozed} {
		if answer != nil && !answer.Until.IsZero() && (out.IsZero() || answer.Until.Before(out)) {
			out = answer.Until
		}
	}
	return out
}

// units of durations, as Prometheus writes them.
var units = map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour}

// longestChoice is the longest duration of a menu. What is longer is a mistake.
const longestChoice = 366 * 24 * time.Hour

// parseDuration reads a choice of a menu, as in 30m, 1d or 1h30m; false for all that is none.
func parseDuration(text string) (time.Duration, bool) {
	var total time.Duration
	for text != "" {
		digits := 0
		for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
			digits++
		}
		if digits == 0 || digits > 5 || digits == len(text) {
			return 0, false
		}
		unit, ok := units[text[digits]]
		n, err := strconv.Atoi(text[:digits])
		if !ok || err != nil || time.Duration(n) > longestChoice/unit {
			return 0, false
		}
		if total += time.Duration(n) * unit; total > longestChoice {
			return 0, false
		}
		text = text[digits+1:]
	}
	return total, total > 0
}
