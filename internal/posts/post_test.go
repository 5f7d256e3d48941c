package posts

import (
	"errors"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// curl -d calls JSON a form, whatever it is written in; what is a form is none.
func TestTypesOfABody(t *testing.T) {
	const wide = "\xff\xfe{\x00\"\x00a\x00\"\x00:\x001\x00}\x00"
	for _, kind := range []string{"", "application/json", "application/x-www-form-urlencoded", "text/plain; charset=utf-16"} {
		for name, row := range map[string]struct {
			body  string
			taken bool
		}{
			"JSON":                {`{"a":1}`, true},
			"after blanks":        {" \r\n{\"a\":1}", true},
			"with a mark":         {"\xef\xbb\xbf{\"a\":1}", true},
			"in UTF-16":           {wide, true},
			"a form":              {"a=1&b=2", false},
			"a form in UTF-16":    {"\xff\xfea\x00=\x001\x00", false},
			"nothing":             {"", false},
			"JSON and what comes": {`{"a":1} x`, false},
		} {
			t.Run(name+" as "+kind, func(t *testing.T) {
				p, err := Decode(&v1alpha1.WebhookSource{}, Raw{Body: []byte(row.body), Headers: map[string][]string{"Content-Type": {kind}}}, time.Now())
				if row.taken != (err == nil) || err != nil && !errors.As(err, new(*PayloadError)) {
					t.Fatalf("%v", err)
				}
				if body, _ := p.Body.(map[string]any); row.taken && body["a"] != int64(1) {
					t.Errorf("%v", p.Body)
				}
			})
		}
	}
}

// A sender's clock that runs ahead is believed up to now: what the next one says is not
// older than that.
func TestClockThatRunsAhead(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for name, row := range map[string]struct {
		sent time.Duration
		want time.Time
	}{
		"right":              {-3 * time.Second, now.Add(-3 * time.Second)},
		"a part of a second": {400 * time.Millisecond, now.Add(400 * time.Millisecond)},
		"minutes ahead":      {4 * time.Minute, now},
		"wrong":              {time.Hour, time.Time{}},
	} {
		raw := Raw{Body: []byte(`{"time":"` + now.Add(row.sent).Format(time.RFC3339Nano) + `"}`)}
		post, err := Decode(&v1alpha1.WebhookSource{Preset: v1alpha1.PresetArgoCD}, raw, now)
		if err != nil || !post.At.Equal(row.want) {
			t.Errorf("%s: it was sent at %v (%v), want %v", name, post.At, err, row.want)
		}
	}
}
