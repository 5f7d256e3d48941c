package source

import (
	"context"
	"errors"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// Pass is one pass over the changes of a rule whose source is watched: what its
// messages are made of.
type Pass struct {
	Ctx   context.Context //nolint:containedctx // the life of the pass
	Alert *v1alpha1.SlackAlert
	Rule  *alerting.Rule
	// ClusterName is what templates see as .cluster.
	ClusterName string
	Watch       Watch
	// Rendered is told of each message whether its templates fail, or nil.
	Rendered func(key alerting.Key, err error)
}

// get returns the object of a thing, or nil.
func (p *Pass) get(t alerting.Thing) map[string]any { return p.Watch.Get(t.Namespace, t.Name) }

// data is what all templates see.
func (p *Pass) data(state string) map[string]any { return alerting.Data(p.Alert, p.ClusterName, state) }

// content runs the templates.
func (p *Pass) content(data map[string]any, instead v1alpha1.Content, key alerting.Key) v1alpha1.Content {
	ctx, cancel := context.WithTimeout(p.Ctx, maxRendering)
	defer cancel()
	content, err := p.Rule.Render(ctx, data, instead)
	p.Rendered(key, err)
	return content
}

func mapOf(m map[string]any, name string) map[string]any {
	out, _ := m[name].(map[string]any)
	if out == nil {
		return map[string]any{}
	}
	return out
}

// result of an evaluation, as it is counted.
func result(holds bool, err error) string {
	var failed *alerting.EvalError
	switch {
	case err == nil && holds:
		return "true"
	case err == nil:
		return "false"
	case errors.As(err, &failed) && failed.Undecided:
		return "null"
	case failed != nil && failed.Missing:
		return "missing"
	default:
		return "failed"
	}
}
