package silencer

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/safetext"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// Matcher is a label that must have this very value.
type Matcher struct{ Name, Value string }

// Silence is a silence in Alertmanager.
type Silence struct {
	// ID is Alertmanager's; empty for a new one.
	ID string
	// Matchers, all of which an alert must have.
	Matchers []Matcher
	// Regex is true when one of them is none of ours: a pattern, or a negation.
	Regex bool
	// StartsAt and EndsAt by Alertmanager's clock.
	StartsAt, EndsAt time.Time
	// CreatedBy and Comment are for people.
	CreatedBy, Comment string
	// Expired is true when it holds no more.
	Expired bool
}

// Alert is an alert that fires.
type Alert struct {
	Fingerprint string
	Labels      map[string]string
	// SilencedBy are the IDs of the silences that it has.
	SilencedBy []string
}

// The JSON of the API (api/v2/openapi.yaml of prometheus/alertmanager).
type (
	wireMatcher struct {
		Name    string `json:"name"`
		Value   string `json:"value"`
		IsRegex bool   `json:"isRegex"`
		IsEqual *bool  `json:"isEqual,omitempty"`
	}
	wireSilence struct {
		ID        string        `json:"id,omitempty"`
		Matchers  []wireMatcher `json:"matchers"`
		StartsAt  time.Time     `json:"startsAt"`
		EndsAt    time.Time     `json:"endsAt"`
		CreatedBy string        `json:"createdBy"`
		Comment   string        `json:"comment"`
		Status    *struct {
			State string `json:"state"`
		} `json:"status,omitempty"`
	}
	wireAlert struct {
		Fingerprint string            `json:"fingerprint"`
		Labels      map[string]string `json:"labels"`
		Status      struct {
			SilencedBy []string `json:"silencedBy"`
		} `json:"status"`
	}
)

func (w *wireSilence) silence() Silence {
	s := Silence{ID: w.ID, StartsAt: w.StartsAt, EndsAt: w.EndsAt, CreatedBy: w.CreatedBy, Comment: w.Comment}
	s.Expired = w.Status != nil && w.Status.State == "expired"
	for _, m := range w.Matchers {
		s.Matchers = append(s.Matchers, Matcher{m.Name, m.Value})
		s.Regex = s.Regex || m.IsRegex || m.IsEqual != nil && !*m.IsEqual
	}
	return s
}

// identifier is what a silence's ID may look like: it becomes part of an address.
var identifier = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// Put makes a silence, or with an ID changes when one ends. It returns the ID that it
// has by now: Alertmanager gives another one where it can't change the old one.
func (c *Client) Put(ctx context.Context, s Silence) (string, error) {
	yes := true
	w := wireSilence{ID: s.ID, StartsAt: s.StartsAt, EndsAt: s.EndsAt, CreatedBy: s.CreatedBy, Comment: s.Comment, Matchers: []wireMatcher{}}
	for _, m := range s.Matchers {
		w.Matchers = append(w.Matchers, wireMatcher{Name: m.Name, Value: m.Value, IsEqual: &yes})
	}
	var out struct {
		SilenceID string `json:"silenceID"`
		// ID is what a Grafana answers.
		ID string `json:"id"`
	}
	if err := c.call(ctx, "put", http.MethodPost, "silences", nil, w, maxSmall, &out); err != nil {
		return "", err
	}
	if out.SilenceID == "" {
		out.SilenceID = out.ID
	}
	if !identifier.MatchString(out.SilenceID) {
		return "", &Error{Words: "Alertmanager answered without the silence's ID", Sent: true}
	}
	return out.SilenceID, nil
}

// Get returns a silence.
func (c *Client) Get(ctx context.Context, id string) (Silence, error) {
	if !identifier.MatchString(id) {
		return Silence{}, &Error{Words: "no silence has such an ID", Status: http.StatusNotFound}
	}
	var w wireSilence
	if err := c.call(ctx, "get", http.MethodGet, "silence/"+id, nil, nil, maxSmall, &w); err != nil {
		return Silence{}, err
	}
	return w.silence(), nil
}

