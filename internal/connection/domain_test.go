package connection

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// counting counts what is read.
type counting struct {
	client.Reader
	reads int
}

func (c *counting) Get(ctx context.Context, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
	c.reads++
	return c.Reader.Get(ctx, key, o, opts...)
}

func withConnection(c *v1alpha1.SlackChannel, proxy, ca string) *v1alpha1.SlackChannel {
	c.Spec.Connection = &v1alpha1.Connection{}
	if proxy != "" {
		c.Spec.Connection.ProxySecretRef = &v1alpha1.SecretReference{Name: proxy}
	}
	if ca != "" {
		c.Spec.Connection.CASecretRef = &v1alpha1.SecretReference{Name: ca}
	}
	return c
}

// A namespace that the operator's flag does not name has no connection of its own:
// no Secret is read for it, and the message names the flag with its new value.
func TestConnectionNotAllowed(t *testing.T) {
	for _, row := range []struct {
		name      string
		custom    Namespaces
		proxy, ca string
		allowed   bool
		says      []string
	}{
		{"none", nil, "proxy", "", false, []string{"spec.connection.proxySecretRef is set", `namespace "ns"`, "--custom-connections=ns ", "leave it out", "no request is made", "as soon as"}},
		{"another", Namespaces{"other"}, "", "ca", false, []string{"spec.connection.caSecretRef is set", "--custom-connections=ns "}},
		{"both fields", nil, "proxy", "ca", false, []string{"spec.connection.proxySecretRef and spec.connection.caSecretRef are set", "leave them out"}},
		{"a part of the name", Namespaces{"n", "nsx"}, "proxy", "", false, nil},
		{"named", Namespaces{"other", "ns"}, "proxy", "", true, nil},
		{"all", Namespaces{"*"}, "proxy", "", true, nil},
		{"without either", nil, "", "", true, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			c := newCluster(t, secret("bot", "token", "xoxb-1"), secret("proxy", "address", "http://127.0.0.1:2"))
			reads := &counting{Reader: c.client}
			c.r.Custom, c.r.Secrets, c.r.Versions = row.custom, reads, reads
			_, err := c.r.Resolve(t.Context(), withConnection(byToken(), row.proxy, row.ca))
			if row.allowed {
				if err != nil {
					t.Errorf("error %v, want a connection", err)
				}
				return
			}
			var problem *Problem
			if !errors.As(err, &problem) || problem.Reason != v1alpha1.ReasonConnectionNotAllowed {
				t.Fatalf("got %v, want a problem with the reason %s", err, v1alpha1.ReasonConnectionNotAllowed)
			}
			if reads.reads != 0 {
				t.Errorf("%d Secrets were read", reads.reads)
			}
			for _, part := range row.says {
				if !strings.Contains(problem.Message, part) {
					t.Errorf("%q does not say %q", problem.Message, part)
				}
			}
		})
	}
}

// The key of a workspace has the domain of whoever answers for it.
func TestWorkspaceOfAConnection(t *testing.T) {
	c := newCluster(t, secret("bot", "token", "xoxb-1"), secret("hook", "url", hookURL), secret("proxy", "address", "http://127.0.0.1:2"))
	identity := slack.Identity{TeamID: "T1", BotUserID: "U1", BotID: "B1"}
	seen := map[slack.Workspace]string{}
	for name, w := range map[string]slack.Workspace{
		"the operator's way":    c.resolve(byToken()).Workspace(identity),
		"a proxy of its own":    c.resolve(withConnection(byToken(), "proxy", "")).Workspace(identity),
		"before it is known":    c.resolve(byToken()).Workspace(slack.Identity{}),
		"a webhook":             c.resolve(byWebhook()).Workspace(slack.Identity{}),
		"a webhook, by a proxy": c.resolve(withConnection(byWebhook(), "proxy", "")).Workspace(slack.Identity{}),
	} {
		if other, ok := seen[w]; ok {
			t.Errorf("%q and %q have the same key %v", name, other, w)
		}
		seen[w] = name
	}
	for _, private := range []*v1alpha1.SlackChannel{withConnection(byToken(), "p", ""), withConnection(byToken(), "", "ca"), withConnection(byToken(), "p", "ca")} {
		if d := DomainOf(private); !d.Private() || d.Namespace() != "ns" {
			t.Errorf("the domain is %+v, want that of the namespace", d)
		}
	}
	if plain := withConnection(byToken(), "", ""); DomainOf(plain).Private() {
		t.Error("a connection with a timeout alone is a private one")
	}
}

// An older object may ask for more than the schema lets through today.
func TestLongestTimeout(t *testing.T) {
	c := newCluster(t, secret("bot", "token", "xoxb-1"))
	channel := withConnection(byToken(), "", "")
	channel.Spec.Connection.Timeout = &metav1.Duration{Duration: 2 * time.Minute}
	c.resolve(channel)
	for _, shared := range c.r.clients.byKey {
		if shared.client.Timeout != 30*time.Second {
			t.Errorf("requests may take %v, want 30s", shared.client.Timeout)
		}
	}
}

// Whatever a tenant's own server answers, the metrics get few labels of it.
func TestAnswersOfATenantsServerAreFewLabels(t *testing.T) {
	labels := map[string]bool{}
	r := &Resolver{Observe: func(_, answer string, _ time.Duration) { labels[answer] = true }}
	for _, answer := range []string{slack.AnswerOK, slack.AnswerNone, slack.AnswerOther, "invalid_auth", "channel_not_found", "http_503", "http_418"} {
		r.observer(slack.PrivateDomain("a"))("m", answer, 0)
	}
	if len(labels) != 3 {
		t.Errorf("labels %v, want three", labels)
	}
	r.observer(slack.SharedDomain())("m", "invalid_auth", 0)
	if !labels["invalid_auth"] {
		t.Error("Slack's own answer has lost its label")
	}
	if (&Resolver{}).observer(slack.PrivateDomain("a")) != nil {
		t.Error("an observer of nothing")
	}
}
