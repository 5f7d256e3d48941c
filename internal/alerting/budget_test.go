package alerting

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/race"
)

// allocated is what f has allocated in all, in bytes, which is no less than it
// has had at any time.
func allocated(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if race.Enabled { // it empties the pools of package regexp at random
		return 0
	}
	return after.TotalAlloc - before.TotalAlloc
}

// generator makes arguments of functions, such as somebody with bad intent
// would.
type generator struct{ *rand.Rand }

func (g generator) pick(list ...string) string { return list[g.IntN(len(list))] }

func (g generator) string() string {
	unit := g.pick("a", " ", "\n", ",", "aB1", "é", "\x00", "\xff", "ɐ", "\u2028", "<", "\"", "[", "{},", "1||", "[1,", "a b ", "💥", "%2f", "$0", "$1${1}", ".*", "%s", "%v", "%q", "%999d", "%[1]s", "%#v", "%x")
	text := strings.Repeat(unit, g.IntN(1<<g.IntN(17))/len(unit))
	switch g.IntN(8) {
	case 0:
		return "[" + strings.TrimSuffix(strings.Repeat(g.pick("1,", "{},", "[],", `"",`, `{"":0},`, "null,"), g.IntN(9000)), ",") + "]"
	case 1:
		return g.pick("", "a", ",", "1.2.3", ">=1.0 <2 || 3", "a{100}", "(a|b)*", "\\pL{50}", "^$", "", "999999999999", "1e308", "https://u:p@h/%20?q#f", "2026-01-01T00:00:00Z")
	}
	return text
}

func (g generator) int() int {
	switch g.IntN(4) {
	case 0:
		return g.IntN(10) - 3
	case 1:
		return 1<<g.IntN(62) - g.IntN(2)
	case 2:
		return -(1 << g.IntN(62))
	}
	return g.IntN(20000)
}

func (g generator) any(depth int) any {
	switch g.IntN(9) {
	case 0:
		return nil
	case 1:
		return g.IntN(2) == 0
	case 2:
		return int64(g.int())
	case 3:
		return g.int()
	case 4:
		return []float64{0, 1e308, -1e-308, 0.1}[g.IntN(4)]
	case 5, 6:
		if depth < 3 {
			list := make([]any, g.IntN(1<<g.IntN(9)))
			for i := range list {
				list[i] = g.any(depth + 2)
			}
			return list
		}
	case 7:
		if depth < 3 {
			return g.dict(depth)
		}
	}
	return g.string()
}

func (g generator) dict(depth int) map[string]any {
	out := map[string]any{}
	for range g.IntN(1 << g.IntN(8)) {
		out[g.pick("a", "b", "scheme", "host", "query", g.string())] = g.any(depth + 2)
	}
	return out
}

func (g generator) value(t reflect.Type) reflect.Value {
	switch t.Kind() {
	case reflect.String:
		return reflect.ValueOf(g.string()).Convert(t)
	case reflect.Int, reflect.Int64:
		return reflect.ValueOf(g.int()).Convert(t)
	case reflect.Bool:
		return reflect.ValueOf(g.IntN(2) == 0)
	case reflect.Float64:
		return reflect.ValueOf(0.5)
	case reflect.Map:
		return reflect.ValueOf(g.dict(0))
	case reflect.Interface:
		out := reflect.New(t).Elem()
		if v := g.any(0); v != nil {
			out.Set(reflect.ValueOf(v))
		}
		return out
	}
	panic("no arguments for " + t.String())
}

// arguments of a function, a variadic one's last ones as a list.
func (g generator) arguments(fn reflect.Type) []reflect.Value {
	var out []reflect.Value
	for i := range fn.NumIn() {
		if !fn.IsVariadic() || i < fn.NumIn()-1 {
			out = append(out, g.value(fn.In(i)))
			continue
		}
		list := reflect.MakeSlice(fn.In(i), 0, 0)
		for range g.IntN(1 << g.IntN(7)) {
			list = reflect.Append(list, g.value(fn.In(i).Elem()))
		}
		out = append(out, list)
	}
	return out
}

