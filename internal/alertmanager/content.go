package alertmanager

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

const (
	// maxListed alerts are told of one by one.
	maxListed = 10
	// maxOver alerts that are over are listed below those that fire.
	maxOver = 5
	// maxTitle of a message, in characters.
	maxTitle = 150
	// maxBody is how long the text may be in bytes, so that it is one section.
	maxBody = 2600
	// maxFact is how long a field's value is.
	maxFact = 300
	// maxFacts of a message.
	maxFacts = 10
)

// DefaultContent is what a message tells of an incident when no template does.
// All that comes from outside is escaped.
func DefaultContent(s State) v1alpha1.Content {
	if s.Unread != nil {
		return s.Unread.content()
	}
	c := v1alpha1.Content{Title: s.title(), Severity: s.Severity(), Text: s.text(), Fields: s.fields()}
	if page := s.RunbookURL(); page != "" {
		c.Link = &v1alpha1.Link{Text: "Runbook", URL: page}
	}
	return c
}

// title is in plain text, as in "[FIRING:2] HighLoad".
func (s State) title() string {
	head := "[RESOLVED] "
	if s.Quiet() {
		head = "[RESOLVED: no news] "
	}
	if n := s.Firing(); n == 1 {
		head = "[FIRING] "
	} else if n > 1 {
		head = fmt.Sprintf("[FIRING:%d] ", n)
	}
	return short(head+s.name(), maxTitle)
}

// name says in few words what the incident is about.
func (s State) name() string {
	alerts := s.shown()
	var names []string
	for _, a := range alerts {
		if name := a.Labels["alertname"]; name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	switch {
	case len(names) > 3:
		return fmt.Sprintf("%s, %s and %d more", names[0], names[1], len(names)-2)
	case len(names) > 0:
		return strings.Join(names, ", ")
	case len(s.GroupLabels) > 0:
		return strings.Join(assignments(s.GroupLabels, nil), ", ")
	}
	return "Alert"
}

// text lists the alerts, and where to go from there.
func (s State) text() string {
	labels, _ := s.shared()
	firing, over := s.detailed(Firing), s.detailed(Resolved)
	var b strings.Builder
	if s.Status() == Resolved {
		s.list(&b, over, labels, maxListed)
		rest(&b, s.resolved()-min(len(over), maxListed), "more")
	} else {
		s.list(&b, firing, labels, maxListed)
		rest(&b, s.known()-min(len(firing), maxListed), "more firing")
		if n := s.unknown(); n > 0 {
			fmt.Fprintf(&b, "… and %d more that the post left out, which may fire\n", n)
		}
		s.listOver(&b, over, labels)
	}
	if links := s.links(); links != "" {
		if b.Len() > 0 {
			b.WriteString("\n")
		}
		b.WriteString(links)
	}
	return strings.TrimRight(b.String(), "\n")
}

// list tells of alerts in their own words.
func (s State) list(b *strings.Builder, alerts []Alert, shared map[string]string, limit int) {
	shown := alerts[:min(len(alerts), limit)]
	if len(shown) == 0 {
		return
	}
	room := maxBody / len(shown)
	for _, a := range shown {
		bullet := ""
		if len(shown) > 1 {
			bullet = "• "
		}
		b.WriteString(bullet + a.line(shared, room) + "\n")
	}
}

// listOver tells which alerts of an incident that goes on are over.
func (s State) listOver(b *strings.Builder, over []Alert, shared map[string]string) {
	total := s.resolved()
	if total == 0 {
		return
	}
	var names []string
	for _, a := range over[:min(len(over), maxOver)] {
		names = append(names, a.own(shared, 60))
	}
	line := fmt.Sprintf("_Resolved: %d_", total)
	if len(names) > 0 {
		line = "_Resolved:_ " + strings.Join(names, "; ")
		if more := total - len(names); more > 0 {
			line += fmt.Sprintf(" and %d more", more)
		}
	}
	b.WriteString(line + "\n")
}

func rest(b *strings.Builder, n int, what string) {
	if n > 0 {
		fmt.Fprintf(b, "… and %d %s\n", n, what)
	}
}

// line tells of one alert in at most about room bytes.
func (a Alert) line(shared map[string]string, room int) string {
	headline := first(a.Annotations, "summary", "message", "title")
	details := first(a.Annotations, "description")
	out := a.own(shared, room/3)
	if headline != "" {
		own := out
		out = "*" + bold(short(headline, room/3)) + "*"
		if len(assignments(a.Labels, shared)) > 0 {
			out += " " + own
		}
	}
	if a.Status == Resolved {
		if took := a.EndsAt.Sub(a.StartsAt); !a.StartsAt.IsZero() && took > 0 {
			out += " (for " + duration(took) + ")"
		}
		return out
	}
	if details != "" && details != first(a.Annotations, "summary", "message", "title") {
		out += "\n" + message.Escape(short(details, max(room-len(out), 60)))
	}
	return out
}

// own is what an alert does not share with the others.
func (a Alert) own(shared map[string]string, limit int) string {
	pairs := assignments(a.Labels, shared)
	if len(pairs) == 0 {
		if name := a.Labels["alertname"]; name != "" {
			pairs = []string{name}
		} else {
			pairs = []string{a.Fingerprint}
		}
	}
	return "`" + message.Escape(short(strings.ReplaceAll(strings.Join(pairs, ", "), "`", "'"), limit)) + "`"
}

// assignments are labels but for the shared ones, as in pod=web-0.
func assignments(labels, shared map[string]string) []string {
	var out []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		if value, ok := shared[key]; !ok || value != labels[key] {
			out = append(out, oneLine(key+"="+labels[key]))
		}
	}
	return out
}

