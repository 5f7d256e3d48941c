package silence

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/incident/incidenttest"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/silencer"
	"github.com/slack-notifier/slack-notifier/internal/source"
	"github.com/slack-notifier/slack-notifier/test/harness/amtest"
)

// reader reads Secrets from where they are, and all else from the cluster.
type reader struct {
	client.Reader
	secrets client.WithWatch
}

func (r reader) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	if _, ok := o.(*corev1.Secret); ok {
		return r.secrets.Get(ctx, key, o, opts...)
	}
	return r.Reader.Get(ctx, key, o, opts...)
}

// gateway stands before an Alertmanager, and can spoil what goes through.
type gateway struct {
	url string

	mu sync.Mutex
	// spoil answers a request in Alertmanager's place, after it was carried out when
	// the code is negative; 0 leaves it alone. 200 is an empty list.
	spoil func(r *http.Request) (code int)
}

func newGateway(t *testing.T, to string) *gateway {
	t.Helper()
	at, err := url.Parse(to)
	if err != nil {
		t.Fatal(err)
	}
	g := &gateway{}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(at) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		spoil := g.spoil
		g.mu.Unlock()
		code := 0
		if spoil != nil {
			code = spoil(r)
		}
		if code <= 0 {
			answer := httptest.NewRecorder()
			proxy.ServeHTTP(answer, r)
			if code == 0 {
				w.Header().Set("Content-Type", answer.Header().Get("Content-Type"))
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes())
				return
			}
			code = -code
		}
		w.WriteHeader(code)
		if code == http.StatusOK {
			_, _ = w.Write([]byte(`[]`))
			return
		}
		_, _ = w.Write([]byte(`"silence storage is away"`))
	}))
	t.Cleanup(server.Close)
	g.url = server.URL
	return g
}

func (g *gateway) spoils(spoil func(r *http.Request) int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.spoil = spoil
}

// scene is an incident of a SlackAlert whose alerts fire in a real Alertmanager. Its
// time goes by when the test says so; Alertmanager has its own.
type scene struct {
	*incidenttest.Cluster
	*Reconciler
	secrets client.WithWatch
	am      *amtest.Alertmanager
	gateway *gateway
	calls   map[string]int
	clicks  int
}

var quick = Times{Look: 30 * time.Second, Length: 15 * time.Minute, Rest: 5 * time.Minute, Settle: 3 * time.Second, Uptime: time.Second, Patience: 5 * time.Minute}

