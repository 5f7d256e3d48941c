package sockets

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slack/socket"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// cluster holds SlackChannels, and a simulated Slack.
type cluster struct {
	t     *testing.T
	store client.WithWatch
	url   string
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	sim := slacksim.New(slacksim.Config{NoLimits: true})
	srv := httptest.NewServer(sim)
	t.Cleanup(srv.Close)
	t.Cleanup(sim.Close)
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return &cluster{t: t, url: srv.URL, store: fake.NewClientBuilder().WithScheme(s).WithStatusSubresource(&v1alpha1.SlackChannel{}).Build()}
}

// another cluster that knows the same Slack.
func (c *cluster) another() *cluster {
	other := newCluster(c.t)
	other.url = c.url
	return other
}

func (c *cluster) put(o client.Object) {
	c.t.Helper()
	err := c.store.Create(c.t.Context(), o)
	if err != nil {
		err = c.store.Update(c.t.Context(), o)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func (c *cluster) token(namespace, value string) {
	c.t.Helper()
	c.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "bot"}, Data: map[string][]byte{"appToken": []byte(value)}})
}

func (c *cluster) channel(namespace, name string, changes ...func(*v1alpha1.SlackChannel)) types.NamespacedName {
	c.t.Helper()
	ref := v1alpha1.SecretKeyReference{Name: "bot"}
	o := &v1alpha1.SlackChannel{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + "-" + name)},
		Spec:       v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: ref}, Interactions: &v1alpha1.Interactions{AppTokenSecretRef: &ref}},
	}
	for _, change := range changes {
		change(o)
	}
	c.put(o)
	return client.ObjectKeyFromObject(o)
}

// replica of the operator in a cluster.
type replica struct {
	*Keeper
	t    *testing.T
	stop func()

	mu    sync.Mutex
	apps  []socket.App
	woken map[types.NamespacedName]int
}

func (r *replica) Frame(string, time.Duration) {}
func (r *replica) Connections(int)             {}
func (r *replica) Disconnected(string)         {}

func (r *replica) Take(_ context.Context, app socket.App, _ []byte) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.apps = append(r.apps, app)
	return true
}

func (c *cluster) replica(peers bool) *replica {
	c.t.Helper()
	allow, err := egress.NewAllowList([]string{strings.TrimPrefix(c.url, "http://")})
	if err != nil {
		c.t.Fatal(err)
	}
	r := &replica{t: c.t, woken: map[types.NamespacedName]int{}}
	quick := socket.DefaultTimes()
	quick.FirstPause, quick.LongestPause, quick.Linger, quick.TooMany, quick.Off = 10*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond, 50*time.Millisecond
	r.Keeper = &Keeper{
		Client:      c.store,
		Connections: &connection.Resolver{Versions: c.store, Secrets: c.store, Allow: allow, APIURL: c.url + "/api/", Custom: connection.Namespaces{"*"}},
		Taker:       r, Meter: r, SocketTimes: quick,
		Times: Times{Quiet: 100 * time.Millisecond, Confirm: 200 * time.Millisecond, Look: 200 * time.Millisecond, Foreign: time.Hour},
		Wake: func(name types.NamespacedName) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.woken[name]++
		},
	}
	if peers {
		r.Peers = NewPeers(Peers{Live: c.store, Client: c.store, Namespace: "system", Log: logr.Discard()})
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = r.Start(ctx)
	}()
	r.stop = func() {
		cancel()
		<-done
	}
	c.t.Cleanup(r.stop)
	return r
}

func (r *replica) reconcile(names ...types.NamespacedName) {
	r.t.Helper()
	for _, name := range names {
		if _, err := r.Reconcile(r.t.Context(), ctrl.Request{NamespacedName: name}); err != nil {
			r.t.Fatal(err)
		}
	}
}

func (r *replica) view(name types.NamespacedName) View {
	v, _ := r.View(name, types.UID(name.Namespace+"-"+name.Name))
	return v
}

func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not %s", what)
		}
	}
}

func (c *cluster) post(path string, body any) {
	c.t.Helper()
	data, _ := json.Marshal(body)
	resp, err := http.Post(c.url+path, "application/json", bytes.NewReader(data))
	if err != nil || resp.StatusCode != http.StatusOK {
		c.t.Fatal(path, err, resp)
	}
	_ = resp.Body.Close()
}

