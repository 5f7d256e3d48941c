package posts

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

const (
	// maxTitle, maxText, maxFact and maxLink are how much of what was posted is told, in
	// bytes.
	maxTitle = 140
	maxText  = 2500
	maxFact  = 300
	maxLink  = 2000
)

// Content is the default message about the last post of an incident: what the
// preset says, or else what the body has under names that many senders use.
// All that was posted is escaped.
// Without a severity it is Error, and Info for what is told alone.
func Content(spec *v1alpha1.SlackAlertSpec, rule string, p Post, count int64) v1alpha1.Content {
	var d draft
	switch spec.Source.Webhook.Preset {
	case v1alpha1.PresetFlux:
		d = flux(p.Body)
	case v1alpha1.PresetArgoCD:
		d = argo(p.Body)
	case v1alpha1.PresetGitHub:
		d = github(p.Body)
	case v1alpha1.PresetSentry:
		d = sentry(p.Body)
	case v1alpha1.PresetFalco:
		d = falco(p.Body)
	case v1alpha1.PresetCloudEvents:
		d = event(p.Body)
	default:
		d = anything(p.Body)
	}
	if d.severity == "" && Told(spec) {
		d.severity = v1alpha1.SeverityInfo
	}
	return d.content(rule, count)
}

// draft of a message, in plain text.
type draft struct {
	title, text string
	// code is shown as it is, if there is no text.
	code     string
	severity v1alpha1.Severity
	facts    []string
	link     string
	linkText string
}

// fact adds a titled fact, if there is one.
func (d *draft) fact(title, value string) {
	if value = line(value, maxFact); value != "" {
		d.facts = append(d.facts, title, value)
	}
}

var webAddress = regexp.MustCompile(`^https?://[^\s<>|]+$`)

func (d *draft) content(rule string, count int64) v1alpha1.Content {
	c := v1alpha1.Content{Title: line(d.title, maxTitle), Severity: d.severity}
	if c.Title == "" {
		c.Title = rule
	}
	if c.Severity == "" {
		c.Severity = v1alpha1.SeverityError
	}
	switch {
	case strings.TrimSpace(d.text) != "":
		c.Text = message.Escape(shorten(strings.TrimSpace(d.text), maxText))
	case d.code != "":
		// A fence in it would end the block.
		c.Text = "```\n" + message.Escape(strings.ReplaceAll(d.code, "```", "'''")) + "\n```"
	}
	if count > 1 {
		d.fact("Posts", strconv.FormatInt(count, 10))
	}
	d.fact("Alert", rule)
	for i := 0; i+1 < len(d.facts); i += 2 {
		c.Fields = append(c.Fields, v1alpha1.Field{Title: d.facts[i], Value: message.Escape(d.facts[i+1]), Short: true})
	}
	if len(d.link) <= maxLink && webAddress.MatchString(d.link) {
		c.Link = &v1alpha1.Link{URL: d.link, Text: d.linkText}
	}
	return c
}

// line is a text in one line, of a length.
func line(s string, limit int) string { return shorten(strings.Join(strings.Fields(s), " "), limit) }

func shorten(s string, limit int) string {
	if short := cut(s, limit); len(short) < len(strings.ToValidUTF8(s, "\uFFFD")) {
		return strings.TrimRight(short, " \n") + "…"
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// Summary is a short name of a post for a list.
func Summary(spec *v1alpha1.SlackAlertSpec, rule string, p Post) string {
	return Content(spec, rule, p, 1).Title
}

// child is what is below names in a body; nil when it is not there.
func child(body any, path ...string) any {
	for _, name := range path {
		m, ok := body.(map[string]any)
		if !ok {
			return nil
		}
		body = m[name]
	}
	return body
}

// text is a text or number below names in a body; empty when it is none.
func text(body any, path ...string) string {
	switch v := child(body, path...).(type) {
	case string:
		return v
	case bool, int64, float64:
		return fmt.Sprint(v)
	default:
		return ""
	}
}

// first of some texts that is not empty.
func first(all ...string) string {
	for _, s := range all {
		if strings.TrimSpace(s) != "" {
			return s
		}
	}
	return ""
}

// severity of a word that senders use; empty when it is none.
func severity(word string) v1alpha1.Severity {
	switch strings.ToLower(strings.TrimSpace(word)) {
	case "critical", "fatal", "emergency", "emerg", "alert", "page", "p1", "disaster":
		return v1alpha1.SeverityCritical
	case "error", "err", "high", "failure", "failed", "p2", "down", "major":
		return v1alpha1.SeverityError
	case "warning", "warn", "medium", "minor", "degraded", "p3":
		return v1alpha1.SeverityWarning
	case "success", "succeeded", "ok", "resolved", "healthy", "passed", "up", "recovered":
		return v1alpha1.SeveritySuccess
	case "info", "informational", "information", "notice", "debug", "low", "trace", "p4", "p5":
		return v1alpha1.SeverityInfo
	}
	return ""
}

// sentAt is the sender's time of a post; zero when the preset knows of none.
func sentAt(preset v1alpha1.WebhookPreset, body any) time.Time {
	var value string
	switch preset {
	case v1alpha1.PresetFlux:
		value = text(body, "timestamp")
	case v1alpha1.PresetArgoCD, v1alpha1.PresetFalco, v1alpha1.PresetCloudEvents:
		value = text(body, "time")
	case v1alpha1.PresetGitHub:
		value = first(text(body, "deployment_status", "updated_at"), text(body, "workflow_run", "updated_at"),
			text(body, "check_run", "completed_at"), text(body, "check_suite", "updated_at"))
	case v1alpha1.PresetSentry: // an event's time is not that of the change
	}
	at, err := time.Parse(time.RFC3339Nano, value)
	if err != nil {
		return time.Time{}
	}
	return at
}
