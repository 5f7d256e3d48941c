package incident

import (
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// allActions offers everything; an acknowledgement holds for four hours.
func allActions() *v1alpha1.AlertActions {
	return &v1alpha1.AlertActions{
		Acknowledge: &v1alpha1.AcknowledgeAction{ExpiresAfter: &metav1.Duration{Duration: 4 * time.Hour}},
		Snooze:      &v1alpha1.SnoozeAction{Allowed: &v1alpha1.AllowedPeople{Users: []v1alpha1.AllowedUser{{User: "U0ADA"}}}},
		Resolve:     &v1alpha1.ResolveAction{},
		Silence: &v1alpha1.SilenceAction{Allowed: v1alpha1.AllowedPeople{Groups: []string{"oncall"}},
			Durations: []v1alpha1.ActionDuration{"1h", "1d"}, UntilResolved: true},
	}
}

// pressed is a response by a person some time after the start.
func pressed(n int, who, action, value string, after time.Duration) v1alpha1.Response {
	at := metav1.NewMicroTime(start.Add(after))
	return v1alpha1.Response{ID: fmt.Sprintf("%08x", n), Action: action, Value: value, User: v1alpha1.ResponseUser{ID: who, Name: strings.ToLower(who)}, At: at, RecordedAt: at}
}

// presses are actions one minute after the other, each "who action value".
func presses(list ...string) []v1alpha1.Response {
	var out []v1alpha1.Response
	for n, text := range list {
		parts := append(strings.Fields(text), "")
		out = append(out, pressed(n+1, parts[0], parts[1], parts[2], time.Duration(n+1)*time.Minute))
	}
	return out
}

// sum says what holds at a time, as in "ack ADA, snoozed BOB until 1h2m0s".
func sum(a Answers, after time.Duration) string {
	a = a.at(start.Add(after))
	var out []string
	note := func(what string, b *Answer) {
		if b == nil {
			return
		}
		text := what + " " + b.By
		if !b.Until.IsZero() {
			text += " until " + b.Until.Sub(start).String()
		}
		out = append(out, text)
	}
	note("ack", a.Acknowledged)
	note("snoozed", a.Snoozed)
	note("resolved", a.Resolved)
	if s := a.Silence; s != nil {
		word := "silence"
		if s.Ending {
			word = "ending"
		}
		if s.Over {
			word = "over"
		}
		if s.Refused != "" {
			word = "refused"
		}
		note(word, &s.Answer)
	}
	if a.Paused > 0 {
		out = append(out, "paused "+a.Paused.String())
	}
	return strings.Join(out, ", ")
}

func TestAnswers(t *testing.T) {
	offer := Offer{Matchers: []Matcher{{"alertname", "Down"}}}
	for name, c := range map[string]struct {
		presses []string
		after   time.Duration
		want    string
	}{
		"nobody":                      {nil, time.Hour, ""},
		"acknowledged":                {[]string{"ADA acknowledge"}, time.Hour, "ack ADA until 4h1m0s"},
		"acknowledged by a second":    {[]string{"ADA acknowledge", "BOB acknowledge"}, time.Hour, "ack ADA until 4h1m0s"},
		"acknowledged too long ago":   {[]string{"ADA acknowledge"}, 4*time.Hour + time.Minute, ""},
		"undone by another":           {[]string{"ADA acknowledge", "BOB unacknowledge"}, time.Hour, ""},
		"undone by two":               {[]string{"ADA acknowledge", "BOB unacknowledge", "EVE unacknowledge"}, time.Hour, ""},
		"undone and done again":       {[]string{"ADA acknowledge", "BOB unacknowledge", "BOB acknowledge"}, time.Hour, "ack BOB until 4h3m0s"},
		"undone before":               {[]string{"BOB unacknowledge", "ADA acknowledge"}, time.Hour, "ack ADA until 4h2m0s"},
		"snoozed":                     {[]string{"ADA snooze 1h"}, 30 * time.Minute, "snoozed ADA until 1h1m0s"},
		"snoozed until now":           {[]string{"ADA snooze 1h"}, 61 * time.Minute, "paused 1h0m0s"},
		"snoozed twice":               {[]string{"ADA snooze 1h", "BOB snooze 1d"}, 30 * time.Minute, "snoozed BOB until 24h2m0s, paused 1m0s"},
		"snoozed and woken":           {[]string{"ADA snooze 1h", "BOB unsnooze"}, 30 * time.Minute, "paused 1m0s"},
		"snoozed and acknowledged":    {[]string{"ADA snooze 1h", "BOB acknowledge"}, 2 * time.Hour, "ack BOB until 4h2m0s, paused 1h0m0s"},
		"snoozed for nonsense":        {[]string{"ADA snooze tomorrow"}, time.Minute, ""},
		"snoozed for no time":         {[]string{"ADA snooze 0h"}, time.Minute, ""},
		"snoozed for a number":        {[]string{"ADA snooze 30"}, time.Minute, ""},
		"snoozed for ever":            {[]string{"ADA snooze 99999w99999w99999w"}, time.Minute, ""},
		"resolved":                    {[]string{"ADA resolve", "BOB resolve"}, time.Hour, "resolved ADA"},
		"silenced for a while":        {[]string{"ADA silence 1h"}, time.Minute, "silence ADA until 1h1m0s"},
		"silenced until it is over":   {[]string{"ADA silence untilResolved"}, time.Minute, "silence ADA"},
		"silenced for nonsense":       {[]string{"ADA silence forever"}, time.Minute, ""},
		"silenced without a value":    {[]string{"ADA silence"}, time.Minute, ""},
		"silenced by a second":        {[]string{"ADA silence 1h", "BOB silence 1d"}, time.Minute, "silence ADA until 1h1m0s"},
		"silenced and ended":          {[]string{"ADA silence 1h", "BOB unsilence", "BOB unsilence"}, time.Minute, "ending ADA until 1h1m0s"},
		"ended what was not":          {[]string{"BOB unsilence", "ADA silence 1h"}, time.Minute, "silence ADA until 1h2m0s"},
		"an action that there is not": {[]string{"ADA approve yes", "ADA ACKNOWLEDGE"}, time.Minute, ""},
		"acknowledged and silenced":   {[]string{"ADA acknowledge", "BOB silence 1d"}, time.Hour, "ack ADA until 4h1m0s, silence BOB until 24h2m0s"},
	} {
		t.Run(name, func(t *testing.T) {
			list := presses(c.presses...)
			all := Answers{}.fold(list, allActions(), offer)
			if got := sum(all, c.after); got != c.want {
				t.Errorf("it is %q, want %q", got, c.want)
			}
			// One by one, each of them told again and again, it comes to the same.
			var steps Answers
			for n := range list {
				for range 2 {
					steps = steps.fold(list[:n+1], allActions(), offer)
				}
			}
			if got := sum(steps, c.after); got != c.want {
				t.Errorf("one by one it is %q, want %q", got, c.want)
			}
			if got := sum(Answers{}.fold(list, nil, offer), c.after); got != "" {
				t.Errorf("a rule without actions makes %q of it", got)
			}
		})
	}
}

// What a status has forgotten goes on to count, and counts once.
func TestAnswersThatAStatusForgets(t *testing.T) {
	list := presses("ADA acknowledge", "ADA snooze 1h", "BOB unsnooze", "EVE snooze 1h")
	a := Answers{}.fold(list[:3], allActions(), Offer{})
	for name, left := range map[string][]v1alpha1.Response{"the last that counted": list[2:], "none that counted": list[3:]} {
		t.Run(name, func(t *testing.T) {
			if got, want := sum(a.fold(left, allActions(), Offer{}), 10*time.Minute), "ack ADA until 4h1m0s, snoozed EVE until 1h4m0s, paused 1m0s"; got != want {
				t.Errorf("it is %q, want %q", got, want)
			}
		})
	}
	t.Run("all", func(t *testing.T) {
		if got, want := sum(a.fold(nil, allActions(), Offer{}), 10*time.Minute), "ack ADA until 4h1m0s, paused 1m0s"; got != want {
			t.Errorf("it is %q, want %q", got, want)
		}
	})
}

// What the rule does not offer counts for nothing.
func TestAnswersThatTheRuleDoesNotOffer(t *testing.T) {
	list := presses("ADA acknowledge", "ADA snooze 1h", "ADA silence 1h", "ADA resolve")
	if got := sum(Answers{}.fold(list, &v1alpha1.AlertActions{}, Offer{Matchers: []Matcher{{"a", "b"}}}), time.Minute); got != "" {
		t.Errorf("it is %q", got)
	}
	a := Answers{}.fold(list[:3], allActions(), Offer{Matchers: []Matcher{{"a", "b"}}})
	if got, want := sum(a.offered(&v1alpha1.AlertActions{}), time.Minute), "ending ADA until 1h3m0s"; got != want {
		t.Errorf("after the rule was changed it is %q, want %q", got, want)
	}
}

// A silence matches what its dialog has listed, or there is none.
func TestWhatASilenceMatches(t *testing.T) {
	down := []Matcher{{"alertname", "Down"}}
	for name, c := range map[string]struct {
		offer   Offer
		refused string
	}{
		"as it was shown":    {Offer{Matchers: down, Since: start}, ""},
		"changed since":      {Offer{Matchers: down, Since: start.Add(2 * time.Minute)}, staleDialog},
		"nothing to match":   {Offer{}, "it is not known what to match"},
		"not to be silenced": {Offer{Refused: "a label is missing"}, "a label is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			s := Answers{}.fold(presses("ADA silence 1h"), allActions(), c.offer).Silence
			if s == nil || s.Refused != c.refused || s.Response != "00000001" {
				t.Errorf("it is %+v", s)
			}
		})
	}
}

