package slacksim

import (
	"encoding/base64"
	"strconv"
	"strings"
)

func (s *Server) authTest(c *call) (answer, *refusal) {
	bot := c.team.user(c.token.BotUser)
	name := ""
	if bot != nil {
		name = bot.Name
	}
	out := answer{
		"url": c.team.URL, "team": c.team.Name, "user": name, "team_id": c.team.ID,
		"user_id": c.token.BotUser, "bot_id": c.token.BotID, "is_enterprise_install": c.token.OrgWide,
	}
	if c.token.OrgWide {
		out["enterprise_id"] = "E0ORG0000"
	}
	return out, nil
}

// page cuts a part out of n entries, by the arguments cursor and limit.
func page(a args, n, defaultLimit, maxLimit int) (from, to int, next string, no *refusal) {
	limit := defaultLimit
	if a.has("limit") {
		v, err := strconv.Atoi(a["limit"])
		if err != nil || v < 0 || v > maxLimit {
			return 0, 0, "", refuse("invalid_limit")
		}
		if v > 0 {
			limit = v
		}
	}
	if cursor := a["cursor"]; cursor != "" {
		raw, err := base64.StdEncoding.DecodeString(cursor)
		at, ok := strings.CutPrefix(string(raw), "next:")
		v, err2 := strconv.Atoi(at)
		if err != nil || !ok || err2 != nil || v > n {
			return 0, 0, "", refuse("invalid_cursor")
		}
		from = v
	}
	to = min(from+limit, n)
	if to < n {
		next = base64.StdEncoding.EncodeToString([]byte("next:" + strconv.Itoa(to)))
	}
	return from, to, next, nil
}

func (c *call) userObject(u *User) answer {
	profile := answer{
		"real_name": u.RealName, "real_name_normalized": u.RealName,
		"display_name": u.DisplayName, "display_name_normalized": u.DisplayName, "team": c.team.ID,
	}
	if c.may("users:read.email") && u.Email != "" {
		profile["email"] = u.Email
	}
	team := c.team.ID
	if u.Team != "" {
		team = u.Team
		profile["team"] = team
	}
	return answer{
		"id": u.ID, "team_id": team, "is_stranger": u.Stranger, "name": u.Name, "deleted": u.Deleted, "real_name": u.RealName,
		"profile": profile, "is_bot": u.Bot, "is_app_user": false, "updated": 1700000000,
	}
}

func (s *Server) usersList(c *call) (answer, *refusal) {
	if !c.args.has("limit") && len(c.team.Users) > 1000 {
		return nil, refuse("limit_required")
	}
	from, to, next, no := page(c.args, len(c.team.Users), 1000, 1000)
	if no != nil {
		return nil, no
	}
	members := make([]answer, 0, to-from)
	for _, u := range c.team.Users[from:to] {
		members = append(members, c.userObject(u))
	}
	return answer{"members": members, "cache_ts": 1700000000, "response_metadata": answer{"next_cursor": next}}, nil
}

func (s *Server) usersInfo(c *call) (answer, *refusal) {
	u := c.team.user(c.args["user"])
	if u == nil {
		return nil, refuse("user_not_found")
	}
	return answer{"user": c.userObject(u)}, nil
}

func (s *Server) usersLookupByEmail(c *call) (answer, *refusal) {
	for _, u := range c.team.Users {
		if !u.Deleted && !u.Bot && u.Email != "" && strings.EqualFold(u.Email, c.args["email"]) {
			return answer{"user": c.userObject(u)}, nil
		}
	}
	return nil, refuse("users_not_found")
}

func (s *Server) usergroupsList(c *call) (answer, *refusal) {
	groups := make([]answer, 0, len(c.team.Groups))
	for _, g := range c.team.Groups {
		if g.Disabled && !c.args.isTrue("include_disabled") {
			continue
		}
		deleted := 0
		if g.Disabled {
			deleted = 1700000000
		}
		one := answer{
			"id": g.ID, "team_id": c.team.ID, "handle": g.Handle, "name": g.Name, "is_usergroup": true, "date_delete": deleted,
		}
		// docs.slack.dev/reference/methods/usergroups.list
		if c.args.isTrue("include_users") {
			one["users"] = append([]string{}, g.Users...)
		}
		if c.args.isTrue("include_count") {
			one["user_count"] = len(g.Users)
		}
		groups = append(groups, one)
	}
	return answer{"usergroups": groups}, nil
}
