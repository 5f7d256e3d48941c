package posts

import (
	"fmt"
	"slices"
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// flux tells of an event of Flux
// (https://fluxcd.io/flux/components/notification/events/#event-structure).
func flux(body any) draft {
	kind, name := text(body, "involvedObject", "kind"), text(body, "involvedObject", "name")
	d := draft{text: text(body, "message"), severity: severity(text(body, "severity"))}
	d.title = strings.TrimSpace(kind + " " + name)
	if reason := text(body, "reason"); reason != "" {
		d.title = strings.TrimPrefix(d.title+": "+reason, ": ")
	}
	d.fact("Namespace", text(body, "involvedObject", "namespace"))
	// The keys of the revision have the controller's group before them.
	metadata, _ := child(body, "metadata").(map[string]any)
	var revisions []string
	for key := range metadata {
		if key == "revision" || strings.HasSuffix(key, "/revision") {
			revisions = append(revisions, key)
		}
	}
	if len(revisions) > 0 {
		d.fact("Revision", text(metadata, slices.Min(revisions)))
	}
	d.fact("Summary", text(metadata, "summary"))
	d.fact("Cluster", text(metadata, "cluster"))
	d.fact("From", text(body, "reportingController"))
	return d
}

// argo tells of an Application, by the template of docs/slackalert.md.
func argo(body any) draft {
	health, phase := text(body, "health"), text(body, "phase")
	d := draft{text: text(body, "message"), link: text(body, "url"), linkText: "Argo CD", severity: v1alpha1.SeverityError}
	d.title = "Application " + text(body, "app")
	switch {
	case phase == "Failed" || phase == "Error":
		d.title += ": sync " + strings.ToLower(phase)
	case health != "":
		d.title += " is " + health
	}
	switch {
	case health == "Healthy" && (phase == "" || phase == "Succeeded"):
		d.severity = v1alpha1.SeveritySuccess
	case phase == "Running":
		d.severity = v1alpha1.SeverityInfo
	}
	d.fact("Project", text(body, "project"))
	d.fact("Health", health)
	d.fact("Sync", text(body, "sync"))
	d.fact("Revision", text(body, "revision"))
	return d
}

// github tells of a deployment, a workflow's run or a check
// (https://docs.github.com/en/webhooks/webhook-events-and-payloads).
func github(body any) draft {
	d := draft{}
	repository := text(body, "repository", "full_name")
	run, what, name := githubRun(body)
	outcome := first(text(run, "conclusion"), text(run, "state"), text(run, "status"), text(body, "action"))
	d.title = strings.Join(strings.Fields(fmt.Sprintf("%s: %s %s %s", repository, what, name, strings.ReplaceAll(outcome, "_", " "))), " ")
	switch outcome {
	case "success":
		d.severity = v1alpha1.SeveritySuccess
	case "failure", "error", "timed_out", "startup_failure":
		d.severity = v1alpha1.SeverityError
	case "action_required", "stale", "cancelled":
		d.severity = v1alpha1.SeverityWarning
	default:
		d.severity = v1alpha1.SeverityInfo
	}
	d.text = first(text(run, "description"), text(run, "output", "title"), text(run, "display_title"), text(body, "head_commit", "message"))
	d.link = first(text(run, "log_url"), text(run, "target_url"), text(run, "html_url"), text(run, "details_url"), text(body, "compare"), text(body, "repository", "html_url"))
	d.linkText = "GitHub"
	d.fact("Branch", first(text(run, "head_branch"), text(run, "check_suite", "head_branch"), text(body, "deployment", "ref"), text(body, "ref")))
	d.fact("Commit", cut(first(text(run, "head_sha"), text(body, "deployment", "sha"), text(body, "after")), 12))
	d.fact("By", first(text(run, "actor", "login"), text(body, "deployment", "creator", "login"), text(body, "sender", "login")))
	return d
}

// githubRun is the part of a body that tells how something went, what it is, and
// its name.
func githubRun(body any) (run any, what, name string) {
	switch {
	case child(body, "deployment_status") != nil:
		return child(body, "deployment_status"), "deployment to", text(body, "deployment", "environment")
	case child(body, "workflow_run") != nil:
		return child(body, "workflow_run"), "workflow", text(body, "workflow_run", "name")
	case child(body, "check_run") != nil:
		return child(body, "check_run"), "check", text(body, "check_run", "name")
	case child(body, "check_suite") != nil:
		return child(body, "check_suite"), "checks of", text(body, "check_suite", "app", "name")
	case child(body, "pusher") != nil:
		return nil, "push to", text(body, "ref")
	}
	return nil, "", ""
}

// sentry tells of an issue or a metric alert
// (https://docs.sentry.io/organization/integrations/integration-platform/webhooks/).
func sentry(body any) draft {
	data := child(body, "data")
	d := draft{linkText: "Sentry"}
	switch {
	case child(data, "metric_alert") != nil:
		d.title, d.text, d.link = text(data, "description_title"), text(data, "description_text"), text(data, "web_url")
		d.title = first(d.title, text(data, "metric_alert", "title"))
		d.severity = severity(text(body, "action"))
	case child(data, "issue") != nil:
		issue := child(data, "issue")
		d.title, d.text = text(issue, "title"), text(issue, "culprit")
		d.link = first(text(issue, "web_url"), text(issue, "permalink"))
		d.severity = severity(text(issue, "level"))
		d.fact("Project", first(text(issue, "project", "slug"), text(issue, "project", "name")))
		d.fact("Issue", text(issue, "shortId"))
	default:
		e := child(data, "event")
		d.title, d.text = first(text(e, "title"), text(e, "message")), text(e, "culprit")
		d.link = first(text(e, "web_url"), text(e, "issue_url"))
		d.severity = severity(text(e, "level"))
		d.fact("Environment", text(e, "environment"))
		d.fact("Release", text(e, "release"))
		d.fact("Rule", text(data, "triggered_rule"))
	}
	return d
}

// falco tells of what Falco or falcosidekick has seen
// (https://falco.org/docs/outputs/formatting/).
func falco(body any) draft {
	d := draft{title: text(body, "rule"), text: text(body, "output"), severity: severity(text(body, "priority"))}
	if strings.EqualFold(text(body, "priority"), "notice") {
		d.severity = v1alpha1.SeverityInfo
	}
	fields := child(body, "output_fields")
	d.fact("Priority", text(body, "priority"))
	d.fact("Host", text(body, "hostname"))
	d.fact("Namespace", text(fields, "k8s.ns.name"))
	d.fact("Pod", text(fields, "k8s.pod.name"))
	d.fact("Container", first(text(fields, "container.name"), text(fields, "container.id")))
	d.fact("Source", text(body, "source"))
	return d
}

// event tells of a CloudEvent, which says in its data what it is about.
func event(body any) draft {
	data := child(body, "data")
	d := anything(data)
	if child(data, "severity") == nil && child(data, "level") == nil {
		d.severity = v1alpha1.SeverityInfo
	}
	if s, ok := data.(string); ok {
		d.text = s
	}
	d.title = first(d.title, strings.TrimSpace(text(body, "type")+" "+text(body, "subject")))
	d.fact("Type", text(body, "type"))
	d.fact("Source", text(body, "source"))
	d.fact("Subject", text(body, "subject"))
	return d
}

// anything tells of JSON that nobody knows, by names that many senders use.
func anything(body any) draft {
	pick := func(names ...string) string {
		for _, name := range names {
			if s := text(body, name); strings.TrimSpace(s) != "" {
				return s
			}
		}
		return ""
	}
	d := draft{
		title:    pick("title", "summary", "subject", "alertname", "name", "event"),
		text:     pick("text", "message", "description", "msg", "details", "content"),
		link:     pick("url", "link", "html_url", "web_url"),
		severity: severity(pick("severity", "level", "priority")),
	}
	if s, ok := body.(string); ok {
		d.text = s
	}
	if body != nil {
		d.code = short(body, maxText)
	}
	return d
}
