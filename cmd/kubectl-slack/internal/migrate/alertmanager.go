package migrate

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// amConfig is what matters of an Alertmanager's configuration
// (prometheus.io/docs/alerting/latest/configuration).
type amConfig struct {
	Global    map[string]any `json:"global"`
	Route     *amRoute       `json:"route"`
	Receivers []amReceiver   `json:"receivers"`
	Templates []string       `json:"templates"`
}

type amReceiver struct {
	Name  string           `json:"name"`
	Slack []map[string]any `json:"slack_configs"`
}

type amRoute struct {
	Receiver       string    `json:"receiver"`
	GroupBy        []string  `json:"group_by"`
	RepeatInterval string    `json:"repeat_interval"`
	MuteTimes      []string  `json:"mute_time_intervals"`
	Routes         []amRoute `json:"routes"`
}

type amSlack struct {
	SendResolved bool           `json:"send_resolved"`
	APIURL       any            `json:"api_url"`
	APIURLFile   string         `json:"api_url_file"`
	AppToken     any            `json:"app_token"`
	AppTokenFile string         `json:"app_token_file"`
	HTTPConfig   map[string]any `json:"http_config"`
	Channel      string         `json:"channel"`
	Username     string         `json:"username"`
	IconEmoji    string         `json:"icon_emoji"`
	IconURL      string         `json:"icon_url"`
	Color        string         `json:"color"`
	Title        string         `json:"title"`
	TitleLink    string         `json:"title_link"`
	Pretext      string         `json:"pretext"`
	Text         string         `json:"text"`
	Fallback     string         `json:"fallback"`
	Footer       string         `json:"footer"`
	ImageURL     string         `json:"image_url"`
	ThumbURL     string         `json:"thumb_url"`
	Fields       []amField      `json:"fields"`
	Actions      []any          `json:"actions"`
	LinkNames    bool           `json:"link_names"`
	CallbackID   string         `json:"callback_id"`
}

type amField struct {
	Title string `json:"title"`
	Value string `json:"value"`
	Short *bool  `json:"short"`
}

// intakeAddress is the Service of config/intake.
const intakeAddress = "https://slack-notifier-intake.slack-notifier-system.svc"

// Alertmanager makes a SlackChannel and a SlackAlert of each of an Alertmanager's
// slack_configs, and says how to have the Alertmanager post to them. namespace may be
// empty.
func Alertmanager(data []byte, namespace string) ([]Document, error) {
	var config amConfig
	if err := yaml.Unmarshal(data, &config); err != nil {
		return nil, fmt.Errorf("it is no configuration of an Alertmanager: %w", err)
	}
	var out []Document
	posts := Document{Comments: []string{
		"In alertmanager.yml, put these in the place of the slack_configs of each receiver. Routes, grouping, inhibition and silences stay as they are. " +
			"The token is one of a ServiceAccount that may create slacknotifications, for the audience slack-notifier (docs/intake.md).",
	}}
	if len(config.Templates) > 0 {
		posts.note("The files of templates (%s) are not read: where a message names one of their templates, that is said at the SlackAlert.", strings.Join(config.Templates, ", "))
	}
	taken := names{}
	for _, receiver := range config.Receivers {
		hooks := ""
		for _, raw := range receiver.Slack {
			channel, alert, err := amObjects(&config, receiver.Name, raw, namespace, taken)
			if err != nil {
				return nil, fmt.Errorf("receiver %q: %w", receiver.Name, err)
			}
			out = append(out, channel, alert)
			rule, _ := alert.Object.(*v1alpha1.SlackAlert)
			hooks += fmt.Sprintf("\n    - url: %s/v1/namespaces/%s/alerts/%s\n      send_resolved: true\n      http_config:\n        authorization: {credentials_file: /etc/alertmanager/slack-notifier/token}",
				intakeAddress, orDefault(namespace, "NAMESPACE"), rule.Name)
		}
		if hooks != "" {
			posts.note("  - name: %s\n    webhook_configs:%s", quoted(receiver.Name), hooks)
		}
	}
	if len(out) == 0 {
		return nil, errors.New("no receiver has slack_configs")
	}
	return append(out, posts), nil
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}

