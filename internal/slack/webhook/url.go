package webhook

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/url"
	"strings"

	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// hidden stands for the secret wherever a URL would be printed.
const hidden = "[webhook URL]"

// URL is the address of an incoming webhook, which is a secret. It does not
// print itself.
type URL struct{ u *url.URL }

// ParseURL checks the address of an incoming webhook. The errors say what is
// wrong without repeating any of it.
func ParseURL(raw string, allow egress.AllowList) (URL, error) {
	raw = strings.TrimSpace(raw)
	if raw == "" {
		return URL{}, errors.New("it is empty")
	}
	u, err := url.Parse(raw)
	if err != nil {
		return URL{}, errors.New("it is not a URL; copy the webhook's URL from the Slack app's page, Incoming Webhooks")
	}
	if err := allow.Check(u); err != nil {
		return URL{}, err
	}
	path := u.EscapedPath()
	switch {
	// Only Slack's own hosts have these; another may name its paths as it likes.
	case egress.IsSlack(u) && (strings.HasPrefix(path, "/triggers/") || strings.HasPrefix(path, "/workflows/")):
		return URL{}, errors.New("it starts a workflow of Workflow Builder, which takes variables and no messages; create an incoming webhook instead (its URL has /services/)")
	case strings.Trim(path, "/") == "":
		return URL{}, errors.New("it has no path; copy the whole of the webhook's URL")
	case u.Fragment != "":
		return URL{}, errors.New("it has a fragment (#…), which no webhook has")
	}
	return URL{u: u}, nil
}

// Key names the webhook in a way that is stable and tells nothing.
func (u URL) Key() string {
	if u.u == nil {
		return ""
	}
	sum := sha256.Sum256([]byte(u.u.String()))
	return hex.EncodeToString(sum[:8])
}

// String hides the URL.
func (u URL) String() string { return hidden }

// GoString hides the URL.
func (u URL) GoString() string { return hidden }

// MarshalText hides the URL.
func (u URL) MarshalText() ([]byte, error) { return []byte(hidden), nil }
