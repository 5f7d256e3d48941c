package slacksim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// What the methods that manage channels allow.
const (
	maxName    = 80
	maxTopic   = 250
	maxInvited = 100
)

// changeable finds a channel that the call may change. One of the special
// scopes will do as well as the one for everything; %s is the kind of channel.
func (c *call) changeable(special ...string) (*Channel, *refusal) {
	ch, no := c.channel()
	switch {
	case no != nil:
		return nil, no
	case ch.dm():
		return nil, refuse("method_not_supported_for_channel_type")
	}
	scope, kind := "channels:manage", "channels"
	if ch.Private {
		scope, kind = "groups:write", "groups"
	}
	if !c.may(scope) && !slices.ContainsFunc(special, func(one string) bool { return c.may(fmt.Sprintf(one, kind)) }) {
		return nil, missing(c, scope)
	}
	return ch, nil
}

var (
	allowedName = regexp.MustCompile(`^[a-z0-9_-]+$`)
	someLetter  = regexp.MustCompile(`[^\p{P}\p{S}]`)
)

// checkName of a channel to be. A name is taken also by a channel that the bot
// can't see or that is archived.
func (w *Workspace) checkName(name string) *refusal {
	switch {
	case name == "":
		return refuse("invalid_name_required")
	case utf8.RuneCountInString(name) > maxName:
		return refuse("invalid_name_maxlength")
	case !someLetter.MatchString(name):
		return refuse("invalid_name_punctuation")
	case !allowedName.MatchString(name):
		return refuse("invalid_name_specials")
	case w.roomNamed(name) != nil:
		return refuse("name_taken")
	}
	return nil
}

func (s *Server) conversationsCreate(c *call) (answer, *refusal) {
	scope, private := "channels:manage", c.args.isTrue("is_private")
	if private {
		scope = "groups:write"
	}
	if !c.may(scope) {
		return nil, missing(c, scope)
	}
	if no := c.team.checkName(c.args["name"]); no != nil {
		return nil, no
	}
	ch := &Channel{Name: c.args["name"], Private: private, Creator: c.token.BotUser, Created: s.now().Unix()}
	for ch.ID == "" || s.taken(ch.ID) {
		s.nextRoom++
		ch.ID = fmt.Sprintf("C1%07d", s.nextRoom)
	}
	c.team.Rooms = append(c.team.Rooms, ch)
	s.join(c, ch, c.token.BotUser)
	return answer{"channel": c.channelObject(ch)}, nil
}

func (s *store) taken(id string) bool {
	for _, w := range s.workspaces {
		if w.room(id) != nil {
			return true
		}
	}
	return false
}

// join adds somebody to a channel, which everybody there is told.
func (s *Server) join(c *call, ch *Channel, user string) {
	ch.Members = append(slices.Clone(ch.Members), user)
	s.tell(c, ch, "channel_join", user, "has joined the channel")
}

// tell adds a notice about what a user did by a call.
func (s *Server) tell(c *call, ch *Channel, subtype, user, text string) {
	s.notice(c.team, ch, subtype, user, text)
}

// conversationsRename works for the channels that the bot has created; others
// are for administrators.
func (s *Server) conversationsRename(c *call) (answer, *refusal) {
	ch, no := c.changeable()
	switch {
	case no != nil:
		return nil, no
	case ch.Archived:
		return nil, refuse("is_archived")
	case !ch.has(c.token.BotUser):
		return nil, refuse("not_in_channel")
	case ch.Creator != c.token.BotUser:
		return nil, refuse("not_authorized")
	}
	if no := c.team.checkName(c.args["name"]); no != nil {
		return nil, no
	}
	old := ch.Name
	ch.Name, ch.PreviousNames = c.args["name"], append([]string{old}, ch.PreviousNames...)
	s.tell(c, ch, "channel_name", c.token.BotUser, fmt.Sprintf("has renamed the channel from %q to %q", old, ch.Name))
	return answer{"channel": c.channelObject(ch)}, nil
}

// conversationsArchive takes the bots out of the channel, as Slack does.
func (s *Server) conversationsArchive(c *call) (answer, *refusal) {
	ch, no := c.changeable()
	switch {
	case no != nil:
		return nil, no
	case ch.Archived:
		return nil, refuse("already_archived")
	case ch.General:
		return nil, refuse("cant_archive_general")
	case !ch.has(c.token.BotUser):
		return nil, refuse("not_in_channel")
	}
	s.tell(c, ch, "channel_archive", c.token.BotUser, "archived the channel")
	ch.Archived = true
	ch.Members = slices.DeleteFunc(slices.Clone(ch.Members), func(id string) bool {
		u := c.team.user(id)
		return id == c.token.BotUser || u != nil && u.Bot
	})
	return answer{}, nil
}

