package intake

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/answering"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/metrics"
	"github.com/slack-notifier/slack-notifier/internal/webhookkey"
)

const (
	clicked       = "/v1/namespaces/a/channels/c/interactions"
	signingSecret = "s3cret-signing"
	askUID        = "11111111-2222-3333-4444-555555555555"
	cluster       = "0a1b2c3d"
	clickPayload  = `{"type":"block_actions","api_app_id":"A0123456","team":{"id":"T0123456"},
		"user":{"id":"U0123456","username":"ada","team_id":"T0123456"},"container":{"message_ts":"1700000000.000100","channel_id":"C0123456"},
		"actions":[{"action_id":"sn:approve","block_id":"sn1:` + cluster + `:` + askUID + `:00000000","action_ts":"1763970001.000001"}],
		"response_url":"https://hooks.slack.com/actions/x"}`
)

// clickRig is an intake with what takes clicks behind it, and a question that can be
// answered.
type clickRig struct {
	*Server
	t     *testing.T
	store client.WithWatch
	clock *testclock.FakeClock
}

func newClickRig(t *testing.T) *clickRig {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := errors.Join(v1alpha1.AddToScheme(scheme), corev1.AddToScheme(scheme)); err != nil {
		t.Fatal(err)
	}
	meta := func(name string, uid types.UID) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "a", Name: name, UID: uid}
	}
	channel := &v1alpha1.SlackChannel{ObjectMeta: meta("c", "c-uid")}
	channel.Spec.Interactions = &v1alpha1.Interactions{SigningSecretRef: &v1alpha1.SecretKeyReference{Name: "s"}}
	channel.Status.Workspace = &v1alpha1.Workspace{ID: "T0123456"}
	ask := &v1alpha1.SlackNotification{ObjectMeta: meta("ask", askUID)}
	ask.Spec.Actions = []v1alpha1.Action{{Name: "approve", Text: "Approve"}}
	ask.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}, DecidedBy: v1alpha1.DecidedByNone}
	ask.Status.Deliveries = []v1alpha1.Delivery{{
		Recipient: "default", ConversationID: "C0123456", Timestamp: "1700000000.000100", State: v1alpha1.DeliveryDelivered, ViaUID: "c-uid",
	}}
	r := &clickRig{t: t, clock: testclock.NewFakeClock(time.Unix(1_763_970_000, 0))}
	r.store = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(ask, channel).WithIndex(ask, answering.UIDIndex, answering.IndexUID).WithObjects(
		channel, ask, &v1alpha1.SlackChannel{ObjectMeta: meta("plain", "plain-uid")},
		&corev1.Secret{ObjectMeta: meta("s", "s-uid"), Data: map[string][]byte{"signingSecret": []byte(signingSecret)}},
	).Build()
	taker := &answering.Taker{
		Client: r.store, Live: r.store, Recorder: events.NewFakeRecorder(10), Metrics: metrics.NewInteractions(prometheus.NewRegistry()),
		Clock: r.clock, Log: logr.Discard(), Cluster: func(context.Context) (string, error) { return cluster, nil }, Deleted: answering.NewDeleted(r.clock.Now),
	}
	keys := &webhookkey.Keys{Versions: r.store, Secrets: r.store}
	r.Server = &Server{
		Client: r.store, Live: r.store, Clock: r.clock, Limits: Limits{Wait: 50 * time.Millisecond},
		Interactions: &answering.HTTP{Taker: taker, Secrets: keys, Channels: r.store},
	}
	return r
}

// slackPost is a request as Slack makes it, and what is wrong with it.
type slackPost struct {
	method, path, secret string
	// at is when it is signed, by Slack's clock, and timestamp how that is written.
	at        time.Time
	timestamp string
	body      string
	// signed is what is signed in place of the body.
	signed  string
	header  http.Header
	chunked bool
	address string
}

func formOf(payload string) string { return "payload=" + url.QueryEscape(payload) }

