package alerting

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	_ "time/tzdata" // the image has no time zones

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// MuteTimes are the times in which a rule posts nothing.
type MuteTimes []muteInterval

type muteInterval struct {
	zone                          *time.Location
	weekdays, days, months, years []numberRange
	times                         []minuteRange
}

// numberRange includes its end. Days of the month are counted from the end when
// they are negative.
type numberRange struct{ from, to int }

// minuteRange are minutes of the day without the end, which is of the next day
// when it is not after the beginning.
type minuteRange struct{ from, to int }

const dayMinutes = 24 * 60

var weekdayNames = []string{"sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday"}

var monthNames = []string{"", "january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december"}

// CompileMuteTimes reads spec.muteTimes. The error is a CompileError that names
// the field.
func CompileMuteTimes(intervals []v1alpha1.TimeInterval) (MuteTimes, error) {
	var out MuteTimes
	for i := range intervals {
		in := &intervals[i]
		place := fmt.Sprintf("spec.muteTimes[%d].", i)
		m := muteInterval{zone: time.UTC}
		refuse := func(field, format string, args ...any) error {
			return &CompileError{v1alpha1.ReasonInvalidMuteTimes, place + field + ": " + fmt.Sprintf(format, args...)}
		}
		if in.TimeZone != "" {
			zone, err := time.LoadLocation(in.TimeZone)
			if err != nil || in.TimeZone == "Local" {
				return nil, refuse("timeZone", "%q is no time zone: write it as in Europe/Berlin", in.TimeZone)
			}
			m.zone = zone
		}
		for _, list := range []struct {
			field string
			items []string
			into  *[]numberRange
			read  func(string) (int, bool)
			// wraps is true where a range may go on over the end.
			wraps bool
		}{
			{"weekdays", in.Weekdays, &m.weekdays, named(weekdayNames, 0), true},
			{"daysOfMonth", in.DaysOfMonth, &m.days, numbered(-31, 31), false},
			{"months", in.Months, &m.months, named(monthNames, 1), true},
			{"years", in.Years, &m.years, numbered(1, 9999), false},
		} {
			for j, item := range list.items {
				r, ok := readRange(item, list.read)
				field := fmt.Sprintf("%s[%d]", list.field, j)
				if !ok {
					return nil, refuse(field, "%q is none of them", item)
				}
				if !list.wraps && r.from > r.to && (r.from > 0) == (r.to > 0) {
					return nil, refuse(field, "%q ends before it begins", item)
				}
				*list.into = append(*list.into, r)
			}
		}
		for j, item := range in.Times {
			r, ok := readMinutes(item)
			if !ok {
				return nil, refuse(fmt.Sprintf("times[%d]", j), "%q to %q is no time of the day: write them as in 22:00", item.From, item.To)
			}
			m.times = append(m.times, r)
		}
		out = append(out, m)
	}
	return out, nil
}

func named(names []string, first int) func(string) (int, bool) {
	number := numbered(max(first, 1), len(names)-1)
	return func(s string) (int, bool) {
		if i := slices.Index(names, strings.ToLower(s)); i >= first && s != "" {
			return i, true
		}
		if first == 0 {
			return 0, false // days of the week have no numbers
		}
		return number(s)
	}
}

// numbered reads numbers but 0.
func numbered(least, most int) func(string) (int, bool) {
	return func(s string) (int, bool) {
		n, err := strconv.Atoi(s)
		return n, err == nil && n != 0 && n >= least && n <= most
	}
}

func readRange(s string, read func(string) (int, bool)) (numberRange, bool) {
	begin, end, isRange := strings.Cut(s, ":")
	from, ok := read(begin)
	if !ok || !isRange {
		return numberRange{from, from}, ok
	}
	to, ok := read(end)
	return numberRange{from, to}, ok
}

func readMinutes(r v1alpha1.TimeRange) (minuteRange, bool) {
	read := func(s string) (int, bool) {
		if s == "24:00" {
			return dayMinutes, true
		}
		t, err := time.Parse("15:04", s)
		return t.Hour()*60 + t.Minute(), err == nil && len(s) == len("15:04")
	}
	from, ok1 := read(r.From)
	to, ok2 := read(r.To)
	if to == 0 {
		to = dayMinutes
	}
	return minuteRange{from, to}, ok1 && ok2 && from < dayMinutes && from != to
}

// longestMute is how far ahead the end of a time is looked for.
const longestMute = 366 * 24 * time.Hour

// Until returns the end of the time that mutes a moment, a year ahead at the
// most; false when it is not muted.
func (m MuteTimes) Until(now time.Time) (time.Time, bool) {
	at := now
	for at.Sub(now) < longestMute {
		end := at
		for i := range m {
			if to, ok := m[i].until(at); ok && to.After(end) {
				end = to
			}
		}
		if end.Equal(at) {
			break
		}
		at = end
	}
	return at.UTC(), at.After(now)
}

// until returns a moment up to which an interval goes on, if it is on.
func (m *muteInterval) until(at time.Time) (time.Time, bool) {
	local := at.In(m.zone)
	minute := local.Hour()*60 + local.Minute()
	// end is a minute of the day, or of the one that is some days later.
	end := func(minute, later int) (time.Time, bool) {
		y, mo, d := local.Date()
		out := time.Date(y, mo, d+later, 0, minute, 0, 0, m.zone)
		if !out.After(at) {
			out = at.Add(time.Minute) // the clock is put back or forth
		}
		return out, true
	}
	today := m.onDay(local)
	if len(m.times) == 0 {
		if !today {
			return time.Time{}, false
		}
		return end(0, 1)
	}
	for _, r := range m.times {
		switch {
		case r.from < r.to && today && minute >= r.from && minute < r.to:
			return end(r.to, 0)
		case r.from > r.to && today && minute >= r.from:
			return end(r.to, 1)
		case r.from > r.to && minute < r.to && m.onDay(local.AddDate(0, 0, -1)):
			return end(r.to, 0) // it has begun the day before
		}
	}
	return time.Time{}, false
}

// onDay reports whether the interval begins on a day.
func (m *muteInterval) onDay(local time.Time) bool {
	last := time.Date(local.Year(), local.Month()+1, 0, 12, 0, 0, 0, m.zone).Day()
	return within(m.weekdays, int(local.Weekday())) && within(m.months, int(local.Month())) && within(m.years, local.Year()) &&
		(len(m.days) == 0 || slices.ContainsFunc(m.days, func(r numberRange) bool {
			return fromEnd(r.from, last) <= local.Day() && local.Day() <= fromEnd(r.to, last)
		}))
}

func fromEnd(day, last int) int {
	if day < 0 {
		return last + day + 1
	}
	return day
}

// within reports whether a number is in one of the ranges, which may go on over the
// end; in any case if there are none.
func within(ranges []numberRange, n int) bool {
	return len(ranges) == 0 || slices.ContainsFunc(ranges, func(r numberRange) bool {
		if r.from > r.to {
			return n >= r.from || n <= r.to
		}
		return r.from <= n && n <= r.to
	})
}
