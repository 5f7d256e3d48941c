package appmanifest

import (
	"encoding/json"
	"net/url"
	"os"
	"slices"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// The README has the same app: its manifest's scopes, and a row for each of them.
func TestReadme(t *testing.T) {
	data, err := os.ReadFile("../../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	begin := strings.Index(text, "```yaml\ndisplay_information:")
	if begin < 0 {
		t.Fatal("the README has no manifest")
	}
	block := text[begin+len("```yaml\n"):]
	var m manifest
	if err := yaml.Unmarshal([]byte(block[:strings.Index(block, "```")]), &m); err != nil {
		t.Fatal(err)
	}
	want, got := slices.Sorted(slices.Values(m.OAuth.Scopes.Bot)), slices.Sorted(slices.Values(All("slack-notifier").Scopes()))
	if !slices.Equal(got, want) {
		t.Errorf("--all has the scopes\n%q\nand the README\n%q", got, want)
	}
	for _, scope := range got {
		if !strings.Contains(text, "`"+scope+"`") {
			t.Errorf("the README does not say what %s is for", scope)
		}
	}
}

// Each ability has the scopes that it needs and no others.
func TestScopes(t *testing.T) {
	for name, test := range map[string]struct {
		o    Options
		want string
	}{
		"nothing":                 {Options{}, "chat:write"},
		"channels":                {Options{Channels: true}, "chat:write channels:read channels:join"},
		"channels, verified":      {Options{Channels: true, Verify: true}, "chat:write channels:read channels:join channels:history"},
		"private, verified":       {Options{Private: true, Verify: true}, "chat:write groups:read groups:history"},
		"people":                  {Options{People: true}, "chat:write im:write users:read"},
		"e-mail":                  {Options{Email: true, Verify: true}, "chat:write im:write users:read im:history users:read.email"},
		"groups":                  {Options{Groups: true}, "chat:write usergroups:read"},
		"a sender":                {Options{Sender: true}, "chat:write chat:write.customize"},
		"channels of its own":     {Options{Manage: true}, "chat:write channels:read channels:manage"},
		"private ones of its own": {Options{Manage: true, Private: true}, "chat:write groups:read channels:read channels:manage groups:write"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := strings.Join(test.o.Scopes(), " "); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// The link has the manifest in it.
func TestURL(t *testing.T) {
	address, err := Options{Name: "a & b", Buttons: true}.URL()
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	var m manifest
	if err := json.Unmarshal([]byte(u.Query().Get("manifest_json")), &m); err != nil {
		t.Fatal(err)
	}
	if m.DisplayInformation.Name != "a & b" || !m.Settings.SocketMode || m.Settings.Interactivity == nil || u.Query().Get("new_app") != "1" {
		t.Errorf("the link %s has not what was asked for", address)
	}
}
