package incident

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// The tests begin on a Tuesday, 08:00.
var untilTen = []v1alpha1.TimeInterval{{Times: []v1alpha1.TimeRange{{From: "07:00", To: "10:00"}}}}

func (g *rig) only() v1alpha1.SlackNotification {
	g.T.Helper()
	list := g.List()
	if len(list) != 1 {
		g.T.Fatalf("%d SlackNotifications, want 1", len(list))
	}
	return list[0]
}

// What opens in a muted time is told when that ends, and to nobody if it is over
// by then, whoever is restarted in between.
func TestMutedTimes(t *testing.T) {
	ten := metav1.NewTime(start.Add(2 * time.Hour))
	opened := func(t *testing.T) *rig {
		g := newRig(t)
		g.Rule.Spec.MuteTimes = untilTen
		g.apply(g.news("a", "one"))
		if n := g.only(); !n.Spec.NotBefore.Equal(&ten) || n.Spec.Suspend {
			t.Fatalf("notBefore is %v, want %v", n.Spec.NotBefore, ten)
		}
		g.restart()
		return g
	}
	t.Run("it still fires", func(t *testing.T) {
		g := opened(t)
		g.Pass(time.Hour)
		g.apply(g.news("a", "two"))
		g.tend()
		if n := g.only(); !n.Spec.NotBefore.Equal(&ten) || n.Spec.Text != "two" {
			t.Errorf("%q not before %v", n.Spec.Text, n.Spec.NotBefore)
		}
	})
	t.Run("it is over before that", func(t *testing.T) {
		for _, policy := range []v1alpha1.ResolvePolicy{v1alpha1.ResolveEdit, v1alpha1.ResolveReply, v1alpha1.ResolveEditAndReply, v1alpha1.ResolveNone} {
			g := opened(t)
			g.Rule.Spec.OnResolve = policy
			g.Pass(time.Hour)
			g.apply(g.news("a", ""))
			n := g.only() // no reply
			if s, _ := StateOf(&n); !n.Spec.Suspend || s.Open() {
				t.Errorf("%s: suspend is %v, open is %v", policy, n.Spec.Suspend, s.Open())
			}
			// It goes in its time, and the next one is a new one.
			g.Pass(25 * time.Hour)
			if policy == v1alpha1.ResolveEdit {
				g.tend()
				if left := len(g.List()); left != 0 {
					t.Errorf("%d are left", left)
				}
			}
			g.Pass(2 * time.Hour)
			g.apply(g.news("a", "three"))
			if list := g.List(); list[len(list)-1].Spec.NotBefore != nil || list[len(list)-1].Spec.Suspend {
				t.Errorf("a later one is held")
			}
		}
	})
	t.Run("it is over after that", func(t *testing.T) {
		g := opened(t)
		g.Pass(2 * time.Hour)
		g.apply(g.news("a", ""))
		if n := g.only(); n.Spec.Suspend {
			t.Error("the end is not told")
		}
	})
	t.Run("the rule mutes no more", func(t *testing.T) {
		g := opened(t)
		g.Rule.Spec.MuteTimes = nil
		g.tend()
		if n := g.only(); n.Spec.NotBefore != nil {
			t.Errorf("not before %v", n.Spec.NotBefore)
		}
	})
	t.Run("beyond maxIncidents", func(t *testing.T) {
		g := opened(t)
		g.Rule.Spec.MaxIncidents = 1
		g.apply(g.news("b", "one"), g.news("c", "one"))
		for _, n := range g.List() {
			if !n.Spec.NotBefore.Equal(&ten) {
				t.Errorf("%s: not before %v", n.Name, n.Spec.NotBefore)
			}
		}
	})
}

// An incident that was told before is edited in a muted time; what would alert
// somebody waits.
func TestEarlierIncidentsInMutedTimes(t *testing.T) {
	g := newRig(t)
	g.Rule.Spec.OnResolve = v1alpha1.ResolveEditAndReply
	g.Rule.Spec.RepeatInterval = &metav1.Duration{Duration: time.Hour}
	g.apply(g.news("a", "one"))
	n := g.only()
	n.Status.Phase = v1alpha1.PhaseDelivered
	if err := g.Live.Status().Update(g.Ctx, &n); err != nil {
		t.Fatal(err)
	}
	g.Rule.Spec.MuteTimes = untilTen
	g.Pass(90 * time.Minute)
	if next := g.tend().Next; !next.Equal(start.Add(2 * time.Hour)) {
		t.Errorf("it reminds at %v, want when the muted time ends", next)
	}
	g.apply(g.news("a", ""))
	list := g.List()
	if len(list) != 2 || list[0].Spec.NotBefore != nil || list[0].Spec.Title != "Resolved: a" || list[0].Spec.Suspend {
		t.Fatalf("%d: %+v", len(list), list[0].Spec)
	}
	if got := list[1].Spec.NotBefore; got == nil || !got.Time.Equal(start.Add(2*time.Hour)) {
		t.Errorf("the reply is made not before %v", got)
	}
}

// By a webhook the end is a message of its own, which waits too.
func TestWebhookInMutedTimes(t *testing.T) {
	g := newRig(t)
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c"}}
	c.Spec.Webhook = &v1alpha1.Webhook{}
	if err := g.Live.Create(g.Ctx, c); err != nil {
		t.Fatal(err)
	}
	g.apply(g.news("a", "one"))
	g.Rule.Spec.MuteTimes = untilTen
	g.apply(g.news("a", ""))
	if got := g.only().Spec.NotBefore; got == nil || !got.Time.Equal(start.Add(2*time.Hour)) {
		t.Errorf("the end is told not before %v", got)
	}
}
