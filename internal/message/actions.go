package message

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/interact"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// Interaction is what stands below the content of a message that people can answer.
type Interaction struct {
	// Actions that can be taken now.
	Actions []v1alpha1.Action
	// Button names them; its Row is left out.
	Button interact.Button
	// Answers that were given.
	Answers []v1alpha1.Response
	// Expired means: the time to answer is over.
	Expired bool
}

// InteractionOf is what stands below the content: the answers, and the buttons while
// they can be pressed. A SlackChannel that does not exist, which has no name, changes
// nothing of it. Button names no cluster and no render yet.
func InteractionOf(n *v1alpha1.SlackNotification, c *v1alpha1.SlackChannel) Interaction {
	if c.Spec.Webhook != nil || len(n.Spec.Actions) == 0 && len(n.Status.Responses) == 0 {
		return Interaction{}
	}
	out := Interaction{
		Button: interact.Button{UID: n.UID}, Answers: n.Status.Responses, Expired: n.Status.Decision == v1alpha1.DecisionExpired,
	}
	if interact.Open(n) && (c.Name == "" || c.Spec.Interactions != nil) {
		out.Actions = n.Spec.Actions
	}
	return out
}

// Empty reports whether there is nothing to show.
func (i Interaction) Empty() bool {
	return len(i.Actions) == 0 && len(i.Answers) == 0 && !i.Expired
}

// answersShown of those that were given; the status has them all.
const answersShown = 10

// HashWith names a content and what stands below it: as Hash does where nothing
// does, and else by two hashes, so that it can be told whether the content is the
// same. Who may press is not part of it, since nobody sees that.
func HashWith(c v1alpha1.Content, i Interaction) string {
	if i.Empty() {
		return Hash(c)
	}
	actions := slices.Clone(i.Actions)
	for n := range actions {
		actions[n].Allowed, actions[n].Done = nil, ""
	}
	data, err := json.Marshal(struct {
		UID     string
		Actions []v1alpha1.Action
		Lines   []string
	}{string(i.Button.UID), actions, i.lines(PageAll)})
	if err != nil {
		data = []byte(strings.Join(i.lines(PageAll), "\n")) // there is nothing in it that JSON can't hold
	}
	return Hash(c) + "-" + short(append([]byte(hashVersion), data...))
}

// lines say what was answered, in mrkdwn.
func (i Interaction) lines(paging Paging) []string {
	var out []string
	shown := i.Answers
	if n := len(shown) - answersShown; n > 0 {
		out = append(out, fmt.Sprintf("%d earlier answers", n))
		shown = shown[n:]
	}
	for n := range shown {
		r := &shown[n]
		who := "<@" + r.User.ID + ">"
		if paging == PageNobody {
			who = "@" + Escape(literal(safetext.Line(r.User.Name)))
		}
		done, _ := cut(Escape(literal(safetext.Line(interact.DoneOf(r)))), maxFieldTitle)
		out = append(out, "✓ "+done+" by "+who+", "+interact.Clock(r.At.Time))
	}
	switch {
	case i.Expired && len(i.Answers) == 0:
		out = append(out, ":hourglass: nobody answered in time")
	case i.Expired:
		out = append(out, ":hourglass: the time to answer is over")
	}
	return out
}

// Elements of the block actions
// (docs.slack.dev/reference/block-kit/blocks/actions-block and what it links to).
type (
	actionsBlock struct {
		Type     string `json:"type"`
		BlockID  string `json:"block_id"`
		Elements []any  `json:"elements"`
	}
	button struct {
		Type     string     `json:"type"`
		ActionID string     `json:"action_id"`
		Text     textObject `json:"text"`
		Style    string     `json:"style,omitempty"`
		Confirm  *confirm   `json:"confirm,omitempty"`
	}
	menu struct {
		Type        string     `json:"type"`
		ActionID    string     `json:"action_id"`
		Placeholder textObject `json:"placeholder"`
		Options     []option   `json:"options"`
		Confirm     *confirm   `json:"confirm,omitempty"`
	}
	option struct {
		Text  textObject `json:"text"`
		Value string     `json:"value"`
	}
	confirm struct {
		Title   textObject `json:"title"`
		Text    textObject `json:"text"`
		Confirm textObject `json:"confirm"`
		Deny    textObject `json:"deny"`
		Style   string     `json:"style,omitempty"`
	}
)

