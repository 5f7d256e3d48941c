package cli

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
)

var update = flag.Bool("update", os.Getenv("UPDATE") != "", "write the golden files anew")

// start is the time at which all commands of the tests run.
var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// ran is what a command has said.
type ran struct {
	out, err string
	code     int
}

// call runs a command without a cluster.
func call(t *testing.T, in string, args ...string) ran {
	t.Helper()
	t.Setenv("KUBECONFIG", filepath.Join(t.TempDir(), "none"))
	var out, errs bytes.Buffer
	a := &app{
		IOStreams: genericiooptions.IOStreams{In: strings.NewReader(in), Out: &out, ErrOut: &errs},
		flags:     genericclioptions.NewConfigFlags(true), name: "kubectl slack", version: "v1.2.3",
		now:    func() time.Time { return start },
		browse: func(string) error { return errors.New("no browser in a test") },
	}
	root := a.root()
	root.SetArgs(args)
	code := a.finish(root.ExecuteContext(t.Context()))
	return ran{out.String(), errs.String(), code}
}

// golden compares with a file of testdata/golden.
func golden(t *testing.T, name string, got ran) {
	t.Helper()
	text := got.out
	if got.err != "" {
		text += "--- stderr ---\n" + got.err
	}
	path := filepath.Join("testdata", "golden", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got\n%s\nwant (UPDATE=1 writes it anew)\n%s", text, want)
	}
	if strings.Contains(text, "plantedsecret") {
		t.Error("a secret is printed")
	}
}

