package intake

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/boundedjson"
	"github.com/slack-notifier/slack-notifier/internal/kubeauth"
	"github.com/slack-notifier/slack-notifier/internal/message"
	"github.com/slack-notifier/slack-notifier/internal/safetext"
)

// maxText of a SlackNotification, in characters.
const maxText = 40000

// message is POST /message: a text for the default channel.
func (s *Server) message(r *http.Request) *answer {
	if s.DefaultChannel.Name == "" {
		return refuse(http.StatusNotFound, "there is no default channel: post to /v1/namespaces/NAMESPACE/channels/SLACKCHANNEL/messages, or start the operator with --intake-default-channel=NAMESPACE/SLACKCHANNEL")
	}
	caller := anonymous
	if s.Anonymous {
		// Of a namespace's share they have one of their own, or anybody could keep
		// out those who show a token.
		if !s.limits.callers.Allow(anonymous+" "+kubeauth.Address(r)) || !s.limits.namespaces.Allow(anonymous+" "+s.DefaultChannel.Namespace) {
			return tooOften()
		}
	} else {
		var refused *answer
		if caller, refused = s.authorize(r, s.DefaultChannel.Namespace); refused != nil {
			return refused
		}
	}
	data, release, refused := s.body(r)
	defer release()
	if refused != nil {
		return refused
	}
	text, refused := decodeMessage(data)
	if refused != nil {
		return refused
	}
	p := post{channel: s.DefaultChannel, caller: caller, content: v1alpha1.Content{Text: text}}
	if refused := p.prepare(r); refused != nil {
		return refused
	}
	return s.work(r.Context(), p.channel.Namespace, func(ctx context.Context) *answer {
		if _, refused := s.store(ctx, p); refused != nil {
			return refused
		}
		return &answer{code: http.StatusOK, text: `Received message: "` + text + `"`}
	})
}

// decodeMessage reads {"message": "…"}.
func decodeMessage(data []byte) (string, *answer) {
	var body map[string]json.RawMessage
	if err := json.Unmarshal(boundedjson.Text(data), &body); err != nil || body == nil {
		return "", refuse(http.StatusBadRequest, `the body is no JSON object like {"message": "…"}`)
	}
	raw, ok := body["message"]
	if !ok {
		return "", refuse(http.StatusBadRequest, `"message" is missing`)
	}
	var text *string
	if err := json.Unmarshal(raw, &text); err != nil || text == nil {
		return "", refuse(http.StatusBadRequest, `"message" is no text`)
	}
	clean := safetext.Clean(*text)
	if strings.TrimSpace(clean) == "" {
		return "", refuse(http.StatusBadRequest, `"message" is empty`)
	}
	return clean, nil
}

// messages is POST /v1/…/messages: any content for any SlackChannel.
func (s *Server) messages(r *http.Request, to route) *answer {
	caller, refused := s.authorize(r, to.namespace)
	if refused != nil {
		return refused
	}
	data, release, refused := s.body(r)
	defer release()
	if refused != nil {
		return refused
	}
	content, refused := decodeContent(data)
	if refused != nil {
		return refused
	}
	p := post{channel: types.NamespacedName{Namespace: to.namespace, Name: to.name}, caller: caller, content: content}
	if refused := p.prepare(r); refused != nil {
		return refused
	}
	return s.work(r.Context(), p.channel.Namespace, func(ctx context.Context) *answer {
		if refused := s.channelExists(ctx, p.channel); refused != nil {
			return refused
		}
		name, refused := s.store(ctx, p)
		if refused != nil {
			return refused
		}
		return stored(http.StatusCreated, struct {
			Namespace string `json:"namespace"`
			Name      string `json:"name"`
		}{p.channel.Namespace, name})
	})
}

// decodeContent reads the content of a SlackNotification, or a message alone.
func decodeContent(data []byte) (v1alpha1.Content, *answer) {
	var body struct {
		v1alpha1.Content
		Message *string `json:"message"`
	}
	d := json.NewDecoder(bytes.NewReader(boundedjson.Text(data)))
	d.DisallowUnknownFields()
	if err := d.Decode(&body); err != nil {
		return body.Content, refuse(http.StatusBadRequest, "the body is no JSON object with the content of a SlackNotification: %s", jsonReason(err))
	}
	if d.More() {
		return body.Content, refuse(http.StatusBadRequest, "the body has more than one JSON object")
	}
	switch {
	case body.Message == nil:
	case body.Text != "":
		return body.Content, refuse(http.StatusBadRequest, `set "text" or "message", not both`)
	case strings.TrimSpace(safetext.Clean(*body.Message)) == "":
		return body.Content, refuse(http.StatusBadRequest, `"message" is empty`)
	default:
		body.Text = *body.Message
	}
	return message.Clean(body.Content), nil
}

// jsonReason says what is wrong without Go's own words for it.
func jsonReason(err error) string {
	var wrong *json.UnmarshalTypeError
	switch {
	case errors.As(err, &wrong) && wrong.Field != "":
		field := strings.TrimPrefix(wrong.Field, "Content.")
		return `"` + field + `" can't be ` + article(wrong.Value)
	case errors.As(err, &wrong):
		return "it is " + article(wrong.Value)
	case strings.HasPrefix(err.Error(), "json: unknown field "):
		return "there is no field " + strings.TrimPrefix(err.Error(), "json: unknown field ")
	}
	return "it can't be read"
}

func article(value string) string {
	if value == "array" || value == "object" {
		return "an " + value
	}
	return "a " + value
}

// channelExists refuses what nobody could deliver.
func (s *Server) channelExists(ctx context.Context, channel types.NamespacedName) *answer {
	if !s.Watches(channel.Namespace) {
		return refuse(http.StatusNotFound, "this operator does not look after namespace %q", channel.Namespace)
	}
	err := s.Live.Get(ctx, channel, &v1alpha1.SlackChannel{})
	switch {
	case apierrors.IsNotFound(err):
		return refuse(http.StatusNotFound, "there is no SlackChannel %q in namespace %q", channel.Name, channel.Namespace)
	case err != nil:
		return again(5, err, "the SlackChannel could not be read")
	}
	return nil
}

// escape keeps what comes from outside from mentioning anybody. Blocks and
// attachments are left: they have a language of their own, and whoever may
// post them may create a SlackNotification with them.
func escape(c *v1alpha1.Content) *answer {
	c.Title = printable(c.Title)
	c.Text = message.Escape(printable(c.Text))
	c.Markdown = escapeMarkdown(printable(c.Markdown))
	for i := range c.Fields {
		c.Fields[i].Value = message.Escape(printable(c.Fields[i].Value))
	}
	if n := utf8.RuneCountInString(c.Text); n > maxText {
		return refuse(http.StatusRequestEntityTooLarge, `the text has %d characters, with "&", "<" and ">" written as "&amp;", "&lt;" and "&gt;"; at most %d go into a message`, n, maxText)
	}
	return nil
}

// printable ends lines as Slack does, and drops control characters.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) && r != '\n' && r != '\t' {
			return -1
		}
		return r
	}, text)
}

// escapeMarkdown leaves the marks of a quotation, which begin a line.
func escapeMarkdown(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		rest := strings.TrimLeft(line, " \t>")
		lines[i] = line[:len(line)-len(rest)] + message.Escape(rest)
	}
	return strings.Join(lines, "\n")
}
