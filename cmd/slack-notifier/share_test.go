package main

import (
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

func TestLimitsShare(t *testing.T) {
	for _, row := range []struct {
		name, flags string
		want        float64
		says        string
	}{
		{name: "left out", want: 0},
		{name: "empty", flags: "--slack-limits-share=", want: 0},
		{name: "a percentage", flags: "--slack-limits-share=50%", want: 0.5},
		{name: "a part of a percentage", flags: "--slack-limits-share=12.5%", want: 0.125},
		{name: "a fraction", flags: "--slack-limits-share=0.25", want: 0.25},
		{name: "a fraction without its 0", flags: "--slack-limits-share=.25", want: 0.25},
		{name: "all", flags: "--slack-limits-share=1", want: 1},
		{name: "all of a hundred", flags: "--slack-limits-share=100%", want: 1},
		{name: "a percentage without its sign", flags: "--slack-limits-share=50", says: `"50" is no share of Slack's limits: give a percentage from 1% to 100%`},
		{name: "nothing", flags: "--slack-limits-share=0", says: "from 0.01 to 1"},
		{name: "next to nothing", flags: "--slack-limits-share=0.5%", says: "from 1% to 100%"},
		{name: "more than all", flags: "--slack-limits-share=101%", says: "from 1% to 100%"},
		{name: "less than nothing", flags: "--slack-limits-share=-50%", says: "from 1% to 100%"},
		{name: "no number", flags: "--slack-limits-share=half", says: "as in 50%"},
		{name: "not a number", flags: "--slack-limits-share=NaN", says: "as in 50%"},
		{name: "an exponent", flags: "--slack-limits-share=5e-1", says: "as in 50%"},
		{name: "a sign alone", flags: "--slack-limits-share=%", says: "as in 50%"},
		{name: "of no limits", flags: "--slack-limits-share=50% --slack-limits=false", says: "leave out one of the two"},
	} {
		t.Run(row.name, func(t *testing.T) {
			o := defaults()
			f := pflag.NewFlagSet("", pflag.ContinueOnError)
			o.bind(f)
			if err := f.Parse(strings.Fields(row.flags)); err != nil {
				t.Fatal(err)
			}
			c, err := o.check()
			if row.says == "" && (err != nil || c.limitsShare != row.want) {
				t.Errorf("a share of %v and %v, want %v", c.limitsShare, err, row.want)
			}
			if row.says != "" && (err == nil || !strings.Contains(err.Error(), "--slack-limits-share: ") || !strings.Contains(err.Error(), row.says)) {
				t.Errorf("it says %v, want the flag and %q", err, row.says)
			}
		})
	}
}

func FuzzLimitsShare(f *testing.F) {
	for _, text := range []string{"", "50%", "0.5", "1", "NaN", "1e400%", "0x1p-2"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		share, err := parseShare(text)
		if err == nil && text != "" && !(share >= leastShare && share <= 1) || err != nil && share != 0 {
			t.Errorf("%q is a share of %v (%v)", text, share, err)
		}
	})
}
