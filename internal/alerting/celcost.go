package alerting

import (
	"fmt"
	"math"
	"strings"

	"github.com/google/cel-go/cel"
	"github.com/google/cel-go/checker"
	"github.com/google/cel-go/common"
	"github.com/google/cel-go/common/ast"
	celfunctions "github.com/google/cel-go/common/functions"
	"github.com/google/cel-go/common/types"
	"github.com/google/cel-go/common/types/ref"
	"github.com/google/cel-go/common/types/traits"
	"github.com/google/cel-go/interpreter"
	apiservercel "k8s.io/apiserver/pkg/apis/cel"
	"k8s.io/apiserver/pkg/cel/library"
)

// Limits of an expression.
const (
	// maxExpression is how long an expression may be, in characters. The schema
	// says so too.
	maxExpression = 4096
	// maxExpressionParts are the nodes of all expressions of a rule together, of
	// some 200 bytes each; exists and the like have a dozen.
	maxExpressionParts = 2000
	// maxEstimate is what an expression may cost by an estimate from what it
	// says. It only refuses what no object would make cheap, four loops in each
	// other: the limit of an evaluation is a hundredth of it.
	maxEstimate = 100 * apiservercel.PerCallLimit
	// likelyLength of a list or map, and of a text, for the estimate.
	likelyLength = 64
	likelyText   = 256
	// maxMade is how long a text may be that an expression makes, in bytes, and
	// maxRange how long a list of numbers.
	maxMade  = 1 << 20
	maxRange = 10000
)

// costs are those of admission policies, but that texts and lists that a call
// makes cost as much as they are long. Where no type is known, as in objects,
// "+" costs 1 else, however long the text is, and thirty of them take all
// memory.
type costs struct{ library.CostEstimator }

// CallCost implements interpreter.ActualCostEstimator.
func (c *costs) CallCost(function, overload string, args []ref.Val, result ref.Val) *uint64 {
	cost := c.CostEstimator.CallCost(function, overload, args, result)
	made := uint64(0)
	switch v := result.(type) {
	case types.String:
		made = 1 + uint64(math.Ceil(float64(len(v))*common.StringTraversalCostFactor))
	case types.Bytes:
		made = 1 + uint64(math.Ceil(float64(len(v))*common.StringTraversalCostFactor))
	case traits.Lister:
		if n, ok := v.Size().(types.Int); ok && (function == "findAll" || function == "split") {
			made = 4 * uint64(max(0, n))
		}
	}
	if cost != nil && *cost >= made || made == 0 {
		return cost
	}
	return &made
}

// sizes are likely ones of what is in objects.
type sizes struct{}

// EstimateSize implements checker.CostEstimator.
func (sizes) EstimateSize(node checker.AstNode) *checker.SizeEstimate {
	switch node.Type().Kind() {
	case types.StringKind, types.BytesKind:
		return &checker.SizeEstimate{Max: likelyText}
	default:
		return &checker.SizeEstimate{Max: likelyLength}
	}
}

// EstimateCallCost implements checker.CostEstimator.
func (sizes) EstimateCallCost(string, string, *checker.AstNode, []checker.AstNode) *checker.CallEstimate {
	return nil
}

// checkCost refuses an expression that no object would make cheap.
func checkCost(env *cel.Env, checked *cel.Ast) error {
	estimate, err := env.EstimateCost(checked, &library.CostEstimator{SizeEstimator: sizes{}}, checker.PresenceTestHasCost(false))
	if err != nil {
		return err
	}
	if estimate.Max > maxEstimate {
		return fmt.Errorf("the expression would take too long: of lists of %d items it may cost more than %d, and an evaluation may cost %d; have fewer loops in each other, or in shorter lists",
			likelyLength, maxEstimate, apiservercel.PerCallLimit)
	}
	return nil
}

// patternIndex is where functions have their pattern, the text that it is looked
// for in included.
var patternIndex = map[string]int{"matches": 1, "find": 1, "findAll": 1}

// checkParsed refuses an expression of too many parts, and patterns that are too
// large, before cel-go compiles them.
func checkParsed(parsed *cel.Ast, left *int) error {
	var failed error
	ast.PostOrderVisit(parsed.NativeRep().Expr(), ast.NewExprVisitor(func(e ast.Expr) {
		if *left--; *left == -1 {
			failed = fmt.Errorf("the expressions of the rule have more than %d parts together: ask for less in them", maxExpressionParts)
		}
		if e.Kind() != ast.CallKind {
			return
		}
		call := e.AsCall()
		at, ok := patternIndex[call.FunctionName()]
		if call.IsMemberFunction() {
			at--
		}
		if !ok || at >= len(call.Args()) || call.Args()[at].Kind() != ast.LiteralKind {
			return
		}
		if text, ok := call.Args()[at].AsLiteral().(types.String); ok && failed == nil {
			_, failed = checkPattern(string(text))
		}
	}))
	return failed
}