// The buttons change with what was answered, and none is a toggle.
func TestButtons(t *testing.T) {
	offer := Offer{Matchers: []Matcher{{"alertname", `Do"wn`}, {"namespace", "ns"}}}
	for name, c := range map[string]struct {
		presses []string
		change  func(*v1alpha1.AlertActions)
		want    string
	}{
		"at first":     {nil, nil, "acknowledge snooze:1h,4h,24h resolve silence:1h,1d,untilResolved"},
		"acknowledged": {[]string{"ADA acknowledge"}, nil, "unacknowledge snooze:1h,4h,24h resolve silence:1h,1d,untilResolved"},
		"snoozed":      {[]string{"ADA snooze 4h"}, nil, "acknowledge unsnooze resolve silence:1h,1d,untilResolved"},
		"silenced":     {[]string{"ADA silence 1h"}, nil, "acknowledge snooze:1h,4h,24h resolve unsilence"},
		"to be ended":  {[]string{"ADA silence 1h", "ADA unsilence"}, nil, "acknowledge snooze:1h,4h,24h resolve"},
		"own choices":  {nil, func(a *v1alpha1.AlertActions) { a.Snooze.Durations = []v1alpha1.ActionDuration{"30m", "2d"} }, "acknowledge snooze:30m,2d resolve silence:1h,1d,untilResolved"},
		"one alone":    {nil, func(a *v1alpha1.AlertActions) { *a = v1alpha1.AlertActions{Resolve: a.Resolve} }, "resolve"},
		"no choice":    {nil, func(a *v1alpha1.AlertActions) { a.Silence.Durations, a.Silence.UntilResolved = nil, false }, "acknowledge snooze:1h,4h,24h resolve"},
	} {
		t.Run(name, func(t *testing.T) {
			actions := allActions()
			if c.change != nil {
				c.change(actions)
			}
			var out []string
			for _, b := range buttons(actions, Answers{}.fold(presses(c.presses...), actions, offer), offer) {
				text := b.Name
				for i, o := range b.Options {
					text += map[bool]string{true: ":", false: ","}[i == 0] + o.Value
				}
				out = append(out, text)
				if b.Allowed == nil || b.Done == "" || b.Text == "" {
					t.Errorf("%+v says too little", b)
				}
				if want := `For every receiver of Alertmanager: alertname="Do\"wn", namespace="ns"`; b.Name == ActionSilence && b.Confirm != want {
					t.Errorf("the dialog asks %q", b.Confirm)
				}
			}
			if got := strings.Join(out, " "); got != c.want {
				t.Errorf("the buttons are %q, want %q", got, c.want)
			}
		})
	}
	t.Run("who may", func(t *testing.T) {
		actions := allActions()
		for _, b := range buttons(actions, Answers{}, offer) {
			want := map[string]v1alpha1.AllowedPeople{
				ActionAcknowledge: {Everyone: true}, ActionSnooze: *actions.Snooze.Allowed, ActionResolve: {}, ActionSilence: actions.Silence.Allowed,
			}[b.Name]
			if fmt.Sprint(*b.Allowed) != fmt.Sprint(want) {
				t.Errorf("%s may be pressed by %+v, want %+v", b.Name, *b.Allowed, want)
			}
		}
	})
}

// FuzzDurations holds that a choice is read as it is meant or not at all.
func FuzzDurations(f *testing.F) {
	for _, text := range []string{"1h", "90m", "1h30m", "4d", "2w", "", "h", "1", "0s", "1y", "99999w", "１h"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, ok := parseDuration(text)
		if ok != (d > 0) || d > longestChoice {
			t.Fatalf("%q is %s, %v", text, d, ok)
		}
		if std, err := time.ParseDuration(text); ok && err == nil && std != d {
			t.Errorf("%q is %s, want %s", text, d, std)
		}
	})
}
