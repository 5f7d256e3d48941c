package alerting

import (
	"errors"
	"strings"
	"testing"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

func muteTimes(t *testing.T, text string) (MuteTimes, error) {
	t.Helper()
	var in []v1alpha1.TimeInterval
	if err := yaml.UnmarshalStrict([]byte(text), &in); err != nil {
		t.Fatal(err)
	}
	return CompileMuteTimes(in)
}

func TestMuteTimes(t *testing.T) {
	const (
		weekend = "[{weekdays: [saturday, sunday]}]"
		nights  = `[{times: [{from: "22:00", to: "06:00"}], timeZone: Europe/Berlin}]`
	)
	for _, row := range []struct{ name, times, now, until string }{ // no until: not muted
		{"friday", weekend, "2026-11-27T23:59:59Z", ""},
		{"weekend", weekend, "2026-11-28T00:00:00Z", "2026-11-30T00:00:00Z"},
		{"sunday", weekend, "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z"},
		{"before the night, in Berlin", nights, "2026-11-27T20:59:59Z", ""},
		{"the night begins", nights, "2026-11-27T21:00:00Z", "2026-11-28T05:00:00Z"},
		{"after midnight", nights, "2026-11-28T04:59:59Z", "2026-11-28T05:00:00Z"},
		{"the night is over", nights, "2026-11-28T05:00:00Z", ""},
		{"the night when clocks are put forth", nights, "2026-03-28T22:00:00Z", "2026-03-29T04:00:00Z"},
		{"the night when clocks are put back", nights, "2026-10-24T21:00:00Z", "2026-10-25T05:00:00Z"},
		{"a night belongs to the day on which it begins", `[{weekdays: [friday], times: [{from: "22:00", to: "06:00"}]}]`, "2026-11-28T05:00:00Z", "2026-11-28T06:00:00Z"},
		{"and not to the day on which it ends", `[{weekdays: [friday], times: [{from: "22:00", to: "06:00"}]}]`, "2026-11-27T05:00:00Z", ""},
		{"to the end of the day", `[{times: [{from: "18:00", to: "24:00"}]}]`, "2026-11-27T18:00:00Z", "2026-11-28T00:00:00Z"},
		{"to 00:00", `[{times: [{from: "18:00", to: "00:00"}]}]`, "2026-11-27T18:00:00Z", "2026-11-28T00:00:00Z"},
		{"one after the other", `[{weekdays: [saturday, sunday]}, {times: [{from: "22:00", to: "06:00"}]}]`, "2026-11-27T22:30:00Z", "2026-11-30T06:00:00Z"},
		{"range of days", "[{weekdays: ['monday:friday']}]", "2026-11-25T12:00:00Z", "2026-11-28T00:00:00Z"},
		{"range over the end of the week", "[{weekdays: ['friday:monday']}]", "2026-11-29T12:00:00Z", "2026-12-01T00:00:00Z"},
		{"the last days of the month", "[{daysOfMonth: ['-3:-1']}]", "2026-02-26T12:00:00Z", "2026-03-01T00:00:00Z"},
		{"not yet the last days", "[{daysOfMonth: ['-3:-1']}]", "2026-02-25T12:00:00Z", ""},
		{"a day that the month lacks", "[{daysOfMonth: ['31']}]", "2026-11-30T12:00:00Z", ""},
		{"month by name", "[{months: ['december']}]", "2026-12-31T12:00:00Z", "2027-01-01T00:00:00Z"},
		{"months by number", "[{months: ['5:8']}]", "2026-08-31T12:00:00Z", "2026-09-01T00:00:00Z"},
		{"months over the end of the year", "[{months: ['december:january'], daysOfMonth: ['24:31', '1:6']}]", "2026-12-24T12:00:00Z", "2027-01-07T00:00:00Z"},
		{"year", "[{years: ['2027:2028']}]", "2026-12-31T12:00:00Z", ""},
		{"all must hold", "[{weekdays: [friday], daysOfMonth: ['1']}]", "2026-11-27T12:00:00Z", ""},
		{"for good: a year", "[{weekdays: ['sunday:saturday']}]", "2026-11-27T12:00:00Z", "2027-11-29T00:00:00Z"},
	} {
		t.Run(row.name, func(t *testing.T) {
			m, err := muteTimes(t, row.times)
			if err != nil {
				t.Fatal(err)
			}
			now, err := time.Parse(time.RFC3339, row.now)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			if until, muted := m.Until(now); muted {
				got = until.Format(time.RFC3339)
			}
			if got != row.until {
				t.Errorf("muted until %q, want %q", got, row.until)
			}
		})
	}
}

func TestMuteTimesThatAreNone(t *testing.T) {
	for name, row := range map[string]struct{ times, field string }{
		"zone":          {"[{weekdays: [monday]}, {weekdays: [monday], timeZone: Europe/Atlantis}]", "spec.muteTimes[1].timeZone: \"Europe/Atlantis\""},
		"host's zone":   {"[{weekdays: [monday], timeZone: Local}]", "spec.muteTimes[0].timeZone"},
		"path":          {"[{weekdays: [monday], timeZone: ../etc/passwd}]", "spec.muteTimes[0].timeZone"},
		"years":         {"[{years: ['2028:2027']}]", "spec.muteTimes[0].years[0]: \"2028:2027\" ends before it begins"},
		"days of month": {"[{daysOfMonth: ['1', '-1:-3']}]", "spec.muteTimes[0].daysOfMonth[1]"},
		"weekday":       {"[{weekdays: [mon]}]", "spec.muteTimes[0].weekdays[0]"},
		"times":         {`[{times: [{from: "9:00", to: "10:00"}]}]`, "spec.muteTimes[0].times[0]"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := muteTimes(t, row.times)
			var wrong *CompileError
			if !errors.As(err, &wrong) || wrong.Reason != v1alpha1.ReasonInvalidMuteTimes || !strings.HasPrefix(wrong.Message, row.field) {
				t.Errorf("%v, want %s", err, row.field)
			}
		})
	}
}

// Whatever is taken for a time ends, and in the future.
func FuzzMuteTimes(f *testing.F) {
	f.Add("monday:friday", "1:-1", "may", "2026:2027", "22:00", "06:00", "Europe/Berlin", int64(1795000000))
	f.Add("sunday", "-31", "12", "0001", "00:00", "24:00", "America/Santiago", int64(-1))
	f.Fuzz(func(t *testing.T, weekday, day, month, year, from, to, zone string, unix int64) {
		m, err := CompileMuteTimes([]v1alpha1.TimeInterval{{Weekdays: []string{weekday}, DaysOfMonth: []string{day}},
			{Months: []string{month}, Times: []v1alpha1.TimeRange{{From: from, To: to}}, TimeZone: zone}, {Years: []string{year}, TimeZone: zone}})
		if err != nil {
			return
		}
		now := time.Unix(unix%(1<<36), 0)
		until, muted := m.Until(now)
		if muted && !until.After(now) || until.Sub(now) > longestMute+48*time.Hour {
			t.Fatalf("%v is muted until %v", now, until)
		}
	})
}
