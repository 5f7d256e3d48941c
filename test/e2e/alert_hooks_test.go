package e2e

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

// hooks makes an own rule with source.webhook that listens.
func (w *world) hooks(name string, source v1alpha1.WebhookSource, changes ...func(*v1alpha1.SlackAlert)) *v1alpha1.SlackAlert {
	w.t.Helper()
	rule := w.rule(name, v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Webhook: &source}}, append(changes, func(a *v1alpha1.SlackAlert) { own(a) })...)
	w.becomes(rule, current("", v1alpha1.ReasonListening))
	w.Expect(rule.Status.Address).To(gomega.Equal("/v1/namespaces/" + w.ns + "/alerts/" + name))
	return rule
}

func signedWith(key, body string) string {
	h := hmac.New(sha256.New, []byte(key))
	_, _ = h.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(h.Sum(nil))
}

// evaluating is the reason of the condition Evaluating of a rule, if it is False.
func (w *world) evaluating(rule *v1alpha1.SlackAlert) string {
	w.t.Helper()
	w.see(rule)
	if c := conditions.Find(rule, v1alpha1.ConditionEvaluating); c != nil && c.Status == metav1.ConditionFalse {
		return c.Reason
	}
	return ""
}

// What is posted opens an incident, counts for it, and ends it, over a restart of
// the operator; nothing counts twice.
func TestWebhookIncident(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	i := w.intake()
	token := w.tokenOf(w.poster("sender"))
	rule := w.hooks("disks", v1alpha1.WebhookSource{When: "body.severity == 'error'", ResolvedWhen: "body.?state.orValue('') == 'ok'"}, func(a *v1alpha1.SlackAlert) {
		a.Spec.GroupBy = []string{"body.disk"}
		a.Spec.Message = &v1alpha1.AlertMessage{Title: "Disk {{ .body.disk }} ({{ .count }})", Text: "{{ .body.text }} by {{ index .headers \"x-sender\" }}"}
	})
	send := func(body, answer string) {
		t.Helper()
		w.Expect(i.post(rule.Status.Address, token, text(body), "X-Sender", "cron")).To(gomega.And(code(200), gomega.HaveField("Body", gomega.HavePrefix(answer))), body)
	}
	const first = `{"severity": "error", "disk": "a", "text": "<!channel> full"}`
	send(first, "stored\n")
	send(first, "stored before")
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"Disk a (1)"}))
	n := w.made(rule)[0]
	w.Expect(n.Spec.Severity).To(gomega.Equal(v1alpha1.SeverityError))
	w.Expect(n.Spec.Text).To(gomega.Equal("&lt;!channel&gt; full by cron"))
	send(`{"severity": "error", "disk": "a", "text": "fuller"}`, "stored\n")
	send(`{"severity": "error", "disk": "b", "text": "full"}`, "stored\n")
	send(`{"severity": "info", "disk": "c", "text": "well"}`, "not counted: spec.source.webhook.when is not true")
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"Disk a (2)", "Disk b (1)"}))
	w.Eventually(func() int32 { w.see(rule); return rule.Status.Firing }).Should(gomega.Equal(int32(2)))

	i.operator.Stop()
	i.start()
	send(first, "stored before")
	send(`{"state": "ok", "disk": "a"}`, "stored\n")
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"Disk b (1)"}))
	w.Expect(w.incidents(rule)).To(gomega.ContainElement(told{n.Name, false, v1alpha1.SeveritySuccess, "Resolved: Disk a (2)"}))
	w.Eventually(func() string {
		for _, m := range w.messages(w.id("C", "ALERTS")) {
			if strings.Contains(fmt.Sprint(m), "Resolved: Disk a") {
				return "green"
			}
		}
		return ""
	}).Should(gomega.Equal("green"))
	send(`{"state": "ok", "disk": "a"}`, "stored before")
	send(first, "stored\n") // the sender gives its posts no IDs, so it is bad again
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"Disk a (1)", "Disk b (1)"}))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(3))
	w.Expect(i.post(rule.Status.Address, token, text(`{"state": "ok", "disk": "b", "n": 1}`), "Idempotency-Key", "k1")).To(code(200))
	w.Expect(i.post(rule.Status.Address, token, text(`{"severity": "error", "disk": "b", "text": "x"}`), "Idempotency-Key", "k1")).To(gomega.HaveField("Body", gomega.HavePrefix("stored before")))
	w.Expect(w.open(rule)).To(gomega.Equal([]string{"Disk a (1)"}))

	for name, row := range map[string]struct {
		body string
		want int
	}{"no JSON": {`disk=a`, 400}, "nothing": {``, 400}, "cut": {`{"severity": "err`, 400}} {
		w.Expect(i.post(rule.Status.Address, token, text(row.body))).To(code(row.want), name)
	}
	w.Expect(i.post(rule.Status.Address, "", text(first))).To(code(401))
	w.update(rule, func() { rule.Spec.Suspend = true })
	w.Expect(i.post(rule.Status.Address, token, text(first))).To(code(503))
}

