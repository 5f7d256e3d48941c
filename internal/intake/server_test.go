package intake

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/source"
)

// reviewer knows tokens by the name of their user, who may do all in the
// namespace of that name, up to a slash.
type reviewer struct {
	mu    sync.Mutex
	err   error
	asked int
}

func (r *reviewer) Authenticate(_ context.Context, token string) (kubeauth.User, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked++
	if r.err != nil {
		return kubeauth.User{}, r.err
	}
	if !strings.HasPrefix(token, "good-") {
		return kubeauth.User{}, kubeauth.ErrUnauthenticated
	}
	user := strings.TrimPrefix(token, "good-")
	if user == "elsewhere" {
		return kubeauth.User{}, &kubeauth.AudienceError{Want: "slack-notifier", Have: []string{"vault"}}
	}
	return kubeauth.User{Username: user}, nil
}

func (r *reviewer) Allowed(_ context.Context, user kubeauth.User, spec authorizationv1.SubjectAccessReviewSpec) error {
	a := spec.ResourceAttributes
	if a.Verb != "create" || a.Group != "slack.notify.dev" || a.Resource != "slacknotifications" || a.Namespace != strings.Split(user.Username, "/")[0] {
		return kubeauth.ErrForbidden
	}
	return nil
}

// receiver notes what it was given.
type receiver struct {
	err  error
	rule string
	data string
	post *alertmanager.Payload
}

func (r *receiver) Receive(_ context.Context, rule *v1alpha1.SlackAlert, raw posts.Raw) (string, error) {
	r.rule, r.data = rule.Namespace+"/"+rule.Name, string(raw.Body)
	return "", r.err
}

func (r *receiver) ReceivePost(_ context.Context, rule *v1alpha1.SlackAlert, post alertmanager.Payload) error {
	r.rule, r.post = rule.Namespace+"/"+rule.Name, &post
	return r.err
}

// rig is a server over an API server that can be made to fail.
type rig struct {
	*Server
	t        *testing.T
	store    client.WithWatch
	reviewer *reviewer
	receiver *receiver
	mu       sync.Mutex
	// next errors of Create, before (true) or after having stored.
	next []failure
}

type failure struct {
	err    error
	stored bool
}

func newRig(t *testing.T) *rig {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	rule := func(name string, source v1alpha1.AlertSource) *v1alpha1.SlackAlert {
		return &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: name}, Spec: v1alpha1.SlackAlertSpec{Source: source}}
	}
	r := &rig{t: t, reviewer: &reviewer{}, receiver: &receiver{}}
	r.store = fake.NewClientBuilder().WithScheme(scheme).WithObjects(
		&v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "a", Name: "c"}},
		rule("am", v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}),
		rule("events", v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{}}),
	).WithInterceptorFuncs(interceptor.Funcs{Create: r.create}).Build()
	r.Server = &Server{
		Client: r.store, Live: r.store, Reviewer: r.reviewer, Alerts: r.receiver, TTL: time.Hour,
		DefaultChannel: types.NamespacedName{Namespace: "a", Name: "c"}, Labels: map[string]string{"shard": "one"},
		Limits: Limits{Wait: 50 * time.Millisecond},
	}
	return r
}

func (r *rig) create(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.next) == 0 {
		return c.Create(ctx, o, opts...)
	}
	f := r.next[0]
	r.next = r.next[1:]
	if f.stored {
		if err := c.Create(ctx, o, opts...); err != nil {
			return err
		}
	}
	return f.err
}

