package alertmanager

import "time"

// Data is an alert as expressions and templates see it.
func (a Alert) Data() map[string]any {
	return map[string]any{
		"status":       string(a.Status),
		"fingerprint":  a.Fingerprint,
		"labels":       generic(a.Labels),
		"annotations":  generic(a.Annotations),
		"startsAt":     timestamp(a.StartsAt),
		"endsAt":       timestamp(a.EndsAt),
		"generatorURL": a.GeneratorURL,
		"silenceURL":   a.SilenceURL,
		"dashboardURL": a.DashboardURL,
		"panelURL":     a.PanelURL,
		"values":       generic(a.Values),
		"valueString":  a.ValueString,
	}
}

// Data is what templates see of an incident. The alerts are those whose labels
// are kept, those that fire first; labels and annotations are what they have in
// common.
func (s State) Data() map[string]any {
	var alerts []any
	for _, which := range []Status{Firing, Resolved} {
		for _, a := range s.detailed(which) {
			alerts = append(alerts, a.Data())
		}
	}
	labels, annotations := s.shared()
	return map[string]any{
		"alerts":          alerts,
		"labels":          generic(labels),
		"annotations":     generic(annotations),
		"groupLabels":     generic(s.GroupLabels),
		"status":          string(s.Status()),
		"firing":          s.Firing(),
		"resolved":        s.resolved(),
		"truncated":       s.unknown(),
		"receiver":        s.Receiver,
		"externalURL":     s.ExternalURL,
		"alertmanagerURL": s.AlertmanagerURL(),
		"silenceURL":      s.SilenceURL(),
		"sourceURL":       s.SourceURL(),
		"dashboardURL":    s.DashboardURL(),
		"panelURL":        s.PanelURL(),
		"runbookURL":      s.RunbookURL(),
	}
}

func generic(m map[string]string) map[string]any {
	out := make(map[string]any, len(m))
	for key, value := range m {
		out[key] = value
	}
	return out
}

func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
