package slacksim

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
)

// room as the simulation has it.
func (s *slackAt) room(id string) Channel {
	s.t.Helper()
	var state State
	s.get("state", &state)
	if ch := state.Workspaces[0].room(id); ch != nil {
		return *ch
	}
	return Channel{}
}

func (s *slackAt) create(pairs ...string) string {
	s.t.Helper()
	r := s.form("conversations.create", pairs...)
	if !r.ok() {
		s.t.Fatal(r.body)
	}
	return channelOf(r, "id")
}

func channelOf(r reply, field string) string {
	ch, _ := r.fields["channel"].(map[string]any)
	return fmt.Sprint(ch[field])
}

// notices of a channel, the latest last.
func (s *slackAt) notices(id string) (subtypes, texts []string) {
	s.t.Helper()
	var list []Message
	s.get("messages?channel="+id, &list)
	for _, m := range list {
		if m.Subtype != "" {
			subtypes, texts = append(subtypes, m.Subtype), append(texts, m.Text)
		}
	}
	return subtypes, texts
}

func TestCreate(t *testing.T) {
	s := start(t)
	for name, code := range map[string]string{
		"": "invalid_name_required", strings.Repeat("a", 81): "invalid_name_maxlength", "--_": "invalid_name_punctuation",
		"Upper": "invalid_name_specials", "with space": "invalid_name_specials", "#sign": "invalid_name_specials",
		"dot.ted": "invalid_name_specials", "general": "name_taken", "secret": "name_taken", "old-project": "name_taken",
	} {
		if r := s.form("conversations.create", "name", name); r.text("error") != code {
			t.Errorf("%q: %s", name, r.body)
		}
	}
	r := s.json("conversations.create", `{"name":"`+strings.Repeat("a", 80)+`"}`)
	id := channelOf(r, "id")
	if !r.ok() || channelOf(r, "creator") != DemoBotUser || channelOf(r, "created") != fmt.Sprint(float64(s.now().Unix())) || channelOf(r, "is_member") != "true" {
		t.Errorf("%s", r.body)
	}
	if info := s.form("conversations.info", "channel", id); channelOf(info, "topic") != "map[value:]" || channelOf(info, "purpose") != "map[value:]" {
		t.Error(info.body)
	}
	if ch := s.room(id); !slices.Equal(ch.Members, []string{DemoBotUser}) || ch.Private {
		t.Errorf("%+v", ch)
	}
	private := s.create("name", "hush", "is_private", "true")
	if private == id || !s.room(private).Private {
		t.Errorf("%+v", s.room(private))
	}
	if list := s.form("conversations.list"); strings.Contains(list.body, `"hush"`) {
		t.Error(list.body)
	}
	s.post(id, `"text":"hello"`)
}

// Each kind of channel has a scope of its own.
func TestManagingNeedsScopes(t *testing.T) {
	s := start(t)
	s.sim("tokens", map[string]any{"token": "xoxb-public", "scopes": []string{"channels:manage"}})
	s.sim("tokens", map[string]any{"token": "xoxb-topic", "scopes": []string{"channels:write.topic", "groups:write.invites"}})
	pairs := []string{"name", "x", "is_private", "true", "topic", "x", "purpose", "x", "users", "U0ADA0000", "user", "U0ADA0000", "channel", "C0OPSPRIV"}
	for name, m := range methods {
		if !slices.Contains(m.scopes, "channels:manage") {
			continue
		}
		if r := s.form(name, append(pairs, "token", "xoxb-few")...); r.text("error") != "missing_scope" || r.text("needed") != "channels:manage" {
			t.Errorf("%s without any: %s", name, r.body)
		}
		if r := s.form(name, append(pairs, "token", "xoxb-public")...); r.text("error") != "missing_scope" || r.text("needed") != "groups:write" {
			t.Errorf("%s of a private channel: %s", name, r.body)
		}
	}
	s.sim("tokens", map[string]any{"token": "xoxb-private", "scopes": []string{"groups:write"}})
	if r := s.form("conversations.create", "name", "x", "token", "xoxb-private"); r.text("needed") != "channels:manage" {
		t.Error(r.body)
	}
	if r := s.form("conversations.setTopic", "channel", general, "topic", "x", "token", "xoxb-topic"); !r.ok() {
		t.Error(r.body)
	}
	if r := s.form("conversations.invite", "channel", "C0OPSPRIV", "users", "U0ADA0000", "token", "xoxb-topic"); !r.ok() {
		t.Error(r.body)
	}
	if r := s.form("conversations.invite", "channel", "C0ALERTS0", "users", "U0ADA0000", "token", "xoxb-topic"); r.text("needed") != "channels:manage" {
		t.Error(r.body)
	}
	if r := s.form("conversations.members", "channel", "C0OPSPRIV", "token", "xoxb-few"); r.text("needed") != "groups:read" {
		t.Error(r.body)
	}
}

