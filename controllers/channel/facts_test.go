package channel

import (
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Identity and channel are what the token itself told this process, and at once
// after a restart.
func TestFacts(t *testing.T) {
	s := newWorkspace(t)
	g := newScene(t, s, slackChannel("c", "#alerts"))
	c := g.becomes("c", v1alpha1.ReasonVerified)
	f, ok := g.facts(c)
	if !ok || f.Identity.TeamID != slacksim.DemoTeam || f.Identity.BotUserID != slacksim.DemoBotUser || f.Channel.ID != "C0ALERTS0" {
		t.Errorf("facts %+v, want the identity and the channel", f)
	}

	// Another workspace's token is nobody's until its own auth.test.
	s.set("tokens", slacksim.Token{Token: "xoxb-other", Team: slacksim.DemoTeam, BotUser: "U0OTHERBOT", BotID: "B0OTHER", Scopes: slacksim.AllScopes})
	g.token("xoxb-other")
	if f, ok := g.facts(c); ok {
		t.Errorf("facts %+v about a token that Slack was not asked about", f)
	}
	g.reconcile("c")
	if f, ok := g.facts(c); !ok || f.Identity.BotUserID != "U0OTHERBOT" {
		t.Errorf("facts %+v after auth.test, want the other bot", f)
	}
}

// After a restart the identity is known with the first reconcile, before any
// list is read, and the channel as soon as Slack confirms it.
func TestFactsAfterARestartWaitForNoList(t *testing.T) {
	s := newWorkspace(t)
	g := newScene(t, s, slackChannel("c", "#alerts"))
	g.becomes("c", v1alpha1.ReasonVerified)
	g.restart()
	g.r.Directory = directory.New(directory.Options{Limiter: g.r.Limiter}) // is not started, so it never has a list
	g.reconcile("c")
	f, ok := g.facts(g.stored("c"))
	if !ok || f.Identity.BotUserID != slacksim.DemoBotUser {
		t.Fatalf("facts %+v after one reconcile, want the identity", f)
	}
	if f.Channel.ID != "C0ALERTS0" {
		t.Errorf("the channel is %+v, want the one of the status, as conversations.info confirms it", f.Channel)
	}

	// A status that names another channel than the spec is not believed.
	lying := g.stored("c")
	lying.Status.Channel = &v1alpha1.ChannelInfo{ID: "C0DEPLOYS", Name: "alerts"}
	if err := g.store.Status().Update(t.Context(), lying); err != nil {
		t.Fatal(err)
	}
	g.restart()
	g.r.Directory = directory.New(directory.Options{Limiter: g.r.Limiter})
	g.reconcile("c")
	if f, _ := g.facts(g.stored("c")); f.Channel.ID != "" {
		t.Errorf("the channel is %+v by a status that lies, want none", f.Channel)
	}
}

// A SlackChannel of another shard is known to a process that delivers through
// it, which writes nothing, joins nothing, and forgets it when it goes.
func TestForeignSlackChannelIsObserved(t *testing.T) {
	s := newWorkspace(t)
	g := newScene(t, s, slackChannel("c", "#random"), slackChannel("m", "general", managing(v1alpha1.Manage{Adopt: true})))
	g.r.shard = labels.SelectorFromSet(labels.Set{"shard": "mine"})
	var known []types.NamespacedName
	g.r.Health.Learned = func(name types.NamespacedName) { known = append(known, name) }
	c := g.stored("c")
	for end := time.Now().Add(patience); ; time.Sleep(5 * time.Millisecond) {
		g.reconcile("c")
		g.reconcile("m")
		if f, _ := g.facts(c); f.Channel.ID != "" {
			break
		}
		if time.Now().After(end) {
			f, ok := g.facts(c)
			t.Fatalf("facts %+v (%v), want the channel", f, ok)
		}
	}
	if got := s.calls("auth.test"); got != 1 {
		t.Errorf("auth.test was called %d times, want once for both, which have one token", got)
	}
	if f, ok := g.facts(g.stored("m")); !ok || f.Channel.ID != "" {
		t.Errorf("facts %+v of a managed channel that its operator has not got yet, want the identity alone", f)
	}
	for _, name := range []string{"c", "m"} {
		if got := g.stored(name); len(got.Status.Conditions) != 0 || got.Status.Workspace != nil {
			t.Errorf("the status of another operator's SlackChannel %s was written: %+v", name, got.Status)
		}
	}
	for _, method := range []string{"conversations.join", "conversations.create", "conversations.setTopic"} {
		if got := s.calls(method); got != 0 {
			t.Errorf("%s was called %d times for another operator's SlackChannel", method, got)
		}
	}
	if len(known) == 0 {
		t.Error("nobody was told of the facts")
	}
	if err := g.store.Delete(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	g.reconcile("c")
	if _, ok := g.facts(c); ok {
		t.Error("the facts of a SlackChannel that is gone are kept")
	}
	if _, ok := g.r.seen[client.ObjectKeyFromObject(c)]; ok {
		t.Error("the memory of a SlackChannel that is gone is kept")
	}
}

// A SlackChannel that takes the place of another of its name inherits nothing.
func TestNamesakeForgetsTheFormer(t *testing.T) {
	g := newScene(t, newWorkspace(t), slackChannel("c", "#alerts"))
	former := g.becomes("c", v1alpha1.ReasonVerified)
	if err := g.store.Delete(t.Context(), former); err != nil {
		t.Fatal(err)
	}
	if err := g.store.Create(t.Context(), slackChannel("c", "#alerts", func(c *v1alpha1.SlackChannel) { c.UID = "another" })); err != nil {
		t.Fatal(err)
	}
	g.reconcile("c")
	if _, ok := g.facts(former); ok {
		t.Error("the facts of the former one are kept")
	}
}