// amObjects makes the objects of one of the slack_configs.
func amObjects(config *amConfig, receiver string, raw map[string]any, namespace string, taken names) (channel, alert Document, err error) {
	s := &amSlack{}
	if err := decode(raw, s); err != nil {
		return channel, alert, err
	}
	name := taken.take(receiver)
	c := newChannel(namespace, name)
	channel = Document{Object: c, Comments: []string{fmt.Sprintf("From receiver %q.", receiver)}}
	amCredentials(config, s, c, &channel)
	if s.Username != "" || s.IconEmoji != "" || s.IconURL != "" {
		c.Spec.Sender = &v1alpha1.Sender{Username: s.Username, IconEmoji: s.IconEmoji}
		if s.IconEmoji == "" {
			c.Spec.Sender.IconURL = s.IconURL
		}
		if strings.Contains(s.Username+s.IconEmoji+s.IconURL, "{{") {
			c.Spec.Sender = nil
			channel.note("username and icons are templates, which have no equal: a SlackChannel has one sender")
		}
	}
	rule := newAlert(namespace, name, name)
	alert = Document{Object: rule}
	rule.Spec.Source.Alertmanager = &v1alpha1.AlertmanagerSource{}
	if !s.SendResolved {
		rule.Spec.OnResolve = v1alpha1.ResolveNone
		alert.note("send_resolved was false: the message does not turn green. Leave out onResolve to have it do so.")
	}
	amRouting(config, receiver, rule, &alert)
	amMessage(s, rule, &alert)
	unequal(&alert, "", raw, s)
	unequal(&channel, "http_config.", s.HTTPConfig, nil, "authorization", "bearer_token", "bearer_token_file", "proxy_url", "follow_redirects", "enable_http2")
	tried(&alert, rule)
	return channel, alert, nil
}

// amCredentials names the Secret of the SlackChannel.
func amCredentials(config *amConfig, s *amSlack, c *v1alpha1.SlackChannel, d *Document) {
	authorized := s.HTTPConfig["authorization"] != nil || s.HTTPConfig["bearer_token"] != nil || s.HTTPConfig["bearer_token_file"] != nil
	token := s.AppToken != nil || s.AppTokenFile != "" || authorized || config.Global["slack_app_token"] != nil || config.Global["slack_app_token_file"] != nil
	if strings.Contains(s.Channel, "{{") {
		d.note("the channel is a template (%s), which has no equal: make one SlackChannel and SlackAlert for each channel, and route to them in alertmanager.yml", s.Channel)
		s.Channel = ""
	}
	if token {
		secret := c.Name + "-token"
		c.Spec.WebAPI = &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: secret}, Channel: s.Channel}
		d.note("%s", tokenSecret(c.Namespace, secret, "token", "the bot token (xoxb-…) of app_token or http_config.authorization"))
	} else {
		secret := c.Name + "-url"
		c.Spec.Webhook = &v1alpha1.Webhook{URLSecretRef: v1alpha1.SecretKeyReference{Name: secret}}
		d.note("%s", tokenSecret(c.Namespace, secret, "url", "the webhook of api_url, slack_api_url or the file that they name"))
		if s.Channel != "" {
			d.note("channel %s is named by the webhook itself; a bot token (spec.webAPI) can name channels, edit messages and reply in threads", s.Channel)
		}
	}
	if proxy := s.HTTPConfig["proxy_url"]; proxy != nil {
		d.note("http_config.proxy_url: put it into a Secret with the key address, and name that in spec.connection.proxySecretRef (needs the operator's --custom-connections)")
	}
}

// amRouting takes over what the routes to a receiver say.
func amRouting(config *amConfig, receiver string, rule *v1alpha1.SlackAlert, d *Document) {
	var routes []amRoute
	var walk func(r amRoute, repeat string)
	walk = func(r amRoute, repeat string) {
		if r.RepeatInterval == "" {
			r.RepeatInterval = repeat
		}
		if r.Receiver == receiver {
			routes = append(routes, r)
		}
		for _, sub := range r.Routes {
			if sub.Receiver == "" {
				sub.Receiver = r.Receiver
			}
			walk(sub, r.RepeatInterval)
		}
	}
	if config.Route != nil {
		walk(*config.Route, "")
	}
	for _, r := range routes {
		every, err := duration(r.RepeatInterval)
		switch have := rule.Spec.RepeatInterval; {
		case err != nil:
		case have == nil:
			rule.Spec.RepeatInterval = &metav1.Duration{Duration: every}
			d.note("repeat_interval %s: the reminder goes into the thread of the message", r.RepeatInterval)
		case have.Duration != every:
			d.note("repeat_interval %s of another route has no equal: a SlackAlert has one", r.RepeatInterval)
		}
		if len(r.MuteTimes) > 0 {
			d.note("mute_time_intervals %s still hold in the Alertmanager; spec.muteTimes does the same here", strings.Join(r.MuteTimes, ", "))
		}
	}
	if len(routes) == 0 {
		d.note("no route leads to receiver %q", receiver)
	}
}

var part = regexp.MustCompile(`([0-9]+)(ms|[ywdhms])`)

// duration reads one as Prometheus writes it, as in "1d12h".
func duration(s string) (time.Duration, error) {
	units := map[string]time.Duration{"y": 365 * 24 * time.Hour, "w": 7 * 24 * time.Hour, "d": 24 * time.Hour, "h": time.Hour, "m": time.Minute, "s": time.Second, "ms": time.Millisecond}
	var out time.Duration
	if part.ReplaceAllString(s, "") != "" || s == "" {
		return 0, fmt.Errorf("%q is no duration", s)
	}
	for _, found := range part.FindAllStringSubmatch(s, -1) {
		n, err := strconv.ParseInt(found[1], 10, 32)
		if err != nil {
			return 0, err
		}
		out += time.Duration(n) * units[found[2]]
	}
	return out, nil
}

