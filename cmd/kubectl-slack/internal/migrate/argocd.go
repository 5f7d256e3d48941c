package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// argoService, argoTrigger and argoTemplate are what matters of the ConfigMap
// (argo-cd.readthedocs.io/en/stable/operator-manual/notifications).
type argoService struct {
	Token    string `json:"token"`
	Username string `json:"username"`
	Icon     string `json:"icon"`
}

type argoTrigger struct {
	When    string   `json:"when"`
	OncePer string   `json:"oncePer"`
	Send    []string `json:"send"`
}

type argoTemplate struct {
	Message string         `json:"message"`
	Slack   map[string]any `json:"slack"`
}

type argoSubscription struct {
	Recipients []string `json:"recipients"`
	Triggers   []string `json:"triggers"`
	Selector   string   `json:"selector"`
}

// argoTarget is a channel of Slack, and the labels of the Applications that go there.
type argoTarget struct{ channel, selector string }

// argo is one notification ConfigMap.
type argo struct {
	namespace string
	data      map[string]string
	templates map[string]argoTemplate
	// channels of the triggers, by the subscriptions.
	channels map[string][]argoTarget
	// context is what templates see as .context.
	context map[string]string
	taken   names
	made    map[string]string
	out     []Document
}

// ArgoCD makes SlackChannels and SlackAlerts of Argo CD's notification ConfigMap, and of
// the subscriptions of the Applications that are given beside it.
func ArgoCD(objects []*unstructured.Unstructured) ([]Document, error) {
	for _, o := range objects {
		if o.GetKind() != "ConfigMap" {
			continue
		}
		data, _, err := unstructured.NestedStringMap(o.Object, "data")
		if err != nil {
			return nil, err
		}
		if !slices.ContainsFunc(keys(data), func(key string) bool { return strings.HasPrefix(key, "service.slack") }) {
			continue
		}
		a := &argo{namespace: o.GetNamespace(), data: data, templates: map[string]argoTemplate{}, channels: map[string][]argoTarget{}, taken: names{}, made: map[string]string{}}
		if err := a.read(objects); err != nil {
			return nil, err
		}
		err = a.rules()
		return a.out, err
	}
	return nil, errors.New("there is no ConfigMap with a key service.slack, as argocd-notifications-cm has it")
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for key := range m {
		out = append(out, key)
	}
	sort.Strings(out)
	return out
}

// read takes the templates and the subscriptions.
func (a *argo) read(objects []*unstructured.Unstructured) error {
	for _, key := range keys(a.data) {
		if name, ok := strings.CutPrefix(key, "template."); ok {
			var t argoTemplate
			if err := yaml.Unmarshal([]byte(a.data[key]), &t); err != nil {
				return fmt.Errorf("%s: %w", key, err)
			}
			a.templates[name] = t
		}
	}
	if err := yaml.Unmarshal([]byte(a.data["context"]), &a.context); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	return a.subscriptions(objects)
}

// defaults are the triggers of a subscription that names none.
func (a *argo) defaults() ([]string, error) {
	var out []string
	for _, key := range []string{"defaultTriggers.slack", "defaultTriggers"} {
		if text := a.data[key]; text != "" {
			if err := yaml.Unmarshal([]byte(text), &out); err != nil {
				return nil, fmt.Errorf("%s: %w", key, err)
			}
			return out, nil
		}
	}
	return nil, nil
}

// subscriptions are those of the ConfigMap, and of the annotations of Applications.
func (a *argo) subscriptions(objects []*unstructured.Unstructured) error {
	var subscriptions []argoSubscription
	if err := yaml.Unmarshal([]byte(a.data["subscriptions"]), &subscriptions); err != nil {
		return fmt.Errorf("subscriptions: %w", err)
	}
	defaults, err := a.defaults()
	if err != nil {
		return err
	}
	for _, s := range subscriptions {
		if len(s.Triggers) == 0 {
			s.Triggers = defaults
		}
		for _, trigger := range s.Triggers {
			for _, recipient := range s.Recipients {
				if service, channel, ok := strings.Cut(recipient, ":"); ok && strings.HasPrefix(service, "slack") {
					a.subscribe(trigger, argoTarget{channel, s.Selector})
				}
			}
		}
	}
	a.annotated(objects, defaults)
	return nil
}

// annotated takes the subscriptions of the annotations of Applications.
func (a *argo) annotated(objects []*unstructured.Unstructured, defaults []string) {
	for _, o := range objects {
		annotations := o.GetAnnotations()
		for _, name := range keys(annotations) {
			rest, ok := strings.CutPrefix(name, "notifications.argoproj.io/subscribe.")
			trigger, service, named := strings.Cut(rest, ".")
			triggers := []string{trigger}
			if !named {
				triggers, service = defaults, rest
			}
			if !ok || service != "slack" {
				continue
			}
			for channel := range strings.SplitSeq(annotations[name], ";") {
				for _, trigger := range triggers {
					a.subscribe(trigger, argoTarget{channel: strings.TrimSpace(channel)})
				}
			}
		}
	}
}

func (a *argo) subscribe(trigger string, to argoTarget) {
	if to.channel == "" || slices.Contains(a.channels[trigger], to) {
		return
	}
	a.channels[trigger] = append(a.channels[trigger], to)
	slices.SortFunc(a.channels[trigger], func(x, y argoTarget) int {
		return strings.Compare(x.channel+"\x00"+x.selector, y.channel+"\x00"+y.selector)
	})
}

