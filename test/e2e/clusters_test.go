package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// side is one of two clusters.
type side struct {
	*world
	client  client.Client
	channel *v1alpha1.SlackChannel
	asked   *v1alpha1.SlackNotification
	// presses of its message.
	presses []slacksim.Press
}

// ask asks something in the cluster, that everybody may answer again and again.
func (s *side) ask() {
	s.t.Helper()
	s.asked = &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: s.ns, Name: "ask"}}
	s.asked.Spec.ChannelRef.Name, s.asked.Spec.Text = "c", "Deploy?"
	s.asked.Spec.Actions = []v1alpha1.Action{{Name: "approve", Text: "Approve"}}
	s.asked.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}, DecidedBy: v1alpha1.DecidedByNone}
	s.Expect(s.client.Create(s.ctx, s.asked)).To(gomega.Succeed())
	s.Eventually(func() v1alpha1.Phase { s.read(s.asked); return s.asked.Status.Phase }).Should(gomega.Equal(v1alpha1.PhaseDelivered))
}

func (s *side) read(o client.Object) {
	s.t.Helper()
	s.Expect(s.client.Get(s.ctx, client.ObjectKeyFromObject(o), o)).To(gomega.Succeed())
}

// condition of its SlackChannel.
func (s *side) condition() metav1.Condition {
	s.t.Helper()
	s.read(s.channel)
	if c := meta.FindStatusCondition(s.channel.Status.Conditions, v1alpha1.ConditionInteractive); c != nil {
		return *c
	}
	return metav1.Condition{}
}

// pressBoth presses the button of both messages at once.
func pressBoth(sides []*side, times int) {
	var group sync.WaitGroup
	var mu sync.Mutex
	for _, s := range sides {
		d := s.asked.Status.Deliveries[0]
		for range times {
			group.Go(func() {
				p, err := tryPress(slacksim.Pressing{Who: s.id("U", "ADA"), Channel: d.ConversationID, TS: d.Timestamp, Action: "sn:approve", Wait: true})
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					s.t.Error(err)
				}
				s.presses = append(s.presses, p)
			})
		}
	}
	group.Wait()
}

func (s *side) count(fate string) (n int) {
	for i := range s.presses {
		if s.presses[i].Fate == fate {
			n++
		}
	}
	return n
}

// stored are the presses that stand in the object, by the connection that each came
// by. None is there twice.
func (s *side) stored() map[string]int {
	s.t.Helper()
	s.read(s.asked)
	out, seen := map[string]int{}, map[string]bool{}
	for i := range s.asked.Status.Responses {
		r := &s.asked.Status.Responses[i]
		at := fmt.Sprintf("%d.%06d", r.At.Unix(), r.At.Nanosecond()/1000)
		s.Expect(seen[at]).To(gomega.BeFalse(), "%s is stored twice", at)
		seen[at] = true
		j := slices.IndexFunc(s.presses, func(p slacksim.Press) bool { return p.ActionTS == at })
		s.Expect(j).To(gomega.BeNumerically(">=", 0), "%s is no press of this message", at)
		out[s.presses[j].Connection]++
	}
	for i := range s.presses {
		if p := &s.presses[i]; p.Fate == slacksim.FateAcked {
			s.Expect(seen).To(gomega.HaveKey(p.ActionTS), "it was acknowledged")
		}
	}
	return out
}

