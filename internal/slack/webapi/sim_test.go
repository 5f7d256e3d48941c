package webapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// simulated returns a client of a simulated Slack, and what makes it fail.
func simulated(t *testing.T) (*Client, func(slacksim.Fault)) {
	t.Helper()
	srv := httptest.NewServer(slacksim.New(slacksim.Config{NoLimits: true}))
	t.Cleanup(srv.Close)
	list := allow(t, srv.URL)
	hc, err := egress.NewClient(egress.Options{Allow: list})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hc.CloseIdleConnections)
	c, err := New(Options{Token: slacksim.DemoToken, APIURL: srv.URL + "/api/", Client: hc})
	if err != nil {
		t.Fatal(err)
	}
	return c, func(f slacksim.Fault) {
		t.Helper()
		data, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(srv.URL+"/_sim/faults", "application/json", bytes.NewReader(data))
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
}

const (
	simChannel = "C0ALERTS0"
	simUser    = "U0YUEH000"
)

func marked(text string) slack.Message {
	return slack.Message{Text: text, Metadata: &slack.Metadata{EventType: "slack_notification", Payload: map[string]string{"notification": text}}}
}

func TestOneMessageIsFoundAgain(t *testing.T) {
	c, _ := simulated(t)
	me, err := c.AuthTest(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	post := func(to string, m slack.Message) slack.Posted {
		t.Helper()
		posted, err := c.Post(t.Context(), to, m)
		if err != nil {
			t.Fatal(err)
		}
		return posted
	}
	parent := post(simChannel, marked("parent"))
	inThread := marked("reply")
	inThread.ThreadTS = parent.Timestamp
	named := marked("named")
	named.Username = "ua-bot"
	post(simChannel, marked("another"))
	for _, row := range []struct {
		name         string
		posted       slack.Posted
		thread, user string
	}{
		{"parent", parent, "", me.BotUserID},
		{"parent", parent, parent.Timestamp, me.BotUserID},
		{"reply", post(simChannel, inThread), parent.Timestamp, me.BotUserID},
		{"named", post(simChannel, named), "", ""},
		{"direct", post(simUser, marked("direct")), "", me.BotUserID},
	} {
		found, next, err := c.History(t.Context(), slack.HistoryQuery{Conversation: row.posted.Conversation, ThreadTS: row.thread, Exactly: row.posted.Timestamp})
		if err != nil || next != "" || len(found) != 1 {
			t.Errorf("%s: %+v, %q, %v; want the one message", row.name, found, next, err)
			continue
		}
		if m := found[0]; m.Timestamp != row.posted.Timestamp || m.BotID != me.BotID || m.UserID != row.user || m.Metadata == nil || m.Metadata.Payload["notification"] != row.name {
			t.Errorf("%s: %+v; want it by bot %s and user %q", row.name, m, me.BotID, row.user)
		}
	}
	if err := c.Delete(t.Context(), simChannel, parent.Timestamp); err != nil {
		t.Fatal(err)
	}
	found, next, err := c.History(t.Context(), slack.HistoryQuery{Conversation: simChannel, Exactly: "1600000000.000001"})
	if err != nil || len(found) != 0 || next != "" {
		t.Errorf("%+v, %q, %v; want no message", found, next, err)
	}
}

func TestTwistedReceiptsAreNotBelieved(t *testing.T) {
	c, fault := simulated(t)
	own, err := c.Post(t.Context(), simChannel, marked("own"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range []slacksim.Fault{
		{Method: slack.MethodPostMessage, Kind: "other_channel", Names: "C0GENERAL"},
		{Method: slack.MethodPostMessage, Kind: "other_ts", Names: "<!channel>"},
		{Method: slack.MethodUpdate, Kind: "other_channel"},
		{Method: slack.MethodUpdate, Kind: "other_ts"},
		{Method: slack.MethodDelete, Kind: "other_ts"},
		{Method: slack.MethodConversationsOpen, Kind: "other_channel", Names: "C0GENERAL"},
	} {
		fault(f)
		var err error
		switch f.Method {
		case slack.MethodPostMessage:
			_, err = c.Post(t.Context(), simChannel, marked("claimed"))
		case slack.MethodUpdate:
			err = c.Update(t.Context(), simChannel, own.Timestamp, marked("edited"))
		case slack.MethodDelete:
			err = c.Delete(t.Context(), simChannel, own.Timestamp)
		case slack.MethodConversationsOpen:
			_, err = c.OpenDirectMessage(t.Context(), simUser)
		}
		if err == nil || slack.ClassOf(err) != slack.ClassAmbiguous || strings.Contains(err.Error(), "!channel") {
			t.Errorf("%s, %s: %v; want an answer that tells nothing", f.Method, f.Kind, err)
		}
	}
}

func TestOddElementsSpoilNoList(t *testing.T) {
	c, fault := simulated(t)
	if _, err := c.Post(t.Context(), simChannel, marked("x")); err != nil {
		t.Fatal(err)
	}
	for method, read := range map[string]func() (any, error){
		slack.MethodUsersList:            func() (any, error) { v, _, err := c.ListUsers(t.Context(), "", 200); return v, err },
		slack.MethodConversationsList:    func() (any, error) { v, _, err := c.ListConversations(t.Context(), "", 200, true); return v, err },
		slack.MethodConversationsMembers: func() (any, error) { v, _, err := c.ListMembers(t.Context(), simChannel, "", 200); return v, err },
		slack.MethodUserGroupsList:       func() (any, error) { return c.ListUserGroups(t.Context()) },
		slack.MethodHistory: func() (any, error) {
			v, _, err := c.History(t.Context(), slack.HistoryQuery{Conversation: simChannel})
			return v, err
		},
	} {
		whole, err := read()
		if err != nil || reflect.ValueOf(whole).Len() == 0 {
			t.Fatalf("%s: %v, %v", method, whole, err)
		}
		fault(slacksim.Fault{Method: method, Kind: "odd_elements"})
		odd, err := read()
		if err != nil || fmt.Sprintf("%+v", odd) != fmt.Sprintf("%+v", whole) && method != slack.MethodHistory {
			t.Errorf("%s: %+v, %v; want %+v", method, odd, err, whole)
		}
		if method == slack.MethodHistory && reflect.ValueOf(odd).Len() != reflect.ValueOf(whole).Len() {
			t.Errorf("%s: %d messages, want %d", method, reflect.ValueOf(odd).Len(), reflect.ValueOf(whole).Len())
		}
	}
}

// The token of an organisation is told as such, with the way out.
func TestTokenOfAnOrganisationIsTold(t *testing.T) {
	c, fault := simulated(t)
	fault(slacksim.Fault{Method: slack.MethodUsersList, Kind: "error", Code: "missing_argument"})
	_, _, err := c.ListUsers(t.Context(), "", 200)
	e := slack.AsError(err)
	if e == nil || e.Class.Transient() || !strings.Contains(e.Error(), "whole organisation") || !strings.Contains(e.Advice(), "install the app in the one workspace") {
		t.Errorf("%v, advice %q", e, e.Advice())
	}
}
