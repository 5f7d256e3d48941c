package alerting

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/environment"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// Vars are the variables of an expression.
type Vars map[string]any

// ObjectVars are those of source.objects; old is nil when it is not known.
func ObjectVars(object, old map[string]any) Vars {
	vars := Vars{"object": object, "oldObject": nil}
	if old != nil {
		vars["oldObject"] = old
	}
	return vars
}

// EventVars are those of source.events.
func EventVars(event map[string]any) Vars { return Vars{"event": event} }

// AlertVars are those of groupBy with source.alertmanager, for one alert.
func AlertVars(alert map[string]any) Vars {
	return Vars{"alert": alert, "labels": alert["labels"], "annotations": alert["annotations"]}
}

// environments are made once for each source; to make one takes milliseconds.
var environments = struct {
	sync.Mutex
	bySource map[Source]*cel.Env
}{bySource: map[Source]*cel.Env{}}

// variables of each source.
var variables = map[Source][]string{
	Objects:      {"object", "oldObject"},
	Events:       {"event"},
	Alertmanager: {"labels", "annotations", "alert"},
	Webhook:      {"body", "headers"},
}

// environmentOf is the environment of admission policies, cost limit included.
func environmentOf(source Source) (*cel.Env, error) {
	environments.Lock()
	defer environments.Unlock()
	if env := environments.bySource[source]; env != nil {
		return env, nil
	}
	var options []cel.EnvOption
	for _, name := range variables[source] {
		options = append(options, cel.Variable(name, cel.DynType))
	}
	set, err := environment.MustBaseEnvSet(environment.DefaultCompatibilityVersion()).
		Extend(environment.VersionedOptions{IntroducedVersion: version.MajorMinor(1, 0), EnvOptions: options})
	if err != nil {
		return nil, err
	}
	env := set.NewExpressionsEnv()
	environments.bySource[source] = env
	return env, nil
}

// expression is a compiled CEL expression of one field.
type expression struct {
	place   string
	program cel.Program
	// spent is what evaluations have cost since it was last asked.
	spent atomic.Uint64
	// diagnosis is made when the expression first fails.
	diagnosis func() *diagnosis
}

// compileExpression compiles the expression of a field, which must give a bool
// if condition is true. Its parts are taken from those that are left.
func compileExpression(source Source, place, text string, condition bool, left *int) (*expression, error) {
	env, err := environmentOf(source)
	if err != nil {
		return nil, err
	}
	refuse := func(err error) error {
		return &CompileError{v1alpha1.ReasonInvalidExpression, fmt.Sprintf("%s: %v", place, err)}
	}
	if n := utf8.RuneCountInString(text); n > maxExpression {
		return nil, refuse(fmt.Errorf("the expression has %d characters: at most %d are taken", n, maxExpression))
	}
	parsed, issues := env.Parse(text)
	if issues.Err() != nil {
		return nil, &CompileError{v1alpha1.ReasonInvalidExpression, place + writing{source, condition}.describe(issues)}
	}
	if err := checkParsed(parsed, left); err != nil {
		return nil, refuse(err)
	}
	checked, issues := env.Check(parsed)
	if issues.Err() != nil {
		return nil, &CompileError{v1alpha1.ReasonInvalidExpression, place + writing{source, condition}.describe(issues)}
	}
	if out := checked.OutputType(); condition && out != cel.BoolType && out != cel.DynType {
		return nil, refuse(fmt.Errorf("the expression gives a %s, and must give a bool", cel.FormatCELType(out)))
	}
	if err := checkCost(env, checked); err != nil {
		return nil, refuse(err)
	}
	program, err := env.Program(checked, cel.InterruptCheckFrequency(apiservercel.CheckFrequency),
		cel.CustomDecoratorV2(guard(env)), cel.CostTracking(&costs{}))
	if err != nil {
		return nil, refuse(err)
	}
	return &expression{place: place, program: program, diagnosis: sync.OnceValue(func() *diagnosis { return diagnosisOf(source, text) })}, nil
}

// eval evaluates the expression.
func (e *expression) eval(ctx context.Context, vars Vars) (ref.Val, error) {
	out, details, err := e.program.ContextEval(ctx, map[string]any(vars))
	if details != nil && details.ActualCost() != nil {
		e.spent.Add(*details.ActualCost())
	}
	if err == nil {
		return out, nil
	}
	message := safetext.Line(err.Error())
	if absent(message) {
		return nil, &EvalError{Place: e.place, Message: message, Missing: true}
	}
	return nil, &EvalError{Place: e.place, Message: e.explain(ctx, vars, message)}
}

// explain says why an evaluation has failed, in a person's words.
func (e *expression) explain(ctx context.Context, vars Vars, message string) string {
	if plain := plainly(message); plain != message {
		return plain
	}
	if d := e.diagnosis(); d != nil && ctx.Err() == nil {
		sentence, spent := d.of(ctx, vars, message)
		e.spent.Add(spent)
		if sentence != "" {
			return sentence
		}
	}
	return message
}

// absent reports whether an error of cel-go, which has no type for it, says that
// a field, a key or an item of a list is not there.
func absent(message string) bool {
	for _, prefix := range []string{"no such key", "no such attribute", "index out of bounds"} {
		if strings.HasPrefix(message, prefix) {
			return true
		}
	}
	return false
}

// holds evaluates a condition.
func (e *expression) holds(ctx context.Context, vars Vars) (bool, error) {
	out, err := e.eval(ctx, vars)
	if err != nil {
		return false, err
	}
	if out == types.NullValue {
		return false, &EvalError{Place: e.place, Message: "gives null: it can't be told now", Undecided: true}
	}
	yes, ok := out.(types.Bool)
	if !ok {
		return false, &EvalError{Place: e.place, Message: fmt.Sprintf("gives a %s, and must give a bool", out.Type().TypeName())}
	}
	return bool(yes), nil
}

// text evaluates an expression to a text, for grouping.
func (e *expression) text(ctx context.Context, vars Vars) (string, error) {
	out, err := e.eval(ctx, vars)
	if err != nil {
		return "", err
	}
	switch v := out.(type) {
	case types.String:
		return string(v), nil
	case types.Null:
		return "", nil
	case types.Bool, types.Int, types.Uint, types.Double, types.Duration, types.Timestamp:
		return fmt.Sprint(out.ConvertToType(types.StringType).Value()), nil
	}
	native, err := out.ConvertToNative(types.JSONValueType)
	if err != nil {
		return "", &EvalError{Place: e.place, Message: fmt.Sprintf("gives a %s, which nothing can be grouped by", out.Type().TypeName())}
	}
	data, err := protojson.Marshal(native.(*structpb.Value))
	if err != nil {
		return "", &EvalError{Place: e.place, Message: "gives what nothing can be grouped by"}
	}
	// protojson varies its spaces on purpose.
	return strings.Join(strings.Fields(string(data)), ""), nil
}
