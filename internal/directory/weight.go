package directory

import "github.com/slack-notifier/slack-notifier/internal/slack"

const (
	// maxPrivateWeight is what all lists of a private trust domain may take, in
	// bytes: some 100,000 users. A server can claim any number of workspaces.
	maxPrivateWeight = 24 << 20
	// entryBytes of an entry beside its text: itself and its places in the indexes.
	entryBytes = 64
)

// tooHeavy reports whether the lists of a private domain take more than they may.
// The caller holds the lock.
func (d *Directory) tooHeavy(domain slack.Domain) bool {
	return domain.Private() && weightOf(d.users, domain)+weightOf(d.convs, domain) > maxPrivateWeight
}

func weightOf[E entry](lists map[slack.Workspace]*list[E], domain slack.Domain) (n int) {
	for _, l := range lists {
		if l.team.Domain() != domain {
			continue
		}
		n += l.weight
		if l.reading != nil {
			n += l.reading.weight
		}
	}
	return n
}