func (r *rig) request(method, path, body string, header ...string) *httptest.ResponseRecorder {
	r.t.Helper()
	req := httptest.NewRequest(method, path, strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer good-a")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	r.ServeHTTP(w, req)
	return w
}

func (r *rig) notifications() []v1alpha1.SlackNotification {
	r.t.Helper()
	list := &v1alpha1.SlackNotificationList{}
	if err := r.store.List(r.t.Context(), list); err != nil {
		r.t.Fatal(err)
	}
	return list.Items
}

const (
	messages = "/v1/namespaces/a/channels/c/messages"
	alerts   = "/v1/namespaces/a/alerts/am"
)

// The little server of the tutorial, to the letter.
func TestTutorial(t *testing.T) {
	r := newRig(t)
	r.Anonymous = true
	r.Reviewer = nil
	for _, test := range []struct {
		method, path, body string
		code               int
		answer             string
	}{
		{"GET", "/", "", 200, "I'm alive!!!"},
		{"POST", "/message", `{"message": "Hello"}`, 200, `Received message: "Hello"`},
		{"POST", "/message", `{"message": "a \"b\" <!channel> & ü\n", "more": [1]}`, 200, "Received message: \"a \"b\" <!channel> & ü\n\""},
		{"POST", "/message", `{"message": ""}`, 400, "\"message\" is empty\n"},
		{"POST", "/message", `{"message": " \n"}`, 400, "\"message\" is empty\n"},
		{"POST", "/message", `{"message": null}`, 400, "\"message\" is no text\n"},
		{"POST", "/message", `{"message": 3}`, 400, "\"message\" is no text\n"},
		{"POST", "/message", `{"text": "a"}`, 400, "\"message\" is missing\n"},
		{"POST", "/message", `{}`, 400, "\"message\" is missing\n"},
		{"POST", "/message", ``, 400, "the body is no JSON object like {\"message\": \"…\"}\n"},
		{"POST", "/message", `null`, 400, "the body is no JSON object like {\"message\": \"…\"}\n"},
		{"POST", "/message", `["message"]`, 400, "the body is no JSON object like {\"message\": \"…\"}\n"},
		{"POST", "/message", `{"message": "a"} x`, 400, "the body is no JSON object like {\"message\": \"…\"}\n"},
		{"POST", "/message", `message=a`, 400, "the body is no JSON object like {\"message\": \"…\"}\n"},
		{"POST", "/message", `{"message": ` + strings.Repeat("[", 100), 400, "the body's JSON is nested too deep\n"},
		{"POST", "/message", `[` + strings.Repeat("1,", 100_000), 400, "the body's JSON has too many values\n"},
		{"POST", "/message", strings.Repeat(" ", 1<<20+1), 413, "the body is larger than 1 MiB\n"},
	} {
		w := r.request(test.method, test.path, test.body)
		if w.Code != test.code || w.Body.String() != test.answer {
			t.Errorf("%s %s %.40s: %d %q", test.method, test.path, test.body, w.Code, w.Body)
		}
	}
	have := r.notifications()
	if len(have) != 2 {
		t.Fatalf("%d SlackNotifications", len(have))
	}
	texts := have[0].Spec.Text + "|" + have[1].Spec.Text
	if texts != "Hello|a \"b\" &lt;!channel&gt; &amp; ü\n" && texts != "a \"b\" &lt;!channel&gt; &amp; ü\n|Hello" {
		t.Errorf("stored %q", texts)
	}
	n := have[0]
	if n.Namespace != "a" || n.Spec.ChannelRef.Name != "c" || !strings.HasPrefix(n.Name, "intake-") || n.Labels[LabelSource] != "intake" ||
		n.Labels["shard"] != "one" || n.Annotations[AnnotationCaller] != "system:anonymous" || *n.Spec.TTLSecondsAfterFinished != 3600 {
		t.Errorf("%+v", n)
	}
}

func TestAnythingElseIsNotFound(t *testing.T) {
	r := newRig(t)
	for _, test := range [][2]string{
		{"POST", "/"}, {"GET", "/message"}, {"PUT", "/message"}, {"POST", "/message/"}, {"POST", "//message"}, {"POST", "/Message"},
		{"GET", "/x"}, {"GET", "/metrics"}, {"GET", messages}, {"DELETE", messages}, {"POST", messages + "/"}, {"POST", "/v1/namespaces/a/channels/c"},
		{"POST", "/v1/namespaces/A/channels/c/messages"}, {"POST", "/v1/namespaces/a%2fb/channels/c/messages"}, {"POST", "/v1/namespaces//channels/c/messages"},
		{"POST", "/v1/namespaces/a/channels/../messages"}, {"POST", "/v1/namespaces/a/alerts"}, {"POST", "/v1/namespaces/a/alerts/am/x"},
		{"POST", "/v2/namespaces/a/alerts/am"}, {"OPTIONS", "/"},
	} {
		if w := r.request(test[0], test[1], `{"message": "a"}`); w.Code != 404 || w.Body.Len() == 0 {
			t.Errorf("%s %s: %d %s", test[0], test[1], w.Code, w.Body)
		}
	}
	if w := r.request("HEAD", "/", ""); w.Code != 200 {
		t.Errorf("HEAD /: %d", w.Code)
	}
	r.DefaultChannel = types.NamespacedName{}
	if w := r.request("POST", "/message", `{"message": "a"}`); w.Code != 404 || !strings.Contains(w.Body.String(), "--intake-default-channel") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestMessages(t *testing.T) {
	for name, test := range map[string]struct {
		path, body string
		code       int
		answer     string
		want       func(v1alpha1.Content) bool
	}{
		"a message": {messages, `{"message":"<@U1> & co"}`, 201, `"namespace":"a","name":"intake-`,
			func(c v1alpha1.Content) bool { return c.Text == "&lt;@U1&gt; &amp; co" }},
		"all that there is": {messages, `{"title":"<t>","severity":"Error","text":"<!here>","fields":[{"title":"<f>","value":"<!channel>","short":true}],
			"link":{"text":"l","url":"https://example.com"},"blocks":[{"type":"section","text":{"type":"mrkdwn","text":"<!here>"}}],
			"attachments":[{"text":"<x>"}],"sender":{"username":"bot"},"unfurlLinks":true}`, 201, `"name":"intake-`,
			func(c v1alpha1.Content) bool {
				return c.Title == "<t>" && c.Severity == "Error" && c.Text == "&lt;!here&gt;" && c.Fields[0].Title == "<f>" && c.Fields[0].Value == "&lt;!channel&gt;" &&
					c.Link.URL == "https://example.com" && strings.Contains(string(c.Blocks[0].Raw), "mrkdwn") && len(c.Attachments) == 1 && c.Sender.Username == "bot" && c.UnfurlLinks
			}},
		"Markdown": {messages, `{"markdown":"# a\n> quoted <!here>\n**b** > c"}`, 201, `"name"`,
			func(c v1alpha1.Content) bool { return c.Markdown == "# a\n> quoted &lt;!here&gt;\n**b** &gt; c" }},
		"an unknown field":           {messages, `{"text":"a","colour":"red"}`, 400, `there is no field "colour"`, nil},
		"an unknown field within":    {messages, `{"fields":[{"titel":"a"}]}`, 400, `there is no field "titel"`, nil},
		"a field that is no content": {messages, `{"text":"a","recipients":[]}`, 400, `there is no field "recipients"`, nil},
		"another type":               {messages, `{"text":["a"]}`, 400, `"text" can't be an array`, nil},
		"no JSON":                    {messages, `hello`, 400, "it can't be read", nil},
		"no object":                  {messages, `"hello"`, 400, "it is a string", nil},
		"two objects":                {messages, `{"text":"a"}{"text":"b"}`, 400, "more than one", nil},
		"text and message":           {messages, `{"text":"a","message":"b"}`, 400, "not both", nil},
		"an empty message":           {messages, `{"message":" "}`, 400, "empty", nil},
		"more than fits":             {messages, `{"text":"` + strings.Repeat("<", 10001) + `"}`, 413, "40004 characters", nil},
		"no such SlackChannel":       {"/v1/namespaces/a/channels/nothere/messages", `{"text":"a"}`, 404, `there is no SlackChannel "nothere" in namespace "a"`, nil},
		"another namespace":          {"/v1/namespaces/b/channels/c/messages", `{"text":"a"}`, 403, `user "a" may not create slacknotifications in namespace "b"`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			w := r.request("POST", test.path, test.body)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.answer) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			have := r.notifications()
			if test.want == nil {
				if len(have) > 0 {
					t.Errorf("stored %+v", have)
				}
				return
			}
			if len(have) != 1 || !test.want(have[0].Spec.Content) {
				t.Errorf("stored %+v", have)
			}
			if len(have) == 1 && have[0].Annotations[AnnotationCaller] != "a" {
				t.Errorf("annotations %v", have[0].Annotations)
			}
		})
	}
}

