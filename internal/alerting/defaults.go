package alerting

import (
	"fmt"
	"sort"
	"strconv"
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

const (
	// maxListed things are named one by one.
	maxListed = 10
	// maxConditions of an object are told.
	maxConditions = 5
	// maxNote is how much of a condition's or Event's message is told.
	maxNote = 1000
)

// Thing is an object that an incident is about.
type Thing struct {
	// Kind, Namespace and Name of it.
	Kind, Namespace, Name string
	// Object itself; nil when it is gone.
	Object map[string]any
}

// label names a thing in a list.
func (t Thing) label() string {
	if t.Namespace == "" {
		return t.Name
	}
	return t.Namespace + "/" + t.Name
}

// ObjectsContent is the default message about objects. There is at least one,
// and total is how many there are.
func ObjectsContent(rule string, things []Thing, total int, state string) v1alpha1.Content {
	first := things[0]
	c := v1alpha1.Content{Severity: v1alpha1.SeverityError, Title: first.Kind + " " + first.Name}
	if state == Resolved {
		c.Text = fmt.Sprintf("*%s* `%s` no longer meets the condition of alert `%s`.", message.Escape(first.Kind), message.Escape(first.label()), message.Escape(rule))
		c.Fields = facts("Alert", rule, "Namespace", first.Namespace)
		return c
	}
	if total > 1 {
		c.Title = fmt.Sprintf("%d× %s: %s", total, first.Kind, rule)
		c.Text = list(things, total)
		c.Fields = facts("Alert", rule)
		return c
	}
	wrong := troubles(first.Kind, first.Object)
	failing := failingConditions(first.Object)
	// What a container says is more than that the Pod is not ready; of all others
	// the conditions give the reason.
	if len(failing) > 0 && first.Kind != "Pod" {
		c.Title += ": " + failing[0].headline()
	} else if len(wrong) > 0 {
		c.Title += ": " + oneLine(wrong[0].headline)
	} else if len(failing) > 0 {
		c.Title += ": " + failing[0].headline()
	}
	var lines []string
	for _, f := range failing {
		lines = append(lines, f.line())
	}
	var more []string
	for _, t := range wrong {
		more = append(more, t.line)
	}
	if first.Kind == "Pod" {
		lines = append(more, lines...)
	} else {
		lines = append(lines, more...)
	}
	if len(lines) == 0 {
		lines = append(lines, fmt.Sprintf("The condition of alert `%s` holds.", message.Escape(rule)))
	}
	c.Text = strings.Join(lines, "\n")
	c.Fields = facts("Alert", rule, "Namespace", first.Namespace)
	return c
}

// list names things, a few of many.
func list(things []Thing, total int) string {
	var lines []string
	for _, t := range things[:min(len(things), maxListed)] {
		lines = append(lines, "• `"+message.Escape(t.label())+"`")
	}
	if more := total - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// condition of an object, as in metav1.Condition.
type condition struct{ kind, status, reason, message string }

func (c condition) headline() string {
	if c.reason != "" && c.reason != c.kind {
		return c.reason
	}
	return c.kind + " is " + c.status
}

func (c condition) line() string {
	out := fmt.Sprintf("*%s* is %s", message.Escape(c.kind), message.Escape(c.status))
	if c.reason != "" {
		out += " (" + message.Escape(c.reason) + ")"
	}
	if c.message != "" {
		out += ": " + message.Escape(shorten(c.message, maxNote))
	}
	return out
}

// bad are the conditions that are bad news when they are True; of all others
// it is bad news when they are not.
var bad = []string{"Failed", "Failure", "Failing", "Degraded", "Stalled", "Pressure", "Unavailable", "Unhealthy", "Error", "Timeout", "Unschedulable", "FailureTarget", "DisruptionTarget", "NonStructuralSchema"}

// good are those that are bad news when they are not True.
var good = []string{"Ready", "Available", "Healthy", "Succeeded", "Complete", "Completed", "Progressing", "Scheduled", "Initialized", "Established", "Synced", "Reconciled", "Released", "Accepted", "Programmed", "Valid", "AbleToScale", "ScalingActive"}

// failingConditions are the conditions in the object's status that look bad.
func failingConditions(o map[string]any) []condition {
	list, ok := child(o, "status")["conditions"].([]any)
	if !ok {
		return nil
	}
	var out []condition
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		c := condition{text(m, "type"), text(m, "status"), text(m, "reason"), text(m, "message")}
		if c.fails() && len(out) < maxConditions {
			out = append(out, c)
		}
	}
	// The summary, if there is one, stands first.
	sort.SliceStable(out, func(i, j int) bool { return out[i].rank() < out[j].rank() })
	return out
}

func (c condition) fails() bool {
	switch {
	case c.kind == "Progressing":
		// False is the rule where nothing is rolled out.
		return c.status == "False" && (strings.Contains(c.reason, "Deadline") || strings.Contains(c.reason, "Fail") || strings.Contains(c.reason, "Error"))
	case c.reason == "PodCompleted":
		return false // a Pod that has done its work is not ready
	}
	for _, word := range bad {
		if strings.HasSuffix(c.kind, word) {
			return c.status == "True"
		}
	}
	for _, word := range good {
		if strings.HasSuffix(c.kind, word) {
			return c.status != "True"
		}
	}
	return false
}

func (c condition) rank() int {
	switch c.kind {
	case "Ready", "Available", "Failed":
		return 0
	case "Progressing", "Initialized", "Scheduled", "PodScheduled":
		return 2
	default:
		return 1
	}
}

// EventsContent is the default message about Events of one group. e is the last
// one, and count how often they occurred.
func EventsContent(e Event, rule string, count int64, state string) v1alpha1.Content {
	c := v1alpha1.Content{Severity: v1alpha1.SeverityError, Title: rule, Text: message.Escape(shorten(e.Message, maxNote))}
	var parts []string
	for _, part := range []string{strings.TrimSpace(e.Reason), strings.TrimSpace(e.Kind + " " + e.Name)} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	if len(parts) > 0 {
		c.Title = strings.Join(parts, ": ")
	}
	if state == Resolved {
		c.Text = strings.TrimSuffix("It has not occurred again for a while. The last time:\n"+c.Text, " The last time:\n")
	}
	c.Fields = facts("Alert", rule, "Namespace", e.Namespace, "Occurrences", strconv.FormatInt(count, 10))
	return c
}

// facts makes short fields of what is not empty.
func facts(pairs ...string) []v1alpha1.Field {
	var out []v1alpha1.Field
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			out = append(out, v1alpha1.Field{Title: pairs[i], Value: message.Escape(pairs[i+1]), Short: true})
		}
	}
	return out
}

