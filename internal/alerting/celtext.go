package alerting

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/google/cel-go/cel"

	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// examples of an expression of each source: a condition, and one to group by.
var examples = map[Source]struct{ condition, key string }{
	Objects:      {"object.status.phase == 'Failed'", "object.metadata.name"},
	Events:       {"event.reason == 'BackOff'", "event.involvedObject.name"},
	Alertmanager: {"labels.severity == 'critical'", "labels.alertname"},
	Webhook:      {"body.state == 'failed'", "body.id"},
}

// writing is what the sentences about an expression need to know of it.
type writing struct {
	source    Source
	condition bool
}

func (w writing) example() string {
	if e := examples[w.source]; w.condition {
		return e.condition
	}
	return examples[w.source].key
}

// describe says where the first error of an expression is, and what it is.
func (w writing) describe(issues *cel.Issues) string {
	if len(issues.Errors()) == 0 {
		return ": " + safetext.Line(issues.Err().Error())
	}
	e := issues.Errors()[0]
	what := w.plain(strings.TrimSuffix(safetext.Line(e.Message), " (in container '')"))
	if e.Location.Line() < 1 {
		return ": " + what
	}
	return fmt.Sprintf(", line %d, column %d: %s", e.Location.Line(), max(e.Location.Column()+1, 1), what)
}

// What cel-go says, which is known to it by no type
// (github.com/google/cel-go/tree/master/parser and /checker).
var (
	syntaxError = "Syntax error: "
	strangeSign = regexp.MustCompile(`^token recognition error at: '(.*)'$`)
	strangeWord = regexp.MustCompile(`^(?:mismatched|extraneous) input '(.+)' expecting`)
	missingSign = regexp.MustCompile(`^missing '(.{1,3})' at`)
	wrongTypes  = regexp.MustCompile(`^found no matching overload for '(.{1,40})' applied to '(.{1,200})'$`)
	undeclared  = regexp.MustCompile(`^undeclared reference to '[^']*'$`)
)

// inCEL are the words of other languages for what CEL writes in another way.
var inCEL = map[string]string{"and": "&&", "or": "||", "not": "!", "=": "==", "===": "==", "&": "&&", "|": "||", "<>": "!=", "matches": ".matches('…')", "contains": ".contains('…')"}

// plain says what cel-go says without the words of its parser.
func (w writing) plain(message string) string {
	words, syntax := strings.CutPrefix(message, syntaxError)
	switch m := wrongTypes.FindStringSubmatch(message); {
	case syntax:
		return syntaxError + w.syntax(words) + "; write it as in " + w.example()
	case m != nil && strings.HasPrefix(m[1], "_"):
		return fmt.Sprintf("the operator %s does not take %s; write it as in %s", strings.Trim(m[1], "_"), m[2], w.example())
	case m != nil:
		return fmt.Sprintf("%s does not take %s", m[1], m[2])
	case undeclared.MatchString(message):
		return fmt.Sprintf("%s: neither a function of CEL nor a variable here, which are %s", message, strings.Join(variables[w.source], ", "))
	}
	return message
}

func (w writing) syntax(words string) string {
	if m := strangeSign.FindStringSubmatch(words); m != nil {
		sign := strings.TrimSpace(m[1])
		if strings.HasPrefix(sign, "'") || strings.HasPrefix(sign, `"`) {
			return "the text that begins here has no end: close it with the same quote"
		}
		return outOfPlace(sign)
	}
	if m := missingSign.FindStringSubmatch(words); m != nil {
		return fmt.Sprintf("%q is missing here", m[1])
	}
	m := strangeWord.FindStringSubmatch(words)
	switch {
	case m != nil && m[1] == "<EOF>", strings.HasPrefix(words, "no viable alternative"):
		return "the expression is not whole: something is missing here"
	case m != nil:
		return outOfPlace(m[1])
	}
	return "it can't be read from here on"
}

// maxSign is how much is told of what can't stand somewhere, in characters.
const maxSign = 30

func outOfPlace(sign string) string {
	if right, ok := inCEL[sign]; ok {
		return fmt.Sprintf("%q is not CEL's: write %s", sign, right)
	}
	if runes := []rune(sign); len(runes) > maxSign {
		sign = string(runes[:maxSign]) + "…"
	}
	return fmt.Sprintf("%q can't stand here", sign)
}
