package boundedjson

import (
	"encoding/json"
	"testing"
	"unicode/utf16"
)

// wide is a text as UTF-16 with its mark.
func wide(text string, little bool) []byte {
	var out []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		if little {
			out = append(out, byte(u), byte(u>>8))
		} else {
			out = append(out, byte(u>>8), byte(u))
		}
	}
	return out
}

const said = `{"message":"Grüße 😀 \"x\""}`

func TestText(t *testing.T) {
	for name, test := range map[string]struct {
		data []byte
		want string
	}{
		"UTF-8":                      {[]byte(said), said},
		"UTF-8 with a mark":          {[]byte("\ufeff" + said), said},
		"UTF-16, little end first":   {wide(said, true), said},
		"UTF-16, big end first":      {wide(said, false), said},
		"line ends of Windows":       {[]byte("{\r\n\"a\":\t1\r\n}"), "{\r\n\"a\":\t1\r\n}"},
		"a line end in a string":     {[]byte("{\"a\":\"b\r\nc\"}"), `{"a":"b\u000d\u000ac"}`},
		"a bell in a string":         {[]byte("{\"a\":\"\a\"}"), `{"a":"\u0007"}`},
		"zeros at the end":           {[]byte("{\"a\":1}\x00\x00"), `{"a":1}`},
		"a backslash before a line":  {[]byte("{\"a\":\"b\\\nc\"}"), `{"a":"b\\c"}`},
		"a mark alone":               {[]byte("\ufeff"), ""},
		"half a mark":                {[]byte("\xff"), "\xff"},
		"nothing":                    {nil, ""},
		"half a character of UTF-16": {append(wide(`{}`, true), 'x'), `{}`},
	} {
		t.Run(name, func(t *testing.T) {
			if got := string(Text(test.data)); got != test.want {
				t.Errorf("%q, not %q", got, test.want)
			}
		})
	}
}

// However it is cut into pieces, a text says the same; and what is valid JSON
// stays so and means the same.
func FuzzText(f *testing.F) {
	f.Add([]byte(said), 3)
	f.Add(wide(said, true), 5)
	f.Add([]byte("\ufeff{\"a\":\"b\\\r\n\"}"), 1)
	f.Fuzz(func(t *testing.T, data []byte, size int) {
		want := string(Text(data))
		size = max(size%64, 1)
		d := &Decoder{}
		var got []byte
		for rest := data; len(rest) > 0; rest = rest[min(size, len(rest)):] {
			got = append(got, d.Decode(rest[:min(size, len(rest))])...)
		}
		if got = append(got, d.Close()...); string(got) != want {
			t.Errorf("in pieces of %d: %q, not %q", size, got, want)
		}
		if json.Valid(data) && want != string(data) {
			t.Errorf("%q became %q", data, want)
		}
	})
}
