package conditions

import (
	"strings"
	"testing"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func TestNote(t *testing.T) {
	if got := Note("short"); got != "short" {
		t.Error(got)
	}
	for shift := range 4 {
		got := Note(strings.Repeat("x", shift) + strings.Repeat("🚀", 400))
		if len(got) > 1024 || !utf8.ValidString(got) {
			t.Errorf("%d bytes, valid %v", len(got), utf8.ValidString(got))
		}
	}
}

// Reconciling and Stalled exist only while they are true, and never together.
func TestConditionsFollowKstatus(t *testing.T) {
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Generation: 3}}
	for _, step := range []struct {
		name                 string
		set                  func()
		ready                metav1.ConditionStatus
		reconciling, stalled bool
	}{
		{"progressing", func() { Progressing(c, "R", "m") }, metav1.ConditionUnknown, true, false},
		{"stalled", func() { Stalled(c, "R", "m") }, metav1.ConditionFalse, false, true},
		{"retrying", func() { Retrying(c, "R", "m") }, metav1.ConditionFalse, true, false},
		{"suspended", func() { Suspended(c, "R", "m") }, metav1.ConditionFalse, false, false},
		{"ready", func() { Ready(c, "R", "m") }, metav1.ConditionTrue, false, false},
	} {
		step.set()
		list := c.GetConditions()
		ready := Find(c, v1alpha1.ConditionReady)
		if ready == nil || ready.Status != step.ready || ready.ObservedGeneration != 3 {
			t.Errorf("%s: %+v", step.name, ready)
		}
		for kind, want := range map[string]bool{v1alpha1.ConditionReconciling: step.reconciling, v1alpha1.ConditionStalled: step.stalled} {
			if got := meta.FindStatusCondition(list, kind); (got != nil) != want || got != nil && got.Status != metav1.ConditionTrue {
				t.Errorf("%s: %s is %+v", step.name, kind, got)
			}
		}
	}
}
