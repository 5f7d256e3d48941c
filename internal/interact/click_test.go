package interact

import (
	"encoding/json"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"
)

// press is a payload as docs.slack.dev/reference/interaction-payloads/block_actions-payload
// shows one, with changes.
func press(changes ...func(map[string]any)) map[string]any {
	p := map[string]any{
		"type": "block_actions", "api_app_id": "A0123", "trigger_id": "1.2.3", "response_url": "https://hooks.slack.com/actions/T1/2/3",
		"user":      map[string]any{"id": "U0ADA", "username": "ada", "name": "Ada L", "team_id": "T012"},
		"team":      map[string]any{"id": "T012", "domain": "acme"},
		"container": map[string]any{"type": "message_attachment", "message_ts": "1700000000.000100", "channel_id": "C0123", "attachment_id": 1},
		"message":   map[string]any{"text": "x", "blocks": []any{map[string]any{"type": 7}}},
		"actions": []any{map[string]any{
			"action_id": "sn:approve", "block_id": someButton.BlockID(), "type": "button", "value": "v", "action_ts": "1700000100.123456",
		}},
	}
	for _, change := range changes {
		change(p)
	}
	return p
}

var someButton = Button{Cluster: "01234567", UID: someUID, Render: "89abcdef"}

func set(path string, v any) func(map[string]any) {
	return func(p map[string]any) {
		steps := strings.Split(path, ".")
		for _, step := range steps[:len(steps)-1] {
			if step == "0" {
				continue
			}
			switch next := p[step].(type) {
			case map[string]any:
				p = next
			case []any:
				p = next[0].(map[string]any)
			}
		}
		p[steps[len(steps)-1]] = v
	}
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestDecode(t *testing.T) {
	good := Click{
		AppID: "A0123", TeamID: "T012", UserID: "U0ADA", UserName: "ada", UserTeamID: "T012", ConversationID: "C0123", Timestamp: "1700000000.000100",
		Button: someButton, Action: "approve", Value: "v", ActionTS: "1700000100.123456",
		At: time.Unix(1700000100, 123456000).UTC(), ResponseURL: "https://hooks.slack.com/actions/T1/2/3",
	}
	with := func(change func(c *Click)) Click {
		c := good
		change(&c)
		return c
	}
	foreign := map[string]any{"action_id": "mine", "block_id": "b", "value": "x", "action_ts": "1.000001"}
	tests := map[string]struct {
		payload any
		want    Click
		err     error
	}{
		"a button":            {payload: press(), want: good},
		"a menu":              {payload: press(set("actions.0.selected_option", map[string]any{"value": "1h"}), set("actions.0.value", nil)), want: with(func(c *Click) { c.Value = "1h" })},
		"installed in an org": {payload: press(set("team", nil), set("enterprise", map[string]any{"id": "E1X"})), want: with(func(c *Click) { c.TeamID, c.EnterpriseID = "", "E1X" })},
		"after another one": {payload: press(func(p map[string]any) {
			p["actions"] = append([]any{foreign, "odd", 7}, p["actions"].([]any)...)
		}), want: good},
		"fields of odd types":         {payload: press(set("api_app_id", 7), set("team", "T012"), set("response_url", []any{}), set("user.username", nil)), want: with(func(c *Click) { c.AppID, c.TeamID, c.ResponseURL, c.UserName = "", "", "", "Ada L" })},
		"a name that hides something": {payload: press(set("user.username", "a\u202ed\x1b[31ma\n<!channel>")), want: with(func(c *Click) { c.UserName = "ada <!channel>" })},
		"a name that is too long":     {payload: press(set("user.username", strings.Repeat("ä", 81))), want: with(func(c *Click) { c.UserName = strings.Repeat("ä", 79) + "…" })},

		"a user's own button":           {payload: press(set("actions", []any{foreign})), err: ErrNotOurs},
		"our block with another action": {payload: press(set("actions.0.action_id", "approve")), err: ErrNotOurs},
		"our action in another block":   {payload: press(set("actions.0.block_id", "b")), err: ErrNotOurs},
		"no action":                     {payload: press(set("actions", []any{})), err: ErrNotOurs},
		"actions that are none":         {payload: press(set("actions", "x")), err: ErrNotOurs},
		"a modal":                       {payload: press(set("type", "view_submission")), err: ErrNotOurs},
		"a type of another type":        {payload: press(set("type", 7)), err: ErrNotOurs},

		"no user":                     {payload: press(set("user", nil)), err: ErrUnreadable},
		"a user who mentions":         {payload: press(set("user.id", "U0ADA><!channel")), err: ErrUnreadable},
		"no message":                  {payload: press(set("container.message_ts", "")), err: ErrUnreadable},
		"no conversation":             {payload: press(set("container.channel_id", "#general")), err: ErrUnreadable},
		"a time that is none":         {payload: press(set("actions.0.action_ts", "1700000100")), err: ErrUnreadable},
		"no JSON":                     {payload: json.RawMessage(`"x"`), err: ErrNotOurs},
		"deep JSON":                   {payload: json.RawMessage(strings.Repeat("[", 65) + strings.Repeat("]", 65)), err: ErrUnreadable},
		"too many values":             {payload: press(set("message", make([]int, 100_001))), err: ErrUnreadable},
		"larger than Slack's largest": {payload: press(set("message", strings.Repeat("x", MaxPayload))), err: ErrUnreadable},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := Decode(encoded(t, test.payload))
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %+v, %v; want %+v, %v", got, err, test.want, test.err)
			}
		})
	}
	if _, err := Decode([]byte(`{"type":"block_actions"`)); !errors.Is(err, ErrUnreadable) {
		t.Errorf("cut JSON: %v", err)
	}
}

