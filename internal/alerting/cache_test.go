package alerting

import (
	"fmt"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func alertOf(uid string, generation int64, when string) *v1alpha1.SlackAlert {
	a := &v1alpha1.SlackAlert{Spec: *objectRule(when)}
	a.UID, a.Generation = types.UID(uid), generation
	return a
}

// A generation is compiled once, whether it compiles or not, and however many
// ask for it at once.
func TestCacheCompilesOnce(t *testing.T) {
	c := &Cache{}
	var wait sync.WaitGroup
	rules := make([]*Rule, 8)
	for i := range rules {
		wait.Go(func() { rules[i], _ = c.Compile(alertOf("a", 1, "true")) })
	}
	wait.Wait()
	for _, rule := range rules {
		if rule == nil || rule != rules[0] {
			t.Fatal("the same generation is compiled twice")
		}
	}
	_, one := c.Compile(alertOf("b", 1, "tru"))
	_, two := c.Compile(alertOf("b", 1, "tru"))
	if one == nil || one != two { //nolint:errorlint // the very same
		t.Errorf("what does not compile is compiled again: %v, %v", one, two)
	}
	if rule, err := c.Compile(alertOf("b", 2, "true")); rule == nil || err != nil {
		t.Errorf("the mended generation is %v, %v", rule, err)
	}
	c.Forget("a")
	if again, _ := c.Compile(alertOf("a", 1, "true")); again == rules[0] {
		t.Error("a rule that is gone is kept")
	}
}

func TestCacheIsBounded(t *testing.T) {
	c := &Cache{}
	for i := range maxRules + 100 {
		c.entry(alertOf(fmt.Sprint(i), 1, "true"))
	}
	if len(c.rules) != maxRules || c.recent.Len() != maxRules {
		t.Errorf("%d rules are kept, want %d", len(c.rules), maxRules)
	}
}
