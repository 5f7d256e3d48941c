package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/onsi/gomega"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// appToken of this test's app, whose ID goes with its bot.
func (w *world) appToken() string { return "xapp-" + strings.ToLower(w.team) + "-plantedsecretapp" }

func (w *world) appID() string { return w.id("A", "BOT") }

// app is this test's Slack app.
func (w *world) app(changes ...func(*slacksim.App)) {
	w.t.Helper()
	a := slacksim.App{ID: w.appID(), SocketMode: true, Interactivity: true, Tokens: []*slacksim.AppToken{{Token: w.appToken()}}}
	for _, change := range changes {
		change(&a)
	}
	w.sim("apps", a)
}

// socketed is a SlackChannel whose clicks come by Socket Mode.
func (w *world) socketed(name, appToken string, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
	w.t.Helper()
	w.secret(name+"-app", "appToken", appToken)
	return w.webAPI(name, "alerts", append([]func(*v1alpha1.SlackChannel){func(c *v1alpha1.SlackChannel) {
		c.Spec.Interactions = &v1alpha1.Interactions{AppTokenSecretRef: &v1alpha1.SecretKeyReference{Name: name + "-app"}}
	}}, changes...)...)
}

// interactive returns the condition of a SlackChannel.
func (w *world) interactive(c *v1alpha1.SlackChannel) metav1.Condition {
	w.t.Helper()
	w.see(c)
	if cond := meta.FindStatusCondition(c.Status.Conditions, v1alpha1.ConditionInteractive); cond != nil {
		return *cond
	}
	return metav1.Condition{}
}

func (w *world) interactiveReason(c *v1alpha1.SlackChannel) func() string {
	return func() string { return w.interactive(c).Reason }
}

// buttons posts a message of this test's app with a button of no SlackNotification.
func (w *world) buttons() string { w.t.Helper(); return w.buttonsOf("users-own", "go") }

// buttonsOf posts a message with a button, as another program with the app's token
// can.
func (w *world) buttonsOf(block, action string) string {
	w.t.Helper()
	body, _ := json.Marshal(map[string]any{"channel": w.id("C", "ALERTS"), "text": "Deploy?", "blocks": []any{map[string]any{
		"type": "actions", "block_id": block, "elements": []any{map[string]any{"type": "button", "action_id": action, "text": map[string]string{"type": "plain_text", "text": "Go"}}},
	}}})
	req, err := http.NewRequestWithContext(w.ctx, http.MethodPost, env.slack+"/api/chat.postMessage", bytes.NewReader(body))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+w.token)
	resp, err := http.DefaultClient.Do(req)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer func() { _ = resp.Body.Close() }()
	var posted struct {
		TS string `json:"ts"`
	}
	w.Expect(json.NewDecoder(resp.Body).Decode(&posted)).To(gomega.Succeed())
	w.Expect(posted.TS).NotTo(gomega.BeEmpty())
	return posted.TS
}

// pressed presses a button, and returns what the person sees.
func (w *world) pressed(ts string) string { return w.pressedAction(ts, "go") }

func (w *world) pressedAction(ts, action string) string {
	data, _ := json.Marshal(slacksim.Pressing{Who: w.id("U", "ADA"), Channel: w.id("C", "ALERTS"), TS: ts, Action: action, Wait: true})
	resp, err := http.Post(env.slack+"/_sim/press", "application/json", bytes.NewReader(data))
	if err != nil {
		return err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	var p slacksim.Press
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		return err.Error()
	}
	return p.Fate
}

// socketsOf counts the connections of an app, such as this test's.
func (w *world) socketsOf(app string) (n int) {
	w.t.Helper()
	var all []*slacksim.Socket
	w.Expect(json.Unmarshal(fetch(w.t, env.slack+"/_sim/sockets?app="+app), &all)).To(gomega.Succeed())
	for _, s := range all {
		if s.Closed == nil {
			n++
		}
	}
	return n
}

