package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

const shardLabel = "run"

// scene is one experiment: workspaces, channels and operators of its own.
type scene struct {
	*gomega.WithT
	t     *testing.T
	name  string
	title string
	// places to send to: SlackChannels, one for each channel or webhook.
	places []string
	teams  []string
	// webhook scenes send by webhooks.
	webhook bool
	policy  *v1alpha1.UnknownOutcomePolicy
	// scopes of the tokens; all when empty.
	scopes []string
	// shape changes a notification before it is created.
	shape func(i int, n *v1alpha1.SlackNotification)
	// program is another build of the operator.
	program *harness.Program

	begin time.Time
	kills int
	sent  int
}

// stage prepares workspaces with two channels each.
func stage(t *testing.T, name, title string, teams int, changes ...func(*scene)) *scene {
	t.Helper()
	s := &scene{WithT: gomega.NewWithT(t), t: t, name: name, title: title}
	for _, change := range changes {
		change(s)
	}
	s.SetDefaultEventuallyTimeout(pick(2*time.Minute, 15*time.Minute))
	s.SetDefaultEventuallyPollingInterval(200 * time.Millisecond)
	s.must(env.Client.Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}))
	for i := range teams {
		id := strings.ToUpper(fmt.Sprintf("%s%02d", strings.ReplaceAll(name, "-", ""), i))
		team := "T" + id
		s.teams = append(s.teams, team)
		bot := "U" + id + "BOT"
		s.sim("users?team="+team, slacksim.User{ID: bot, Name: "slack-notifier", Bot: true})
		token := "xoxb-" + id + "-plantedsecret"
		s.grant(team, token, "")
		s.secret("token-"+strings.ToLower(id), "token", token)
		for j := range 2 {
			channel := fmt.Sprintf("C%sX%d", id, j)
			s.sim("channels?team="+team, slacksim.Channel{ID: channel, Name: strings.ToLower(channel), Members: []string{bot}})
			place := strings.ToLower(channel)
			c := &v1alpha1.SlackChannel{ObjectMeta: s.meta(place), Spec: v1alpha1.SlackChannelSpec{
				WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "token-" + strings.ToLower(id)}, Channel: channel},
			}}
			if s.webhook {
				path := "/services/" + team + "/B" + fmt.Sprint(j) + "/plantedsecret"
				s.sim("webhooks?team="+team, slacksim.Webhook{Path: path, Team: team, Channel: channel})
				s.secret(place, "url", env.Slack+path)
				c.Spec = v1alpha1.SlackChannelSpec{Webhook: &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: place}}}
			}
			s.must(env.Client.Create(t.Context(), c))
			s.places = append(s.places, place)
		}
	}
	s.begin = time.Now()
	return s
}

func (s *scene) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: s.name, Name: name, Labels: map[string]string{shardLabel: s.name}}
}

func (s *scene) secret(name, key, value string) {
	s.t.Helper()
	s.must(env.Client.Create(s.t.Context(), &corev1.Secret{ObjectMeta: s.meta(name), StringData: map[string]string{key: value}}))
}

func (s *scene) sim(path string, body any) {
	s.t.Helper()
	data, err := json.Marshal(body)
	s.must(err)
	resp, err := http.Post(env.Slack+"/_sim/"+path, "application/json", bytes.NewReader(data))
	s.must(err)
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s", path, resp.Status)
	}
}

// fault makes something go wrong in the scene's workspaces.
func (s *scene) fault(f slacksim.Fault) {
	s.t.Helper()
	for _, team := range s.teams {
		f.Team = team
		s.sim("faults", f)
	}
}

// mend ends all faults of the scene.
func (s *scene) mend() {
	s.t.Helper()
	for _, team := range s.teams {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodDelete, env.Slack+"/_sim/faults?team="+team, nil)
		s.must(err)
		resp, err := http.DefaultClient.Do(req)
		s.must(err)
		_ = resp.Body.Close()
	}
}

// operator starts one for the scene alone.
func (s *scene) operator(flags ...string) *harness.Operator {
	s.t.Helper()
	flags = append([]string{
		"--watch-label-selector=" + shardLabel + "=" + s.name, "--watch-namespaces=" + s.name, "--zap-log-level=info",
	}, flags...)
	start := env.StartOperator
	if s.program != nil {
		start = func(ctx context.Context, name string, flags ...string) (*harness.Operator, error) {
			return env.StartProgram(ctx, *s.program, name, flags...)
		}
	}
	o, err := start(s.t.Context(), s.name, flags...)
	s.must(err)
	return o
}

// ready waits for the SlackChannels.
func (s *scene) ready() {
	s.t.Helper()
	s.Eventually(func(g gomega.Gomega) {
		list := &v1alpha1.SlackChannelList{}
		g.Expect(env.Client.List(s.t.Context(), list, client.InNamespace(s.name))).To(gomega.Succeed())
		for i := range list.Items {
			ready, says := false, "nothing"
			for _, c := range list.Items[i].Status.Conditions {
				if c.Type == v1alpha1.ConditionReady {
					ready, says = c.Status == metav1.ConditionTrue, c.Message
				}
			}
			g.Expect(ready).To(gomega.BeTrue(), "%s says: %s", list.Items[i].Name, says)
		}
	}).Should(gomega.Succeed())
}

