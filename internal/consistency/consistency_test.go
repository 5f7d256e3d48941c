package consistency

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func TestReady(t *testing.T) {
	object := func(uid types.UID, version string) *v1alpha1.SlackChannel {
		return &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "c", UID: uid, ResourceVersion: version}}
	}
	var s Store
	if !s.Ready(object("c", "1")) {
		t.Error("an object that was never written is not ready, want ready")
	}
	s.WroteAt(object("c", "20"))
	for name, c := range map[string]struct {
		uid     types.UID
		version string
		want    bool
	}{
		"older than the write":             {"c", "9", false},
		"the write itself":                 {"c", "20", true},
		"newer":                            {"c", "21", true},
		"another object of that name":      {"other", "9", true},
		"a version that can't be compared": {"c", "x", true},
	} {
		t.Run(name, func(t *testing.T) {
			if got := s.Ready(object(c.uid, c.version)); got != c.want {
				t.Errorf("Ready is %v, want %v", got, c.want)
			}
		})
	}
	s.Forget(client.ObjectKeyFromObject(object("c", "20")))
	if !s.Ready(object("c", "9")) {
		t.Error("a forgotten object is not ready, want ready")
	}
}
