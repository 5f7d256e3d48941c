package e2e

import (
	"testing"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// An app with the scope to post alone posts by the ID of a channel.
func TestScopeToPostAlone(t *testing.T) {
	w := newWorld(t)
	w.grant(slacksim.Token{Token: w.token, Scopes: []string{"chat:write"}})
	channel := w.webAPI("c", w.id("C", "ALERTS"))
	w.ready(channel)
	w.Expect(w.message(channel)).To(gomega.ContainSubstring("could not be verified"))
	w.becomes(w.notify("n", "c"), delivered())
	w.Expect(w.alerts()).To(gomega.HaveLen(1))
}
