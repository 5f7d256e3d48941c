// Package webapi is the adapter to Slack's Web API, over slack-go.
//
// slack-go makes the calls whose answers it reads well. Posting and reading
// lists are done here, because there its decoding turns a message that was
// taken into an error, and one odd element spoils a whole page.
// Nothing here waits, retries or follows a page by itself.
package webapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	slackgo "github.com/slack-go/slack"

	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// Options of New.
type Options struct {
	// Token of a bot.
	Token string
	// APIURL as NormalizeURL returns it.
	APIURL string
	// Client made by egress.NewClient.
	Client *http.Client
	// Observe, if set, is told of every call.
	Observe slack.Observer
}

// Client implements slack.API.
type Client struct {
	token   string
	apiURL  string
	http    *http.Client
	observe slack.Observer
}

var _ slack.API = (*Client)(nil)

// New returns a client. It refuses what can't be a token, without printing it.
func New(o Options) (*Client, error) {
	if o.Token == "" {
		return nil, errors.New("the token is empty")
	}
	if strings.ContainsFunc(o.Token, func(r rune) bool { return r > unicode.MaxASCII || unicode.IsSpace(r) || unicode.IsControl(r) }) {
		return nil, errors.New("the token holds white space or other characters that no token has; write it without quotes or line breaks")
	}
	observe := o.Observe
	if observe == nil {
		observe = func(string, string, time.Duration) {}
	}
	return &Client{token: o.Token, apiURL: o.APIURL, http: o.Client, observe: observe}, nil
}

// NormalizeURL checks the address of a Web API and gives it the slash at its
// end, without which "auth.test" would become a part of the host.
func NormalizeURL(raw string, allow egress.AllowList) (string, error) {
	u, err := url.Parse(strings.TrimSpace(raw))
	if err != nil {
		return "", errors.New("not a URL")
	}
	if err := allow.Check(u); err != nil {
		return "", err
	}
	if u.RawQuery != "" || u.Fragment != "" || u.ForceQuery {
		return "", errors.New("the URL must have neither query nor fragment")
	}
	return strings.TrimRight(u.String(), "/") + "/", nil
}

// sdk returns a slack-go client for one call, and where its transport notes
// whether the request can have reached Slack.
func (c *Client) sdk(method string) (*slackgo.Client, *exchange) {
	x := &exchange{client: c.http, method: method}
	return slackgo.New(c.token,
		slackgo.OptionAPIURL(c.apiURL),
		slackgo.OptionHTTPClient(x),
	), x
}

// order makes one call by slack-go of whose answer nothing but the success is
// needed. What else Slack writes there is not always as its documents say.
func (c *Client) order(method string, do func(*slackgo.Client) error) error {
	return c.call(method, func(api *slackgo.Client) error {
		_ = do(api) // the exchange has seen what Slack said
		return nil
	})
}

// call makes one call by slack-go and classifies its error.
func (c *Client) call(method string, do func(*slackgo.Client) error) error {
	api, x := c.sdk(method)
	begin := time.Now()
	defer func() { x.answer.Release() }()
	e := x.classify(method, do(api))
	c.observe(method, label(e), time.Since(begin))
	if e == nil {
		return nil
	}
	return e
}

// label names an answer for the metrics.
func label(e *slack.Error) string { return slack.AnswerOf(e, KnownCode) }

// AuthTest implements slack.API.
func (c *Client) AuthTest(ctx context.Context) (slack.Identity, error) {
	var out slack.Identity
	err := c.call(slack.MethodAuthTest, func(api *slackgo.Client) error {
		r, err := api.AuthTestContext(ctx)
		if err != nil {
			return err
		}
		if !teamID.MatchString(r.TeamID) || !userID.MatchString(r.UserID) {
			return errIncomplete
		}
		out = slack.Identity{
			TeamID: r.TeamID, TeamName: bounded(r.Team), URL: bounded(r.URL),
			BotUserID: r.UserID, BotID: matching(botID, r.BotID), BotName: bounded(r.User), Scopes: scopes(r.Header),
		}
		return nil
	})
	return out, err
}

