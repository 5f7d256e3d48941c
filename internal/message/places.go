package message

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// place is where a block or an attachment of the message comes from.
type place struct {
	// field of the SlackNotification, as in "spec.blocks[0]"; empty when the
	// operator has added it.
	field string
	// raw is true for what is in Slack's own format there, so that the way into it
	// is the same.
	raw bool
	// blocks of an attachment that the rendering has made.
	blocks []place
}

// places are those of a message.
type places struct{ blocks, attachments []place }

// of is the place that stands n times.
func of(field string, n int) []place {
	out := make([]place, max(n, 0))
	for i := range out {
		out[i].field = field
	}
	return out
}

// bodyField is the field that a text was written in.
func (r *renderer) bodyField() string {
	if r.source.Markdown != "" {
		return "spec.markdown"
	}
	return "spec.text"
}

// tailPlaces are those of n blocks that tail has made: fields, and what follows.
func (r *renderer) tailPlaces(n int) []place {
	return append(of("spec.fields", n-len(r.below)), r.below...)
}

// pointer is how Slack names the place of an error in what it was sent.
var pointer = regexp.MustCompile(`\[json-pointer:((?:/[^\s/\]]{1,64})+)\]`)

// Name returns an error with the SlackNotification's fields in place of Slack's
// pointers into what it was sent, as far as these are known.
func (r Rendered) Name(e *slack.Error) *slack.Error {
	if e == nil || len(e.Details) == 0 {
		return e
	}
	out := *e
	out.Details = make([]string, len(e.Details))
	for i, detail := range e.Details {
		out.Details[i] = pointer.ReplaceAllStringFunc(detail, func(token string) string {
			if field := r.places.field(strings.Split(pointer.FindStringSubmatch(token)[1], "/")[1:]); field != "" {
				return "(" + field + ")"
			}
			return token
		})
	}
	return &out
}

func (p places) field(path []string) string {
	list, ok := map[string][]place{"blocks": p.blocks, "attachments": p.attachments}[path[0]]
	if ok && len(path) == 1 && slices.ContainsFunc(list, func(at place) bool { return at.raw }) {
		return "spec." + path[0]
	}
	for ok && len(path) > 1 {
		n, err := strconv.Atoi(path[1])
		if err != nil || n < 0 || n >= len(list) {
			return ""
		}
		at := list[n]
		if at.raw {
			return at.field + into(path[2:])
		}
		if len(path) < 4 || path[2] != "blocks" || len(at.blocks) == 0 {
			return at.field
		}
		list, path = at.blocks, path[2:]
	}
	return ""
}

// name is what a step into an object looks like that is shown.
var name = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// into writes a path as Kubernetes does, as far as it is one.
func into(path []string) string {
	var b strings.Builder
	for _, step := range path {
		n, err := strconv.Atoi(step)
		switch {
		case err == nil && n >= 0:
			fmt.Fprintf(&b, "[%d]", n)
		case name.MatchString(step):
			b.WriteString("." + step)
		default:
			return b.String()
		}
	}
	return b.String()
}
