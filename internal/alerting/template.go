package alerting

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	texttemplate "text/template"
	"text/template/parse"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
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
	// maxSteps are the rounds of all loops of one rendering together.
	maxSteps = 10000
)

// template is a compiled Go template of one field.
type template struct {
	place  string
	mode   mode
	parsed *texttemplate.Template
}

// Names of the functions that are added to each template.
const (
	showFunction = "_show"
	stepFunction = "_step"
)

func compileTemplate(place, text string, m mode) (*template, error) {
	stubs := texttemplate.FuncMap{
		showFunction: func(string, any) (string, error) { return "", nil },
		stepFunction: func() (string, error) { return "", nil },
	}
	parsed, err := texttemplate.New(place).Funcs(functions).Funcs(stubs).Parse(text)
	if err != nil {
		return nil, &CompileError{v1alpha1.ReasonInvalidTemplate, describeTemplateError(place, err)}
	}
	for _, t := range parsed.Templates() {
		if t.Tree == nil {
			continue
		}
		instrument(t.Tree, t.Root)
		t.Root.Nodes = append([]parse.Node{step(t.Tree)}, t.Root.Nodes...)
	}
	return &template{place, m, parsed}, nil
}

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
func instrument(tree *parse.Tree, node parse.Node) {
	switch n := node.(type) {
	case *parse.ListNode:
		if n == nil {
			return
		}
		for _, child := range n.Nodes {
			instrument(tree, child)
		}
	case *parse.ActionNode:
		if len(n.Pipe.Decl) == 0 {
			source := n.Pipe.String()
			n.Pipe.Cmds = append(n.Pipe.Cmds, &parse.CommandNode{NodeType: parse.NodeCommand, Pos: n.Pos, Args: []parse.Node{
				parse.NewIdentifier(showFunction).SetTree(tree).SetPos(n.Pos),
				&parse.StringNode{NodeType: parse.NodeString, Pos: n.Pos, Quoted: strconv.Quote(source), Text: source},
			}})
		}
	case *parse.IfNode:
		instrument(tree, n.List)
		instrument(tree, n.ElseList)
	case *parse.WithNode:
		instrument(tree, n.List)
		instrument(tree, n.ElseList)
	case *parse.RangeNode:
		instrument(tree, n.List)
		instrument(tree, n.ElseList)
		n.List.Nodes = append([]parse.Node{step(tree)}, n.List.Nodes...)
	}
}

// step makes the action that counts.
func step(tree *parse.Tree) parse.Node {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{{
		NodeType: parse.NodeCommand, Args: []parse.Node{parse.NewIdentifier(stepFunction).SetTree(tree)},
	}}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pipe: pipe}
}

// Errors of a template that asks for too much.
var (
	errOutput = fmt.Errorf("the text is longer than %d bytes", maxOutput)
	errSteps  = fmt.Errorf("its loops take more than %d rounds", maxSteps)
)

// execute returns what the template makes of data. Where it fails, what it has
// made so far is followed by a note.
func (t *template) execute(ctx context.Context, data map[string]any) (string, error) {
	if t == nil {
		return "", nil
	}
	run, err := t.parsed.Clone()
	if err != nil {
		return "", err
	}
	steps := 0
	run.Funcs(texttemplate.FuncMap{
		showFunction: func(source string, value any) (string, error) { return t.show(source, value), ctx.Err() },
		stepFunction: func() (string, error) {
			if steps++; steps > maxSteps {
				return "", errSteps
			}
			return "", ctx.Err()
		},
	})
	var out limited
	if err := run.Execute(&out, data); err != nil {
		failed := &EvalError{Place: t.place, Message: strings.TrimPrefix(strings.TrimPrefix(describeTemplateError(t.place, err), t.place), ": ")}
		if errors.Is(err, ctx.Err()) && ctx.Err() != nil {
			failed.Message = "takes too long"
		}
		note := "(" + t.place + " can't be shown)"
		return strings.TrimSpace(out.String() + " " + note), failed
	}
	return out.String(), nil
}

// show writes one inserted value.
func (t *template) show(source string, value any) string {
	if value == nil || isNil(value) {
		return "(no such field: " + t.escape(source) + ")"
	}
	if trusted, ok := value.(safe); ok {
		return string(trusted)
	}
	return t.escape(plainText(value))
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