// guard replaces the functions that would make much of little: those that take
// patterns by ones that take bounded patterns, which are kept for all rules
// together and not with each expression.
func guard(env *cel.Env) interpreter.InterpretableDecoratorV2 {
	known := env.Functions()
	return func(i interpreter.InterpretableV2) (interpreter.InterpretableV2, error) {
		call, ok := i.(interpreter.InterpretableCall)
		if !ok {
			return i, nil
		}
		name := call.Function()
		switch name {
		case "matches", "find", "findAll":
			args := append([]interpreter.InterpretableV2(nil), call.Args()...)
			if len(args) > 1 {
				args[1] = hidden{args[1]}
			}
			return interpreter.NewCall(call.ID(), name, call.OverloadID(), args, func(args ...ref.Val) ref.Val {
				return byPattern(name, args)
			}), nil
		case "replace", "format", "join", "lists.range":
			overloads, err := known[name].Bindings()
			if err != nil {
				return nil, err
			}
			return interpreter.NewCall(call.ID(), name, call.OverloadID(), call.Args(), bounded(name, call.OverloadID(), overloads)), nil
		}
		return i, nil
	}
}

// hidden is an argument that cel-go does not see to be a constant, whose pattern
// it would compile and keep with each expression.
type hidden struct{ interpreter.InterpretableV2 }

// byPattern calls a function that takes a pattern.
func byPattern(function string, args []ref.Val) ref.Val {
	if len(args) < 2 {
		return types.NoSuchOverloadErr()
	}
	in, ok := args[0].(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[0])
	}
	text, ok := args[1].(types.String)
	if !ok {
		return types.MaybeNoSuchOverloadErr(args[1])
	}
	p, err := patterns.get(string(text))
	if err != nil {
		return types.NewErr("%v", err)
	}
	switch function {
	case "matches":
		return types.Bool(p.re.MatchString(string(in)))
	case "find":
		return types.String(p.re.FindString(string(in)))
	}
	most := types.Int(-1)
	if len(args) > 2 {
		if most, ok = args[2].(types.Int); !ok {
			return types.MaybeNoSuchOverloadErr(args[2])
		}
	}
	return types.NewStringList(types.DefaultTypeAdapter, p.re.FindAllString(string(in), int(most)))
}

// bounded is a function that refuses to make too much.
func bounded(name, overload string, all []*celfunctions.Overload) celfunctions.FunctionOp {
	return func(args ...ref.Val) ref.Val {
		if makes(name, args) > maxMade {
			return types.NewErr("%s would make more than %d MiB", name, maxMade>>20)
		}
		for _, operator := range []string{overload, name} {
			for _, o := range all {
				switch {
				case o.Operator != operator:
				case len(args) == 1 && o.Unary != nil:
					return o.Unary(args[0])
				case len(args) == 2 && o.Binary != nil:
					return o.Binary(args[0], args[1])
				case o.Function != nil:
					return o.Function(args...)
				}
			}
		}
		return types.NewErr("no such overload: %s", name)
	}
}

// makes is how long what a call makes is at the most.
func makes(name string, args []ref.Val) int {
	texts := make([]string, max(3, len(args)))
	sum := 0
	for i, arg := range args {
		if s, ok := arg.(types.String); ok {
			texts[i] = string(s)
		}
		sum += lengthOf(arg)
	}
	switch name {
	case "lists.range":
		if n, ok := args[0].(types.Int); ok && n > maxRange {
			return maxMade + 1
		}
	case "replace":
		return len(texts[0]) + (1+strings.Count(texts[0], texts[1]))*len(texts[2])
	case "join":
		if list, ok := args[0].(traits.Sizer); ok {
			if n, ok := list.Size().(types.Int); ok {
				return sum + int(n)*len(texts[1])
			}
		}
	}
	return sum
}

// lengthOf a value as a text, as far as it matters.
func lengthOf(v ref.Val) int {
	n := 0
	var add func(ref.Val, int)
	add = func(v ref.Val, depth int) {
		if n++; n > maxMade || depth > maxDepth {
			n = max(n, maxMade+1)
			return
		}
		switch v := v.(type) {
		case types.String:
			n += len(v)
		case types.Bytes:
			n += len(v)
		case traits.Mapper:
			for it := v.Iterator(); it.HasNext() == types.True && n <= maxMade; {
				key := it.Next()
				add(key, depth+1)
				add(v.Get(key), depth+1)
			}
		case traits.Lister:
			for it := v.Iterator(); it.HasNext() == types.True && n <= maxMade; {
				add(it.Next(), depth+1)
			}
		}
	}
	add(v, 0)
	return n
}
