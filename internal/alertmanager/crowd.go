package alertmanager

import (
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"hash/fnv"
	"slices"
	"time"
)

// maxCrowd is how many alerts a Crowd knows.
const maxCrowd = 2000

// Crowd are alerts of which a hash of the fingerprint is known alone.
type Crowd struct {
	// SeenAt is when one of them was last told of; see State.Within.
	SeenAt time.Time
	hashes []uint32 // sorted
}

type wireCrowd struct {
	Hashes string    `json:"hashes"`
	SeenAt time.Time `json:"seenAt,omitzero"`
}

// Len is how many there are.
func (c Crowd) Len() int { return len(c.hashes) }

// IsZero has an empty one left out of JSON.
func (c Crowd) IsZero() bool { return len(c.hashes) == 0 }

// MarshalJSON implements json.Marshaler.
func (c Crowd) MarshalJSON() ([]byte, error) {
	data := make([]byte, 0, 4*len(c.hashes))
	for _, h := range c.hashes {
		data = binary.BigEndian.AppendUint32(data, h)
	}
	return json.Marshal(wireCrowd{base64.RawStdEncoding.EncodeToString(data), c.SeenAt})
}

// UnmarshalJSON implements json.Unmarshaler.
func (c *Crowd) UnmarshalJSON(text []byte) error {
	var w wireCrowd
	if err := json.Unmarshal(text, &w); err != nil {
		return err
	}
	data, err := base64.RawStdEncoding.DecodeString(w.Hashes)
	if err != nil {
		return err
	}
	*c = Crowd{SeenAt: w.SeenAt}
	for ; len(data) >= 4; data = data[4:] {
		c.hashes = append(c.hashes, binary.BigEndian.Uint32(data))
	}
	slices.Sort(c.hashes)
	return nil
}

func hashOf(fingerprint string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(fingerprint)) // never fails
	return h.Sum32()
}

// crowdOf makes a Crowd of a set of hashes, and returns how many found no place.
func crowdOf(set map[uint32]bool, seen time.Time) (c Crowd, left int) {
	for h := range set {
		c.hashes = append(c.hashes, h)
	}
	slices.Sort(c.hashes)
	if left = len(c.hashes) - maxCrowd; left > 0 {
		c.hashes = c.hashes[:maxCrowd]
	}
	if len(c.hashes) > 0 {
		c.SeenAt = seen
	}
	return c, max(left, 0)
}

func (c Crowd) set() map[uint32]bool {
	out := make(map[uint32]bool, len(c.hashes))
	for _, h := range c.hashes {
		out[h] = true
	}
	return out
}
