package connection

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// cluster holds the Secrets of a test.
type cluster struct {
	t      *testing.T
	client client.Client
	r      *Resolver
}

func newCluster(t *testing.T, secrets ...client.Object) *cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	store := fake.NewClientBuilder().WithScheme(scheme).WithObjects(secrets...).Build()
	allow, err := egress.NewAllowList([]string{"127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t, store, &Resolver{Versions: store, Secrets: store, Allow: allow, APIURL: "http://127.0.0.1:1/api/", Custom: Namespaces{"ns"}}}
}

func (c *cluster) resolve(channel *v1alpha1.SlackChannel) *Connection {
	c.t.Helper()
	conn, err := c.r.Resolve(c.t.Context(), channel)
	if err != nil {
		c.t.Fatal(err)
	}
	return conn
}

// change changes a Secret.
func (c *cluster) change(name string, change func(*corev1.Secret)) {
	c.t.Helper()
	s := &corev1.Secret{}
	if err := c.client.Get(c.t.Context(), client.ObjectKey{Namespace: "ns", Name: name}, s); err != nil {
		c.t.Fatal(err)
	}
	change(s)
	if err := c.client.Update(c.t.Context(), s); err != nil {
		c.t.Fatal(err)
	}
}

func secret(name string, data ...string) *corev1.Secret {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: name}, Data: map[string][]byte{}}
	for i := 0; i+1 < len(data); i += 2 {
		s.Data[data[i]] = []byte(data[i+1])
	}
	return s
}

func byToken() *v1alpha1.SlackChannel {
	return &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "c", UID: "c", Generation: 1},
		Spec: v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "bot"}}}}
}

func byWebhook() *v1alpha1.SlackChannel {
	return &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "h", UID: "h", Generation: 1},
		Spec: v1alpha1.SlackChannelSpec{Webhook: &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: "hook"}}}}
}

const hookURL = "https://hooks.slack.com/services/T0/B0/plantedsecrethook"

// A connection changes with the values that it is made of, and with nothing
// else about a Secret.
func TestCredentialFollowsTheValues(t *testing.T) {
	c := newCluster(t, secret("bot", "token", "xoxb-plantedsecret-1", "other", "1"), secret("hook", "url", hookURL))
	for _, channel := range []*v1alpha1.SlackChannel{byToken(), byWebhook()} {
		name, key, value := "bot", "token", "xoxb-plantedsecret-2"
		if channel.Spec.Webhook != nil {
			name, key, value = "hook", "url", hookURL+"2"
		}
		t.Run(name, func(t *testing.T) {
			before := c.resolve(channel)
			if strings.Contains(before.Credential, "planted") {
				t.Fatalf("the name %q holds the secret", before.Credential)
			}
			c.change(name, func(s *corev1.Secret) {
				s.Annotations = map[string]string{"rotated": "no"}
				s.Data["unused"] = []byte("changed")
			})
			touched := c.resolve(channel)
			if touched.Credential != before.Credential || touched.Poster != before.Poster {
				t.Errorf("a label or another key made another connection: %q is now %q", before.Credential, touched.Credential)
			}
			if touched.Version == before.Version {
				t.Error("the version is the same, though somebody has touched the Secret")
			}
			c.change(name, func(s *corev1.Secret) { s.Data[key] = []byte(value) })
			if got := c.resolve(channel); got.Poster == before.Poster || got.Credential == before.Credential {
				t.Errorf("another value under the key %q is taken for the same credential", key)
			}
		})
	}
}

// What an operator prints must not let anybody try values against it.
func TestCredentialIsNotComparableBetweenProcesses(t *testing.T) {
	one, two := newCluster(t, secret("bot", "token", "xoxb-1")), newCluster(t, secret("bot", "token", "xoxb-1"))
	if a, b := one.resolve(byToken()).Credential, two.resolve(byToken()).Credential; a == b {
		t.Errorf("two processes call the same token %q", a)
	}
}

// closing notes when idle connections are closed.
type closing struct {
	http.RoundTripper
	closed int
}

func (c *closing) CloseIdleConnections() { c.closed++ }

