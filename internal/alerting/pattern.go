package alerting

import (
	stdlist "container/list"
	"fmt"
	"regexp"
	"regexp/syntax"
	"sync"
	"unicode/utf8"
)

// Limits of a regular expression. RE2 has no runaway match, but a short
// pattern can compile to a great many instructions: 400 times "a{1000}" in
// 2,800 characters keeps 19 MiB.
const (
	maxPattern      = 500
	maxInstructions = 1000
	// maxKept is how much the kept patterns weigh together, in bytes.
	maxKept = 4 << 20
)

// pattern is a compiled regular expression.
type pattern struct {
	text string
	re   *regexp.Regexp
	// instructions at the most, by which matching is charged.
	instructions int
}

// weight of a compiled pattern in memory: measured at 50 to 100 bytes an
// instruction, and more where classes have many ranges.
func (p *pattern) weight() int { return 256 + len(p.text) + 200*p.instructions }

// patterns keeps what was compiled last, for all rules together.
var patterns = patternCache{kept: map[string]*stdlist.Element{}}

type patternCache struct {
	mu     sync.Mutex
	kept   map[string]*stdlist.Element
	recent stdlist.List
	weight int
}

// get returns a compiled pattern, or says why it is none.
func (c *patternCache) get(text string) (*pattern, error) {
	c.mu.Lock()
	if e := c.kept[text]; e != nil {
		c.recent.MoveToFront(e)
		c.mu.Unlock()
		return e.Value.(*pattern), nil
	}
	c.mu.Unlock()
	p, err := compilePattern(text)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.kept[text]; e != nil {
		return e.Value.(*pattern), nil
	}
	c.kept[text] = c.recent.PushFront(p)
	for c.weight += p.weight(); c.weight > maxKept; {
		last := c.recent.Remove(c.recent.Back()).(*pattern)
		delete(c.kept, last.text)
		c.weight -= last.weight()
	}
	return p, nil
}

func compilePattern(text string) (*pattern, error) {
	n, err := checkPattern(text)
	if err != nil {
		return nil, err
	}
	re, err := regexp.Compile(text)
	if err != nil {
		return nil, fmt.Errorf("the pattern %s is no regular expression: %w", shown(text), err)
	}
	return &pattern{text, re, n}, nil
}

// checkPattern returns how many instructions a pattern has at the most, and
// refuses one that is too large before anything is compiled.
func checkPattern(text string) (int, error) {
	if n := utf8.RuneCountInString(text); n > maxPattern {
		return 0, fmt.Errorf("the pattern %s has %d characters: at most %d are taken", shown(text), n, maxPattern)
	}
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return 0, fmt.Errorf("the pattern %s is no regular expression: %w", shown(text), err)
	}
	n := 2 + instructions(parsed)
	if n > maxInstructions {
		return 0, fmt.Errorf("the pattern %s takes more than %d steps: repeat less in it", shown(text), maxInstructions)
	}
	return n, nil
}

// instructions that a pattern compiles to at the most. Classes count by their
// ranges too, which are kept with each instruction.
func instructions(re *syntax.Regexp) int {
	sub := 0
	for _, s := range re.Sub {
		sub = min(sub+instructions(s), 1<<20)
	}
	switch re.Op {
	case syntax.OpLiteral:
		return len(re.Rune)
	case syntax.OpCharClass:
		return 1 + len(re.Rune)/64
	case syntax.OpCapture, syntax.OpStar, syntax.OpPlus, syntax.OpQuest:
		return sub + 2
	case syntax.OpAlternate, syntax.OpConcat:
		return sub + len(re.Sub)
	case syntax.OpRepeat:
		if re.Min == re.Max {
			return min(max(1, sub*re.Min), 1<<20)
		}
		return min((sub+1)*(max(re.Min, re.Max)+1), 1<<20)
	default:
		return sub + 1
	}
}

// shown is a pattern for people.
func shown(text string) string { return fmt.Sprintf("%.40q", text) }
