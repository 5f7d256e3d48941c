package slacksim

import (
	"fmt"
	"net/http"
	"slices"
)

// move makes somebody a member of a channel, or takes them out of it, as a
// person of the workspace would: with POST /_sim/invite and /_sim/kick. Without
// a user it is about the demo's bot.
func (s *Server) move(w http.ResponseWriter, r *http.Request, action string) {
	var about struct {
		Channel string `json:"channel"`
		User    string `json:"user"`
	}
	if !readJSON(w, r, &about) {
		return
	}
	if about.User == "" {
		about.User = DemoBotUser
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	team, ch := s.anyRoom(about.Channel)
	if ch == nil || ch.dm() || team.user(about.User) == nil {
		http.Error(w, "no such channel or user", http.StatusNotFound)
		return
	}
	switch in := ch.has(about.User); {
	case action == "invite" && !in:
		ch.Members = append(slices.Clone(ch.Members), about.User)
		s.notice(team, ch, "channel_join", about.User, "has joined the channel")
	case action == "kick" && in:
		ch.Members = slices.DeleteFunc(slices.Clone(ch.Members), func(one string) bool { return one == about.User })
		s.notice(team, ch, "channel_leave", about.User, "has left the channel")
	}
	writeJSON(w, ch)
}

// anyRoom finds a channel in any workspace.
func (s *store) anyRoom(id string) (*Workspace, *Channel) {
	for _, w := range s.workspaces {
		if ch := w.room(id); ch != nil {
			return w, ch
		}
	}
	return nil, nil
}

// notice is what Slack itself says in a channel about what a user did. It
// counts as nobody's post.
func (s *Server) notice(team *Workspace, ch *Channel, subtype, user, text string) {
	s.add(s, &Message{Team: team.ID, Channel: ch.ID, User: user, AppName: "Slack", Text: fmt.Sprintf("<@%s> %s", user, text), Subtype: subtype, Via: "notice"})
}
