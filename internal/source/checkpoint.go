package source

import (
	"iter"
	"time"

	"k8s.io/apimachinery/pkg/util/resourceversion"
)

// position in the Events of a cluster: a resourceVersion, or a time where there is
// no version.
type position struct {
	version string
	at      time.Time
}

// checkpoint is up to where the Events of a rule have been looked at and stored. An
// Event that comes late, or is stored late, holds up what is committed and not what
// is seen.
type checkpoint struct {
	// start is up to where Events had been looked at before.
	start position
	// seen is the highest version that was looked at.
	seen position
	// committing is what was seen at some time; it is committed when nothing up to it
	// is pending. Without a version there is none.
	committing position
	// committed is up to where all is stored.
	committed position
}

func newCheckpoint(start position) checkpoint {
	return checkpoint{start: start, seen: start, committed: start}
}

// fresh reports whether an Event was not looked at before the start.
func (c *checkpoint) fresh(version string, created, lastSeen time.Time) bool {
	if c.start.version != "" {
		return newer(version, c.start.version)
	}
	// Both are in whole seconds.
	since := c.start.at.Truncate(time.Second)
	return !created.Before(since) || !lastSeen.Before(since)
}

// see notes that an Event is looked at. at is by its sender's clock, which may be
// ahead of now.
func (c *checkpoint) see(version string, at, now time.Time) {
	if !newer(version, c.seen.version) {
		return
	}
	c.seen.version = version
	if at.After(now) {
		at = now
	}
	if at.After(c.seen.at) {
		c.seen.at = at
	}
}

// commit returns up to where all is stored. pending are the versions that are yet
// to be looked at or stored.
func (c *checkpoint) commit(pending iter.Seq[string]) position {
	if c.committing.version == "" {
		c.committing = c.seen
	}
	for version := range pending {
		if !newer(version, c.committing.version) {
			return c.committed
		}
	}
	c.committed, c.committing = c.committing, position{}
	return c.committed
}

// restart goes on by time when the versions of the cluster are older than the
// start: it was restored from a backup. It reports whether that is so. current is
// empty when it can't be told.
func (c *checkpoint) restart(current string) bool {
	if c.start.version == "" || current == "" || !newer(c.start.version, current) {
		return false
	}
	c.start.version, c.seen.version, c.committed.version, c.committing = "", "", "", position{}
	return true
}

// newer compares two resourceVersions. One that can't be compared is newer.
func newer(version, than string) bool {
	if than == "" {
		return true
	}
	order, err := resourceversion.CompareResourceVersion(version, than)
	return err != nil || order > 0
}