// open counts the open connections of an app, as Slack sees them.
func (c *cluster) open(app string) (n int) {
	c.t.Helper()
	resp, err := http.Get(c.url + "/_sim/sockets?app=" + app)
	if err != nil {
		c.t.Fatal(err)
	}
	defer resp.Body.Close()
	var all []*slacksim.Socket
	if err := json.NewDecoder(resp.Body).Decode(&all); err != nil {
		c.t.Fatal(err)
	}
	for _, s := range all {
		if s.Closed == nil {
			n++
		}
	}
	return n
}

func connected(r *replica, name types.NamespacedName) func() bool {
	return func() bool { return r.view(name).State.Connected }
}

// SlackChannels with one token share a connection, whatever their namespace; those
// by another way to Slack, or with another token, have their own.
func TestOneConnectionForEachAppAndWay(t *testing.T) {
	c := newCluster(t)
	c.post("/_sim/apps", slacksim.App{ID: "A0SECOND", SocketMode: true, Tokens: []*slacksim.AppToken{{Token: "xapp-second"}}})
	c.token("a", slacksim.DemoAppToken)
	c.token("b", slacksim.DemoAppToken)
	c.token("other", "xapp-second")
	c.put(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "b", Name: "proxy"}, Data: map[string][]byte{"address": []byte("http://127.0.0.1:1")}})
	shared := []types.NamespacedName{c.channel("a", "one"), c.channel("a", "two"), c.channel("b", "three")}
	second := c.channel("other", "four")
	private := c.channel("b", "private", func(o *v1alpha1.SlackChannel) {
		o.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}}
	})
	r := c.replica(false)
	r.reconcile(append(shared, second, private)...)
	for _, name := range append(shared, second) {
		until(t, "connected", connected(r, name))
	}
	if n, m := c.open(slacksim.DemoApp), c.open("A0SECOND"); n != 1 || m != 1 {
		t.Errorf("%d connections of the one app and %d of the other, want 1 of each", n, m)
	}
	until(t, "the private way told", func() bool { v := r.view(private); return !v.Settling && !v.State.Connected && v.State.Err != nil })

	// What comes is of all who share the connection, and of nobody else.
	c.post("/_sim/sockets", slacksim.SocketAction{App: slacksim.DemoApp, Action: "envelope", Type: "interactive", Payload: json.RawMessage(`{}`)})
	until(t, "taken", func() bool { r.mu.Lock(); defer r.mu.Unlock(); return len(r.apps) == 1 })
	if app := r.apps[0]; app.AppID != slacksim.DemoApp || len(app.Channels) != 3 {
		t.Errorf("it came for %+v", app)
	}

	// The connection ends with the last who shares it.
	for i, name := range shared {
		if err := c.store.Delete(t.Context(), &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}}); err != nil {
			t.Fatal(err)
		}
		r.reconcile(name)
		if i < 2 && c.open(slacksim.DemoApp) != 1 {
			t.Fatal("the connection ended though others share it")
		}
	}
	until(t, "closed", func() bool { return c.open(slacksim.DemoApp) == 0 && c.open("A0SECOND") == 1 })
}

// A changed Secret changes the connection, and what is wrong with it is told.
func TestSecretIsFollowed(t *testing.T) {
	c := newCluster(t)
	name := c.channel("a", "one")
	r := c.replica(false)
	r.reconcile(name)
	if v := r.view(name); v.Problem == nil || v.Problem.Reason != v1alpha1.ReasonSecretNotFound || !strings.Contains(v.Problem.Message, "spec.interactions.appTokenSecretRef") {
		t.Errorf("%+v", v.Problem)
	}
	c.token("a", "xapp-wrong")
	r.reconcile(name)
	until(t, "refused", func() bool {
		v := r.view(name)
		return v.State.Trouble == socket.Refused && v.State.Err.Code == "invalid_auth"
	})
	c.token("a", slacksim.DemoAppToken)
	r.reconcile(name)
	until(t, "connected", connected(r, name))
	c.put(c.suspended(name))
	r.reconcile(name)
	until(t, "closed", func() bool { return c.open(slacksim.DemoApp) == 0 })
}

func (c *cluster) suspended(name types.NamespacedName) client.Object {
	o := &v1alpha1.SlackChannel{}
	if err := c.store.Get(c.t.Context(), name, o); err != nil {
		c.t.Fatal(err)
	}
	o.Spec.Suspend = true
	return o
}

