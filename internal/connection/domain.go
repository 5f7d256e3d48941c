package connection

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

// Namespaces is a list of namespaces; "*" stands for all.
type Namespaces []string

// Has reports whether a namespace is in the list.
func (n Namespaces) Has(namespace string) bool {
	return slices.Contains(n, "*") || slices.Contains(n, namespace)
}

// notAllowed is why a SlackChannel may not have the connection that it asks for;
// nil when it may.
func (r *Resolver) notAllowed(c *v1alpha1.SlackChannel) *Problem {
	fields := custom(c)
	if len(fields) == 0 || r.Custom.Has(c.Namespace) {
		return nil
	}
	set, them := "is", "it"
	if len(fields) > 1 {
		set, them = "are", "them"
	}
	return &Problem{v1alpha1.ReasonConnectionNotAllowed, fmt.Sprintf(
		"%s %s set, and namespace %q may not have a connection of its own: start the operator with --custom-connections=%s "+
			"(beside the namespaces that it names already, in the args of its Deployment), or leave %s out, and requests go the operator's own way to Slack; "+
			"no request is made until then, and the SlackChannel is verified as soon as either is done",
		strings.Join(fields, " and "), set, c.Namespace, c.Namespace, them)}
}

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

// Bytes of answers that are in memory at once: all, those of connections with a
// proxy or CA of their own, and those of one namespace among these.
const (
	answerBytes          = 32 << 20
	privateAnswerBytes   = 12 << 20
	namespaceAnswerBytes = 4 << 20
)

// answers are the budgets of bytes.
type answers struct {
	once         sync.Once
	all, private *egress.Budget

	mu sync.Mutex
	// parts of the domains that have a client.
	parts map[slack.Domain]*egress.Budget
}

func (a *answers) of(d slack.Domain) *egress.Budget {
	a.once.Do(func() {
		a.all = egress.NewBudget(answerBytes)
		a.private = a.all.Part(privateAnswerBytes)
		a.parts = map[slack.Domain]*egress.Budget{}
	})
	if !d.Private() {
		return a.all
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.parts[d] == nil {
		a.parts[d] = a.private.Part(namespaceAnswerBytes)
	}
	return a.parts[d]
}

// forget drops the part of a domain. What is being read meanwhile keeps to it.
func (a *answers) forget(d slack.Domain) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.parts, d)
}

// guard sets what holds the client of a SlackChannel to its bounds.
func (r *Resolver) guard(c *v1alpha1.SlackChannel, o *egress.Options) {
	d, namespace := DomainOf(c), c.Namespace
	o.Private, o.Proxies, o.Answers = d.Private(), r.Proxies, r.answers.of(d)
	if d.Private() && r.Calls != nil {
		o.Enter = func() func() {
			leave, _ := r.Calls.Enter(namespace, d)
			return leave
		}
	}
}

// observer is told of the calls of a domain. What a tenant's own server answers
// makes few labels of metrics, whatever it is.
func (r *Resolver) observer(d slack.Domain) slack.Observer {
	if r.Observe == nil || !d.Private() {
		return r.Observe
	}
	return func(method, answer string, took time.Duration) {
		if answer != slack.AnswerOK && answer != slack.AnswerNone {
			answer = slack.AnswerOther
		}
		r.Observe(method, answer, took)
	}
}
