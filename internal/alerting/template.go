package alerting

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"text/template/parse"

	"github.com/slack-notifier/slack-notifier/internal/message"
)

// mode is what a template makes.
type mode int

const (
	// plain text, which is escaped where it is rendered.
	plain mode = iota
	// mrkdwn is Slack's mark-up: what is inserted is escaped.
	mrkdwn
	// address of a link.
	address
)

const (
	// maxOutput of a template, in bytes.
	maxOutput = 64 << 10
	// maxError is how much of an error is told, in characters.
	maxError = 500
)

// template is a compiled Go template of one field.
type template struct {
	place string
	mode  mode
	set   *set
}

// Names of the functions that are added to each template.
const (
	showFunction = "_show"
	stepFunction = "_step"
)

// templateError is how text/template writes where an error is.
var templateError = regexp.MustCompile(`^template: [^:]*:(\d+)(?::(\d+))?: (?:executing "[^"]*" at (<.*?>): )?`)

func describeTemplateError(place string, err error) string {
	text := oneLine(err.Error())
	m := templateError.FindStringSubmatch(text)
	if m == nil {
		return place + ": " + text
	}
	where := place + ", line " + m[1]
	if m[2] != "" {
		where += ", column " + m[2]
	}
	if m[3] != "" {
		where += " at " + m[3]
	}
	return where + ": " + strings.TrimPrefix(text[len(m[0]):], "error calling ")
}

// instrument has everything that a template inserts pass through showFunction,
// and every loop count its rounds.
type instrument struct {
	tree *parse.Tree
	// used are the functions that are called.
	used map[string]bool
	// parts counts the nodes.
	parts *int
	call  func(*parse.TemplateNode)
}

func (i *instrument) node(node parse.Node) {
	*i.parts++
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			i.node(child)
		}
	case *parse.ActionNode:
		i.pipe(n.Pipe)
		if len(n.Pipe.Decl) == 0 {
			i.show(n)
		}
	case *parse.IfNode:
		i.branch(&n.BranchNode)
	case *parse.WithNode:
		i.branch(&n.BranchNode)
	case *parse.RangeNode:
		i.branch(&n.BranchNode)
		n.List.Nodes = append([]parse.Node{i.step()}, n.List.Nodes...)
	case *parse.TemplateNode:
		i.pipe(n.Pipe)
		i.call(n)
	}
}

func (i *instrument) branch(n *parse.BranchNode) {
	i.pipe(n.Pipe)
	i.node(n.List)
	i.node(n.ElseList)
}

// pipe notes the functions of a pipeline.
func (i *instrument) pipe(n *parse.PipeNode) {
	if n == nil {
		return
	}
	for _, command := range n.Cmds {
		*i.parts++
		for _, arg := range command.Args {
			i.argument(arg)
		}
	}
}

func (i *instrument) argument(node parse.Node) {
	*i.parts++
	switch n := node.(type) {
	case *parse.IdentifierNode:
		i.used[n.Ident] = true
	case *parse.PipeNode:
		i.pipe(n)
	case *parse.ChainNode:
		i.argument(n.Node)
	}
}

// show has what an action inserts pass through showFunction.
func (i *instrument) show(n *parse.ActionNode) {
	source := n.Pipe.String()
	n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{
		parse.NewIdentifier(showFunction).SetTree(i.tree).SetPos(n.Pos),
		&parse.StringNode{NodeType: parse.NodeString, Pos: n.Pos, Quoted: strconv.Quote(source), Text: source},
	}})
}

// step makes the action that counts.
func (i *instrument) step() parse.Node {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{{
		NodeType: parse.NodeCommand, Args: []parse.Node{parse.NewIdentifier(stepFunction).SetTree(i.tree)},
	}}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pipe: pipe}
}

// execute returns what a template makes of data. Where it fails, what it has
// made so far is followed by a note.
func (r *rendering) execute(t *template, data map[string]any) (string, error) {
	if t == nil {
		return "", nil
	}
	r.current = t
	var out limited
	if err := r.root.ExecuteTemplate(&out, t.place, data); err != nil {
		failed := &EvalError{Place: t.place, Message: strings.TrimLeft(strings.TrimPrefix(describeTemplateError(t.place, err), t.place), ":, ")}
		if ended := r.ctx.Err(); ended != nil && errors.Is(err, ended) {
			failed.Message = "takes too long"
		}
		failed.Message = shorten(failed.Message, maxError)
		note := "(" + t.place + " can't be shown)"
		return strings.TrimSpace(out.String() + " " + note), failed
	}
	return out.String(), nil
}

// show writes one inserted value.
func (r *rendering) show(source string, value any) (string, error) {
	t := r.current
	if value == nil || isNil(value) {
		return "(no such field: " + t.escape(source) + ")", r.charge(float64(callBytes + len(source)))
	}
	s, err := r.measure(reflect.ValueOf(value))
	if err == nil {
		// JSON writes a byte as up to 6, and so does the escaping.
		err = r.charge(float64(callBytes + 2*s.bytes + 6*s.text))
	}
	if err == nil && s.text > maxOutput {
		err = errOutput
	}
	if err != nil {
		return "", err
	}
	if trusted, ok := value.(safe); ok {
		return string(trusted), nil
	}
	return t.escape(plainText(value)), nil
}

func (t *template) escape(s string) string {
	if t.mode == mrkdwn {
		return message.Escape(s)
	}
	return s
}

func isNil(value any) bool {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.Map, reflect.Slice, reflect.Pointer, reflect.Interface:
		return v.IsNil()
	default:
		return false
	}
}

// plainText writes a value: what has parts as JSON, whose order is fixed.
func plainText(value any) string {
	switch reflect.ValueOf(value).Kind() {
	case reflect.Map, reflect.Slice, reflect.Array, reflect.Struct:
		if _, ok := value.(fmt.Stringer); ok {
			break
		}
		if data, err := json.Marshal(value); err == nil {
			return string(data)
		}
	}
	return fmt.Sprint(value)
}

// limited is an output with an end.
type limited struct{ strings.Builder }

func (l *limited) Write(p []byte) (int, error) {
	if l.Len()+len(p) > maxOutput {
		return 0, errOutput
	}
	return l.Builder.Write(p)
}
