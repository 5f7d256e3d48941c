package notification

import (
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func one(state v1alpha1.DeliveryState, reason string) v1alpha1.Delivery {
	return v1alpha1.Delivery{Recipient: "user:" + strings.ToLower(string(state)), State: state, Reason: reason, Message: "message of " + reason, Attempts: 1}
}

// What the status says follows from the deliveries and from what blocks them.
func TestCompose(t *testing.T) {
	done := one(v1alpha1.DeliveryDelivered, "")
	failed := one(v1alpha1.DeliveryFailed, v1alpha1.ReasonUserNotFound)
	retrying := one(v1alpha1.DeliveryRetrying, v1alpha1.ReasonSlackUnavailable)
	pending := v1alpha1.Delivery{Recipient: "default", State: v1alpha1.DeliveryPending}
	waiting := one(v1alpha1.DeliveryPending, v1alpha1.ReasonWaitingForTurn)
	waiting.Attempts = 0
	unknown := one(v1alpha1.DeliveryUnknown, v1alpha1.ReasonSlackUnavailable)
	stall := &conditions.Summary{Kind: conditions.KindStalled, Reason: v1alpha1.ReasonSlackChannelNotFound, Message: "create it"}
	hold := &conditions.Summary{Kind: conditions.KindSuspended, Reason: v1alpha1.ReasonSuspended, Message: "suspended"}
	for _, c := range []struct {
		name                           string
		deliveries                     []v1alpha1.Delivery
		block                          *conditions.Summary
		phase                          v1alpha1.Phase
		summary, ready, reason         string
		reconciling, stalled, finished bool
		says                           string
	}{
		{"new", []v1alpha1.Delivery{pending}, nil, "Pending", "0/1", "Unknown", "Pending", true, false, false, "waits"},
		{"delivered", []v1alpha1.Delivery{done}, nil, "Delivered", "1/1", "True", "Delivered", false, false, true, "delivered to #alerts"},
		{"all delivered", []v1alpha1.Delivery{done, done}, nil, "Delivered", "2/2", "True", "Delivered", false, false, true, "all 2 recipients"},
		{"waits for its turn", []v1alpha1.Delivery{waiting}, nil, "Pending", "0/1", "Unknown", "WaitingForTurn", true, false, false, "message of"},
		{"one of two", []v1alpha1.Delivery{done, waiting}, nil, "Delivering", "1/2", "Unknown", "WaitingForTurn", true, false, false, "user:pending: "},
		{"retried", []v1alpha1.Delivery{retrying}, nil, "Delivering", "0/1", "False", "SlackUnavailable", true, false, false, ""},
		{"retried beside a failure", []v1alpha1.Delivery{failed, retrying}, nil, "Delivering", "0/2", "False", "SlackUnavailable", true, false, false, "user:retrying: "},
		{"failed", []v1alpha1.Delivery{failed}, nil, "Failed", "0/1", "False", "UserNotFound", false, true, true, "message of UserNotFound"},
		{"unknown", []v1alpha1.Delivery{unknown}, nil, "Failed", "0/1", "False", "SlackUnavailable", false, true, true, ""},
		{"partly", []v1alpha1.Delivery{done, failed}, nil, "PartiallyDelivered", "1/2", "False", "PartiallyDelivered", false, true, true, "1 of 2 recipients were not reached; user:failed: "},
		{"blocked", []v1alpha1.Delivery{pending}, stall, "Pending", "0/1", "False", "SlackChannelNotFound", false, true, false, "create it"},
		{"blocked when all is done", []v1alpha1.Delivery{done}, stall, "Delivered", "1/1", "True", "Delivered", false, false, true, ""},
		{"suspended", []v1alpha1.Delivery{pending}, hold, "Suspended", "0/1", "False", "Suspended", false, false, false, "suspended"},
		{"suspended half-way", []v1alpha1.Delivery{done, pending}, hold, "Suspended", "1/2", "False", "Suspended", false, false, false, ""},
		{"many failures", []v1alpha1.Delivery{failed, failed, failed, failed, failed}, nil, "Failed", "0/5", "False", "UserNotFound", false, true, true, "and more, see status.deliveries"},
	} {
		n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Generation: 2}}
		compose(n, c.deliveries, c.block, "#alerts", noon)
		ready := conditions.Find(n, v1alpha1.ConditionReady)
		reconciling, stalled := conditions.Find(n, v1alpha1.ConditionReconciling) != nil, conditions.Find(n, v1alpha1.ConditionStalled) != nil
		s := n.Status
		if s.Phase != c.phase || s.Summary != c.summary || string(ready.Status) != c.ready || ready.Reason != c.reason ||
			reconciling != c.reconciling || stalled != c.stalled || (s.FinishedAt != nil) != c.finished {
			t.Errorf("%s: %s %s Ready=%s %s reconciling=%v stalled=%v finished=%v", c.name, s.Phase, s.Summary, ready.Status, ready.Reason, reconciling, stalled, s.FinishedAt)
		}
		if !strings.Contains(ready.Message, c.says) {
			t.Errorf("%s says %q, want %q", c.name, ready.Message, c.says)
		}
		before := n.DeepCopy()
		compose(n, c.deliveries, c.block, "#alerts", noon.Add(time.Hour))
		if !equality.Semantic.DeepEqual(before.Status, n.Status) {
			t.Errorf("%s: the same again makes another status, which would be written", c.name)
		}
	}
}
