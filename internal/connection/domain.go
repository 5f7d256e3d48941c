package connection

import (
	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// custom lists the fields by which a SlackChannel leaves the operator's own way to
// Slack, so that somebody else may answer in Slack's place.
func custom(c *v1alpha1.SlackChannel) []string {
	spec := c.Spec.Connection
	if spec == nil {
		return nil
	}
	var fields []string
	if spec.ProxySecretRef != nil {
		fields = append(fields, "spec.connection.proxySecretRef")
	}
	if spec.CASecretRef != nil {
		fields = append(fields, "spec.connection.caSecretRef")
	}
	return fields
}

// DomainOf is the trust domain of a SlackChannel's connection: what is learnt
// through a proxy or a certificate authority of its own stays in its namespace.
func DomainOf(c *v1alpha1.SlackChannel) slack.Domain {
	if len(custom(c)) > 0 {
		return slack.PrivateDomain(c.Namespace)
	}
	return slack.SharedDomain()
}

// StoredWorkspace is the key of the workspace that a SlackChannel's status names,
// which anybody who may write the status can claim; false when it names none.
func StoredWorkspace(c *v1alpha1.SlackChannel) (slack.Workspace, bool) {
	if c.Status.Workspace == nil {
		return slack.Workspace{}, false
	}
	return DomainOf(c).Workspace(c.Status.Workspace.ID, c.Status.BotUserID), true
}