// HTTP clients of old proxies and certificates are closed when nobody uses them
// any more, and are shared until then.
func TestClientsAreDropped(t *testing.T) {
	c := newCluster(t, secret("bot", "token", "xoxb-1"), secret("proxy", "address", "http://127.0.0.1:2"))
	viaProxy := func(uid string) *v1alpha1.SlackChannel {
		channel := byToken()
		channel.Name = uid
		channel.UID = "uid-" + channel.UID
		channel.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}}
		return channel
	}
	a, b := viaProxy("a"), viaProxy("b")
	b.UID = "uid-b"
	c.resolve(a)
	c.resolve(b)
	if got := len(c.r.clients.byKey); got != 1 {
		t.Fatalf("%d clients for two SlackChannels with the same proxy, want 1", got)
	}
	var old *closing
	for _, shared := range c.r.clients.byKey {
		old = &closing{RoundTripper: shared.client.Transport}
		shared.client.Transport = old
	}
	for i := range 60 {
		c.change("proxy", func(s *corev1.Secret) {
			s.Data["password"], s.Data["username"] = []byte{byte('a' + i%26), byte('a' + i/26)}, []byte("u")
		})
		c.resolve(a)
		if i == 0 && old.closed != 0 {
			t.Error("the client is closed while another SlackChannel uses it")
		}
		c.resolve(b)
	}
	if got := len(c.r.answers.parts); got != 1 {
		t.Errorf("%d budgets for answers are kept, want the one of the namespace", got)
	}
	if got := len(c.r.clients.byKey); got != 1 || old.closed != 1 {
		t.Errorf("after 60 changes of the proxy %d clients are kept, want 1; the first was closed %d times, want once", got, old.closed)
	}
	c.r.Forget(a.UID)
	c.r.Forget(b.UID)
	c.r.Forget(b.UID)
	if clients, connections := len(c.r.clients.byKey)+len(c.r.clients.domains), len(c.r.connections); clients != 0 || connections != 0 {
		t.Errorf("%d clients and %d connections are left of SlackChannels that are gone", clients, connections)
	}
	if got := len(c.r.answers.parts); got != 0 {
		t.Errorf("%d budgets for answers are left of namespaces without a SlackChannel", got)
	}
}

// Nothing is made for a credential that is not there.
func TestNoClientWithoutACredential(t *testing.T) {
	c := newCluster(t, secret("bot"), secret("proxy", "address", "http://127.0.0.1:2"))
	channel := byToken()
	channel.Spec.Connection = &v1alpha1.Connection{ProxySecretRef: &v1alpha1.SecretReference{Name: "proxy"}}
	if _, err := c.r.Resolve(t.Context(), channel); err == nil {
		t.Fatal("a connection without a token")
	}
	if got := len(c.r.clients.byKey); got != 0 {
		t.Errorf("%d HTTP clients are kept for it", got)
	}
}