func TestCallers(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/message", messages, alerts} {
		for _, header := range []string{"", "Basic Z29vZC1h", "Bearer", "Bearer ", "Bearer bad"} {
			w := r.request("POST", path, `{"message":"a"}`, "Authorization", header)
			if w.Code != 401 || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s %q: %d %s", path, header, w.Code, w.Body)
			}
		}
		if w := r.request("POST", path, `{"message":"a"}`, "Authorization", "Bearer good-elsewhere"); w.Code != 401 || !strings.Contains(w.Body.String(), `kubectl create token NAME --audience=slack-notifier`) {
			t.Errorf("%s, for another audience: %d %s", path, w.Code, w.Body)
		}
		if w := r.request("POST", path, `{"message":"a"}`, "Authorization", "Bearer good-b"); w.Code != 403 {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	r.Anonymous = true
	if w := r.request("POST", "/message", `{"message":"a"}`, "Authorization", ""); w.Code != 200 {
		t.Errorf("anonymous: %d %s", w.Code, w.Body)
	}
	if w := r.request("POST", messages, `{"message":"a"}`, "Authorization", ""); w.Code != 401 {
		t.Errorf("--intake-anonymous opens more than /message: %d %s", w.Code, w.Body)
	}
	r.reviewer.err = errors.New("no API server")
	if w := r.request("POST", messages, `{"message":"a"}`); w.Code != 503 || w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "no API server") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

