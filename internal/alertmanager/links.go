package alertmanager

import (
	"maps"
	"net/url"
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

// page is a page of Alertmanager's; empty when its address is not known.
func (s State) page(path string) string {
	base := address(s.ExternalURL)
	if base == "" {
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
// common; empty when it is not known, or the silence would be for everything.
func (s State) SilenceURL() string {
	labels, _ := s.shared()
	var filter []string
	size := 0
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		matcher := key + `="` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(labels[key]) + `"`
		// Without one of its labels a silence would be wider than meant, and
		// with a shortened one it would match nothing.
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

// SourceURL is where the alerts come from, if it is one place.
func (s State) SourceURL() string {
	alerts := s.detailed(Firing)
	if len(alerts) == 0 {
		alerts = s.detailed(Resolved)
	}
	var out string
	for _, a := range alerts {
		if out != "" && a.GeneratorURL != out {
			return ""
		}
		out = a.GeneratorURL
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
