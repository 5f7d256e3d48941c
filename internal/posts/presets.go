package posts

import (
	"strings"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// preset is what is known of a sender's posts. Its expressions ask for what may
// be missing, since a sender posts of many kinds.
type preset struct {
	when, resolvedWhen string
	groupBy            []string
	// groupTold is false for groups that make sense for incidents with an end
	// only: without one, each post is a message.
	groupTold bool
}

var presets = map[v1alpha1.WebhookPreset]preset{
	// https://fluxcd.io/flux/components/notification/events/. Of the good news, those
	// are an end that say that the object is as it should be.
	v1alpha1.PresetFlux: {
		when: `body.?severity.orValue('') == 'error'`,
		resolvedWhen: `body.?severity.orValue('') == 'info' && (` +
			`body.?reason.orValue('') in ['NewArtifact', 'ArtifactUpToDate', 'Succeeded', 'ReconciliationSucceeded', 'InstallSucceeded', 'UpgradeSucceeded', 'TestSucceeded'])`,
		groupBy: []string{
			`body.?involvedObject.kind.orValue('')`, `body.?involvedObject.namespace.orValue('')`, `body.?involvedObject.name.orValue('')`,
		},
	},
	// The body is what the template of docs/slackalert.md makes of an Application
	// (https://argo-cd.readthedocs.io/en/stable/operator-manual/notifications/services/webhook/).
	v1alpha1.PresetArgoCD: {
		when: `body.?phase.orValue('') in ['Error', 'Failed'] || body.?health.orValue('') in ['Degraded', 'Missing']`,
		resolvedWhen: `body.?health.orValue('') == 'Healthy' && body.?sync.orValue('Synced') == 'Synced' && ` +
			`body.?phase.orValue('Succeeded') == 'Succeeded'`,
		groupBy: []string{`body.?namespace.orValue('')`, `body.?app.orValue('')`},
	},
	// https://docs.github.com/en/webhooks/webhook-events-and-payloads
	v1alpha1.PresetGitHub: {
		when: `body.?deployment_status.state.orValue('') in ['failure', 'error'] || ` +
			githubCompleted + `.exists(r, r.?conclusion.orValue('') in ['failure', 'timed_out', 'startup_failure'])`,
		resolvedWhen: `body.?deployment_status.state.orValue('') == 'success' || ` +
			githubCompleted + `.exists(r, r.?conclusion.orValue('') == 'success')`,
		groupBy: []string{
			`body.?repository.full_name.orValue('')`,
			`has(body.deployment_status) ? 'deployment' : has(body.workflow_run) ? 'workflow' : has(body.check_run) ? 'check' : has(body.check_suite) ? 'checks' : ''`,
			`body.?deployment.environment.or(body.?workflow_run.name).or(body.?check_run.name).or(body.?check_suite.app.slug).orValue('')`,
			`body.?workflow_run.head_branch.or(body.?check_run.check_suite.head_branch).or(body.?check_suite.head_branch).orValue('')`,
		},
	},
	// https://docs.sentry.io/organization/integrations/integration-platform/webhooks/
	v1alpha1.PresetSentry: {
		when: `has(body.data) && (has(body.data.event) && body.?action.orValue('') == 'triggered' || ` +
			`has(body.data.issue) && body.?action.orValue('') in ['created', 'unresolved'] || ` +
			`has(body.data.metric_alert) && body.?action.orValue('') in ['critical', 'warning'])`,
		resolvedWhen: `has(body.data) && body.?action.orValue('') == 'resolved' && (has(body.data.issue) || has(body.data.metric_alert))`,
		groupBy: []string{
			`has(body.data) && has(body.data.metric_alert) ? 'metric alert' : 'issue'`,
			`body.?data.event.issue_id.or(body.?data.issue.id).or(body.?data.metric_alert.id).orValue('')`,
		},
	},
	// https://falco.org/docs/outputs/channels/. Falco tells what happened, and not
	// that it is over.
	v1alpha1.PresetFalco: {
		when: `body.?priority.orValue('').lowerAscii() in ['emergency', 'alert', 'critical', 'error', 'warning']`,
		groupBy: []string{
			`body.?rule.orValue('')`, `body.?hostname.orValue('')`,
			`body.?output_fields[?'k8s.ns.name'].orValue('')`, `body.?output_fields[?'k8s.pod.name'].orValue('')`,
		},
		groupTold: true,
	},
	// https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md: what an
	// event means is not in its envelope.
	v1alpha1.PresetCloudEvents: {groupBy: []string{`body.source`, `body.?subject.orValue('')`}},
}

// githubCompleted are the runs of a post that have come to an end.
const githubCompleted = `(body.?action.orValue('') == 'completed' ? [body.?workflow_run.or(body.?check_run).or(body.?check_suite).orValue({})] : [])`

// Effective is a rule's spec with what its preset brings. A resolvedWhen of "false"
// says that nothing ends incidents, whatever the preset says.
func Effective(spec *v1alpha1.SlackAlertSpec) *v1alpha1.SlackAlertSpec {
	if spec.Source.Webhook == nil {
		return spec
	}
	out, source := *spec, *spec.Source.Webhook
	p := presets[source.Preset] // empty when there is none
	if source.When == "" {
		source.When = p.when
	}
	if source.ResolvedWhen == "" {
		source.ResolvedWhen = p.resolvedWhen
	}
	if strings.TrimSpace(source.ResolvedWhen) == "false" {
		source.ResolvedWhen = ""
	}
	out.Source.Webhook = &source
	ends := source.ResolvedWhen != "" || spec.ResolveAfter != nil
	if len(out.GroupBy) == 0 && (ends || p.groupTold) {
		out.GroupBy = p.groupBy
	}
	return &out
}
