package migrate

import (
	"regexp"
	"strings"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// contextOf is an action that writes a value of the context, and no more.
var contextOf = regexp.MustCompile(`^\{\{-?\s*\.context\.(\w+)\s*-?\}\}$`)

// forService is a part of a template for one service alone.
var forService = regexp.MustCompile(`(?s)\{\{-?\s*if eq \.serviceType "(\w+)"\s*-?\}\}(.*?)\{\{-?\s*end\s*-?\}\}`)

// text is a template as a SlackAlert has it.
func (a *argo) text(name, text string, d *Document) string {
	text = forService.ReplaceAllStringFunc(text, func(found string) string {
		if parts := forService.FindStringSubmatch(found); parts[1] == "slack" {
			return parts[2]
		}
		return ""
	})
	return action.ReplaceAllStringFunc(text, func(found string) string {
		if parts := contextOf.FindStringSubmatch(found); parts != nil && a.context[parts[1]] != "" {
			return strings.ReplaceAll(a.context[parts[1]], "{{", "")
		}
		if strings.Contains(found, ".context.") || strings.Contains(found, "call ") || strings.Contains(found, ".repo.") || strings.Contains(found, ".secrets") {
			d.note("template %s: %s has no equal, and is left out", name, found)
			return ""
		}
		return strings.ReplaceAll(found, ".app.", ".object.")
	})
}

// argoAttachment is what of an attachment has an equal.
type argoAttachment struct {
	Title     string `json:"title"`
	TitleLink string `json:"title_link"`
	Color     string `json:"color"`
	Fields    []struct {
		Title string `json:"title"`
		Value string `json:"value"`
		Short bool   `json:"short"`
	} `json:"fields"`
}

// looped is a part of a template that is written several times or not at all.
var looped = regexp.MustCompile(`(?s)\{\{-?\s*(?:range|if|with)\b.*\{\{-?\s*end\s*-?\}\}`)

// slack takes over what a template says for Slack alone.
func (a *argo) slack(name string, s map[string]any, m *v1alpha1.AlertMessage, d *Document) {
	unequal(d, "template "+name+": slack.", s, nil, "attachments", "blocks")
	if s["blocks"] != nil {
		d.note("template %s: slack.blocks have no equal; title, fields and link of the message stand for them", name)
	}
	text, _ := s["attachments"].(string)
	if text == "" {
		return
	}
	if loop := looped.FindString(text); loop != "" {
		d.note("template %s: this part of slack.attachments has no equal, and is left out:\n  %s", name, strings.ReplaceAll(strings.TrimSpace(loop), "\n", "\n  "))
		text = looped.ReplaceAllString(text, "")
	}
	var list []argoAttachment
	if err := yaml.Unmarshal([]byte(text), &list); err != nil || len(list) == 0 {
		d.note("template %s: slack.attachments can't be read without its values, and have no equal. They were:\n  %s", name, strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  "))
		return
	}
	if len(list) > 1 {
		d.note("template %s: of %d attachments the first is taken", name, len(list))
	}
	a.attachment(name, &list[0], m, d)
	var raw []map[string]any
	if yaml.Unmarshal([]byte(text), &raw) == nil {
		unequal(d, "template "+name+": slack.attachments[0].", raw[0], &list[0])
	}
}

func (a *argo) attachment(name string, from *argoAttachment, m *v1alpha1.AlertMessage, d *Document) {
	if m.Title == "" {
		m.Title = a.text(name, from.Title, d)
	}
	if link := a.text(name, from.TitleLink, d); link != "" && m.Link == nil {
		m.Link = &v1alpha1.AlertLink{URL: link}
	}
	for _, f := range from.Fields {
		switch field := (v1alpha1.AlertField{Title: a.text(name, f.Title, d), Value: a.text(name, f.Value, d), Short: f.Short}); {
		case field.Title == "" || field.Value == "":
		case len(m.Fields) == mostFields:
			d.note("the field %s: a message has %d at most", f.Title, mostFields)
		default:
			m.Fields = append(m.Fields, field)
		}
	}
	if from.Color != "" {
		d.note("template %s: the colour is that of message.severity", name)
	}
}
