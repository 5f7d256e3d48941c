package gitops

import (
	"context"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	cliobject "github.com/fluxcd/cli-utils/pkg/object"
	"github.com/fluxcd/pkg/apis/kustomize"
	"github.com/fluxcd/pkg/runtime/cel"
	"github.com/fluxcd/pkg/ssa"
	"github.com/onsi/gomega"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"
)

var fence = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// documentedChecks are the healthCheckExprs of docs/gitops.md.
func documentedChecks(t *testing.T) []kustomize.CustomHealthCheck {
	t.Helper()
	data, err := os.ReadFile(root + "/docs/gitops.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range fence.FindAllSubmatch(data, -1) {
		var k struct {
			Kind string
			Spec struct {
				HealthCheckExprs []kustomize.CustomHealthCheck `json:"healthCheckExprs"`
			}
		}
		if err := yaml.Unmarshal(m[1], &k); err != nil {
			t.Fatal(err)
		}
		if len(k.Spec.HealthCheckExprs) > 0 {
			return k.Spec.HealthCheckExprs
		}
	}
	t.Fatal("docs/gitops.md has no healthCheckExprs")
	return nil
}

// documentedEvaluators evaluate them as Flux does, by kind.
func documentedEvaluators(t *testing.T) map[string]*cel.StatusEvaluator {
	t.Helper()
	out := map[string]*cel.StatusEvaluator{}
	for _, check := range documentedChecks(t) {
		e, err := cel.NewStatusEvaluator(&check.HealthCheckExpressions)
		if err != nil {
			t.Fatalf("healthCheckExprs of %s: %v", check.Kind, err)
		}
		out[check.Kind] = e
	}
	for _, c := range crds(t) {
		if out[c.kind] == nil {
			t.Fatalf("docs/gitops.md has no healthCheckExprs for %s", c.kind)
		}
	}
	return out
}

// fluxWait waits for a SlackNotification by the call that kustomize-controller
// makes for `wait: true`.
func fluxWait(ctx context.Context, namespace, name string, checks []kustomize.CustomHealthCheck) error {
	var options polling.Options
	if len(checks) > 0 {
		reader, err := cel.NewStatusReader(checks)
		if err != nil {
			return err
		}
		options.CustomStatusReaders = []engine.StatusReader{reader(env.mapper)}
	}
	manager := ssa.NewResourceManager(env.client, polling.NewStatusPoller(env.client, env.mapper, options),
		ssa.Owner{Field: "kustomize-controller", Group: "kustomize.toolkit.fluxcd.io"})
	set := cliobject.ObjMetadataSet{{Namespace: namespace, Name: name, GroupKind: schema.GroupKind{Group: "slack.notify.dev", Kind: "SlackNotification"}}}
	return manager.WaitForSetWithContext(ctx, set, ssa.WaitOptions{Interval: 100 * time.Millisecond, Timeout: patience, FailFast: true})
}

// Flux waits for a delivery, and no longer than it has to.
func TestFluxWaits(t *testing.T) {
	const namespace = "flux"
	stage(t, namespace)
	for _, s := range scenes() {
		if s.kind == "SlackChannel" && s.name == "suspended" {
			apply(t, s.manifest(namespace))
		}
	}
	checks := documentedChecks(t)
	for _, row := range []struct {
		scene  string
		checks []kustomize.CustomHealthCheck
		// fails is a part of the error; none when it is healthy.
		fails string
	}{
		{"delivered", nil, ""},
		{"nobody", nil, "status: 'Failed'"},
		{"no-slackchannel", nil, "status: 'Failed'"},
		{"delivered", checks, ""},
		{"nobody", checks, "status: 'Failed'"},
		{"scheduled", checks, ""},
		{"suspended", checks, ""},
		{"channel-suspended", checks, ""},
	} {
		name := row.scene + " as it is"
		if row.checks != nil {
			name = row.scene + " with healthCheckExprs"
		}
		t.Run(name, func(t *testing.T) {
			for _, s := range scenes() {
				if s.kind == "SlackNotification" && s.name == row.scene {
					s.name = strings.ReplaceAll(name, " ", "-")
					s.name = strings.ToLower(s.name)
					apply(t, s.manifest(namespace))
					err := fluxWait(t.Context(), namespace, s.name, row.checks)
					if row.fails == "" && err != nil || row.fails != "" && (err == nil || !strings.Contains(err.Error(), row.fails)) {
						t.Errorf("Flux ends with %v, want %q", err, row.fails)
					}
				}
			}
		})
	}
}

// Without the expressions Flux waits for a message that is held, until it is
// let go.
func TestFluxWaitsForWhatIsHeld(t *testing.T) {
	const namespace = "flux-held"
	stage(t, namespace)
	held := scene{kind: "SlackNotification", name: "held", spec: `{channelRef: {name: alerts}, suspend: true, text: x}`}
	apply(t, held.manifest(namespace))
	g := gomega.NewWithT(t)
	g.Eventually(func() string {
		_, reason := readyReason(read(t, held.kind, namespace, held.name))
		return reason
	}, patience, 50*time.Millisecond).Should(gomega.Equal("Suspended"))
	ended := make(chan error, 1)
	go func() { ended <- fluxWait(t.Context(), namespace, held.name, nil) }()
	held.spec = `{channelRef: {name: alerts}, text: x}`
	select {
	case err := <-ended:
		t.Fatalf("Flux does not wait for a message that is held: %v", err)
	default:
	}
	apply(t, held.manifest(namespace))
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if _, reason := readyReason(read(t, held.kind, namespace, held.name)); reason != "Delivered" {
		t.Errorf("Flux has stopped waiting, and the message is %s", reason)
	}
}
