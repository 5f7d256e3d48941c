package boundedjson

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestDepth(t *testing.T) {
	for text, want := range map[string]int{
		``:                           0,
		`1`:                          0,
		`"[[[["`:                     0,
		`"\"[[[["`:                   0,
		`"\\"[`:                      1,
		`"\`:                         0,
		`[]`:                         1,
		`{"a":[{"b":"]]]"}],"c":{}}`: 3,
		`[[],[],[]]`:                 2,
		`]]]][[`:                     0,
		strings.Repeat("[", 1000):    11,
	} {
		if got := Depth([]byte(text), 10); got != want {
			t.Errorf("%.40s: %d, not %d", text, got, want)
		}
	}
}

func TestValues(t *testing.T) {
	for text, want := range map[string]int{
		`1`: 1, `",,,"`: 1, `[1,2,3]`: 4, `{"a":1,"b":[1,2]}`: 5, strings.Repeat("[],", 100): 11,
	} {
		if got := Values([]byte(text), 10); got != want {
			t.Errorf("%.40s: %d, not %d", text, got, want)
		}
	}
}

// The depth of what is valid is what the decoder sees.
func FuzzDepth(f *testing.F) {
	f.Add([]byte(`{"a":[1,"\u005b",{"b":"\\"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		got := Depth(data, 1000)
		if !json.Valid(data) {
			return
		}
		depth, deepest := 0, 0
		for d := json.NewDecoder(bytes.NewReader(data)); ; {
			token, err := d.Token()
			if err != nil {
				break
			}
			switch token {
			case json.Delim('['), json.Delim('{'):
				depth++
				deepest = max(deepest, depth)
			case json.Delim(']'), json.Delim('}'):
				depth--
			}
		}
		if got != deepest && deepest <= 1000 {
			t.Errorf("%q: %d, not %d", data, got, deepest)
		}
	})
}
