package ledger

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// What was certainly created under this leadership can't have been sent by another process.
func TestLeadershipMade(t *testing.T) {
	leader := Leadership{At: noon, Version: "1000"}
	for _, c := range []struct {
		name    string
		leader  Leadership
		created time.Time
		version string
		touched bool
		want    bool
	}{
		{"long before", leader, noon.Add(-time.Hour), "500", false, false},
		{"long before, updated since", leader, noon.Add(-time.Hour), "1500", false, false},
		{"long after", leader, noon.Add(time.Hour), "1500", true, true},
		{"in the same second, before", leader, noon.Add(-300 * time.Millisecond), "999", false, false},
		{"in the same second, after", leader, noon.Add(-300 * time.Millisecond), "1001", false, true},
		{"in the same second, and written since", leader, noon.Add(-300 * time.Millisecond), "1001", true, false},
		{"a version that can't be compared", leader, noon.Add(-300 * time.Millisecond), "x", false, false},
		{"leadership not known yet", Leadership{}, noon, "1001", false, false},
	} {
		n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{CreationTimestamp: metav1.NewTime(c.created), ResourceVersion: c.version, Generation: 1}}
		n.Status.ObservedGeneration = -1
		if c.touched {
			n.Status.ObservedGeneration = 1
		}
		if got := c.leader.Made(n); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
