package incident

import (
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// StateAnnotation holds the state of an incident, as JSON. Replies in its
// thread have none.
const StateAnnotation = "slack.notify.dev/incident-state"

// OwnerIndex is the index of the cache that finds the SlackNotifications of a
// SlackAlert by its UID.
const OwnerIndex = "incident.owner"

// Owner is the index's value of an object.
func Owner(o client.Object) []string {
	owner := metav1.GetControllerOf(o)
	if owner == nil || owner.Kind != "SlackAlert" || !strings.HasPrefix(owner.APIVersion, v1alpha1.GroupVersion.Group+"/") {
		return nil
	}
	return []string{string(owner.UID)}
}

// State is what is known of an incident.
type State struct {
	// Key is the ID of the group, and Text its name for people.
	Key  string `json:"key"`
	Text string `json:"text,omitempty"`
	// Number counts the incidents of the group.
	Number int `json:"number"`
	// OpenedAt is when it was opened, and ResolvedAt when it was over.
	OpenedAt   time.Time `json:"openedAt"`
	ResolvedAt time.Time `json:"resolvedAt,omitzero"`
	// RemindedAt is when the last reminder was made, and Reminders how many
	// there were.
	RemindedAt time.Time `json:"remindedAt,omitzero"`
	Reminders  int       `json:"reminders,omitempty"`
	// Count of what the source counts: objects, occurrences, alerts.
	Count int64 `json:"count,omitempty"`
	// Answers is what people have made of it.
	Answers Answers `json:"answers,omitzero"`
	// Lasting is true when it was ended by hand, and nothing has said since that it
	// is over: what still fires is no new incident.
	Lasting bool `json:"lasting,omitempty"`
	// Escalated are the steps of the escalation that were made.
	Escalated []string `json:"escalated,omitempty"`
	// Offer is what a silence would match; nil where there is no such button.
	Offer *Offer `json:"offer,omitempty"`
	// Data is the source's own.
	Data json.RawMessage `json:"data,omitempty"`
}

// Open reports whether the incident is not over.
func (s *State) Open() bool { return s.ResolvedAt.IsZero() }

// fires reports whether nothing has said that it is over.
func (s *State) fires() bool { return s.Open() || s.Lasting }

// StateOf reads the state of a SlackNotification; false if it is no incident.
func StateOf(n *v1alpha1.SlackNotification) (State, bool) {
	text, ok := n.Annotations[StateAnnotation]
	if !ok {
		return State{}, false
	}
	var s State
	if json.Unmarshal([]byte(text), &s) != nil || s.Key == "" {
		return State{}, false
	}
	return s, true
}

// incident is an incident and its object.
type incident struct {
	object *v1alpha1.SlackNotification
	state  State
}

// isOpen reports whether there is one that is not over.
func (i *incident) isOpen() bool { return i != nil && i.state.Open() }

// fires reports whether there is one of which nothing has said that it is over.
func (i *incident) fires() bool { return i != nil && i.state.fires() }

// current is what a source sees of the incident.
func (i *incident) current(now time.Time) Current {
	return Current{Open: i.state.fires(), Known: true, Data: i.state.Data, SilencedUntil: i.state.Answers.SilencedUntil(now)}
}

// snapshot is what is known of all incidents of a rule.
type snapshot struct {
	// groups by their key's ID, each with its incidents in their order.
	groups map[string][]*incident
	// replies by the label of their incident.
	replies map[string][]*v1alpha1.SlackNotification
	// overflow are those beyond maxIncidents, of which overflowKey's incident is.
	overflow overflow
	// open counts the incidents that have messages of their own, the overflow's
	// excepted.
	open int
}

func (b *snapshot) add(n *v1alpha1.SlackNotification, s State, ok bool) {
	switch {
	case !ok:
		label := n.Labels[v1alpha1.LabelIncident]
		b.replies[label] = append(b.replies[label], n)
	default:
		b.groups[s.Key] = append(b.groups[s.Key], &incident{n, s})
	}
}

// index sorts and counts what was added.
func (b *snapshot) index() {
	for key, list := range b.groups {
		slices.SortFunc(list, func(x, y *incident) int { return x.state.Number - y.state.Number })
		for _, i := range list {
			if i.state.Open() {
				b.count(key, 1)
			}
		}
	}
	if last := b.last(overflowKey); last != nil {
		if b.overflow = readOverflow(last.state.Data); !last.isOpen() {
			b.overflow = b.overflow.past()
		}
	}
}

// count notes that incidents of a group are open, or are not any more.
func (b *snapshot) count(key string, more int) {
	if key != overflowKey {
		b.open += more
	}
}

// last incident of a group, or nil.
func (b *snapshot) last(key string) *incident {
	list := b.groups[key]
	if len(list) == 0 {
		return nil
	}
	return list[len(list)-1]
}

// all incidents, the overflow included.
func (b *snapshot) all() []*incident {
	var out []*incident
	for _, list := range b.groups {
		out = append(out, list...)
	}
	slices.SortFunc(out, func(x, y *incident) int { return strings.Compare(x.object.Name, y.object.Name) })
	return out
}

// firing counts the open incidents.
func (b *snapshot) firing() int { return b.open + len(b.overflow.Open) }

// written is what this process has written last of an object.
type written struct {
	object *v1alpha1.SlackNotification
	at     time.Time
	gone   bool
}

// parsed is a state that was read, and of which version.
type parsed struct {
	version string
	state   State
	ok      bool
}

// memory is what this process keeps of a rule beside the objects: no state, but
// what it has written itself and the cache may not show yet.
type memory struct {
	written map[types.UID]written
	// writes counts them.
	writes int
	parsed map[types.UID]parsed
	// refused are the groups whose messages the API server does not store.
	refused map[string]refusedGroup
	// deleted are the UIDs of objects that are gone from the cache since it was last
	// read. It is written to while the memory is not locked.
	deleted sync.Map
}
