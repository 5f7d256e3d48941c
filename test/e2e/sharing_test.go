package e2e

import (
	"encoding/pem"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// somePEM is a certificate authority in PEM form, of nothing that is used.
func somePEM(t *testing.T) string {
	s := httptest.NewTLSServer(nil)
	t.Cleanup(s.Close)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}))
}

// SlackChannels that have a token in common are one question to Slack, whatever
// Secrets it is in and in whatever namespaces; what one of them is told is true for
// all. What leaves by a way of its namespace's own is a question of its own.
func TestSlackChannelsShareAToken(t *testing.T) {
	w := newWorldAlone(t) // each process that may deliver asks once
	guest := w.guest()
	begin := time.Now()
	w.secret("first", "token", w.token)
	w.secret("second", "token", w.token)
	w.create(secretOf(guest, "first", map[string]string{"token": w.token}))
	w.create(secretOf(guest, "ca", map[string]string{"ca.crt": somePEM(t)}))
	var all []*v1alpha1.SlackChannel
	add := func(name, namespace, secret string, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
		c := &v1alpha1.SlackChannel{Spec: v1alpha1.SlackChannelSpec{
			WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: secret}, Channel: []string{"#alerts", w.id("C", "DEPLOYS")}[len(all)%2]},
		}}
		c.Name, c.Namespace = name, namespace
		for _, change := range changes {
			change(c)
		}
		w.create(c)
		all = append(all, c)
		return c
	}
	asked := func(want int, what string) {
		t.Helper()
		if got := len(w.callsSince(begin, "auth.test")); got != want {
			t.Errorf("%s: auth.test was called %d times for %d SlackChannels, want %d", what, got, len(all), want)
		}
		begin = time.Now()
	}
	for i := range 8 {
		add(fmt.Sprint("one-", i), w.ns, "first")
		add(fmt.Sprint("two-", i), w.ns, "second")
	}
	for i := range 4 {
		add(fmt.Sprint("there-", i), guest, "first")
	}
	for _, c := range all {
		w.ready(c)
	}
	asked(1, "verified")
	private := add("private", guest, "first", func(c *v1alpha1.SlackChannel) {
		c.Spec.Connection = &v1alpha1.Connection{CASecretRef: &v1alpha1.SecretReference{Name: "ca"}}
	})
	w.ready(private)
	asked(1, "with a CA of its own")

	w.grant(slacksim.Token{Token: w.token, Error: "token_revoked"})
	w.request(all[3], "now")
	shared := all[:len(all)-1]
	for _, c := range shared {
		w.becomes(c, stalled("", v1alpha1.ReasonInvalidToken))
		w.Expect(w.message(c)).To(gomega.ContainSubstring("Secret " + c.Namespace + "/" + c.Spec.WebAPI.TokenSecretRef.Name))
	}
	w.Consistently(func() look { return w.see(private) }, "1s").Should(gomega.Equal(current("", v1alpha1.ReasonVerified)))
	asked(1, "revoked")

	w.grant(slacksim.Token{Token: w.token})
	w.request(all[5], "now")
	for _, c := range shared {
		w.ready(c)
	}
	asked(1, "good again")

	// One Secret gets another token: those that name it ask, and the others do not.
	other := w.token + "-rotated"
	w.grant(slacksim.Token{Token: other})
	secret := secretOf(w.ns, "second", nil)
	w.update(secret, func() { secret.StringData = map[string]string{"token": other} })
	w.Eventually(func() int { return len(w.callsSince(begin, "auth.test")) }).Should(gomega.Equal(1))
	w.grant(slacksim.Token{Token: w.token, Error: "token_revoked"})
	w.request(all[0], "again")
	for _, c := range shared {
		if c.Spec.WebAPI.TokenSecretRef.Name == "second" {
			w.ready(c)
		} else {
			w.becomes(c, stalled("", v1alpha1.ReasonInvalidToken))
		}
	}
	asked(2, "one Secret rotated, the other token revoked")
}