// maxScopes of a token that are kept. Slack has about 150.
const maxScopes = 200

// scopes reads the header in which Slack reports what a token may do; nil when
// it is missing.
func scopes(h http.Header) []string {
	values, ok := h[http.CanonicalHeaderKey("X-OAuth-Scopes")]
	if !ok {
		return nil
	}
	out := []string{}
	for _, value := range values {
		for scope := range strings.SplitSeq(value, ",") {
			if scope = strings.TrimSpace(scope); scopeName.MatchString(scope) && len(out) < maxScopes {
				out = append(out, scope)
			}
		}
	}
	return out
}

// ConversationInfo implements slack.API.
func (c *Client) ConversationInfo(ctx context.Context, id string) (slack.Conversation, error) {
	return c.conversation(slack.MethodConversationInfo, func(api *slackgo.Client) error {
		_, err := api.GetConversationInfoContext(ctx, &slackgo.GetConversationInfoInput{ChannelID: id})
		return err
	})
}

// conversation makes one call by slack-go that answers with a channel.
func (c *Client) conversation(method string, do func(*slackgo.Client) error) (slack.Conversation, error) {
	var out slack.Conversation
	err := c.object(method, "channel", do, func(raw json.RawMessage) (ok bool) {
		out, ok = decodeConversation(raw)
		return ok
	})
	return out, err
}

// object makes one call by slack-go that answers with one thing, in a field, and has
// take read it. slack-go's own types are stricter than Slack is: one odd part of a
// channel's latest message would spoil the channel.
func (c *Client) object(method, field string, do func(*slackgo.Client) error, take func(json.RawMessage) bool) error {
	api, x := c.sdk(method)
	begin := time.Now()
	defer func() { x.answer.Release() }()
	_ = do(api) // the exchange has seen what Slack said
	e := x.classify(method, nil)
	if e == nil {
		var fields map[string]json.RawMessage
		if json.Unmarshal(x.answer.Body, &fields) != nil || !take(fields[field]) {
			e = &slack.Error{Class: slack.ClassAmbiguous, Method: method, Reason: "Slack's answer could not be read"}
		}
	}
	c.observe(method, label(e), time.Since(begin))
	if e == nil {
		return nil
	}
	return e
}

// JoinConversation implements slack.API.
func (c *Client) JoinConversation(ctx context.Context, id string) error {
	return c.order(slack.MethodConversationsJoin, func(api *slackgo.Client) error {
		_, _, _, err := api.JoinConversationContext(ctx, id)
		return err
	})
}

// OpenDirectMessage implements slack.API.
func (c *Client) OpenDirectMessage(ctx context.Context, userID string) (string, error) {
	var out struct {
		ID text `json:"id"`
	}
	err := c.object(slack.MethodConversationsOpen, "channel", func(api *slackgo.Client) error {
		_, _, _, err := api.OpenConversationContext(ctx, &slackgo.OpenConversationParameters{Users: []string{userID}})
		return err
	}, func(raw json.RawMessage) bool {
		return json.Unmarshal(raw, &out) == nil && directID.MatchString(string(out.ID))
	})
	if err != nil {
		return "", err
	}
	return string(out.ID), nil
}

// slackbot is a bot, though Slack does not mark it as one
// (docs.slack.dev/reference/objects/user-object).
const slackbot = "USLACKBOT"

// LookupUserByEmail implements slack.API.
func (c *Client) LookupUserByEmail(ctx context.Context, email string) (slack.User, error) {
	var out slack.User
	err := c.object(slack.MethodLookupByEmail, "user", func(api *slackgo.Client) error {
		_, err := api.GetUserByEmailContext(ctx, email)
		return err
	}, func(raw json.RawMessage) (ok bool) {
		out, ok = decodeUser(raw)
		return ok
	})
	return out, err
}