// Of every function that templates may call: whatever it is given, it makes no
// more than its price says, and allocates no more than in proportion to what it
// is charged.
func TestFunctionsStayWithinTheirBudget(t *testing.T) {
	race.Pointless(t)
	const (
		times  = 6 // what is allocated on the way, of what is charged at the most
		always = 64 << 10
	)
	for _, name := range slices.Sorted(maps.Keys(functions)) {
		t.Run(name, func(t *testing.T) {
			g := generator{rand.New(rand.NewPCG(11, uint64(len(name))))}
			f := functions[name]
			fn := reflect.TypeOf(f.call)
			worked := 0
			for range 25 {
				args := g.arguments(fn)
				switch name {
				case "dig": // takes keys, a default and a map
					args = []reflect.Value{reflect.ValueOf([]any{g.pick("a", "b"), g.any(0), g.dict(0)})}
				case "slice", "mustSlice":
					args = []reflect.Value{reflect.ValueOf([]any{g.any(0), g.any(0)}), reflect.ValueOf([]any{1, g.any(1)}[:1+g.IntN(2)])}
				}
				b := newBudget(t.Context())
				c := call{budget: b, variadic: fn.IsVariadic(), args: flat(args, fn.IsVariadic())}
				if err := c.before(f.price); err != nil {
					continue
				}
				taken := float64(maxWork-b.left) + c.bound
				var out []reflect.Value
				spent := allocated(func() {
					defer func() {
						if r := recover(); r != nil {
							out = nil // as text/template does, it is an error
						}
					}()
					if fn.IsVariadic() {
						out = reflect.ValueOf(f.call).CallSlice(args)
					} else {
						out = reflect.ValueOf(f.call).Call(args)
					}
				})
				if float64(spent) > times*taken+always {
					t.Fatalf("allocates %d bytes, charged %.0f, of %s", spent, taken, describe(args))
				}
				if len(out) == 0 {
					continue
				}
				worked++
				if !c.deep {
					continue // a part of what it was given
				}
				if made, err := newBudget(t.Context()).measure(out[0]); err == nil && float64(made.text) > c.bound {
					t.Fatalf("makes %d bytes of text, at most %.0f expected, of %s", made.text, c.bound, describe(args))
				}
			}
			if worked == 0 {
				t.Errorf("was never called: the test is without worth")
			}
		})
	}
}

func describe(args []reflect.Value) string {
	var out []string
	for _, a := range args {
		text := fmt.Sprintf("%#v", a.Interface())
		out = append(out, fmt.Sprintf("%.100s (%d)", text, len(text)))
	}
	return strings.Join(out, ", ")
}

// What once took hundreds of MiB, or a worker for many seconds, is refused
// before it is made.
func TestTemplatesThatWouldTakeAllMemory(t *testing.T) {
	x := `{{ $x := repeat 260000 "x" }}`
	many := strings.Repeat(" $x", 400)
	attacks := map[string]string{
		"print of many":         x + "{{ if print" + many + " }}{{ end }}",
		"html of many":          x + "{{ if html" + many + " }}{{ end }}",
		"cat of many":           x + "{{ if cat" + many + " }}{{ end }}",
		"printf by index":       x + `{{ if printf "` + strings.Repeat("%[1]s", 400) + `" $x }}{{ end }}`,
		"many in a list":        x + strings.Repeat("{{ $l := list $x $x $x }}{{ if toJson $l }}{{ end }}", 60),
		"calls that keep":       x + keeping(10),
		"loops that keep":       `{{ $l := list }}{{ range until 9000 }}{{ $l = append $l (repeat 200000 "x") }}{{ end }}`,
		"patterns":              `{{ $p := repeat 200 "a{1000}" }}` + strings.Repeat(`{{ if regexMatch $p "a" }}{{ end }}`, 120),
		"patterns that differ":  `{{ range $i := until 9000 }}{{ if regexMatch (printf "%d(a{30}){30}" $i) "a" }}{{ end }}{{ end }}`,
		"a pattern and a text":  `{{ $x := repeat 200000 "a" }}{{ range until 9000 }}{{ if regexMatch "(a{30}){30}b" $x }}{{ end }}{{ end }}`,
		"json of nothing":       `{{ $x := repeat 80000 "{}," }}{{ range until 9000 }}{{ if fromJson (print "[" $x "1") }}{{ end }}{{ end }}`,
		"lists of lists":        `{{ $l := list 1 2 3 }}{{ range until 9000 }}{{ $l = list $l $l }}{{ end }}{{ $l }}`,
		"the output, in fields": `{{ repeat 60000 "<" }}`,
		"pure conditions":       `{{ $x := repeat 2000000 "x" }}{{ $y := print $x "y" }}{{ range until 9000 }}{{ if upper $x }}{{ end }}{{ end }}`,
	}
	for name, text := range attacks {
		t.Run(name, func(t *testing.T) {
			if len(text) > 10240 {
				t.Fatalf("%d characters are more than the API server takes", len(text))
			}
			message := &v1alpha1.AlertMessage{Text: text}
			for range 2 {
				message.Fields = append(message.Fields, v1alpha1.AlertField{Title: "a", Value: text[:min(len(text), 2000)]})
			}
			if len(text) > 2000 {
				message.Fields = nil
			}
			rule, err := Compile(&v1alpha1.SlackAlertSpec{Message: message})
			if err != nil {
				t.Fatal(err)
			}
			var content v1alpha1.Content
			spent := allocated(func() { content, err = rule.Render(t.Context(), scene(), v1alpha1.Content{}) })
			if err == nil && name != "the output, in fields" {
				t.Errorf("renders as %.100q", content.Text)
			}
			if spent > 32<<20 {
				t.Errorf("allocates %d MiB, want less than 32", spent>>20)
			}
		})
	}
}