// links are the places to go to.
func (s State) links() string {
	var out []string
	add := func(page, text string) {
		if page != "" {
			out = append(out, message.Link(page, text))
		}
	}
	add(s.SourceURL(), "Source")
	add(s.DashboardURL(), "Dashboard")
	add(s.PanelURL(), "Panel")
	if s.Status() == Firing {
		add(s.SilenceURL(), "Silence")
	}
	add(s.AlertmanagerURL(), "Alertmanager")
	return strings.Join(out, " · ")
}

// fields are the labels that the alerts have in common.
func (s State) fields() []v1alpha1.Field {
	labels, _ := s.shared()
	keys := slices.Sorted(maps.Keys(labels))
	slices.SortStableFunc(keys, func(a, b string) int { return place(a) - place(b) })
	var out []v1alpha1.Field
	for _, key := range keys {
		value := oneLine(labels[key])
		if key == "alertname" || key == "" || value == "" || len(out) == maxFacts {
			continue
		}
		out = append(out, v1alpha1.Field{Title: short(key, 60), Value: message.Escape(short(value, maxFact)), Short: true})
	}
	return out
}

// place puts the labels first that say where something is.
func place(key string) int {
	first := []string{"severity", "cluster", "namespace", "job", "service", "deployment", "pod", "container", "node", "instance"}
	if i := slices.Index(first, key); i >= 0 {
		return i
	}
	return len(first)
}

func first(m map[string]string, keys ...string) string {
	for _, key := range keys {
		if value := strings.TrimSpace(m[key]); value != "" {
			return value
		}
	}
	return ""
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// bold text may hold no asterisk of its own.
func bold(s string) string { return message.Escape(strings.ReplaceAll(oneLine(s), "*", "∗")) }

// short cuts a text to a number of characters.
func short(s string, limit int) string {
	runes := []rune(s)
	if len(runes) <= limit {
		return s
	}
	return strings.TrimRight(string(runes[:max(limit-1, 0)]), " \n") + "…"
}

// duration in one or two units, as in 3m or 2h5m.
func duration(d time.Duration) string {
	minutes := int(d.Round(time.Minute).Minutes())
	switch {
	case d < time.Minute:
		return d.Round(time.Second).String()
	case minutes < 60:
		return fmt.Sprintf("%dm", minutes)
	case minutes >= 48*60:
		return fmt.Sprintf("%dd", minutes/60/24)
	case minutes%60 == 0:
		return fmt.Sprintf("%dh", minutes/60)
	}
	return fmt.Sprintf("%dh%dm", minutes/60, minutes%60)
}