// Two clusters on one Slack app, which Slack sends each click to any of: what comes to
// the wrong one is neither stored nor acknowledged, and both SlackChannels say why.
func TestTwoClustersOnOneApp(t *testing.T) {
	w := newWorld(t)
	w.app()
	other, err := env.Sibling(w.ctx)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(other.Close)
	w.Expect(other.Client.Create(w.ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.ns}})).To(gomega.Succeed())
	operator, err := other.StartOperator(w.ctx, "other", "--cluster-name=prod-us")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	t.Cleanup(func() {
		operator.Stop()
		if err := operator.Autopsy(0); err != nil {
			t.Error(err)
		}
	})

	there := &side{world: w.within(t), client: other.Client}
	there.as = other.Client
	here := &side{world: w, client: env.client}
	sides := []*side{here, there}
	for _, s := range sides {
		s.channel = s.socketed("c", s.appToken())
		s.Eventually(func() string { return s.condition().Reason }).Should(gomega.Equal(v1alpha1.ReasonConnected))
		s.ask()
	}
	w.Expect(w.socketsOf(w.appID())).To(gomega.Equal(2))

	w.Eventually(func() bool {
		pressBoth(sides, 8)
		enough := func(s *side) bool { return s.count(slacksim.FateAcked) > 0 && s.count(slacksim.FateWarned) > 0 }
		return enough(here) && enough(there)
	}).Should(gomega.BeTrue(), "some clicks come to the right cluster, and some to the wrong one")
	at, elsewhere := here.stored(), there.stored()
	w.Expect(at).NotTo(gomega.BeEmpty())
	w.Expect(elsewhere).NotTo(gomega.BeEmpty())
	for connection := range at {
		w.Expect(elsewhere).NotTo(gomega.HaveKey(connection), "the same connection stored for both clusters")
	}
	w.told("ADA", "This button belongs to another cluster, and cluster prod-us got the click, because both use the same Slack app: nothing was recorded. Press again")
	w.told("ADA", "This button belongs to another cluster, and another one got the click")
	for _, s := range sides {
		s.Eventually(func() string { return s.condition().Reason }).Should(gomega.Equal(v1alpha1.ReasonConnectionShared))
		s.Expect(s.condition().Status).To(gomega.Equal(metav1.ConditionFalse))
		s.Expect(s.condition().Message).To(gomega.And(gomega.ContainSubstring("a click on a message of another cluster"), gomega.ContainSubstring("a Slack app of its own")))
		s.Expect(meta.IsStatusConditionTrue(s.channel.Status.Conditions, v1alpha1.ConditionReady)).To(gomega.BeTrue(), "it delivers all the same")
	}
}

// planted are buttons of a cluster that there is not.
const planted = `[{"type":"actions","block_id":"sn1:0badc1a5:11111111-2222-3333-4444-555555555555:00000000","elements":[
	{"type":"button","action_id":"sn:approve","text":{"type":"plain_text","text":"Go"}}]}]`

// Whoever may write into a channel may write a button that names a cluster: it is told
// to who presses it, and nobody takes the app for shared.
func TestPlantedCluster(t *testing.T) {
	for name, plant := range map[string]func(w *world) (ts string){
		"a tenant's blocks": func(w *world) string {
			n := w.notify("planted", "c", func(n *v1alpha1.SlackNotification) {
				n.Spec.Text = ""
				w.Expect(json.Unmarshal([]byte(planted), &n.Spec.Blocks)).To(gomega.Succeed())
			})
			w.becomes(n, delivered())
			return n.Status.Deliveries[0].Timestamp
		},
		"a tenant's blocks beside actions": func(w *world) string {
			n := w.notify("planted", "c", func(n *v1alpha1.SlackNotification) {
				n.Spec.Text = ""
				w.Expect(json.Unmarshal([]byte(planted), &n.Spec.Blocks)).To(gomega.Succeed())
				n.Spec.Actions = []v1alpha1.Action{{Name: "other", Text: "Other"}}
				n.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}}
			})
			w.becomes(n, delivered())
			return n.Status.Deliveries[0].Timestamp
		},
		"a webhook of the app": func(w *world) string {
			path := "/services/" + w.team + "/B0/plantedsecretplanter"
			w.webhook(slacksim.Webhook{Path: path, Channel: w.id("C", "ALERTS"), AppID: w.appID()})
			resp, err := http.Post(env.slack+path, "application/json", bytes.NewReader([]byte(`{"text":"Deploy?","blocks":`+planted+`}`)))
			w.Expect(err).NotTo(gomega.HaveOccurred())
			_ = resp.Body.Close()
			list := w.messages(w.id("C", "ALERTS"))
			w.Expect(list).NotTo(gomega.BeEmpty())
			return list[len(list)-1].TS
		},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.app()
			c := w.socketed("c", w.appToken())
			w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonConnected))
			w.ready(c)
			ts := plant(w)
			w.Expect(w.pressedAction(ts, "sn:approve")).To(gomega.Equal(slacksim.FateWarned))
			w.told("ADA", "belongs to another cluster")
			// When it is looked up, Slack is asked who is connected.
			w.Eventually(func() int {
				var all []*slacksim.Socket
				w.Expect(json.Unmarshal(fetch(t, env.slack+"/_sim/sockets?app="+w.appID()), &all)).To(gomega.Succeed())
				return len(all)
			}).Should(gomega.BeNumerically(">=", 2))
			w.Consistently(w.interactiveReason(c), "1s").Should(gomega.Equal(v1alpha1.ReasonConnected))
		})
	}
}