// keeping calls templates that each keep what they have made until the last has
// ended.
func keeping(n int) string {
	out := `{{ template "t0" $x }}`
	for i := range n {
		next := ""
		if i < n-2 {
			next = strings.Repeat(fmt.Sprintf(`{{ template "t%d" (print $x "y") }}`, i+1), 5)
		}
		out += fmt.Sprintf(`{{ define "t%d" }}{{ $x := print . "z" }}%s{{ end }}`, i, next)
	}
	return out
}

// All fields of a message share one budget.
func TestFieldsShareOneBudget(t *testing.T) {
	message := &v1alpha1.AlertMessage{}
	for range 10 {
		message.Fields = append(message.Fields, v1alpha1.AlertField{Title: "a", Value: `{{ $x := repeat 300000 "x" }}{{ upper $x | len }}`})
	}
	rule, err := Compile(&v1alpha1.SlackAlertSpec{Message: message})
	if err != nil {
		t.Fatal(err)
	}
	content, err := rule.Render(t.Context(), scene(), v1alpha1.Content{})
	if err == nil || content.Fields[0].Value != "300000" || !strings.Contains(content.Fields[9].Value, "can't be shown") {
		t.Errorf("the first is %.50q, the last %.50q: %v", content.Fields[0].Value, content.Fields[9].Value, err)
	}
	// The next message has a budget of its own.
	if again, _ := rule.Render(t.Context(), scene(), v1alpha1.Content{}); again.Fields[0].Value != "300000" {
		t.Errorf("the next message begins with %.50q", again.Fields[0].Value)
	}
}

// A rule as most are keeps little, since functions are shared.
func TestWhatRulesKeep(t *testing.T) {
	race.Pointless(t)
	spec := objectRule("object.status.conditions.exists(c, c.type == 'Ready' && c.status == 'False')", "object.metadata.name")
	spec.Message = &v1alpha1.AlertMessage{Title: "{{ .object.metadata.name }} is down", Text: "{{ .object.kind }}",
		Fields: []v1alpha1.AlertField{{Title: "a", Value: "{{ .count }}"}, {Title: "b", Value: "{{ .state | upper }}"}}}
	const n = 200
	rules := make([]*Rule, n)
	if kept := keptBy(t, spec, rules); kept > 60<<10 {
		t.Errorf("a small rule keeps %d bytes, want less than 60 KiB", kept)
	}
	// The largest is what the limits of parts let through.
	for name, condition := range map[string]string{"comparisons": "object.x == 1 || ", "lists": "[1][0]==1||"} {
		spec = objectRule(strings.Repeat(condition, 3000/len(condition)) + "true")
		for spec.Message = (&v1alpha1.AlertMessage{}); len(spec.GroupBy) < 9; {
			longer := append(slices.Clone(spec.GroupBy), strings.Repeat(condition, 1000/len(condition))+"true")
			if _, err := Compile(&v1alpha1.SlackAlertSpec{Source: spec.Source, GroupBy: longer}); err != nil {
				break
			}
			spec.GroupBy = longer
		}
		spec.Message.Text = strings.Repeat("{{.a.b}}", 390)
		if kept := keptBy(t, spec, rules[:3]); kept > 1<<20 {
			t.Errorf("the largest rule, of %s, keeps %d KiB, want less than 1,024", name, kept>>10)
		}
	}
}

// keptBy is what one of rules keeps, in bytes.
func keptBy(t *testing.T, spec *v1alpha1.SlackAlertSpec, rules []*Rule) uint64 {
	t.Helper()
	compile := func(i int) {
		rule, err := Compile(spec)
		if err != nil {
			t.Fatal(err)
		}
		rules[i] = rule
	}
	compile(0)
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	clear(rules)
	before := heap()
	for i := range rules {
		compile(i)
	}
	kept := (heap() - before) / uint64(len(rules))
	t.Logf("a rule keeps %d bytes", kept)
	runtime.KeepAlive(rules)
	return kept
}
