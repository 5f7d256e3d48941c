package silence

import (
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/test/harness/amtest"
)

// Secrets that do not say what they are to are told by their field and their keys.
func TestSecrets(t *testing.T) {
	ca, err := devcluster.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("slack-notifier", nil)
	if err != nil {
		t.Fatal(err)
	}
	_, other, err := ca.Issue("another", nil)
	if err != nil {
		t.Fatal(err)
	}
	type data = map[string][]byte
	for name, row := range map[string]struct {
		auth, ca data
		missing  bool
		want     string
	}{
		"no Secret":              {missing: true, want: `Failed Secret "am", which spec.actions.silence.alertmanager.authSecretRef of the SlackAlert names, does not exist in namespace "ns": create it there`},
		"no key":                 {auth: data{"tokn": []byte("s3cret")}, want: `Failed Secret "am", which spec.actions.silence.alertmanager.authSecretRef of the SlackAlert names, has no key token, username and password, or tls.crt and tls.key`},
		"a certificate alone":    {auth: data{"tls.crt": cert}, want: `Failed the keys tls.crt and tls.key of Secret "am"`},
		"a key alone":            {auth: data{"tls.key": key}, want: `Failed Secret "am"`},
		"another's key":          {auth: data{"tls.crt": cert, "tls.key": other}, want: `Failed the keys tls.crt and tls.key of Secret "am"`},
		"no PEM":                 {auth: data{"tls.crt": []byte("s3cret"), "tls.key": []byte("s3cret")}, want: `Failed the keys tls.crt and tls.key of Secret "am"`},
		"a token with line ends": {auth: data{"token": []byte("s3\ncret")}, want: "Failed spec.actions.silence.alertmanager of the SlackAlert: the token, user name or password has a line end in it"},
		"no ca.crt":              {auth: data{"token": []byte("s3cret")}, ca: data{"ca": ca.PEM()}, want: `Failed Secret "am-ca", which spec.actions.silence.alertmanager.caSecretRef of the SlackAlert names, has no key ca.crt`},
		"a ca.crt that is none":  {auth: data{"token": []byte("s3cret")}, ca: data{"ca.crt": []byte("s3cret")}, want: "Failed spec.actions.silence.alertmanager of the SlackAlert: "},
		"a line end after them":  {auth: data{"username": []byte("ada\n"), "password": []byte("s3cret\n")}, ca: data{"ca.crt": ca.PEM()}, want: "Active"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.once()
			at := &s.Rule.Spec.Actions.Silence.Alertmanager
			at.AuthSecretRef = &v1alpha1.SecretReference{Name: "am"}
			if !row.missing {
				s.secret("am", row.auth)
			}
			if row.ca != nil {
				at.CASecretRef = &v1alpha1.SecretReference{Name: "am-ca"}
				s.secret("am-ca", row.ca)
			}
			s.update()
			s.answer(incident.ActionSilence, "1h")
			s.run(10 * time.Second)
			held := 0
			if row.want == "Active" {
				held = 1
			}
			s.expect("then", row.want, held)
			if strings.Contains(s.became(), "s3cret") {
				t.Errorf("it gives away the Secret: %s", s.became())
			}
		})
	}
}

func (s *scene) secret(name string, data map[string][]byte) {
	s.T.Helper()
	if err := s.secrets.Create(s.Ctx, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Data: data}); err != nil {
		s.T.Fatal(err)
	}
}

