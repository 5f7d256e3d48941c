package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/textproto"
	"net/url"
	"os"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/preview"
	"github.com/slack-notifier/slack-notifier/cmd/kubectl-slack/internal/webpage"
	"github.com/slack-notifier/slack-notifier/internal/reference"
)

// show writes messages in the form that was asked for.
func (a *app) show(s *showing, messages []preview.Message) error {
	switch s.output {
	case "json":
		return a.showJSON(messages)
	case "url":
		return a.showURLs(messages, s.open)
	case "html":
		if !s.open {
			return webpage.Write(a.Out, "Preview", messages)
		}
	}
	if s.open {
		return a.openPage(messages)
	}
	p := a.printer()
	for i, m := range messages {
		if i > 0 {
			a.say("")
		}
		if err := p.Message(a.Out, m); err != nil {
			return err
		}
	}
	return nil
}

// openPage has the browser show the page.
func (a *app) openPage(messages []preview.Message) error {
	file, err := os.CreateTemp("", "kubectl-slack-*.html")
	if err != nil {
		return err
	}
	if err := webpage.Write(file, "Preview", messages); err != nil {
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	a.hint("the page is %s", file.Name())
	return a.browse(file.Name())
}

// showJSON writes what is posted, one document for each recipient of each message.
func (a *app) showJSON(messages []preview.Message) error {
	for _, m := range messages {
		for _, post := range m.Posts {
			var out bytes.Buffer
			if err := json.Indent(&out, readable(post.Body), "", "  "); err != nil {
				return err
			}
			out.WriteByte('\n')
			if _, err := a.Out.Write(out.Bytes()); err != nil {
				return err
			}
		}
	}
	return nil
}

// readable is the same JSON with <, > and & as themselves.
func readable(data []byte) []byte {
	var out bytes.Buffer
	for i := 0; i < len(data); i++ {
		if data[i] != '\\' || i+1 >= len(data) {
			out.WriteByte(data[i])
			continue
		}
		if i+6 <= len(data) {
			if plain, ok := map[string]byte{`\u003c`: '<', `\u003e`: '>', `\u0026`: '&'}[string(data[i:i+6])]; ok {
				out.WriteByte(plain)
				i += 5
				continue
			}
		}
		out.Write(data[i : i+2])
		i++
	}
	return out.Bytes()
}

// longURL is from where on an address is too long for many programs that it is
// pasted into, in bytes.
const longURL = 16 << 10

// showURLs writes links to Slack's Block Kit Builder. It knows neither the text
// beside blocks, nor Markdown, senders and threads, so what it is given is derived.
func (a *app) showURLs(messages []preview.Message, open bool) error {
	a.hint("the Block Kit Builder shows a derived form: no sender, no thread, and the title within the coloured bar; -o html shows it all")
	for _, m := range messages {
		if len(m.Posts) == 0 {
			continue
		}
		payload, err := builderPayload(m.Posts[0].Body)
		if err != nil {
			return err
		}
		address := "https://app.slack.com/block-kit-builder/#" + url.PathEscape(string(payload))
		if len(address) > longURL {
			a.hint("the address of %s is %d KiB long; if it does not open, use -o html", m.Name, len(address)>>10)
		}
		a.say("%s", address)
		if open {
			if err := a.browse(address); err != nil {
				return err
			}
		}
	}
	return nil
}

// builderPayload is what the Block Kit Builder takes of a message: blocks alone, or
// one attachment.
func builderPayload(body []byte) ([]byte, error) {
	var m struct {
		Text        string            `json:"text"`
		Markdown    string            `json:"markdown_text"`
		Blocks      []json.RawMessage `json:"blocks"`
		Attachments []struct {
			Color  string            `json:"color,omitempty"`
			Blocks []json.RawMessage `json:"blocks"`
		} `json:"attachments"`
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return nil, err
	}
	encode := func(v any) ([]byte, error) {
		var out bytes.Buffer
		e := json.NewEncoder(&out)
		e.SetEscapeHTML(false)
		err := e.Encode(v)
		return readable(bytes.TrimSpace(out.Bytes())), err
	}
	blocks := m.Blocks
	if len(blocks) == 0 && m.Markdown+m.Text != "" {
		block := map[string]any{"type": "section", "text": map[string]string{"type": "mrkdwn", "text": m.Text}}
		if m.Markdown != "" {
			block = map[string]any{"type": "markdown", "text": m.Markdown}
		}
		raw, err := encode(block)
		if err != nil {
			return nil, err
		}
		blocks = []json.RawMessage{raw}
	}
	for i := range m.Attachments {
		if at := &m.Attachments[i]; len(at.Blocks) > 0 {
			at.Blocks = append(blocks[:len(blocks):len(blocks)], at.Blocks...)
			return encode(map[string]any{"attachments": []any{at}})
		}
	}
	return encode(map[string]any{"blocks": blocks})
}

// headersOf reads headers as in "X-GitHub-Event=push".
func headersOf(list []string) map[string][]string {
	out := map[string][]string{"Content-Type": {"application/json"}}
	for _, text := range list {
		name, value, _ := strings.Cut(text, "=")
		out[textproto.CanonicalMIMEHeaderKey(strings.TrimSpace(name))] = []string{strings.TrimSpace(value)}
	}
	return out
}

// clientKey is the SlackChannel of a rule.
func clientKey(rule *v1alpha1.SlackAlert) client.ObjectKey {
	return reference.Channel(rule.Spec.ChannelRef, rule.Namespace)
}

// standIn is a SlackChannel for a rule whose own is not known.
func standIn(rule *v1alpha1.SlackAlert, via preview.Via) *v1alpha1.SlackChannel {
	key := clientKey(rule)
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: key.Namespace, Name: key.Name}}
	if via == preview.Webhook {
		c.Spec.Webhook = &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: fmt.Sprintf("%s-url", key.Name)}}
	} else {
		c.Spec.WebAPI, c.Spec.Interactions = &v1alpha1.WebAPI{}, &v1alpha1.Interactions{} // so that buttons are shown
	}
	return c
}