// Every output is as its golden file has it, with its exit code.
func TestOutputs(t *testing.T) {
	const samples = "../../../../config/samples/"
	tests := []struct {
		name string
		args string
		in   string
		code int
	}{
		{name: "preview-samples", args: "preview -R -f " + samples + "deployed.yaml -f " + samples + "notify_user.yaml -f " + samples + "notify_webhook.yaml -f " + samples + "slackchannels.yaml"},
		{name: "preview-rich", args: "preview -f testdata/rich.yaml"},
		{name: "preview-rich-json", args: "preview -f testdata/rich.yaml -o json --mention ada@example.com=U0ADA"},
		{name: "preview-rich-webhook", args: "preview -f testdata/rich.yaml --via webhook"},
		{name: "preview-rich-url", args: "preview -f testdata/rich.yaml -o url"},
		{name: "preview-actions", args: "preview -f " + samples + "approve_deploy.yaml -f " + samples + "slackchannels.yaml"},
		{name: "preview-actions-json", args: "preview -f " + samples + "approve_deploy.yaml -f " + samples + "slackchannels.yaml -o json"},
		{name: "preview-actions-webhook", args: "preview -f " + samples + "approve_deploy.yaml --via webhook"},
		{name: "preview-actions-of-an-alert", args: "preview -f " + samples + "alerts/alertmanager_actions.yaml --payload testdata/am.json --storm 0"},
		{name: "preview-blocks", args: "preview -f testdata/blocks.yaml --cluster-name prod"},
		{name: "preview-blocks-json", args: "preview -f testdata/blocks.yaml -o json"},
		{name: "preview-markdown", args: "preview -f testdata/markdown.yaml"},
		{name: "preview-markdown-json", args: "preview -f testdata/markdown.yaml -o json"},
		{name: "preview-markdown-url", args: "preview -f testdata/markdown.yaml -o url"},
		{name: "preview-recipients-webhook", args: "preview -f testdata/markdown.yaml --via webhook -o json", code: 1},
		{name: "preview-recipients-webhook-text", args: "preview -f testdata/markdown.yaml --via webhook", code: 1},
		{name: "preview-long", args: "preview -f testdata/long.yaml"},
		{name: "preview-refused-by-slack", args: "preview -f testdata/badblock.yaml", code: 1},
		{name: "preview-refused-by-the-api-server", args: "preview -f testdata/badspec.yaml", code: 1},
		{name: "preview-stdin-json", args: "preview -f testdata/am.json", code: 2},
		{name: "preview-nothing", args: "preview", code: 2},
		{name: "preview-no-such-file", args: "preview -f testdata/none.yaml", code: 2},
		{name: "preview-no-such-output", args: "preview -f testdata/rich.yaml -o xml", code: 2},
		{name: "preview-alert", args: "preview -f testdata/rule.yaml -f testdata/web.yaml"},
		{name: "preview-alert-then", args: "preview -f testdata/rule.yaml -f testdata/web.yaml --then testdata/web-good.yaml --storm 0"},
		{name: "preview-alert-webhook", args: "preview -f testdata/rule.yaml -f testdata/web.yaml --via webhook --storm 0"},
		{name: "preview-alert-json", args: "preview -f testdata/rule.yaml -f testdata/web.yaml --storm 0 -o json"},
		{name: "preview-alert-without-object", args: "preview -f testdata/rule.yaml", code: 2},
		{name: "preview-alert-broken", args: "preview -f testdata/badrule.yaml -f testdata/web.yaml", code: 2},
		{name: "preview-events", args: "preview -f testdata/events.yaml"},
		{name: "preview-alertmanager", args: "preview -f testdata/am-rule.yaml --payload testdata/am.json"},
		{name: "preview-alertmanager-without-payload", args: "preview -f testdata/am-rule.yaml", code: 2},
		{name: "alert-test-fires", args: "alert test -f testdata/rule.yaml -f testdata/web.yaml --storm 0"},
		{name: "alert-test-old", args: "alert test -f testdata/rule.yaml -f testdata/web.yaml --old testdata/web-good.yaml --storm 0"},
		{name: "alert-test-does-not-fire", args: "alert test -f testdata/rule.yaml -f testdata/web-good.yaml", code: 1},
		{name: "alert-test-missing-field", args: "alert test -f testdata/rule.yaml -f testdata/web-bare.yaml", code: 2},
		{name: "alert-test-broken", args: "alert test -f testdata/badrule.yaml -f testdata/web.yaml", code: 2},
		{name: "alert-test-no-such-flag", args: "alert test --olf x", code: 2},
		{name: "alert-watch-no-such-flag", args: "alert watch --fro 1m", code: 2},
		{name: "preview-no-such-flag", args: "preview --vai webhook", code: 2},
		{name: "alert-no-such-command", args: "alert tset -f testdata/rule.yaml", code: 1},
		{name: "migrate-no-such-command", args: "migrate alertmanger -f x", code: 1},
		{name: "alert-test-no-rule", args: "alert test -f testdata/web.yaml", code: 2},
		{name: "alert-test-post-that-does-not-count", args: "alert test -f " + samples + "alerts/webhook.yaml --payload testdata/am.json", code: 2},
		{name: "send-dry-run-yaml", args: "send -n team-a --name deploy-42 --channel-ref platform/alerts --to @ada --to #deploys --to bob@example.com --to C0123456789 --title Deployed --severity Success --field Version=42 --link Runbook=https://example.com --thread sln/started --broadcast --dry-run=client -o yaml -", in: "*web* is out\n"},
		{name: "send-dry-run-name", args: "send Hello --channel-ref alerts --dry-run=client -o name"},
		{name: "send-dry-run", args: "send Hello --channel-ref alerts --dry-run=client"},
		{name: "send-dry-run-markdown-json", args: "send --markdown **Hello** --name x --channel-ref alerts --dry-run=client -o json"},
		{name: "send-refused", args: "send Hello --channel-ref alerts --severity Bad --dry-run=client", code: 1},
		{name: "send-nothing", args: "send --channel-ref alerts --dry-run=client", code: 1},
		{name: "send-field", args: "send Hello --channel-ref alerts --field Version --dry-run=client", code: 1},
		{name: "send-two-texts", args: "send Hello World --channel-ref alerts", code: 1},
		{name: "explain-nothing", args: "explain", code: 1},
		{name: "explain-another-kind", args: "explain deploy/web", code: 1},
		{name: "verify-nothing", args: "verify", code: 1},
		{name: "verify-another-kind", args: "verify sln/web", code: 1},
		{name: "resend-nothing", args: "resend", code: 1},
		{name: "send-no-channel", args: "send Hello", code: 1},
		{name: "app-manifest", args: "app-manifest"},
		{name: "app-manifest-all", args: "app-manifest --all"},
		{name: "app-manifest-json", args: "app-manifest --name ci --channels=false --verify=false -o json"},
		{name: "app-manifest-url", args: "app-manifest --email --manage --buttons -o url"},
		{name: "migrate-alertmanager", args: "migrate alertmanager -f testdata/alertmanager.yml -n monitoring"},
		{name: "migrate-flux", args: "migrate flux -f testdata/flux.yaml"},
		{name: "migrate-argocd", args: "migrate argocd -f testdata/argocd.yaml"},
		{name: "migrate-alertmanager-large", args: "migrate alertmanager -f testdata/alertmanager-large.yml -n monitoring"},
		{name: "migrate-flux-large", args: "migrate flux -f testdata/flux-large.yaml"},
		{name: "migrate-argocd-large", args: "migrate argocd -f testdata/argocd-large.yaml"},
		{name: "migrate-nothing", args: "migrate flux -f testdata/web.yaml", code: 1},
		{name: "version", args: "version --client"},
		{name: "help", args: "--help"},
		{name: "help-preview", args: "preview --help"},
		{name: "help-alert-test", args: "alert test --help"},
		{name: "help-alert-watch", args: "alert watch --help"},
		{name: "help-send", args: "send --help"},
		{name: "help-resend", args: "resend --help"},
		{name: "help-verify", args: "verify --help"},
		{name: "help-tail", args: "tail --help"},
		{name: "help-explain", args: "explain --help"},
		{name: "help-check", args: "check --help"},
		{name: "help-app-manifest", args: "app-manifest --help"},
		{name: "help-migrate", args: "migrate --help"},
		{name: "no-such-command", args: "previev", code: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := call(t, test.in, strings.Fields(test.args)...)
			if got.code != test.code {
				t.Errorf("exit code %d, want %d", got.code, test.code)
			}
			golden(t, test.name, got)
		})
	}
}