// Each reason of Interactive, with what a newcomer must find in the message. Ready
// does not depend on it.
func TestInteractiveReasons(t *testing.T) {
	for name, row := range map[string]struct {
		setup  func(w *world) *v1alpha1.SlackChannel
		status metav1.ConditionStatus
		reason string
		says   []string
	}{
		"connected": {func(w *world) *v1alpha1.SlackChannel { w.app(); return w.socketed("c", w.appToken()) },
			metav1.ConditionTrue, v1alpha1.ReasonConnected, []string{"Socket Mode"}},
		"wrong token": {func(w *world) *v1alpha1.SlackChannel { return w.socketed("c", "xapp-wrong-plantedsecret") },
			metav1.ConditionFalse, v1alpha1.ReasonInvalidAppToken, []string{"invalid_auth", "xapp-…", "c-app"}},
		"bot token": {func(w *world) *v1alpha1.SlackChannel { return w.socketed("c", w.token) },
			metav1.ConditionFalse, v1alpha1.ReasonInvalidAppToken, []string{"not_allowed_token_type", "xapp-…", "c-app"}},
		"token with a line break": {func(w *world) *v1alpha1.SlackChannel { return w.socketed("c", "xapp\nplantedsecret") },
			metav1.ConditionFalse, v1alpha1.ReasonInvalidAppToken, []string{"white space"}},
		"no Secret": {func(w *world) *v1alpha1.SlackChannel {
			return w.socketed("c", "x", func(c *v1alpha1.SlackChannel) { c.Spec.Interactions.AppTokenSecretRef.Name = "nope" })
		}, metav1.ConditionFalse, v1alpha1.ReasonSecretNotFound, []string{`Secret "nope"`, "spec.interactions.appTokenSecretRef", "create it"}},
		"no key": {func(w *world) *v1alpha1.SlackChannel {
			return w.socketed("c", "x", func(c *v1alpha1.SlackChannel) { c.Spec.Interactions.AppTokenSecretRef.Key = "tokn" })
		}, metav1.ConditionFalse, v1alpha1.ReasonSecretKeyNotFound, []string{`no key "tokn"`}},
		"scope": {func(w *world) *v1alpha1.SlackChannel {
			w.app(func(a *slacksim.App) { a.Tokens[0].Scopes = []string{} })
			return w.socketed("c", w.appToken())
		}, metav1.ConditionFalse, v1alpha1.ReasonMissingScope, []string{"connections:write", "App-Level Tokens"}},
		"Socket Mode is off": {func(w *world) *v1alpha1.SlackChannel {
			w.app(func(a *slacksim.App) { a.SocketMode = false })
			return w.socketed("c", w.appToken())
		}, metav1.ConditionFalse, v1alpha1.ReasonSocketModeDisabled, []string{"turn it on"}},
		"tokens of two apps": {func(w *world) *v1alpha1.SlackChannel {
			w.app(func(a *slacksim.App) { a.ID = w.id("A", "OTHER") })
			return w.socketed("c", w.appToken())
		}, metav1.ConditionFalse, v1alpha1.ReasonAppMismatch, []string{"c-app", "c-token", "tokens of one app"}},
		"suspended": {func(w *world) *v1alpha1.SlackChannel {
			w.app()
			return w.socketed("c", w.appToken(), func(c *v1alpha1.SlackChannel) { c.Spec.Suspend = true })
		}, metav1.ConditionFalse, v1alpha1.ReasonSuspended, []string{"spec.suspend"}},
		"HTTP without an intake": {func(w *world) *v1alpha1.SlackChannel {
			return w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) {
				c.Spec.Interactions = &v1alpha1.Interactions{SigningSecretRef: &v1alpha1.SecretKeyReference{Name: "nope"}}
			})
		}, metav1.ConditionFalse, v1alpha1.ReasonIntakeDisabled, []string{"--intake-bind-address"}},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c := row.setup(w)
			w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(row.reason))
			cond := w.interactive(c)
			w.Expect(cond.Status).To(gomega.Equal(row.status))
			for _, says := range row.says {
				w.Expect(cond.Message).To(gomega.ContainSubstring(says))
			}
			w.Expect(cond.Message).NotTo(gomega.ContainSubstring("plantedsecret"))
			if c.Spec.Suspend {
				return
			}
			w.Eventually(func() string { return w.see(c).Reason }).Should(gomega.Equal(v1alpha1.ReasonVerified))
			w.Eventually(func() string { w.see(c); return c.Status.AppID }).Should(gomega.Equal(w.appID()))
		})
	}
}

