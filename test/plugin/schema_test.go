package plugin

import (
	"strings"
	"testing"
)

// What preview says that the API server would refuse is what it refuses.
func TestRefusedAsByTheAPIServer(t *testing.T) {
	w := newWorld(t)
	notification := func(spec string) string {
		return `{apiVersion: slack.notify.dev/v1alpha1, kind: SlackNotification, metadata: {name: x}, spec: {channelRef: {name: alerts}, ` + spec + `}}`
	}
	rows := []struct {
		name, object string
		refused      bool
	}{
		{"a good one", notification(`text: Hello`), false},
		{"a title and fields", notification(`title: T, fields: [{title: A, value: b}]`), false},
		{"nothing to say", notification(`severity: Error`), true},
		{"text and Markdown", notification(`text: a, markdown: b`), true},
		{"an unknown field", notification(`text: a, txet: b`), true},
		{"an unknown severity", notification(`text: a, severity: Bad`), true},
		{"a number for a text", notification(`text: 5`), true},
		{"a title that is too long", notification(`title: ` + strings.Repeat("t", 151)), true},
		{"a recipient of two kinds", notification(`text: a, recipients: [{user: a, channel: b}]`), true},
		{"a recipient twice", notification(`text: a, recipients: [{user: a}, {user: a}]`), true},
		{"no e-mail address", notification(`text: a, recipients: [{email: nobody}]`), true},
		{"a link that is none", notification(`text: a, link: {url: "ftp://example.com"}`), true},
		{"a block without a type", notification(`blocks: [{text: x}]`), true},
		{"two threads", notification(`text: a, thread: {timestamp: "1.000000", notificationRef: {name: y}}`), true},
		{"a name that is none", strings.Replace(notification(`text: a`), "name: x", "name: X_y", 1), true},
		{"no channelRef", `{apiVersion: slack.notify.dev/v1alpha1, kind: SlackNotification, metadata: {name: x}, spec: {text: a}}`, true},
		{"a version that does not exist", strings.Replace(notification(`text: a`), "v1alpha1", "v9", 1), true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			shown, errs, code := w.slack(row.object, "preview", "-f", "-")
			cmd := w.command(row.object, "-n", w.ns, "create", "--dry-run=server", "--validate=strict", "-f", "-")
			out, err := cmd.CombinedOutput()
			if (err != nil) != row.refused {
				t.Fatalf("the API server: %v\n%s", err, out)
			}
			if (code != 0) != row.refused {
				t.Errorf("preview ends with %d:\n%s%s\nthe API server says\n%s", code, shown, errs, out)
			}
		})
	}
}