// From the Secrets to an Alertmanager that asks for a client certificate and has a
// path prefix: a certificate that is replaced is used from then on.
func TestClientCertificate(t *testing.T) {
	ca, err := devcluster.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	server, serverKey, err := ca.Issue("alertmanager", nil, net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	cert, key, err := ca.Issue("slack-notifier", nil)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := devcluster.NewAuthority()
	if err != nil {
		t.Fatal(err)
	}
	wrong, wrongKey, err := stranger.Issue("slack-notifier", nil)
	if err != nil {
		t.Fatal(err)
	}
	// It has no alert, so that what it answers shows that it was asked.
	secure := amtest.Start(t, amtest.Options{
		Web:   "tls_server_config: {cert_file: server.crt, key_file: server.key, client_auth_type: RequireAndVerifyClientCert, client_ca_file: ca.crt}\n",
		Files: map[string][]byte{"server.crt": server, "server.key": serverKey, "ca.crt": ca.PEM()}, Flags: []string{"--web.route-prefix=/am"},
	})
	s := newScene(t, func(a *v1alpha1.SlackAlert) {
		a.Spec.Actions.Silence.Alertmanager = v1alpha1.AlertmanagerAPI{
			URL: secure.URL + "/am", AuthSecretRef: &v1alpha1.SecretReference{Name: "am"}, CASecretRef: &v1alpha1.SecretReference{Name: "am-ca"},
		}
	})
	s.once()
	s.secret("am", map[string][]byte{"tls.crt": wrong, "tls.key": wrongKey})
	s.secret("am-ca", map[string][]byte{"ca.crt": ca.PEM()})
	s.answer(incident.ActionSilence, "1h")
	s.run(2 * time.Minute)
	s.expect("with a stranger's certificate", "Pending no answer from Alertmanager: the server refuses the connection: tls: ", 0)
	secret := &corev1.Secret{}
	if err := s.secrets.Get(s.Ctx, client.ObjectKey{Namespace: "ns", Name: "am"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data = map[string][]byte{"tls.crt": cert, "tls.key": key}
	if err := s.secrets.Update(s.Ctx, secret); err != nil {
		t.Fatal(err)
	}
	s.run(time.Minute)
	s.expect("with its own", "Failed that Alertmanager has no alert of this incident", 0)
}

// Who edits an incident's annotation silences nothing beyond the rule's namespace.
func TestForgedMatchers(t *testing.T) {
	for name, row := range map[string]struct {
		central  []string
		response string
		want     string
		held     int
	}{
		"a rule of a team":                   {nil, "click1", "Failed a silence of this SlackAlert must match its own namespace", 0},
		"a rule that may":                    {[]string{"ns"}, "click1", "Active", 1},
		"an answer that there is not":        {[]string{"ns"}, "click9", "", 0},
		"an answer that asks for no silence": {[]string{"ns"}, "other", "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.ClusterScopeNamespaces = row.central
			s.answer(incident.ActionSilence, "1h")
			n := s.incident()
			n.Status.Responses = append(n.Status.Responses, v1alpha1.Response{ID: "other", Action: incident.ActionAcknowledge, User: v1alpha1.ResponseUser{ID: "U0ADA"}})
			s.write(n)
			state, _ := incident.StateOf(n)
			state.Answers.Silence.Matchers, state.Answers.Silence.Response = []incident.Matcher{{Name: "alertname", Value: "A"}}, row.response
			text, err := json.Marshal(state)
			if err != nil {
				t.Fatal(err)
			}
			n.Annotations[incident.StateAnnotation] = string(text)
			if err := s.Cluster.Live.Update(s.Ctx, n); err != nil {
				t.Fatal(err)
			}
			for range 4 { // without the controller of SlackAlerts, which would put it right
				got, err := s.Reconcile(s.Ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n)})
				if err != nil {
					t.Fatal(err)
				}
				s.Pass(got.RequeueAfter)
			}
			s.expect("then", row.want, row.held)
		})
	}
}

// What another one has written meanwhile stays.
func TestRecordBesideOthers(t *testing.T) {
	s := newScene(t)
	s.answer(incident.ActionSilence, "1h")
	old := s.incident()
	s.answer(incident.ActionAcknowledge, "")
	j := &job{Reconciler: s.Reconciler, notification: old, alert: s.Rule, response: &old.Status.Responses[0], memory: &memory{}}
	result := v1alpha1.SilenceResult{State: v1alpha1.SilenceActive, ID: "x"}
	for range 2 {
		if err := j.record(s.Ctx, result); err != nil {
			t.Fatal(err)
		}
	}
	n := s.incident()
	if len(n.Status.Responses) != 2 || s.became() != "Active" {
		t.Errorf("the answers are %+v", n.Status.Responses)
	}
	// It is made anew under the same name.
	old.UID = "another"
	result.ID = "y"
	if err := j.record(s.Ctx, result); err != nil || s.incident().Status.Responses[0].Silence.ID != "x" {
		t.Errorf("%v, and %+v", err, s.incident().Status.Responses[0].Silence)
	}
}

