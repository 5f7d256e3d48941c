package release

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/version"
)

// The installer is what config/default says, and a real API server takes it, with
// kubectl apply as the README has it.
func TestInstaller(t *testing.T) {
	l := newLab(t)
	l.run("make", "build-installer")
	l.kubectl("apply", "--server-side", "-f", "dist/install.yaml")
	l.Expect(l.kinds()).To(gomega.HaveLen(3))
	image := l.kubectl("get", "deployment", "-n", "slack-notifier-system", "slack-notifier-controller-manager", "-o", "jsonpath={.spec.template.spec.containers[0].image} {.spec.template.spec.containers[0].imagePullPolicy}")
	l.Expect(image).To(gomega.Equal("slack-notifier:" + version.Get().Version + " IfNotPresent"))
	// kubectl diff fails when anything differs.
	l.kubectl("diff", "--server-side", "-k", "config/default")
	l.kubectl("diff", "--server-side", "-f", "dist/crds.yaml")

	l.run("make", "build-installer", "IMG=registry.example.com/slack-notifier@sha256:"+strings.Repeat("0", 64))
	l.Expect(read(t, "dist/install.yaml")).To(gomega.ContainSubstring("image: registry.example.com/slack-notifier@sha256:000"))
	l.run("make", "build-installer")
}