// send creates n notifications, spread over all places.
func (s *scene) send(n int) {
	s.t.Helper()
	var group sync.WaitGroup
	work := make(chan int)
	errs := make(chan error, n)
	for range 8 {
		group.Go(func() {
			for i := range work {
				errs <- s.create(s.t.Context(), i)
			}
		})
	}
	for i := s.sent; i < s.sent+n; i++ {
		work <- i
	}
	close(work)
	group.Wait()
	close(errs)
	for err := range errs {
		s.must(err)
	}
	s.sent += n
}

// create retries while the API server is away.
func (s *scene) create(ctx context.Context, i int) error {
	n := &v1alpha1.SlackNotification{ObjectMeta: s.meta(nth(i)), Spec: v1alpha1.SlackNotificationSpec{
		ChannelRef:       v1alpha1.ChannelReference{Name: s.places[i%len(s.places)]},
		Content:          v1alpha1.Content{Text: s.text(i)},
		OnUnknownOutcome: s.policy,
	}}
	if s.shape != nil {
		s.shape(i, n)
	}
	return insist(ctx, func() error { return client.IgnoreAlreadyExists(env.Client.Create(ctx, n.DeepCopy())) })
}

// insist repeats what fails, while the API server is away or others write.
func insist(ctx context.Context, do func() error) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		err := do()
		if err == nil || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// nth is the name of a notification.
func nth(i int) string { return fmt.Sprintf("n%05d", i) }

// text of a notification, which ends with its only full stop.
func (s *scene) text(i int) string { return fmt.Sprintf("%s message %05d.", s.name, i) }

// received counts the messages of the scene by text, in one channel or in all.
func (s *scene) received(channels ...string) map[string]int {
	s.t.Helper()
	data, err := harness.Fetch(env.Slack + "/_sim/messages")
	s.must(err)
	var list []slacksim.Message
	s.must(json.Unmarshal(data, &list))
	out := map[string]int{}
	for _, m := range list {
		if strings.HasPrefix(m.Text, s.name+" message ") && (len(channels) == 0 || slices.Contains(channels, m.Channel)) {
			text, _, _ := strings.Cut(m.Text, ".")
			out[text+"."]++
		}
	}
	return out
}

// finished waits until every notification says that it is done.
func (s *scene) finished(phases ...v1alpha1.Phase) map[v1alpha1.Phase]int {
	s.t.Helper()
	counts := map[v1alpha1.Phase]int{}
	s.Eventually(func() int {
		list := &v1alpha1.SlackNotificationList{}
		if env.Client.List(s.t.Context(), list, client.InNamespace(s.name)) != nil {
			return -1
		}
		clear(counts)
		for i := range list.Items {
			counts[list.Items[i].Status.Phase]++
		}
		total := 0
		for _, phase := range phases {
			total += counts[phase]
		}
		return total
	}).Should(gomega.Equal(s.sent), func() string { return fmt.Sprintf("phases: %v", counts) })
	return counts
}

// account counts what came of it, and writes the table's row.
func (s *scene) account() row {
	s.t.Helper()
	r := row{messages: s.sent}
	got := s.received()
	for i := range s.sent {
		switch n := got[s.text(i)]; {
		case n == 0:
			r.lost++
		case n > 1:
			r.doubled += n - 1
		}
	}
	return s.enter(r)
}

// enter completes a row, and puts it into the table.
func (s *scene) enter(r row) row {
	s.t.Helper()
	r.name, r.kills, r.took = s.title, s.kills, time.Since(s.begin)
	var calls struct {
		Teams map[string]slacksim.TeamCalls `json:"teams"`
	}
	data, err := harness.Fetch(env.Slack + "/_sim/calls")
	s.must(err)
	s.must(json.Unmarshal(data, &calls))
	total := 0
	for _, team := range s.teams {
		total += calls.Teams[team].Calls
		r.provoked += calls.Teams[team].Provoked
	}
	r.calls = float64(total) / float64(max(r.messages, 1))
	results.mu.Lock()
	defer results.mu.Unlock()
	results.rows = append(results.rows, r)
	return r
}

// pause for a random time up to limit.
func (s *scene) pause(from, to time.Duration) {
	timer := time.NewTimer(from + rand.N(to-from))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.t.Context().Done():
	}
}

// exactly fails the test on any loss or duplicate.
func (s *scene) exactly(r row) {
	s.t.Helper()
	if r.lost != 0 || r.doubled != 0 {
		s.t.Errorf("%s: %d lost, %d doubled of %d", r.name, r.lost, r.doubled, r.messages)
	}
}
