package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// crowd are the people who press.
const crowd = 20

// clicks counts what became of presses.
type clicks struct {
	mu    sync.Mutex
	acked map[string]slacksim.Press // by the click's user and action_ts
	all   int
}

// People press buttons on two replicas over sockets, while the operator is killed,
// sockets are refreshed and cut, and the API server takes its time. What was
// acknowledged is stored once, First has one decision each, and every message shows
// what its object says.
func TestClicksInAStorm(t *testing.T) {
	t.Parallel()
	s := stage(t, "clicks", fmt.Sprintf("%d clicks by %d people on two replicas", pick(60, 500), crowd), 1)
	team := s.teams[0]
	bot := "U" + team[1:] + "BOT"
	app := "A" + bot[1:]
	s.sim("apps", slacksim.App{ID: app, SocketMode: true, Interactivity: true, Tokens: []*slacksim.AppToken{{Token: "xapp-clicks-" + harness.Planted}}})
	s.secret("app", "appToken", "xapp-clicks-"+harness.Planted)
	for i := range crowd {
		s.sim("users?team="+team, slacksim.User{ID: person(team, i), Name: fmt.Sprint("person", i)})
	}
	place := s.places[0]
	s.Eventually(func() error {
		c := &v1alpha1.SlackChannel{}
		if err := env.Client.Get(t.Context(), client.ObjectKey{Namespace: s.name, Name: place}, c); err != nil {
			return err
		}
		c.Spec.Interactions = &v1alpha1.Interactions{AppTokenSecretRef: &v1alpha1.SecretKeyReference{Name: "app"}}
		return env.Client.Update(t.Context(), c)
	}).Should(gomega.Succeed())

	config, err := env.Cluster.UserConfig(harness.OperatorUser, "system:serviceaccounts", "system:serviceaccounts:"+harness.OperatorNamespace)
	s.must(err)
	slow, err := harness.NewSlowAPI(config, t.TempDir())
	s.must(err)
	t.Cleanup(slow.Close)
	replica := func() *harness.Operator {
		return s.operator("--kubeconfig="+slow.Kubeconfig, "--leader-elect", "--leader-election-namespace="+harness.OperatorNamespace)
	}
	s.mayLead()
	replicas := []*harness.Operator{replica(), replica()}
	s.ready()

	ask := func(i int, by v1alpha1.DecidedBy) *v1alpha1.SlackNotification {
		n := &v1alpha1.SlackNotification{ObjectMeta: s.meta(fmt.Sprintf("ask-%03d", i))}
		n.Spec.ChannelRef.Name, n.Spec.Text = place, fmt.Sprint("question ", i)
		n.Spec.Actions = []v1alpha1.Action{{Name: "approve", Text: "Approve", Done: "approved"}, {Name: "reject", Text: "Reject", Done: "rejected"}}
		n.Spec.Answers = &v1alpha1.Answers{DecidedBy: by, Allowed: v1alpha1.AllowedPeople{Everyone: true}}
		s.must(env.Client.Create(t.Context(), n))
		return n
	}
	var asked []*v1alpha1.SlackNotification
	for i := range pick(6, 30) {
		asked = append(asked, ask(i, []v1alpha1.DecidedBy{v1alpha1.DecidedByFirst, v1alpha1.DecidedByEach, v1alpha1.DecidedByNone}[i%3]))
	}
	s.sent = len(asked)
	for _, n := range asked {
		s.Eventually(func() v1alpha1.Phase {
			_ = env.Client.Get(t.Context(), client.ObjectKeyFromObject(n), n)
			return n.Status.Phase
		}).Should(gomega.Equal(v1alpha1.PhaseDelivered))
	}
	// From here on the API server is slow in half of the cases.
	slow.Hold(func(ctx context.Context, patch string) {
		if rand.IntN(2) == 0 {
			select {
			case <-ctx.Done():
			case <-time.After(time.Duration(rand.IntN(4000)) * time.Millisecond):
			}
		}
	}, nil)

	// Each kill brings some more presses, so that they are spread over all of them.
	presses, kills := pick(60, 500), pick(4, 50)
	tokens := make(chan struct{}, presses)
	var storm, people sync.WaitGroup
	storm.Go(func() { // one replica after the other is killed, and sockets are troubled
		defer close(tokens)
		for i := range kills {
			for range presses*(i+1)/kills - presses*i/kills {
				tokens <- struct{}{}
			}
			select {
			case <-t.Context().Done():
				return
			case <-time.After(time.Duration(500+rand.IntN(2000)) * time.Millisecond):
			}
			s.sim("sockets", slacksim.SocketAction{App: app, Action: []string{"refresh_requested", "warning", "cut"}[rand.IntN(3)]})
			replicas[i%2].Kill()
			replicas[i%2] = replica()
		}
	})
	got := &clicks{acked: map[string]slacksim.Press{}}
	for i := range crowd {
		people.Go(func() {
			for range tokens {
				pressed := false
				for !pressed && t.Context().Err() == nil { // where the button has gone, another one is looked for
					n := asked[rand.IntN(len(asked))]
					pressed = got.press(slacksim.Pressing{
						Who: person(team, i), Channel: n.Status.Deliveries[0].ConversationID, TS: n.Status.Deliveries[0].Timestamp,
						Action: "sn:" + []string{"approve", "reject"}[rand.IntN(2)], Wait: true,
					})
				}
			}
		})
	}
	people.Wait()
	storm.Wait()
	slow.Hold(nil, nil)
	s.kills = kills

	missing, twice, stored := 0, 0, 0
	for _, n := range asked {
		s.Eventually(func() string { return unshown(t, n) }).Should(gomega.BeEmpty())
		seen := map[string]bool{}
		for i := range n.Status.Responses {
			r := &n.Status.Responses[i]
			stored++
			key := r.User.ID + "/" + ts(r.At)
			if seen[key] {
				twice++
			}
			seen[key] = true
		}
		first := n.Spec.Answers.DecidedBy == v1alpha1.DecidedByFirst
		if first && (len(n.Status.Responses) > 1 || len(n.Status.Responses) == 1 && n.Status.Decision != n.Status.Responses[0].Action) {
			t.Errorf("%s has the decision %q of %d answers", n.Name, n.Status.Decision, len(n.Status.Responses))
		}
		missing += got.missing(n, seen)
	}
	for _, o := range replicas {
		s.end(o)
	}
	t.Logf("%d presses, %d acknowledged, %d answers stored", got.all, len(got.acked), stored)
	if stored == 0 || len(got.acked) == 0 {
		t.Error("nothing was answered, so that nothing was tried")
	}
	if missing > 0 || twice > 0 {
		t.Errorf("%d acknowledged clicks are missing, %d are stored twice", missing, twice)
	}
	results.mu.Lock()
	defer results.mu.Unlock()
	results.rows = append(results.rows, row{name: s.title, messages: got.all, lost: missing, doubled: twice, kills: s.kills, took: time.Since(s.begin)})
}

