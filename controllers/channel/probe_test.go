package channel

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/readback"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Where a token does not tell its scopes, a reading tells whether the channel may be
// read back; what Slack answers holds for all who read it.
func TestProbe(t *testing.T) {
	const history = "conversations.history"
	for name, row := range map[string]struct {
		scopes []string
		fault  *slacksim.Fault
		status metav1.ConditionStatus
		reason string
		// then is what others who read the channel are told, without a call.
		then readback.Kind
	}{
		"it may":    {slacksim.AllScopes, nil, metav1.ConditionTrue, v1alpha1.ReasonVerifiable, -1},
		"no scope":  {[]string{"chat:write", "channels:read", "channels:join"}, nil, metav1.ConditionFalse, v1alpha1.ReasonMissingScope, readback.Refused},
		"429":       {slacksim.AllScopes, &slacksim.Fault{Method: history, Kind: "ratelimit", RetryAfter: 60, Times: 1}, metav1.ConditionUnknown, v1alpha1.ReasonUnknown, readback.Later},
		"an outage": {slacksim.AllScopes, &slacksim.Fault{Method: history, Kind: "http", Status: 503, Times: 1}, metav1.ConditionUnknown, v1alpha1.ReasonUnknown, -1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newWorkspace(t)
			s.set("tokens", slacksim.Token{Token: slacksim.DemoToken, Team: slacksim.DemoTeam, BotUser: slacksim.DemoBotUser, BotID: "B0BOT0000", Scopes: row.scopes, HideScopes: true})
			if row.fault != nil {
				s.set("faults", *row.fault)
			}
			g := newScene(t, s, slackChannel("c", "#alerts"))
			c := g.becomes("c", v1alpha1.ReasonVerified)
			if got := conditions.Find(c, v1alpha1.ConditionExactlyOnce); got == nil || got.Status != row.status || got.Reason != row.reason {
				t.Fatalf("ExactlyOnce is %+v, want %s %s", got, row.status, row.reason)
			}
			if row.then < 0 {
				return
			}
			conn, err := g.r.Connections.Resolve(t.Context(), c)
			if err != nil {
				t.Fatal(err)
			}
			before := s.calls(history)
			place := readback.Place{Workspace: slack.SharedDomain().Workspace(slacksim.DemoTeam, slacksim.DemoBotUser), Conversation: c.Status.Channel.ID}
			a := g.r.Readback.One(t.Context(), time.Now, conn.API, place, conn.Credential, "1700000000.000100", pacing.Holder{Name: "another"})
			if a.Kind != row.then || s.calls(history) != before {
				t.Errorf("another is told %v after %d calls more, want %v without one", a.Kind, s.calls(history)-before, row.then)
			}
		})
	}
}
