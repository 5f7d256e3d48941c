package incident

import (
	"encoding/json"
	"slices"
)

const (
	// maxRolled is how large the list of a rollup may get, in bytes, so that it
	// fits into an annotation.
	maxRolled = 160 << 10
	// maxRolledData of one group.
	maxRolledData = 2 << 10
	// maxRolledText is how much of a group's name is kept.
	maxRolledText = 60
)

// rolled are the groups that fire beyond maxIncidents.
type rolled struct {
	// Open by the ID of their key.
	Open map[string]rolledGroup `json:"open,omitempty"`
	// Total is how many there have been.
	Total int `json:"total"`
	// Quiet is how many of them are over for want of news.
	Quiet int `json:"quiet,omitempty"`
	// size of Open as JSON, about.
	size int
}

type rolledGroup struct {
	Text string          `json:"t,omitempty"`
	Data json.RawMessage `json:"d,omitempty"`
}

func (g rolledGroup) size() int { return len(g.Text) + len(g.Data) + 32 }

func readRolled(data json.RawMessage) rolled {
	var r rolled
	if json.Unmarshal(data, &r) != nil {
		return rolled{}
	}
	for _, g := range r.Open {
		r.size += g.size()
	}
	return r
}

func (r *rolled) json() json.RawMessage {
	data, _ := json.Marshal(r) // strings and numbers alone
	return data
}

// put adds a group or changes what is known of it; false when there is no room.
func (r *rolled) put(key, text string, data json.RawMessage) bool {
	if len(data) > maxRolledData {
		data = nil
	}
	g := rolledGroup{Text: cutText(text), Data: data}
	was, known := r.Open[key]
	size := r.size + g.size()
	if known {
		size -= was.size()
	}
	if size > maxRolled && !known {
		return false
	}
	if r.Open == nil {
		r.Open = map[string]rolledGroup{}
	}
	if !known {
		r.Total++
	}
	r.Open[key], r.size = g, size
	return true
}

func (r *rolled) remove(key string) {
	r.size -= r.Open[key].size()
	delete(r.Open, key)
}

// clone lets a change be tried.
func (r *rolled) clone() rolled {
	out := rolled{Total: r.Total, Quiet: r.Quiet, size: r.size, Open: make(map[string]rolledGroup, len(r.Open))}
	for key, g := range r.Open {
		out.Open[key] = g
	}
	return out
}

func (r *rolled) names() []string {
	out := make([]string, 0, len(r.Open))
	for _, g := range r.Open {
		out = append(out, g.Text)
	}
	slices.Sort(out)
	return out
}

func cutText(s string) string {
	runes := []rune(s)
	if len(runes) <= maxRolledText {
		return s
	}
	return string(runes[:maxRolledText-1]) + "…"
}