// Incidents that are no more, or nobody's, are left alone.
func TestLeftAlone(t *testing.T) {
	for name, change := range map[string]func(n *v1alpha1.SlackNotification){
		"without an owner":      func(n *v1alpha1.SlackNotification) { n.OwnerReferences = nil },
		"of another rule":       func(n *v1alpha1.SlackNotification) { n.OwnerReferences[0].Name = "nope" },
		"of a rule made again":  func(n *v1alpha1.SlackNotification) { n.OwnerReferences[0].UID = "before" },
		"without a state":       func(n *v1alpha1.SlackNotification) { delete(n.Annotations, incident.StateAnnotation) },
		"with a state of rests": func(n *v1alpha1.SlackNotification) { n.Annotations[incident.StateAnnotation] = `{"key":` },
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t)
			s.answer(incident.ActionSilence, "1h")
			n := s.incident()
			change(n)
			if err := s.Cluster.Live.Update(s.Ctx, n); err != nil {
				t.Fatal(err)
			}
			s.Pass(time.Minute)
			got, err := s.Reconcile(s.Ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n)})
			if err != nil || got.RequeueAfter != 0 || len(s.calls) > 0 {
				t.Errorf("%v, %v, with the calls %v", got, err, s.calls)
			}
			s.expect("then", "", 0)
		})
	}
	t.Run("deleted", func(t *testing.T) {
		s := newScene(t)
		s.answer(incident.ActionSilence, "1h")
		s.run(time.Minute)
		n := s.incident()
		if err := s.Cluster.Live.Delete(s.Ctx, n); err != nil {
			t.Fatal(err)
		}
		if got, err := s.Reconcile(s.Ctx, ctrl.Request{NamespacedName: client.ObjectKeyFromObject(n)}); err != nil || got.RequeueAfter != 0 || len(s.known)+len(s.names) > 0 {
			t.Errorf("%v, %v, and %d are remembered", got, err, len(s.known))
		}
	})
}

// A namespace whose Alertmanager is slow takes no more than its places.
func TestPlaces(t *testing.T) {
	r := &Reconciler{}
	for i, want := range []bool{true, true, false} {
		if got := r.enter("a"); got != want {
			t.Errorf("the %d. has a place: %v", i+1, got)
		}
	}
	if !r.enter("b") {
		t.Error("another namespace has no place")
	}
	r.leave("a")
	if !r.enter("a") {
		t.Error("a place that is left is not given again")
	}
	for range 2 {
		r.leave("a")
	}
	r.leave("b")
	if len(r.working) > 0 {
		t.Errorf("%v is remembered", r.working)
	}
}

func TestParseTimes(t *testing.T) {
	for name, row := range map[string]struct {
		changes map[string]string
		want    Times
		bad     string
	}{
		"none":               {nil, DefaultTimes, ""},
		"some":               {map[string]string{"look": "1s", "patience": "0s"}, Times{Look: time.Second, Length: DefaultTimes.Length, Rest: DefaultTimes.Rest, Settle: DefaultTimes.Settle, Uptime: DefaultTimes.Uptime}, ""},
		"another name":       {map[string]string{"lok": "1s"}, Times{}, `"lok"`},
		"no time":            {map[string]string{"look": "soon"}, Times{}, `"soon"`},
		"before the present": {map[string]string{"look": "-1s"}, Times{}, `"-1s"`},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseTimes(row.changes)
			if row.bad == "" && (err != nil || got != row.want) || row.bad != "" && (err == nil || !strings.Contains(err.Error(), row.bad)) {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

// Only what may concern a silence is looked at.
func TestChanged(t *testing.T) {
	n := func(state string, responses int) *v1alpha1.SlackNotification {
		out := &v1alpha1.SlackNotification{}
		out.Annotations = map[string]string{incident.StateAnnotation: state}
		out.Status.Responses = make([]v1alpha1.Response, responses)
		return out
	}
	for name, row := range map[string]struct {
		was, is client.Object
		want    bool
	}{
		"an answer":         {n("a", 0), n("a", 1), true},
		"another state":     {n("a", 1), n("b", 1), true},
		"something else":    {n("a", 1), n("a", 1), false},
		"of another kind":   {&corev1.Pod{}, &corev1.Pod{}, true},
		"an answer is gone": {n("a", 2), n("a", 1), true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := changed(event.UpdateEvent{ObjectOld: row.was, ObjectNew: row.is}); got != row.want {
				t.Errorf("it is looked at: %v", got)
			}
		})
	}
}
