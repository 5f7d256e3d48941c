package alerting

import (
	stdlist "container/list"
	"regexp/syntax"
	"runtime"
	"strings"
	"testing"
)

// What is evaluated takes little memory, whatever it makes of what is in an
// object, and ends by its cost.
func TestExpressionsThatWouldTakeAllMemory(t *testing.T) {
	object := map[string]any{"b": strings.Repeat("x", 200000), "l": make([]any, 1000)}
	double := "[object.b]" + strings.Repeat(".map(x, x + x)", 40) + ".size() > 0"
	for name, when := range map[string]string{
		"doubling":            double,
		"many sums":           "lists.range(10000).map(x, object.b + object.b).size() > 0",
		"replace":             "object.b.replace('x', object.b).size() > 0",
		"replace in itself":   "object.b" + strings.Repeat(".replace('x', 'xxxx')", 3) + ".size() > 0",
		"join":                "object.l.map(x, 'a').join(object.b).size() > 0",
		"format":              "'%s%s%s%s%s%s%s%s'.format([object.b, object.b, object.b, object.b, object.b, object.b, object.b, object.b]).size() > 0",
		"a long range":        "lists.range(1000000).size() > 0",
		"all matches":         "object.l.map(x, object.b.findAll('.')).size() > 0",
		"a pattern of theirs": "object.l.map(x, object.b.matches('(a{30}){30}' + string(size(object.l)))).size() < 0",
		"split":               "object.l.map(x, object.b.split('')).size() > 0",
	} {
		t.Run(name, func(t *testing.T) {
			rule, err := Compile(objectRule(when))
			if err != nil {
				t.Fatal(err)
			}
			spent := allocated(func() { _, err = rule.Holds(t.Context(), ObjectVars(object, nil)) })
			if spent > 64<<20 {
				t.Errorf("allocates %d MiB, want less than 64", spent>>20)
			}
			if err == nil && name != "a pattern of theirs" {
				t.Error("comes to an end, though it is meant to ask for too much")
			}
		})
	}
}

// Neither patterns that are refused nor those that are taken are kept with the
// rule, and to refuse one takes little.
func TestPatternsOfExpressionsAreNotKept(t *testing.T) {
	refused := objectRule("object.x.matches('" + strings.Repeat("a{1000}", 400) + "')")
	if spent := allocated(func() {
		if _, err := Compile(refused); err == nil {
			t.Error("a pattern of 400,000 steps is taken")
		}
	}); spent > 2<<20 {
		t.Errorf("to refuse a pattern allocates %d KiB", spent>>10)
	}
	taken := objectRule(strings.Repeat("object.x.matches('(a{30}){30}') || ", 100) + "false")
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	if _, err := Compile(taken); err != nil {
		t.Fatal(err)
	}
	before := heap()
	rule, err := Compile(taken)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = rule.Holds(t.Context(), ObjectVars(map[string]any{"x": "b"}, nil))
	if kept := int64(heap()) - int64(before); kept > 1<<20 {
		t.Errorf("100 patterns keep %d KiB with the rule", kept>>10)
	}
	runtime.KeepAlive(rule)
}

func TestSpent(t *testing.T) {
	rule, err := Compile(objectRule("object.l.all(x, x == 1)", "object.l.size()"))
	if err != nil {
		t.Fatal(err)
	}
	vars := ObjectVars(map[string]any{"l": []any{int64(1), int64(1), int64(1)}}, nil)
	if _, err := rule.Holds(t.Context(), vars); err != nil {
		t.Fatal(err)
	}
	one := rule.Spent()
	if again := rule.Spent(); one == 0 || again != 0 {
		t.Errorf("an evaluation has cost %d, and then %d", one, again)
	}
	if _, err := rule.Group(t.Context(), vars); err != nil || rule.Spent() == 0 {
		t.Errorf("grouping costs nothing: %v", err)
	}
}

// A bounded number of patterns is kept.
func TestPatternCache(t *testing.T) {
	c := patternCache{kept: map[string]*stdlist.Element{}}
	for i := range 1000 {
		if _, err := c.get("(a{20}){20}" + strings.Repeat("b", i%400)); err != nil {
			t.Fatal(err)
		}
		if c.weight > maxKept || len(c.kept) != c.recent.Len() {
			t.Fatalf("%d patterns weigh %d bytes, want at most %d", len(c.kept), c.weight, maxKept)
		}
	}
	first, _ := c.get("^x$")
	if again, _ := c.get("^x$"); again != first {
		t.Error("a pattern is compiled again")
	}
}

// The count of a pattern's instructions is no lower than the truth.
func FuzzPattern(f *testing.F) {
	for _, text := range []string{"a{1000}", "(a|b)*c+?", "((a{10}){10}){9}", "\\pL{50}", "(?i)abc", "[^a-z]{3,}", "(((((((a?)*)+)?)*)+)?){20}", "a{0,900}", "^$\\b(?:)", "x{2,}{3}"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, err := checkPattern(text)
		if err != nil {
			return
		}
		if real := compiledSize(t, text); real > n {
			t.Fatalf("%q has %d instructions, counted %d", text, real, n)
		}
	})
}

func compiledSize(t *testing.T, text string) int {
	t.Helper()
	parsed, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	prog, err := syntax.Compile(parsed.Simplify())
	if err != nil {
		t.Fatal(err)
	}
	return len(prog.Inst)
}