// What a newcomer must find in the message about a Secret: which one, which
// field names it, which key, what content, and what happens then.
func TestSecretProblems(t *testing.T) {
	many := secret("many")
	for i := range 30 {
		many.Data[strings.Repeat("k", i+1)] = []byte("plantedsecret")
	}
	c := newCluster(t, secret("typo", "tokn", "plantedsecret", "zone", "plantedsecret"), secret("empty", "token", " \n"), secret("none"), many,
		secret("bot", "token", "xoxb-1"), secret("bad", "address", "::plantedsecret"))
	token := func(name string) *v1alpha1.SlackChannel {
		channel := byToken()
		channel.Spec.WebAPI.TokenSecretRef.Name = name
		return channel
	}
	via := func(proxy, ca string) *v1alpha1.SlackChannel {
		channel := byToken()
		channel.Spec.Connection = &v1alpha1.Connection{}
		if proxy != "" {
			channel.Spec.Connection.ProxySecretRef = &v1alpha1.SecretReference{Name: proxy}
		}
		if ca != "" {
			channel.Spec.Connection.CASecretRef = &v1alpha1.SecretReference{Name: ca}
		}
		return channel
	}
	for _, one := range []struct {
		name    string
		channel *v1alpha1.SlackChannel
		reason  string
		says    []string
	}{
		{"no Secret of a token", token("nope"), v1alpha1.ReasonSecretNotFound, []string{`Secret "nope"`, `"ns"`, "spec.webAPI.tokenSecretRef", `key "token"`, "bot token", "as soon as the Secret is there"}},
		{"no Secret of a webhook", byWebhook(), v1alpha1.ReasonSecretNotFound, []string{`Secret "hook"`, "spec.webhook.urlSecretRef", `key "url"`, "https://hooks.slack.com/"}},
		{"no Secret of a proxy", via("nope", ""), v1alpha1.ReasonSecretNotFound, []string{"spec.connection.proxySecretRef", `key "address"`, "http://host:port"}},
		{"no Secret of a CA", via("", "nope"), v1alpha1.ReasonSecretNotFound, []string{"spec.connection.caSecretRef", `key "ca.crt"`, "PEM"}},
		{"no such key", token("typo"), v1alpha1.ReasonSecretKeyNotFound, []string{"Secret ns/typo", `no key "token"`, `it has "tokn", "zone"`, "spec.webAPI.tokenSecretRef.key", "as soon as the Secret changes"}},
		{"no key at all", token("none"), v1alpha1.ReasonSecretKeyNotFound, []string{"it has none"}},
		{"many keys", token("many"), v1alpha1.ReasonSecretKeyNotFound, []string{"and 20 more"}},
		{"empty value", token("empty"), v1alpha1.ReasonSecretKeyNotFound, []string{`key "token" of Secret ns/empty`, "is empty", "put the app's bot token"}},
		{"no CA in the Secret", via("", "bot"), v1alpha1.ReasonSecretKeyNotFound, []string{`no key "ca.crt"`, `it has "token"`}},
		{"proxy is no URL", via("bad", ""), v1alpha1.ReasonInvalidConnection, []string{`key "address" of Secret ns/bad`, "http://host:port"}},
	} {
		t.Run(one.name, func(t *testing.T) {
			_, err := c.r.Resolve(t.Context(), one.channel)
			var problem *Problem
			if !errors.As(err, &problem) || problem.Reason != one.reason {
				t.Fatalf("got %v, want a problem with the reason %s", err, one.reason)
			}
			for _, part := range one.says {
				if !strings.Contains(problem.Message, part) {
					t.Errorf("%q does not say %s", problem.Message, part)
				}
			}
			if strings.Contains(problem.Message, "planted") {
				t.Errorf("%q holds a secret", problem.Message)
			}
		})
	}
}

// managedFields tell when data was written, and that a label was put on later
// does not count.
func TestDataChanged(t *testing.T) {
	at := func(minute int) *metav1.Time { return &metav1.Time{Time: time.Unix(int64(60*minute), 0)} }
	entry := func(minute int, fields string) metav1.ManagedFieldsEntry {
		e := metav1.ManagedFieldsEntry{Time: at(minute), FieldsV1: &metav1.FieldsV1{}}
		if err := e.FieldsV1.UnmarshalJSON([]byte(fields)); err != nil {
			t.Fatal(err)
		}
		return e
	}
	for _, one := range []struct {
		name    string
		entries []metav1.ManagedFieldsEntry
		want    int
	}{
		{"nothing told", nil, 0},
		{"data, then a label", []metav1.ManagedFieldsEntry{entry(1, `{"f:data":{"f:token":{}}}`), entry(2, `{"f:metadata":{}}`)}, 1},
		{"two who write data", []metav1.ManagedFieldsEntry{entry(3, `{"f:data":{"f:a":{}}}`), entry(2, `{"f:data":{"f:b":{}}}`)}, 3},
	} {
		t.Run(one.name, func(t *testing.T) {
			got := dataChanged(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{ManagedFields: one.entries}})
			if want := at(one.want).Time; one.want == 0 && !got.IsZero() || one.want != 0 && !got.Equal(want) {
				t.Errorf("got %v, want minute %d", got, one.want)
			}
		})
	}
}
