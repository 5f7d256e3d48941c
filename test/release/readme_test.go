package release

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

// fences of a language in the README's section on installing.
func fences(t *testing.T, language string) []string {
	t.Helper()
	out := harness.Fences(read(t, "README.md"), "Install it", language)
	if len(out) == 0 {
		t.Fatalf("the README's section on installing has no %s", language)
	}
	return out
}

func TestReadmeShowsHello(t *testing.T) {
	if got, want := fences(t, "yaml")[0], read(t, "config/samples/hello/hello.yaml"); got != want {
		t.Errorf("the README shows\n%s\nand config/samples/hello/hello.yaml is\n%s", got, want)
	}
}

// A stranger's five commands, word for word but for the token, end with a
// message in Slack. An operator stands for the Pods, which nothing runs here.
func TestReadmeInstalls(t *testing.T) {
	commands := strings.Split(strings.TrimSpace(fences(t, "sh")[0]), "\n")
	if len(commands) != 5 {
		t.Fatalf("the README has %d commands, want 5:\n%s", len(commands), strings.Join(commands, "\n"))
	}
	rows := map[string]string{"kubectl": commands[1]}
	if os.Getenv("TEST_CHART") != "" {
		rows = map[string]string{"helm": strings.TrimSpace(fences(t, "sh")[1])}
	}
	for name, install := range rows {
		t.Run(name, func(t *testing.T) {
			l := newLab(t)
			l.run("make", "build-installer")
			l.apply(namespaceA)
			l.workspace()
			path := t.TempDir()
			l.Expect(os.Symlink(l.kubectlPath(), filepath.Join(path, "kubectl"))).To(gomega.Succeed())
			if name == "helm" {
				l.run("make", "package-chart")
				l.Expect(os.Symlink(helms(t)["Helm 3"], filepath.Join(path, "helm"))).To(gomega.Succeed())
			}
			first := strings.Replace(commands[0], "xoxb-…", token, 1)
			l.Expect(first).NotTo(gomega.Equal(commands[0]), "the first command says where the token goes")
			shell := func(lines ...string) {
				t.Helper()
				l.run("bash", "-euc", "export PATH="+path+":$PATH\n"+first+"\n"+strings.Join(lines, "\n"))
			}
			shell(install)
			o, err := l.env.StartOperator(t.Context(), "operator", "--leader-elect", "--leader-election-namespace=slack-notifier-system")
			l.Expect(err).NotTo(gomega.HaveOccurred())
			defer o.Stop()
			shell(commands[2:]...)
			messages := l.inSlack().Messages
			l.Expect(messages).NotTo(gomega.BeEmpty())
			l.Expect(messages[len(messages)-1].Text).To(gomega.ContainSubstring("Deployed web 42"))
		})
	}
}
