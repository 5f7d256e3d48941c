package slacksim

import (
	"crypto/rand"
	"encoding/json"
	"strings"
)

// blockActions is what an app is told of a press, with the whole message as it
// is now (docs.slack.dev/reference/interaction-payloads/block_actions-payload).
func (s *Server) blockActions(p *Press, team *Workspace, room *Channel, m *Message, who *User, e *element, option string) answer {
	home := team.ID
	if who.Team != "" {
		home = who.Team
	}
	out := answer{
		"type": "block_actions", "api_app_id": p.App, "token": "Z2vERIFICATIONtOKEN", "trigger_id": "1." + rand.Text(),
		"user":      answer{"id": who.ID, "username": who.Name, "name": who.Name, "team_id": home},
		"container": s.container(m, e),
		"team":      answer{"id": team.ID, "domain": domain(team)},
		// An app of one workspace has no enterprise.
		"enterprise": nil, "is_enterprise_install": false,
		"channel":      answer{"id": room.ID, "name": shownName(room)},
		"state":        answer{"values": e.state(option)},
		"response_url": p.ResponseURL,
		"actions":      []answer{e.action(p.ActionTS, option)},
	}
	if s.orgWide(m) {
		out["team"], out["is_enterprise_install"] = nil, true
		out["enterprise"] = answer{"id": "E0ORG0000", "name": "Organisation"}
	}
	if m.ForUser == "" {
		out["message"] = s.pressed(m)
	}
	return out
}

func domain(team *Workspace) string {
	host := strings.TrimPrefix(team.URL, "https://")
	name, _, _ := strings.Cut(host, ".")
	return name
}

func shownName(room *Channel) string {
	switch {
	case room.dm():
		return "directmessage"
	case room.Private:
		return "privategroup"
	}
	return room.Name
}

func (s *store) orgWide(m *Message) bool {
	for _, t := range s.tokens {
		if t.AppID == m.AppID && t.Team == m.Team && t.OrgWide {
			return true
		}
	}
	return false
}

func (s *Server) container(m *Message, e *element) answer {
	out := answer{"type": "message", "message_ts": m.TS, "channel_id": m.Channel, "is_ephemeral": m.ForUser != ""}
	if e.Attachment > 0 {
		out["type"], out["attachment_id"], out["is_app_unfurl"] = "message_attachment", e.Attachment, false
	}
	if m.ThreadTS != "" {
		out["thread_ts"] = m.ThreadTS
	}
	return out
}

// pressed is the message in a payload: attachments are numbered there, and
// what is about the app is told in many ways.
func (s *store) pressed(m *Message) answer {
	out := s.object(m, false)
	out["app_id"], out["type"] = m.AppID, "message"
	out["bot_profile"] = answer{
		"id": m.BotID, "app_id": m.AppID, "user_id": m.User, "name": m.AppName, "deleted": false, "updated": 1700000000, "team_id": m.Team,
		"icons": answer{"image_36": "https://a.slack-edge.com/bot.png"},
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(m.Attachments, &list) == nil {
		numbered := make([]answer, len(list))
		for i, one := range list {
			numbered[i] = answer{"id": i + 1, "fallback": "[no preview available]"}
			for name, raw := range one {
				numbered[i][name] = raw
			}
		}
		out["attachments"] = numbered
	}
	return out
}

// action is the element of "actions".
func (e *element) action(ts, option string) answer {
	out := answer{"type": e.Type, "action_id": e.ActionID, "block_id": e.BlockID, "action_ts": ts}
	for _, name := range []string{"text", "value", "style", "placeholder"} {
		if raw, ok := e.raw[name]; ok {
			out[name] = raw
		}
	}
	if chosen := e.option(option); chosen != nil {
		out["selected_option"] = chosen
	}
	return out
}

// state of the elements that have one.
func (e *element) state(option string) answer {
	if e.Type == "button" {
		return answer{}
	}
	return answer{e.BlockID: answer{e.ActionID: answer{"type": e.Type, "selected_option": e.option(option)}}}
}
