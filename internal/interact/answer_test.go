package interact

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// workspace is who is who in these tests.
type workspace struct{ down bool }

var errDown = errors.New("no answer")

func (w workspace) Has(email, user string) (bool, error) {
	if w.down || email == "down@example.com" {
		return false, errDown
	}
	return email == "ada@example.com" && user == "U0ADA", nil
}

func (w workspace) Member(group, user string) (bool, error) {
	switch {
	case w.down:
		return false, errDown
	case group != "@release":
		return false, ErrNoGroup
	}
	return user == "U0GRACE", nil
}

func TestMay(t *testing.T) {
	home := Home{Team: "T012", Enterprise: "E0ORG"}
	ids := func(ids ...string) (out []v1alpha1.AllowedUser) {
		for _, id := range ids {
			out = append(out, v1alpha1.AllowedUser{User: id})
		}
		return out
	}
	mail := []v1alpha1.AllowedUser{{Email: "ada@example.com"}}
	tests := map[string]struct {
		list       v1alpha1.AllowedPeople
		user, team string
		home       *Home
		down       bool
		want       Verdict
	}{
		"by ID":                                  {list: v1alpha1.AllowedPeople{Users: ids("U0BOB", "U0ADA")}, user: "U0ADA", team: "T012", want: Verdict{By: "user U0ADA"}},
		"by e-mail":                              {list: v1alpha1.AllowedPeople{Users: mail}, user: "U0ADA", team: "T012", want: Verdict{By: "email ada@example.com"}},
		"by group":                               {list: v1alpha1.AllowedPeople{Groups: []string{"@release"}}, user: "U0GRACE", team: "T012", want: Verdict{By: "group @release"}},
		"everyone":                               {list: v1alpha1.AllowedPeople{Everyone: true}, user: "U0EVE", team: "T012", want: Verdict{By: "everyone"}},
		"everyone of the organisation":           {list: v1alpha1.AllowedPeople{Everyone: true}, user: "U0EVE", team: "E0ORG", want: Verdict{By: "everyone"}},
		"a missing group beside one that has it": {list: v1alpha1.AllowedPeople{Groups: []string{"gone", "@release"}}, user: "U0GRACE", team: "T012", want: Verdict{By: "group @release"}},
		"by ID while Slack is down":              {list: v1alpha1.AllowedPeople{Users: append(mail, ids("U0ADA")...)}, user: "U0ADA", team: "T012", down: true, want: Verdict{By: "user U0ADA"}},

		"nobody is in an empty list":           {user: "U0ADA", team: "T012"},
		"another ID":                           {list: v1alpha1.AllowedPeople{Users: ids("U0BOB")}, user: "U0ADA", team: "T012"},
		"another address":                      {list: v1alpha1.AllowedPeople{Users: mail}, user: "U0EVE", team: "T012"},
		"not in the group":                     {list: v1alpha1.AllowedPeople{Groups: []string{"@release"}}, user: "U0EVE", team: "T012"},
		"external, by ID":                      {list: v1alpha1.AllowedPeople{Users: ids("U0EXT")}, user: "U0EXT", team: "T999", want: Verdict{By: "user U0EXT"}},
		"external, everyone":                   {list: v1alpha1.AllowedPeople{Everyone: true}, user: "U0EXT", team: "T999", want: Verdict{External: true}},
		"external, with the address":           {list: v1alpha1.AllowedPeople{Users: mail}, user: "U0ADA", team: "T999", want: Verdict{External: true}},
		"external, in the group":               {list: v1alpha1.AllowedPeople{Groups: []string{"@release"}}, user: "U0GRACE", team: "T999", want: Verdict{External: true}},
		"a workspace that Slack does not tell": {list: v1alpha1.AllowedPeople{Everyone: true}, user: "U0EVE", want: Verdict{External: true}},
		"a home that is not known":             {list: v1alpha1.AllowedPeople{Everyone: true}, user: "U0EVE", home: &Home{}, want: Verdict{External: true}},
		"the group is gone":                    {list: v1alpha1.AllowedPeople{Groups: []string{"gone"}}, user: "U0GRACE", team: "T012", want: Verdict{Unknown: ErrNoGroup}},
		"a group is gone and Slack is down":    {list: v1alpha1.AllowedPeople{Groups: []string{"gone"}, Users: []v1alpha1.AllowedUser{{Email: "down@example.com"}}}, user: "U0ADA", team: "T012", want: Verdict{Unknown: errDown}},
		"Slack is down":                        {list: v1alpha1.AllowedPeople{Users: mail}, user: "U0ADA", team: "T012", down: true, want: Verdict{Unknown: errDown}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			at := home
			if test.home != nil {
				at = *test.home
			}
			if got := May(test.list, Click{UserID: test.user, UserTeamID: test.team}, at, workspace{test.down}); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// asked is a notification that was delivered at noon and can be answered for an hour.
func asked(decidedBy v1alpha1.DecidedBy, changes ...func(*v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	n := &v1alpha1.SlackNotification{}
	n.Generation = 3
	n.Spec.Actions = []v1alpha1.Action{
		{Name: "approve", Text: "Approve", Done: "approved"}, {Name: "reject", Text: "Reject"},
		{Name: "delay", Text: "Later", Options: []v1alpha1.ActionOption{{Text: "1 hour", Value: "1h"}, {Text: "a & b", Value: "a&b"}}},
	}
	n.Spec.Answers = &v1alpha1.Answers{DecidedBy: decidedBy, Allowed: v1alpha1.AllowedPeople{Everyone: true}, ExpiresAfter: &metav1.Duration{Duration: time.Hour}}
	n.Status.Deliveries = []v1alpha1.Delivery{{Recipient: "a", DeliveredAt: &metav1.Time{Time: noon.Add(time.Minute)}}, {Recipient: "b", DeliveredAt: &metav1.Time{Time: noon}}, {Recipient: "c"}}
	for _, change := range changes {
		change(n)
	}
	return n
}

// answer takes a click as whoever stores one does, and returns what the person is
// told where nothing is stored.
func answer(n *v1alpha1.SlackNotification, user, action, value string, at time.Time) string {
	c := Click{UserID: user, UserName: strings.ToLower(user), Action: action, Value: value, At: at, ActionTS: fmt.Sprintf("%d.000001", at.Unix())}
	if Recorded(n, c) {
		return "recorded"
	}
	chosen, late := Choose(n, c, at)
	if late != nil {
		return late.Text
	}
	Record(n, chosen.Response(n, c, "everyone", at))
	return ""
}

func TestAnswers(t *testing.T) {
	type press struct {
		user, action, value string
		after               time.Duration
		told                string
	}
	tests := map[string]struct {
		n        *v1alpha1.SlackNotification
		presses  []press
		decision string
		done     []string
	}{
		"the first decides": {
			n:        asked(v1alpha1.DecidedByFirst),
			presses:  []press{{user: "U0ADA", action: "approve"}, {user: "U0BOB", action: "reject", told: "decided already: “approved” by <@U0ADA>, <!date^"}},
			decision: "approve", done: []string{"approved"},
		},
		"First is the default": {
			n: asked(""), presses: []press{{user: "U0ADA", action: "reject"}, {user: "U0ADA", action: "approve", after: time.Second, told: "decided already: “Reject”"}},
			decision: "reject", done: []string{"Reject"},
		},
		"the same click twice": {
			n: asked(v1alpha1.DecidedByNone), presses: []press{{user: "U0ADA", action: "approve"}, {user: "U0ADA", action: "approve", told: "recorded"}},
			done: []string{"approved"},
		},
		"each has one": {
			n: asked(v1alpha1.DecidedByEach),
			presses: []press{
				{user: "U0ADA", action: "approve"}, {user: "U0BOB", action: "reject"},
				{user: "U0ADA", action: "reject", after: time.Second, told: "answered this already: “approved”"},
			},
			done: []string{"approved", "Reject"},
		},
		"none decides": {
			n: asked(v1alpha1.DecidedByNone), presses: []press{{user: "U0ADA", action: "approve"}, {user: "U0ADA", action: "approve", after: time.Second}},
			done: []string{"approved", "approved"},
		},
		"a menu": {
			n: asked(v1alpha1.DecidedByFirst), presses: []press{{user: "U0ADA", action: "delay", value: "1h"}},
			decision: "delay", done: []string{"Later: 1 hour"},
		},
		"a choice that Slack has escaped": {
			n: asked(v1alpha1.DecidedByFirst), presses: []press{{user: "U0ADA", action: "delay", value: "a&amp;b"}},
			decision: "delay", done: []string{"Later: a & b"},
		},
		"a menu with a word for what was done": {
			n:       asked(v1alpha1.DecidedByFirst, func(n *v1alpha1.SlackNotification) { n.Spec.Actions[2].Done = "put off for" }),
			presses: []press{{user: "U0ADA", action: "delay", value: "1h"}}, decision: "delay", done: []string{"put off for 1 hour"},
		},
		"a choice that is not offered": {n: asked(v1alpha1.DecidedByFirst), presses: []press{{user: "U0ADA", action: "delay", value: "1y", told: "choice is not there"}}},
		"an action that is gone":       {n: asked(v1alpha1.DecidedByNone), presses: []press{{user: "U0ADA", action: "silence", told: "not there any more"}}},
		"in the last second":           {n: asked(v1alpha1.DecidedByFirst), presses: []press{{user: "U0ADA", action: "approve", after: time.Hour}}, decision: "approve", done: []string{"approved"}},
		"too late":                     {n: asked(v1alpha1.DecidedByFirst), presses: []press{{user: "U0ADA", action: "approve", after: time.Hour + time.Second, told: "Too late"}}},
		"said to be expired": {
			n:       asked(v1alpha1.DecidedByEach, func(n *v1alpha1.SlackNotification) { n.Status.Decision = v1alpha1.DecisionExpired }),
			presses: []press{{user: "U0ADA", action: "approve", told: "Too late"}}, decision: v1alpha1.DecisionExpired,
		},
		"being deleted": {
			n:       asked(v1alpha1.DecidedByFirst, func(n *v1alpha1.SlackNotification) { n.DeletionTimestamp = &metav1.Time{Time: noon} }),
			presses: []press{{user: "U0ADA", action: "approve", told: "not there any more"}},
		},
		"the actions were removed": {
			n:       asked(v1alpha1.DecidedByNone, func(n *v1alpha1.SlackNotification) { n.Spec.Actions, n.Spec.Answers = nil, nil }),
			presses: []press{{user: "U0ADA", action: "approve", told: "not there any more"}},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			for _, p := range test.presses {
				if got := answer(test.n, p.user, p.action, p.value, noon.Add(p.after)); p.told == "" && got != "" || !strings.Contains(got, p.told) {
					t.Errorf("%s pressing %s was told %q, want %q", p.user, p.action, got, p.told)
				}
			}
			var done []string
			for i := range test.n.Status.Responses {
				done = append(done, test.n.Status.Responses[i].Done)
			}
			if test.n.Status.Decision != test.decision || strings.Join(done, ";") != strings.Join(test.done, ";") {
				t.Errorf("decision %q by %q; want %q by %q", test.n.Status.Decision, done, test.decision, test.done)
			}
		})
	}
}

func TestTrim(t *testing.T) {
	tests := map[string]struct {
		decidedBy v1alpha1.DecidedBy
		silenced  int // the first responses have a silence that is not over
		presses   int
		want      int
		first     string // who is the first in the list at the end
	}{
		"the last of those that decide nothing": {v1alpha1.DecidedByNone, 0, 150, 100, "U0050"},
		"silences that are not over stay":       {v1alpha1.DecidedByNone, 2, 150, 100, "U0000"},
		"of each the first hundred":             {v1alpha1.DecidedByEach, 0, 150, 100, "U0000"},
		"never more than the schema takes":      {v1alpha1.DecidedByNone, 150, 150, 100, "U0050"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := asked(test.decidedBy)
			for i := range test.presses {
				answer(n, fmt.Sprintf("U%04d", i), "approve", "", noon.Add(time.Duration(i)*time.Second))
				if i < test.silenced {
					n.Status.Responses[len(n.Status.Responses)-1].Silence = &v1alpha1.SilenceResult{State: v1alpha1.SilenceActive}
				}
			}
			if got := n.Status.Responses; len(got) != test.want || got[0].User.ID != test.first {
				t.Errorf("%d responses from %s on; want %d from %s on", len(got), got[0].User.ID, test.want, test.first)
			}
		})
	}
}

func TestExpire(t *testing.T) {
	tests := map[string]struct {
		n     *v1alpha1.SlackNotification
		after time.Duration
		want  string
	}{
		"not yet":              {asked(v1alpha1.DecidedByFirst), time.Hour, ""},
		"now":                  {asked(v1alpha1.DecidedByFirst), time.Hour + time.Second, v1alpha1.DecisionExpired},
		"each":                 {asked(v1alpha1.DecidedByEach), 2 * time.Hour, v1alpha1.DecisionExpired},
		"nothing is out":       {asked(v1alpha1.DecidedByFirst, func(n *v1alpha1.SlackNotification) { n.Status.Deliveries = nil }), 2 * time.Hour, ""},
		"for ever":             {asked(v1alpha1.DecidedByFirst, func(n *v1alpha1.SlackNotification) { n.Spec.Answers.ExpiresAfter = nil }), 1e6 * time.Hour, ""},
		"decided":              {asked(v1alpha1.DecidedByFirst, func(n *v1alpha1.SlackNotification) { n.Status.Decision = "approve" }), 2 * time.Hour, "approve"},
		"nobody is asked more": {asked(v1alpha1.DecidedByNone, func(n *v1alpha1.SlackNotification) { n.Spec.Actions, n.Spec.Answers = nil, nil }), 2 * time.Hour, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			before := test.n.Status.Decision
			if did := Expire(test.n, noon.Add(test.after)); test.n.Status.Decision != test.want || did != (before != test.want) {
				t.Errorf("decision %q (%v), want %q", test.n.Status.Decision, did, test.want)
			}
		})
	}
}

func TestAnswered(t *testing.T) {
	response := func(action, value, name string) v1alpha1.Response {
		return v1alpha1.Response{Action: action, Value: value, User: v1alpha1.ResponseUser{ID: "U012", Name: name}}
	}
	tests := map[string]struct {
		actions                 bool
		decision                string
		responses               []v1alpha1.Response
		status, reason, message string
	}{
		"nobody is asked":    {},
		"nobody yet":         {actions: true, status: "False", reason: "AwaitingAnswer", message: "nobody has answered yet"},
		"decided":            {actions: true, decision: "approve", responses: []v1alpha1.Response{response("approve", "", "ada")}, status: "True", reason: "Answered", message: "approve by ada (U012)"},
		"a choice, no name":  {actions: true, decision: "delay", responses: []v1alpha1.Response{response("delay", "1h", "")}, status: "True", reason: "Answered", message: "delay 1h by U012"},
		"several":            {actions: true, responses: []v1alpha1.Response{response("a", "", "ada"), response("b", "", "bob"), response("c", "", "eve")}, status: "True", reason: "Answered", message: "c by eve (U012), and 2 other answers"},
		"expired":            {actions: true, decision: "Expired", status: "False", reason: "Expired", message: "nobody answered within the time of spec.answers.expiresAfter"},
		"expired with some":  {actions: true, decision: "Expired", responses: []v1alpha1.Response{response("a", "", "ada")}, status: "True", reason: "Answered", message: "a by ada (U012)"},
		"over, with answers": {responses: []v1alpha1.Response{response("a", "", "ada")}, status: "True", reason: "Answered", message: "a by ada (U012)"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			n := &v1alpha1.SlackNotification{}
			if test.actions {
				n = asked(v1alpha1.DecidedByFirst)
			}
			n.Status.Decision, n.Status.Responses = test.decision, test.responses
			status, reason, message, ok := Answered(n)
			if string(status) != test.status || reason != test.reason || message != test.message || ok != (test.status != "") {
				t.Errorf("got %s %s %q", status, reason, message)
			}
		})
	}
}

func TestWho(t *testing.T) {
	many := v1alpha1.AllowedPeople{}
	for range 11 {
		many.Groups = append(many.Groups, "g")
	}
	tests := map[string]struct {
		list v1alpha1.AllowedPeople
		want string
	}{
		"nobody":   {want: "nobody"},
		"everyone": {v1alpha1.AllowedPeople{Everyone: true}, "people of this workspace"},
		"all ways": {v1alpha1.AllowedPeople{Users: []v1alpha1.AllowedUser{{User: "U012"}, {Email: "a&b@example.com"}}, Groups: []string{"@release", "oncall"}},
			"<@U012>, a&amp;b@example.com, members of @release and members of @oncall"},
		"many": {many, strings.TrimSuffix(strings.Repeat("members of @g, ", 10), ", ") + " and others"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Who(test.list); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
