package term

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
)

// span is text of one style.
type span struct {
	text  string
	style style
}

// style of a span.
type style int

// The styles, which add up.
const (
	bold style = 1 << iota
	italic
	strike
	code
	linked
	person
	faint
)

// sgr are the parameters of ANSI's "select graphic rendition" for the styles
// (ECMA-48, 8.3.117).
var sgr = []struct {
	style style
	code  string
}{{bold, "1"}, {faint, "2"}, {italic, "3"}, {linked, "4"}, {strike, "9"}, {code, "36"}, {person, "34"}}

func (p *Printer) paint(s span) string {
	if !p.Color || s.style == 0 || s.text == "" {
		return s.text
	}
	var codes []string
	for _, known := range sgr {
		if s.style&known.style != 0 {
			codes = append(codes, known.code)
		}
	}
	return "\x1b[" + strings.Join(codes, ";") + "m" + s.text + "\x1b[0m"
}

// token finds what mrkdwn marks: code, links and mentions, and styles.
var token = regexp.MustCompile("`([^`\n]+)`|<([^<>\n]+)>|\\*([^*\n]+)\\*|\\b_([^_\n]+)_\\b|~([^~\n]+)~|:([a-z0-9_+-]+):")

// mrkdwn makes spans of a line of Slack's mrkdwn.
func mrkdwn(line string, base style) []span {
	var out []span
	for {
		at := token.FindStringSubmatchIndex(line)
		if at == nil {
			return append(out, span{unescape(line), base})
		}
		part := func(n int) string { return line[at[2*n]:at[2*n+1]] }
		if at[0] > 0 {
			out = append(out, span{unescape(line[:at[0]]), base})
		}
		switch {
		case at[2] >= 0:
			out = append(out, span{unescape(part(1)), base | code})
		case at[4] >= 0:
			out = append(out, reference(part(2), base)...)
		case at[6] >= 0:
			out = append(out, mrkdwn(part(3), base|bold)...)
		case at[8] >= 0:
			out = append(out, mrkdwn(part(4), base|italic)...)
		case at[10] >= 0:
			out = append(out, mrkdwn(part(5), base|strike)...)
		default:
			out = append(out, span{preview.Emoji(part(6)), base})
		}
		line = line[at[1]:]
	}
}

// reference is what stands between < and >.
func reference(inner string, base style) []span {
	target, label, labelled := strings.Cut(inner, "|")
	switch {
	case strings.HasPrefix(target, "@"), strings.HasPrefix(target, "#"), strings.HasPrefix(target, "!"):
		name := strings.TrimPrefix(strings.TrimPrefix(target, "!"), "subteam^")
		if labelled {
			name = label
		}
		if !strings.HasPrefix(name, "@") && !strings.HasPrefix(name, "#") {
			name = "@" + name
		}
		return []span{{unescape(name), base | person}}
	case labelled && label != target:
		return []span{{unescape(label), base | linked}, {" <" + unescape(target) + ">", base | faint}}
	}
	return []span{{unescape(target), base | linked}}
}

// hidden are the control characters, which could change a terminal.
var hidden = regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f-\u009f]")

// Clean is a text without what would change a terminal.
func Clean(s string) string {
	return hidden.ReplaceAllStringFunc(strings.ReplaceAll(s, "\r\n", "\n"), func(c string) string {
		r, _ := utf8.DecodeRuneInString(c)
		return fmt.Sprintf("\\x%02x", r)
	})
}

func unescape(s string) string {
	return Clean(strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s))
}

// wrap breaks spans into lines of a width.
func (p *Printer) wrap(spans []span, width int) []string {
	var lines []string
	var line strings.Builder
	used := 0
	flush := func() {
		lines = append(lines, strings.TrimRight(line.String(), " "))
		line.Reset()
		used = 0
	}
	for _, s := range spans {
		for i, word := range strings.SplitAfter(s.text, " ") {
			_ = i
			n := utf8.RuneCountInString(strings.TrimRight(word, " "))
			if used > 0 && used+n > width {
				flush()
			}
			for utf8.RuneCountInString(word) > width { // longer than a line
				head := string([]rune(word)[:width])
				line.WriteString(p.paint(span{head, s.style}))
				flush()
				word = string([]rune(word)[width:])
			}
			line.WriteString(p.paint(span{word, s.style}))
			used += utf8.RuneCountInString(word)
		}
	}
	flush()
	return lines
}