// A field that is missing is no evidence: nothing fires or ends by it, and both the
// rule and the sender are told.
func TestWebhookEvaluation(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	i := w.intake()
	token := w.tokenOf(w.poster("sender"))
	rule := w.hooks("odd", v1alpha1.WebhookSource{When: "body.severity == 'error'", ResolvedWhen: "body.state == 'ok'"})
	post := func(body string) reply { return i.post(rule.Status.Address, token, text(body)) }
	w.Expect(post(`{"severity": "error", "state": "bad"}`)).To(gomega.HaveField("Body", "stored\n"))
	w.Expect(w.evaluating(rule)).To(gomega.BeEmpty())
	w.Expect(post(`{"level": "good"}`)).To(gomega.And(code(200), gomega.HaveField("Body", gomega.HavePrefix("not counted; spec.source.webhook.resolvedWhen: no such key: state"))))
	w.Expect(w.open(rule)).To(gomega.HaveLen(1))
	w.Eventually(func() string { return w.evaluating(rule) }).Should(gomega.Equal(v1alpha1.ReasonFieldMissing))
	w.Expect(w.see(rule)).To(gomega.Equal(current("", v1alpha1.ReasonListening)))
	w.Expect(conditions.Find(rule, v1alpha1.ConditionEvaluating).Message).To(gomega.And(gomega.ContainSubstring("no such key: state"), gomega.ContainSubstring("orValue")))

	w.update(rule, func() {
		rule.Spec.Source.Webhook.When = "body.size > 'a'"
		rule.Spec.Source.Webhook.ResolvedWhen = "body.?state.orValue('') == 'ok'"
	})
	w.Eventually(func() string { return w.evaluating(rule) }).Should(gomega.BeEmpty())
	w.Expect(post(`{"size": 5}`)).To(gomega.And(code(422), gomega.HaveField("Body", gomega.ContainSubstring("spec.source.webhook.when: body.size > \"a\" can't be evaluated: > does not take (int, string)"))))
	w.Eventually(func() string { return w.evaluating(rule) }).Should(gomega.Equal(v1alpha1.ReasonEvaluationFailed))
	w.Expect(post(`{"state": "ok"}`)).To(code(200))
	w.Expect(w.open(rule)).To(gomega.BeEmpty())

	w.update(rule, func() { rule.Spec.Source.Webhook.When = "body.(" })
	w.becomes(rule, stalled("", v1alpha1.ReasonInvalidExpression))
	w.Expect(w.message(rule)).To(gomega.HavePrefix("spec.source.webhook.when, line 1"))
	w.Expect(post(`{"size": 5}`)).To(gomega.And(code(503), gomega.HaveField("Body", gomega.ContainSubstring("does not compile"))))
}

// Without an end, what is posted is told: each post once, never firing, and never
// over.
func TestWebhookTold(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	i := w.intake()
	token := w.tokenOf(w.poster("sender"))
	rule := w.hooks("told", v1alpha1.WebhookSource{}, func(a *v1alpha1.SlackAlert) { a.Spec.MaxIncidents = 3 })
	post := func(body string) { w.Expect(i.post(rule.Status.Address, token, text(body))).To(code(200)) }
	for range 2 {
		post(`{"title": "Backup done", "message": "12 GiB", "url": "https://backup.example.com/1"}`)
		post(`{"title": "Backup failed", "severity": "critical"}`)
	}
	var got []told
	for _, n := range w.incidents(rule) {
		n.Name, n.Open = "", false
		got = append(got, n)
	}
	w.Expect(got).To(gomega.ConsistOf(told{"", false, v1alpha1.SeverityInfo, "Backup done"}, told{"", false, v1alpha1.SeverityCritical, "Backup failed"}))
	w.Eventually(func() int { return len(w.messages(w.id("C", "ALERTS"))) }).Should(gomega.Equal(2))
	w.see(rule)
	w.Expect(rule.Status.Firing).To(gomega.BeZero())
	for n := range 6 {
		post(fmt.Sprintf(`{"title": "Flood %d"}`, n))
	}
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(4), "a flood is one message that counts")
	w.Expect(rule.Status.Firing).To(gomega.BeZero())
}

