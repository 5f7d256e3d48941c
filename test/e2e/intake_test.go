package e2e

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// The little server of the tutorial: what is posted arrives in Slack.
func TestIntakeTutorial(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	i := w.intake("--intake-anonymous", "--intake-notification-ttl=1h")
	w.Expect(string(fetch(t, i.url+"/"))).To(gomega.Equal("I'm alive!!!"))
	w.Expect(i.post("/message", "", text(`{"message": "Hello <!channel>"}`))).To(gomega.Equal(reply{Code: 200, Body: `Received message: "Hello <!channel>"`}))
	w.Expect(w.list()).To(gomega.HaveLen(1), "it is stored when it is answered")
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(1))
	w.Expect(w.messages(w.id("C", "ALERTS"))[0].Text).To(gomega.Equal("Hello &lt;!channel&gt;"))
	n := w.list()[0]
	w.becomes(&n, delivered())
	w.Expect(n.Labels).To(gomega.Equal(map[string]string{"shard": "own", "slack.notify.dev/source": "intake"}))
	w.Expect(*n.Spec.TTLSecondsAfterFinished).To(gomega.BeEquivalentTo(3600))
	w.Expect(i.post("/message", "", text(`{}`))).To(code(400))
	w.Expect(i.post("/message", "", text(`{"message": "`+strings.Repeat("a", 1<<20)+`"}`))).To(code(413))
	w.Expect(i.post("/messages", "", text(`{"message": "a"}`))).To(code(404))
	w.Expect(i.post("/v1/namespaces/"+w.ns+"/channels/c/messages", "", text(`{"message": "a"}`))).To(code(401))
	for _, want := range []string{`slack_notifier_intake_requests_total{code="200",endpoint="message"} 1`, `slack_notifier_intake_request_duration_seconds_count{endpoint="alive"} 1`} {
		w.Expect(string(fetch(t, i.operator.Metrics))).To(gomega.ContainSubstring(want))
	}
}

func TestIntakeMessages(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	i := w.intake()
	token := w.tokenOf(w.poster("poster"))
	path := "/v1/namespaces/" + w.ns + "/channels/c/messages"
	got := i.post(path, token, text(`{"title":"Deployed","severity":"Success","text":"it & <@ada@example.com>","fields":[{"title":"Version","value":"42"}],"link":{"url":"https://example.com"}}`))
	w.Expect(got).To(code(201))
	var made struct{ Namespace, Name string }
	w.Expect(json.Unmarshal([]byte(got.Body), &made)).To(gomega.Succeed())
	n := &v1alpha1.SlackNotification{}
	w.Expect(env.client.Get(w.ctx, types.NamespacedName{Namespace: made.Namespace, Name: made.Name}, n)).To(gomega.Succeed())
	w.becomes(n, delivered())
	w.Expect(n.Spec.Text).To(gomega.Equal("it &amp; &lt;@ada@example.com&gt;"))
	w.Expect(n.Annotations["slack.notify.dev/intake-caller"]).To(gomega.Equal("system:serviceaccount:" + w.ns + ":poster"))
	w.Expect(w.messages(w.id("C", "ALERTS"))).To(gomega.HaveLen(1))

	w.Expect(i.post("/message", token, text(`{"message": "a"}`))).To(code(200))
	w.Expect(i.post("/message", "", text(`{"message": "a"}`))).To(code(401))
	for body, want := range map[string]reply{
		`{"colour":"red"}`: {400, "the body is no JSON object with the content of a SlackNotification: there is no field \"colour\"\n", ""},
		`{"title":"` + strings.Repeat("t", 151) + `"}`: {422, "the message is not valid: title: Too long: may not be more than 150 bytes\n", ""},
		`{}`:                                    {422, "the message is not valid: a message needs at least one of title, text, markdown, blocks and attachments\n", ""},
		`{"text":"a","markdown":"b"}`:           {422, "the message is not valid: markdown can't be combined with text or blocks\n", ""},
		`{"text":"a","severity":"Bad"}`:         {422, "", ""},
		`{"blocks":["a"]}`:                      {422, "", ""},
		`{"text":"a","link":{"url":"ftp://x"}}`: {422, "", ""},
	} {
		got := i.post(path, token, text(body))
		if want.Body == "" {
			t.Logf("%s: %s", body, got.Body)
			got.Body = ""
		}
		w.Expect(got).To(gomega.Equal(want), body)
	}
	w.Expect(i.post("/v1/namespaces/"+w.ns+"/channels/nothere/messages", token, text(`{"text":"a"}`))).To(code(404))

	// The same key makes one.
	before := len(w.list())
	first := i.post(path, token, text(`{"text":"once"}`), "Idempotency-Key", "k")
	w.Expect(first).To(code(201))
	w.Expect(i.post(path, token, text(`{"text":"once"}`), "Idempotency-Key", "k")).To(gomega.Equal(first))
	w.Expect(i.post(path, token, text(`{"text":"twice"}`), "Idempotency-Key", "k")).To(code(409))
	w.Expect(w.list()).To(gomega.HaveLen(before + 1))
}

