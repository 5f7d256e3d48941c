//go:build linux

package cluster

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// placeholders of the documentation, and what they are here. All else is run as it
// is written.
var placeholders = strings.NewReplacer("xoxb-…", slacksim.DemoToken)

// documented is the text of a file of the clone.
func documented(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(node.dir, cloneDir, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// inline is the command that stands in a documentation's sentence.
func inline(t *testing.T, path, begins string) string {
	t.Helper()
	m := regexp.MustCompile("`(" + regexp.QuoteMeta(begins) + "[^`]*)`").FindStringSubmatch(documented(t, path))
	if m == nil {
		t.Fatalf("%s has no command that begins with %q", path, begins)
	}
	return m[1]
}

// stranger is somebody with a clone, a kubectl and a Helm.
type stranger struct {
	// helm is the program's file in bin; none for who has kubectl alone.
	helm string
	// tools is the directory in which it is called helm.
	tools string
}

// types a script into a shell, in a directory below the machine's.
func (s stranger) types(t *testing.T, within time.Duration, dir, script string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-euo", "pipefail", "-c", placeholders.Replace(script))
	cmd.Dir = filepath.Join(node.dir, dir)
	cmd.Env = append(os.Environ(), "HOME="+s.tools, "PATH="+s.tools+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("within %s, in %s: %v\n%s\n%s", within, dir, err, script, out)
	}
	return string(out)
}

// The README's commands, word for word: from a new clone to the first message, to
// the next release and back, and to where nothing is left.
func TestReadme(t *testing.T) {
	for _, row := range []struct{ name, helm string }{{"install.yaml", ""}, {"Helm 3", "helm3"}, {"Helm 4", "helm4"}} {
		ok := t.Run(row.name, func(t *testing.T) {
			s := stranger{helm: row.helm, tools: t.TempDir()}
			if s.helm != "" {
				helm, err := filepath.Abs(filepath.Join(root, "bin", s.helm))
				if err != nil {
					t.Fatal(err)
				}
				if err := os.Symlink(helm, filepath.Join(s.tools, "helm")); err != nil {
					t.Fatal(err)
				}
			}
			for _, step := range []struct {
				name string
				do   func(*testing.T)
			}{{"first message", s.firstMessage}, {"upgraded", s.upgraded}, {"rolled back", s.rolledBack}, {"uninstalled", s.uninstalled}} {
				if !t.Run(step.name, step.do) {
					t.FailNow()
				}
			}
		})
		if !ok {
			t.Fatal("what is left of it is in the way of the others")
		}
	}
}

func (s stranger) firstMessage(t *testing.T) {
	fences := harness.Fences(documented(t, "README.md"), "Install it", "sh")
	commands := strings.Split(strings.TrimSpace(fences[0]), "\n")
	if len(commands) != 5 {
		t.Fatalf("the README has %d commands, want 5:\n%s", len(commands), fences[0])
	}
	if s.helm != "" {
		commands[1] = strings.TrimSpace(fences[1])
	}
	before := greetings(t)
	s.types(t, 4*time.Minute, cloneDir, strings.Join(commands, "\n"))
	if got := greetings(t) - before; got != 1 {
		t.Errorf("%d messages of the README are in Slack, want 1", got)
	}
}

// greetings counts the README's message in Slack.
func greetings(t *testing.T) (n int) {
	for _, m := range messages(t) {
		if strings.Contains(m.Text, "Deployed web 42") {
			n++
		}
	}
	return n
}

// rolledOut waits as the documentation of upgrades says.
func (s stranger) rolledOut(t *testing.T) {
	t.Helper()
	s.types(t, 3*time.Minute, cloneDir, inline(t, "docs/operating.md", "kubectl -n slack-notifier-system rollout status"))
}

// runs checks which image all Pods run in the end.
func (s stranger) runs(t *testing.T, image string) {
	t.Helper()
	await(t, "all Pods run "+image, func(context.Context) (bool, error) {
		got := strings.Fields(kubectl(t, "get", "pods", "-n", operatorNamespace, "-o", "jsonpath={.items[*].spec.containers[0].image}"))
		return len(got) == 2 && got[0] == image && got[1] == image, fmt.Errorf("they run %v", got)
	})
}

// explained waits until kubectl explain knows the next release's field, or does not.
func explained(t *testing.T, want bool) {
	t.Helper()
	await(t, fmt.Sprintf("kubectl explain knows %s: %t", harness.LaterField, want), func(ctx context.Context) (bool, error) {
		err := exec.CommandContext(ctx, "kubectl", "explain", "sln.spec."+harness.LaterField).Run()
		return (err == nil) == want, err
	})
}

func (s stranger) upgraded(t *testing.T) {
	if s.helm != "" {
		s.types(t, time.Minute, nextDir, "helm upgrade slack-notifier slack-notifier -n slack-notifier-system")
	} else {
		s.types(t, time.Minute, nextDir, inline(t, "docs/operating.md", "kubectl apply --server-side -f install.yaml"))
	}
	s.rolledOut(t)
	explained(t, true)
	s.runs(t, nextImage)
	s.greets(t, "upgraded")
}

func (s stranger) rolledBack(t *testing.T) {
	if s.helm != "" {
		s.types(t, time.Minute, cloneDir, inline(t, "docs/operating.md", "helm rollback")+" slack-notifier -n slack-notifier-system")
	} else {
		s.types(t, time.Minute, cloneDir+"/dist", inline(t, "docs/operating.md", "kubectl apply --server-side -f install.yaml"))
	}
	s.rolledOut(t)
	explained(t, false)
	s.runs(t, image)
	s.greets(t, "rolled-back")
}

// greets sends another message, after which each of them is in Slack once.
func (s stranger) greets(t *testing.T, name string) {
	t.Helper()
	before := greetings(t)
	apply(t, fmt.Sprintf("apiVersion: slack.notify.dev/v1alpha1\nkind: SlackNotification\nmetadata: {name: %s, namespace: default}\nspec: {channelRef: {name: alerts}, text: Deployed web 42 again}\n", name))
	delivered(t, "default", name, "hello")
	if got := greetings(t) - before; got != 1 {
		t.Errorf("%d messages have come, want 1", got)
	}
}

// Uninstalling ends within a minute, although objects are held, and nothing is left
// that is held.
func (s stranger) uninstalled(t *testing.T) {
	furnishNamespace(t, "team-a")
	apply(t, strings.ReplaceAll(harness.Held, "#owned", "#owned-"+cmp.Or(s.helm, "kubectl")))
	kubectl(t, "wait", "-n", "team-a", "--for=condition=Ready", "--timeout=1m", "slc/alerts", "slc/owned", "sln/held", "sln/free")
	if got := finalizers(t); len(got) != 2 {
		t.Fatalf("objects are held by %v, want two", got)
	}
	if s.helm == "" {
		s.types(t, time.Minute, cloneDir+"/dist", harness.Fences(documented(t, "docs/operating.md"), "Uninstalling", "sh")[0])
	} else {
		s.types(t, time.Minute, cloneDir, inline(t, "docs/operating.md", "helm uninstall"))
		if got := finalizers(t); len(got) != 0 {
			t.Errorf("objects are still held by %v", got)
		}
		if got := strings.Fields(kubectl(t, "get", "sln", "-n", "team-a", "-o", "name")); len(got) != 2 {
			t.Errorf("of the objects %v are left, want both", got)
		}
	}
	kubectl(t, "delete", "namespace", "team-a", "--timeout=30s")
	if s.helm != "" {
		s.types(t, time.Minute, cloneDir+"/dist", inline(t, "docs/operating.md", "kubectl delete -f crds.yaml"))
		s.types(t, time.Minute, cloneDir, inline(t, "docs/operating.md", "kubectl delete namespace slack-notifier-system"))
	}
	kubectl(t, "delete", "secret", "slack-bot", "-n", "default")
	nothingLeft(t)
}

// finalizers of the operator's objects in all namespaces.
func finalizers(t *testing.T) []string {
	t.Helper()
	return strings.Fields(kubectl(t, "get", "slc,sln", "-A", "-o", `jsonpath={range .items[*]}{.metadata.finalizers[*]}{"\n"}{end}`))
}

// nothingLeft fails with what stands in the cluster by a name of the operator's.
func nothingLeft(t *testing.T) {
	t.Helper()
	left := kubectl(t, "get", "-A", "--ignore-not-found", "-o", "name", "customresourcedefinitions,namespaces,clusterroles,clusterrolebindings,roles,rolebindings,"+
		"validatingadmissionpolicies,validatingadmissionpolicybindings,serviceaccounts,secrets,configmaps,services,endpointslices,leases,deployments,replicasets,pods,jobs,"+
		"poddisruptionbudgets,networkpolicies")
	for line := range strings.Lines(left) {
		if strings.Contains(line, "slack") {
			t.Errorf("%s is left", strings.TrimSpace(line))
		}
	}
}
