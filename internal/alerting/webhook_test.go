package alerting

import (
	"errors"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// The expressions of each preset compile, together and beside a rule's own.
func TestPresetsCompile(t *testing.T) {
	for _, preset := range []v1alpha1.WebhookPreset{
		v1alpha1.PresetFlux, v1alpha1.PresetArgoCD, v1alpha1.PresetGitHub, v1alpha1.PresetSentry, v1alpha1.PresetFalco, v1alpha1.PresetCloudEvents,
	} {
		t.Run(string(preset), func(t *testing.T) {
			spec := &v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{Preset: preset}}}
			if _, err := Compile(spec); err != nil {
				t.Error(err)
			}
			spec.Source.Webhook.When, spec.Source.Webhook.ResolvedWhen, spec.GroupBy = `body.a == 1`, `body.a == 2`, []string{`headers['x-id']`}
			rule, err := Compile(spec)
			if err != nil {
				t.Fatal(err)
			}
			if yes, err := rule.Holds(t.Context(), Vars{"body": map[string]any{"a": int64(1)}, "headers": map[string]any{}}); !yes || err != nil {
				t.Errorf("the rule's own when is %v (%v), want true", yes, err)
			}
		})
	}
}

// What an expression of a webhook can and can't be is told with its field.
func TestWebhookExpressions(t *testing.T) {
	compile := func(when, ends string) (*Rule, error) {
		return Compile(&v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{When: when, ResolvedWhen: ends}}})
	}
	for name, row := range map[string]struct{ when, ends, want string }{
		"when is no CEL":                 {`body.`, ``, `spec.source.webhook.when, line 1`},
		"resolvedWhen is a number":       {``, `1 + 1`, `spec.source.webhook.resolvedWhen: the expression gives a int, and must give a bool`},
		"variables of another source":    {`object.spec.x == 1`, ``, `spec.source.webhook.when, line 1, column 1: undeclared reference to 'object'`},
		"an expression that costs a lot": {`body.a.all(x, body.a.all(y, body.a.all(z, body.a.all(u, body.a.all(v, x == y)))))`, ``, `spec.source.webhook.when: the expression would take too long`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := compile(row.when, row.ends)
			var wrong *CompileError
			if !errors.As(err, &wrong) || wrong.Reason != v1alpha1.ReasonInvalidExpression || len(wrong.Message) < len(row.want) || wrong.Message[:len(row.want)] != row.want {
				t.Errorf("%v, want %s", err, row.want)
			}
		})
	}
	rule, err := compile(`body.severity == 'error'`, `body.state == 'ok'`)
	if err != nil {
		t.Fatal(err)
	}
	empty := Vars{"body": map[string]any{}, "headers": map[string]any{}}
	for name, ask := range map[string]func() (bool, error){
		"when":         func() (bool, error) { return rule.Holds(t.Context(), empty) },
		"resolvedWhen": func() (bool, error) { return rule.Ends(t.Context(), empty) },
	} {
		yes, err := ask()
		var failed *EvalError
		if yes || !errors.As(err, &failed) || !failed.Missing || failed.Place != "spec.source.webhook."+name {
			t.Errorf("%s of an empty body is %v (%v), want a missing field", name, yes, err)
		}
	}
	if rule.Spent() == 0 {
		t.Error("evaluations cost nothing")
	}
}
