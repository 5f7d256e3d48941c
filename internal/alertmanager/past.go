package alertmanager

import (
	"cmp"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"maps"
	"slices"
	"time"
)

// maxPast is how many alerts a Past knows.
const maxPast = 2000

// Past are alerts that are over and found no other place: no more is known of each
// than a hash of its fingerprint, when its last firing began, and when a late post
// first told of that. Without it, whatever is posted late of them would be news.
type Past struct {
	alerts []pastAlert // in the order of compare
}

type pastAlert struct {
	hash uint32
	// began and late are in seconds since 1970; late is 0 for never.
	began, late uint32
}

// compare puts those first that began last: a post that is repeated keeps the same
// ones, when there are too many.
func (a pastAlert) compare(b pastAlert) int {
	return cmp.Or(cmp.Compare(b.began, a.began), cmp.Compare(a.hash, b.hash))
}

// pastSize is how many bytes an alert takes.
const pastSize = 12

// IsZero has an empty one left out of JSON.
func (p Past) IsZero() bool { return len(p.alerts) == 0 }

// MarshalJSON implements json.Marshaler.
func (p Past) MarshalJSON() ([]byte, error) {
	data := make([]byte, 0, pastSize*len(p.alerts))
	for _, a := range p.alerts {
		for _, n := range []uint32{a.hash, a.began, a.late} {
			data = binary.BigEndian.AppendUint32(data, n)
		}
	}
	return json.Marshal(base64.RawStdEncoding.EncodeToString(data))
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *Past) UnmarshalJSON(text []byte) error {
	var words string
	if err := json.Unmarshal(text, &words); err != nil {
		return err
	}
	data, err := base64.RawStdEncoding.DecodeString(words)
	if err != nil {
		return err
	}
	*p = Past{}
	for ; len(data) >= pastSize && len(p.alerts) < maxPast; data = data[pastSize:] {
		p.alerts = append(p.alerts, pastAlert{binary.BigEndian.Uint32(data), binary.BigEndian.Uint32(data[4:]), binary.BigEndian.Uint32(data[8:])})
	}
	slices.SortFunc(p.alerts, pastAlert.compare)
	return nil
}

// seconds of a time; 0 for one that is not known.
func seconds(t time.Time) uint32 { return uint32(min(max(t.Unix(), 0), 1<<32-1)) }

// find returns the place of an alert; -1 for one that is not there.
func (p Past) find(fingerprint string) int {
	if len(p.alerts) == 0 {
		return -1
	}
	hash := hashOf(fingerprint)
	return slices.IndexFunc(p.alerts, func(a pastAlert) bool { return a.hash == hash })
}

// began is when the last firing of an alert began; zero for one that is not there.
func (p Past) began(fingerprint string) time.Time {
	if i := p.find(fingerprint); i >= 0 {
		return time.Unix(int64(p.alerts[i].began), 0).UTC()
	}
	return time.Time{}
}

// with has alerts that are over in the past; those that began first are left out if
// there are too many.
func (p Past) with(over ...Known) Past {
	if len(over) == 0 {
		return p
	}
	known := make(map[uint32]pastAlert, len(p.alerts)+len(over))
	for _, a := range p.alerts {
		known[a.hash] = a
	}
	for _, k := range over {
		if k.Gone {
			continue // nobody has told of its end, so that it fires when it is told of
		}
		is := pastAlert{hash: hashOf(k.Fingerprint), began: seconds(k.StartsAt)}
		if !k.LateAt.IsZero() {
			is.late = seconds(k.LateAt)
		}
		if was, ok := known[is.hash]; !ok || was.began < is.began {
			known[is.hash] = is
		}
	}
	alerts := slices.SortedFunc(maps.Values(known), pastAlert.compare)
	return Past{alerts[:min(len(alerts), maxPast)]}
}

// Len is how many alerts there are.
func (p Past) Len() int { return len(p.alerts) }

// newest are those n whose firing began last.
func (p Past) newest(n int) Past { return Past{p.alerts[:min(n, len(p.alerts))]} }

// without has an alert that fires again out of the past.
func (p Past) without(fingerprint string) Past {
	if i := p.find(fingerprint); i >= 0 {
		return Past{slices.Delete(slices.Clone(p.alerts), i, i+1)}
	}
	return p
}

// has reports whether told is of a firing that is over, and notes that it is late if
// it says that it fires. It fires again when such posts have gone on for an hour, as
// an alert that has a name (Known.again).
func (p *Past) has(told Known, at time.Time) bool {
	i := p.find(told.Fingerprint)
	if i < 0 {
		return false
	}
	a := p.alerts[i]
	began := seconds(told.StartsAt)
	switch {
	case began > a.began:
		return false
	case told.Status != Firing || began < a.began || at.IsZero():
		return true
	case a.late == 0:
		p.alerts = slices.Clone(p.alerts)
		p.alerts[i].late = seconds(at)
		return true
	case at.Sub(time.Unix(int64(a.late), 0)) < late:
		return true
	}
	*p = p.without(told.Fingerprint)
	return false
}
