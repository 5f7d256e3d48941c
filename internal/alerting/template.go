package alerting

import (
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
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

// execute returns what a template makes of data. An expression that fails leaves
// a note in its place, and the error is that of the first. Where more is asked
// for than there is, what has been made so far is followed by a note.
func (r *rendering) execute(t *template, data map[string]any) (string, error) {
	if t == nil {
		return "", nil
	}
	var out limited
	r.current, r.out, r.failed = t, &out, nil
	err := r.root.ExecuteTemplate(&out, t.place, data)
	if err != nil {
		out.WriteString(" (" + t.place + " can't be shown)")
	}
	if r.failed != nil {
		err = r.failed // it knows better what has failed
	}
	if err == nil {
		return out.String(), nil
	}
	failed := &EvalError{Place: t.place, Message: strings.TrimLeft(strings.TrimPrefix(describeTemplateError(t.place, err), t.place), ":, ")}
	if ended := r.ctx.Err(); ended != nil {
		failed.Message = "takes too long"
	}
	failed.Message = shorten(safetext.Line(failed.Message), maxError)
	return strings.TrimSpace(out.String()), failed
}

// show writes one inserted value.
func (r *rendering) show(source string, value any) (string, error) {
	t := r.current
	if value == nil || isNil(value) {
		return t.escape(missing(source)), r.charge(float64(callBytes + len(source)))
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
