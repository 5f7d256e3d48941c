package egress

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// ProxyRules say which addresses a proxy may have that a tenant names. The
// operator's place in the network reaches what his own does not: its own ports,
// the node's, a cloud's metadata. The zero value refuses those.
type ProxyRules struct {
	// allowed proxies are not looked at.
	allowed AllowList
	// apiServer is the host of the cluster's API server, an address or a name.
	apiServer string
}

// NewProxyRules returns rules with exceptions, each written as in NewAllowList,
// that also refuse the addresses of the API server at the given URL or host:port.
func NewProxyRules(allowed []string, apiServer string) (ProxyRules, error) {
	list, err := NewAllowList(allowed)
	if err != nil {
		return ProxyRules{}, err
	}
	if u, err := url.Parse(apiServer); err == nil && u.Host != "" {
		apiServer = u.Host
	}
	if host, _, err := net.SplitHostPort(apiServer); err == nil {
		apiServer = host
	}
	return ProxyRules{allowed: list, apiServer: strings.Trim(apiServer, "[]")}, nil
}

// errProxyAddress is an address that a tenant's proxy may not have.
var errProxyAddress = errors.New("a proxy may not have this address")

// dial returns what dials a proxy. The address is judged when its name has been
// resolved, so that no name leads around the rules.
func (r ProxyRules) dial(proxy *url.URL) func(context.Context, string, string) (net.Conn, error) {
	d := &net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	if host, port, ok := splitHost(proxy.Host); !ok || !r.allowed.listed(host, port) {
		d.ControlContext = func(ctx context.Context, _, address string, _ syscall.RawConn) error {
			to, err := netip.ParseAddrPort(address)
			if err != nil || r.refuses(ctx, to.Addr()) {
				return errProxyAddress
			}
			return nil
		}
	}
	return d.DialContext
}

// refused are networks beside those that netip.Addr knows: "this" network, IPv4
// within IPv6 by deprecated or translating forms, the shared address space whose
// 100.100.100.200 is one cloud's metadata, and the addresses of others'.
var refused = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("255.255.255.255/32"),
	netip.MustParsePrefix("::/96"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("2002::/16"),
	netip.MustParsePrefix("100.100.100.200/32"),
	netip.MustParsePrefix("168.63.129.16/32"),
	netip.MustParsePrefix("fd00:ec2::/32"),
}

// refuses reports whether a tenant's proxy may not have an address.
func (r ProxyRules) refuses(ctx context.Context, a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || a.IsUnspecified() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return true
	}
	for _, p := range refused {
		if p.Contains(a) {
			return true
		}
	}
	return own(a) || r.isAPIServer(ctx, a)
}

// own reports whether an address is this process's.
func own(a netip.Addr) bool {
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, one := range addresses {
		if p, err := netip.ParsePrefix(one.String()); err == nil && p.Addr().Unmap() == a {
			return true
		}
	}
	return false
}

// isAPIServer reports whether an address is one of the API server's. A name that
// can't be resolved now leaves nothing allowed.
func (r ProxyRules) isAPIServer(ctx context.Context, a netip.Addr) bool {
	if r.apiServer == "" {
		return false
	}
	if one, err := netip.ParseAddr(r.apiServer); err == nil {
		return one.Unmap() == a
	}
	all, err := net.DefaultResolver.LookupNetIP(ctx, "ip", r.apiServer)
	if err != nil {
		return true
	}
	for _, one := range all {
		if one.Unmap() == a {
			return true
		}
	}
	return false
}
