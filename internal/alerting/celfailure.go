package alerting

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/common/ast"
	"github.com/google/cel-go/common/operators"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/interpreter"
	"github.com/google/cel-go/parser"
	apiservercel "k8s.io/apiserver/pkg/apis/cel"

	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// diagnosis finds out which part of an expression fails, and on what types. It is
// made when an expression first fails, as most never do. Values are not kept, since
// what it says gets into statuses.
type diagnosis struct {
	source  Source
	tree    *ast.AST
	program cel.Program

	mu sync.Mutex
	// kinds are the types of the parts, by their IDs, as they were last; failed is the
	// part that has failed first, and 0 for none.
	kinds  map[int64]string
	failed int64
}

// diagnosisOf compiles an expression, which is known to compile, so that its parts
// can be seen.
func diagnosisOf(source Source, text string) *diagnosis {
	env, err := environmentOf(source)
	if err != nil {
		return nil
	}
	checked, issues := env.Compile(text)
	if issues.Err() != nil {
		return nil
	}
	d := &diagnosis{source: source, tree: checked.NativeRep()}
	d.program, err = env.Program(checked, cel.InterruptCheckFrequency(apiservercel.CheckFrequency),
		cel.CustomDecoratorV2(guard(env)), cel.CustomDecoratorV2(d.see), cel.CostTracking(&costs{}))
	if err != nil {
		return nil
	}
	return d
}

// seen parts and attributes of an expression note what they come to.
type (
	seen struct {
		interpreter.InterpretableV2
		by *diagnosis
	}
	seenCall struct {
		interpreter.InterpretableCall
		by *diagnosis
	}
	seenAttribute struct {
		interpreter.InterpretableAttribute
		by *diagnosis
	}
)

// Exec implements interpreter.InterpretableV2.
func (s seen) Exec(f *interpreter.ExecutionFrame) ref.Val {
	return s.by.note(s.ID(), s.InterpretableV2.Exec(f))
}

// Eval implements interpreter.Interpretable.
func (s seen) Eval(a interpreter.Activation) ref.Val { return s.Exec(interpreter.AsFrame(a)) }

// Exec implements interpreter.InterpretableV2.
func (s seenCall) Exec(f *interpreter.ExecutionFrame) ref.Val {
	return s.by.note(s.ID(), s.InterpretableCall.Exec(f))
}

// Eval implements interpreter.Interpretable.
func (s seenCall) Eval(a interpreter.Activation) ref.Val { return s.Exec(interpreter.AsFrame(a)) }

// Exec implements interpreter.InterpretableV2.
func (s seenAttribute) Exec(f *interpreter.ExecutionFrame) ref.Val {
	return s.by.note(s.ID(), s.InterpretableAttribute.Exec(f))
}

// Eval implements interpreter.Interpretable.
func (s seenAttribute) Eval(a interpreter.Activation) ref.Val { return s.Exec(interpreter.AsFrame(a)) }

// see is the decorator of the parts. Constants stay what they are, for cel-go looks
// at them.
func (d *diagnosis) see(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
	switch v := i.(type) {
	case interpreter.InterpretableConst, interpreter.InterpretableConstructor:
		return i, nil
	case interpreter.InterpretableAttribute:
		return seenAttribute{v, d}, nil
	case interpreter.InterpretableCall:
		return seenCall{v, d}, nil
	}
	return seen{i, d}, nil
}

// note keeps the type of a part. The caller of run holds the lock.
func (d *diagnosis) note(id int64, v ref.Val) ref.Val {
	switch {
	case d.failed != 0:
	case types.IsError(v):
		d.failed = id
	case v != nil:
		d.kinds[id] = v.Type().TypeName()
	}
	return v
}

// of says why an expression fails on these variables; empty when it can't be told.
func (d *diagnosis) of(ctx context.Context, vars Vars, message string) (sentence string, spent uint64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kinds, d.failed = map[int64]string{}, 0
	_, details, _ := d.program.ContextEval(ctx, map[string]any(vars))
	if details != nil && details.ActualCost() != nil {
		spent = *details.ActualCost()
	}
	if d.failed == 0 {
		return "", spent
	}
	var part ast.Expr
	ast.PostOrderVisit(d.tree.Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if e.ID() == d.failed {
			part = e
		}
	}))
	if part == nil {
		return "", spent
	}
	return d.sentence(part, message), spent
}

// maxPart is how much of a part of an expression is shown, in characters.
const maxPart = 120

// written is how a part is written.
func (d *diagnosis) written(part ast.Expr) string {
	text, err := parser.Unparse(part, d.tree.SourceInfo())
	if err != nil {
		return "a part of it"
	}
	return shorten(safetext.Line(text), maxPart)
}

