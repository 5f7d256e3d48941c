package main

import (
	"strings"
	"testing"
)

func TestBounds(t *testing.T) {
	r := &report{}
	r.atMost("CPU", 1.18, 1.2)
	r.atMost("latency", 1.201, 1.2)
	r.atLeast("share", 0.98, 0.9)
	r.atLeast("part", 0.5, 0.9)
	r.atMost("writes", 0, 0)
	const want = `| figure | measured | bound | |
| --- | ---: | ---: | --- |
| CPU | 1.18 | at most 1.2 | met |
| latency | 1.201 | at most 1.2 | **missed** |
| share | 0.98 | at least 0.9 | met |
| part | 0.5 | at least 0.9 | **missed** |
| writes | 0 | at most 0 | met |
`
	if got := r.table(); got != want {
		t.Errorf("the table is\n%s, want\n%s", got, want)
	}
}

func TestFill(t *testing.T) {
	const page = "# Page\n\n<!-- make bench: bounds -->\n<!-- end of bounds -->\n\nWords.\n\n<!-- make bench: idle -->\nold\n<!-- end of idle -->\n\nMore words.\n"
	r := &report{}
	r.begin("idle")
	r.say("## Idle\n\nnew: %d", 1)
	got, err := r.fill([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\n\nWords.\n\n<!-- make bench: idle -->\n## Idle\n\nnew: 1\n<!-- end of idle -->\n\nMore words.\n", "| figure |"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the page is\n%s\nwant %q in it", got, want)
		}
	}
	if strings.Contains(string(got), "old") {
		t.Errorf("the page still has the old figures:\n%s", got)
	}
	if again, err := r.fill(got); err != nil || string(again) != string(got) {
		t.Errorf("filled again it is (%v)\n%s, want what it was", err, again)
	}
	r.begin("compare") // says nothing
	if again, err := r.fill(got); err != nil || string(again) != string(got) {
		t.Errorf("with a part that says nothing it is (%v)\n%s, want what it was", err, again)
	}
	r.begin("latency")
	r.say("## Latency")
	if _, err := r.fill([]byte(page)); err == nil || !strings.Contains(err.Error(), "make bench: latency") {
		t.Errorf("a page without the mark: %v, want an error that names it", err)
	}
}

// A part that failed leaves the page's old figures, and the page says so.
func TestFailedPart(t *testing.T) {
	const page = "<!-- make bench: bounds -->\n<!-- end of bounds -->\n<!-- make bench: machine -->\n<!-- end of machine -->\n<!-- make bench: idle -->\nold\n<!-- end of idle -->\n"
	r := &report{}
	r.begin("machine")
	r.say("Measured here.")
	r.begin("idle")
	r.say("half of what was to be said")
	r.atMost("half a figure", 1, 2)
	r.failed("idle")
	got, err := r.fill([]byte(page))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"-->\nold\n<!--", "Measured here.\nThe part \"idle\" failed"} {
		if !strings.Contains(string(got), want) {
			t.Errorf("the page is\n%s\nwant %q in it", got, want)
		}
	}
	if strings.Contains(string(got), "half") {
		t.Errorf("the page has what the part that failed had said:\n%s", got)
	}
}