func person(team string, i int) string { return fmt.Sprintf("U%sP%d", team[1:], i) }

// ts is a time as Slack writes it.
func ts(at metav1.MicroTime) string {
	return fmt.Sprintf("%d.%06d", at.Unix(), at.Nanosecond()/1000)
}

// press presses a button; false when there is none.
func (c *clicks) press(in slacksim.Pressing) bool {
	data, _ := json.Marshal(in)
	resp, err := http.Post(env.Slack+"/_sim/press", "application/json", bytes.NewReader(data))
	if err != nil {
		return false
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	var p slacksim.Press
	if resp.StatusCode != http.StatusOK || json.Unmarshal(body, &p) != nil {
		time.Sleep(50 * time.Millisecond) // a person takes longer
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all++
	if p.Fate == slacksim.FateAcked {
		c.acked[p.User+"/"+p.ActionTS] = p
	}
	return true
}

// missing counts the acknowledged clicks on a message that are not stored though
// they had to be: with None each, with Each the first of each person, and with First
// one of all.
func (c *clicks) missing(n *v1alpha1.SlackNotification, seen map[string]bool) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := n.Status.Deliveries[0]
	answered := map[string]bool{}
	for i := range n.Status.Responses {
		answered[n.Status.Responses[i].User.ID] = true
	}
	lost := 0
	for key, p := range c.acked {
		if p.Channel != d.ConversationID || p.TS != d.Timestamp || seen[key] {
			continue
		}
		switch n.Spec.Answers.DecidedBy {
		case v1alpha1.DecidedByNone:
			if len(n.Status.Responses) < 100 {
				lost++
			}
		case v1alpha1.DecidedByEach:
			if !answered[p.User] {
				lost++
			}
		default:
			if n.Status.Decision == "" {
				lost++
			}
		}
	}
	return lost
}

// unshown says what of the object its message does not show; empty when it shows
// all.
func unshown(t *testing.T, n *v1alpha1.SlackNotification) string {
	if err := env.Client.Get(t.Context(), client.ObjectKeyFromObject(n), n); err != nil {
		return err.Error()
	}
	data, err := harness.Fetch(env.Slack + "/_sim/messages?channel=" + n.Status.Deliveries[0].ConversationID)
	if err != nil {
		return err.Error()
	}
	var list []slacksim.Message
	if err := json.Unmarshal(data, &list); err != nil {
		return err.Error()
	}
	for _, m := range list {
		if m.TS != n.Status.Deliveries[0].Timestamp {
			continue
		}
		blocks := string(m.Blocks)
		buttons := strings.Contains(blocks, `"sn1:`)
		if buttons != (n.Status.Decision == "") {
			return fmt.Sprintf("%s: decision %q, and buttons: %v", n.Name, n.Status.Decision, buttons)
		}
		if k := len(n.Status.Responses); k > 0 && !strings.Contains(blocks, fmt.Sprintf("by \\u003c@%s\\u003e, \\u003c!date^%d^", n.Status.Responses[k-1].User.ID, n.Status.Responses[k-1].At.Unix())) &&
			!strings.Contains(blocks, fmt.Sprintf("by <@%s>, <!date^%d^", n.Status.Responses[k-1].User.ID, n.Status.Responses[k-1].At.Unix())) {
			return n.Name + ": the last answer is not shown"
		}
		return ""
	}
	return n.Name + ": no message"
}
