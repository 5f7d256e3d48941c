package gitops

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

var (
	reasonConstant = regexp.MustCompile(`(?m)^\t(Reason[A-Za-z0-9]+) += "([A-Za-z0-9]+)"`)
	suspendedBy    = regexp.MustCompile(`KindSuspended, Reason: v1alpha1\.(Reason[A-Za-z0-9]+)`)
)

// reasons are all constants of api/v1alpha1, by name.
func reasons(t *testing.T) map[string]string {
	t.Helper()
	data, err := os.ReadFile(root + "/api/v1alpha1/conditions.go")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, m := range reasonConstant.FindAllStringSubmatch(string(data), -1) {
		out[m[1]] = m[2]
	}
	if len(out) < 80 {
		t.Fatalf("api/v1alpha1/conditions.go has %d reasons, want at least 80: are they still constants named Reason…?", len(out))
	}
	return out
}

type object interface {
	conditions.Object
	SetGeneration(generation int64)
}

// written is an object with the conditions that the operator's own code sets.
func written(t *testing.T, o object, kind string, s conditions.Summary, observed int64) *unstructured.Unstructured {
	t.Helper()
	o.SetGeneration(2)
	s.Apply(o)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(o)
	if err != nil {
		t.Fatal(err)
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetKind(kind)
	if err := unstructured.SetNestedField(content, observed, "status", "observedGeneration"); err != nil {
		t.Fatal(err)
	}
	return u
}

// blank makes an object of a kind.
var blank = map[string]func() object{
	"SlackChannel":      func() object { return &v1alpha1.SlackChannel{} },
	"SlackNotification": func() object { return &v1alpha1.SlackNotification{} },
	"SlackAlert":        func() object { return &v1alpha1.SlackAlert{} },
}

// heldBy are the reasons by which a person, or the clock, holds an object.
var heldBy = map[string][]string{
	"SlackChannel":      {v1alpha1.ReasonSuspended},
	"SlackAlert":        {v1alpha1.ReasonSuspended},
	"SlackNotification": {v1alpha1.ReasonSuspended, v1alpha1.ReasonSlackChannelSuspended, v1alpha1.ReasonScheduled},
}

// Whatever reason an object has, Argo CD shows what its conditions say.
func TestHealthOfEveryReason(t *testing.T) {
	for kind, fresh := range blank {
		held := map[string]bool{}
		for _, r := range heldBy[kind] {
			held[r] = true
		}
		for _, reason := range reasons(t) {
			waits := "Progressing"
			if held[reason] {
				waits = "Suspended"
			}
			for _, row := range []struct {
				name string
				kind conditions.Kind
				want string
			}{
				{"ready", conditions.KindReady, "Healthy"},
				{"progressing", conditions.KindProgressing, waits},
				{"retrying", conditions.KindRetrying, waits},
				{"stalled", conditions.KindStalled, "Degraded"},
				{"suspended", conditions.KindSuspended, waits},
			} {
				t.Run(kind+"/"+reason+"/"+row.name, func(t *testing.T) {
					s := conditions.Summary{Kind: row.kind, Reason: reason, Message: "the sentence"}
					if got, want := assess(t, written(t, fresh(), kind, s, 2)), (health{row.want, reason + ": the sentence"}); got != want {
						t.Errorf("health %+v, want %+v", got, want)
					}
					// What was said of an older generation says nothing of this one.
					if got := assess(t, written(t, fresh(), kind, s, 1)); got.Status != "Progressing" {
						t.Errorf("health %+v of an older generation, want Progressing", got)
					}
				})
			}
		}
	}
}

// What the operator calls suspended, Argo CD does, too.
func TestHealthKnowsWhatIsSuspended(t *testing.T) {
	constants, found := reasons(t), 0
	for dir, kind := range map[string]string{"channel": "SlackChannel", "notification": "SlackNotification", "alert": "SlackAlert"} {
		err := filepath.WalkDir(filepath.Join(root, "controllers", dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			code, err := os.ReadFile(path)
			for _, m := range suspendedBy.FindAllSubmatch(code, -1) {
				found++
				s := conditions.Summary{Kind: conditions.KindSuspended, Reason: constants[string(m[1])]}
				if got := assess(t, written(t, blank[kind](), kind, s, 2)); got.Status != "Suspended" {
					t.Errorf("a %s that is suspended for %s is %s in Argo CD", kind, s.Reason, got.Status)
				}
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if found < 4 {
		t.Errorf("found %d places where an object becomes suspended, want at least 4: are they still written as KindSuspended, Reason: …?", found)
	}
}

// Odd objects do no harm: what can't be read is not healthy.
func TestHealthOfOddObjects(t *testing.T) {
	ready := map[string]any{"type": "Ready", "status": "True", "reason": "Verified", "observedGeneration": int64(2)}
	for kind := range blank {
		for name, status := range map[string]any{
			"no status":       nil,
			"empty status":    map[string]any{},
			"no conditions":   map[string]any{"observedGeneration": int64(2)},
			"no Ready":        map[string]any{"observedGeneration": int64(2), "conditions": []any{map[string]any{"type": "Shortened", "status": "True"}}},
			"stale Ready":     map[string]any{"observedGeneration": int64(2), "conditions": []any{map[string]any{"type": "Ready", "status": "True", "reason": "x", "observedGeneration": int64(1)}}},
			"nothing seen":    map[string]any{"observedGeneration": int64(-1), "conditions": []any{ready}},
			"no observations": map[string]any{"conditions": []any{ready}},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				o := &unstructured.Unstructured{Object: map[string]any{"kind": kind, "metadata": map[string]any{"generation": int64(2)}, "status": status}}
				if got := assess(t, o); got.Status != "Progressing" {
					t.Errorf("health %+v, want Progressing", got)
				}
			})
		}
	}
}