// channel is the SlackChannel of a channel of Slack.
func (a *argo) channel(name string) (string, error) {
	if made := a.made[name]; made != "" {
		return made, nil
	}
	var s argoService
	for _, key := range keys(a.data) {
		if strings.HasPrefix(key, "service.slack") {
			if err := yaml.Unmarshal([]byte(a.data[key]), &s); err != nil {
				return "", fmt.Errorf("%s: %w", key, err)
			}
			break
		}
	}
	c := newChannel(a.namespace, nameOf("argocd-"+name))
	d := Document{Object: c}
	secret, key := "argocd-notifications-secret", strings.TrimPrefix(s.Token, "$")
	if !strings.HasPrefix(s.Token, "$") || strings.Contains(s.Token, ":") {
		key = "slack-token"
		d.note("%s", tokenSecret(a.namespace, secret, key, "the bot token (xoxb-…)"))
	} else {
		d.note("The Secret %s of Argo CD is used as it is.", secret)
	}
	c.Spec.WebAPI = &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: secret, Key: key}, Channel: name}
	if s.Username != "" || s.Icon != "" {
		c.Spec.Sender = &v1alpha1.Sender{Username: s.Username}
		if strings.HasPrefix(s.Icon, ":") {
			c.Spec.Sender.IconEmoji = s.Icon
		} else {
			c.Spec.Sender.IconURL = s.Icon
		}
	}
	a.out = append(a.out, d)
	a.made[name] = c.Name
	return c.Name, nil
}

// rules makes a SlackAlert of each condition of each trigger and channel.
func (a *argo) rules() error {
	for _, key := range keys(a.data) {
		name, ok := strings.CutPrefix(key, "trigger.")
		if !ok {
			continue
		}
		var triggers []argoTrigger
		if err := yaml.Unmarshal([]byte(a.data[key]), &triggers); err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		if len(a.channels[name]) == 0 {
			a.out = append(a.out, Document{Comments: []string{fmt.Sprintf("Trigger %s: nobody subscribes to it by Slack in what was given. Give the Applications that do with -f, or write a SlackAlert for it.", name)}})
			continue
		}
		for _, to := range a.channels[name] {
			made, err := a.channel(to.channel)
			if err != nil {
				return err
			}
			for _, t := range triggers {
				a.rule(name, made, to.selector, t)
			}
		}
	}
	return nil
}

// rule makes a SlackAlert of one condition.
func (a *argo) rule(name, channel, selector string, t argoTrigger) {
	rule := newAlert(a.namespace, a.taken.take(name+"-"+strings.TrimPrefix(channel, "argocd-")), channel)
	d := Document{Object: rule}
	rule.Spec.Source.Objects = &v1alpha1.ObjectsSource{APIVersion: "argoproj.io/v1alpha1", Kind: "Application", When: argoCondition(t.When)}
	if parsed, err := metav1.ParseToLabelSelector(selector); selector != "" && err == nil {
		rule.Spec.Source.Objects.Selector = parsed
		d.note("From trigger %s, and the subscription of the Applications with the labels %s.", name, selector)
	} else {
		d.note("From trigger %s. It looks at the Applications of this namespace; an annotation can't select them, so give them a label and name it in source.objects.selector.", name)
		if err != nil {
			d.note("the selector %q can't be read: %v", selector, err)
		}
	}
	if _, err := alerting.Compile(&rule.Spec); err != nil {
		d.note("when could not be translated (%v). Write it in CEL, as in object.status.health.status == 'Degraded'. It was:\n  %s", err, t.When)
		rule.Spec.Source.Objects.When = "false"
	}
	if t.OncePer != "" {
		d.note("oncePer %s: an incident is told once, and again when its condition was over in between; to have one for each value, add it to groupBy", t.OncePer)
	}
	if !strings.Contains(t.When, "Degraded") && !strings.Contains(t.When, "Failed") && !strings.Contains(t.When, "Error") && !strings.Contains(t.When, "Unknown") {
		rule.Spec.OnResolve = v1alpha1.ResolveNone
	}
	m := &v1alpha1.AlertMessage{Severity: argoSeverity(t.When)}
	for _, send := range t.Send {
		template, ok := a.templates[send]
		if !ok {
			d.note("there is no template %s in what was given", send)
			continue
		}
		m.Text = strings.TrimSpace(m.Text + "\n" + a.text(send, template.Message, &d))
		a.slack(send, template.Slack, m, &d)
	}
	rule.Spec.Message = m
	tried(&d, rule)
	a.out = append(a.out, d)
}

func argoSeverity(when string) v1alpha1.Severity {
	switch {
	case strings.Contains(when, "Error"), strings.Contains(when, "Failed"), strings.Contains(when, "Degraded"):
		return v1alpha1.SeverityError
	case strings.Contains(when, "Succeeded"), strings.Contains(when, "Healthy"):
		return v1alpha1.SeveritySuccess
	}
	return v1alpha1.SeverityInfo
}

var (
	argoWords = []struct {
		was *regexp.Regexp
		is  string
	}{
		{regexp.MustCompile(`\bapp\.`), "object."},
		{regexp.MustCompile(`\band\b`), "&&"},
		{regexp.MustCompile(`\bor\b`), "||"},
		{regexp.MustCompile(`\bnot\s+`), "!"},
		{regexp.MustCompile(`\bnil\b`), "null"},
		{regexp.MustCompile(`\?\.`), "."},
	}
	celText = regexp.MustCompile(`'[^']*'|"[^"]*"`)
)

// argoCondition translates a condition of expr-lang to CEL; texts stay as they are.
func argoCondition(when string) string {
	var out strings.Builder
	last := 0
	translate := func(s string) string {
		for _, w := range argoWords {
			s = w.was.ReplaceAllString(s, w.is)
		}
		return s
	}
	for _, at := range celText.FindAllStringIndex(when, -1) {
		out.WriteString(translate(when[last:at[0]]) + when[at[0]:at[1]])
		last = at[1]
	}
	return strings.TrimSpace(out.String() + translate(when[last:]))
}