// What all methods that change a channel refuse alike.
func TestManagingNeedsAChannel(t *testing.T) {
	s := start(t)
	dm := s.form("conversations.open", "users", "U0YUEH000")
	pairs := []string{"name", "x", "topic", "x", "purpose", "x", "users", "U0ADA0000", "user", "U0ADA0000"}
	for _, c := range []struct{ channel, code, methods string }{
		{"C9", "channel_not_found", "rename archive unarchive setTopic setPurpose invite kick"},
		{"C0SECRET0", "channel_not_found", "rename archive unarchive setTopic setPurpose invite kick"},
		{"general", "channel_not_found", "rename archive unarchive setTopic setPurpose invite kick"},
		{channelOf(dm, "id"), "method_not_supported_for_channel_type", "rename archive unarchive setTopic setPurpose invite kick"},
		{"C0RANDOM0", "not_in_channel", "rename archive setTopic setPurpose invite kick"},
		{"C0RANDOM0", "not_archived", "unarchive"},
		{"C0OLD0000", "is_archived", "rename setTopic setPurpose invite"},
		{"C0OLD0000", "already_archived", "archive"},
	} {
		for _, method := range strings.Fields(c.methods) {
			if r := s.form("conversations."+method, append(pairs, "channel", c.channel)...); r.text("error") != c.code {
				t.Errorf("%s of %s: %s", method, c.channel, r.body)
			}
		}
	}
}

func TestRename(t *testing.T) {
	s := start(t)
	id := s.create("name", "before")
	for name, code := range map[string]string{"": "invalid_name_required", "No": "invalid_name_specials", "general": "name_taken", "before": "name_taken"} {
		if r := s.form("conversations.rename", "channel", id, "name", name); r.text("error") != code {
			t.Errorf("%q: %s", name, r.body)
		}
	}
	if r := s.form("conversations.rename", "channel", general, "name", "x"); r.text("error") != "not_authorized" {
		t.Errorf("a channel that somebody else has created: %s", r.body)
	}
	r := s.form("conversations.rename", "channel", id, "name", "after")
	if !r.ok() || channelOf(r, "id") != id || channelOf(r, "name") != "after" || channelOf(r, "previous_names") != "[before]" {
		t.Error(r.body)
	}
	if subtypes, texts := s.notices(id); subtypes[len(subtypes)-1] != "channel_name" || !strings.HasSuffix(texts[len(texts)-1], `from "before" to "after"`) {
		t.Error(subtypes, texts)
	}
	s.create("name", "before")
}

func TestArchive(t *testing.T) {
	s := start(t)
	id := s.create("name", "short-lived")
	s.form("conversations.invite", "channel", id, "users", "U0ADA0000")
	if r := s.form("conversations.archive", "channel", general); r.text("error") != "cant_archive_general" {
		t.Error(r.body)
	}
	if r := s.form("conversations.archive", "channel", id); !r.ok() {
		t.Error(r.body)
	}
	// Whoever is a bot is thrown out, and can neither come back nor undo it.
	if ch := s.room(id); !ch.Archived || !slices.Equal(ch.Members, []string{"U0ADA0000"}) {
		t.Errorf("%+v", ch)
	}
	for method, code := range map[string]string{
		"conversations.archive": "already_archived", "conversations.join": "is_archived",
		"conversations.unarchive": "not_in_channel", "chat.postMessage": "is_archived",
	} {
		if r := s.form(method, "channel", id, "text", "x"); r.text("error") != code {
			t.Errorf("%s: %s", method, r.body)
		}
	}
	s.sim("channels", map[string]any{"id": id, "members": []string{DemoBotUser}})
	if r := s.form("conversations.unarchive", "channel", id); !r.ok() || s.room(id).Archived {
		t.Error(r.body)
	}
	if subtypes, _ := s.notices(id); !slices.Equal(subtypes, []string{"channel_join", "channel_join", "channel_archive", "channel_unarchive"}) {
		t.Error(subtypes)
	}
}

