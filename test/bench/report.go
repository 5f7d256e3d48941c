package main

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// report is what was measured: the text of each part, and the figures that are
// promised to stay within a bound.
type report struct {
	parts  []*section
	bounds []bound
}

type section struct {
	name string
	text strings.Builder
	// before is how many bounds the parts before it have noted.
	before int
}

// bound is a figure and what it may be.
type bound struct {
	figure   string
	measured float64
	// limit is the most that it may be, or the least.
	limit float64
	least bool
}

// begin has what is said from now on belong to a part.
func (r *report) begin(name string) {
	r.parts = append(r.parts, &section{name: name, before: len(r.bounds)})
}

func (r *report) say(format string, args ...any) {
	fmt.Fprintf(&r.parts[len(r.parts)-1].text, format+"\n", args...)
}

// failed takes back what the part that was begun last has said, so that the page keeps
// what an earlier run wrote of it but for its bounds, and says so at the begin.
func (r *report) failed(name string) {
	s := r.parts[len(r.parts)-1]
	s.text.Reset()
	r.bounds = r.bounds[:s.before]
	fmt.Fprintf(&r.parts[0].text, "The part %q failed in this run: what stands there is of an earlier one.\n", name)
}

// atMost and atLeast note a figure for the table of the bounds.
func (r *report) atMost(figure string, measured, limit float64) {
	r.bounds = append(r.bounds, bound{figure: figure, measured: measured, limit: limit})
}

func (r *report) atLeast(figure string, measured, limit float64) {
	r.bounds = append(r.bounds, bound{figure: figure, measured: measured, limit: limit, least: true})
}

func (f bound) met() bool {
	if f.least {
		return f.measured >= f.limit
	}
	return f.measured <= f.limit
}

// table of the bounds.
func (r *report) table() string {
	var out strings.Builder
	out.WriteString("| figure | measured | bound | |\n| --- | ---: | ---: | --- |\n")
	for _, f := range r.bounds {
		side, met := "at most", "met"
		if f.least {
			side = "at least"
		}
		if !f.met() {
			met = "**missed**"
		}
		fmt.Fprintf(&out, "| %s | %s | %s %s | %s |\n", f.figure, short(f.measured), side, short(f.limit), met)
	}
	return out.String()
}

// short is a number with as many digits as tell something.
func short(v float64) string { return strconv.FormatFloat(v, 'g', 4, 64) }

// String is all of it, the table first.
func (r *report) String() string {
	var out strings.Builder
	fmt.Fprintf(&out, "## Bounds\n\n%s\n", r.table())
	for _, s := range r.parts {
		fmt.Fprintf(&out, "%s\n", s.text.String())
	}
	return out.String()
}

// fill puts the parts in the place of those of a page, each between its marks; one that
// says nothing leaves what is there. Words outside of the marks are people's.
func (r *report) fill(page []byte) ([]byte, error) {
	for _, s := range append([]*section{r.boundsSection()}, r.parts...) {
		if s.text.Len() == 0 {
			continue
		}
		begin, end := mark("make bench: "+s.name), mark("end of "+s.name)
		before, rest, found := bytes.Cut(page, []byte(begin))
		_, after, ended := bytes.Cut(rest, []byte(end))
		if !found || !ended {
			return nil, fmt.Errorf("the page has no %s … %s", begin, end)
		}
		page = fmt.Appendf(nil, "%s%s\n%s\n%s%s", before, begin, strings.Trim(s.text.String(), "\n"), end, after)
	}
	return page, nil
}

func (r *report) boundsSection() *section {
	s := &section{name: "bounds"}
	s.text.WriteString(r.table())
	return s
}

func mark(what string) string { return "<!-- " + what + " -->" }