// Two tokens of one app are two connections of this cluster's, and a token that is
// replaced leaves no hole.
func TestTwoTokensOfOneApp(t *testing.T) {
	c := newCluster(t)
	c.post("/_sim/apps", slacksim.App{ID: slacksim.DemoApp, SocketMode: true, Tokens: []*slacksim.AppToken{{Token: "xapp-1"}, {Token: "xapp-2"}, {Token: "xapp-3"}}})
	c.token("a", "xapp-1")
	c.token("b", "xapp-2")
	one, two := c.channel("a", "one"), c.channel("b", "two")
	r := c.replica(false)
	r.reconcile(one)
	until(t, "connected", connected(r, one))
	r.reconcile(two)
	until(t, "connected", connected(r, two))
	hellos := r.view(two).State.Hellos
	for i := range 3 {
		time.Sleep(r.Times.Confirm) // so that it would be told
		r.held[r.members[two].held.key].client.Renew()
		until(t, "renewed", func() bool { return r.view(two).State.Hellos > hellos+i })
	}
	if r.view(one).Shared || r.view(two).Shared {
		t.Error("its own connections are told as another cluster's")
	}
	c.token("b", "xapp-3")
	r.reconcile(two)
	least := c.open(slacksim.DemoApp)
	until(t, "connected by the new token", func() bool {
		least = min(least, c.open(slacksim.DemoApp))
		return r.view(two).State.Connected
	})
	if least < 2 {
		t.Errorf("there were %d connections while a token was replaced, want one for each SlackChannel at any time", least)
	}
	until(t, "the old one closed", func() bool { return c.open(slacksim.DemoApp) == 2 })
}

// Two replicas know each other's connections, and another cluster's is told.
func TestSharedAppIsTold(t *testing.T) {
	c := newCluster(t)
	c.token("a", slacksim.DemoAppToken)
	name := c.channel("a", "one")
	one, two := c.replica(true), c.replica(true)
	one.reconcile(name)
	until(t, "connected", connected(one, name))
	two.reconcile(name)
	until(t, "connected", connected(two, name))
	until(t, "known to the other", func() bool { n, known := one.Peers.others(t.Context(), slacksim.DemoApp); return known && n == 1 })
	// Each looks again, and finds that all connections are its own cluster's.
	for _, r := range []*replica{one, two} {
		before := r.view(name).State.Hellos
		until(t, "renewed", func() bool {
			r.held[r.members[name].held.key].client.Renew()
			return r.view(name).State.Hellos > before+1
		})
	}
	until(t, "settled", func() bool { return !one.view(name).Shared && !two.view(name).Shared })

	other := c.another()
	other.token("a", slacksim.DemoAppToken)
	there := other.replica(false)
	there.reconcile(other.channel("a", "one"))
	until(t, "told by the other cluster", func() bool { return there.view(name).Shared })
	before := one.view(name).State.Hellos
	c.post("/_sim/sockets", slacksim.SocketAction{App: slacksim.DemoApp, Action: "refresh_requested"})
	until(t, "renewed", func() bool { return one.view(name).State.Hellos > before })
	until(t, "told by the replicas", func() bool { return one.view(name).Shared && two.view(name).Shared })
	one.mu.Lock()
	woken := one.woken[name]
	one.mu.Unlock()
	if woken < 2 {
		t.Errorf("the SlackChannel was woken %d times, want for each of what is told", woken)
	}
	there.stop()
	until(t, "taken back", func() bool { return !one.view(name).Shared && !two.view(name).Shared })
}

func TestForeignPressIsTold(t *testing.T) {
	c := newCluster(t)
	c.token("a", slacksim.DemoAppToken)
	name := c.channel("a", "one")
	r := c.replica(false)
	r.reconcile(name)
	until(t, "connected", connected(r, name))
	app := socket.App{Channels: []socket.Channel{{NamespacedName: name}}}
	// What only seems to be one has the connections counted, once in a while.
	r.Times.Look = time.Hour
	r.Foreign(app, false)
	until(t, "counted anew", func() bool { return r.view(name).State.Hellos == 2 })
	hinted := func() time.Time {
		r.Keeper.mu.Lock()
		defer r.Keeper.mu.Unlock()
		return r.members[name].held.hinted
	}
	first := hinted()
	r.Foreign(app, false)
	if v := r.view(name); v.Foreign || v.Shared || hinted() != first {
		t.Errorf("what a button says is believed: %+v, counted again: %v", v, hinted() != first)
	}
	r.Foreign(app, true)
	if !r.view(name).Foreign {
		t.Error("a press of another cluster is not told")
	}
}

func FuzzPeerEntry(f *testing.F) {
	f.Add("1700000000 A012=1 A034=1")
	f.Add("x A=1")
	f.Add("1 A=999999 =1 B")
	f.Fuzz(func(t *testing.T, s string) {
		_, counts := parseEntry(s)
		for app, n := range counts {
			if n < 1 || n > 10 {
				t.Errorf("%q counts %d of %q", s, n, app)
			}
		}
	})
}