var resource = schema.GroupResource{Group: "slack.notify.dev", Resource: "slacknotifications"}

// What refuses for good, in the API server's words.
var (
	quota  = apierrors.NewForbidden(resource, "intake-x", errors.New("exceeded quota: five"))
	policy = webhookless(422, metav1.StatusReasonInvalid, `slacknotifications.slack.notify.dev "intake-x" is forbidden: ValidatingAdmissionPolicy 'p' denied request: not so loud`)
)

func webhookless(code int32, reason metav1.StatusReason, text string) error {
	return &apierrors.StatusError{ErrStatus: metav1.Status{Status: metav1.StatusFailure, Code: code, Reason: reason, Message: text}}
}

func webhook(code int32, text string) error {
	return webhookless(code, "", `admission webhook "w" denied the request: `+text)
}

// A 2xx is for what is stored alone.
func TestStore(t *testing.T) {
	kind := schema.GroupKind{Group: "slack.notify.dev", Kind: "SlackNotification"}
	invalid := apierrors.NewInvalid(kind, "intake-x", field.ErrorList{field.TooLong(field.NewPath("spec", "title"), "", 150)})
	timeout := apierrors.NewTimeoutError("slow", 1)
	for name, test := range map[string]struct {
		next   []failure
		code   int
		answer string
		want   int
	}{
		"stored":                       {nil, 201, "intake-", 1},
		"at the second try":            {[]failure{{err: timeout}}, 201, "intake-", 1},
		"though the answer was lost":   {[]failure{{err: timeout, stored: true}}, 201, "intake-", 1},
		"though it was lost twice":     {[]failure{{err: errors.New("cut"), stored: true}, {err: timeout}}, 201, "intake-", 1},
		"not at all":                   {[]failure{{err: timeout}, {err: timeout}, {err: timeout}}, 503, "could not be stored; send it again", 0},
		"refused by quota":             {[]failure{{err: quota}}, 403, "the API server refuses the message: exceeded quota: five\n", 0},
		"refused by a policy":          {[]failure{{err: policy}}, 422, "the API server refuses the message: ValidatingAdmissionPolicy 'p' denied request: not so loud\n", 0},
		"refused by a webhook":         {[]failure{{err: webhook(400, "no")}}, 422, "the API server refuses the message: admission webhook \"w\" denied the request: no\n", 0},
		"refused with much to say":     {[]failure{{err: webhook(403, strings.Repeat("no\n", 5000))}}, 403, "…\n", 0},
		"a webhook is down":            {[]failure{{err: webhook(500, "down")}, {err: timeout}, {err: timeout}}, 503, "send it again", 0},
		"unknown to the API server":    {[]failure{{err: apierrors.NewUnauthorized("x")}, {err: timeout}, {err: timeout}}, 503, "send it again", 0},
		"the API server has too much":  {[]failure{{err: apierrors.NewTooManyRequests("", 1)}, {err: timeout}, {err: timeout}}, 503, "send it again", 0},
		"not valid":                    {[]failure{{err: invalid}}, 422, "the message is not valid: title: Too long", 0},
		"larger than the server takes": {[]failure{{err: apierrors.NewRequestEntityTooLargeError("x")}}, 413, "larger", 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.next = test.next
			w := r.request("POST", messages, `{"text":"a"}`)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.answer) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if (w.Code == 503) != (w.Header().Get("Retry-After") != "") {
				t.Errorf("%d with Retry-After %q", w.Code, w.Header().Get("Retry-After"))
			}
			if n := len(r.notifications()); n != test.want {
				t.Errorf("%d SlackNotifications", n)
			}
		})
	}
}