// amMessage takes over the message's templates.
func amMessage(s *amSlack, rule *v1alpha1.SlackAlert, d *Document) {
	m := &v1alpha1.AlertMessage{}
	m.Title = amTemplate("title", s.Title, d)
	text := s.Text
	if s.Pretext != "" {
		text = strings.TrimSuffix(s.Pretext+"\n"+text, "\n")
		d.note("pretext stands at the beginning of the text")
	}
	m.Text = amTemplate("text", text, d)
	for _, f := range s.Fields {
		field := v1alpha1.AlertField{Title: amTemplate("fields", f.Title, d), Value: amTemplate("fields", f.Value, d), Short: f.Short != nil && *f.Short}
		switch {
		case field.Title == "", field.Value == "" && f.Value != "":
		case len(m.Fields) == mostFields:
			d.note("the field %s: a message has %d at most", f.Title, mostFields)
		default:
			m.Fields = append(m.Fields, field)
		}
	}
	if link := amTemplate("title_link", s.TitleLink, d); link != "" {
		m.Link = &v1alpha1.AlertLink{URL: link}
	}
	if s.Color != "" {
		d.note("color: the colour is that of the severity, which is what the alert's label severity, priority or level says, and Success when it is over")
	}
	for what, given := range map[string]bool{"actions": len(s.Actions) > 0, "callback_id": s.CallbackID != ""} {
		if given {
			d.note("%s: buttons are spec.actions here (acknowledge, snooze, resolve, silence); others have no equal", what)
		}
	}
	var lost []string
	for what, given := range map[string]bool{"footer": s.Footer != "", "image_url": s.ImageURL != "", "thumb_url": s.ThumbURL != "", "fallback": s.Fallback != ""} {
		if given {
			lost = append(lost, what)
		}
	}
	if slices.Sort(lost); len(lost) > 0 {
		d.note("no equal: %s", strings.Join(lost, ", "))
	}
	if s.LinkNames {
		d.note("link_names: write mentions as <@handle> or <@group>")
	}
	rule.Spec.Message = m
}

// mostFields of a SlackAlert's message.
const mostFields = 10

// amFields are what the data of an Alertmanager's templates is called here
// (prometheus.io/docs/alerting/latest/notifications, docs/slackalert.md).
var amFields = []struct {
	was *regexp.Regexp
	is  string
}{
	{regexp.MustCompile(`\(?\s*\.Alerts\.Firing\s*\|\s*len\s*\)?`), ".firing"},
	{regexp.MustCompile(`len \.Alerts\.Firing\b`), ".firing"},
	{regexp.MustCompile(`\.CommonLabels\b`), ".labels"},
	{regexp.MustCompile(`\.CommonAnnotations\b`), ".annotations"},
	{regexp.MustCompile(`\.GroupLabels\b`), ".groupLabels"},
	{regexp.MustCompile(`\.Labels\b`), ".labels"},
	{regexp.MustCompile(`\.Annotations\b`), ".annotations"},
	{regexp.MustCompile(`\.Alerts\b`), ".alerts"},
	{regexp.MustCompile(`\.Status\b`), ".status"},
	{regexp.MustCompile(`\.Receiver\b`), ".receiver"},
	{regexp.MustCompile(`\.ExternalURL\b`), ".externalURL"},
	{regexp.MustCompile(`\.GeneratorURL\b`), ".generatorURL"},
	{regexp.MustCompile(`\.Fingerprint\b`), ".fingerprint"},
	{regexp.MustCompile(`\.StartsAt\b`), ".startsAt"},
	{regexp.MustCompile(`\.EndsAt\b`), ".endsAt"},
	{regexp.MustCompile(`\btoUpper\b`), "upper"},
	{regexp.MustCompile(`\btoLower\b`), "lower"},
}

// unknownThere are what an Alertmanager's templates can do and those of a SlackAlert
// can't, by the parts of an action that they are recognised by.
var unknownThere = regexp.MustCompile(`\.(SortedPairs|Names|Values|Remove|Firing|Resolved)\b|\b(template|reReplaceAll|stringSlice|humanizeDuration|tz|since|safeHtml|join)\b`)

var action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)

// amTemplate is a template as a SlackAlert has it; empty for one that has no equal.
func amTemplate(what, text string, d *Document) string {
	out := action.ReplaceAllStringFunc(text, func(a string) string {
		for _, f := range amFields {
			a = f.was.ReplaceAllString(a, f.is)
		}
		return a
	})
	for _, found := range action.FindAllString(out, -1) {
		if odd := unknownThere.FindString(found); odd != "" {
			d.note("%s: %s has no equal, so it is left out. It was:\n  %s", what, odd, strings.ReplaceAll(text, "\n", "\n  "))
			return ""
		}
	}
	return out
}
