package slacksim

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Fault is something that goes wrong on demand.
type Fault struct {
	// Method as in "chat.postMessage", "webhook", or "*" for all.
	Method string `json:"method"`
	// Channel that it is about; all when empty. A channel that is to be created
	// has no ID yet, and is known by its name.
	Channel string `json:"channel,omitempty"`
	// Team whose token or webhook it is about; all when empty.
	Team string `json:"team,omitempty"`
	// Kind is one of faultKinds.
	Kind   string `json:"kind"`
	Status int    `json:"status,omitempty"`
	Code   string `json:"code,omitempty"`
	// RetryAfter is in seconds, as long as it pleases.
	RetryAfter int    `json:"retryAfter,omitempty"`
	URL        string `json:"url,omitempty"`
	DelayMS    int    `json:"delayMs,omitempty"`
	// Names is what the answer names in place of the conversation or timestamp.
	Names string `json:"names,omitempty"`
	// Times that it happens; -1 is always.
	Times int `json:"times"`
	// Probability that it happens; 1 when 0.
	Probability float64 `json:"probability,omitempty"`

	// ended is closed when a fault of kind "hold" is cleared.
	ended chan struct{}
}

// Kinds of faults by when they happen.
var (
	// Before the message is taken, or the change made: "http" answers Status,
	// "error" Code, "ratelimit" 429 with RetryAfter, "redirect" a 307 to URL;
	// "close_before" and "hang_before" answer nothing.
	kindsBefore = []string{"http", "error", "ratelimit", "close_before", "hang_before", "redirect"}
	// After it: the answer gets lost, or is "http_after" (Status), cut JSON
	// ("garbage_after") or an ok that names no message ("no_ts").
	kindsAfter = []string{"close_after", "hang_after", "http_after", "garbage_after", "no_ts"}
	// All goes well, and the answer tells something else: another conversation
	// ("other_channel") or timestamp ("other_ts") as Names says, messages without
	// their metadata ("no_metadata"), lists in which every second element is
	// none ("odd_elements"), or no more than nobody can do without ("terse").
	kindsTwisted = []string{"other_channel", "other_ts", "no_metadata", "odd_elements", "terse"}
	// faultKinds are all, with "slow": the call arrives DelayMS later, and "hold":
	// it arrives when the faults are cleared.
	faultKinds = slices.Concat(kindsBefore, kindsAfter, kindsTwisted, []string{"slow", "hold"})
)

type faults struct {
	mu   sync.Mutex
	list []*Fault
	// holds are the faults of kind "hold", those that have happened too.
	holds []*Fault
}

func (f *faults) add(one *Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if one.Times == 0 {
		one.Times = 1
	}
	if one.Kind == "hold" {
		one.ended = make(chan struct{})
		f.holds = append(f.holds, one)
	}
	f.list = append(f.list, one)
}

// pending are the faults that have not happened as often as they are to.
func (f *faults) pending() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	out := make([]Fault, len(f.list))
	for i, one := range f.list {
		out[i] = *one
	}
	return out
}

// clear ends the faults of a team, or all.
func (f *faults) clear(team string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	ended := func(one *Fault) bool { return team == "" || one.Team == team }
	f.list = slices.DeleteFunc(f.list, ended)
	f.holds = slices.DeleteFunc(f.holds, func(one *Fault) bool {
		if ended(one) {
			close(one.ended)
		}
		return ended(one)
	})
}

// match returns the fault that happens to a call, or nil.
func (f *faults) match(method, channel, team string) *Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	for i, one := range f.list {
		if one.Method != method && one.Method != "*" || one.Channel != "" && one.Channel != channel || one.Team != "" && one.Team != team {
			continue
		}
		if p := one.Probability; p > 0 && rand.Float64() >= p { //nolint:gosec // no secret
			continue
		}
		happens := *one
		if one.Times > 0 {
			if one.Times--; one.Times == 0 {
				f.list = slices.Delete(f.list, i, i+1)
			}
		}
		return &happens
	}
	return nil
}

func (f *Fault) before(_ http.ResponseWriter, r *http.Request) bool {
	if f == nil {
		return false
	}
	switch f.Kind {
	case "slow":
		select {
		case <-time.After(time.Duration(f.DelayMS) * time.Millisecond):
		case <-r.Context().Done():
		}
		return false
	case "hold":
		select {
		case <-f.ended:
		case <-r.Context().Done():
		}
		return false
	}
	return slices.Contains(kindsBefore, f.Kind)
}

func (f *Fault) after() bool {
	return f != nil && slices.Contains(kindsAfter, f.Kind)
}

// carryOut answers in place of Slack.
func (f *Fault) carryOut(w http.ResponseWriter, r *http.Request) {
	switch f.Kind {
	case "http":
		http.Error(w, "upstream error", f.Status)
	case "error":
		if f.Method == "webhook" {
			http.Error(w, f.Code, webhookStatus(f.Code))
			return
		}
		writeJSON(w, answer{"ok": false, "error": f.Code})
	case "ratelimit":
		tooMany(w, max(f.RetryAfter, 1), `{"ok":false,"error":"ratelimited"}`)
	case "redirect":
		http.Redirect(w, r, f.URL, http.StatusTemporaryRedirect)
	case "hang_before":
		<-r.Context().Done()
	case "close_before":
		panic(http.ErrAbortHandler)
	}
}

// spoil hides from the caller what was done.
func (f *Fault) spoil(w http.ResponseWriter, r *http.Request) {
	switch f.Kind {
	case "http_after":
		http.Error(w, "upstream error", max(f.Status, 500))
	case "garbage_after":
		_, _ = fmt.Fprint(w, `{"ok":true,"ts":`)
	case "no_ts":
		writeJSON(w, answer{"ok": true})
	case "hang_after":
		<-r.Context().Done()
	case "close_after":
		panic(http.ErrAbortHandler)
	}
}
