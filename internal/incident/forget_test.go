package incident

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	toolscache "k8s.io/client-go/tools/cache"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// A replica whose intake has taken posts for rules keeps nothing of those that are
// gone, whether it has seen the deletion or only that they are not there any more.
func TestDeletedRulesAreForgotten(t *testing.T) {
	s, told := &Store{}, 0
	h := s.ForgetDeleted(func(types.UID) { told++ })
	const rules = 100
	for i := range rules {
		uid := types.UID(fmt.Sprint(i))
		s.of(uid)
		rule := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Name: "rule", UID: uid}}
		if i%2 == 0 {
			h.OnDelete(rule)
		} else {
			h.OnDelete(toolscache.DeletedFinalStateUnknown{Key: "ns/rule", Obj: rule})
		}
	}
	h.OnDelete("something else")
	if len(s.rules) != 0 || told != rules {
		t.Errorf("%d rules are remembered, want none; others were told of %d of %d", len(s.rules), told, rules)
	}
}

// An incident that a person deletes before the cache has shown it counts as open no
// longer, as soon as the deletion is known.
func TestIncidentDeletedAtOnce(t *testing.T) {
	g := newRig(t)
	g.apply(g.news("web", "down"))
	n := g.List()[0]
	if err := g.Live.Delete(g.Ctx, n.DeepCopy()); err != nil {
		t.Fatal(err)
	}
	g.store.Deleted(&n)
	if out := g.tend(); out.Firing != 0 {
		t.Errorf("%d are open after the only one was deleted, want none", out.Firing)
	}
}
