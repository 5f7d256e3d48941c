package safetext

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestClean(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"nothing":                 {"", ""},
		"plain text":              {"disk 91 % — full\n\tnow", "disk 91 % — full\n\tnow"},
		"emoji and scripts":       {"👩‍👩‍👧 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627\u200f é", "👩‍👩‍👧 \u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627\u200f é"},
		"colours":                 {"\x1b[1;31mERROR\x1b[0m done", "ERROR done"},
		"many colours":            {"\x1b[38;5;196mred\x1b[48:2:1:2:3m\x1b[K", "red"},
		"colours of one byte":     {"\u009b31mERROR\u009b0m", "ERROR"},
		"a title":                 {"\x1b]0;owned\abody", "body"},
		"a link":                  {"\x1b]8;;https://evil.example\x1b\\here\x1b]8;;\x1b\\ it is", "here it is"},
		"a title without an end":  {"\x1b]0;the rest\nstays", "0;the rest\nstays"},
		"colour without an end":   {"x\x1b[31", "x"},
		"colour before a line":    {"x\x1b[31\ny", "x\ny"},
		"charset":                 {"\x1b(Bx", "x"},
		"reset":                   {"\x1bcx", "x"},
		"a lone escape":           {"x\x1b", "x"},
		"controls":                {"a\x00b\x07c\x08d\x7fe\u0080f", "abcdef"},
		"line ends":               {"a\r\nb\rc\u0085d\u2028e\u2029f", "a\nb\nc\nd\ne\nf"},
		"turned text":             {"user\u202egpj.exe\u202c \u2066a\u2069", "usergpj.exe a"},
		"no UTF-8":                {"a\xffb", "a\uFFFDb"},
		"sequences in a sequence": {"\x1b\x1b[31m[0mx", "[0mx"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := Clean(c.text); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
	if got := Line(" a\x1b[0m\r\n b "); got != "a b" {
		t.Errorf("in one line it is %q", got)
	}
}

func FuzzClean(f *testing.F) {
	for _, text := range []string{"x", "\x1b[31mx", "\x1b]0;t\a", "\u009bm", "\u202e", "\xff\x1b", "\r\n\r", "\x1b\x1b[", "\x1bP\x1b\\"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Clean(text)
		if strings.ContainsFunc(got, suspect) || !utf8.ValidString(got) {
			t.Fatalf("%q gives %q", text, got)
		}
		if again := Clean(got); again != got {
			t.Fatalf("%q gives %q and then %q", text, got, again)
		}
		if strings.Count(got, "\n") > strings.Count(text, "\n")+strings.Count(text, "\r")+strings.Count(text, "\u0085")+strings.Count(text, "\u2028")+strings.Count(text, "\u2029") {
			t.Fatalf("%q has more lines: %q", text, got)
		}
	})
}