// The life of a connection: cut, refreshed while people press, turned off and on
// again, and gone with its SlackChannel.
func TestSocketLife(t *testing.T) {
	w := newWorld(t)
	w.app()
	c := w.socketed("c", w.appToken())
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonConnected))
	w.Expect(w.socketsOf(w.appID())).To(gomega.Equal(1))
	ts := w.buttons()
	w.Expect(w.pressed(ts)).To(gomega.Equal(slacksim.FateAcked))

	act := func(action string) { w.sim("sockets", slacksim.SocketAction{App: w.appID(), Action: action}) }
	act("cut")
	w.Eventually(func() string { return w.pressed(ts) }).Should(gomega.Equal(slacksim.FateAcked))

	// No press is lost while the connection is replaced.
	var presses sync.WaitGroup
	fates := make(chan string, 100)
	for range 3 {
		for range 10 {
			presses.Go(func() { fates <- w.pressed(ts) })
		}
		act("refresh_requested")
		w.Eventually(func() int { return w.socketsOf(w.appID()) }).Should(gomega.BeNumerically(">=", 1))
	}
	presses.Wait()
	close(fates)
	for fate := range fates {
		w.Expect(fate).To(gomega.Equal(slacksim.FateAcked))
	}
	w.Expect(w.interactive(c).Reason).To(gomega.Equal(v1alpha1.ReasonConnected))

	w.app(func(a *slacksim.App) { a.SocketMode = false })
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonSocketModeDisabled))
	w.app()
	w.update(c, func() {
		metav1.SetMetaDataAnnotation(&c.ObjectMeta, v1alpha1.AnnotationRequestedAt, rand.String(8))
	})
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonConnected))

	w.Expect(env.client.Delete(w.ctx, c)).To(gomega.Succeed())
	w.Eventually(func() int { return w.socketsOf(w.appID()) }).Should(gomega.BeZero())
}

// Each app has its connection, and a new token in the Secret is used at once.
func TestTwoApps(t *testing.T) {
	w := newWorld(t)
	w.app()
	other := slacksim.App{ID: w.id("A", "TWO"), SocketMode: true, Interactivity: true, Tokens: []*slacksim.AppToken{{Token: "xapp-two-" + w.team}}}
	w.sim("apps", other)
	w.sim("tokens?team="+w.team, slacksim.Token{Token: "xoxb-two-" + w.team, Team: w.team, BotUser: w.id("U", "BOT"), BotID: w.id("B", "TWO"), AppID: other.ID, Scopes: slices.Clone(slacksim.AllScopes)})
	one := w.socketed("one", w.appToken())
	w.token = "xoxb-two-" + w.team
	two := w.socketed("two", "xapp-wrong")
	again := w.socketed("again", "xapp-two-"+w.team)
	w.Eventually(w.interactiveReason(one)).Should(gomega.Equal(v1alpha1.ReasonConnected))
	w.Eventually(w.interactiveReason(again)).Should(gomega.Equal(v1alpha1.ReasonConnected))
	w.Eventually(w.interactiveReason(two)).Should(gomega.Equal(v1alpha1.ReasonInvalidAppToken))
	s := secretOf(w.ns, "two-app", nil)
	w.update(s, func() { s.StringData = map[string]string{"appToken": "xapp-two-" + w.team} })
	w.Eventually(w.interactiveReason(two)).Should(gomega.Equal(v1alpha1.ReasonConnected))
	w.Expect(two.Status.AppID).To(gomega.Equal(other.ID))
	w.Expect([]int{w.socketsOf(w.appID()), w.socketsOf(other.ID)}).To(gomega.Equal([]int{1, 1}))
}

// Two replicas are connected each, and know by the Lease that both connections are
// their own: with the rights that config/default gives them.
func TestReplicasKnowEachOther(t *testing.T) {
	w := newWorld(t)
	w.app()
	own := func(c *v1alpha1.SlackChannel) { c.Labels = map[string]string{"shard": "own"} }
	c := w.socketed("c", w.appToken(), own)
	var replicas []*harness.Operator
	for _, name := range []string{"one-", "two-"} {
		o, err := env.StartOperator(w.ctx, name+w.ns, "--watch-namespaces="+w.ns,
			"--leader-elect", "--leader-election-namespace="+harness.OperatorNamespace)
		w.Expect(err).NotTo(gomega.HaveOccurred())
		defer o.Stop()
		replicas = append(replicas, o)
	}
	w.Eventually(func() int { return w.socketsOf(w.appID()) }).Should(gomega.Equal(2))
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonConnected))
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: harness.OperatorNamespace, Name: "slack-notifier-sockets"}}
	entries := func() (n int) {
		_ = env.client.Get(w.ctx, client.ObjectKeyFromObject(lease), lease)
		for _, value := range lease.Annotations {
			if strings.HasSuffix(value, " "+w.appID()+"=1") {
				n++
			}
		}
		return n
	}
	w.Eventually(entries).Should(gomega.Equal(2))

	// Whichever goes, what people press arrives.
	ts := w.buttons()
	w.Expect(w.pressed(ts)).To(gomega.Equal(slacksim.FateAcked))
	replicas[0].Stop()
	w.Expect(w.pressed(ts)).To(gomega.Equal(slacksim.FateAcked))
	w.Eventually(entries).Should(gomega.Equal(1))
	goodbyes := func() (n int) {
		var all []*slacksim.Socket
		w.Expect(json.Unmarshal(fetch(t, env.slack+"/_sim/sockets?app="+w.appID()), &all)).To(gomega.Succeed())
		for _, s := range all {
			if s.CloseCode == 1000 {
				n++
			}
		}
		return n
	}
	w.Eventually(goodbyes).Should(gomega.Equal(1), "the replica that ended said goodbye")
}