// conversationsUnarchive fails for a bot that archived the channel, since it
// is no member any more and can't join: the page of the method says in a "bug
// alert" that bot tokens can't be used.
func (s *Server) conversationsUnarchive(c *call) (answer, *refusal) {
	ch, no := c.changeable()
	switch {
	case no != nil:
		return nil, no
	case !ch.Archived:
		return nil, refuse("not_archived")
	case !ch.has(c.token.BotUser):
		return nil, refuse("not_in_channel")
	}
	ch.Archived = false
	s.tell(c, ch, "channel_unarchive", c.token.BotUser, "un-archived the channel")
	return answer{}, nil
}

func (s *Server) conversationsSetTopic(c *call) (answer, *refusal) {
	return s.describe(c, "topic", "topic", func(ch *Channel) *string { return &ch.Topic })
}

func (s *Server) conversationsSetPurpose(c *call) (answer, *refusal) {
	return s.describe(c, "purpose", "description", func(ch *Channel) *string { return &ch.Purpose })
}

// describe sets a topic or a purpose; called is what people know it as.
func (s *Server) describe(c *call, what, called string, field func(*Channel) *string) (answer, *refusal) {
	ch, no := c.changeable("%s:write.topic")
	text := c.args[what]
	switch {
	case no != nil:
		return nil, no
	case ch.Archived:
		return nil, refuse("is_archived")
	case !ch.has(c.token.BotUser):
		return nil, refuse("not_in_channel")
	case utf8.RuneCountInString(text) > maxTopic:
		return nil, refuse("too_long")
	}
	*field(ch) = text
	says := fmt.Sprintf("set the channel %s: %s", called, escaped(text))
	if text == "" {
		says = fmt.Sprintf("cleared the channel %s", called)
	}
	s.tell(c, ch, "channel_"+what, c.token.BotUser, says)
	return answer{"channel": c.channelObject(ch)}, nil
}

// escaped is how Slack hands out the text of a topic or a purpose.
func escaped(text string) string {
	text = strings.NewReplacer("&amp;", "&", "&lt;", "<", "&gt;", ">").Replace(text)
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

func (s *Server) conversationsInvite(c *call) (answer, *refusal) {
	ch, no := c.changeable("%s:write.invites")
	users := strings.Split(c.args["users"], ",")
	switch {
	case no != nil:
		return nil, no
	case ch.Archived:
		return nil, refuse("is_archived")
	case !ch.has(c.token.BotUser):
		return nil, refuse("not_in_channel")
	case !c.args.has("users"):
		return nil, refuse("no_user")
	case len(users) > maxInvited:
		return nil, refuse("invalid_arguments")
	}
	// Unless it is forced, one who can't be invited keeps out all others.
	var invited []string
	var wrong []answer
	for _, id := range users {
		id = strings.TrimSpace(id)
		if no := c.uninvitable(ch, id); no != nil {
			wrong = append(wrong, answer{"user": id, "ok": false, "error": no.code})
		} else if !slices.Contains(invited, id) {
			invited = append(invited, id)
		}
	}
	if len(wrong) > 0 && (!c.args.isTrue("force") || len(invited) == 0) {
		return nil, &refusal{code: fmt.Sprint(wrong[0]["error"]), extra: answer{"errors": wrong}}
	}
	for _, id := range invited {
		s.join(c, ch, id)
	}
	// An empty object, where the documents have a list (seen:
	// github.com/slack-go/slack/issues/1466).
	return answer{"channel": c.channelObject(ch), "errors": answer{}}, nil
}

// uninvitable gives the reason why a user can't be invited. That deactivated
// users are not found is a guess.
func (c *call) uninvitable(ch *Channel, id string) *refusal {
	u := c.team.user(id)
	switch {
	case u == nil, u.Deleted, id == "USLACKBOT":
		return refuse("user_not_found")
	case id == c.token.BotUser:
		return refuse("cant_invite_self")
	case ch.has(id):
		return refuse("already_in_channel")
	}
	return nil
}

func (s *Server) conversationsKick(c *call) (answer, *refusal) {
	ch, no := c.changeable()
	id := c.args["user"]
	switch {
	case no != nil:
		return nil, no
	case id == "":
		return nil, refuse("no_user")
	case c.team.user(id) == nil:
		return nil, refuse("user_not_found")
	case id == c.token.BotUser:
		return nil, refuse("cant_kick_self")
	case !ch.has(c.token.BotUser), !ch.has(id):
		return nil, refuse("not_in_channel")
	case ch.General:
		return nil, refuse("cant_kick_from_general")
	}
	ch.Members = slices.DeleteFunc(slices.Clone(ch.Members), func(one string) bool { return one == id })
	s.notify()
	return answer{"errors": answer{}}, nil
}
