package alerting

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// Source is where alerts come from.
type Source string

// The sources.
const (
	Objects      Source = "objects"
	Events       Source = "events"
	Alertmanager Source = "alertmanager"
	Webhook      Source = "webhook"
)

// SourceOf tells the source of a rule.
func SourceOf(spec *v1alpha1.SlackAlertSpec) Source {
	switch {
	case spec.Source.Objects != nil:
		return Objects
	case spec.Source.Events != nil:
		return Events
	case spec.Source.Webhook != nil:
		return Webhook
	default:
		return Alertmanager
	}
}

// CompileError says where a rule does not compile, and why.
type CompileError struct {
	// Reason is ReasonInvalidExpression, ReasonInvalidTemplate or
	// ReasonInvalidMuteTimes.
	Reason string
	// Message names the field and the place in it.
	Message string
}

func (e *CompileError) Error() string { return e.Message }

// EvalError says that an expression or a template failed on what it was given.
type EvalError struct {
	// Place is the field.
	Place string
	// Message says what went wrong.
	Message string
	// Missing is true when something that the expression names is not there.
	Missing bool
	// Undecided is true when "when" gives null, which says that it can't be told
	// now. That is no fault.
	Undecided bool
}

func (e *EvalError) Error() string { return e.Place + ": " + e.Message }

// Rule is a compiled SlackAlert. It is safe for concurrent use.
type Rule struct {
	// Source of the alerts.
	Source Source

	when    *expression
	ends    *expression
	usesOld bool
	groupBy []*expression
	message templates
}

// Compile compiles what a SlackAlert says. The error is a CompileError if the
// rule is at fault.
func Compile(spec *v1alpha1.SlackAlertSpec) (*Rule, error) {
	r := &Rule{Source: SourceOf(spec)}
	spec = posts.Effective(spec)
	when, ends := "", ""
	switch r.Source {
	case Objects:
		when = spec.Source.Objects.When
	case Events:
		when = spec.Source.Events.When
	case Webhook:
		when, ends = spec.Source.Webhook.When, spec.Source.Webhook.ResolvedWhen
	case Alertmanager: // it selects by itself
	}
	r.usesOld = strings.Contains(when+strings.Join(spec.GroupBy, " "), "oldObject")
	var err error
	left := maxExpressionParts
	if when != "" {
		if r.when, err = compileExpression(r.Source, fmt.Sprintf("spec.source.%s.when", r.Source), when, true, &left); err != nil {
			return nil, err
		}
	}
	if ends != "" {
		if r.ends, err = compileExpression(r.Source, fmt.Sprintf("spec.source.%s.resolvedWhen", r.Source), ends, true, &left); err != nil {
			return nil, err
		}
	}
	for i, text := range spec.GroupBy {
		e, err := compileExpression(r.Source, fmt.Sprintf("spec.groupBy[%d]", i), text, false, &left)
		if err != nil {
			return nil, err
		}
		r.groupBy = append(r.groupBy, e)
	}
	if _, err = CompileMuteTimes(spec.MuteTimes); err != nil {
		return nil, err
	}
	if r.message, err = compileMessage(spec.Message); err != nil {
		return nil, err
	}
	return r, nil
}

// UsesOld reports whether an expression may ask for oldObject.
func (r *Rule) UsesOld() bool { return r.usesOld }

// Spent returns what the evaluations of the rule's expressions have cost since it
// was last called, in the units of CEL.
func (r *Rule) Spent() uint64 {
	var out uint64
	for _, e := range append([]*expression{r.when, r.ends}, r.groupBy...) {
		if e != nil {
			out += e.spent.Swap(0)
		}
	}
	return out
}

// Holds evaluates "when"; a rule without it always holds. The error is an
// EvalError, whose Missing is true when the expression names what is not there,
// and Undecided when it gives null: then nobody knows whether it holds.
func (r *Rule) Holds(ctx context.Context, vars Vars) (bool, error) {
	if r.when == nil {
		return true, nil
	}
	return r.when.holds(ctx, vars)
}

// Ends evaluates "resolvedWhen"; a rule without it never holds that something has
// ended. What is missing is no evidence, as in Holds.
func (r *Rule) Ends(ctx context.Context, vars Vars) (bool, error) {
	if r.ends == nil {
		return false, nil
	}
	return r.ends.holds(ctx, vars)
}

// Group returns the values that name the group of something: those of groupBy,
// or what is given instead when the rule has none. What is missing is empty.
func (r *Rule) Group(ctx context.Context, vars Vars, instead ...string) ([]string, error) {
	values, _, err := r.Grouping(ctx, vars, instead...)
	return values, err
}

// Grouping is Group, and tells the first of the expressions that names something
// that is not there; nil if none does.
func (r *Rule) Grouping(ctx context.Context, vars Vars, instead ...string) (values []string, missing *EvalError, err error) {
	if len(r.groupBy) == 0 {
		return instead, nil, nil
	}
	values = make([]string, len(r.groupBy))
	for i, e := range r.groupBy {
		text, err := e.text(ctx, vars)
		var failed *EvalError
		if errors.As(err, &failed) && failed.Missing {
			if missing == nil {
				missing = failed
			}
			err = nil
		}
		if err != nil {
			return nil, nil, err
		}
		values[i] = text
	}
	return values, missing, nil
}

// Grouped reports whether the rule says itself what belongs together.
func (r *Rule) Grouped() bool { return len(r.groupBy) > 0 }