// Only a valid token of somebody who may is let in.
func TestIntakeTokens(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	i := w.intake()
	poster := w.poster("poster")
	good := w.tokenOf(poster)
	path := "/v1/namespaces/" + w.ns + "/channels/c/messages"
	doomed := w.poster("doomed")
	dead := w.tokenOf(doomed)
	w.Expect(env.client.Delete(w.ctx, doomed)).To(gomega.Succeed())
	past := time.Now().Add(-time.Hour).Unix()
	for name, test := range map[string]struct {
		token string
		code  int
	}{
		"good":                          {good, 201},
		"signed anew":                   {w.forge(good, nil, true), 201},
		"expired":                       {w.forge(good, map[string]any{"exp": past, "iat": past - 60, "nbf": past - 60}, true), 401},
		"not valid yet":                 {w.forge(good, map[string]any{"nbf": time.Now().Add(time.Hour).Unix()}, true), 401},
		"signed by somebody else":       {w.forge(good, nil, false), 401},
		"of another issuer":             {w.forge(good, map[string]any{"iss": "https://example.com"}, true), 401},
		"for another audience":          {w.tokenOf(poster, "https://vault.example.com"), 401},
		"for the API server":            {w.tokenOf(poster, apiAudience), 401},
		"for it and the intake":         {w.tokenOf(poster, apiAudience, "slack-notifier"), 201},
		"of a deleted account":          {dead, 401},
		"not signed":                    {strings.Join(strings.Split(good, ".")[:2], ".") + ".", 401},
		"cut off":                       {good[:len(good)-5], 401},
		"none at all":                   {"", 401},
		"nonsense":                      {"nonsense", 401},
		"of an account without a right": {w.tokenOf(w.account(w.ns, "stranger")), 403},
		"of another namespace":          {w.tokenOf(w.account("default", w.ns)), 403},
	} {
		got := i.post(path, test.token, text(`{"text":"a"}`))
		w.Expect(got).To(code(test.code), name)
		w.Expect(got.Body).NotTo(gomega.ContainSubstring("eyJ"), "no token is told")
	}
	// Who may here, may not elsewhere, and learns nothing of what is there.
	got := i.post("/v1/namespaces/default/channels/c/messages", good, text(`{"text":"a"}`))
	w.Expect(got).To(code(403))
	w.Expect(got.Body).To(gomega.And(gomega.ContainSubstring(w.ns+":poster"), gomega.ContainSubstring(`"default"`)))
	w.Expect(i.post("/v1/namespaces/default/alerts/x", good, text(`{}`))).To(code(403))
	w.Expect(i.post("/v1/namespaces/"+w.ns+"/alerts/x", "", text(`{}`))).To(code(401))
	w.Expect(w.list()).To(gomega.HaveLen(3))
	got = i.post(path, w.tokenOf(poster, apiAudience), text(`{"text":"a"}`))
	w.Expect(got.Body).To(gomega.Equal(`the token is for the audience "` + apiAudience + `", and must be for "slack-notifier": ` +
		"make one with kubectl create token NAME --audience=slack-notifier, or mount a projected serviceAccountToken with that audience\n"))
}

// The audience is the platform's to name, and tokens for the API server are
// taken only when it says so.
func TestIntakeAudience(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	i := w.intake("--intake-audience=chat", "--intake-accept-api-tokens")
	poster := w.poster("poster")
	path := "/v1/namespaces/" + w.ns + "/channels/c/messages"
	for _, test := range []struct {
		audience string
		code     int
	}{{"chat", 201}, {apiAudience, 201}, {"slack-notifier", 401}, {"https://vault.example.com", 401}} {
		w.Expect(i.post(path, w.tokenOf(poster, test.audience), text(`{"text":"a"}`))).To(code(test.code), test.audience)
	}
}