func newScene(t *testing.T, changes ...func(*v1alpha1.SlackAlert)) *scene {
	t.Helper()
	s := &scene{Cluster: incidenttest.New(t, incident.OwnerIndex, incident.Owner), am: amtest.Start(t, amtest.Options{})}
	s.Cluster.Clock.SetTime(time.Now().Truncate(time.Second))
	s.gateway = newGateway(t, s.am.URL)
	scheme := runtime.NewScheme()
	if err := corev1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	s.secrets = fake.NewClientBuilder().WithScheme(scheme).Build()
	s.Rule.Spec.Source.Alertmanager = &v1alpha1.AlertmanagerSource{}
	s.Rule.Spec.Actions = &v1alpha1.AlertActions{Silence: &v1alpha1.SilenceAction{
		Allowed: v1alpha1.AllowedPeople{Everyone: true}, Durations: []v1alpha1.ActionDuration{"1h"}, UntilResolved: true,
		Alertmanager: v1alpha1.AlertmanagerAPI{URL: s.gateway.url},
	}}
	for _, change := range changes {
		change(s.Rule)
	}
	if err := s.Cluster.Live.Create(s.Ctx, s.Rule); err != nil {
		t.Fatal(err)
	}
	s.restart()
	s.fire()
	body := `{"version":"4","groupKey":"g","groupLabels":{"alertname":"A"},"status":"firing","alerts":[
		{"status":"firing","labels":{"alertname":"A","namespace":"ns"},"startsAt":"2025-01-10T10:00:00Z"}]}`
	if _, err := s.Posts.Receive(s.Ctx, s.Rule, posts.Raw{Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
	return s
}

// restart begins a process that remembers nothing.
func (s *scene) restart() {
	s.T.Helper()
	hosts, err := silencer.Hosts([]string{"127.0.0.1"})
	if err != nil {
		s.T.Fatal(err)
	}
	store := &incident.Store{Client: s.Cluster.Live, Live: s.Cluster.Live, Clock: s.Cluster.Clock, Offer: source.Offer(nil)}
	s.calls = map[string]int{}
	s.Reconciler = &Reconciler{
		Client: s.Cluster.Live, Live: reader{s.Cluster.Live, s.secrets}, Hosts: hosts, Clock: s.Cluster.Clock, Times: quick,
		Posts:   &source.Receiver{Store: store, Clock: s.Cluster.Clock, Rules: &alerting.Cache{}},
		Observe: func(call, _ string) { s.calls[call]++ },
	}
}

func (s *scene) alert(end time.Time) {
	s.T.Helper()
	s.am.Tell(s.T, amtest.Alert{Labels: map[string]string{"alertname": "A", "namespace": "ns"}, StartsAt: time.Now().Add(-time.Hour), EndsAt: end})
}

func (s *scene) fire() { s.T.Helper(); s.alert(time.Time{}) }
func (s *scene) end()  { s.T.Helper(); s.alert(time.Now().Add(-time.Second)) }

func (s *scene) incident() *v1alpha1.SlackNotification {
	s.T.Helper()
	var out []v1alpha1.SlackNotification
	for _, n := range s.List() {
		if n.Labels[v1alpha1.LabelIncident] != "" && n.Spec.Thread == nil { // the others are said in its thread
			out = append(out, n)
		}
	}
	if len(out) != 1 {
		s.T.Fatalf("there are %d incidents, not one", len(out))
	}
	return &out[0]
}

// answer stores an answer, as who takes clicks does, and has it counted.
func (s *scene) answer(action, value string) {
	s.T.Helper()
	s.Pass(time.Second)
	n := s.incident()
	s.clicks++
	at := metav1.NewMicroTime(s.Cluster.Clock.Now())
	n.Status.Responses = append(n.Status.Responses, v1alpha1.Response{
		ID: fmt.Sprint("click", s.clicks), Action: action, Value: value, User: v1alpha1.ResponseUser{ID: "U0ADA", Name: "ada"}, At: at, RecordedAt: at,
	})
	s.write(n)
	s.maintain()
}

func (s *scene) write(n *v1alpha1.SlackNotification) {
	s.T.Helper()
	if err := s.Cluster.Live.Status().Update(s.Ctx, n); err != nil {
		s.T.Fatal(err)
	}
}

// maintain does what the controller of SlackAlerts does beside.
func (s *scene) maintain() {
	s.T.Helper()
	if _, err := s.Posts.Store.Maintain(s.Ctx, s.Rule, nil); err != nil {
		s.T.Fatal(err)
	}
}

// once reconciles, and returns when to do so again.
func (s *scene) once() time.Duration {
	s.T.Helper()
	got, err := s.Reconcile(s.Ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(s.incident())})
	if err != nil {
		s.T.Fatal(err)
	}
	s.maintain()
	return got.RequeueAfter
}

// run lets time go by, and reconciles when it is time to.
func (s *scene) run(d time.Duration) {
	s.T.Helper()
	for end := s.Cluster.Clock.Now().Add(d); ; {
		wait := s.once()
		left := end.Sub(s.Cluster.Clock.Now())
		if wait == 0 {
			wait = 10 * time.Second // as soon as something changes; the test changes nothing
		}
		if wait > left {
			s.Pass(left)
			return
		}
		s.Pass(wait)
	}
}

// became is what became of the last silence, and held how many hold.
func (s *scene) became() string {
	s.T.Helper()
	list := s.incident().Status.Responses
	for i := len(list) - 1; i >= 0; i-- {
		if r := list[i].Silence; r != nil {
			return strings.TrimSpace(string(r.State) + " " + r.Message)
		}
	}
	return ""
}

func (s *scene) expect(when, became string, held int) {
	s.T.Helper()
	got := s.became()
	if n := len(s.am.Silences(s.T)); n != held || !strings.HasPrefix(got, became) || became == "" && got != "" {
		s.T.Errorf("%s it is %q, and %d silences hold; want %q and %d", when, got, n, became, held)
	}
}

func (s *scene) open() bool {
	s.T.Helper()
	state, _ := incident.StateOf(s.incident())
	return state.Open()
}
