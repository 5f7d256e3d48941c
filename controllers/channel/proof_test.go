package channel

import (
	"testing"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// The first message is read back for proof: by one call, which is not repeated
// when it has told nothing, and whose 429 everybody obeys.
func TestProof(t *testing.T) {
	post := func(g *scene, ts string) {
		t.Helper()
		c := g.stored("c")
		conn, err := g.r.Connections.Resolve(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		g.r.Health.Posted(client.ObjectKeyFromObject(c), connection.Post{Credential: conn.Credential, Conversation: "C0ALERTS0", Timestamp: ts, At: time.Now().Add(-time.Minute)})
	}
	reason := func(g *scene) string {
		return conditions.Find(g.stored("c"), v1alpha1.ConditionExactlyOnce).Reason
	}
	t.Run("a message that is not found is not looked for again", func(t *testing.T) {
		s := newWorkspace(t)
		g := newScene(t, s, slackChannel("c", "#alerts"))
		g.becomes("c", v1alpha1.ReasonVerified)
		post(g, "1700000000.000100")
		for range 4 {
			g.reconcile("c")
		}
		if got := s.calls("conversations.history"); got != 1 {
			t.Errorf("conversations.history was called %d times, want once", got)
		}
	})
	t.Run("a 429 goes to the Limiter", func(t *testing.T) {
		s := newWorkspace(t)
		g := newScene(t, s, slackChannel("c", "#alerts"))
		g.becomes("c", v1alpha1.ReasonVerified)
		s.set("faults", slacksim.Fault{Method: "conversations.history", Kind: "ratelimit", RetryAfter: 60, Times: 1})
		post(g, "1700000000.000100")
		if got := g.reconcile("c"); got.RequeueAfter < 50*time.Second || got.RequeueAfter > 70*time.Second {
			t.Errorf("it looks again after %v, want what Slack asked for", got.RequeueAfter)
		}
		if at, ok := g.r.Limiter.Reserve(time.Now(), slack.SharedDomain().Workspace(slacksim.DemoTeam, slacksim.DemoBotUser), slack.MethodHistory, pacing.Holder{Name: "x"}); ok || time.Until(at) < 50*time.Second {
			t.Errorf("others may read at %v (%v), want them to wait too", at, ok)
		}
	})
	t.Run("what a proof has shown stands over a restart", func(t *testing.T) {
		s := newWorkspace(t)
		g := newScene(t, s, slackChannel("c", "#alerts"))
		c := g.becomes("c", v1alpha1.ReasonVerified)
		u := unrecognisable()
		conditions.Set(c, v1alpha1.ConditionExactlyOnce, u.Status, u.Reason, u.Message)
		if err := g.store.Status().Update(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		g.restart()
		for range 3 {
			g.reconcile("c")
			if got := reason(g); got != v1alpha1.ReasonMetadataNotReturned {
				t.Fatalf("ExactlyOnce is %s after a restart, want MetadataNotReturned", got)
			}
		}
		// Another token is another app, maybe.
		s.set("tokens", slacksim.Token{Token: "xoxb-other", Team: slacksim.DemoTeam, BotUser: slacksim.DemoBotUser, BotID: "B0BOT0000", Scopes: slacksim.AllScopes})
		g.token("xoxb-other")
		g.becomes("c", v1alpha1.ReasonVerified)
		if got := reason(g); got != v1alpha1.ReasonVerifiable {
			t.Errorf("ExactlyOnce is %s with another token, want it to be found out anew", got)
		}
	})
}