func TestTopicAndPurpose(t *testing.T) {
	for what, method := range map[string]string{"topic": "conversations.setTopic", "purpose": "conversations.setPurpose"} {
		t.Run(what, func(t *testing.T) {
			s := start(t)
			set := func(text string) reply { return s.form(method, "channel", general, what, text) }
			if r := set(strings.Repeat("ü", 251)); r.text("error") != "too_long" {
				t.Error(r.body)
			}
			if r := set(strings.Repeat("ü", 250)); !r.ok() {
				t.Error(r.body)
			}
			if r := set("A & B <c>"); !r.ok() || channelOf(r, what) != "map[value:A &amp; B &lt;c&gt;]" {
				t.Errorf("it comes back escaped: %s", r.body)
			}
			if r := set(""); !r.ok() || channelOf(r, what) != "map[value:]" {
				t.Error(r.body)
			}
			subtypes, texts := s.notices(general)
			if !slices.Equal(subtypes, []string{"channel_" + what, "channel_" + what, "channel_" + what}) || !strings.Contains(texts[2], "cleared") {
				t.Error(subtypes, texts)
			}
			if r := s.form("conversations.history", "channel", general); !strings.Contains(r.body, `"subtype":"channel_`+what+`"`) {
				t.Errorf("a notice is part of the history: %s", r.body)
			}
		})
	}
}

func TestUserGroups(t *testing.T) {
	s := start(t)
	s.sim("groups", Group{ID: "S0RETIRED", Handle: "retired", Name: "Retired", Disabled: true})
	if r := s.form("usergroups.list"); !strings.Contains(r.body, `"oncall"`) || strings.Contains(r.body, "retired") {
		t.Error(r.body)
	}
	if r := s.form("usergroups.list", "include_disabled", "true"); !strings.Contains(r.body, "retired") {
		t.Error(r.body)
	}
	if r := s.form("usergroups.list", "token", "xoxb-few"); r.text("needed") != "usergroups:read" {
		t.Error(r.body)
	}
}

// Every method is held by the tier that Slack's pages name.
func TestTiers(t *testing.T) {
	for method, allowed := range map[string]int{
		"conversations.create": 20, "conversations.rename": 20, "conversations.archive": 20, "conversations.unarchive": 20,
		"conversations.setTopic": 20, "conversations.setPurpose": 20, "conversations.invite": 50, "conversations.kick": 50,
		"conversations.members": 100, "chat.update": 50, "chat.delete": 50, "usergroups.list": 20,
	} {
		s := start(t)
		for i := range allowed + 1 {
			r := s.form(method, "channel", "C9")
			if (r.status == http.StatusTooManyRequests) != (i == allowed) {
				t.Errorf("%s, call %d: %d", method, i, r.status)
			}
		}
	}
}

// A person may change a channel behind the bot's back, in part or as a whole.
func TestDrift(t *testing.T) {
	s := start(t)
	id := s.create("name", "owned")
	s.sim("channels", map[string]any{"id": id, "topic": "by a person", "members": []string{DemoBotUser, "U0SAM0001"}})
	ch := s.room(id)
	if ch.Name != "owned" || ch.Creator != DemoBotUser || ch.Topic != "by a person" || !slices.Equal(ch.Members, []string{DemoBotUser, "U0SAM0001"}) {
		t.Errorf("%+v", ch)
	}
	s.sim("channels", Channel{ID: id, Name: "renamed", ReadOnly: true})
	s.sim("channels", Channel{ID: id, Name: "renamed"})
	if ch := s.room(id); ch.ReadOnly || ch.Topic != "" || len(ch.Members) != 0 || ch.Name != "renamed" {
		t.Errorf("as a whole: %+v", ch)
	}
}

// A channel that is to be created is known by its name.
func TestFaultsOfChannels(t *testing.T) {
	s := start(t)
	s.sim("faults", Fault{Method: "conversations.create", Channel: "wanted", Team: DemoTeam, Kind: "close_after"})
	other := s.create("name", "other")
	if r := s.form("conversations.create", "name", "wanted"); r.status != -1 {
		t.Errorf("%d %s", r.status, r.body)
	}
	if r := s.form("conversations.create", "name", "wanted"); r.text("error") != "name_taken" {
		t.Errorf("it was created after all: %s", r.body)
	}
	for _, method := range []string{"conversations.setTopic", "conversations.invite", "conversations.archive"} {
		s.sim("faults", Fault{Method: method, Channel: other, Kind: "http_after", Status: 503})
		if r := s.form(method, "channel", other, "topic", "t", "users", "U0ADA0000"); r.status != 503 {
			t.Errorf("%s: %d %s", method, r.status, r.body)
		}
	}
	if ch := s.room(other); ch.Topic != "t" || !ch.Archived || !ch.has("U0ADA0000") {
		t.Errorf("%+v", ch)
	}
	s.sim("faults", Fault{Method: "conversations.setTopic", Team: "T0OTHER00", Kind: "http", Status: 503})
	if r := s.form("conversations.setTopic", "channel", general, "topic", "x"); !r.ok() {
		t.Errorf("of another team: %s", r.body)
	}
}
