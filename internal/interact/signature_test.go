package interact

import (
	"strings"
	"testing"
	"time"
)

// The example of docs.slack.dev/authentication/verifying-requests-from-slack.
const (
	slackSecret    = "8f742231b10e8888abcd99yyyzzz85a5"
	slackTimestamp = "1531420618"
	slackBody      = "token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c"
	slackSignature = "v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503"
)

func TestSigned(t *testing.T) {
	tests := map[string]struct {
		secret, timestamp, signature, body string
		want                               bool
	}{
		"Slack's example":      {slackSecret, slackTimestamp, slackSignature, slackBody, true},
		"in upper case":        {slackSecret, slackTimestamp, "v0=" + strings.ToUpper(slackSignature[3:]), slackBody, true},
		"another secret":       {"x", slackTimestamp, slackSignature, slackBody, false},
		"another time":         {slackSecret, "1531420619", slackSignature, slackBody, false},
		"another body":         {slackSecret, slackTimestamp, slackSignature, slackBody + "&", false},
		"without its version":  {slackSecret, slackTimestamp, slackSignature[3:], slackBody, false},
		"a part of it":         {slackSecret, slackTimestamp, slackSignature[:20], slackBody, false},
		"no signature":         {slackSecret, slackTimestamp, "", slackBody, false},
		"no hexadecimal":       {slackSecret, slackTimestamp, "v0=" + strings.Repeat("z", 64), slackBody, false},
		"an empty secret":      {"", slackTimestamp, "v0=" + strings.Repeat("0", 64), slackBody, false},
		"moved into timestamp": {slackSecret, slackTimestamp + ":" + slackBody[:5], slackSignature, slackBody[5:], false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Signed([]byte(test.secret), test.timestamp, test.signature, []byte(test.body)); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}

func TestRecent(t *testing.T) {
	at := time.Unix(1531420618, 0)
	tests := map[string]struct {
		timestamp string
		now       time.Time
		want      bool
	}{
		"now":                         {slackTimestamp, at, true},
		"five minutes old":            {slackTimestamp, at.Add(5 * time.Minute), true},
		"older":                       {slackTimestamp, at.Add(5*time.Minute + time.Second), false},
		"five minutes ahead":          {slackTimestamp, at.Add(-5 * time.Minute), true},
		"further ahead":               {slackTimestamp, at.Add(-5*time.Minute - time.Second), false},
		"missing":                     {"", at, false},
		"no number":                   {"now", at, false},
		"another form of the same":    {"+1531420618", at, false},
		"with zeros":                  {"01531420618", at, false},
		"with a fraction":             {"1531420618.5", at, false},
		"so large that it overflows":  {"9223372036854775807", at, false},
		"so large that it is no time": {"99999999999999", at, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if got := Recent(test.timestamp, test.now); got != test.want {
				t.Errorf("got %v", got)
			}
		})
	}
}
