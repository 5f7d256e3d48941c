package alertmanager

import (
	"slices"
	"strings"
	"unicode"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Words are what people, and the tools that they use, call a severity, in lower
// case and without blanks, hyphens and underscores. docs/intake.md has the same
// table.
//
// P0 and P1 are both the worst, because some count from one and some from the
// other; the same goes for sev. A number alone counts as such a level.
var words = map[v1alpha1.Severity][]string{
	v1alpha1.SeverityCritical: {
		"critical", "crit", "page", "pager", "emergency", "emerg", "fatal", "disaster", "urgent", "blocker", "highest", "alert", "panic", "outage",
		"p0", "p1", "prio0", "prio1", "priority0", "priority1", "s0", "s1", "sev0", "sev1", "severity0", "severity1", "0", "1",
	},
	v1alpha1.SeverityError: {
		"error", "err", "high", "major", "severe", "p2", "prio2", "priority2", "s2", "sev2", "severity2", "2",
	},
	v1alpha1.SeverityWarning: {
		"warning", "warn", "medium", "moderate", "average", "minor", "ticket", "degraded",
		"p3", "prio3", "priority3", "s3", "sev3", "severity3", "3",
	},
	v1alpha1.SeverityInfo: {
		"info", "information", "informational", "notice", "low", "lowest", "trivial", "none", "debug", "trace", "notclassified",
		"p4", "p5", "prio4", "prio5", "priority4", "priority5", "s4", "s5", "sev4", "sev5", "severity4", "severity5", "4", "5", "6", "7",
	},
	v1alpha1.SeveritySuccess: {"ok", "okay", "success", "normal", "good", "cleared", "clear", "resolved"},
}

// severityLabels are where a severity may be; the first one that is there
// counts.
var severityLabels = []string{"severity", "priority", "level"}

// Severity is that of the worst alert that fires; Success when none does.
func (s State) Severity() v1alpha1.Severity {
	if s.Status() == Resolved {
		return v1alpha1.SeveritySuccess
	}
	worst := v1alpha1.Severity("")
	for _, a := range s.Alerts {
		if one := a.severity(); a.Status == Firing && rank(one) > rank(worst) {
			worst = one
		}
	}
	if worst == "" {
		return v1alpha1.SeverityError
	}
	return worst
}

// severity is empty when nothing is known of the alert but that it fires.
func (a Alert) severity() v1alpha1.Severity {
	if a.Worst != "" || len(a.Labels) == 0 && len(a.Annotations) == 0 {
		return a.Worst
	}
	return severity(first(a.Labels, severityLabels...))
}

// severity reads the words that people use for it; Error for others. Of several, all
// of which are known, the worst counts; a number beside a word does not.
func severity(label string) v1alpha1.Severity {
	label = strings.ToLower(strings.TrimSpace(label))
	if known := named(strings.Map(func(r rune) rune {
		if strings.ContainsRune(" -_:.", r) {
			return -1
		}
		return r
	}, label)); known != "" {
		return known
	}
	parts := strings.FieldsFunc(label, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) })
	isNumber := func(part string) bool { return strings.Trim(part, "0123456789") == "" }
	if said := slices.DeleteFunc(slices.Clone(parts), isNumber); len(said) > 0 {
		parts = said
	}
	worst := v1alpha1.Severity("")
	for _, part := range parts {
		known := named(part)
		if known == "" {
			return v1alpha1.SeverityError
		}
		if rank(known) > rank(worst) {
			worst = known
		}
	}
	if worst == "" {
		return v1alpha1.SeverityError
	}
	return worst
}

// named is the severity of a word; empty if it is not known.
func named(word string) v1alpha1.Severity {
	for severity, list := range words {
		if slices.Contains(list, word) {
			return severity
		}
	}
	return ""
}

func rank(s v1alpha1.Severity) int {
	return slices.Index([]v1alpha1.Severity{
		v1alpha1.SeveritySuccess, v1alpha1.SeverityInfo, v1alpha1.SeverityWarning, v1alpha1.SeverityError, v1alpha1.SeverityCritical,
	}, s)
}