// resolvedPrefix begins the title of what is over.
const resolvedPrefix = "Resolved: "

// AsResolved makes the content of an incident one that is over.
func AsResolved(c v1alpha1.Content) v1alpha1.Content {
	c.Severity = v1alpha1.SeveritySuccess
	lower := strings.ToLower(c.Title)
	if !strings.HasPrefix(lower, "resolved") && !strings.HasPrefix(lower, "[resolved") {
		c.Title = shorten(resolvedPrefix+c.Title, maxTitle)
	}
	return c
}

// ReminderContent reminds of an incident that is still open.
func ReminderContent(c v1alpha1.Content) v1alpha1.Content {
	return v1alpha1.Content{Title: shorten("Still firing: "+headline(c), maxTitle), Severity: c.Severity}
}

// ReplyContent tells in the thread of an incident that it is over.
func ReplyContent(c v1alpha1.Content) v1alpha1.Content {
	return v1alpha1.Content{Title: AsResolved(v1alpha1.Content{Title: headline(c)}).Title, Severity: v1alpha1.SeveritySuccess}
}

// headline of a content in plain text.
func headline(c v1alpha1.Content) string {
	if c.Title != "" {
		return c.Title
	}
	return "the alert"
}

// OverflowContent tells of the incidents beyond maxIncidents: some names of them,
// how many are open, and how many there have been.
func OverflowContent(rule string, severity v1alpha1.Severity, names []string, open, total, limit int) v1alpha1.Content {
	c := v1alpha1.Content{Severity: severity}
	if open == 0 {
		c.Title = fmt.Sprintf("%s: and %d more", rule, total)
		c.Text = fmt.Sprintf("All %d that were open beside those with messages of their own are over.", total)
		return AsResolved(c)
	}
	c.Title = fmt.Sprintf("%s: and %d more", rule, open)
	lines := []string{fmt.Sprintf("More than %d are open at once, so these have no messages of their own:", limit)}
	shown := 0
	for _, name := range names[:min(len(names), 2*maxListed)] {
		lines = append(lines, "• `"+message.Escape(strings.ReplaceAll(name, "`", "'"))+"`")
		shown++
	}
	if open > shown {
		lines = append(lines, fmt.Sprintf("… and %d more", open-shown))
	}
	c.Text = strings.Join(lines, "\n")
	return c
}
