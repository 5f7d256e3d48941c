package channel

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/events"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/internal/wakeup"
)

// workspace is a simulated Slack.
type workspace struct {
	t *testing.T
	*httptest.Server
}

func newWorkspace(t *testing.T) *workspace {
	t.Helper()
	s := httptest.NewServer(slacksim.New(slacksim.Config{NoLimits: true}))
	t.Cleanup(s.Close)
	return &workspace{t, s}
}

// set changes something in the simulated Slack.
func (s *workspace) set(kind string, body any) {
	s.t.Helper()
	data, err := json.Marshal(body)
	if err != nil {
		s.t.Fatal(err)
	}
	resp, err := http.Post(s.URL+"/_sim/"+kind, "application/json", bytes.NewReader(data))
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("_sim/%s: %s", kind, resp.Status)
	}
}

// calls of a method so far.
func (s *workspace) calls(method string) int {
	s.t.Helper()
	resp, err := http.Get(s.URL + "/_sim/calls")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var calls slacksim.Calls
	if err := json.NewDecoder(resp.Body).Decode(&calls); err != nil {
		s.t.Fatal(err)
	}
	count := 0
	for _, c := range calls.Log {
		if c.Method == method {
			count++
		}
	}
	return count
}

// room is the channel of a name; an empty one when there is none.
func (s *workspace) room(name string) slacksim.Channel {
	s.t.Helper()
	resp, err := http.Get(s.URL + "/_sim/state")
	if err != nil {
		s.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	var state slacksim.State
	if err := json.NewDecoder(resp.Body).Decode(&state); err != nil {
		s.t.Fatal(err)
	}
	for _, ws := range state.Workspaces {
		for _, ch := range ws.Rooms {
			if ch.Name == name {
				return *ch
			}
		}
	}
	return slacksim.Channel{}
}

// scene is a process that reconciles SlackChannels of a cluster of its own.
type scene struct {
	t     *testing.T
	slack *workspace
	store client.WithWatch
	r     *Reconciler
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// slackChannel of the demo's token.
func slackChannel(name, channel string, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
	c := &v1alpha1.SlackChannel{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, Generation: 1, UID: types.UID(name + "-uid")},
		Spec:       v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "bot"}, Channel: channel}},
	}
	for _, change := range changes {
		change(c)
	}
	return c
}

func managing(m v1alpha1.Manage) func(*v1alpha1.SlackChannel) {
	return func(c *v1alpha1.SlackChannel) { c.Spec.Manage = &m }
}

func newScene(t *testing.T, s *workspace, objects ...client.Object) *scene {
	t.Helper()
	objects = append(objects, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "bot"}, Data: map[string][]byte{"token": []byte(slacksim.DemoToken)}})
	g := &scene{t: t, slack: s, store: fake.NewClientBuilder().WithScheme(scheme(t)).WithStatusSubresource(&v1alpha1.SlackChannel{}).
		WithIndex(&v1alpha1.SlackChannel{}, claimIndex, claimsOf).WithObjects(objects...).Build()}
	g.restart()
	return g
}

// restart replaces the process; what is stored stays.
func (g *scene) restart() {
	g.t.Helper()
	u, err := url.Parse(g.slack.URL)
	if err != nil {
		g.t.Fatal(err)
	}
	allow, err := egress.NewAllowList([]string{u.Host})
	if err != nil {
		g.t.Fatal(err)
	}
	limiter := pacing.NewLimiter(time.Now(), pacing.LimiterOptions{Methods: map[string][]pacing.Limit{}, Others: []pacing.Limit{}})
	people := directory.New(directory.Options{Limiter: limiter})
	go func() { _ = people.Start(g.t.Context()) }()
	wake := &wakeup.Source{}
	g.r = &Reconciler{
		Client: g.store, Recorder: events.NewFakeRecorder(1000), Health: &connection.Health{Channels: wake}, Directory: people,
		Connections: &connection.Resolver{Versions: g.store, Secrets: g.store, Allow: allow, APIURL: g.slack.URL + "/api/"},
		Limiter:     limiter, Wake: wake, Clock: clock.RealClock{},
	}
}

func (g *scene) reconcile(name string) ctrl.Result {
	g.t.Helper()
	result, err := g.r.Reconcile(g.t.Context(), ctrl.Request{NamespacedName: client.ObjectKey{Namespace: "default", Name: name}})
	if err != nil {
		g.t.Fatal(err)
	}
	return result
}

func (g *scene) stored(name string) *v1alpha1.SlackChannel {
	g.t.Helper()
	c := &v1alpha1.SlackChannel{}
	if err := g.store.Get(g.t.Context(), client.ObjectKey{Namespace: "default", Name: name}, c); err != nil {
		g.t.Fatal(err)
	}
	return c
}

func (g *scene) update(o client.Object) {
	g.t.Helper()
	if err := g.store.Update(g.t.Context(), o); err != nil {
		g.t.Fatal(err)
	}
}

// token puts a value into the Secret.
func (g *scene) token(value string) {
	g.t.Helper()
	s := &corev1.Secret{}
	if err := g.store.Get(g.t.Context(), client.ObjectKey{Namespace: "default", Name: "bot"}, s); err != nil {
		g.t.Fatal(err)
	}
	s.Data["token"] = []byte(value)
	g.update(s)
}