func TestIdempotencyKey(t *testing.T) {
	r := newRig(t)
	first := r.request("POST", messages, `{"text":"a"}`, "Idempotency-Key", "k 1")
	second := r.request("POST", messages, `{"text":"a"}`, "Idempotency-Key", "k 1")
	if first.Code != 201 || second.Code != 201 || first.Body.String() != second.Body.String() || len(r.notifications()) != 1 {
		t.Errorf("%d %s, then %d %s", first.Code, first.Body, second.Code, second.Body)
	}
	if w := r.request("POST", messages, `{"text":"b"}`, "Idempotency-Key", "k 1"); w.Code != 409 {
		t.Errorf("another message: %d %s", w.Code, w.Body)
	}
	if w := r.request("POST", messages, `{"text":"b"}`, "Idempotency-Key", "k 1", "Authorization", "Bearer good-a/2"); w.Code != 201 || w.Body.String() == first.Body.String() {
		t.Errorf("another caller: %d %s, want 201 and a message of its own", w.Code, w.Body)
	}
	if w := r.request("POST", messages, `{"text":"a"}`, "Idempotency-Key", "k 2"); w.Code != 201 || w.Body.String() == first.Body.String() {
		t.Errorf("another key: %d %s", w.Code, w.Body)
	}
	for range 2 {
		if w := r.request("POST", "/message", `{"message":"a"}`, "Idempotency-Key", "k 3"); w.Code != 200 {
			t.Errorf("/message: %d %s", w.Code, w.Body)
		}
	}
	if n := len(r.notifications()); n != 4 {
		t.Errorf("%d SlackNotifications, want 4", n)
	}
	for _, key := range []string{strings.Repeat("k", 256), "ü", "a\tb"} {
		if w := r.request("POST", messages, `{"text":"a"}`, "Idempotency-Key", key); w.Code != 400 {
			t.Errorf("%q: %d %s", key, w.Code, w.Body)
		}
	}
}

