package alerting

import (
	stdlist "container/list"
	"sync"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Cache compiles each generation of a SlackAlert once, whatever becomes of it:
// what does not compile is kept as its error. The zero value is ready to use,
// and so is nil, which keeps nothing.
type Cache struct {
	mu     sync.Mutex
	rules  map[types.UID]*stdlist.Element
	recent stdlist.List
}

// maxRules are kept; those that are at work are kept by who runs them.
const maxRules = 5000

type cached struct {
	uid        types.UID
	generation int64
	once       sync.Once
	rule       *Rule
	err        error
}

// Compile returns the compiled rule, as the function Compile does. Nobody waits
// for the compilation of another rule.
func (c *Cache) Compile(alert *v1alpha1.SlackAlert) (*Rule, error) {
	if c == nil {
		return Compile(&alert.Spec)
	}
	e := c.entry(alert)
	e.once.Do(func() { e.rule, e.err = Compile(&alert.Spec) })
	return e.rule, e.err
}

func (c *Cache) entry(alert *v1alpha1.SlackAlert) *cached {
	c.mu.Lock()
	defer c.mu.Unlock()
	if old := c.rules[alert.UID]; old != nil {
		if e := old.Value.(*cached); e.generation == alert.Generation {
			c.recent.MoveToFront(old)
			return e
		}
		c.remove(old)
	}
	if c.rules == nil {
		c.rules = map[types.UID]*stdlist.Element{}
	}
	e := &cached{uid: alert.UID, generation: alert.Generation}
	c.rules[alert.UID] = c.recent.PushFront(e)
	for c.recent.Len() > maxRules {
		c.remove(c.recent.Back())
	}
	return e
}

func (c *Cache) remove(e *stdlist.Element) {
	delete(c.rules, c.recent.Remove(e).(*cached).uid)
}

// Forget drops a rule that is gone.
func (c *Cache) Forget(uid types.UID) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.rules[uid]; e != nil {
		c.remove(e)
	}
}
