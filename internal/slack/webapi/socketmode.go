package webapi

import (
	"context"
	"encoding/json"
	"net/url"
	"regexp"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// appID of an app, as in A0123ABCD.
var appID = regexp.MustCompile(`^A[A-Z0-9]{1,20}$`)

// OpenConnection returns the URL of a new connection by Socket Mode, which can be
// used once and is a secret. The client's token has to be of the app level, with
// the scope connections:write
// (docs.slack.dev/reference/methods/apps.connections.open). Every error is an
// *slack.Error.
func (c *Client) OpenConnection(ctx context.Context) (string, error) {
	var out struct {
		URL text `json:"url"`
	}
	e := c.short(ctx, slack.MethodConnectionsOpen, nil, &out)
	if e == nil && out.URL == "" {
		e = &slack.Error{Class: slack.ClassAmbiguous, Method: slack.MethodConnectionsOpen, Reason: "Slack's answer names no URL"}
	}
	if e != nil {
		return "", e
	}
	return string(out.URL), nil
}

// BotApp implements slack.API.
func (c *Client) BotApp(ctx context.Context, bot string) (string, error) {
	var out struct {
		Bot json.RawMessage `json:"bot"`
	}
	if e := c.short(ctx, slack.MethodBotsInfo, url.Values{"bot": {bot}}, &out); e != nil {
		return "", e
	}
	var about struct {
		AppID text `json:"app_id"`
	}
	_ = json.Unmarshal(out.Bot, &about) // then it names no app
	app := matching(appID, string(about.AppID))
	if app == "" {
		return "", &slack.Error{Class: slack.ClassAmbiguous, Method: slack.MethodBotsInfo, Reason: "Slack's answer names no app"}
	}
	return app, nil
}

// short makes a call with a form, whose answer is about one thing.
func (c *Client) short(ctx context.Context, method string, params url.Values, out any) *slack.Error {
	begin := time.Now()
	answer, e := c.ask(ctx, method, formType, []byte(params.Encode()))
	defer answer.Release()
	if e == nil {
		e = decode(method, answer, out)
	}
	c.observe(method, label(e), time.Since(begin))
	return e
}
