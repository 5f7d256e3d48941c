package alerting

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"text/template/parse"
)

// errNothing is the error of a function that is given something that is missing.
var errNothing = errors.New("there is no such field")

// missing names what is missing, in its place.
func missing(source string) string { return "(no such field: " + source + ")" }

// nothing is text in the place of what is missing. It reads the same by any verb
// of printf.
type nothing string

// Format implements fmt.Formatter.
func (n nothing) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, string(n)) }

func isNothing(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Invalid:
		return true
	case reflect.Interface:
		return v.IsNil() || isNothing(v.Elem())
	case reflect.Map, reflect.Slice, reflect.Pointer:
		return v.IsNil()
	default:
		return false
	}
}

// present hands on a value, or its name where it is missing.
func (r *rendering) present(source string, value any) (any, error) {
	if err := r.charge(float64(callBytes + len(source))); err != nil {
		return nil, err
	}
	if value == nil || isNil(value) {
		return nothing(missing(source)), nil
	}
	return value, nil
}

// insert writes what an expression comes to.
func (r *rendering) insert(number int, dot any, variables ...any) (string, error) {
	p := r.pieces[number]
	value, err := r.evaluate(p.pipe, p, dot, variables)
	if err == nil {
		var text string
		if text, err = r.show(p.source, value); err == nil {
			return text, nil
		}
	}
	if r.spent(err) {
		r.fail(p, err)
		return "", err
	}
	text, _, err := r.note(p, dot, variables, err)
	return text, err
}

// value is what an expression comes to; nil if it fails.
func (r *rendering) value(number int, dot any, variables ...any) (any, error) {
	p := r.pieces[number]
	value, err := r.evaluate(p.pipe, p, dot, variables)
	if err == nil && p.use == looped && !canLoop(value) {
		err = errors.New("only a list, a map or a number can be looped over")
	}
	if err == nil {
		return value, nil
	}
	if r.spent(err) {
		r.fail(p, err)
		return nil, err
	}
	text, failed, err := r.note(p, dot, variables, err)
	if err == nil && failed && p.use != assigned {
		_, err = r.out.Write([]byte(text))
	}
	return nil, err
}

func canLoop(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Invalid, reflect.Map, reflect.Slice, reflect.Array:
		return true
	default:
		return v.CanInt() || v.CanUint()
	}
}

// spent reports whether an error means that nothing more can be evaluated.
func (r *rendering) spent(err error) bool {
	return errors.Is(err, errWork) || errors.Is(err, errSteps) || errors.Is(err, errOutput) || r.ctx.Err() != nil
}

// note is what stands in the place of an expression that has failed. What is
// missing is no failure of the template.
func (r *rendering) note(p *piece, dot any, variables []any, err error) (text string, failed bool, _ error) {
	if name, ok := r.culprit(p.pipe, p, dot, variables); ok {
		return r.current.escape(missing(name)), false, r.charge(float64(len(name)))
	}
	if r.failed == nil {
		r.fail(p, err)
	}
	return r.current.escape("(" + p.source + " can't be shown)"), true, r.charge(float64(len(p.source)))
}

// fail notes why an expression has failed.
func (r *rendering) fail(p *piece, err error) {
	why := oneLine(err.Error())
	why = strings.TrimPrefix(why[len(templateError.FindString(why)):], "error calling ")
	r.failed = fmt.Errorf("template: %s:%d: %s: %s", r.current.place, p.line, p.source, why)
}

// reading is an expression that is looked through for what is missing in it.
type reading struct {
	*rendering
	piece     *piece
	dot       any
	variables []any
}

// culprit is the first of what an expression reads that is missing.
func (r *rendering) culprit(n *parse.PipeNode, p *piece, dot any, variables []any) (string, bool) {
	return (&reading{r, p, dot, variables}).pipe(n)
}

// comesToNothing reports whether a part of the expression is missing, or fails
// where failed is true.
func (r *reading) comesToNothing(node parse.Node, failed bool) bool {
	value, err := r.evaluate(node, r.piece, r.dot, r.variables)
	if err != nil {
		return failed && !r.spent(err)
	}
	return value == nil || isNil(value)
}

func (r *reading) pipe(n *parse.PipeNode) (string, bool) {
	for at, command := range n.Cmds {
		called, _ := command.Args[0].(*parse.IdentifierNode)
		if called != nil && functions[called.Ident].takesNothing && called.Ident != "index" {
			continue
		}
		for _, arg := range command.Args {
			if name, ok := r.argument(arg); ok {
				return name, true
			}
		}
		if at == len(n.Cmds)-1 {
			break
		}
		if so := (&parse.PipeNode{NodeType: parse.NodePipe, Cmds: n.Cmds[:at+1]}); r.comesToNothing(so, false) {
			return r.sources[command], true
		}
	}
	return "", false
}

func (r *reading) argument(node parse.Node) (string, bool) {
	switch a := node.(type) {
	case *parse.PipeNode:
		if name, ok := r.pipe(a); ok {
			return name, true
		}
		return r.sources[a], r.comesToNothing(a, false)
	case *parse.ChainNode:
		if inner, ok := a.Node.(*parse.PipeNode); ok {
			if name, ok := r.pipe(inner); ok {
				return name, true
			}
		}
		return a.String(), r.comesToNothing(a, true)
	case *parse.FieldNode, *parse.VariableNode, *parse.DotNode:
		return a.String(), r.comesToNothing(a, true)
	default:
		return "", false
	}
}

// Names in the data of an evaluation.
const (
	dotKey      = "dot"
	variableKey = "v"
)

