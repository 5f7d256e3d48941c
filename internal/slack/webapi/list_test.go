package webapi

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// odd elements, of which none is a user, a channel, a group or a member.
const odd = `5,"what",null,[],{},{"id":5},{"id":"<!channel>"},{"id":""},{"id":["U1"]}`

func TestListsLeaveOutWhatIsOdd(t *testing.T) {
	t.Run("users", func(t *testing.T) {
		client, _ := newClient(t, body(`{"ok":true,"members":[`+odd+`,
			{"id":"U1","name":5,"deleted":"yes","is_bot":1,"real_name":{},"profile":[]},
			{"id":"U2","name":"ada","profile":{"real_name":"Ada","email":5,"display_name":"`+strings.Repeat("x", 3000)+`"}}]}`))
		got, _, err := client.ListUsers(t.Context(), "", 200)
		if want := []slack.User{{ID: "U1"}, {ID: "U2", Name: "ada", RealName: "Ada"}}; err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
	t.Run("channels", func(t *testing.T) {
		client, _ := newClient(t, body(`{"ok":true,"channels":[`+odd+`,
			{"id":"C1","name":[],"is_private":"x","created":"noon","topic":"t","purpose":{"value":5},"creator":"nobody"},
			{"id":"C2","name":"a","is_private":true,"is_archived":true,"is_member":true,"created":1700000000,"topic":{"value":"t"},"purpose":{"value":"p"},"creator":"U1"}]}`))
		got, _, err := client.ListConversations(t.Context(), "", 200, true)
		want := []slack.Conversation{{ID: "C1"}, {ID: "C2", Name: "a", Private: true, Archived: true, Member: true, Created: time.Unix(1700000000, 0), Topic: "t", Purpose: "p", Creator: "U1"}}
		if err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%+v, %v; want %+v", got, err, want)
		}
	})
	t.Run("groups", func(t *testing.T) {
		client, _ := newClient(t, body(`{"ok":true,"usergroups":[`+odd+`,{"id":"S1","handle":"oncall","name":null}]}`))
		got, err := client.ListUserGroups(t.Context())
		if err != nil || len(got) != 1 || got[0].ID != "S1" || got[0].Handle != "oncall" || got[0].Users != nil {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("members", func(t *testing.T) {
		client, _ := newClient(t, body(`{"ok":true,"members":[`+odd+`,"U1","C1","W2"]}`))
		got, _, err := client.ListMembers(t.Context(), "C1", "", 200)
		if err != nil || strings.Join(got, " ") != "U1 W2" {
			t.Errorf("%v, %v", got, err)
		}
	})
}

// A plan without user groups is a workspace without any.
func TestNoUserGroupsInThePlan(t *testing.T) {
	client, _ := newClient(t, body(`{"ok":false,"error":"plan_upgrade_required"}`))
	if got, err := client.ListUserGroups(t.Context()); err != nil || len(got) != 0 {
		t.Errorf("%v, %v; want no groups and no error", got, err)
	}
}

// An answer takes memory in proportion to its length, or for the longest page
// that is read, whatever is in it.
func TestAnswersTakeLittleMemory(t *testing.T) {
	for name, part := range map[string]string{"empty objects": `{}`, "empty texts": `""`, "small users": `{"id":"U1"}`, "deep": `[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]`} {
		list := strings.TrimSuffix(strings.Repeat(part+",", 200<<10/(len(part)+1)), ",")
		answer := `{"ok":true,"members":[` + list + `],"channel":{"id":"C1","members":[` + list + `]},"user":{"id":"U1","x":[` + list + `]},"response_metadata":{"messages":[` + list + `]}}`
		client, _ := newClient(t, body(answer))
		for method, call := range every(client) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_ = call(t)
			runtime.ReadMemStats(&after)
			// Reading the body alone, into a buffer that grows, is about five
			// times its length, and writing it in the server is there too; a
			// page of maxElements users is 13 MiB.
			if got := after.TotalAlloc - before.TotalAlloc; got > 20*uint64(len(answer))+20<<20 {
				t.Errorf("%s, %s: %d KiB for an answer of %d KiB", name, method, got>>10, len(answer)>>10)
			}
		}
	}
}

// Each answer is bounded by its method, in bytes, values and depth, before it is
// decoded; a message whose answer is beyond that may be in Slack.
func TestAnswersAreBoundedByMethod(t *testing.T) {
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for name, c := range map[string]struct {
		answer string
		lists  bool // whether a list may have it
	}{
		"long":        {`{"ok":true,"x":"` + strings.Repeat("x", 1<<20) + `"}`, true},
		"many values": {`{"ok":true,"x":[` + strings.Repeat("0,", 30_000) + `0]}`, true},
		"more values": {`{"ok":true,"x":[` + strings.Repeat("0,", 1_100_000) + `0]}`, false},
		"too long":    {`{"ok":true,"x":"` + strings.Repeat("x", 9<<20) + `"}`, false},
		"deep":        {`{"ok":true,"x":` + deep + `}`, false},
		"deep error":  {`{"ok":false,"error":"invalid_auth","x":` + deep + `}`, false},
	} {
		client, _ := newClient(t, body(c.answer))
		for method, call := range every(client) {
			err := call(t)
			e := slack.AsError(err)
			bounded := e != nil && (strings.Contains(e.Reason, "more than one of Slack's can") || strings.Contains(e.Reason, "longer than one of Slack's can be"))
			if want := !lists[method] || !c.lists; bounded != want || want && e.Class != slack.ClassAmbiguous {
				t.Errorf("%s, %s: %v, want it to be told as too much: %v", name, method, e, want)
			}
		}
	}
}
