package plugin

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// krew installs the plugin from the archive that make krew builds, without a network,
// and kubectl finds it there.
func TestKrew(t *testing.T) {
	krew, err := filepath.Abs("../../bin/krew")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(krew); err != nil {
		t.Fatal("there is no bin/krew; make test builds it")
	}
	dist, root := t.TempDir(), t.TempDir()
	platform := runtime.GOOS + "/" + runtime.GOARCH
	if out, err := exec.CommandContext(t.Context(), "../../hack/krew/build.sh", "v0.1.2", dist, platform).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	archive := filepath.Join(dist, "kubectl-slack_"+strings.ReplaceAll(platform, "/", "_")+".tar.gz")
	environ := []string{"KREW_ROOT=" + root, "HOME=" + t.TempDir(), "HTTPS_PROXY=http://127.0.0.1:1", "HTTP_PROXY=http://127.0.0.1:1", "PATH=" + filepath.Join(root, "bin") + ":" + env.path}
	install := exec.CommandContext(t.Context(), krew, "install", "--manifest="+filepath.Join(dist, "slack.yaml"), "--archive="+archive)
	install.Env = environ
	if out, err := install.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	installed := filepath.Join(root, "bin", "kubectl-slack")
	if _, err := os.Stat(installed); err != nil {
		t.Fatal(err)
	}
	kubectl := exec.CommandContext(t.Context(), filepath.Join(strings.Split(env.path, ":")[0], "kubectl"), "slack", "version", "--client")
	kubectl.Env = environ
	out, err := kubectl.Output()
	if err != nil || string(out) != "Client: v0.1.2\n" {
		t.Errorf("kubectl slack says %q, %v", out, err)
	}
}
