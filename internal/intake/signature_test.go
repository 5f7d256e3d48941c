package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

const hook = "/v1/namespaces/a/alerts/hook"

// signedRig is a rig with a rule whose posts are signed with "key". Reads of the API
// server are counted, and can be made to fail.
type signedRig struct {
	*rig
	reads int
	fail  error
}

func newSignedRig(t *testing.T) *signedRig {
	t.Helper()
	r := &signedRig{rig: newRig(t)}
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	rule := func(name string, source v1alpha1.AlertSource) *v1alpha1.SlackAlert {
		return &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: v1alpha1.SlackAlertSpec{Source: source}}
	}
	live := fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		rule("hook", v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{Signature: &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: "s"}}}}),
		rule("open", v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{}}),
		rule("am", v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}),
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "s"}, Data: map[string][]byte{"token": []byte("key")}},
	).WithInterceptorFuncs(interceptor.Funcs{Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		r.reads++
		if r.fail != nil {
			return r.fail
		}
		return c.Get(ctx, key, o, opts...)
	}}).Build()
	r.Live, r.Keys = live, &webhookkey.Keys{Versions: live, Secrets: live}
	return r
}

func mac(key, body string) string {
	h := hmac.New(sha256.New, []byte(key))
	h.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

// from posts without a token.
func (r *signedRig) from(address, path, body string, signatures ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
	req.RemoteAddr = address + ":1"
	for _, s := range signatures {
		req.Header.Add("X-Hub-Signature-256", s)
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// A signature lets in, for its rule and its body alone; all others are told the
// same, and take none of the receiver's time.
func TestSignature(t *testing.T) {
	const body = `{"a":1}`
	for name, row := range map[string]struct {
		path       string
		signatures []string
		code       int
	}{
		"right":                       {hook, []string{mac("key", body)}, 200},
		"of another key":              {hook, []string{mac("kez", body)}, 401},
		"none":                        {hook, nil, 401},
		"two":                         {hook, []string{mac("key", body), mac("key", body)}, 401},
		"for a rule without one":      {"/v1/namespaces/a/alerts/open", []string{mac("key", body)}, 401},
		"for an Alertmanager's rule":  {alerts, []string{mac("key", body)}, 401},
		"for no rule":                 {"/v1/namespaces/a/alerts/none", []string{mac("key", body)}, 401},
		"in a namespace without":      {"/v1/namespaces/b/alerts/hook", []string{mac("key", body)}, 401},
		"for a message":               {messages, []string{mac("key", body)}, 401},
		"for a message to the intake": {"/message", []string{mac("key", body)}, 401},
	} {
		t.Run(name, func(t *testing.T) {
			r := newSignedRig(t)
			w := r.from("192.0.2.1", row.path, body, row.signatures...)
			if w.Code != row.code {
				t.Fatalf("%d %s, want %d", w.Code, w.Body, row.code)
			}
			if (r.receiver.data == body) != (row.code == 200) {
				t.Errorf("the receiver got %q", r.receiver.data)
			}
			if strings.HasPrefix(row.path, "/v1/namespaces/a/alerts") && row.code == 401 && w.Body.String() != stranger().text {
				t.Errorf("is told %q", w.Body)
			}
		})
	}
}

// A token alone does not open a rule that asks for signatures.
func TestSignatureBesideAToken(t *testing.T) {
	r := newSignedRig(t)
	if w := r.request("POST", hook, `{}`); w.Code != 401 || !strings.Contains(w.Body.String(), "X-Hub-Signature-256") {
		t.Errorf("a token alone: %d %s", w.Code, w.Body)
	}
	if w := r.request("POST", hook, `{}`, "X-Hub-Signature-256", mac("key", `{}`)); w.Code != 200 {
		t.Errorf("a token and a signature: %d %s", w.Code, w.Body)
	}
	if w := r.request("POST", "/v1/namespaces/a/alerts/open", `{}`); w.Code != 200 {
		t.Errorf("a rule without signature: %d %s", w.Code, w.Body)
	}
}

// Who guesses signatures is held to a rate before the API server is asked, and
// does not keep out who signs from the same address.
func TestBadSignatures(t *testing.T) {
	r := newSignedRig(t)
	r.Limits.Unknown, r.Limits.UnknownBurst = 0.001, 5
	if w := r.from("192.0.2.1", hook, `{"n":0}`, mac("key", `{"n":0}`)); w.Code != 200 {
		t.Fatalf("the first: %d %s", w.Code, w.Body)
	}
	before := r.reads
	codes := map[int]int{}
	for range 100 {
		w := r.from("192.0.2.1", hook, `{}`, mac("kez", `{}`))
		codes[w.Code]++
		if w.Code == 503 && w.Header().Get("Retry-After") == "" {
			t.Error("503 without Retry-After")
		}
	}
	if codes[401] != 4 || codes[503] != 96 {
		t.Errorf("bad signatures are answered with %v", codes)
	}
	if got := r.reads - before; got > 5*4 {
		t.Errorf("bad signatures made %d reads", got)
	}
	for n := range 50 {
		body := strings.Repeat(" ", n) + `{}`
		if w := r.from("192.0.2.1", hook, body, mac("key", body)); w.Code != 200 {
			t.Fatalf("a good one amid bad ones: %d %s", w.Code, w.Body)
		}
	}
	if w := r.from("192.0.2.2", hook, `{}`, mac("kez", `{}`)); w.Code != 401 {
		t.Errorf("another address: %d", w.Code)
	}
}

// When the API server does not answer, nobody is let in, and who signs sends again.
func TestSignatureWithoutAPIServer(t *testing.T) {
	r := newSignedRig(t)
	if w := r.from("192.0.2.1", hook, `{}`, mac("key", `{}`)); w.Code != 200 {
		t.Fatal(w.Code)
	}
	r.fail = errors.New("away")
	for name, signature := range map[string]string{"good": mac("key", `{"n":1}`), "bad": mac("kez", `{"n":1}`)} {
		if w := r.from("192.0.2.1", hook, `{"n":1}`, signature); w.Code != 503 || w.Header().Get("Retry-After") == "" {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if r.receiver.data != `{}` {
		t.Errorf("the receiver got %s", r.receiver.data)
	}
}

// A key counts from when it is written, and no longer than it is there; a rule that
// is made anew has none of what is remembered of the old one.
func TestSignatureRotation(t *testing.T) {
	r := newSignedRig(t)
	live := r.Live.(client.Client)
	good := func(key string) int { return r.from("192.0.2.1", hook, `{}`, mac(key, `{}`)).Code }
	if good("key") != 200 {
		t.Fatal("the first key does not open")
	}
	s := &corev1.Secret{}
	if err := live.Get(t.Context(), client.ObjectKey{Namespace: "a", Name: "s"}, s); err != nil {
		t.Fatal(err)
	}
	s.Data["token"] = []byte("second")
	if err := live.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if old, is := good("key"), good("second"); old != 401 || is != 200 {
		t.Errorf("the old key is answered with %d, the new one with %d", old, is)
	}
	if err := live.Delete(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if code := good("second"); code != 401 {
		t.Errorf("without a Secret: %d", code)
	}
}
