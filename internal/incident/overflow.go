package incident

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// overflowKey is the ID of the key of those beyond maxIncidents: a group like any
// other, but that it takes no place of its own.
const overflowKey = "rollup"

const (
	// maxOverflow is how large an overflow may get, in bytes, so that it
	// fits into an annotation.
	maxOverflow = 160 << 10
	// maxOverflowData of one group.
	maxOverflowData = 2 << 10
	// maxOver is how many bytes of it may be of groups that are over.
	maxOver = 48 << 10
	// maxOverflowText is how much of a group's name is kept.
	maxOverflowText = 60
)

// overflow are the groups that fire beyond maxIncidents.
type overflow struct {
	// Open by the ID of their key.
	Open map[string]overflowGroup `json:"open,omitempty"`
	// Over are those that were here and are over, for what comes late of them. The
	// first to end go first when there is no room.
	Over map[string]overflowEnd `json:"over,omitempty"`
	// Total is how many there have been.
	Total int `json:"total"`
	// Quiet is how many of them are over for want of news.
	Quiet int `json:"quiet,omitempty"`
	// size of Open as JSON, about, and sizeOver of Over.
	size, sizeOver int
}

type overflowGroup struct {
	Text string          `json:"t,omitempty"`
	Data json.RawMessage `json:"d,omitempty"`
}

func (g overflowGroup) size() int { return len(g.Text) + len(g.Data) + 32 }

// overflowEnd is what is known of a group that was over at a time.
type overflowEnd struct {
	At   time.Time       `json:"at"`
	Data json.RawMessage `json:"d"`
}

func (e overflowEnd) size() int { return len(e.Data) + 64 }

func readOverflow(data json.RawMessage) overflow {
	var o overflow
	if json.Unmarshal(data, &o) != nil {
		return overflow{}
	}
	for _, g := range o.Open {
		o.size += g.size()
	}
	for _, e := range o.Over {
		o.sizeOver += e.size()
	}
	return o
}

// past is what is left of an overflow that is over.
func (o *overflow) past() overflow { return overflow{Over: o.Over, sizeOver: o.sizeOver} }

func (o *overflow) json() json.RawMessage {
	data, _ := json.Marshal(o) // strings and numbers alone
	return data
}

// put adds a group or changes what is known of it; false when there is no room.
func (o *overflow) put(key, text string, data json.RawMessage) bool {
	if len(data) > maxOverflowData {
		data = nil
	}
	g := overflowGroup{Text: cutText(text), Data: data}
	was, known := o.Open[key]
	size := o.size + g.size()
	if known {
		size -= was.size()
	}
	if !known && size > maxOverflow {
		return false
	}
	for !known && size+o.sizeOver > maxOverflow && o.forgetOldest() {
	}
	if o.Open == nil {
		o.Open = map[string]overflowGroup{}
	}
	if !known {
		o.Total++
	}
	o.Open[key], o.size = g, size
	return true
}

func (o *overflow) remove(key string) {
	o.size -= o.Open[key].size()
	delete(o.Open, key)
}

// clone lets a change be tried.
func (o *overflow) clone() overflow {
	out := *o
	out.Open, out.Over = maps.Clone(o.Open), maps.Clone(o.Over)
	return out
}

// end keeps what is known of a group that was over at a time, and reports whether
// that is news.
func (o *overflow) end(key string, data json.RawMessage, at time.Time) bool {
	was, known := o.Over[key]
	if len(data) == 0 || len(data) > maxOverflowData || known && was.At.Equal(at) && bytes.Equal(was.Data, data) {
		return false
	}
	if o.Over == nil {
		o.Over = map[string]overflowEnd{}
	}
	if known {
		o.sizeOver -= was.size()
	}
	is := overflowEnd{At: at, Data: data}
	o.Over[key] = is
	o.sizeOver += is.size()
	for (o.sizeOver > maxOver || o.size+o.sizeOver > maxOverflow) && o.forgetOldest() {
	}
	return true
}

// forgetOldest forgets the group that was over first; false when there is none.
func (o *overflow) forgetOldest() bool {
	oldest := ""
	for key, e := range o.Over {
		if oldest == "" || e.At.Before(o.Over[oldest].At) || e.At.Equal(o.Over[oldest].At) && key < oldest {
			oldest = key
		}
	}
	o.sizeOver -= o.Over[oldest].size()
	delete(o.Over, oldest)
	return oldest != ""
}

// ended is what is known of a group that was over here, unless it has had an incident
// of its own since, which knows more.
func (o *overflow) ended(key string, last *incident) (overflowEnd, bool) {
	e, ok := o.Over[key]
	return e, ok && (last == nil || last.state.OpenedAt.Before(e.At))
}

func (o *overflow) names() []string {
	out := make([]string, 0, len(o.Open))
	for _, g := range o.Open {
		out = append(out, g.Text)
	}
	slices.Sort(out)
	return out
}

func cutText(s string) string {
	runes := []rune(s)
	if len(runes) <= maxOverflowText {
		return s
	}
	return string(runes[:maxOverflowText-1]) + "…"
}

// desired is what the overflow of a rule is to be.
func (o *overflow) desired(rule *v1alpha1.SlackAlert, limit int) Desired {
	severity := v1alpha1.SeverityError
	if m := rule.Spec.Message; m != nil && m.Severity != "" {
		severity = m.Severity
	}
	out := Desired{Firing: len(o.Open) > 0, Count: int64(len(o.Open)), Data: o.json()}
	out.Render = func(string) v1alpha1.Content {
		return alerting.OverflowContent(rule.Name, severity, o.names(), len(o.Open), o.Total, limit)
	}
	if o.Quiet > 0 {
		out.Note = fmt.Sprintf("_%d of them for want of news (resolveAfter): nothing has said that these are over._", o.Quiet)
	}
	return out
}

// beyond has a group beyond maxIncidents be on the list or not, and reports whether
// that changes it.
func (a *session) beyond(key alerting.Key, next Desired, list *overflow) bool {
	group, known := list.Open[key.ID]
	switch {
	case a.options.HoldOverflow:
		a.out.Held[key.ID] = true
		return false
	case !next.Firing:
		list.remove(key.ID)
		list.end(key.ID, next.Over, a.now())
		if next.Note != "" {
			list.Quiet++
		}
		return true
	case known && equality.Semantic.DeepEqual(group.Data, next.Small):
		return false
	}
	if !list.put(key.ID, key.Text, next.Small) {
		a.out.Refused[key.ID] = overflowFull
		return false
	}
	return true
}

// overflowFull is told of groups that fire and are in no list: they are tried again, as
// what the API server refuses is.
const overflowFull = "there are more alerts beyond spec.maxIncidents than one object has room for: raise spec.maxIncidents, or have the rule group by fewer labels"
