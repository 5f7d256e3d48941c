package pacing

import "time"

// Limit allows Events in any period of Per.
type Limit struct {
	Events int
	Per    time.Duration
}

// The tiers of Slack's Web API (docs.slack.dev/apis/web-api/rate-limits), with
// a second to spare for clocks and networks, and without the bursts whose size
// Slack does not publish.
var (
	Tier2 = []Limit{{Events: 20, Per: 61 * time.Second}, {Events: 3, Per: time.Second}}
	Tier3 = []Limit{{Events: 50, Per: 61 * time.Second}, {Events: 3, Per: time.Second}}
	Tier4 = []Limit{{Events: 100, Per: 61 * time.Second}, {Events: 5, Per: time.Second}}
)

// reserve is what is kept of limits for who has used little of them.
type reserve struct {
	// others are the limits without what is kept.
	others []Limit
	// quota of turns in per makes a group one that has used its share.
	quota int
	per   time.Duration
}

// minReserved is the shortest period of which something is kept: what is used
// up of shorter ones comes back soon.
const minReserved = 10 * time.Second

// reserved keeps a tenth of each limit of a long period.
func reserved(limits []Limit) reserve {
	var r reserve
	for _, l := range limits {
		if kept := l.Events / 10; kept > 0 && l.Per >= minReserved {
			l.Events -= kept
			if l.Per > r.per {
				r.quota, r.per = kept, l.Per
			}
		}
		r.others = append(r.others, l)
	}
	return r
}

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
		"bots.info":             Tier3,
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
