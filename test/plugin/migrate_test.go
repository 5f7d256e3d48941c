package plugin

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What is made of the documented configurations of others is taken by the API server as
// it is, field by field, and has no secret of theirs.
func TestMigrated(t *testing.T) {
	const testdata = "../../cmd/kubectl-slack/internal/cli/testdata/"
	w := newWorld(t)
	for _, ns := range []string{"monitoring", "flux-system", "apps", "argocd"} {
		w.create(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	}
	rows := []struct {
		from, file string
		objects    int
	}{
		{"alertmanager", "alertmanager.yml", 4}, {"alertmanager", "alertmanager-large.yml", 8},
		{"flux", "flux.yaml", 2}, {"flux", "flux-large.yaml", 4},
		{"argocd", "argocd.yaml", 4}, {"argocd", "argocd-large.yaml", 7},
	}
	for _, row := range rows {
		t.Run(row.file, func(t *testing.T) {
			out, errs, code := w.slack("", "migrate", row.from, "-f", testdata+row.file)
			if code != 0 {
				t.Fatalf("exit code %d: %s", code, errs)
			}
			cmd := w.command(out, "apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-")
			applied, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, applied, out)
			}
			w.Expect(strings.Count(string(applied), "serverside-applied")).To(gomega.BeNumerically(">=", row.objects), string(applied))
		})
	}
}
