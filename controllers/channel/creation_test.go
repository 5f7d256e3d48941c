package channel

import (
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Two clusters with one app and one manifest: the first has the channel, and the
// other neither changes nor archives it.
func TestTwoClustersOneManifest(t *testing.T) {
	s := newWorkspace(t)
	manifest := func(topic string) *v1alpha1.SlackChannel {
		c := slackChannel("c", "#ours", managing(v1alpha1.Manage{Topic: &topic, DeletionPolicy: v1alpha1.ChannelArchive}))
		c.CreationTimestamp = metav1.NewTime(time.Now().Add(-time.Second))
		return c
	}
	a, b := newScene(t, s, manifest("of a")), newScene(t, s, manifest("of b"))
	for range 3 { // both have seen that there is none
		a.reconcile("c")
		b.reconcile("c")
	}
	owner := a.becomes("c", v1alpha1.ReasonVerified)
	other := b.becomes("c", v1alpha1.ReasonNameTaken)
	if other.Status.Managed != "" || s.room("ours").Topic != "of a" {
		t.Fatalf("the other cluster owns %q, and the topic is %q; want none, and the owner's", other.Status.Managed, s.room("ours").Topic)
	}
	b.restart()
	other = b.becomes("c", v1alpha1.ReasonNameTaken)
	if message := conditions.Find(other, v1alpha1.ConditionReady).Message; !strings.Contains(message, "spec.manage.adopt") {
		t.Errorf("%q does not say how to take it over", message)
	}
	if err := b.store.Delete(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	b.reconcile("c")
	if s.room("ours").Archived {
		t.Error("the other cluster has archived the channel")
	}
	if owner.Status.Managed != s.room("ours").ID {
		t.Errorf("the first cluster owns %q, want %s", owner.Status.Managed, s.room("ours").ID)
	}
}

// A name that is taken is asked for at each check, and the status stays as it is.
func TestNameTakenDoesNotChurn(t *testing.T) {
	s := newWorkspace(t)
	s.set("channels", slacksim.Channel{ID: "C0UNSEEN0", Name: "unseen", Private: true})
	g := newScene(t, s, slackChannel("c", "unseen", managing(v1alpha1.Manage{})))
	before := g.becomes("c", v1alpha1.ReasonNameTaken)
	calls := s.calls("conversations.create")
	for end := time.Now().Add(patience); s.calls("conversations.create") < calls+2; {
		g.reconcile("c")
		if time.Now().After(end) {
			t.Fatal("whether the name is free now is not looked at again")
		}
	}
	if after := g.stored("c"); after.ResourceVersion != before.ResourceVersion {
		t.Errorf("the status was written again, as %+v", after.Status.Conditions)
	}
}

// However a creation ends, the channel is this SlackChannel's: when the answer is
// lost, and when the process does not live to see it.
func TestCreationIsRecognised(t *testing.T) {
	for name, restart := range map[string]bool{"answer lost": false, "process lost": true} {
		t.Run(name, func(t *testing.T) {
			s := newWorkspace(t)
			s.set("faults", slacksim.Fault{Method: "conversations.create", Kind: "close_after", Times: 1})
			g := newScene(t, s, slackChannel("c", "#once", managing(v1alpha1.Manage{})))
			for s.room("once").ID == "" {
				before := g.stored("c")
				g.reconcile("c")
				if restart && s.room("once").ID != "" {
					// Nothing of that pass was written.
					before.ResourceVersion = ""
					before.ResourceVersion = g.stored("c").ResourceVersion
					if err := g.store.Status().Update(t.Context(), before); err != nil {
						t.Fatal(err)
					}
					g.restart()
				}
			}
			c := g.becomes("c", v1alpha1.ReasonVerified)
			if c.Status.Managed != s.room("once").ID {
				t.Errorf("it owns %q, want %s", c.Status.Managed, s.room("once").ID)
			}
			if got := s.calls("conversations.create"); got != 1 {
				t.Errorf("conversations.create was called %d times, want once", got)
			}
		})
	}
}
