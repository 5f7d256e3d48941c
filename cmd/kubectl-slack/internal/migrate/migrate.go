// Package migrate makes SlackChannels and SlackAlerts of the configurations of other
// senders. What has no equal becomes a comment. No secret of a configuration is
// written into what is made of it.
package migrate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// Document is an object with comments above it. One without an object is comments
// alone.
type Document struct {
	Comments []string
	Object   any
}

// note adds a comment, each once.
func (d *Document) note(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	if !slices.Contains(d.Comments, text) {
		d.Comments = append(d.Comments, text)
	}
}

// decode reads what was decoded into a map.
func decode(raw map[string]any, into any) error {
	data, err := json.Marshal(raw)
	if err != nil {
		return err
	}
	return json.Unmarshal(data, into)
}

// unequal notes the settings that nothing here knows: neither a field of known, which
// is nil or a pointer to a struct with JSON tags, nor one of the others.
func unequal(d *Document, path string, raw map[string]any, known any, others ...string) {
	if known != nil {
		for t, i := reflect.TypeOf(known).Elem(), 0; i < t.NumField(); i++ {
			others = append(others, t.Field(i).Tag.Get("json"))
		}
	}
	var lost []string
	for _, key := range keys(raw) {
		if !slices.Contains(others, key) {
			lost = append(lost, path+key)
		}
	}
	if len(lost) > 0 {
		d.note("no equal: %s", strings.Join(lost, ", "))
	}
}

// commentWidth is how wide comments are.
const commentWidth = 100

// Render writes documents as YAML.
func Render(list []Document) ([]byte, error) {
	var out bytes.Buffer
	for i, d := range list {
		if i > 0 {
			out.WriteString("---\n")
		}
		for _, text := range d.Comments {
			for _, line := range wrap(text) {
				out.WriteString(strings.TrimRight("# "+line, " ") + "\n")
			}
		}
		if d.Object == nil {
			continue
		}
		data, err := encode(d.Object)
		if err != nil {
			return nil, err
		}
		out.Write(data)
	}
	return out.Bytes(), nil
}

// encode leaves out what an object that is to be written by hand does not have.
func encode(o any) ([]byte, error) {
	data, err := yaml.Marshal(o)
	if err != nil {
		return nil, err
	}
	var m map[string]any
	if err := yaml.Unmarshal(data, &m); err != nil {
		return nil, err
	}
	delete(m, "status")
	if meta, ok := m["metadata"].(map[string]any); ok {
		delete(meta, "creationTimestamp")
	}
	return yaml.Marshal(m)
}

// wrap breaks a comment into lines; lines of its own stay.
func wrap(text string) []string {
	var out []string
	for paragraph := range strings.SplitSeq(hidden.ReplaceAllString(text, "?"), "\n") {
		if strings.HasPrefix(paragraph, "  ") { // an example
			out = append(out, paragraph)
			continue
		}
		line := ""
		for word := range strings.FieldsSeq(paragraph) {
			if line != "" && len(line)+len(word) >= commentWidth {
				out = append(out, line)
				line = ""
			}
			line = strings.TrimPrefix(line+" "+word, " ")
		}
		out = append(out, line)
	}
	return out
}

// hidden are what would end a comment's line or change a terminal.
var hidden = regexp.MustCompile("[\x00-\x08\x0b-\x1f\x7f-\u009f\u2028\u2029]")

var notInNames = regexp.MustCompile(`[^a-z0-9-]+`)

// mostName is how long the names that are made are.
const mostName = 63

// nameOf makes an object's name.
func nameOf(s string) string {
	out := strings.Trim(notInNames.ReplaceAllString(strings.ToLower(s), "-"), "-")
	if out = strings.Trim(out[:min(len(out), mostName)], "-"); out == "" {
		return "slack"
	}
	return out
}

// names hands out each name once.
type names map[string]bool

func (n names) take(s string) string {
	name := nameOf(s)
	for i := 2; n[name]; i++ {
		name = fmt.Sprintf("%.55s-%d", nameOf(s), i)
	}
	n[name] = true
	return name
}

func newChannel(namespace, name string) *v1alpha1.SlackChannel {
	return &v1alpha1.SlackChannel{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "SlackChannel"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
	}
}

func newAlert(namespace, name, channel string) *v1alpha1.SlackAlert {
	return &v1alpha1.SlackAlert{
		TypeMeta:   metav1.TypeMeta{APIVersion: v1alpha1.GroupVersion.String(), Kind: "SlackAlert"},
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       v1alpha1.SlackAlertSpec{ChannelRef: v1alpha1.ChannelReference{Name: channel}},
	}
}

// tried takes out of a rule's message what the operator would not compile, and says so.
func tried(d *Document, rule *v1alpha1.SlackAlert) {
	m := rule.Spec.Message
	if m == nil {
		return
	}
	try := func(what, was string, only v1alpha1.AlertMessage) bool {
		spec := v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}, Message: &only}
		_, err := alerting.Compile(&spec)
		if err == nil {
			return true
		}
		d.note("%s has no equal, so the default message is used for it: %v. It was:\n  %s", what, err, strings.ReplaceAll(was, "\n", "\n  "))
		return false
	}
	if !try("the title", m.Title, v1alpha1.AlertMessage{Title: m.Title}) {
		m.Title = ""
	}
	if !try("the text", m.Text, v1alpha1.AlertMessage{Text: m.Text}) {
		m.Text = ""
	}
	m.Fields = slices.DeleteFunc(m.Fields, func(f v1alpha1.AlertField) bool {
		return !try("the field "+f.Title, f.Value, v1alpha1.AlertMessage{Fields: []v1alpha1.AlertField{f}})
	})
	if m.Link != nil && !try("the link", m.Link.URL, v1alpha1.AlertMessage{Link: m.Link}) {
		m.Link = nil
	}
	if m.Title == "" && m.Text == "" && len(m.Fields) == 0 && m.Link == nil && m.Severity == "" {
		rule.Spec.Message = nil
	}
}

// tokenSecret is how a Secret is made that a SlackChannel names.
func tokenSecret(namespace, name, key, what string) string {
	in := ""
	if namespace != "" {
		in = " -n " + namespace
	}
	return fmt.Sprintf("Make the Secret with %s:\n  kubectl create secret generic %s%s --from-literal=%s=…", what, name, in, key)
}
