package slacksim

import (
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// visible reports whether the bot may know of a channel.
func (c *call) visible(ch *Channel) bool { return !ch.Private || ch.has(c.token.BotUser) }

func (c *call) channelObject(ch *Channel) answer {
	if ch.dm() {
		return answer{"id": ch.ID, "is_im": true, "user": ch.User, "is_archived": false, "created": 1700000000}
	}
	created := ch.Created
	if created == 0 {
		created = 1700000000
	}
	return answer{
		"id": ch.ID, "name": ch.Name, "name_normalized": ch.Name, "is_channel": !ch.Private, "is_group": ch.Private,
		"is_im": false, "is_mpim": false, "is_private": ch.Private, "is_archived": ch.Archived,
		"is_member": ch.has(c.token.BotUser), "is_general": ch.General, "created": created, "creator": ch.Creator,
		"topic": answer{"value": escaped(ch.Topic)}, "purpose": answer{"value": escaped(ch.Purpose)},
		"previous_names": append([]string{}, ch.PreviousNames...),
	}
}

func (s *Server) conversationsList(c *call) (answer, *refusal) {
	types := strings.Split(c.args["types"], ",")
	if !c.args.has("types") {
		types = []string{"public_channel"}
	}
	wants := func(kind string) bool { return slices.Contains(types, kind) }
	for kind, scope := range map[string]string{"public_channel": "channels:read", "private_channel": "groups:read", "im": "im:read"} {
		if wants(kind) && !c.may(scope) {
			return nil, missing(c, scope)
		}
	}
	var list []*Channel
	for _, ch := range c.team.Rooms {
		switch {
		case ch.dm() && !wants("im"), !ch.dm() && ch.Private && !wants("private_channel"), !ch.dm() && !ch.Private && !wants("public_channel"):
		case !c.visible(ch), ch.Archived && c.args.isTrue("exclude_archived"):
		default:
			list = append(list, ch)
		}
	}
	from, to, next, no := page(c.args, len(list), 100, 1000)
	if no != nil {
		return nil, no
	}
	channels := make([]answer, 0, to-from)
	for _, ch := range list[from:to] {
		channels = append(channels, c.channelObject(ch))
	}
	return answer{"channels": channels, "response_metadata": answer{"next_cursor": next}}, nil
}

// channel finds the conversation of a call that takes an ID only.
func (c *call) channel() (*Channel, *refusal) {
	ch := c.team.room(c.args["channel"])
	if ch == nil || !c.visible(ch) {
		return nil, refuse("channel_not_found")
	}
	return ch, nil
}

func (s *Server) conversationsInfo(c *call) (answer, *refusal) {
	ch, no := c.channel()
	if no != nil {
		return nil, no
	}
	if scope := ch.readScope(); !ch.dm() && !c.may(scope) {
		return nil, missing(c, scope)
	}
	return answer{"channel": c.channelObject(ch)}, nil
}

func (c *Channel) readScope() string {
	switch {
	case c.dm():
		return "im:read"
	case c.Private:
		return "groups:read"
	}
	return "channels:read"
}

func (s *Server) conversationsMembers(c *call) (answer, *refusal) {
	ch, no := c.channel()
	if no != nil {
		return nil, no
	}
	if scope := ch.readScope(); !c.may(scope) {
		return nil, missing(c, scope)
	}
	from, to, next, no := page(c.args, len(ch.Members), 100, 1000)
	if no != nil {
		return nil, no
	}
	members := append([]string{}, ch.Members[from:to]...)
	return answer{"members": members, "response_metadata": answer{"next_cursor": next}}, nil
}

func (s *Server) conversationsOpen(c *call) (answer, *refusal) {
	users := strings.Split(c.args["users"], ",")
	switch {
	case c.args["users"] == "":
		return nil, refuse("users_list_not_supplied")
	case len(users) > 8:
		return nil, refuse("too_many_users")
	case len(users) > 1:
		return nil, refuse("invalid_user_combination")
	case !c.may("im:write"):
		return nil, missing(c, "im:write")
	}
	u := c.team.user(users[0])
	switch {
	case u == nil:
		return nil, refuse("user_not_found")
	case u.Deleted:
		return nil, refuse("user_disabled")
	case u.ID == c.token.BotUser:
		return nil, refuse("invalid_user_combination")
	}
	ch := s.direct(c.team, c.token.BotUser, u.ID)
	return answer{"channel": answer{"id": ch.ID}}, nil
}

func (s *Server) conversationsJoin(c *call) (answer, *refusal) {
	ch := c.team.room(c.args["channel"])
	switch {
	case ch == nil || ch.Private && !ch.dm():
		return nil, refuse("channel_not_found")
	case ch.dm():
		return nil, refuse("method_not_supported_for_channel_type")
	case ch.Archived:
		return nil, refuse("is_archived")
	}
	out := answer{"channel": c.channelObject(ch)}
	if ch.has(c.token.BotUser) {
		out["warning"] = "already_in_channel"
		return out, nil
	}
	s.join(c, ch, c.token.BotUser)
	out["channel"] = c.channelObject(ch)
	return out, nil
}

func (c *call) mayRead(ch *Channel) *refusal {
	scope := "channels:history"
	switch {
	case ch.dm():
		scope = "im:history"
	case ch.Private:
		scope = "groups:history"
	}
	if !c.may(scope) {
		return missing(c, scope)
	}
	if !ch.has(c.token.BotUser) {
		return refuse("not_in_channel")
	}
	return nil
}

func (s *Server) conversationsHistory(c *call) (answer, *refusal) {
	ch, no := c.readable()
	if no != nil {
		return nil, no
	}
	list, no := c.within(s.messages[ch.ID], func(m *Message) bool { return m.ThreadTS == "" || m.ThreadTS == m.TS || m.Broadcast })
	if no != nil {
		return nil, no
	}
	slices.Reverse(list) // the newest first
	return s.messagePage(c, list, 100)
}

// conversationsReplies begins with the parent, whatever time is asked for; the
// pages after the first have replies alone.
func (s *Server) conversationsReplies(c *call) (answer, *refusal) {
	ts := c.args["ts"]
	ch, no := c.readable()
	if no != nil {
		return nil, no
	}
	parent := s.find(ch.ID, ts)
	if parent == nil {
		return nil, refuse("thread_not_found")
	}
	list, no := c.within(s.messages[ch.ID], func(m *Message) bool { return m != parent && m.ThreadTS == ts })
	if no != nil {
		return nil, no
	}
	return s.messagePage(c, append([]*Message{parent}, list...), 999)
}

// readable finds the conversation whose messages are asked for.
func (c *call) readable() (*Channel, *refusal) {
	ch, no := c.channel()
	if no != nil {
		return nil, no
	}
	return ch, c.mayRead(ch)
}

var stamp = regexp.MustCompile(`^([0-9]{1,12})(?:\.([0-9]{1,6}))?$`)

// micros reads a timestamp, in microseconds; false when it is none.
func micros(ts string) (int64, bool) {
	parts := stamp.FindStringSubmatch(ts)
	if parts == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(parts[1]+(parts[2] + "000000")[:6], 10, 64)
	return n, err == nil
}

// within leaves the messages that are wanted and of the time that is asked for.
// Both ends are exclusive unless the call says otherwise.
func (c *call) within(all []*Message, wanted func(*Message) bool) ([]*Message, *refusal) {
	oldest, latest := int64(-1), int64(math.MaxInt64)
	for name, end := range map[string]*int64{"oldest": &oldest, "latest": &latest} {
		if !c.args.has(name) {
			continue
		}
		at, ok := micros(c.args[name])
		if !ok && name == "oldest" {
			return nil, refuse("invalid_ts_oldest")
		} else if !ok {
			return nil, refuse("invalid_ts_latest")
		}
		*end = at
	}
	inclusive := c.args.isTrue("inclusive")
	var list []*Message
	for _, m := range all {
		at, _ := micros(m.TS)
		if wanted(m) && (at > oldest && at < latest || inclusive && (at == oldest || at == latest)) {
			list = append(list, m)
		}
	}
	return list, nil
}

func (s *Server) messagePage(c *call, list []*Message, defaultLimit int) (answer, *refusal) {
	from, to, next, no := page(c.args, len(list), defaultLimit, 999)
	if no != nil {
		return nil, no
	}
	messages := make([]answer, 0, to-from)
	for _, m := range list[from:to] {
		messages = append(messages, s.object(m, c.args.isTrue("include_all_metadata")))
	}
	return answer{"messages": messages, "has_more": next != "", "response_metadata": answer{"next_cursor": next}}, nil
}
