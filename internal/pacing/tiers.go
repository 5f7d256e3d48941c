package pacing

import "time"

// The tiers of Slack's Web API (docs.slack.dev/apis/web-api/rate-limits), with
// a second to spare for clocks and networks, and without the bursts whose size
// Slack does not publish.
var (
	Tier2 = []Limit{{Events: 20, Per: 61 * time.Second}, {Events: 3, Per: time.Second}}
	Tier3 = []Limit{{Events: 50, Per: 61 * time.Second}, {Events: 3, Per: time.Second}}
	Tier4 = []Limit{{Events: 100, Per: 61 * time.Second}, {Events: 5, Per: time.Second}}
)

// DefaultMethods are the limits of the methods in use, as their pages under
// docs.slack.dev/reference/methods give them. chat.postMessage has limits of
// its own, which Lanes keep.
func DefaultMethods() map[string][]Limit {
	return map[string][]Limit{
		// "Hundreds of requests per minute".
		"auth.test":             Tier4,
		"users.list":            Tier2,
		"usergroups.list":       Tier2,
		"conversations.list":    Tier2,
		"conversations.info":    Tier3,
		"conversations.open":    Tier3,
		"conversations.join":    Tier3,
		"conversations.history": Tier3,
		"conversations.replies": Tier3,
		"users.lookupByEmail":   Tier3,
		"chat.update":           Tier3,
		"chat.delete":           Tier3,

		"conversations.create":     Tier2,
		"conversations.rename":     Tier2,
		"conversations.archive":    Tier2,
		"conversations.unarchive":  Tier2,
		"conversations.setTopic":   Tier2,
		"conversations.setPurpose": Tier2,
		"conversations.invite":     Tier3,
		"conversations.kick":       Tier3,
		"conversations.members":    Tier4,
	}
}

// DefaultBudget of the posts of a workspace: Slack says "several hundred
// messages per minute" (docs.slack.dev/reference/methods/chat.postMessage).
func DefaultBudget() []Limit {
	return []Limit{{Events: 300, Per: time.Minute}, {Events: 30, Per: time.Second}}
}

// window remembers when slots were given, so that the next one keeps to all
// limits. The times never decrease.
type window struct{ times []time.Time }

// earliest is the first time, not before t, at which a slot keeps to limits.
func (w *window) earliest(t time.Time, limits []Limit) time.Time {
	for _, l := range limits {
		if i := len(w.times) - l.Events; i >= 0 {
			if free := w.times[i].Add(l.Per); free.After(t) {
				t = free
			}
		}
	}
	return t
}

// add notes a slot and drops what no limit can see any more.
func (w *window) add(t time.Time, limits []Limit) {
	keep := 0
	for _, l := range limits {
		keep = max(keep, l.Events)
	}
	if n := len(w.times); n > 0 && t.Before(w.times[n-1]) {
		t = w.times[n-1]
	}
	w.times = append(w.times, t)
	if len(w.times) > 2*keep+16 {
		w.times = append(w.times[:0:0], w.times[len(w.times)-keep:]...)
	}
}
