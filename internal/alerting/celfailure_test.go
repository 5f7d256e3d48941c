package alerting

import (
	"errors"
	"strings"
	"testing"
)

// Who wrote an expression that fails on an object is told which part of it does, on
// values of what types, and what to write. No value is told.
func TestFailuresAreToldPlainly(t *testing.T) {
	object := map[string]any{
		"text": "s3cr3t", "n": int64(3), "zero": int64(0), "nothing": nil, "yes": true, "list": []any{int64(1), "s3cr3t"}, "map": map[string]any{"a": "s3cr3t"},
		"at": "2026-01-01T00:00:00Z", "long": strings.Repeat("x", 200_000),
	}
	for _, c := range []struct{ name, when, says string }{
		{"text and number", "object.text > 5", "object.text > 5 can't be evaluated: > does not take (string, int); make it a number, as in int(object.text)"},
		{"number and text", "object.n < 'a'", "object.n < \"a\" can't be evaluated: < does not take (int, string); make the number a text, as in string(object.n)"},
		{"sum", "object.n + object.text == 'x'", "object.n + object.text can't be evaluated: + does not take (int, string); make it a number, as in int(object.text)"},
		{"null", "object.nothing > 1", "object.nothing > 1 can't be evaluated: > does not take (null_type, int); say what null means, as in object.nothing != null && …"},
		{"no bool in a conjunction", "object.n == 3 && object.text", "object.text is a string, and must be a bool; compare it, as in object.text == …"},
		{"no bool is negated", "!object.text", "object.text is a string, and must be a bool; compare it, as in object.text == …"},
		{"no bool asked", "object.text ? true : false", "object.text is a string, and must be a bool; compare it, as in object.text == …"},
		{"a method of texts", "object.n.startsWith('a')", `object.n.startsWith("a") can't be evaluated: startsWith does not take (int, string)`},
		{"a pattern", "object.n.matches('a')", `object.n.matches("a") can't be evaluated: matches does not take (int, string)`},
		{"a time", "timestamp(object.at) > object.at", "make it a time, as in timestamp(object.at)"},
		{"no list", "object.text.exists(x, x == 'a')", "object.text is a string, and no list or map to go through; ask first, as in type(object.text) == list"},
		{"in a loop", "object.list.exists(x, x > 5)", "x > 5 can't be evaluated: > does not take (string, int); make it a number, as in int(x)"},
		{"size of a number", "size(object.n) > 1", "size(object.n) can't be evaluated: size does not take (int)"},
		{"division", "object.n / object.zero > 1", "object.n / object.zero can't be evaluated: division by zero; ask first, as in n != 0 && …"},
		{"no number", "int(object.text) > 1", "int(object.text) can't be evaluated: int() can't read what it is given"},
		{"no time", "timestamp(object.text) > timestamp(object.at)", "timestamp(object.text) can't be evaluated: timestamp() can't read what it is given"},
		{"a map and a number", "object.map > 1", "object.map > 1 can't be evaluated: > does not take (map, int); write it as in object.status.phase == 'Failed'"},
		{"too much", "lists.range(10000).map(x, object.long + object.long).size() > 0", "it costs more than 1000000, which is what one evaluation may cost"},
		{"no bool at all", "object.text", "gives a string, and must give a bool"},
	} {
		t.Run(c.name, func(t *testing.T) {
			rule, err := Compile(objectRule(c.when))
			if err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time, the diagnosis is there
				_, err = rule.Holds(t.Context(), ObjectVars(object, nil))
				var failed *EvalError
				if !errors.As(err, &failed) || failed.Missing || failed.Place != "spec.source.objects.when" || !strings.Contains(failed.Message, c.says) {
					t.Fatalf("it says %v, want %s", err, c.says)
				}
				if jargon.MatchString(failed.Message) || strings.Contains(failed.Message, "s3cr3t") {
					t.Errorf("%v: words of a parser, or a value", err)
				}
			}
			if rule.Spent() == 0 {
				t.Error("it has cost nothing")
			}
		})
	}
}

// A part that is missing stays told by its name, and what fails inside of a loop
// that finds another item does not fail.
func TestWhatIsNoFailure(t *testing.T) {
	object := map[string]any{"list": []any{"a", int64(9)}}
	rule, err := Compile(objectRule("object.list.exists(x, x > 5)"))
	if err != nil {
		t.Fatal(err)
	}
	if yes, err := rule.Holds(t.Context(), ObjectVars(object, nil)); err != nil || !yes {
		t.Errorf("%v, %v", yes, err)
	}
	rule, err = Compile(objectRule("object.status.ready < 1"))
	if err != nil {
		t.Fatal(err)
	}
	_, err = rule.Holds(t.Context(), ObjectVars(map[string]any{"status": map[string]any{}}, nil))
	if err == nil || err.Error() != "spec.source.objects.when: no such key: ready" {
		t.Errorf("%v", err)
	}
}