func TestClickID(t *testing.T) {
	id := func(changes ...func(map[string]any)) string {
		c, err := Decode(encoded(t, press(changes...)))
		if err != nil {
			t.Fatal(err)
		}
		return c.ID()
	}
	same := id()
	tests := map[string]struct {
		change func(map[string]any)
		same   bool
	}{
		"the same click again":     {set("response_url", "https://hooks.slack.com/actions/other"), true},
		"a newer look of the same": {set("actions.0.block_id", Button{someButton.Cluster, someUID, "00000000", 1}.BlockID()), true},
		"another time":             {set("actions.0.action_ts", "1700000100.123457"), false},
		"another person":           {set("user.id", "U0BOB"), false},
		"another action":           {set("actions.0.action_id", "sn:reject"), false},
		"another choice":           {set("actions.0.value", "w"), false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := id(test.change); (got == same) != test.same {
				t.Errorf("%s beside %s", got, same)
			}
		})
	}
}

func TestDecodeForm(t *testing.T) {
	tests := map[string]struct {
		body, want string
		ok         bool
	}{
		"as Slack posts it":  {"payload=" + url.QueryEscape(`{"a":"b c&d=+é"}`), `{"a":"b c&d=+é"}`, true},
		"beside another one": {"x=1&payload=%7B%7D", "{}", true},
		"twice":              {"payload=%7B%7D&payload=%7B%7D", "", false},
		"empty":              {"payload=", "", false},
		"missing":            {"payloads=1", "", false},
		"broken escapes":     {"payload=%7", "", false},
		"JSON":               {`{"payload":"x"}`, "", false},
		"nothing":            {"", "", false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := DecodeForm([]byte(test.body))
			if string(got) != test.want || (err == nil) != test.ok {
				t.Errorf("got %q, %v; want %q", got, err, test.want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encoded(f, press()))
	f.Add(encoded(f, press(set("actions.0.selected_option", map[string]any{"value": "1h"}))))
	f.Add([]byte(`{"type":"block_actions","actions":[{"block_id":"sn1:01234567:` + someUID + `:89abcdef","action_id":"sn:a"}]}`))
	f.Add([]byte(`{"type":"block_actions","actions":[[[]],null,{"selected_option":7}],"user":[]}`))
	f.Fuzz(func(t *testing.T, payload []byte) {
		c, err := Decode(payload)
		if err != nil {
			if c != (Click{}) || !errors.Is(err, ErrNotOurs) && !errors.Is(err, ErrUnreadable) {
				t.Errorf("%+v with %v", c, err)
			}
			return
		}
		for name, v := range map[string]string{"user": c.UserID, "conversation": c.ConversationID, "ts": c.Timestamp, "action_ts": c.ActionTS, "action": c.Action, "UID": string(c.Button.UID)} {
			if v == "" || len(v) > 63 || strings.ContainsAny(v, "<>|&\n\x00") {
				t.Errorf("%s is %q", name, v)
			}
		}
		if len(c.Value) > maxWord || len([]rune(c.UserName)) > maxName || strings.ContainsAny(c.UserName, "\n\x1b\u202e") || len(c.ID()) != 16 {
			t.Errorf("%+v", c)
		}
	})
}

func FuzzDecodeForm(f *testing.F) {
	f.Add([]byte("payload=%7B%7D"))
	f.Add([]byte("a=b&payload=x&payload"))
	f.Fuzz(func(t *testing.T, body []byte) {
		payload, err := DecodeForm(body)
		if (err == nil) != (len(payload) > 0) || len(payload) > len(body) {
			t.Errorf("%q gave %q, %v", body, payload, err)
		}
	})
}
