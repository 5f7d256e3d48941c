package message

import "strings"

// Mention is a token like <@yueh.liu> in a text.
type Mention struct {
	// Start and End are byte offsets; text[Start:End] is the whole token.
	Start, End int
	// Name is what stands between <@ and >, without a label after "|".
	Name string
}

// maxMention is how long a name may be, in bytes; what is longer is text.
const maxMention = 254

// Mentions finds the tokens of the form <@name>.
func Mentions(text string) []Mention {
	var out []Mention
	for at := 0; ; {
		i := strings.Index(text[at:], "<@")
		if i < 0 {
			return out
		}
		start := at + i
		at = start + 2
		end := strings.IndexAny(text[at:], "<>\n")
		if end <= 0 || text[at+end] != '>' {
			continue
		}
		name, _, _ := strings.Cut(text[at:at+end], "|")
		if name = strings.TrimSpace(name); name == "" || len(name) > maxMention {
			continue
		}
		at += end + 1
		out = append(out, Mention{Start: start, End: at, Name: name})
	}
}

// ReplaceMentions replaces each <@name> by what f returns for the name.
func ReplaceMentions(text string, f func(name string) string) string {
	mentions := Mentions(text)
	if len(mentions) == 0 {
		return text
	}
	var b strings.Builder
	at := 0
	for _, m := range mentions {
		b.WriteString(text[at:m.Start])
		b.WriteString(f(m.Name))
		at = m.End
	}
	b.WriteString(text[at:])
	return b.String()
}