// Find returns the silences with these matchers that hold and have a mark in their
// comment. Alertmanager compares matchers alone.
func (c *Client) Find(ctx context.Context, matchers []Matcher, mark string) ([]Silence, error) {
	query := filters(matchers)
	query.Set("expired", "false") // known since 0.34
	var list []wireSilence
	if err := c.call(ctx, "find", http.MethodGet, "silences", query, nil, maxList, &list); err != nil {
		return nil, err
	}
	var out []Silence
	for i := range list {
		if s := list[i].silence(); !s.Expired && strings.Contains(s.Comment, mark) && identifier.MatchString(s.ID) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Expire ends a silence. One that has ended, or that nobody knows, is no error.
func (c *Client) Expire(ctx context.Context, id string) error {
	if !identifier.MatchString(id) {
		return nil
	}
	err := c.call(ctx, "expire", http.MethodDelete, "silence/"+id, nil, nil, maxSmall, nil)
	if e, ok := err.(*Error); ok && e.NotFound() { //nolint:errorlint // call returns it as it is
		return nil
	}
	return err
}

// Alerts returns the alerts that fire with these labels, silenced or not.
func (c *Client) Alerts(ctx context.Context, matchers []Matcher) ([]Alert, error) {
	query := filters(matchers)
	for _, all := range []string{"active", "silenced", "inhibited", "unprocessed"} {
		query.Set(all, "true")
	}
	var list []wireAlert
	if err := c.call(ctx, "alerts", http.MethodGet, "alerts", query, nil, maxList, &list); err != nil {
		return nil, err
	}
	out := make([]Alert, len(list))
	for i := range list {
		out[i] = Alert{Fingerprint: list[i].Fingerprint, Labels: list[i].Labels, SilencedBy: list[i].Status.SilencedBy}
	}
	return out, nil
}

// Since returns when Alertmanager was started. It knows no alerts until Prometheus
// tells of them anew.
func (c *Client) Since(ctx context.Context) (time.Time, error) {
	var out struct {
		Uptime time.Time `json:"uptime"`
	}
	err := c.call(ctx, "status", http.MethodGet, "status", nil, nil, maxSmall, &out)
	return out.Uptime, err
}

// filters are matchers as query parameters.
func filters(matchers []Matcher) url.Values {
	out := url.Values{}
	for _, m := range matchers {
		out.Add("filter", labelName(m.Name)+"="+quoted(m.Value))
	}
	return out
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

var classicName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

// labelName is quoted where it is none of the classic ones
// (prometheus.io/docs/alerting/latest/configuration, UTF-8 matchers).
func labelName(name string) string {
	if classicName.MatchString(name) {
		return name
	}
	return quoted(name)
}

// maxWords of an Alertmanager are told, in characters.
const maxWords = 300

// words are what an Alertmanager says of a call that it refuses. Its errors are JSON
// strings; what stands before it may answer anything.
func (c *Client) words(answer *egress.Answer) string {
	text := string(answer.Body[:min(len(answer.Body), 4096)])
	var plain string
	if json.Unmarshal(answer.Body, &plain) == nil {
		text = plain
	}
	text = safetext.Line(text)
	if runes := []rune(text); len(runes) > maxWords {
		text = string(runes[:maxWords-1]) + "…"
	}
	for _, secret := range []string{c.config.Token, c.config.Password} {
		if len(secret) > 3 {
			text = strings.ReplaceAll(text, secret, "***")
		}
	}
	status := fmt.Sprintf("Alertmanager answered %d", answer.Status)
	switch {
	case answer.Status >= 300 && answer.Status < 400:
		return status + ", which leads elsewhere: put where it leads to into actions.silence.alertmanager.url"
	case answer.Status == http.StatusUnauthorized || answer.Status == http.StatusForbidden:
		status += " (check actions.silence.alertmanager.authSecretRef)"
	}
	if text == "" || strings.HasPrefix(text, "<") { // a page for people
		return status
	}
	return status + ": " + text
}
