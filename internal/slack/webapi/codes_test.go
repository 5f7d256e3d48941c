package webapi

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// A code without a class is tried again for ever, so whatever Slack documents
// has one.
func TestEveryDocumentedCodeHasAClass(t *testing.T) {
	file, err := os.Open("testdata/documented.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	methods := map[string]bool{}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		methods[fields[0]] = true
		for _, code := range fields[1:] {
			if !KnownCode(code) {
				t.Errorf("Slack documents the code %s for %s, which codes.go gives no class", code, fields[0])
			}
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	client, _ := newClient(t, body(`{}`))
	for method := range every(client) {
		if !methods[method] {
			t.Errorf("testdata/documented.txt does not list the codes of %s", method)
		}
	}
}

// givenCode finds the codes in the source of the simulated Slack.
var givenCode = regexp.MustCompile(`(?:refuse\(|code: )"([a-z_]+)"`)

func TestEveryCodeOfTheSimulatedSlackHasAClass(t *testing.T) {
	files, err := filepath.Glob("../../slacksim/*.go")
	if err != nil {
		t.Fatal(err)
	}
	found := 0
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		source, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range givenCode.FindAllStringSubmatch(string(source), -1) {
			found++
			if !KnownCode(match[1]) {
				t.Errorf("%s gives the code %s, which codes.go gives no class", filepath.Base(name), match[1])
			}
		}
	}
	if found < 50 {
		t.Errorf("found %d codes in the simulated Slack; is it still written so that givenCode finds them?", found)
	}
}

// Only a positive match makes a code final; whatever else comes is tried again.
func TestOnlyKnownCodesAreFinal(t *testing.T) {
	for _, unknown := range []string{"", "new_error", "http_418"} {
		if !codes[unknown].Transient() || KnownCode(unknown) {
			t.Errorf("%q is final", unknown)
		}
	}
	for _, table := range []map[string]string{explanations, remedies} {
		for code := range table {
			if !KnownCode(code) {
				t.Errorf("%s is explained, but has no class", code)
			}
		}
	}
}

// What passes by itself is told as passing, and nothing else.
func TestClassesOfCodesThatAreEasilyMistaken(t *testing.T) {
	for _, c := range []struct {
		code  string
		class slack.Class
		says  string
	}{
		{"invalid_attachments", slack.ClassMessageRejected, "correct the content"},
		{"invalid_thread_ts", slack.ClassMessageRejected, "spec.thread"},
		{"missing_argument", slack.ClassInvalidCredentials, "install the app in the one workspace"},
		{"invalid_team", slack.ClassInvalidCredentials, "install the app in the one workspace"},
		{"team_access_not_granted", slack.ClassAccessDenied, "administrator of the organisation"},
		{"missing_post_type", slack.ClassInvalidCall, "report it"},
		{"not_allowed", slack.ClassPostingRestricted, "administrator of the workspace"},
		{"cannot_dm_bot", slack.ClassUserNotMessageable, "somebody else"},
		{"cannot_dm_user", slack.ClassUserNotMessageable, "somebody else"},
		{"token_expired", slack.ClassInvalidCredentials, "have what rotates the token write each new one into the Secret"},
		{"team_added_to_org", slack.ClassUnavailable, ""},
		{"external_channel_migrating", slack.ClassUnavailable, ""},
		{"fetch_members_failed", slack.ClassUnavailable, ""},
		{"update_failed", slack.ClassUnavailable, ""},
		{"internal_error", slack.ClassAmbiguous, ""},
		{"request_timeout", slack.ClassAmbiguous, ""},
	} {
		t.Run(c.code, func(t *testing.T) {
			client, _ := newClient(t, body(fmt.Sprintf(`{"ok":false,"error":%q}`, c.code)))
			_, err := client.Post(t.Context(), "C1", slack.Message{Text: "x"})
			e := slack.AsError(err)
			if e == nil || e.Class != c.class || e.Class.Transient() != (c.says == "") || !strings.Contains(e.Advice(), c.says) {
				t.Errorf("%+v advises %q; want class %d and %q", e, e.Advice(), c.class, c.says)
			}
		})
	}
}

func TestErrorsTakeOverLittleOfAnAnswer(t *testing.T) {
	long := strings.Repeat("ü", 10_000)
	client, _ := newClient(t, body(`{"ok":false,"error":"invalid_blocks","response_metadata":{"messages":["[ERROR] one\u0007\ntwo",5,null`+
		strings.Repeat(`,"`+long+`"`, 50)+`]}}`))
	_, err := client.Post(t.Context(), "C1", slack.Message{Text: "x"})
	e := slack.AsError(err)
	if len(e.Details) != slack.MaxDetails || e.Details[0] != "one two" || e.Details[slack.MaxDetails-1] != "and more" {
		t.Errorf("%.400v; want %d details, the first without control characters and the last saying that there are more", e.Details, slack.MaxDetails)
	}
	if n := len([]rune(e.Error())); n > slack.MaxDetails*(slack.MaxDetailRunes+2)+200 {
		t.Errorf("the error has %d characters", n)
	}
}

// A label of a metric comes from a closed set, whatever a server answers.
func TestObserversAreToldKnownAnswersAlone(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		body   string
		want   string
	}{
		"ok":               {200, `{"ok":true,"channel":"C1","ts":"1700000000.000100"}`, "ok"},
		"known":            {200, `{"ok":false,"error":"is_archived"}`, "is_archived"},
		"new":              {200, `{"ok":false,"error":"made_up_12345"}`, "other"},
		"no code":          {200, `{"ok":false,"error":"<!channel>"}`, "other"},
		"not JSON":         {200, `x`, "no_answer"},
		"status":           {503, ``, "http_503"},
		"made-up status":   {599, ``, "other"},
		"429":              {429, ``, "ratelimited"},
		"code in a status": {500, `{"ok":false,"error":"made_up_12345"}`, "http_500"},
	} {
		client, seen := newClient(t, status(c.status, c.body))
		_, _ = client.Post(t.Context(), "C1", slack.Message{Text: "x"})
		if len(*seen) != 1 || (*seen)[0] != "chat.postMessage "+c.want {
			t.Errorf("%s: observed %v, want %s", name, *seen, c.want)
		}
	}
}