// patience of a test, which a busy machine may need.
const patience = 20 * time.Second

// becomes reconciles until Ready has a reason.
func (g *scene) becomes(name, reason string) *v1alpha1.SlackChannel {
	g.t.Helper()
	var c *v1alpha1.SlackChannel
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		g.reconcile(name)
		c = g.stored(name)
		if said(conditions.Find(c, v1alpha1.ConditionReady), reason) {
			return c
		}
	}
	g.t.Fatalf("SlackChannel %s does not become %s: %+v", name, reason, c.Status)
	return nil
}

func (g *scene) facts(c *v1alpha1.SlackChannel) (connection.Facts, bool) {
	g.t.Helper()
	conn, err := g.r.Connections.Resolve(g.t.Context(), c)
	if err != nil {
		g.t.Fatal(err)
	}
	return g.r.Health.Facts(c.UID, conn.Credential)
}

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
	if got := s.calls("auth.test"); got != 2 {
		t.Errorf("auth.test was called %d times, want once for each", got)
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

// A request has a SlackChannel looked at now, and its status says so with the
// answer.
func TestRequestedAt(t *testing.T) {
	s := newWorkspace(t)
	g := newScene(t, s, slackChannel("c", "#later"))
	g.becomes("c", v1alpha1.ReasonChannelNotFound)
	s.set("channels", slacksim.Channel{ID: "C0LATER00", Name: "later", Members: []string{slacksim.DemoBotUser}})
	request := func(value string) {
		t.Helper()
		c := g.stored("c")
		c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: value}
		g.update(c)
	}
	request("1")
	c := g.becomes("c", v1alpha1.ReasonVerified)
	if c.Status.LastHandledRequest != "1" {
		t.Errorf("status.lastHandledRequest is %q with the answer, want 1", c.Status.LastHandledRequest)
	}

	// The same result is one write, and the next pass is none.
	request("2")
	before, calls := g.stored("c"), s.calls("auth.test")
	g.reconcile("c")
	after := g.stored("c")
	if after.Status.LastHandledRequest != "2" || s.calls("auth.test") != calls+1 {
		t.Errorf("after one pass lastHandledRequest is %q and auth.test was called %d times more, want 2 and once", after.Status.LastHandledRequest, s.calls("auth.test")-calls)
	}
	before.Status.LastHandledRequest, before.ResourceVersion = "2", after.ResourceVersion
	if !equal(before.Status, after.Status) {
		t.Errorf("the status has changed:\n%+v\n%+v", before.Status, after.Status)
	}
	g.reconcile("c")
	if again := g.stored("c"); again.ResourceVersion != after.ResourceVersion {
		t.Error("a request that was handled is written once more")
	}
}

func equal(a, b v1alpha1.SlackChannelStatus) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// A request does not wait for a back-off.
func TestRequestedAtSkipsTheBackOff(t *testing.T) {
	s := newWorkspace(t)
	s.set("faults", slacksim.Fault{Method: "auth.test", Kind: "http", Status: 503, Times: 6})
	g := newScene(t, s, slackChannel("c", "#alerts"))
	var last ctrl.Result
	for range 6 {
		last = g.reconcile("c")
	}
	if last.RequeueAfter < 10*time.Second {
		t.Fatalf("after 6 failures the next try comes after %v, want a long back-off", last.RequeueAfter)
	}
	s.set("faults", slacksim.Fault{Method: "auth.test", Kind: "http", Status: 503, Times: 1})
	c := g.stored("c")
	c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	g.update(c)
	if got := g.reconcile("c"); got.RequeueAfter > 2*time.Second {
		t.Errorf("a request that fails is tried again after %v, want the first pause", got.RequeueAfter)
	}
	if got := g.stored("c").Status.LastHandledRequest; got != "now" {
		t.Errorf("lastHandledRequest is %q, want the request: Slack was asked", got)
	}
}

// A request that takes long counts as handled after a second, so that nobody who
// waits for that waits for a whole list.
func TestRequestedAtThatTakesLong(t *testing.T) {
	s := newWorkspace(t)
	g := newScene(t, s, slackChannel("c", "#alerts", func(c *v1alpha1.SlackChannel) {
		c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	}))
	g.r.Directory = directory.New(directory.Options{Limiter: g.r.Limiter}) // it has no list yet
	if got := g.reconcile("c"); got.RequeueAfter == 0 || got.RequeueAfter > requestPatience {
		t.Errorf("it is looked at again after %v, want within a second", got.RequeueAfter)
	}
	g.r.remember(g.stored("c"), func(m *memory) { m.requested = m.requested.Add(-requestPatience) })
	g.reconcile("c")
	if got := g.stored("c").Status.LastHandledRequest; got != "now" {
		t.Errorf("after a second lastHandledRequest is %q, want the request", got)
	}
}

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
		if at, ok := g.r.Limiter.Reserve(time.Now(), slacksim.DemoTeam, slack.MethodHistory, pacing.Holder{Name: "x"}); ok || time.Until(at) < 50*time.Second {
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
