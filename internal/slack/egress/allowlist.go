package egress

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// slackDomains serve Slack's API and webhooks; GovSlack has a domain of its
// own (docs.slack.dev/govslack).
var slackDomains = []string{"slack.com", "slack-gov.com"}

// AllowList says which hosts may receive a token or a webhook URL. Slack's own
// hosts always may, by https on port 443. The zero value allows these alone.
type AllowList struct {
	extra map[string]struct{}
	// flag names those of another system, where Slack's own hosts have no place.
	flag string
}

// NewHosts returns a list of the hosts of another system than Slack, as a flag of the
// operator names them; Slack's own are not among them. The entries are as those of
// NewAllowList.
func NewHosts(flag string, entries []string) (AllowList, error) {
	list, err := NewAllowList(entries)
	list.flag = flag
	return list, err
}

// NewAllowList returns the list of Slack's own hosts and extra ones, each
// written "host" (any port) or "host:port". Blank entries are skipped. The
// extra hosts match exactly, with no wildcards, and accept plain http too.
// An error says which entry is wrong by its position, since what was put there
// by mistake may be secret.
func NewAllowList(extra []string) (AllowList, error) {
	list := AllowList{extra: make(map[string]struct{}, len(extra))}
	for i, entry := range extra {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		key, err := parseEntry(entry)
		if err != nil {
			return AllowList{}, fmt.Errorf("entry %d of the allowed hosts %w", i+1, err)
		}
		list.extra[key] = struct{}{}
	}
	return list, nil
}

func parseEntry(entry string) (string, error) {
	const form = `give the host alone, as in "slack.example.com" or "slack.example.com:8443"`
	switch {
	case strings.Contains(entry, "@"):
		return "", errors.New("holds user information; " + form)
	case strings.Contains(entry, "/"):
		return "", errors.New("has a scheme or a path; " + form)
	case strings.Contains(entry, "*"):
		return "", errors.New("has a wildcard, but hosts match exactly; name each host")
	}
	host, port := entry, ""
	// A bare IPv6 address has colons but no port.
	if _, err := netip.ParseAddr(strings.Trim(entry, "[]")); err == nil {
		host = strings.Trim(entry, "[]")
	} else if strings.Contains(entry, ":") {
		var err error
		if host, port, err = net.SplitHostPort(entry); err != nil {
			return "", errors.New("is neither host nor host:port; " + form)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return "", errors.New("has a port that is no number from 1 to 65535")
		}
	}
	host, ok := canonicalHost(host)
	if !ok {
		return "", errors.New("is not a plain host name or IP address; " + form)
	}
	if port == "" {
		return host, nil
	}
	return net.JoinHostPort(host, port), nil
}

// Check returns an error unless a secret may be sent to u. The error names
// neither the path nor the user information of u.
func (a AllowList) Check(u *url.URL) error {
	if u == nil || u.Opaque != "" || u.Host == "" {
		return errors.New("the URL names no host")
	}
	if u.User != nil {
		return errors.New("the URL holds user information before the host; remove it")
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return errors.New("the URL must begin with https://")
	}
	host, port, ok := splitHost(u.Host)
	if !ok {
		return errors.New("the URL's host is not a plain host name")
	}
	effective := port
	if effective == "" {
		effective = map[string]string{"https": "443", "http": "80"}[u.Scheme]
	}
	listed := a.listed(host, effective)
	if a.flag != "" {
		return a.checkOther(host, port, listed)
	}
	if isSlackHost(host) {
		return checkSlack(u.Scheme, host, effective, listed)
	}
	if !listed {
		named := host
		if port != "" {
			named = net.JoinHostPort(host, port)
		}
		return fmt.Errorf("the host %s is not Slack's: only %s, their subdomains and hosts that the operator is told of may receive a token or a webhook URL; correct the URL or, if the host can be trusted with it, start the operator with --allowed-hosts=%s (beside the hosts that it names already, in the args of its Deployment)",
			host, strings.Join(slackDomains, ", "), named)
	}
	return nil
}

// checkSlack is Check for a host of Slack's own, which never takes plain http, not
// even when listed.
func checkSlack(scheme, host, port string, listed bool) error {
	if scheme != "https" {
		return fmt.Errorf("the URL of %s must begin with https://", host)
	}
	if port != "443" && !listed {
		return fmt.Errorf("port %s of %s is not Slack's; leave the port out", port, host)
	}
	return nil
}

// checkOther is Check for another system than Slack.
func (a AllowList) checkOther(host, port string, listed bool) error {
	if listed {
		return nil
	}
	named := host
	if port != "" {
		named = net.JoinHostPort(host, port)
	}
	return fmt.Errorf("the operator may not call the host %s: start it with %s=%s (beside the hosts that it names already, in the args of its Deployment)", host, a.flag, named)
}

// IsSlack reports whether u is on one of Slack's own hosts, rather than on one
// that was added to the list.
func IsSlack(u *url.URL) bool {
	host, _, ok := splitHost(u.Host)
	return ok && isSlackHost(host)
}

func (a AllowList) listed(host, port string) bool {
	if _, ok := a.extra[host]; ok {
		return true
	}
	_, ok := a.extra[net.JoinHostPort(host, port)]
	return ok
}

func isSlackHost(host string) bool {
	return slices.ContainsFunc(slackDomains, func(domain string) bool {
		return host == domain || strings.HasSuffix(host, "."+domain)
	})
}

// splitHost splits and canonicalises the host of a URL. It accepts only what
// every part of net/http reads in the same way, so that what was checked is
// what is dialled.
func splitHost(hostport string) (host, port string, ok bool) {
	u := url.URL{Host: hostport}
	host, port = u.Hostname(), u.Port()
	rebuilt := host
	if strings.Contains(host, ":") {
		rebuilt = "[" + host + "]"
	}
	if port != "" {
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil || n == 0 || strconv.FormatUint(n, 10) != port {
			return "", "", false
		}
		rebuilt += ":" + port
	}
	if rebuilt != hostport {
		return "", "", false
	}
	host, ok = canonicalHost(host)
	return host, port, ok
}

// canonicalHost returns a host name in lower case or an IP address in its
// shortest form; false for anything else, such as a name with a trailing dot,
// an empty label or characters beyond ASCII.
func canonicalHost(host string) (string, bool) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return addr.String(), addr.Zone() == ""
	}
	if len(host) > 253 {
		return "", false
	}
	host = strings.ToLower(host)
	for label := range strings.SplitSeq(host, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for _, c := range []byte(label) {
			if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
		}
	}
	return host, true
}
