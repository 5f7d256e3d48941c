package incident

import (
	"context"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// writeRollup stores the list of those beyond maxIncidents.
func (a *applying) writeRollup(ctx context.Context, list rolled) error {
	a.out.Rollup = true
	severity := v1alpha1.SeverityError
	if m := a.rule.Spec.Message; m != nil && m.Severity != "" {
		severity = m.Severity
	}
	content := alerting.RollupContent(a.rule.Name, severity, list.names(), len(list.Open), list.Total, a.limit())
	i := a.book.rollup
	if i == nil || !i.state.Open() {
		state := State{Key: rollupKey, Number: 1, OpenedAt: a.now(), Count: int64(len(list.Open)), Data: list.json()}
		if i != nil {
			state.Number = i.state.Number + 1
		}
		made, err := a.make(ctx, rollupID(a.rule), state, content)
		if err == nil {
			a.book.rollup, a.book.rolled = made, list
		}
		return err
	}
	if len(list.Open) == 0 {
		err := a.endRollup(ctx, i, list, content)
		if err == nil {
			a.book.rolled = rolled{}
		}
		return err
	}
	n := i.object.DeepCopy()
	n.Spec.Content = content
	state := i.state
	state.Count, state.Data = int64(len(list.Open)), list.json()
	if err := a.write(ctx, i, n, state); err != nil {
		return err
	}
	a.book.rolled = list
	return nil
}

// endRollup resolves the rollup.
func (a *applying) endRollup(ctx context.Context, i *incident, list rolled, content v1alpha1.Content) error {
	i.state.Count, i.state.Data = 0, list.json()
	err := a.resolve(ctx, i, func(string) v1alpha1.Content { return content })
	if err == nil {
		a.book.open++ // it was none of those with messages of their own
	}
	return err
}
