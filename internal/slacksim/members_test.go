package slacksim

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestInvite(t *testing.T) {
	s := start(t)
	id := s.create("name", "team")
	invite := func(pairs ...string) reply { return s.form("conversations.invite", append(pairs, "channel", id)...) }
	for users, code := range map[string]string{
		"": "no_user", "U9": "user_not_found", "U0GONE000": "user_not_found", DemoBotUser: "cant_invite_self",
		"U0ADA0000,U9": "user_not_found", strings.Repeat("U0ADA0000,", 100) + "U0GRACE00": "invalid_arguments",
	} {
		if r := invite("users", users); r.text("error") != code {
			t.Errorf("%.20q: %s", users, r.body)
		}
	}
	if got := s.room(id).Members; len(got) != 1 {
		t.Errorf("one who can't be invited keeps out the others: %v", got)
	}
	if r := invite("users", "U0ADA0000,U0GRACE00"); !r.ok() || channelOf(r, "id") != id {
		t.Error(r.body)
	}
	r := invite("users", "U0YUEH000,U0ADA0000")
	if r.text("error") != "already_in_channel" || !strings.Contains(r.body, `"user":"U0ADA0000"`) {
		t.Error(r.body)
	}
	if r := invite("users", "U0YUEH000,U0ADA0000", "force", "true"); !r.ok() {
		t.Error(r.body)
	}
	if got := s.room(id).Members; !slices.Equal(got, []string{DemoBotUser, "U0ADA0000", "U0GRACE00", "U0YUEH000"}) {
		t.Error(got)
	}
}

func TestKick(t *testing.T) {
	s := start(t)
	for name, c := range map[string]struct{ channel, user, code string }{
		"nobody":       {"C0ALERTS0", "", "no_user"},
		"unknown":      {"C0ALERTS0", "U9", "user_not_found"},
		"itself":       {"C0ALERTS0", DemoBotUser, "cant_kick_self"},
		"not there":    {"C0ALERTS0", "U0ADA0000", "not_in_channel"},
		"from general": {general, "U0ADA0000", "cant_kick_from_general"},
	} {
		if r := s.form("conversations.kick", "channel", c.channel, "user", c.user); r.text("error") != c.code {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if r := s.form("conversations.kick", "channel", "C0ALERTS0", "user", "U0GRACE00"); !r.ok() {
		t.Error(r.body)
	}
	if got := s.room("C0ALERTS0").Members; !slices.Equal(got, []string{DemoBotUser, "U0YUEH000"}) {
		t.Error(got)
	}
}

func TestMembersArePaged(t *testing.T) {
	s := start(t)
	var seen []string
	cursor := ""
	for range 5 {
		r := s.form("conversations.members", "channel", general, "limit", "2", "cursor", cursor)
		members, _ := r.fields["members"].([]any)
		for _, m := range members {
			seen = append(seen, fmt.Sprint(m))
		}
		meta, _ := r.fields["response_metadata"].(map[string]any)
		if cursor, _ = meta["next_cursor"].(string); cursor == "" {
			break
		}
	}
	if !slices.Equal(seen, s.room(general).Members) || len(seen) != 6 {
		t.Errorf("%v", seen)
	}
	for name, c := range map[string]struct{ channel, cursor, limit, code string }{
		"cursor":  {general, "bm9uc2Vuc2U=", "", "invalid_cursor"},
		"limit":   {general, "", "1001", "invalid_limit"},
		"unseen":  {"C0SECRET0", "", "", "channel_not_found"},
		"unknown": {"C9", "", "", "channel_not_found"},
	} {
		if r := s.form("conversations.members", "channel", c.channel, "cursor", c.cursor, "limit", c.limit); r.text("error") != c.code {
			t.Errorf("%s: %s", name, r.body)
		}
	}
	if r := s.form("conversations.members", "channel", "C0RANDOM0"); !strings.Contains(r.body, `"members":[]`) {
		t.Errorf("nobody is no null: %s", r.body)
	}
}
