package posts

import (
	"slices"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

const (
	// maxSeen posts are remembered with a group.
	maxSeen = 64
	// toldFor is how long posts of one group are one message when nothing ends
	// incidents.
	toldFor = 10 * time.Minute
)

// State is what is known of the posts of a group. It fits into 2 KiB of JSON.
type State struct {
	// Count of the posts of the incident; the same post counts once.
	Count int64 `json:"count"`
	// NewsAt is when the last post came.
	NewsAt time.Time `json:"newsAt,omitzero"`
	// At is the sender's time of the latest post that counted, if it told one.
	At time.Time `json:"at,omitzero"`
	// Firm are the identities of posts that never count again; Loose those of
	// posts that do not count again before the incident has begun or ended.
	Firm  []string `json:"firm,omitempty"`
	Loose []string `json:"loose,omitempty"`
}

// Meaning is what a rule makes of a post.
type Meaning int

// The meanings.
const (
	// Nothing: the post does not count.
	Nothing Meaning = iota
	// Fires: the post opens an incident, or counts for an open one.
	Fires
	// Resolves: the post ends the incident of its group.
	Resolves
)

// Merged is what became of a post.
type Merged struct {
	State State
	// Open is whether the incident is open afterwards.
	Open bool
	// News is false for a post that is known already, and for one that comes too
	// late to change anything: what is shown stays.
	News bool
	// Repeated is true for a post that is known already.
	Repeated bool
}

// Merge joins a post to what is known of its group, whose incident may be open.
func Merge(before State, open bool, p Post, means Meaning, now time.Time) Merged {
	out := Merged{State: before, Open: open}
	if before.has(p) {
		out.Repeated = true
		if open && means == Fires {
			out.State.NewsAt = now // whoever repeats it says that it goes on
		}
		return out
	}
	late := !p.At.IsZero() && p.At.Before(before.At)
	switch {
	case means == Nothing, late && (!open || means != Fires), means == Resolves && !open:
		return out
	case means == Resolves:
		out.State = before.turned(p)
		out.Open, out.News = false, true
		return out
	case !open:
		out.State = before.turned(p)
		out.State.Count = 0
	}
	out.State = out.State.with(p)
	out.State.Count++
	out.State.NewsAt = now
	out.Open, out.News = true, !late
	return out
}

func (s State) has(p Post) bool {
	return slices.Contains(s.Firm, p.identity) || slices.Contains(s.Loose, p.identity)
}

// turned is the state when an incident begins or ends. The same body, from a
// sender that gives posts no IDs, is another post from then on: what was bad,
// then good, is bad again.
func (s State) turned(p Post) State {
	s.Loose = nil
	return s.with(p)
}

// Over is the state when an incident has ended without a post.
func (s State) Over() State {
	s.Loose = nil
	return s
}

// with remembers a post.
func (s State) with(p Post) State {
	if p.At.After(s.At) {
		s.At = p.At
	}
	if s.has(p) {
		return s
	}
	if p.firm {
		s.Firm = latest(s.Firm, p.identity)
	} else {
		s.Loose = latest(s.Loose, p.identity)
	}
	if over := len(s.Firm) + len(s.Loose) - maxSeen; over > 0 {
		loose := min(over, max(len(s.Loose)-1, 0))
		s.Loose = s.Loose[loose:]
		s.Firm = s.Firm[over-loose:]
	}
	return s
}

func latest(list []string, id string) []string { return append(slices.Clone(list), id) }

// Told reports whether nothing ends the incidents of a rule: what is posted is
// told, is not firing, and is never told to be over.
func Told(spec *v1alpha1.SlackAlertSpec) bool {
	return spec.Source.Webhook != nil && spec.ResolveAfter == nil && Effective(spec).Source.Webhook.ResolvedWhen == ""
}

// EndsAfter is how long an incident without news is open; 0 for without end.
func EndsAfter(spec *v1alpha1.SlackAlertSpec) time.Duration {
	switch {
	case spec.Source.Webhook == nil:
		return 0
	case spec.ResolveAfter != nil:
		return spec.ResolveAfter.Duration
	case Told(spec):
		return toldFor
	}
	return 0
}
