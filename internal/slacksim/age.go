package slacksim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// serveAge makes a message older than it is, and answers with its new ts.
func (s *Server) serveAge(w http.ResponseWriter, r *http.Request) {
	var about struct {
		Channel string `json:"channel"`
		TS      string `json:"ts"`
		// Seconds that it becomes older.
		Seconds int64 `json:"seconds"`
	}
	if !readJSON(w, r, &about) {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.find(about.Channel, about.TS)
	if m == nil {
		http.Error(w, "no such message", http.StatusNotFound)
		return
	}
	if err := s.age(m, time.Duration(about.Seconds)*time.Second); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	s.notify()
	writeJSON(w, answer{"ok": true, "ts": m.TS})
}

// age moves a message, and the replies to it, to where they belong by their
// time. A ts names a message, so whoever knows the old one finds it no more.
func (s *store) age(m *Message, by time.Duration) error {
	var seconds, micros int64
	if _, err := fmt.Sscanf(m.TS, "%d.%d", &seconds, &micros); err != nil {
		return fmt.Errorf("the ts %q is none of ours: %w", m.TS, err)
	}
	was := m.TS
	m.TS = fmt.Sprintf("%d.%06d", seconds-int64(by.Seconds()), micros)
	m.ReceivedAt = m.ReceivedAt.Add(-by)
	for _, one := range s.messages[m.Channel] {
		if one.ThreadTS == was {
			one.ThreadTS = m.TS
		}
	}
	slices.SortStableFunc(s.messages[m.Channel], func(a, b *Message) int { return strings.Compare(a.TS, b.TS) })
	return nil
}
