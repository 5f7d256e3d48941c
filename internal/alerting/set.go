package alerting

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"text/template/parse"

	texttemplate "github.com/DataDog/datadog-agent/pkg/template/text"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

const (
	// maxCalls is how deep templates may call each other.
	maxCalls = 10
	// maxParts are the nodes of all templates of a message together, of some 300
	// bytes each.
	maxParts = 2000
)

// known are the names that templates may use, for the parser.
var known = func() map[string]any {
	out := map[string]any{insertFunction: true, valueFunction: true, presentFunction: true, keepFunction: true, stepFunction: true}
	for _, name := range []string{"and", "or", "not", "slice", "call", "eq", "ne"} {
		out[name] = true
	}
	for name := range functions {
		out[name] = true
	}
	return out
}()

// set are the templates of one message. They share one budget, and none knows
// of what another one defines.
type set struct {
	trees map[string]*parse.Tree
	// used are the functions that they call.
	used map[string]bool
	// pieces are the expressions of all templates, by their numbers.
	pieces []*piece
	// sources are how parts of the expressions are written.
	sources map[parse.Node]string
	// parts of the trees, all together.
	parts int
}

// compile adds the template of a field.
func (s *set) compile(place, text string, m mode) (*template, error) {
	refuse := func(what string) error {
		return &CompileError{v1alpha1.ReasonInvalidTemplate, place + ": " + what}
	}
	trees, err := parse.Parse(place, text, "", "", known)
	if err != nil {
		return nil, &CompileError{v1alpha1.ReasonInvalidTemplate, describeTemplateError(place, err)}
	}
	if s.trees == nil {
		s.trees, s.used, s.sources = map[string]*parse.Tree{}, map[string]bool{}, map[parse.Node]string{}
	}
	full := func(name string) string {
		if name == place {
			return place
		}
		return place + "/" + name
	}
	calls := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		tree := trees[name]
		i := instrument{tree: tree, set: s, used: s.used, parts: &s.parts, call: func(n *parse.TemplateNode) {
			calls[name] = append(calls[name], n.Name)
			n.Name = full(n.Name)
		}}
		i.node(tree.Root)
		tree.Root.Nodes = append([]parse.Node{i.step()}, tree.Root.Nodes...)
		s.trees[full(name)] = tree
	}
	if s.parts > maxParts {
		return nil, refuse(fmt.Sprintf("the templates of the message have more than %d parts together: have fewer actions in them", maxParts))
	}
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		for _, called := range calls[name] {
			if trees[called] == nil {
				return nil, refuse(fmt.Sprintf("template %q is not defined", called))
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(calls)) {
		if depthOf(name, calls, map[string]int{}) > maxCalls {
			return nil, refuse(fmt.Sprintf("template %q calls itself, or others more than %d deep", name, maxCalls))
		}
	}
	return &template{place, m, s}, nil
}

// depthOf what a template calls; too deep if it calls itself.
func depthOf(name string, calls map[string][]string, seen map[string]int) int {
	if d, ok := seen[name]; ok {
		return d
	}
	seen[name] = maxCalls + 1
	deepest := 0
	for _, called := range calls[name] {
		deepest = max(deepest, depthOf(called, calls, seen))
	}
	seen[name] = min(deepest+1, maxCalls+2)
	return seen[name]
}

// rendering runs the templates of a set for one message.
type rendering struct {
	*budget
	root    *texttemplate.Template
	pieces  []*piece
	sources map[parse.Node]string
	// compiled are the expressions that have been evaluated.
	compiled map[parse.Node]*texttemplate.Template
	// current is the template that runs, out what it writes, and failed its first
	// failure that it goes on after.
	current *template
	out     *limited
	failed  error
	// kept is what an expression has come to.
	kept any
}

// begin makes what the templates run in: they are shared by all renderings, and
// the functions are bound to the budget of this one.
func (s *set) begin(ctx context.Context) *rendering {
	r := &rendering{budget: newBudget(ctx), root: texttemplate.New(""), pieces: s.pieces, sources: s.sources, compiled: map[parse.Node]*texttemplate.Template{}}
	bound := texttemplate.FuncMap{
		insertFunction: r.insert, valueFunction: r.value, presentFunction: r.present,
		keepFunction: func(v any) string { r.kept = v; return "" },
		stepFunction: func() (string, error) { return "", r.step() },
	}
	for name := range s.used {
		if f, ok := functions[name]; ok {
			bound[name] = f.bind(r.budget)
		}
	}
	r.root.Funcs(bound)
	for name, tree := range s.trees {
		_, _ = r.root.AddParseTree(name, tree) // only fails for a template that has run
	}
	return r
}
