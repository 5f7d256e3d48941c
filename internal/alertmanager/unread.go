package alertmanager

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/message"
)

// Unread is a post that was too large to be read to its end, so that nobody
// knows what group it is about.
type Unread struct {
	// Size that was read, in bytes.
	Size int64 `json:"size"`
	// At is when the last such post came.
	At time.Time `json:"at"`
	// Fires is how many alerts fire in what was read, and Names are some of them.
	Fires int      `json:"fires,omitempty"`
	Names []string `json:"names,omitempty"`
	// Severity of the worst of them.
	Severity v1alpha1.Severity `json:"severity,omitempty"`
	// Ended is true when no such post has come for long.
	Ended bool `json:"ended,omitempty"`
}

// keepUnread is how long a post that could not be read is told of, when the
// rule does not say.
const keepUnread = 24 * time.Hour

// UnreadState is the state of an incident that is about a post that was not read
// to its end.
func UnreadState(p Payload) State {
	u := &Unread{Size: p.Size, At: p.ReceivedAt, Fires: p.More, Severity: v1alpha1.SeverityError}
	for _, a := range p.Alerts {
		if a.Status != Firing {
			continue
		}
		u.Fires++
		name := clean(a.Labels["alertname"], 60)
		if name != "" && len(u.Names) < maxOver && !slices.Contains(u.Names, name) {
			u.Names = append(u.Names, name)
		}
		if one := a.severity(); rank(one) > rank(u.Severity) {
			u.Severity = one
		}
	}
	return State{Unread: u, Within: p.Within}
}

func (u *Unread) firing() int {
	if u.Ended {
		return 0
	}
	return 1
}

func (*Unread) keptFor(within time.Duration) time.Duration {
	if within > 0 {
		return within
	}
	return keepUnread
}

// Sentence says what happened and what to do, in plain text.
func (u *Unread) Sentence() string {
	return fmt.Sprintf("a post of more than %d MiB was too large to be read to its end, so alerts may fire that are not told of; "+
		"have Alertmanager post smaller groups (group_by in its route, or max_alerts in its webhook_config)", u.Size>>20)
}

func (u *Unread) content() v1alpha1.Content {
	c := v1alpha1.Content{Severity: u.Severity, Title: "[FIRING] A post of alerts was too large to be read"}
	if u.Ended {
		c.Severity, c.Title = v1alpha1.SeveritySuccess, "[RESOLVED: no news] A post of alerts was too large to be read"
		c.Text = "No such post has come for a while. Whether the alerts in it are over is not known."
		return c
	}
	sentence := u.Sentence()
	c.Text = strings.ToUpper(sentence[:1]) + sentence[1:] + "."
	if u.Fires > 0 {
		c.Text += fmt.Sprintf("\nIn the part that was read %d fire", u.Fires)
		if len(u.Names) > 0 {
			c.Text += ", such as `" + message.Escape(strings.ReplaceAll(oneLine(strings.Join(u.Names, ", ")), "`", "'")) + "`"
		}
		c.Text += "."
	}
	return c
}
