package interact

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

const (
	// MaxPayload of an interaction, in bytes. Slack sends the whole message with
	// it, whose documented limits add up to less.
	MaxPayload = 1 << 20
	// maxDepth of its JSON, and maxValues in it.
	maxDepth, maxValues = 64, 100_000
	// maxActions of a payload that are looked at; Slack sends one.
	maxActions = 25
	// maxWord of a field, in bytes: a button's value has at most 2,000 characters
	// (docs.slack.dev/reference/block-kit/block-elements/button-element), and a
	// response_url is shorter.
	maxWord = 8000
	// maxName of a person, in characters.
	maxName = 80
)

// Click is what is used of a block_actions payload
// (docs.slack.dev/reference/interaction-payloads/block_actions-payload). The
// message that comes with it is never read.
type Click struct {
	// AppID of the app that posted the message.
	AppID string
	// TeamID is where the app is installed, and EnterpriseID the organisation; one
	// of them may be empty.
	TeamID, EnterpriseID string
	// UserID, UserName and UserTeamID are who pressed, and that one's own workspace.
	UserID, UserName, UserTeamID string
	// ConversationID and Timestamp are the message, and ThreadTS is the thread that it
	// is a reply in; empty when it is none.
	ConversationID, Timestamp, ThreadTS string
	// Button and Action say what was pressed, and Value what was chosen.
	Button        Button
	Action, Value string
	// ActionTS is when, by Slack's clock, as Slack wrote it; At is the same.
	ActionTS string
	At       time.Time
	// ResponseURL answers the person. It is a credential: never logged or stored.
	ResponseURL string
}

// ErrNotOurs means that a payload is no click on a button of the operator's: one
// of a user's own blocks, a modal, a shortcut.
var ErrNotOurs = errors.New("the interaction is not about a button of slack-notifier")

// ErrUnreadable means that what Slack sent can't be understood. It says no more,
// since the payload holds a credential.
var ErrUnreadable = errors.New("the interaction can't be read")

// word is a string in JSON. Whatever else is there counts as empty, so that one odd
// field does not spoil the rest.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(data []byte) error {
	var s string
	if len(data) <= 6*maxWord && json.Unmarshal(data, &s) == nil && len(s) <= maxWord {
		*w = word(s)
	}
	return nil
}

type pressed struct {
	ID       word `json:"action_id"`
	BlockID  word `json:"block_id"`
	Value    word `json:"value"`
	TS       word `json:"action_ts"`
	Selected struct {
		Value word `json:"value"`
	} `json:"selected_option"`
}

// presses are the first actions of a payload.
type presses []pressed

// UnmarshalJSON implements json.Unmarshaler.
func (p *presses) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if open, err := d.Token(); err != nil || open != json.Delim('[') {
		return nil //nolint:nilerr // no list is an empty one
	}
	for d.More() && len(*p) < maxActions {
		var one pressed
		if err := d.Decode(&one); err != nil && !isTypeError(err) {
			return nil // what was read counts
		}
		*p = append(*p, one)
	}
	return nil
}

type blockActions struct {
	Type  word `json:"type"`
	AppID word `json:"api_app_id"`
	Team  struct {
		ID word `json:"id"`
	} `json:"team"`
	Enterprise struct {
		ID word `json:"id"`
	} `json:"enterprise"`
	User struct {
		ID       word `json:"id"`
		Username word `json:"username"`
		Name     word `json:"name"`
		TeamID   word `json:"team_id"`
	} `json:"user"`
	Container struct {
		MessageTS word `json:"message_ts"`
		ThreadTS  word `json:"thread_ts"`
		ChannelID word `json:"channel_id"`
	} `json:"container"`
	Actions     presses `json:"actions"`
	ResponseURL word    `json:"response_url"`
}

func isTypeError(err error) bool {
	var odd *json.UnmarshalTypeError
	return errors.As(err, &odd)
}