// Limits of the elements, in characters
// (docs.slack.dev/reference/block-kit/composition-objects/confirmation-dialog-object,
// …/option-object and …/block-elements/button-element).
const (
	maxButton         = 75
	maxConfirm        = 300
	maxConfirmTitle   = 100
	maxConfirmButtons = 30
	// perRow is how many elements stand in a row: Slack takes 25, and shows five
	// beside each other where there is room.
	perRow = 5
)

var styles = map[v1alpha1.ActionStyle]string{v1alpha1.ActionPrimary: "primary", v1alpha1.ActionDanger: "danger"}

// label makes plain text of a label, which Slack refuses when it is empty.
func label(text, otherwise string, limit int) textObject {
	line := safetext.Line(text)
	if line == "" {
		line = otherwise
	}
	head, rest := cut(Escape(line), limit)
	if rest != "" {
		head, _ = cut(Escape(line), limit-1)
		head += "…"
	}
	return textObject{Type: "plain_text", Text: head, Emoji: ptr(true)}
}

func element(a v1alpha1.Action) any {
	var ask *confirm
	if a.Confirm != "" {
		ask = &confirm{
			Title: label(a.Text, a.Name, maxConfirmTitle), Text: label(a.Confirm, a.Text, maxConfirm),
			Confirm: label(a.Text, a.Name, maxConfirmButtons), Deny: label("Cancel", "", maxConfirmButtons), Style: styles[a.Style],
		}
	}
	if len(a.Options) == 0 {
		return button{Type: "button", ActionID: interact.ActionID(a.Name), Text: label(a.Text, a.Name, maxButton), Style: styles[a.Style], Confirm: ask}
	}
	m := menu{Type: "static_select", ActionID: interact.ActionID(a.Name), Placeholder: label(a.Text, a.Name, maxButton), Confirm: ask}
	for _, o := range a.Options {
		m.Options = append(m.Options, option{Text: label(o.Text, o.Value, maxButton), Value: o.Value})
	}
	return m
}

// interaction makes the blocks of answers and actions.
func (o Options) interaction() (blocks []json.RawMessage, places []place) {
	if o.Webhook {
		return nil, nil // a click on a webhook's message could not be followed by an edit
	}
	if lines := o.Interaction.lines(o.Paging); len(lines) > 0 {
		blocks, places = append(blocks, contextBlock(strings.Join(lines, "\n"))), of("status.responses", 1)
	}
	id := o.Interaction.Button
	id.Row = 0
	for row := range slices.Chunk(o.Interaction.Actions, perRow) {
		b := actionsBlock{Type: "actions", BlockID: id.BlockID()}
		for _, a := range row {
			b.Elements = append(b.Elements, element(a))
		}
		blocks, places = append(blocks, encode(b)), append(places, place{field: "spec.actions"})
		id.Row++
	}
	return blocks, places
}

// takes is how many characters of the message's budget the interaction takes.
// Whether Slack counts the lines of menus is not documented; they are not shown.
func (o Options) takes() int {
	if o.Webhook {
		return 0
	}
	n := 0
	for _, line := range o.Interaction.lines(o.Paging) {
		n += utf8.RuneCountInString(line) + 1
	}
	for _, a := range o.Interaction.Actions {
		n += utf8.RuneCountInString(Escape(a.Text)) + utf8.RuneCountInString(Escape(a.Confirm))
	}
	return min(n, maxBlocksText/2)
}

// act puts answers and actions below the content and above the footer. It comes
// after the guard: what they page, and what is written in them, is the operator's.
func (r *renderer) act(m *slack.Message) {
	blocks, at := r.options.interaction()
	if len(blocks) == 0 {
		return
	}
	footer := 0
	if r.options.ClusterName != "" {
		footer = 1
	}
	if !r.inAttachment {
		m.Blocks = insert(m.Blocks, footer, blocks)
		r.places.blocks = insert(r.places.blocks, footer, at)
		return
	}
	var a attachment
	if json.Unmarshal(m.Attachments[0], &a) != nil {
		return // it was written here
	}
	a.Blocks = insert(a.Blocks, footer, blocks)
	m.Attachments[0] = encode(a)
	r.places.attachments[0].blocks = insert(r.places.attachments[0].blocks, footer, at)
}

// insert puts more before the last n of a list.
func insert[T any](list []T, n int, more []T) []T {
	return slices.Insert(slices.Clone(list), max(len(list)-n, 0), more...)
}
