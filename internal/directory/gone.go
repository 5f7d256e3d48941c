package directory

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strings"
)

// gone is an entry that is not live, such as an archived channel: enough to find
// it by its name and to ask Slack for the rest by its ID. Workspaces have several
// times as many archived channels as others.
type gone struct{ name, id uint64 }

// goneBytes is the size of one.
const goneBytes = 16

// idDigits are what an ID is made of.
const idDigits = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"

// maxPacked is the longest ID that 64 bits hold; those of today have 11.
const maxPacked = 12

// goneFrom makes a gone one; false when the ID is of a kind that does not fit.
func goneFrom(id, name string) (g gone, ok bool) {
	if id == "" || len(id) > maxPacked || name == "" {
		return gone{}, false
	}
	for i := range len(id) {
		digit := strings.IndexByte(idDigits, id[i])
		if digit < 0 {
			return gone{}, false
		}
		g.id = g.id*(uint64(len(idDigits))+1) + uint64(digit) + 1
	}
	g.name = nameHash(name)
	return g, true
}

// unpacked is the ID.
func (g gone) unpacked() string {
	var out []byte
	for id := g.id; id > 0; id /= uint64(len(idDigits)) + 1 {
		out = append(out, idDigits[id%(uint64(len(idDigits))+1)-1])
	}
	slices.Reverse(out)
	return string(out)
}

func nameHash(name string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(strings.ToLower(name))) // it never fails
	return h.Sum64()
}

// keep the gone ones of a reading.
func (s *snapshot[E]) keep(all []gone) {
	slices.SortFunc(all, func(a, b gone) int { return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.id, b.id)) })
	s.gone = slices.Clone(slices.Compact(all))
}

// live are the entries that are not gone.
func (s *snapshot[E]) live() int {
	if s == nil {
		return 0
	}
	return len(s.entries)
}

// archivedByID finds an archived channel by its ID, without its name. It looks at all
// of them, and is for where Slack can't be asked. The caller holds the lock.
func archivedByID(l *list[channel], id string) (found channel, ok bool) {
	want, fits := goneFrom(id, id)
	if l.whole == nil || !fits || !slices.ContainsFunc(l.whole.gone, func(g gone) bool { return g.id == want.id }) {
		return channel{}, false
	}
	return archivedAs(id), true
}

func archivedAs(id string) channel {
	return channel{text: id, idLen: uint16(len(id)), flags: flagArchived} //nolint:gosec // see maxPacked
}

// archivedIn finds an archived channel by its name, without the name: whether it is
// still so is for conversations.info to tell. The caller holds the lock.
func archivedIn(l *list[channel], want string) (found channel, ok bool) {
	if l.whole == nil || want == "" {
		return channel{}, false
	}
	hash := nameHash(want)
	all := l.whole.gone
	i, _ := slices.BinarySearchFunc(all, hash, func(g gone, hash uint64) int { return cmp.Compare(g.name, hash) })
	for ; i < len(all) && all[i].name == hash; i++ {
		id := all[i].unpacked()
		if _, outdated := l.newer[id]; !outdated {
			return archivedAs(id), true
		}
	}
	return channel{}, false
}