// A press of another cluster's message is not acknowledged, so that it is not taken
// from it, and is told to both: the person who pressed, and whoever looks after the
// SlackChannel.
func TestPressOfAnotherClusterIsTold(t *testing.T) {
	w := newWorld(t)
	w.app()
	c := w.socketed("c", w.appToken())
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonConnected))
	ts := w.buttonsOf("sn1:0badc1a5:11111111-2222-3333-4444-555555555555:00000000", "sn:approve")
	w.Expect(w.pressedAction(ts, "sn:approve")).To(gomega.Equal(slacksim.FateWarned))
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonConnectionShared))
	w.Expect(w.interactive(c).Message).To(gomega.ContainSubstring("a Slack app of its own"))
	w.Expect(w.see(c).Reason).To(gomega.Equal(v1alpha1.ReasonVerified))
	var state slacksim.State
	w.Eventually(func() int {
		w.Expect(json.Unmarshal(fetch(t, env.slack+"/_sim/state?channel="+w.id("C", "ALERTS")), &state)).To(gomega.Succeed())
		return len(state.Ephemeral)
	}).Should(gomega.Equal(1))
	w.Expect(state.Ephemeral[0].ForUser).To(gomega.Equal(w.id("U", "ADA")))
}

// By HTTP the status says where Slack is to send clicks, and what is wrong with the
// signing secret.
func TestInteractionsByHTTP(t *testing.T) {
	w := newWorld(t)
	w.app(func(a *slacksim.App) { a.SocketMode = false })
	c := w.webAPI("c", "alerts", func(c *v1alpha1.SlackChannel) {
		c.Labels = map[string]string{"shard": "own"}
		c.Spec.Interactions = &v1alpha1.Interactions{SigningSecretRef: &v1alpha1.SecretKeyReference{Name: "signing"}}
	})
	port, err := devcluster.FreePort()
	w.Expect(err).NotTo(gomega.HaveOccurred())
	o, err := env.StartOperator(w.ctx, "http-"+w.ns, "--watch-label-selector=shard=own", "--watch-namespaces="+w.ns, fmt.Sprintf("--intake-bind-address=127.0.0.1:%d", port))
	w.Expect(err).NotTo(gomega.HaveOccurred())
	defer o.Stop()
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonSecretNotFound))
	w.secret("signing", "signingSecret", "plantedsecretsigning")
	w.Eventually(w.interactiveReason(c)).Should(gomega.Equal(v1alpha1.ReasonInteractionsListening))
	w.Expect(c.Status.InteractionsAddress).To(gomega.Equal("/v1/namespaces/" + w.ns + "/channels/c/interactions"))

	// What it says is true: a press that is sent there is acknowledged.
	w.app(func(a *slacksim.App) {
		a.SocketMode, a.SigningSecret = false, "plantedsecretsigning"
		a.RequestURL = fmt.Sprintf("http://127.0.0.1:%d%s", port, c.Status.InteractionsAddress)
	})
	ts := w.buttons()
	w.Expect(w.pressed(ts)).To(gomega.Equal(slacksim.FateAcked))
	w.app(func(a *slacksim.App) {
		a.SocketMode, a.SigningSecret = false, "another"
		a.RequestURL = fmt.Sprintf("http://127.0.0.1:%d%s", port, c.Status.InteractionsAddress)
	})
	w.Expect(w.pressed(ts)).To(gomega.Equal(slacksim.FateWarned))
}