// An incident of which nothing is posted any more ends, and says why.
func TestWebhookResolveAfter(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	i := w.intake()
	token := w.tokenOf(w.poster("sender"))
	rule := w.hooks("beats", v1alpha1.WebhookSource{}, func(a *v1alpha1.SlackAlert) { a.Spec.ResolveAfter = &metav1.Duration{Duration: 2 * time.Second} })
	w.Expect(i.post(rule.Status.Address, token, text(`{"title": "No heartbeat"}`))).To(code(200))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(1))
	w.Eventually(func() []told { return w.incidents(rule) }).Should(gomega.HaveExactElements(gomega.HaveField("Title", "Resolved: No heartbeat")))
	n := w.made(rule)[0]
	w.Expect(n.Spec.Severity).To(gomega.Equal(v1alpha1.SeveritySuccess))
	w.Expect(n.Spec.Text).To(gomega.ContainSubstring("_No post has told of it for 2s (resolveAfter), so it counts as resolved."))
	w.Expect(i.post(rule.Status.Address, token, text(`{"title": "No heartbeat"}`))).To(code(200))
	w.Expect(w.incidents(rule)).To(gomega.HaveLen(2))
}

// A signature stands in place of a token; nothing else does, and a stranger learns
// nothing.
func TestWebhookSignature(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	i := w.intake()
	token := w.tokenOf(w.poster("sender"))
	signature := &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: "hook", Key: "key"}}
	rule := w.rule("signed", v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{
		When: "body.state == 'bad'", ResolvedWhen: "body.state == 'ok'", Signature: signature,
	}}}, func(a *v1alpha1.SlackAlert) { own(a) })
	w.becomes(rule, stalled("", v1alpha1.ReasonSecretNotFound))
	const header, body = "X-Hub-Signature-256", `{"state": "bad", "n": 1}`
	signed := func(key, body string) reply {
		return i.post(rule.Status.Address, "", text(body), header, signedWith(key, body))
	}
	strange := i.post(rule.Status.Address, "", text(body))
	w.Expect(strange).To(code(401))
	w.Expect(signed("old", body)).To(gomega.Equal(strange), "while there is no Secret")
	hook := secretOf(w.ns, "hook", map[string]string{"other": "old"})
	w.create(hook)
	w.becomes(rule, stalled("", v1alpha1.ReasonSecretKeyNotFound))
	w.Expect(signed("old", body)).To(gomega.Equal(strange), "while the Secret lacks the key")
	w.update(hook, func() { hook.Data["key"] = []byte("old\n") })
	w.becomes(rule, current("", v1alpha1.ReasonListening))

	second := w.hooks("second", v1alpha1.WebhookSource{Signature: &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: "c-token"}}})
	open := w.hooks("open", v1alpha1.WebhookSource{})
	other := strings.Replace(body, "1", "2", 1)
	for name, row := range map[string]struct {
		got  reply
		want reply
	}{
		"no signature":            {i.post(rule.Status.Address, "", text(body)), strange},
		"of another key":          {signed("new", body), strange},
		"of another body":         {i.post(rule.Status.Address, "", text(other), header, signedWith("old", body)), strange},
		"in another header":       {i.post(rule.Status.Address, "", text(body), "X-Signature", signedWith("old", body)), strange},
		"empty":                   {i.post(rule.Status.Address, "", text(body), header, ""), strange},
		"for another rule":        {i.post(second.Status.Address, "", text(body), header, signedWith("old", body)), strange},
		"for a rule without one":  {i.post(open.Status.Address, "", text(body), header, signedWith("old", body)), strange},
		"for no rule":             {i.post(rule.Status.Address+"x", "", text(body), header, signedWith("old", body)), strange},
		"in another namespace":    {i.post(strings.Replace(rule.Status.Address, w.ns, "default", 1), "", text(body), header, signedWith("old", body)), strange},
		"and a token that is bad": {i.post(rule.Status.Address, "no.such.token", text(body), header, signedWith("old", body)), i.post(rule.Status.Address, "no.such.token", text(body))},
	} {
		w.Expect(row.got).To(gomega.And(code(401), gomega.Equal(row.want)), name)
	}
	w.Expect(w.list()).To(gomega.BeEmpty())
	w.Expect(i.post(rule.Status.Address, token, text(body))).To(gomega.And(code(401), gomega.HaveField("Body", gomega.ContainSubstring("into the header X-Hub-Signature-256"))), "a token is not enough")

	w.Expect(signed("old", body)).To(code(200))
	w.Expect(w.open(rule)).To(gomega.HaveLen(1))
	w.Expect(i.post(rule.Status.Address, "", text(body), header, signedWith("old", body), "Idempotency-Key", "forged")).To(gomega.HaveField("Body", gomega.HavePrefix("stored before")))
	w.Expect(signed("old", `{"state": "ok", "n": 2}`)).To(code(200))
	w.Expect(w.open(rule)).To(gomega.BeEmpty())
	w.Expect(signed("old", body)).To(gomega.And(code(200), gomega.HaveField("Body", gomega.HavePrefix("stored before"))), "repeated by somebody who has seen it")
	w.Expect(w.open(rule)).To(gomega.BeEmpty())

	// A new key counts at once, and the old one does not.
	w.update(hook, func() { hook.Data["key"] = []byte("new") })
	w.Expect(signed("new", `{"state": "bad", "n": 3}`)).To(code(200))
	w.Eventually(func() reply { return signed("old", `{"state": "bad", "n": 4}`) }).Should(gomega.Equal(strange))
	w.Expect(w.open(rule)).To(gomega.HaveLen(1))
}

