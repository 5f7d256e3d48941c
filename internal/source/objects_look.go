package source

import (
	"context"
	"errors"

	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/kindwatch"
)

// sight is what a look at an object tells.
type sight struct {
	// holds is true when "when" does and the group is known, key then names the
	// group. With an err beside it, the group is made of what is not there.
	holds bool
	key   alerting.Key
	err   error
}

// evaluate tells whether "when" holds, and to which group the object belongs.
func (o *objects) evaluate(c, old *kindwatch.Object) sight {
	u := c.Unpack()
	if u == nil {
		return sight{err: errUnreadable}
	}
	vars := alerting.ObjectVars(u.Object, nil)
	if old != nil && o.rule.UsesOld() {
		if was := old.Unpack(); was != nil {
			vars = alerting.ObjectVars(u.Object, was.Object)
		}
	}
	holds, err := o.rule.Holds(context.Background(), vars)
	var failed *alerting.EvalError
	o.mu.Lock()
	o.evaluated++
	if errors.As(err, &failed) && failed.Missing {
		o.missing++
		o.missed = failed.Message
	}
	o.mu.Unlock()
	if err != nil || !holds {
		return sight{err: err}
	}
	values, missing, err := o.rule.Grouping(context.Background(), vars, c.Key())
	if err != nil {
		return sight{err: err}
	}
	out := sight{holds: true, key: alerting.KeyOf(o.ruleUID, values)}
	if missing != nil {
		out.err = missing
	}
	return out
}

var errUnreadable = errors.New("the object can't be read")