// evaluate returns what a part of an expression comes to.
func (r *rendering) evaluate(node parse.Node, p *piece, dot any, variables []any) (any, error) {
	if err := r.charge(callBytes); err != nil {
		return nil, err
	}
	compiled := r.compiled[node]
	if compiled == nil {
		tree := evaluation(node, p.variables)
		var err error
		if compiled, err = r.root.AddParseTree(tree.Name, tree); err != nil {
			return nil, err
		}
		r.compiled[node] = compiled
	}
	data := map[string]any{dotKey: []any{dot}}
	for i, v := range variables {
		data[variableKey+strconv.Itoa(i)] = v
	}
	// What is tested may be missing; an expression is in no other.
	r.kept, r.strict = nil, p.use == inserted || p.use == assigned
	err := compiled.Execute(io.Discard, data)
	return r.kept, err
}

// evaluation is a template that keeps what an expression comes to: it makes the
// variables that the expression reads, and its dot.
func evaluation(node parse.Node, variables []string) *parse.Tree {
	pipe, ok := node.(*parse.PipeNode)
	if !ok {
		pipe = &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{
			{NodeType: parse.NodeCommand, Args: []parse.Node{node}},
		}}
	}
	tree := &parse.Tree{Name: "expression"}
	i := instrument{tree: tree}
	field := func(name string) *parse.PipeNode {
		return &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{{
			NodeType: parse.NodeCommand, Args: []parse.Node{&parse.FieldNode{NodeType: parse.NodeField, Ident: []string{name}}},
		}}}
	}
	root := &parse.ListNode{NodeType: parse.NodeList}
	for at, name := range variables {
		made := field(variableKey + strconv.Itoa(at))
		made.Decl = []*parse.VariableNode{{NodeType: parse.NodeVariable, Ident: []string{name}}}
		root.Nodes = append(root.Nodes, &parse.ActionNode{NodeType: parse.NodeAction, Pipe: made})
	}
	kept := &parse.PipeNode{NodeType: parse.NodePipe}
	kept.Cmds = append(append(kept.Cmds, pipe.Cmds...), i.command(keepFunction))
	list := &parse.ListNode{NodeType: parse.NodeList, Nodes: []parse.Node{&parse.ActionNode{NodeType: parse.NodeAction, Pipe: kept}}}
	root.Nodes = append(root.Nodes, &parse.RangeNode{BranchNode: parse.BranchNode{NodeType: parse.NodeRange, Pipe: field(dotKey), List: list}})
	tree.Root = root
	return tree
}

// index is Go's, but that what is not there is nothing.
func index(item any, keys ...any) (any, error) {
	for _, key := range keys {
		v, k := reflect.ValueOf(item), reflect.ValueOf(key)
		item = nil
		switch v.Kind() {
		case reflect.Invalid:
			return nil, nil //nolint:nilnil // nothing in nothing
		case reflect.Map:
			if !k.IsValid() || !k.Type().AssignableTo(v.Type().Key()) {
				return nil, errors.New("a map has texts for keys")
			}
			if found := v.MapIndex(k); found.IsValid() {
				item = found.Interface()
			}
		case reflect.Slice, reflect.Array, reflect.String:
			var at int
			switch {
			case k.IsValid() && k.CanInt():
				at = int(k.Int())
			case k.IsValid() && k.CanUint():
				at = int(min(k.Uint(), 1<<31))
			default:
				return nil, errors.New("a list has numbers for keys")
			}
			if at >= 0 && at < v.Len() {
				item = v.Index(at).Interface()
			}
		default:
			return nil, fmt.Errorf("there is nothing in a %s", v.Kind())
		}
	}
	return item, nil
}

// countOf is Go's len, but that nothing has no length.
func countOf(item any) (int, error) {
	v := reflect.ValueOf(item)
	switch v.Kind() {
	case reflect.Invalid:
		return 0, nil
	case reflect.Map, reflect.Slice, reflect.Array, reflect.String:
		return v.Len(), nil
	default:
		return 0, fmt.Errorf("a %s has no length", v.Kind())
	}
}

// compare compares numbers with numbers and texts with texts. Nothing compares
// with nothing: known is false then.
func compare(a, b any) (order int, known bool, err error) {
	x, y := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case !x.IsValid() || !y.IsValid():
		return 0, false, nil
	case x.Kind() == reflect.String && y.Kind() == reflect.String:
		return strings.Compare(x.String(), y.String()), true, nil
	case x.CanInt() && y.CanInt():
		return cmp.Compare(x.Int(), y.Int()), true, nil
	}
	m, isNumber := float(x)
	n, too := float(y)
	if !isNumber || !too {
		return 0, false, fmt.Errorf("a %s can't be compared with a %s", x.Kind(), y.Kind())
	}
	return cmp.Compare(m, n), true, nil
}

func float(v reflect.Value) (float64, bool) {
	switch {
	case v.CanInt():
		return float64(v.Int()), true
	case v.CanUint():
		return float64(v.Uint()), true
	case v.CanFloat():
		return v.Float(), true
	default:
		return 0, false
	}
}

func less(a, b any) (bool, error)    { o, known, err := compare(a, b); return known && o < 0, err }
func atMost(a, b any) (bool, error)  { o, known, err := compare(a, b); return known && o <= 0, err }
func greater(a, b any) (bool, error) { o, known, err := compare(a, b); return known && o > 0, err }
func atLeast(a, b any) (bool, error) { o, known, err := compare(a, b); return known && o >= 0, err }