// What Flux and GitHub post of a failure and of what comes after it is one message
// that turns green.
func TestWebhookPresets(t *testing.T) {
	w := newWorld(t)
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	i := w.intake()
	w.secret("flux", "token", "flux-key")
	w.secret("github", "token", "github-key")
	flux := w.hooks("flux", v1alpha1.WebhookSource{Preset: v1alpha1.PresetFlux, Signature: &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: "flux"}}})
	github := w.hooks("github", v1alpha1.WebhookSource{Preset: v1alpha1.PresetGitHub, Signature: &v1alpha1.WebhookSignature{SecretRef: v1alpha1.SecretKeyReference{Name: "github"}}})
	event := func(severity, reason, at string) string {
		return fmt.Sprintf(`{"involvedObject":{"kind":"Kustomization","namespace":"apps","name":"webapp"},"severity":%q,"reason":%q,"timestamp":%q,`+
			`"message":"service/apps/webapp <!here>","metadata":{"kustomize.toolkit.fluxcd.io/revision":"main@sha1:731f7ea"},"reportingController":"kustomize-controller"}`, severity, reason, at)
	}
	fluxSends := func(body string) {
		t.Helper()
		w.Expect(i.post(flux.Status.Address, "", text(body), "X-Signature", signedWith("flux-key", body))).To(code(200))
	}
	now := time.Now().UTC().Truncate(time.Second)
	at := func(d time.Duration) string { return now.Add(d).Format(time.RFC3339) }
	fluxSends(event("error", "ValidationFailed", at(-4*time.Second)))
	w.Expect(w.open(flux)).To(gomega.Equal([]string{"Kustomization webapp: ValidationFailed"}))
	w.Expect(w.made(flux)[0].Spec.Text).To(gomega.ContainSubstring("&lt;!here&gt;"))
	fluxSends(event("info", "Progressing", at(-3*time.Second)))
	w.Expect(w.open(flux)).To(gomega.HaveLen(1))
	fluxSends(event("info", "ReconciliationSucceeded", at(-1*time.Second)))
	w.Expect(w.open(flux)).To(gomega.BeEmpty())
	fluxSends(event("error", "HealthCheckFailed", at(-2*time.Second))) // late
	w.Expect(w.open(flux)).To(gomega.BeEmpty())

	githubSends := func(delivery, event, body string) reply {
		return i.post(github.Status.Address, "", text(body), "X-Hub-Signature-256", signedWith("github-key", body), "X-GitHub-Event", event, "X-GitHub-Delivery", delivery)
	}
	status := func(state, at string) string {
		return fmt.Sprintf(`{"action":"created","deployment_status":{"state":%q,"description":"d","updated_at":%q,"target_url":"https://github.com/acme/web/actions/1"},`+
			`"deployment":{"environment":"production","ref":"main","sha":"0123456789abcdef"},"repository":{"full_name":"acme/web"},"sender":{"login":"ada"}}`, state, at)
	}
	w.Expect(githubSends("1", "ping", `{"zen":"Keep it logically awesome.","hook_id":1}`)).To(gomega.And(code(200), gomega.HaveField("Body", gomega.ContainSubstring("ping"))))
	w.Expect(githubSends("2", "push", `{"ref":"refs/heads/main","repository":{"full_name":"acme/web"}}`)).To(code(200))
	w.Expect(w.incidents(github)).To(gomega.BeEmpty())
	for range 2 {
		w.Expect(githubSends("3", "deployment_status", status("failure", at(-3*time.Second)))).To(code(200))
	}
	w.Expect(w.open(github)).To(gomega.Equal([]string{"acme/web: deployment to production failure"}))
	w.Expect(githubSends("4", "deployment_status", status("in_progress", at(-2*time.Second)))).To(code(200))
	w.Expect(w.open(github)).To(gomega.HaveLen(1))
	w.Expect(githubSends("5", "deployment_status", status("success", at(-1*time.Second)))).To(code(200))
	w.Expect(w.open(github)).To(gomega.BeEmpty())
	w.Expect(w.incidents(github)).To(gomega.HaveExactElements(gomega.HaveField("Severity", v1alpha1.SeveritySuccess)))
	w.Expect(w.evaluating(github)).To(gomega.BeEmpty())
}
