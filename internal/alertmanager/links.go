package alertmanager

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// maxSilence is how long the address of the page for a new silence may be.
const maxSilence = 1500

// address returns s if a person can be sent there, else nothing.
func address(s string) string {
	s = strings.TrimSpace(s)
	if s == "" || len(s) > maxURL || strings.ContainsAny(s, " \t\r\n") {
		return ""
	}
	u, err := url.Parse(s)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil {
		return ""
	}
	if s = u.String(); len(s) > maxURL {
		return ""
	}
	return s
}

// page is a page of Alertmanager's; empty when its address is not known, or is
// a Grafana's, which has other pages.
func (s State) page(path string) string {
	base := address(s.ExternalURL)
	if base == "" || s.Grafana {
		return ""
	}
	base, _, _ = strings.Cut(base, "#")
	return strings.TrimRight(base, "/") + "/#/" + path
}

// AlertmanagerURL is the page with the alerts; empty when it is not known.
func (s State) AlertmanagerURL() string {
	page := s.page("alerts")
	if page != "" && s.Receiver != "" {
		page += "?receiver=" + url.QueryEscape(s.Receiver)
	}
	return page
}

// SilenceURL is the page that makes a silence for what the alerts have in
// common; empty when it is not known, or the silence would be for more than
// these. Grafana names it for each alert.
func (s State) SilenceURL() string {
	if s.Grafana {
		return s.one(func(a Alert) string { return a.SilenceURL })
	}
	// Without one of its labels a silence would be wider than meant, and with a
	// shortened one it would match nothing.
	if slices.ContainsFunc(s.shown(), func(a Alert) bool { return a.Shortened }) {
		return ""
	}
	labels, _ := s.shared()
	var filter []string
	size := 0
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		matcher := labelName(key) + "=" + quoted(labels[key])
		if size += len(url.QueryEscape(matcher)) + 3; size > maxSilence || strings.HasSuffix(labels[key], "…") {
			return ""
		}
		filter = append(filter, matcher)
	}
	page := s.page("silences/new")
	if page == "" || len(filter) == 0 {
		return ""
	}
	// The page reads %20, and takes a plus sign for itself.
	return page + "?filter=" + strings.ReplaceAll(url.QueryEscape("{"+strings.Join(filter, ", ")+"}"), "+", "%20")
}

func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

var classicName = regexp.MustCompile(`^[a-zA-Z_:][a-zA-Z0-9_:]*$`)

// labelName is the name of a label in a matcher: what is none of the classic
// ones is quoted (https://prometheus.io/docs/alerting/latest/configuration/#utf-8-strict-mode).
func labelName(name string) string {
	if classicName.MatchString(name) {
		return name
	}
	return quoted(name)
}

// SourceURL is where the alerts come from, if it is one place.
func (s State) SourceURL() string { return s.one(func(a Alert) string { return a.GeneratorURL }) }

// DashboardURL and PanelURL are Grafana's pages of the alerts, if it is one.
func (s State) DashboardURL() string { return s.one(func(a Alert) string { return a.DashboardURL }) }

// PanelURL is the panel of the alerts, if it is one.
func (s State) PanelURL() string { return s.one(func(a Alert) string { return a.PanelURL }) }

// one is an address that all shown alerts have in common.
func (s State) one(of func(Alert) string) string {
	var out string
	for i, a := range s.shown() {
		if i > 0 && of(a) != out {
			return ""
		}
		out = of(a)
	}
	return address(out)
}

// RunbookURL is the annotation runbook_url, if the alerts have one in common.
func (s State) RunbookURL() string {
	_, annotations := s.shared()
	for _, key := range []string{"runbook_url", "runbook"} {
		if page := address(annotations[key]); page != "" {
			return page
		}
	}
	return ""
}
