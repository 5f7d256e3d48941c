package message

import (
	"regexp"
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Mention is a token like <@yueh.liu> in a text.
type Mention struct {
	// Start and End are byte offsets; text[Start:End] is the whole token.
	Start, End int
	// Name is what stands between <@ and >, without a label after "|", and
	// without entities.
	Name string
	// Code is true inside a code span or code block, where Slack shows a text
	// as it is.
	Code bool
}

// maxMention is how long a name may be, in bytes; what is longer is text.
const maxMention = 254

// idForm is what Slack's IDs of users look like. A handle is in lower case, so
// capitals with a digit are none, however few.
var idForm = regexp.MustCompile(`^[UW](?:[A-Z0-9]{6,}|[A-Z]*[0-9][A-Z0-9]*)$`)

// IsID reports whether the mention names its user as Slack does, so that there
// is nothing to look up.
func (m Mention) IsID() bool { return idForm.MatchString(m.Name) }

// MentionedNames are the names that a content mentions and that have to be
// looked up: each once, in the order of their appearance.
func MentionedNames(c v1alpha1.Content) []string {
	var names []string
	seen := map[string]bool{}
	add := func(mentions []Mention) {
		for _, m := range mentions {
			if !m.Code && !m.IsID() && !seen[m.Name] {
				seen[m.Name] = true
				names = append(names, m.Name)
			}
		}
	}
	add(Mentions(c.Text))
	add(markdownMentions(c.Markdown))
	for _, f := range c.Fields {
		add(Mentions(f.Value))
	}
	return names
}

// Mentions finds the tokens of the form <@name> in a mrkdwn text.
func Mentions(text string) []Mention {
	if !strings.Contains(text, "<@") {
		return nil
	}
	var out []Mention
	for at := 0; at < len(text); {
		i := strings.IndexAny(text[at:], "<`")
		if i < 0 {
			break
		}
		at += i
		if text[at] == '`' {
			end := codeEnd(text, at)
			for _, m := range mentionsInCode(text[at:end]) {
				m.Start, m.End, m.Code = m.Start+at, m.End+at, true
				out = append(out, m)
			}
			at = end
			continue
		}
		end := tokenEnd(text, at)
		if name, ok := mentionName(text[at:end]); ok {
			out = append(out, Mention{Start: at, End: end, Name: name})
		}
		at = end
	}
	return out
}

// codeEnd returns where the code ends that begins with the backtick at a
// place; where it is not closed, the backticks are text.
func codeEnd(text string, at int) int {
	rest := text[at:]
	if strings.HasPrefix(rest, fence) {
		if end := strings.Index(rest[len(fence):], fence); end >= 0 {
			return at + end + 2*len(fence)
		}
		return at + len(fence)
	}
	line, _, _ := strings.Cut(rest[1:], "\n")
	if end := strings.IndexByte(line, '`'); end >= 0 {
		return at + end + 2
	}
	return at + 1
}

// tokenEnd returns where the token ends that begins with the "<" at a place;
// a "<" without an end on its line is text.
func tokenEnd(text string, at int) int {
	end := strings.IndexAny(text[at+1:], "<>\n")
	if end < 0 || text[at+1+end] != '>' {
		return at + 1
	}
	return at + end + 2
}

// mentionName returns the name of a token like <@name> or <@name|label>.
func mentionName(token string) (string, bool) {
	inner, ok := strings.CutPrefix(token, "<@")
	if !ok || len(inner) < 2 {
		return "", false
	}
	name, _, _ := strings.Cut(strings.TrimSuffix(inner, ">"), "|")
	name = strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(unescape(name)), "@"))
	return name, name != "" && len(name) <= maxMention
}

func mentionsInCode(code string) []Mention {
	var out []Mention
	for at := 0; ; {
		i := strings.Index(code[at:], "<@")
		if i < 0 {
			return out
		}
		start := at + i
		at = tokenEnd(code, start)
		if name, ok := mentionName(code[start:at]); ok {
			out = append(out, Mention{Start: start, End: at, Name: name})
		}
	}
}

// replaceMentions replaces tokens by what f returns for them.
func replaceMentions(text string, mentions []Mention, f func(token string, m Mention) string) string {
	if len(mentions) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, m := range mentions {
		b.WriteString(text[at:m.Start])
		b.WriteString(f(text[m.Start:m.End], m))
		at = m.End
	}
	b.WriteString(text[at:])
	return b.String()
}

// mention writes mrkdwn for a mention: the token that was looked up, or the
// name in plain text for one that was not found.
func (o Options) mention(token string, m Mention) string {
	switch {
	case m.IsID():
		return token
	case m.Code:
		return Escape(unescape(token))
	case o.Mentions[m.Name] != "":
		return o.Mentions[m.Name]
	default:
		return "@" + Escape(m.Name)
	}
}

// mrkdwn replaces the mentions of a mrkdwn text.
func (o Options) mrkdwn(text string) string {
	return replaceMentions(text, Mentions(text), o.mention)
}
