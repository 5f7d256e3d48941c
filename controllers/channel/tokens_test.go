package channel

import (
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// each makes SlackChannels c0, c1, … of one Secret.
func each(n int, channel string) (out []client.Object) {
	for i := range n {
		out = append(out, slackChannel(fmt.Sprint("c", i), channel))
	}
	return out
}

// pass reconciles each of n SlackChannels once, all at the same time.
func (g *scene) pass(n int) {
	g.t.Helper()
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			_, err := g.r.Reconcile(g.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: fmt.Sprint("c", i)}})
			if err != nil {
				g.t.Error(err)
			}
		})
	}
	all.Wait()
}

// all reconciles n SlackChannels until Ready has a reason in each.
func (g *scene) all(n int, reason string) {
	g.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		g.pass(n)
		there := 0
		for i := range n {
			if said(conditions.Find(g.stored(fmt.Sprint("c", i)), v1alpha1.ConditionReady), reason) {
				there++
			}
		}
		if there == n {
			return
		}
	}
	g.t.Fatalf("not all of %d SlackChannels become %s", n, reason)
}

// SlackChannels of one token are one question to Slack, and what comes of it is
// the truth of all: a token that is refused, and one that is mended.
func TestOneAuthTestForAToken(t *testing.T) {
	const n = 20
	s := newWorkspace(t)
	g := newScene(t, s, each(n, "#alerts")...)
	calls := 0
	more := func(what string, want int) {
		t.Helper()
		if got := s.calls("auth.test") - calls; got != want {
			t.Errorf("%s: auth.test was called %d times more for %d SlackChannels, want %d", what, got, n, want)
		}
		calls = s.calls("auth.test")
	}
	g.all(n, v1alpha1.ReasonVerified)
	g.pass(n)
	more("verified", 1)

	// One is looked at because somebody asked for it: the token is revoked.
	s.set("tokens", slacksim.Token{Token: slacksim.DemoToken, Team: slacksim.DemoTeam, BotUser: slacksim.DemoBotUser, BotID: "B0BOT0000", Scopes: slacksim.AllScopes, Error: "token_revoked"})
	c := g.stored("c3")
	c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	g.update(c)
	g.reconcile("c3")
	g.all(n, v1alpha1.ReasonInvalidToken)
	more("revoked", 1)

	// The Secret is written once more, with the same token, which is good again.
	s.set("tokens", slacksim.Token{Token: slacksim.DemoToken, Team: slacksim.DemoTeam, BotUser: slacksim.DemoBotUser, BotID: "B0BOT0000", Scopes: slacksim.AllScopes})
	secret := &corev1.Secret{}
	if err := g.store.Get(t.Context(), client.ObjectKey{Namespace: "default", Name: "bot"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Labels = map[string]string{"touched": "yes"}
	g.update(secret)
	g.all(n, v1alpha1.ReasonVerified)
	more("mended", 1)

	// Slack refuses a delivery by one of them.
	s.set("tokens", slacksim.Token{Token: slacksim.DemoToken, Team: slacksim.DemoTeam, BotUser: slacksim.DemoBotUser, BotID: "B0BOT0000", Scopes: slacksim.AllScopes, Error: "account_inactive"})
	conn, err := g.r.Connections.Resolve(t.Context(), g.stored("c7"))
	if err != nil {
		t.Fatal(err)
	}
	g.r.Health.Report(types.NamespacedName{Namespace: "default", Name: "c7"}, conn.Credential,
		&slack.Error{Class: slack.ClassInvalidCredentials, Code: "account_inactive"}, time.Now())
	g.reconcile("c7")
	g.all(n, v1alpha1.ReasonInvalidToken)
	more("refused", 1)

	// Another token is another question.
	s.set("tokens", slacksim.Token{Token: "xoxb-other", Team: slacksim.DemoTeam, BotUser: "U0OTHERBOT", BotID: "B0OTHER", Scopes: slacksim.AllScopes})
	g.token("xoxb-other")
	g.all(n, v1alpha1.ReasonVerified)
	more("another token", 1)
	if got := len(g.r.tokens.known); got != 1 {
		t.Errorf("%d tokens are known, want the one in use", got)
	}
}

// What one SlackChannel has found out of a token wakes those that share it, and
// no others.
func TestNewsOfATokenWakesItsUsers(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	name := func(n string) types.NamespacedName { return types.NamespacedName{Namespace: "default", Name: n} }
	shared := &connection.Connection{Token: "shared", Secrets: "v1", Client: "10s"}
	own := &connection.Connection{Token: "own", Secrets: "v1", Client: "10s"}
	revoked := &slack.Error{Class: slack.ClassInvalidCredentials, Code: "token_revoked"}
	down := &slack.Error{Class: slack.ClassUnavailable}
	good := slack.Identity{TeamID: "T1", BotUserID: "U1", Scopes: []string{"chat:write"}}
	fewer := slack.Identity{TeamID: "T1", BotUserID: "U1"}
	for _, test := range []struct {
		name   string
		first  error
		then   error
		second slack.Identity
		woken  int
	}{
		{name: "nothing new", second: good},
		{name: "another scope", second: fewer, woken: 1},
		{name: "refused", then: revoked, woken: 1},
		{name: "still refused", first: revoked, then: revoked},
		{name: "good again", first: revoked, second: good, woken: 1},
		{name: "one failure that passes", then: down},
		{name: "a failure that lasts", first: down, then: down, woken: 1},
		{name: "reached again", first: down, second: good, woken: 1},
		{name: "a wait", then: &slack.Error{Class: slack.ClassRateLimited}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var k tokens
			k.join(name("a"), shared, at)
			k.join(name("b"), shared, at)
			k.join(name("c"), own, at)
			k.answered(name("a"), shared, at, at, good, slack.AsError(test.first))
			at := at.Add(time.Second)
			woken := k.answered(name("a"), shared, at, at, test.second, slack.AsError(test.then))
			if len(woken) != test.woken || len(woken) == 1 && woken[0] != name("b") {
				t.Errorf("%v are woken, want b alone or nobody (%d)", woken, test.woken)
			}
		})
	}
}

// Of many only one asks; when it goes or does not come back, another does.
func TestWhoAsks(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	a, b := types.NamespacedName{Name: "a"}, types.NamespacedName{Name: "b"}
	conn := &connection.Connection{Token: "shared", Secrets: "v1", Client: "10s"}
	for _, test := range []struct {
		name string
		then func(k *tokens, now *time.Time) []types.NamespacedName
	}{
		{"it goes", func(k *tokens, _ *time.Time) []types.NamespacedName {
			_, woken := k.leave(a)
			return woken
		}},
		{"it has to wait for its turn, and does not come", func(k *tokens, now *time.Time) []types.NamespacedName {
			k.later(a, conn, now.Add(time.Minute))
			*now = now.Add(time.Minute + askPatience)
			return []types.NamespacedName{b}
		}},
		{"Slack asks it to wait", func(k *tokens, now *time.Time) []types.NamespacedName {
			return k.answered(a, conn, *now, *now, slack.Identity{}, &slack.Error{Class: slack.ClassRateLimited})
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var k tokens
			now := at
			k.join(a, conn, now)
			k.join(b, conn, now)
			if got := k.look(a, conn, now, need{}); !got.ask {
				t.Fatalf("%+v, want that the first asks", got)
			}
			if got := k.look(b, conn, now, need{}); got.ask || got.wait <= 0 {
				t.Fatalf("%+v, want that the second waits", got)
			}
			if woken := test.then(&k, &now); len(woken) != 1 || woken[0] != b {
				t.Errorf("%v are woken, want the second", woken)
			}
			if got := k.look(b, conn, now, need{}); !got.ask {
				t.Errorf("%+v, want that the second asks", got)
			}
		})
	}
}

// A token is shared between namespaces; one that leaves by a proxy or a CA of its
// namespace's own is not, nor is one that has another way.
func TestWhoSharesAToken(t *testing.T) {
	secret := func(namespace, name string, data map[string][]byte) client.Object {
		return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: data}
	}
	token := map[string][]byte{"token": []byte(slacksim.DemoToken)}
	proxy := func(c *v1alpha1.SlackChannel) {
		c.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}}
	}
	in := func(namespace string) func(*v1alpha1.SlackChannel) {
		return func(c *v1alpha1.SlackChannel) { c.Namespace = namespace }
	}
	g := newScene(t, newWorkspace(t), secret("other", "bot", token), secret("default", "second", token),
		secret("default", "proxy", map[string][]byte{"address": []byte("http://192.0.2.1:3128")}),
		secret("other", "proxy", map[string][]byte{"address": []byte("http://192.0.2.1:3128")}))
	g.r.Connections.Custom = connection.Namespaces{"*"}
	named := func(c *v1alpha1.SlackChannel) string {
		t.Helper()
		conn, err := g.r.Connections.Resolve(t.Context(), c)
		if err != nil {
			t.Fatal(err)
		}
		return conn.Token
	}
	mine := named(slackChannel("a", "#alerts"))
	for _, test := range []struct {
		name   string
		c      *v1alpha1.SlackChannel
		shared bool
	}{
		{"the same Secret", slackChannel("b", "#general"), true},
		{"another Secret with the same token", slackChannel("c", "#alerts", func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.TokenSecretRef.Name = "second" }), true},
		{"another namespace", slackChannel("d", "#alerts", in("other")), true},
		{"another time-out", slackChannel("e", "#alerts", func(c *v1alpha1.SlackChannel) {
			c.Spec.Connection = &v1alpha1.Connection{Timeout: &metav1.Duration{Duration: 3 * time.Second}}
		}), true},
		{"a proxy of its own", slackChannel("f", "#alerts", proxy), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := named(test.c); (got == mine) != test.shared {
				t.Errorf("shared is %v, want %v", got == mine, test.shared)
			}
		})
	}
	if here, there := named(slackChannel("g", "#alerts", proxy)), named(slackChannel("h", "#alerts", proxy, in("other"))); here == there {
		t.Error("two namespaces with the same proxy share a token")
	}
}

// A request asks Slack, whatever another SlackChannel of the token was refused a
// moment ago.
func TestRequestedAtIsNotAnsweredByAnothersRefusal(t *testing.T) {
	s := newWorkspace(t)
	grant := func(scopes ...string) {
		s.set("tokens", slacksim.Token{Token: slacksim.DemoToken, Team: slacksim.DemoTeam, BotUser: slacksim.DemoBotUser, BotID: "B0BOT0000", Scopes: scopes})
	}
	grant("chat:write")
	g := newScene(t, s, each(2, "#alerts")...)
	g.all(2, v1alpha1.ReasonMissingScope)
	grant(slacksim.AllScopes...)
	c := g.stored("c1")
	c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	g.update(c)
	g.becomes("c1", v1alpha1.ReasonVerified)
	g.all(2, v1alpha1.ReasonVerified)
}
