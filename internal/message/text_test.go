package message

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for in, want := range map[string]string{
		"<!channel> & co": "&lt;!channel&gt; &amp; co",
		"*bold* _it_ `c`": "*bold* _it_ `c`",
		"&amp;":           "&amp;amp;",
	} {
		if got := Escape(in); got != want {
			t.Errorf("Escape(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct {
		name, text string
		limit      int
		head, rest string
	}{
		{"fits", "abc", 3, "abc", ""},
		{"at a paragraph", "aaaa\n\nbbb ccc", 9, "aaaa", "bbb ccc"},
		{"at a line", "aaaa\nbbbb", 7, "aaaa", "bbbb"},
		{"at a word", "aaaa bbbb", 7, "aaaa", "bbbb"},
		{"no sensible place", "aaaaaaaaa", 4, "aaaa", "aaaaa"},
		{"not through a mention", "hello <@U0123456>", 12, "hello", "<@U0123456>"},
		{"not through a link's text", "x <https://e.com|a b c d e f g>", 24, "x ", "<https://e.com|a b c d e f g>"},
		{"not through an entity", "aaaaa&amp;b", 8, "aaaaa", "&amp;b"},
		{"not through a fence", "aaaa```bb", 5, "aaaa", "```bb"},
		{"not through a character", "äöüß", 2, "äö", "üß"},
		{"a lone < is no token", "a < b and more", 8, "a < b", "and more"},
	} {
		if head, rest := cut(c.text, c.limit); head != c.head || rest != c.rest {
			t.Errorf("%s: %q and %q, want %q and %q", c.name, head, rest, c.head, c.rest)
		}
	}
}

func TestSplitKeepsCodeBlocksClosed(t *testing.T) {
	text := "before\n```\n" + strings.Repeat("some line of a log\n", 40) + "```\nafter"
	parts := split(text, 200)
	if len(parts) < 4 {
		t.Fatalf("%d parts", len(parts))
	}
	for i, part := range parts {
		if strings.Count(part, fence)%2 != 0 {
			t.Errorf("part %d has an open code block:\n%s", i, part)
		}
	}
	if n := strings.Count(strings.Join(parts, "\n"), "some line of a log"); n != 40 {
		t.Errorf("%d of 40 lines are left", n)
	}
}

// A code block with a token as long as a part once was split without end.
func TestSplitEnds(t *testing.T) {
	text := "```\n<" + strings.Repeat("x", 3020) + ">\n```"
	parts := split(text, 3000)
	if n := strings.Count(strings.Join(parts, ""), "x"); n != 3020 || len(parts) > 3 {
		t.Errorf("%d parts with %d characters", len(parts), n)
	}
}

func FuzzSplit(f *testing.F) {
	f.Add("```\n<xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx>\n```", 40)
	f.Add("a &amp; b <@U1> c", 20)
	f.Fuzz(func(t *testing.T, text string, limit int) {
		limit = 20 + limit&0xfff
		text = strings.ToValidUTF8(text, "?")
		for _, part := range split(text, limit) {
			if n := utf8.RuneCountInString(part); n > limit {
				t.Errorf("a part of %d characters, limit %d", n, limit)
			}
			if !utf8.ValidString(part) {
				t.Errorf("part %q is cut through a character", part)
			}
		}
	})
}