// send makes a request that is right but for the changes.
func (r *clickRig) send(changes ...func(*slackPost)) *httptest.ResponseRecorder {
	r.t.Helper()
	p := &slackPost{method: http.MethodPost, path: clicked, secret: signingSecret, at: r.clock.Now(), body: formOf(clickPayload), address: "192.0.2.1"}
	p.header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	for _, change := range changes {
		change(p)
	}
	if p.timestamp == "" {
		p.timestamp = strconv.FormatInt(p.at.Unix(), 10)
	}
	if p.signed == "" {
		p.signed = p.body
	}
	mac := hmac.New(sha256.New, []byte(p.secret))
	_, _ = fmt.Fprintf(mac, "v0:%s:%s", p.timestamp, p.signed)
	var body io.Reader = strings.NewReader(p.body)
	if p.chunked {
		body = io.MultiReader(body) // of a length that nobody knows
	}
	req := httptest.NewRequest(p.method, p.path, body)
	req.RemoteAddr = p.address + ":1"
	req.Header.Set(interact.HeaderTimestamp, p.timestamp)
	req.Header.Set(interact.HeaderSignature, "v0="+hex.EncodeToString(mac.Sum(nil)))
	for name, values := range p.header {
		req.Header[name] = values
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

// answers that are stored.
func (r *clickRig) answers() int {
	r.t.Helper()
	n := &v1alpha1.SlackNotification{}
	if err := r.store.Get(r.t.Context(), client.ObjectKey{Namespace: "a", Name: "ask"}, n); err != nil {
		r.t.Fatal(err)
	}
	return len(n.Status.Responses)
}

// What Slack posts is taken when it is signed, now, and for this SlackChannel; all
// else changes nothing, and what is not signed learns nothing.
func TestClicks(t *testing.T) {
	body := func(text string) func(*slackPost) { return func(p *slackPost) { p.body = text } }
	header := func(name string, values ...string) func(*slackPost) {
		return func(p *slackPost) { p.header[http.CanonicalHeaderKey(name)] = values }
	}
	shifted := func(d time.Duration) func(*slackPost) { return func(p *slackPost) { p.at = p.at.Add(d) } }
	written := func(text string) func(*slackPost) { return func(p *slackPost) { p.timestamp = text } }
	large := formOf(clickPayload) + "&x=" + strings.Repeat("x", 4<<20)
	for name, row := range map[string]struct {
		change func(*slackPost)
		code   int
		taken  bool
	}{
		"right":                               {func(*slackPost) {}, 200, true},
		"beside other fields":                 {body("a=b&" + formOf(clickPayload) + "&c=%zz"), 200, true},
		"another content type":                {header("Content-Type", "text/plain"), 200, true}, // what is signed is Slack's
		"four minutes ago":                    {shifted(-299 * time.Second), 200, true},
		"four minutes ahead":                  {shifted(299 * time.Second), 200, true},
		"more than five minutes ago":          {shifted(-301 * time.Second), 401, false},
		"more than five minutes ahead":        {shifted(301 * time.Second), 401, false},
		"a time that is no number":            {written("now"), 401, false},
		"a time with a sign":                  {written("+1763970000"), 401, false},
		"a time with a zero":                  {written("01763970000"), 401, false},
		"a time with a fraction":              {written("1763970000.5"), 401, false},
		"a time beyond all":                   {written("99999999999999999999"), 401, false},
		"another secret":                      {func(p *slackPost) { p.secret = "other" }, 401, false},
		"no secret":                           {func(p *slackPost) { p.secret = "" }, 401, false},
		"the signature of another body":       {func(p *slackPost) { p.signed = formOf("{}") }, 401, false},
		"no signature":                        {header(interact.HeaderSignature), 401, false},
		"an empty signature":                  {header(interact.HeaderSignature, ""), 401, false},
		"two signatures":                      {header(interact.HeaderSignature, "v0=00", "v0=00"), 401, false},
		"a signature of another version":      {header(interact.HeaderSignature, "v1=00"), 401, false},
		"a signature that is no hex":          {header(interact.HeaderSignature, "v0=zz"), 401, false},
		"no time":                             {header(interact.HeaderTimestamp), 401, false},
		"two times":                           {header(interact.HeaderTimestamp, "1763970000", "1763970000"), 401, false},
		"a SlackChannel that takes no clicks": {func(p *slackPost) { p.path = strings.Replace(clicked, "/c/", "/plain/", 1) }, 401, false},
		"no such SlackChannel":                {func(p *slackPost) { p.path = strings.Replace(clicked, "/c/", "/nope/", 1) }, 401, false},
		"another namespace":                   {func(p *slackPost) { p.path = strings.Replace(clicked, "/a/", "/b/", 1) }, 401, false},
		"too large":                           {body(large), 413, false},
		"too large, in pieces":                {func(p *slackPost) { p.body, p.chunked = large, true }, 413, false},
		"JSON in place of a form":             {func(p *slackPost) { p.body = clickPayload; p.header.Set("Content-Type", "application/json") }, 400, false},
		"no payload":                          {body("payloads=x"), 400, false},
		"an empty payload":                    {body("payload="), 400, false},
		"an empty body":                       {body(""), 400, false},
		"two payloads":                        {body(formOf(clickPayload) + "&" + formOf(clickPayload)), 400, false},
		"a payload that is cut":               {body("payload=%7"), 400, false},
		"a payload that is no JSON":           {body(formOf("hello")), 503, false},
		"half a payload":                      {body(formOf(clickPayload[:len(clickPayload)/2])), 503, false},
		"a payload that is nested deep":       {body(formOf(strings.Repeat("[", 10_000))), 503, false},
		"a payload of a list":                 {body(formOf("[" + clickPayload + "]")), 200, false},
		"a modal":                             {body(formOf(`{"type":"view_submission"}`)), 200, false},
		"a button of the user's own":          {body(formOf(strings.Replace(clickPayload, `"sn1:`, `"mine:`, 1))), 200, false},
		"GET":                                 {func(p *slackPost) { p.method = http.MethodGet }, 404, false},
	} {
		t.Run(name, func(t *testing.T) {
			r := newClickRig(t)
			got := r.send(row.change)
			if got.Code != row.code || (r.answers() == 1) != row.taken {
				t.Errorf("it is answered %d %q with %d answers stored; want %d, and taken: %v", got.Code, got.Body, r.answers(), row.code, row.taken)
			}
			if row.code == 401 {
				if want := r.send(func(p *slackPost) { p.secret = "other" }).Body.String(); got.Body.String() != want {
					t.Errorf("it is told %q, another one %q", got.Body, want)
				}
			}
			if text := got.Body.String(); strings.Contains(text, signingSecret) || strings.Contains(text, "hooks.slack.com") {
				t.Errorf("it gives away %q", text)
			}
		})
	}
}

// The same request again is the same click, and after five minutes it is none.
func TestClicksReplayed(t *testing.T) {
	r := newClickRig(t)
	signed := r.clock.Now()
	again := func(p *slackPost) { p.at = signed }
	for range 3 {
		if got := r.send(again); got.Code != http.StatusOK || r.answers() != 1 {
			t.Errorf("it is answered %d, and %d answers are stored", got.Code, r.answers())
		}
	}
	r.clock.Step(301 * time.Second)
	if got := r.send(again); got.Code != http.StatusUnauthorized || r.answers() != 1 {
		t.Errorf("after five minutes it is answered %d, and %d answers are stored", got.Code, r.answers())
	}
	// Another click of the same person is another one.
	if got := r.send(func(p *slackPost) { p.body = formOf(strings.Replace(clickPayload, ".000001", ".000002", 1)) }); got.Code != http.StatusOK || r.answers() != 2 {
		t.Errorf("another click is answered %d, and %d answers are stored", got.Code, r.answers())
	}
}

// Who only tries is slowed down; Slack behind the same address is not.
func TestClicksThatAreTried(t *testing.T) {
	r := newClickRig(t)
	r.Limits.Unknown, r.Limits.UnknownBurst = 0.001, 5
	if got := r.send(); got.Code != http.StatusOK {
		t.Fatalf("it is answered %d", got.Code)
	}
	bad := func(p *slackPost) { p.secret = "other" }
	old := func(p *slackPost) { p.at = p.at.Add(-time.Hour) }
	codes := map[int]int{}
	for i := range 100 {
		codes[r.send([]func(*slackPost){bad, old}[i%2]).Code]++
	}
	if codes[401] != 4 || codes[503] != 96 {
		t.Errorf("a hundred tries are answered with %v", codes)
	}
	if got := r.send(); got.Code != http.StatusOK {
		t.Errorf("what is signed right is answered %d", got.Code)
	}
	if got := r.send(bad, func(p *slackPost) { p.address = "192.0.2.2" }); got.Code != http.StatusUnauthorized {
		t.Errorf("another address is answered %d", got.Code)
	}
}

// A secret that was changed counts from the first request on, and the old one no
// more.
func TestClicksAfterARotation(t *testing.T) {
	r := newClickRig(t)
	if got := r.send(); got.Code != http.StatusOK {
		t.Fatalf("it is answered %d", got.Code)
	}
	s := &corev1.Secret{}
	if err := r.store.Get(t.Context(), client.ObjectKey{Namespace: "a", Name: "s"}, s); err != nil {
		t.Fatal(err)
	}
	s.Data["signingSecret"] = []byte("another\n")
	if err := r.store.Update(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	if got := r.send(func(p *slackPost) { p.secret = "another" }); got.Code != http.StatusOK {
		t.Errorf("by the new secret it is answered %d", got.Code)
	}
	if got := r.send(); got.Code != http.StatusUnauthorized {
		t.Errorf("by the old secret it is answered %d", got.Code)
	}
}
