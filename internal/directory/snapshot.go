package directory

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// entry is one line of a list, in a form that 100,000 of do not weigh much.
type entry interface {
	comparable
	id() string
	// name is unique among the live entries: a user's handle, a channel's name.
	name() string
	// live is false for a user who has left and for an archived channel.
	live() bool
	// size is about how many bytes it takes.
	size() int
}

// snapshot is a whole list. It does not change, so it can be searched without
// the lock.
type snapshot[E entry] struct {
	entries []E
	// orders has for each of the list's keys the positions of the entries that
	// have one, sorted by it without regard to case. Numbers are a fifth of the
	// size of maps.
	orders [][]int32
	keys   []func(E) string
	// gone are entries that are not live, of which no more is kept, by the hash of
	// their names.
	gone []gone
}

// byID is the first of the keys of every list.
const byID = 0

// newSnapshot indexes entries; of two with one ID the later counts, since
// Slack's pages can overlap.
func newSnapshot[E entry](entries []E, keys []func(E) string) *snapshot[E] {
	s := &snapshot[E]{entries: entries, keys: keys, orders: make([][]int32, len(keys))}
	s.sort(byID)
	order := s.orders[byID]
	var twice []int32
	for i := 1; i < len(order); i++ {
		if entries[order[i-1]].id() == entries[order[i]].id() {
			twice = append(twice, order[i-1]) // the sort is stable
		}
	}
	if len(twice) > 0 {
		slices.Sort(twice)
		// A copy, as the reading's entries may be looked at meanwhile.
		s.entries = make([]E, 0, len(entries)-len(twice))
		for i, e := range entries {
			if _, drop := slices.BinarySearch(twice, int32(i)); !drop {
				s.entries = append(s.entries, e)
			}
		}
		s.sort(byID)
	}
	if len(s.entries) < cap(s.entries)*9/10 {
		s.entries = slices.Clone(s.entries)
	}
	s.entries = slices.Clip(s.entries)
	for k := range keys {
		if k != byID {
			s.sort(k)
		}
	}
	return s
}

func (s *snapshot[E]) sort(k int) {
	key := s.keys[k]
	order := make([]int32, 0, len(s.entries))
	for i := range s.entries {
		if key(s.entries[i]) != "" {
			order = append(order, int32(i))
		}
	}
	slices.SortStableFunc(order, func(a, b int32) int { return compareFold(key(s.entries[a]), key(s.entries[b])) })
	if len(order) < cap(order)*9/10 {
		order = slices.Clone(order)
	}
	s.orders[k] = slices.Clip(order)
}

// find returns the entries whose key is the wanted one, but for case. A nil
// snapshot has none.
func (s *snapshot[E]) find(k int, want string) []E {
	if s == nil || want == "" {
		return nil
	}
	key, order := s.keys[k], s.orders[k]
	i, _ := slices.BinarySearchFunc(order, want, func(at int32, want string) int {
		return compareFold(key(s.entries[at]), want)
	})
	var out []E
	for ; i < len(order) && compareFold(key(s.entries[order[i]]), want) == 0; i++ {
		out = append(out, s.entries[order[i]])
	}
	return out
}

// get returns the entry with an ID.
func (s *snapshot[E]) get(id string) (found E, ok bool) {
	if s == nil {
		return found, false
	}
	order := s.orders[byID]
	i, _ := slices.BinarySearchFunc(order, id, func(at int32, id string) int { return compareFold(s.entries[at].id(), id) })
	for ; i < len(order) && compareFold(s.entries[order[i]].id(), id) == 0; i++ {
		if e := s.entries[order[i]]; e.id() == id {
			return e, true
		}
	}
	return found, false
}

func (s *snapshot[E]) size() int {
	if s == nil {
		return 0
	}
	return len(s.entries) + len(s.gone)
}

// compareFold is strings.Compare of both in lower case, without making either.
func compareFold(a, b string) int {
	for i := 0; i < len(a) && i < len(b); i++ {
		x, y := a[i], b[i]
		if x >= utf8.RuneSelf || y >= utf8.RuneSelf {
			return compareFoldRunes(a[i:], b[i:])
		}
		if x, y = lowerByte(x), lowerByte(y); x != y {
			return int(x) - int(y)
		}
	}
	return len(a) - len(b)
}

func compareFoldRunes(a, b string) int {
	for len(a) > 0 && len(b) > 0 {
		x, n := utf8.DecodeRuneInString(a)
		y, m := utf8.DecodeRuneInString(b)
		if x, y = unicode.ToLower(x), unicode.ToLower(y); x != y {
			return int(x) - int(y)
		}
		a, b = a[n:], b[m:]
	}
	return len(a) - len(b)
}

func lowerByte(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

// pack joins the fields of an entry to one string of their own: the strings of
// a page would otherwise keep the whole page alive. A field that is longer than
// anything that Slack allows is cut.
func pack(fields ...*string) string {
	var b strings.Builder
	n := 0
	for _, f := range fields {
		*f = cut(*f)
		n += len(*f)
	}
	b.Grow(n)
	for _, f := range fields {
		b.WriteString(*f)
	}
	return b.String()
}

// maxField is the most bytes of one field that are kept; Slack's longest name
// has 80 characters, and an e-mail address 254.
const maxField = 320

func cut(s string) string {
	if len(s) <= maxField {
		return s
	}
	for n := maxField; ; n-- {
		if utf8.RuneStart(s[n]) {
			return s[:n]
		}
	}
}
