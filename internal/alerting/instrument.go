package alerting

import (
	"slices"
	"strconv"
	"text/template/parse"
)

// Names of the functions that are added to each template.
const (
	insertFunction  = "_insert"
	valueFunction   = "_value"
	presentFunction = "_present"
	keepFunction    = "_keep"
	stepFunction    = "_step"
)

// use is what becomes of the value of an expression.
type use int

const (
	// inserted into the text.
	inserted use = iota
	// assigned to a variable, or handed to another template.
	assigned
	// tested by if or with.
	tested
	// looped over by range.
	looped
)

// piece is an expression of a template. It is evaluated by itself, so that what
// fails in it ends nothing but it.
type piece struct {
	pipe *parse.PipeNode
	// source is how it is written.
	source string
	use    use
	line   int
	// variables that it reads.
	variables []string
}

// instrument has every expression evaluated by itself, and every loop count its
// rounds.
type instrument struct {
	tree *parse.Tree
	set  *set
	// used are the functions that are called.
	used map[string]bool
	// parts counts the nodes.
	parts *int
	call  func(*parse.TemplateNode)
	// variables that the expression at work reads, and whether it makes some
	// itself.
	variables []string
	declares  bool
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
		if len(n.Pipe.Decl) == 0 {
			i.expression(n.Pipe, n.Line, inserted)
		} else {
			i.expression(n.Pipe, n.Line, assigned)
		}
	case *parse.IfNode:
		i.branch(&n.BranchNode, tested)
	case *parse.WithNode:
		i.branch(&n.BranchNode, tested)
	case *parse.RangeNode:
		i.branch(&n.BranchNode, looped)
		n.List.Nodes = append([]parse.Node{i.step()}, n.List.Nodes...)
	case *parse.TemplateNode:
		if n.Pipe != nil {
			i.expression(n.Pipe, n.Line, assigned)
		}
		i.call(n)
	}
}

func (i *instrument) branch(n *parse.BranchNode, u use) {
	i.expression(n.Pipe, n.Line, u)
	i.node(n.List)
	i.node(n.ElseList)
}

// expression puts a call that evaluates a pipeline into its place.
func (i *instrument) expression(n *parse.PipeNode, line int, u use) {
	i.variables, i.declares = nil, false
	copied := *n
	whole := &copied
	whole.Decl = nil
	source := whole.String()
	i.pipe(whole)
	if i.declares {
		// Its variables have to be there for what follows.
		if u == inserted {
			n.Cmds = append(n.Cmds, i.command(presentFunction, quoted(source)))
		}
		return
	}
	slices.Sort(i.variables)
	p := &piece{pipe: whole, source: source, use: u, line: line, variables: slices.Compact(i.variables)}
	number := int64(len(i.set.pieces))
	i.set.pieces = append(i.set.pieces, p)
	name := valueFunction
	if u == inserted {
		name = insertFunction
	}
	args := []parse.Node{
		&parse.NumberNode{NodeType: parse.NodeNumber, IsInt: true, Int64: number, Text: strconv.FormatInt(number, 10)},
		&parse.DotNode{NodeType: parse.NodeDot},
	}
	for _, v := range p.variables {
		args = append(args, &parse.VariableNode{NodeType: parse.NodeVariable, Ident: []string{v}})
	}
	n.Cmds = []*parse.CommandNode{i.command(name, args...)}
}

func (i *instrument) command(name string, args ...parse.Node) *parse.CommandNode {
	called := parse.NewIdentifier(name).SetTree(i.tree)
	return &parse.CommandNode{NodeType: parse.NodeCommand, Args: append([]parse.Node{called}, args...)}
}

func quoted(text string) *parse.StringNode {
	return &parse.StringNode{NodeType: parse.NodeString, Quoted: strconv.Quote(text), Text: text}
}

// writers are the functions that write whatever they are given, nothing
// included.
var writers = map[string]bool{
	"print": true, "println": true, "printf": true, "html": true, "js": true, "urlquery": true, "cat": true, "quote": true, "squote": true, "toString": true,
}

// pipe notes the functions and variables of a pipeline, and has what is missing
// named to the functions that write.
func (i *instrument) pipe(n *parse.PipeNode) {
	i.declares = i.declares || len(n.Decl) > 0
	var commands []*parse.CommandNode
	before := ""
	for at, command := range n.Cmds {
		*i.parts++
		so := (&parse.PipeNode{NodeType: parse.NodePipe, Cmds: n.Cmds[:at+1]}).String()
		writes := false
		if called, ok := command.Args[0].(*parse.IdentifierNode); ok {
			writes = writers[called.Ident]
		}
		if writes && at > 0 {
			present := i.command(presentFunction, quoted(before))
			commands = append(commands, present)
			i.set.sources[present] = before
		}
		changed := *command
		out := &changed
		out.Args = slices.Clone(command.Args)
		for at, arg := range command.Args {
			source := arg.String()
			i.argument(arg)
			if _, ok := arg.(*parse.PipeNode); ok {
				i.set.sources[arg] = source
			}
			switch arg.(type) {
			case *parse.FieldNode, *parse.VariableNode, *parse.ChainNode, *parse.PipeNode, *parse.DotNode:
				if writes && at > 0 {
					out.Args[at] = &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{
						i.command(presentFunction, quoted(source), arg),
					}}
				}
			}
		}
		commands = append(commands, out)
		if before = so; at < len(n.Cmds)-1 {
			i.set.sources[out] = so
		}
	}
	n.Cmds = commands
}

func (i *instrument) argument(node parse.Node) {
	*i.parts++
	switch n := node.(type) {
	case *parse.IdentifierNode:
		i.used[n.Ident] = true
	case *parse.VariableNode:
		i.variables = append(i.variables, n.Ident[0])
	case *parse.PipeNode:
		i.pipe(n)
	case *parse.ChainNode:
		i.argument(n.Node)
	}
}

// step makes the action that counts.
func (i *instrument) step() parse.Node {
	pipe := &parse.PipeNode{NodeType: parse.NodePipe, Cmds: []*parse.CommandNode{i.command(stepFunction)}}
	return &parse.ActionNode{NodeType: parse.NodeAction, Pipe: pipe}
}
