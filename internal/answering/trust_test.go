package answering

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/internal/testrig"
)

// asked notes in which workspaces people are looked up.
type asked struct{ in []slack.Workspace }

func (a *asked) FindUser(_ context.Context, ws directory.Workspace, _ directory.Query, _ string) (slack.User, error) {
	a.in = append(a.in, ws.Key)
	return slack.User{ID: "U0ADA00000"}, nil
}

func (a *asked) IsMember(_ context.Context, ws directory.Workspace, _, _, _ string) (bool, error) {
	a.in = append(a.in, ws.Key)
	return true, nil
}

func byToken(name string) *v1alpha1.SlackChannel {
	return &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name, UID: types.UID("uid of " + name)},
		Spec: v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "s"}}}}
}

// What people are looked up for a click is kept for the token's own workspace, and not
// for that which a status claims.
func TestPeopleAreLookedUpInTheTokensOwnWorkspace(t *testing.T) {
	c := byToken("c")
	c.Status.Workspace, c.Status.BotUserID = &v1alpha1.Workspace{ID: "T0VICTIM0", Name: "Victim"}, "U0VICTIM0"
	sim, people := testrig.NewSlack(t), &asked{}
	taker := &Taker{Connections: sim.Resolver(testrig.NewStore(t, c)), Directory: people}
	list := v1alpha1.AllowedPeople{Users: []v1alpha1.AllowedUser{{Email: "ada@example.com"}}, Groups: []string{"oncall"}}
	for range 2 {
		p := &press{Taker: taker, channel: c, n: &v1alpha1.SlackNotification{}}
		got := p.people(t.Context(), list)
		if ok, err := got.Has("ada@example.com", "U0ADA00000"); !ok || err != nil {
			t.Fatalf("%v %v, want her found", ok, err)
		}
		if ok, err := got.Member("oncall", "U0ADA00000"); !ok || err != nil {
			t.Fatalf("%v %v, want her a member", ok, err)
		}
	}
	own := slack.SharedDomain().Workspace(slacksim.DemoTeam, slacksim.DemoBotUser)
	for _, ws := range people.in {
		if ws != own {
			t.Errorf("people were looked up in %v, want the token's own workspace %v", ws, own)
		}
	}
	if len(people.in) != 4 || sim.Calls(slack.MethodAuthTest) != 1 {
		t.Errorf("%d look-ups and %d calls of auth.test, want 4, and 1 for the token", len(people.in), sim.Calls(slack.MethodAuthTest))
	}
}

// Clicks whose answers go to a tenant's server that is silent keep nobody else from
// being told.
func TestSilentServersKeepNobodyFromBeingTold(t *testing.T) {
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = silent.Close() }) // it takes connections, and never answers
	arrived := make(chan struct{}, 1)
	genuine := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { arrived <- struct{}{} }))
	t.Cleanup(genuine.Close)

	theirs := byToken("theirs")
	theirs.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}}
	proxy := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "proxy"}, Data: map[string][]byte{"address": []byte("http://" + silent.Addr().String())}}
	store := testrig.NewStore(t, proxy)
	resolver := testrig.NewSlack(t).Resolver(store)
	resolver.Custom = connection.Namespaces{"default"}
	resolver.Allow, err = egress.NewAllowList([]string{strings.TrimPrefix(genuine.URL, "http://")})
	if err == nil {
		resolver.Proxies, err = egress.NewProxyRules([]string{silent.Addr().String()}, "")
	}
	if err != nil {
		t.Fatal(err)
	}
	taker := &Taker{Connections: resolver, Log: logr.Discard()}
	for range maxTold + tellers {
		taker.tell(theirs, interact.Click{ResponseURL: genuine.URL + "/theirs"}, "x")
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = taker.Start(t.Context()) }()
	taker.tell(byToken("ours"), interact.Click{ResponseURL: genuine.URL + "/ours"}, "Recorded")
	select {
	case <-arrived:
	case <-time.After(time.Minute):
		t.Error("somebody else was not told within a minute")
	}
	taker.teller.mu.Lock()
	defer taker.teller.mu.Unlock()
	if held := taker.teller.of[connection.DomainOf(theirs)]; held < maxOfOne/2 || held > maxOfOne {
		t.Errorf("when another was told, %d of the silent server's were left, want it not to have waited for these, of which there may be %d", held, maxOfOne)
	}
}
