package alerting

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

// jargon are the parser's own words.
var jargon = regexp.MustCompile(`no viable|<EOF>|IDENTIFIER|token recognition|mismatched|extraneous|overload|NUM_`)

func compileWhen(text string) error {
	left := maxExpressionParts
	_, err := compileExpression(Objects, "spec.source.objects.when", text, true, &left)
	return err
}

// Who writes a wrong expression is told the field, the place and what to write.
func TestWrongExpressionsAreToldPlainly(t *testing.T) {
	example := "; write it as in object.status.phase == 'Failed'"
	for _, c := range []struct{ name, when, says string }{
		{"one equals sign", "object.status.phase = 'Failed'", `, line 1, column 21: Syntax error: "=" is not CEL's: write ==` + example},
		{"text without end", "object.status.phase == 'Failed", `, line 1, column 24: Syntax error: the text that begins here has no end: close it with the same quote` + example},
		{"ends in a dot", "object.", `, line 1, column 8: Syntax error: the expression is not whole: something is missing here` + example},
		{"empty", "", `, line 1, column 1: Syntax error: the expression is not whole: something is missing here` + example},
		{"ends in an operator", "1 +", `, line 1, column 4: Syntax error: the expression is not whole`},
		{"no bracket", "object['a'", `, line 1, column 11: Syntax error: "]" is missing here`},
		{"a bracket too many", "object.x == 'a')", `, line 1, column 16: Syntax error: ")" can't stand here`},
		{"and", "object.x == 'a' and object.y", `, line 1, column 17: Syntax error: "and" is not CEL's: write &&`},
		{"two words", "a b", `, line 1, column 3: Syntax error: "b" can't stand here`},
		{"at", "@", `, line 1, column 1: Syntax error: "@" can't stand here`},
		{"second line", "object.x == 'a'\n  && object.y === 2", `, line 2, column 17: Syntax error: "=" is not CEL's: write ==`},
		{"unknown variable", "objekt.x == 1", `, line 1, column 1: undeclared reference to 'objekt': neither a function of CEL nor a variable here, which are object, oldObject`},
		{"unknown function", "object.status.conditions.exist(c, true)", `: undeclared reference to 'exist': neither`},
		{"types", `"a" + 1 == 2`, `, line 1, column 5: the operator + does not take (string, int)`},
		{"types of a function", "size(1)", `, line 1, column 5: size does not take (int)`},
		{"a long word", "a " + strings.Repeat("b", 500), `"` + strings.Repeat("b", 30) + `…" can't stand here`},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := compileWhen(c.when)
			if err == nil || !strings.HasPrefix(err.Error(), "spec.source.objects.when") || !strings.Contains(err.Error(), c.says) {
				t.Fatalf("it says %v, want %s", err, c.says)
			}
			if jargon.MatchString(err.Error()) {
				t.Errorf("%v: these are words of a parser", err)
			}
		})
	}
}

func TestExamplesCompile(t *testing.T) {
	for source, e := range examples {
		for text, condition := range map[string]bool{e.condition: true, e.key: false} {
			left := maxExpressionParts
			if _, err := compileExpression(source, "spec", text, condition, &left); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
}

func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "object.", "'", "a b", "1 + ", "size(1)", "object.x = 'é", "\x1b[31m", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, when string) {
		err := compileWhen(when)
		if err == nil {
			return
		}
		if says := err.Error(); !utf8.ValidString(says) || strings.ContainsAny(says, "\x1b\n") {
			t.Errorf("%q: %q is no line of text", when, says)
		}
	})
}
