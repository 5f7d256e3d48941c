package slack

import (
	"regexp"
	"slices"
	"strings"
)

// broadcast is a mention of a whole channel.
var broadcast = regexp.MustCompile(`<!(channel|here|everyone)\b|"type":\s*"broadcast"`)

// BlameBroadcast tells of the mention that may be why Slack refuses a message:
// workspaces can keep @channel and the like to some (seen, not documented:
// github.com/slackhq/slack-api-docs/issues/85). A message without one changes
// nothing.
func (e *Error) BlameBroadcast(m Message) {
	texts := []string{m.Text, m.Markdown}
	for _, raw := range slices.Concat(m.Blocks, m.Attachments) {
		texts = append(texts, strings.NewReplacer(`\u003c`, "<", `\u003C`, "<").Replace(string(raw)))
	}
	found := broadcast.FindStringSubmatch(strings.Join(texts, "\n"))
	if found == nil {
		return
	}
	mention := "a mention of everybody"
	if found[1] != "" {
		mention = "@" + found[1]
	}
	e.Reason = "the message has " + mention + ", which the workspace may allow to some alone"
	e.Remedy = "take " + mention + " out of the message, or ask an administrator of the workspace to let the app use it and post in the channel"
}
