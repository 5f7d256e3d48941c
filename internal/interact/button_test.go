package interact

import (
	"strings"
	"testing"
)

const someUID = "0b0e3c1a-2b7d-4f57-9c3e-5a1f0c9d8e7f"

func TestParseBlockID(t *testing.T) {
	good := Button{Cluster: ClusterHash("kube-system's"), UID: someUID, Render: RenderHash("content", "default")}
	tests := map[string]struct {
		id   string
		want Button
		ok   bool
	}{
		"first row":         {id: good.BlockID(), want: good, ok: true},
		"another row":       {id: good.BlockID() + ":1", want: Button{good.Cluster, good.UID, good.Render, 1}, ok: true},
		"row 0 is not said": {id: good.BlockID() + ":0"},
		"row 10":            {id: good.BlockID() + ":10"},
		"another version":   {id: strings.Replace(good.BlockID(), "sn1:", "sn2:", 1)},
		"upper case":        {id: strings.ToUpper(good.BlockID())},
		"no UUID":           {id: "sn1:" + good.Cluster + ":" + strings.Repeat("0", 36) + ":" + good.Render},
		"something before":  {id: " " + good.BlockID()},
		"a line more":       {id: good.BlockID() + "\n"},
		"a user's own":      {id: "approve"},
		"empty":             {id: ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, ok := ParseBlockID(test.id)
			if ok != test.ok || got != test.want {
				t.Errorf("ParseBlockID(%q) = %+v, %v; want %+v, %v", test.id, got, ok, test.want, test.ok)
			}
		})
	}
	if n := len(Button{good.Cluster, good.UID, good.Render, MaxRows - 1}.BlockID()); n > 255 {
		t.Errorf("a block_id of %d characters", n)
	}
}

func FuzzParseBlockID(f *testing.F) {
	f.Add("sn1:01234567:" + someUID + ":89abcdef:3")
	f.Add("sn1:01234567:" + someUID + ":89abcdef")
	f.Add("sn1::::")
	f.Fuzz(func(t *testing.T, id string) {
		b, ok := ParseBlockID(id)
		if ok && b.BlockID() != id {
			t.Errorf("ParseBlockID(%q) is written as %q", id, b.BlockID())
		}
		if ok && len(id) > 255 {
			t.Errorf("a block_id of %d characters", len(id))
		}
	})
}