// kind is the type of a part, as CEL calls it.
func (d *diagnosis) kind(part ast.Expr) string {
	if part.Kind() == ast.LiteralKind {
		return part.AsLiteral().Type().TypeName()
	}
	return d.kinds[part.ID()]
}

// sentence says which part fails, on what, and what to write.
func (d *diagnosis) sentence(part ast.Expr, message string) string {
	what := d.written(part) + " can't be evaluated: "
	switch part.Kind() {
	case ast.ComprehensionKind:
		over := part.AsComprehension().IterRange()
		if kind := d.kind(over); kind != "" && kind != "list" && kind != "map" {
			return what + fmt.Sprintf("%s is a %s, and no list or map to go through; ask first, as in type(%[1]s) == list", d.written(over), kind)
		}
	case ast.CallKind:
		if strings.HasPrefix(message, "no such overload") || strings.HasPrefix(message, "got '") {
			return what + d.call(part.AsCall())
		}
		if out := wayOut(part.AsCall().FunctionName(), message); out != "" {
			return what + out
		}
	}
	return what + message
}

// call says which values a call does not take.
func (d *diagnosis) call(c ast.CallExpr) string {
	args := c.Args()
	if c.IsMemberFunction() {
		args = append([]ast.Expr{c.Target()}, args...)
	}
	kinds := make([]string, len(args))
	for i, arg := range args {
		if kinds[i] = d.kind(arg); kinds[i] == "" {
			kinds[i] = "what is not known"
		}
	}
	name, operator := operators.FindReverse(c.FunctionName())
	switch c.FunctionName() {
	case operators.LogicalAnd, operators.LogicalOr, operators.LogicalNot, operators.Conditional:
		for i, arg := range args {
			if kinds[i] != "bool" && (i == 0 || c.FunctionName() != operators.Conditional) {
				return fmt.Sprintf("%s is a %s, and must be a bool; compare it, as in %[1]s == …", d.written(arg), kinds[i])
			}
		}
	}
	if name == "" || !operator {
		name = c.FunctionName()
	}
	return fmt.Sprintf("%s does not take (%s); %s", strings.Trim(name, "_"), strings.Join(kinds, ", "), d.convert(c, args, kinds))
}

// convert says what to do with values that a call does not take.
func (d *diagnosis) convert(c ast.CallExpr, args []ast.Expr, kinds []string) string {
	is := func(of ...string) int {
		return slices.IndexFunc(kinds, func(kind string) bool { return slices.Contains(of, kind) })
	}
	null, text, number, moment := is("null_type"), is("string"), is("int", "uint", "double"), is("google.protobuf.Timestamp", "google.protobuf.Duration")
	switch {
	case null >= 0:
		return fmt.Sprintf("say what null means, as in %s != null && …", d.written(args[null]))
	case text >= 0 && moment >= 0:
		return fmt.Sprintf("make it a time, as in %s(%s)", strings.ToLower(strings.TrimPrefix(kinds[moment], "google.protobuf.")), d.written(args[text]))
	case text >= 0 && number >= 0 && args[text].Kind() != ast.LiteralKind:
		return fmt.Sprintf("make it a number, as in int(%s)", d.written(args[text]))
	case text >= 0 && number >= 0:
		return fmt.Sprintf("make the number a text, as in string(%s)", d.written(args[number]))
	case c.IsMemberFunction() && kinds[0] != "string":
		return fmt.Sprintf("ask first what it is, as in type(%s) == string && …", d.written(args[0]))
	}
	return "write it as in " + examples[d.source].condition
}

// wayOut of what goes wrong in a call that takes its values by their types.
func wayOut(function, message string) string {
	switch {
	case message == "division by zero", message == "modulus by zero":
		return message + "; ask first, as in n != 0 && …"
	case strings.HasPrefix(message, "type conversion error"), strings.HasPrefix(message, "strconv."), strings.Contains(message, "invalid syntax"), strings.HasPrefix(message, "parsing time"), strings.HasPrefix(message, "time: "):
		return fmt.Sprintf("%s() can't read what it is given; ask first, as in x.matches('^[0-9]+$') && …", function)
	}
	return ""
}

// plainly says what cel-go says of an evaluation that has no part to blame.
func plainly(message string) string {
	switch {
	case strings.Contains(message, "cost limit exceeded"):
		return fmt.Sprintf("it costs more than %d, which is what one evaluation may cost; have fewer loops in each other, or in shorter lists", apiservercel.PerCallLimit)
	case strings.HasPrefix(message, "operation interrupted"):
		return "it takes too long; have fewer loops in each other, or in shorter lists"
	}
	return message
}