// Decode reads a payload. The error is ErrNotOurs, or ErrUnreadable.
func Decode(payload []byte) (Click, error) {
	if len(payload) > MaxPayload || boundedjson.Depth(payload, maxDepth) > maxDepth || boundedjson.Values(payload, maxValues) > maxValues {
		return Click{}, ErrUnreadable
	}
	var in blockActions
	// What is of another type than documented is left out.
	if err := json.Unmarshal(payload, &in); err != nil && !isTypeError(err) {
		return Click{}, ErrUnreadable
	}
	if in.Type != "block_actions" {
		return Click{}, ErrNotOurs
	}
	for _, one := range in.Actions {
		button, ok := ParseBlockID(string(one.BlockID))
		action, named := ParseActionID(string(one.ID))
		if !ok || !named {
			continue
		}
		return in.click(button, action, one)
	}
	return Click{}, ErrNotOurs
}

var (
	userID         = regexp.MustCompile(`^[UW][A-Z0-9]{1,30}$`)
	teamID         = regexp.MustCompile(`^[TE][A-Z0-9]{1,30}$`)
	conversationID = regexp.MustCompile(`^[CDG][A-Z0-9]{1,30}$`)
	appID          = regexp.MustCompile(`^A[A-Z0-9]{1,30}$`)
	timestamp      = regexp.MustCompile(`^([0-9]{1,12})\.([0-9]{6})$`)
)

// only returns a word of a certain form; empty for any other.
func only(form *regexp.Regexp, w word) string {
	if !form.MatchString(string(w)) {
		return ""
	}
	return string(w)
}

func (in *blockActions) click(button Button, action string, one pressed) (Click, error) {
	c := Click{
		AppID: only(appID, in.AppID), TeamID: only(teamID, in.Team.ID), EnterpriseID: only(teamID, in.Enterprise.ID),
		UserID: only(userID, in.User.ID), UserTeamID: only(teamID, in.User.TeamID), UserName: nameOf(in.User.Username, in.User.Name),
		ConversationID: only(conversationID, in.Container.ChannelID), Timestamp: only(timestamp, in.Container.MessageTS), ThreadTS: only(timestamp, in.Container.ThreadTS),
		Button: button, Action: action, Value: string(one.Value), ActionTS: only(timestamp, one.TS), ResponseURL: string(in.ResponseURL),
	}
	if one.Selected.Value != "" {
		c.Value = string(one.Selected.Value)
	}
	if c.UserID == "" || c.ConversationID == "" || c.Timestamp == "" || c.ActionTS == "" {
		return Click{}, ErrUnreadable
	}
	c.At = TimeOf(c.ActionTS)
	return c, nil
}

// TimeOf is the time of Slack's timestamp; zero when it is none.
func TimeOf(ts string) time.Time {
	parts := timestamp.FindStringSubmatch(ts)
	if parts == nil {
		return time.Time{}
	}
	seconds, _ := strconv.ParseInt(parts[1], 10, 64) // digits
	micros, _ := strconv.ParseInt(parts[2], 10, 64)
	return time.Unix(seconds, micros*int64(time.Microsecond)).UTC()
}

// nameOf is the person's name in one short line.
func nameOf(names ...word) string {
	for _, n := range names {
		line := []rune(safetext.Line(string(n)))
		if len(line) > maxName {
			line = append(line[:maxName-1], '…')
		}
		if len(line) > 0 {
			return string(line)
		}
	}
	return ""
}

// ID names the click: the same one has the same ID however often it comes.
func (c Click) ID() string {
	return hashOf([]string{"click", c.UserID, string(c.Button.UID), c.Action, c.Value, c.ActionTS})[:16]
}

// ErrNoPayload means that a form has not exactly one field payload.
var ErrNoPayload = errors.New("the body must be a form with one field payload, as Slack sends it")

// DecodeForm returns the payload of a body as Slack posts it: a form
// (application/x-www-form-urlencoded) with one field
// (docs.slack.dev/interactivity/handling-user-interaction).
func DecodeForm(body []byte) ([]byte, error) {
	var payload string
	found := 0
	for field := range strings.SplitSeq(string(body), "&") {
		name, value, _ := strings.Cut(field, "=")
		if name != "payload" {
			continue
		}
		found++
		text, err := url.QueryUnescape(value)
		if err != nil || found > 1 {
			return nil, ErrNoPayload
		}
		payload = text
	}
	if found == 0 || payload == "" {
		return nil, ErrNoPayload
	}
	return []byte(payload), nil
}
