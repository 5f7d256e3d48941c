package preview

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// broadcasts are the mentions of many, by what they page
// (docs.slack.dev/messaging/formatting-message-text).
var broadcasts = map[string]string{
	"here": "@here, all who are active in the channel", "channel": "@channel, all members of the channel", "everyone": "@everyone, all members of the workspace",
}

var special = regexp.MustCompile(`<!(here|channel|everyone|subteam\^[A-Z0-9]+)(\|[^<>]*)?>`)

// pages is whom a message mentions so that they are told of it. The text beside
// blocks mentions nobody by itself.
func pages(m slack.Message) []string {
	var out []string
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	scan := func(text string) {
		for _, mention := range message.Mentions(text) {
			if !mention.Code {
				add("@" + mention.Name)
			}
		}
		for _, found := range special.FindAllStringSubmatch(withoutCode(text), -1) {
			if what, ok := broadcasts[found[1]]; ok {
				add(what)
			} else {
				add("the user group " + strings.TrimPrefix(found[1], "subteam^"))
			}
		}
	}
	scan(m.Text)
	scan(m.Markdown)
	for _, list := range [][]json.RawMessage{m.Blocks, m.Attachments} {
		for _, raw := range list {
			var v any
			if json.Unmarshal(raw, &v) == nil {
				walk(v, scan, add)
			}
		}
	}
	return out
}

var code = regexp.MustCompile("(?s)```.*?```|`[^`\n]*`")

func withoutCode(text string) string { return code.ReplaceAllString(text, "") }

// walk finds mentions in blocks: in their texts, and as elements of rich text.
func walk(v any, scan, add func(string)) {
	switch v := v.(type) {
	case string:
		scan(v)
	case []any:
		for _, item := range v {
			walk(item, scan, add)
		}
	case map[string]any:
		switch kind, _ := v["type"].(string); kind {
		case "user":
			add("@" + text(v, "user_id"))
		case "usergroup":
			add("the user group " + text(v, "usergroup_id"))
		case "broadcast":
			add(broadcasts[text(v, "range")])
		case "plain_text":
			return // mentions are not made of it
		}
		keys := make([]string, 0, len(v))
		for key := range v {
			keys = append(keys, key)
		}
		slices.Sort(keys)
		_, pressed := v["text"].(map[string]any) // a button or a line of a menu, whose value nobody sees
		for _, key := range keys {
			if key != "fallback" && (!pressed || key != "value") {
				walk(v[key], scan, add)
			}
		}
	}
}

func text(m map[string]any, key string) string {
	s, _ := m[key].(string)
	return s
}

// phoneLength is about what the notification on a phone shows, in characters.
const phoneLength = 178

var (
	link   = regexp.MustCompile(`<(?:mailto:|https?://)[^<>|]*\|([^<>]*)>`)
	bare   = regexp.MustCompile(`<((?:mailto:|https?://)[^<>|]*)>`)
	person = regexp.MustCompile(`<[@!#](?:subteam\^)?([^<>|]*)(?:\|([^<>]*))?>`)
	marks  = regexp.MustCompile("(^|\\W)[*_~`]+(\\S(?:[^*_~`]*\\S)?)[*_~`]+")
)

// phone is the text of a message's notification: its text, or what stands for one.
func phone(m slack.Message) string {
	out := m.Text
	if out == "" {
		out = m.Markdown
	}
	for i := 0; out == "" && i < len(m.Attachments); i++ {
		var a struct{ Fallback, Text string }
		_ = json.Unmarshal(m.Attachments[i], &a) // what is no object says nothing
		if out = a.Fallback; out == "" {
			out = a.Text
		}
	}
	for i := 0; out == "" && i < len(m.Blocks); i++ {
		var b struct{ Text json.RawMessage }
		var t struct{ Text string }
		_ = json.Unmarshal(m.Blocks[i], &b)
		_ = json.Unmarshal(b.Text, &t)
		out = t.Text
	}
	out = strings.Join(strings.Fields(plain(out)), " ")
	if runes := []rune(out); len(runes) > phoneLength {
		out = string(runes[:phoneLength-1]) + "…"
	}
	return out
}

// plain is mrkdwn without its marks.
func plain(s string) string {
	s = strings.ReplaceAll(s, "```", " ")
	s = link.ReplaceAllString(s, "$1")
	s = bare.ReplaceAllString(s, "$1")
	s = person.ReplaceAllStringFunc(s, func(token string) string {
		parts := person.FindStringSubmatch(token)
		if parts[2] != "" {
			return "@" + strings.TrimPrefix(parts[2], "@")
		}
		return "@" + parts[1]
	})
	s = emojiName.ReplaceAllStringFunc(s, func(name string) string { return Emoji(strings.Trim(name, ":")) })
	s = marks.ReplaceAllString(s, "$1$2")
	return strings.NewReplacer("&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(s)
}

// pictures of emoji that the operator's own messages and the samples have.
var pictures = map[string]string{
	"information_source": "ℹ️", "white_check_mark": "✅", "warning": "⚠️", "x": "❌", "rotating_light": "🚨", "rocket": "🚀",
	"tada": "🎉", "wave": "👋", "gear": "⚙️", "robot_face": "🤖", "fire": "🔥", "bell": "🔔", "eyes": "👀",
	"hourglass": "⌛",
}

// Emoji is the picture of an emoji by its name, or the name as it is written where the
// picture is not known here.
func Emoji(name string) string {
	if picture, ok := pictures[name]; ok {
		return picture
	}
	return ":" + name + ":"
}

var emojiName = regexp.MustCompile(`:[a-z0-9_+-]+:`)