// What a quota or a policy refuses is told in the API server's words, and a
// caller is not asked to send it again; an Alertmanager, which gives up on 4xx,
// is asked to come again later.
func TestIntakeQuota(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	rule := w.rule("am", v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}},
		func(a *v1alpha1.SlackAlert) { a.Labels = map[string]string{"shard": "own"} })
	i := w.intake()
	token := w.tokenOf(w.poster("poster"))
	const counted = corev1.ResourceName("count/slacknotifications.slack.notify.dev")
	five := corev1.ResourceList{counted: resource.MustParse("5")}
	quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Name: "five"}, Spec: corev1.ResourceQuotaSpec{Hard: five}}
	w.create(quota)
	// What the kube-controller-manager would do.
	quota.Status = corev1.ResourceQuotaStatus{Hard: five, Used: corev1.ResourceList{counted: resource.MustParse("0")}}
	w.Expect(env.client.Status().Update(w.ctx, quota)).To(gomega.Succeed())

	path := "/v1/namespaces/" + w.ns + "/channels/c/messages"
	send := func() reply { return i.post(path, token, text(`{"text":"a"}`)) }
	// The API server learns of a new quota, and of its status, a moment later.
	w.Eventually(send).Should(gomega.And(code(403), gomega.HaveField("Body", gomega.ContainSubstring("exceeded quota"))))
	stored := len(w.list())
	w.Expect(stored).To(gomega.BeNumerically(">=", 5), "what the quota allows is stored")
	got := send()
	w.Expect(w.list()).To(gomega.HaveLen(stored))
	w.Expect(got).To(gomega.Equal(reply{Code: 403, Body: "the API server refuses the message: exceeded quota: five, requested: " + string(counted) + "=1, used: " + string(counted) + "=5, limited: " + string(counted) + "=5\n"}))
	got = i.post("/v1/namespaces/"+w.ns+"/alerts/"+rule.Name, token, text(`{"version":"4","groupKey":"g","status":"firing","alerts":[{"status":"firing","labels":{"alertname":"Down"},"startsAt":"2026-01-01T00:00:00Z"}]}`))
	w.Expect(got).To(gomega.And(code(503), gomega.HaveField("RetryAfter", "300")))
	w.Expect(got.Body).To(gomega.And(gomega.HavePrefix("the API server refuses to store the alerts: exceeded quota: five, "), gomega.Not(gomega.ContainSubstring("send it again"))))
}

// A policy's refusal is told with the policy's own message.
func TestIntakePolicy(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	i := w.intake()
	token := w.tokenOf(w.poster("poster"))
	fail := admissionv1.Fail
	here := &metav1.LabelSelector{MatchLabels: map[string]string{"kubernetes.io/metadata.name": w.ns}}
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: metav1.ObjectMeta{Name: "quiet." + w.ns}, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		FailurePolicy: &fail,
		MatchConstraints: &admissionv1.MatchResources{NamespaceSelector: here, ResourceRules: []admissionv1.NamedRuleWithOperations{{RuleWithOperations: admissionv1.RuleWithOperations{
			Operations: []admissionv1.OperationType{admissionv1.Create},
			Rule:       admissionv1.Rule{APIGroups: []string{"slack.notify.dev"}, APIVersions: []string{"*"}, Resources: []string{"slacknotifications"}},
		}}}},
		Validations: []admissionv1.Validation{{Expression: "!object.spec.text.contains('LOUD')", Message: "speak softly"}},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: policy.Name}, Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
		PolicyName: policy.Name, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
	}}
	for _, o := range []client.Object{policy, binding} {
		w.Expect(env.client.Create(w.ctx, o)).To(gomega.Succeed())
		t.Cleanup(func() { _ = env.client.Delete(context.Background(), o) })
	}
	path := "/v1/namespaces/" + w.ns + "/channels/c/messages"
	var got reply
	w.Eventually(func() int { got = i.post(path, token, text(`{"text":"LOUD"}`)); return got.Code }).Should(gomega.Equal(422))
	w.Expect(got.Body).To(gomega.Equal("the API server refuses the message: ValidatingAdmissionPolicy '" + policy.Name + "' with binding '" + policy.Name + "' denied request: speak softly\n"))
	w.Expect(got.RetryAfter).To(gomega.BeEmpty())
	w.Expect(i.post(path, token, text(`{"text":"soft"}`))).To(code(201))
}

// When the API server can't be reached, the answer is 503, and nothing is lost
// or doubled when the caller repeats.
func TestIntakeWithoutAPIServer(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts")
	config, err := env.Cluster.UserConfig("system:serviceaccount:"+harness.OperatorNamespace+":slack-notifier-controller-manager", "system:serviceaccounts", "system:serviceaccounts:"+harness.OperatorNamespace)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	wire, kubeconfig := w.newLink(config)
	i := w.intake("--kubeconfig="+kubeconfig, "--intake-anonymous")
	token := w.tokenOf(w.poster("poster"))
	path := "/v1/namespaces/" + w.ns + "/channels/c/messages"
	w.Expect(i.post(path, token, text(`{"text":"before"}`))).To(code(201))
	wire.set(true)
	for _, got := range []reply{
		i.post(path, token, text(`{"text":"amid"}`), "Idempotency-Key", "k"),
		i.post("/message", "", text(`{"message":"amid"}`), "Idempotency-Key", "k"),
		i.post(path, w.tokenOf(w.poster("second")), text(`{"text":"amid"}`)),
	} {
		w.Expect(got).To(code(503))
		w.Expect(got.RetryAfter).To(gomega.Equal("5"))
		w.Expect(got.Body).To(gomega.HaveSuffix("; send it again\n"))
	}
	w.Expect(string(fetch(t, i.url+"/"))).To(gomega.Equal("I'm alive!!!"))
	wire.set(false)
	w.Eventually(func() reply { return i.post(path, token, text(`{"text":"amid"}`), "Idempotency-Key", "k") }).Should(code(201))
	w.Expect(i.post("/message", "", text(`{"message":"amid"}`), "Idempotency-Key", "k")).To(code(200))
	w.Expect(w.list()).To(gomega.HaveLen(3))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(3))
}