func TestAlerts(t *testing.T) {
	notFound := apierrors.NewNotFound(schema.GroupResource{Resource: "slackalerts"}, "am")
	for name, test := range map[string]struct {
		path   string
		err    error
		change func(*rig)
		code   int
		answer string
	}{
		"taken":             {path: alerts, code: 200, answer: "stored"},
		"unreadable":        {path: alerts, err: &alertmanager.PayloadError{Reason: "the body has no alerts"}, code: 400, answer: "the body has no alerts"},
		"gone":              {path: alerts, err: notFound, code: 404, answer: `no SlackAlert "am"`},
		"not stored":        {path: alerts, err: errors.New("conflict"), code: 503, answer: "send it again"},
		"refused by quota":  {path: alerts, err: quota, code: 503, answer: "the API server refuses to store the alerts: exceeded quota: five; they are taken once that is mended\n"},
		"suspended":         {path: alerts, err: source.ErrSuspended, code: 503, answer: `SlackAlert "am" in namespace "a" is suspended; send it again`},
		"not there":         {path: "/v1/namespaces/a/alerts/nothere", code: 404, answer: `no SlackAlert "nothere"`},
		"of another source": {path: "/v1/namespaces/a/alerts/events", code: 409, answer: "spec.source.alertmanager"},
		"another shard's":   {path: alerts, change: func(r *rig) { r.Shard = labels.SelectorFromSet(labels.Set{"shard": "one"}) }, code: 404, answer: "another operator"},
		"not watched":       {path: alerts, change: func(r *rig) { r.Watches = func(string) bool { return false } }, code: 404, answer: "does not look after"},
		"nobody listens":    {path: alerts, change: func(r *rig) { r.Alerts = nil }, code: 404, answer: "does not look after SlackAlerts"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.receiver.err = test.err
			if test.change != nil {
				test.change(r)
			}
			w := r.request("POST", test.path, `{"alerts":[{}]}`)
			if w.Code != test.code || !strings.Contains(w.Body.String(), test.answer) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if w.Code == 200 && (r.receiver.rule != "a/am" || r.receiver.data != `{"alerts":[{}]}`) {
				t.Errorf("%+v", r.receiver)
			}
			if errors.Is(test.err, quota) && (w.Header().Get("Retry-After") != "300" || strings.Contains(w.Body.String(), "send it again")) {
				t.Errorf("Retry-After %q: %s", w.Header().Get("Retry-After"), w.Body)
			}
			if w.Code == 503 && (w.Header().Get("Retry-After") == "" || strings.Contains(w.Body.String(), "conflict")) {
				t.Errorf("%s", w.Body)
			}
		})
	}
}

func TestObserve(t *testing.T) {
	r := newRig(t)
	var mu sync.Mutex
	seen := map[string]int{}
	r.Observe = func(endpoint string, code int, _ time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		seen[endpoint] = code
	}
	r.request("GET", "/", "")
	r.request("POST", "/message", "")
	r.request("POST", messages, `{"text":"a"}`)
	r.request("POST", alerts, `{}`)
	r.request("GET", "/etc/passwd", "")
	for endpoint, code := range map[string]int{"alive": 200, "message": 400, "messages": 201, "alerts": 200, "other": 404} {
		if seen[endpoint] != code {
			t.Errorf("%s: %d, not %d", endpoint, seen[endpoint], code)
		}
	}
}

// Whatever is posted gets an answer, and what is stored mentions nobody.
func FuzzBodies(f *testing.F) {
	for _, body := range []string{`{"message":"a <!here>"}`, `{"text":"<@U1>","fields":[{"title":"t","value":"<x>"}],"blocks":[{"a":1}]}`, `{"markdown":"> <!channel>\n\t> a"}`, `{"link":{"url":"x"},"sender":null,"unfurlLinks":true}`} {
		f.Add([]byte(body))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if refused := checkJSON(data); refused != nil && refused.code != http.StatusBadRequest {
			t.Fatalf("%+v", refused)
		}
		if text, refused := decodeMessage(data); refused == nil && strings.TrimSpace(text) == "" {
			t.Error("an empty message passes")
		}
		c, refused := decodeContent(data)
		if refused != nil {
			if refused.code != http.StatusBadRequest || strings.Count(refused.text, "\n") != 1 {
				t.Errorf("%d %q", refused.code, refused.text)
			}
			return
		}
		if escape(&c) != nil {
			return
		}
		for _, f := range c.Fields {
			if strings.ContainsAny(f.Value, "<>") {
				t.Errorf("%q", f.Value)
			}
		}
		if strings.ContainsAny(c.Text, "<>") || strings.Contains(c.Markdown, "<") {
			t.Errorf("%q %q", c.Text, c.Markdown)
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add("POST", messages)
	f.Add("GET", "/%2e%2e/")
	f.Fuzz(func(t *testing.T, method, path string) {
		req, err := http.NewRequest(method, "http://x/", http.NoBody)
		if err != nil {
			return
		}
		if req.URL, err = req.URL.Parse(path); err != nil {
			return
		}
		to := find(req)
		if strings.ContainsAny(to.namespace+to.name, "/%\\ ") || to.endpoint == "" {
			t.Errorf("%+v", to)
		}
	})
}
