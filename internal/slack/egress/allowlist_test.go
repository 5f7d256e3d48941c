package egress

import (
	"net/url"
	"strings"
	"testing"
)

func mustList(t testing.TB, extra ...string) AllowList {
	t.Helper()
	list, err := NewAllowList(extra)
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestCheck(t *testing.T) {
	list := mustList(t, "slacksim:8080", " Proxy.Example.COM ", "127.0.0.1:9090", "[::1]:8443", "fd00::1", "slack.com:8443", "")
	tests := []struct {
		url   string
		allow bool
	}{
		{"https://slack.com/api/", true},
		{"https://SLACK.com/api/", true},
		{"https://slack.com:443/api/", true},
		{"https://hooks.slack.com/services/T/B/x", true},
		{"https://hooks.slack-gov.com/services/T/B/x", true},
		{"https://acme.enterprise.slack.com/", true},
		{"https://slack.com:8443/", true},
		{"http://slacksim:8080/api/", true},
		{"https://slacksim:8080/api/", true},
		{"http://proxy.example.com/x", true},
		{"https://proxy.example.com:1234/x", true},
		{"http://127.0.0.1:9090/", true},
		{"https://[::1]:8443/", true},
		{"https://[fd00:0:0::1]/", true},

		{"http://slack.com/api/", false},
		{"http://slack.com:8443/", false},
		{"https://slack.com:444/", false},
		{"https://hooks.slack.com:8443/", false},
		{"https://evil-slack.com/", false},
		{"https://slack.com.evil.io/", false},
		{"https://slack.com@evil.io/", false},
		{"https://user:pw@slack.com/", false},
		{"https://user@slack.com:443/", false},
		{"https://evil.io\\@slack.com/", false},
		{"https://evil.io#@slack.com/", false},
		{"https://evil.io?@slack.com/", false},
		{"https://slack.com./", false},
		{"https://.slack.com/", false},
		{"https://a..slack.com/", false},
		{"https://slack.com:/", false},
		{"https://slack.com:0443/", false},
		{"https://slаck.com/", false}, // a Cyrillic а
		{"https://slack。com/", false}, // an ideographic full stop
		{"https://xn--slck-5cd.com/", false},
		{"https://%73lack.com/", false},
		{"https://54.1.2.3/", false},
		{"https://127.0.0.1:9091/", false},
		{"https://2130706433:9090/", false},
		{"https://[fe80::1%25eth0]/", false},
		{"http://slacksim/", false},
		{"http://slacksim:80/", false},
		{"http://sub.proxy.example.com/", false},
		{"ftp://slack.com/", false},
		{"//slack.com/", false},
		{"slack.com/api", false},
		{"https:slack.com", false},
		{"https:///services/T/B/x", false},
		{"", false},
	}
	for _, tt := range tests {
		u, err := url.Parse(tt.url)
		if err != nil {
			if tt.allow {
				t.Errorf("%s: %v", tt.url, err)
			}
			continue
		}
		if err := list.Check(u); (err == nil) != tt.allow {
			t.Errorf("Check(%s) = %v, want allowed %v", tt.url, err, tt.allow)
		}
	}
	if list.Check(nil) == nil {
		t.Error("a nil URL is allowed")
	}
	if err := (AllowList{}).Check(&url.URL{Scheme: "https", Host: "api.slack.com"}); err != nil {
		t.Errorf("the zero value refuses Slack: %v", err)
	}
}

// A URL that was put together, not parsed, can hold what no parser lets pass.
func TestCheckAssembledURL(t *testing.T) {
	for _, host := range []string{"slack.com:443@evil.io", "evil.io/.slack.com", "slack.com\r\nX: y", "slack.com:x", "evil.io\x00.slack.com", " slack.com", "[slack.com]"} {
		if (AllowList{}).Check(&url.URL{Scheme: "https", Host: host}) == nil {
			t.Errorf("host %q is allowed", host)
		}
	}
}

func TestCheckErrorHoldsNoSecret(t *testing.T) {
	for _, raw := range []string{
		"https://evil.io/services/T0/B0/sEcReT?sEcReT#sEcReT", "https://sEcReT:sEcReT@slack.com/sEcReT",
		"http://hooks.slack.com/sEcReT", "sEcReT://slack.com/sEcReT", "https://hooks.slack.com:99/sEcReT", "https:sEcReT",
	} {
		u, err := url.Parse(raw)
		if err != nil {
			t.Fatal(err)
		}
		err = AllowList{}.Check(u)
		if err == nil {
			t.Errorf("%s is allowed", raw)
		} else if strings.Contains(strings.ToLower(err.Error()), "secret") {
			t.Errorf("the error of %s shows the secret: %v", raw, err)
		}
	}
}

func TestCheckErrorNamesHostAndWayOut(t *testing.T) {
	err := AllowList{}.Check(&url.URL{Scheme: "https", Host: "chat.example.com", Path: "/hooks/x"})
	if err == nil || !strings.Contains(err.Error(), "chat.example.com") || !strings.Contains(err.Error(), "--allowed-hosts") {
		t.Errorf("got %v", err)
	}
}

func TestNewAllowListRefuses(t *testing.T) {
	for _, entry := range []string{
		"https://slack.example.com", "slack.example.com/", "user:sEcReT@host", "*.example.com", ".example.com",
		"host:", "host:0", "host:65536", "host:http", "host:1:2", "host.", "ho st", "höst", "fe80::1%eth0", "-host", strings.Repeat("a", 64),
	} {
		_, err := NewAllowList([]string{"good.example.com", entry})
		if err == nil {
			t.Errorf("%q is accepted", entry)
			continue
		}
		if !strings.Contains(err.Error(), "entry 2") || strings.Contains(err.Error(), "sEcReT") {
			t.Errorf("%q: %v", entry, err)
		}
	}
}

func FuzzCheck(f *testing.F) {
	for _, seed := range []string{
		"https://slack.com/api/", "https://user@slack.com:443/", "https://slack.com.evil.io", "https://[::1]:443/",
		"http://sim:80", "https://SLACK.COM:443", "https://slack.com:0443", "https://%73lack.com",
	} {
		f.Add(seed)
	}
	list, err := NewAllowList([]string{"sim:80"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		u, err := url.Parse(raw)
		if err != nil || list.Check(u) != nil {
			return
		}
		host := strings.ToLower(u.Hostname())
		slack := host == "slack.com" || host == "slack-gov.com" ||
			strings.HasSuffix(host, ".slack.com") || strings.HasSuffix(host, ".slack-gov.com")
		switch {
		case u.User != nil:
			t.Fatalf("%q holds user information", raw)
		case slack && (u.Scheme != "https" || u.Port() != "" && u.Port() != "443"):
			t.Fatalf("%q is Slack's host but not https on 443", raw)
		case !slack && (host != "sim" || u.Port() != "80" && (u.Port() != "" || u.Scheme != "http")):
			t.Fatalf("%q is allowed", raw)
		}
	})
}
