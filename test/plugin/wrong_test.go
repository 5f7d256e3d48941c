package plugin

import (
	"regexp"
	"strings"
	"testing"
)

// What is wrong is told by a sentence with a way out, and by an exit code that no script
// takes for an answer.
func TestWrongInput(t *testing.T) {
	const (
		nowhere   = `not found in this namespace \(-n names another; kubectl get \S+ -A lists all\)`
		forbidden = `you may not do this: .*\nAsk for a Role that allows it; the ClusterRoles slack-notifier-viewer-role`
		away      = `the cluster can't be reached: .*kubectl config current-context`
	)
	w := newWorld(t)
	rule := `{apiVersion: slack.notify.dev/v1alpha1, kind: SlackAlert, metadata: {name: r}, spec: {channelRef: {name: alerts}, source: {objects: {apiVersion: apps/v1, kind: Deployment, when: "false"}}}}`
	rows := []struct {
		name, in string
		args     []string
		code     int
		says     string
	}{
		{name: "explain of nothing", args: []string{"explain", "sln/none"}, code: 1, says: nowhere},
		{name: "verify of nothing", args: []string{"verify", "slc/none"}, code: 1, says: nowhere},
		{name: "resend of nothing", args: []string{"resend", "sln/none"}, code: 1, says: nowhere},
		{name: "preview of nothing", args: []string{"preview", "sln/none"}, code: 2, says: nowhere},
		{name: "a recipient that it does not have", args: []string{"resend", "sln/none", "--recipient", "user:ada"}, code: 1, says: nowhere},
		{name: "explain without rights", args: []string{"--as", "stranger", "explain", "slc/alerts"}, code: 1, says: forbidden},
		{name: "verify without rights", args: []string{"--as", "stranger", "verify", "slc/alerts"}, code: 1, says: forbidden},
		{name: "resend without rights", args: []string{"--as", "stranger", "resend", "sln/x"}, code: 1, says: forbidden},
		{name: "preview without rights", args: []string{"--as", "stranger", "preview", "sln/x"}, code: 2, says: forbidden},
		{name: "tail without rights", args: []string{"--as", "stranger", "tail"}, code: 1, says: forbidden},
		{name: "send without rights", args: []string{"--as", "stranger", "send", "x", "--channel-ref", "alerts"}, code: 1, says: forbidden},
		{name: "check without rights", args: []string{"--as", "stranger", "check"}, code: 0, says: `unknown  you may not list the SlackChannels of namespace \S+: ask for the ClusterRole`},
		{name: "check before, without rights", args: []string{"--as", "stranger", "check", "--pre"}, code: 1, says: `you may not create customresourcedefinitions: have somebody install it`},
		{name: "watch without rights", in: rule, args: []string{"--as", "stranger", "alert", "watch", "-f", "-"}, code: 2, says: `you may not list deployments\.apps, and your rights are used here`},
		{name: "a cluster that is away", args: []string{"--server", "https://127.0.0.1:1", "explain", "sln/x"}, code: 1, says: away},
		{name: "a test on a cluster that is away", in: rule, args: []string{"--server", "https://127.0.0.1:1", "alert", "watch", "-f", "-"}, code: 2, says: away},
		{name: "a thread of nothing", args: []string{"send", "x", "--channel-ref", "alerts", "--thread", "sln/none", "--wait=3s"}, code: 1, says: `SlackNotification "none", which this one replies to, does not exist`},
		{name: "through nothing", args: []string{"send", "x", "--channel-ref", "none", "--wait=3s"}, code: 1, says: `SlackChannel "none" does not exist|waits for the operator`},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			out, errs, code := w.slack(row.in, row.args...)
			if text := out + errs; code != row.code || !regexp.MustCompile(row.says).MatchString(text) || strings.Contains(text, "goroutine ") {
				t.Errorf("exit code %d, want %d and %s:\n%s", code, row.code, row.says, text)
			}
		})
	}
}
