package source

import (
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/alerting"
)

// eventsData is stored with an incident.
type eventsData struct {
	// NewsAt is when an Event was seen last, by the operator's clock.
	NewsAt time.Time `json:"newsAt"`
	// Version up to which Events have been counted.
	Version string `json:"version,omitempty"`
	// Total of the occurrences.
	Total int64 `json:"total,omitempty"`
	// Counts of the Events that occurred last, by UID.
	Counts map[string]int64 `json:"counts,omitempty"`
	// Dropped is true when counts of older Events were dropped.
	Dropped bool `json:"dropped,omitempty"`
}

func readEvents(stored json.RawMessage) eventsData {
	var data eventsData
	_ = json.Unmarshal(stored, &data) // what can't be read is not known
	return data
}

// maxCounts are the Events of an incident whose counts are stored.
const maxCounts = 100

// fresh are the Events that were not counted yet.
func (d *eventsData) fresh(events []alerting.Event) []alerting.Event {
	var out []alerting.Event
	for _, event := range events {
		if d.Version != "" && !newer(event.ResourceVersion, d.Version) {
			continue
		}
		if known, ok := d.Counts[event.UID]; ok && event.Count <= known {
			continue // something else of it was changed
		}
		out = append(out, event)
	}
	return out
}

// count adds the occurrences that were not counted yet.
func (d *eventsData) count(fresh []alerting.Event) {
	counts := maps.Clone(d.Counts)
	if counts == nil {
		counts = map[string]int64{}
	}
	for _, event := range fresh {
		known, ok := counts[event.UID]
		switch {
		case ok:
			d.Total += event.Count - known
		case d.Dropped && event.Count > 1:
			d.Total++ // its count before is not known any more
		default:
			d.Total += event.Count
		}
		counts[event.UID] = event.Count
		d.Version = event.ResourceVersion
	}
	recent := map[string]bool{}
	for _, event := range fresh[max(0, len(fresh)-maxCounts):] {
		recent[event.UID] = true
	}
	for _, uid := range slices.Sorted(maps.Keys(counts)) {
		if len(counts) > maxCounts && !recent[uid] {
			delete(counts, uid)
			d.Dropped = true
		}
	}
	d.Counts = counts
}
