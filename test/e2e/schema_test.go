package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// What the API server takes and refuses; what it says when it refuses.
func TestSchema(t *testing.T) {
	many := func(n int, one string) string {
		return "[" + strings.TrimSuffix(strings.Repeat(one+",", n), ",") + "]"
	}
	users := func(n int) string {
		var out []string
		for i := range n {
			out = append(out, fmt.Sprintf("{user: u%d}", i))
		}
		return "[" + strings.Join(out, ",") + "]"
	}
	const (
		accepted = ""
		api      = "webAPI: {tokenSecretRef: {name: s}}"
		named    = "webAPI: {tokenSecretRef: {name: s}, channel: deploys}"
		note     = "channelRef: {name: c}, "
		objects  = "source: {objects: {apiVersion: apps/v1, kind: Deployment, when: 'true'}}"
	)
	cases := []struct{ kind, spec, says string }{
		{"SlackChannel", "{" + api + "}", accepted},
		{"SlackChannel", "{webhook: {urlSecretRef: {name: s}}}", accepted},
		{"SlackChannel", "{}", "set exactly one of webAPI and webhook"},
		{"SlackChannel", "{" + api + ", webhook: {urlSecretRef: {name: s}}}", "set exactly one of webAPI and webhook"},
		{"SlackChannel", "{webAPI: {}}", "tokenSecretRef: Required value"},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {}}}", "name: Required value"},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: 'two words'}}", "channel"},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '#alerts'}}", accepted},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: ' #Alerts '}}", accepted},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '＃alerts'}}", accepted},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '<#C0123456|alerts>'}}", accepted},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: 'https://acme.slack.com/archives/C0123456'}}", accepted},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '<https://acme.slack.com/archives/C0123456|the link>'}}", accepted},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '@ada'}}", `give a channel as "#name", "name", its ID or the link to it`},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: 'a,b'}}", `give a channel as "#name", "name", its ID or the link to it`},
		{"SlackChannel", "{" + api + ", sender: {username: a, iconURL: 'https://e.com/i.png'}}", accepted},
		{"SlackChannel", "{" + api + ", sender: {iconEmoji: ':ship:'}}", accepted},
		{"SlackChannel", "{" + api + ", sender: {iconURL: 'https://e.com/i.png', iconEmoji: ':ship:'}}", "set iconURL or iconEmoji, not both"},
		{"SlackChannel", "{" + api + ", sender: {iconEmoji: ship}}", "iconEmoji"},
		{"SlackChannel", "{" + api + ", sender: {iconURL: 'ftp://e.com'}}", "iconURL"},
		{"SlackChannel", "{" + api + ", connection: {timeout: 30s}}", accepted},
		{"SlackChannel", "{" + api + ", connection: {timeout: 10ms}}", "timeout must be between 1s and 30s"},
		{"SlackChannel", "{" + api + ", connection: {timeout: 31s}}", "timeout must be between 1s and 30s"},
		{"SlackChannel", "{" + api + ", connection: {timeout: 1h}}", "timeout must be between 1s and 30s"},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All}}", accepted},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: Some}}", "Unsupported value"},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: Selector, selector: {matchLabels: {a: b}}}}", accepted},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: Selector}}", "selector goes with from: Selector"},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All, selector: {}}}", "selector goes with from: Selector"},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {selector: {}}}", "selector goes with from: Selector"},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All, recipients: Any, mentions: None, sender: true}}", accepted},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All, recipients: OwnChannel, mentions: Users, sender: false}}", accepted},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All, mentions: All}}", accepted},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All, recipients: All}}", "spec.allowedNamespaces.recipients: Unsupported value"},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All, mentions: Any}}", "spec.allowedNamespaces.mentions: Unsupported value"},
		{"SlackChannel", "{" + api + ", allowedNamespaces: {from: All, sender: Any}}", "spec.allowedNamespaces.sender"},
		{"SlackChannel", "{" + api + ", suspend: maybe}", "suspend"},
		{"SlackChannel", "{" + named + ", manage: {}}", accepted},
		{"SlackChannel", "{" + named + ", manage: {create: false, adopt: true, private: true, topic: '', purpose: x, pruneMembers: true, deletionPolicy: Archive}}", accepted},
		{"SlackChannel", "{" + named + ", manage: {creat: true}}", `unknown field "spec.manage.creat"`},
		{"SlackChannel", "{webhook: {urlSecretRef: {name: s}}, manage: {}}", "manage needs webAPI: a webhook can't manage its channel"},
		{"SlackChannel", "{" + api + ", manage: {}}", "manage needs webAPI.channel to be a name"},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: C0123456}, manage: {}}", "manage needs webAPI.channel to be a name"},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '#Deploys'}, manage: {}}", "manage needs webAPI.channel to be a name"},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '#" + strings.Repeat("x", 80) + "'}, manage: {}}", accepted},
		{"SlackChannel", "{webAPI: {tokenSecretRef: {name: s}, channel: '" + strings.Repeat("x", 81) + "'}, manage: {}}", "manage needs webAPI.channel to be a name"},
		{"SlackChannel", "{" + named + ", manage: {topic: '" + strings.Repeat("ä", 250) + "'}}", accepted},
		{"SlackChannel", "{" + named + ", manage: {topic: '" + strings.Repeat("x", 251) + "'}}", "may not be more than 250"},
		{"SlackChannel", "{" + named + ", manage: {purpose: '" + strings.Repeat("x", 251) + "'}}", "may not be more than 250"},
		{"SlackChannel", "{" + named + ", manage: {members: [{user: a}, {email: a@b.c}]}}", accepted},
		{"SlackChannel", "{" + named + ", manage: {members: [{}]}}", "set exactly one of user and email"},
		{"SlackChannel", "{" + named + ", manage: {members: [{user: a, email: a@b.c}]}}", "set exactly one of user and email"},
		{"SlackChannel", "{" + named + ", manage: {members: [{email: nobody}]}}", "email"},
		{"SlackChannel", "{" + named + ", manage: {members: " + users(500) + "}}", accepted},
		{"SlackChannel", "{" + named + ", manage: {members: " + users(501) + "}}", "must have at most 500 items"},
		{"SlackChannel", "{" + named + ", manage: {deletionPolicy: Delete}}", "Unsupported value"},

		{"SlackNotification", "{" + note + "text: x}", accepted},
		{"SlackNotification", "{" + note + "title: x}", accepted},
		{"SlackNotification", "{" + note + "markdown: x}", accepted},
		{"SlackNotification", "{" + note + "title: x, markdown: x}", accepted},
		{"SlackNotification", "{" + note + "blocks: [{type: divider}]}", accepted},
		{"SlackNotification", "{" + note + "attachments: [{color: red}]}", accepted},
		{"SlackNotification", "{" + note + "text: x, blocks: [{type: divider}]}", accepted},
		{"SlackNotification", "{text: x}", "channelRef: Required value"},
		{"SlackNotification", "{channelRef: {}, text: x}", "channelRef.name: Required value"},
		{"SlackNotification", "{channelRef: {name: c}}", "a message needs at least one of title, text, markdown, blocks and attachments"},
		{"SlackNotification", "{" + note + "severity: Error}", "a message needs at least one of"},
		{"SlackNotification", "{" + note + "markdown: x, text: z}", "markdown can't be combined with text or blocks"},
		{"SlackNotification", "{" + note + "markdown: x, blocks: [{type: divider}]}", "markdown can't be combined with text or blocks"},
		{"SlackNotification", "{" + note + "text: ''}", "text"},
		{"SlackNotification", "{" + note + "title: '" + strings.Repeat("x", 151) + "'}", "may not be more than 150"},
		{"SlackNotification", "{" + note + "title: '" + strings.Repeat("ä", 150) + "'}", accepted},
		{"SlackNotification", "{" + note + "markdown: '" + strings.Repeat("x", 12001) + "'}", "may not be more than 12000"},
		{"SlackNotification", "{" + note + "text: x, severity: Fatal}", "Unsupported value"},
		{"SlackNotification", "{" + note + "text: x, severity: Critical}", accepted},
		{"SlackNotification", "{" + note + "text: x, recipients: [{user: a}, {email: a@b.c}, {channel: '#x'}]}", accepted},
		{"SlackNotification", "{" + note + "text: x, recipients: [], fields: []}", accepted},
		{"SlackNotification", "{" + note + "text: x, recipients: [{}]}", "set exactly one of user, email and channel"},
		{"SlackNotification", "{" + note + "text: x, recipients: [{user: a, email: a@b.c}]}", "set exactly one of user, email and channel"},
		{"SlackNotification", "{" + note + "text: x, recipients: [{user: a, channel: a}]}", "set exactly one of user, email and channel"},
		{"SlackNotification", "{" + note + "text: x, recipients: [{user: a}, {user: a}]}", "a recipient is named twice"},
		{"SlackNotification", "{" + note + "text: x, recipients: [{user: a}, {channel: a}]}", accepted},
		{"SlackNotification", "{" + note + "text: x, recipients: [{email: nobody}]}", "email"},
		{"SlackNotification", "{" + note + "text: x, recipients: [{channel: 'two words'}]}", "channel"},
		{"SlackNotification", "{" + note + "text: x, recipients: " + users(50) + "}", accepted},
		{"SlackNotification", "{" + note + "text: x, recipients: " + users(51) + "}", "must have at most 50 items"},
		{"SlackNotification", "{" + note + "text: x, fields: " + many(10, "{title: a, value: b}") + "}", accepted},
		{"SlackNotification", "{" + note + "text: x, fields: " + many(11, "{title: a, value: b}") + "}", "must have at most 10 items"},
		{"SlackNotification", "{" + note + "text: x, fields: [{value: b}]}", "title: Required value"},
		{"SlackNotification", "{" + note + "blocks: " + many(50, "{type: divider}") + "}", accepted},
		{"SlackNotification", "{" + note + "blocks: " + many(51, "{type: divider}") + "}", "must have at most 50 items"},
		{"SlackNotification", "{" + note + "attachments: " + many(101, "{}") + "}", "must have at most 100 items"},
		{"SlackNotification", "{" + note + "text: x, link: {url: 'https://e.com'}}", accepted},
		{"SlackNotification", "{" + note + "text: x, link: {url: 'javascript:alert(1)'}}", "url"},
		{"SlackNotification", "{" + note + "text: x, link: {text: a}}", "url: Required value"},
		{"SlackNotification", "{" + note + "text: x, activeDeadlineSeconds: 0}", "activeDeadlineSeconds"},
		{"SlackNotification", "{" + note + "text: x, activeDeadlineSeconds: 1}", accepted},
		{"SlackNotification", "{" + note + "text: x, ttlSecondsAfterFinished: -1}", "ttlSecondsAfterFinished"},
		{"SlackNotification", "{" + note + "text: x, ttlSecondsAfterFinished: 0}", accepted},
		{"SlackNotification", "{" + note + "text: x, sender: {iconURL: 'https://e.com/i.png', iconEmoji: ':ship:'}}", "set iconURL or iconEmoji, not both"},
		{"SlackNotification", "{" + note + "text: x, onUnknownOutcome: GiveUp}", accepted},
		{"SlackNotification", "{" + note + "text: x, onUnknownOutcome: Perhaps}", "Unsupported value"},
		{"SlackNotification", "{" + note + "text: x, notBefore: '2026-11-24T08:00:00Z'}", accepted},
		{"SlackNotification", "{" + note + "text: x, notBefore: tomorrow}", "notBefore"},
		{"SlackNotification", "{" + note + "text: x, updatePolicy: Edit}", accepted},
		{"SlackNotification", "{" + note + "text: x, updatePolicy: Repost}", accepted},
		{"SlackNotification", "{" + note + "text: x, updatePolicy: Ignore}", accepted},
		{"SlackNotification", "{" + note + "text: x, updatePolicy: Rewrite}", "Unsupported value"},
		{"SlackNotification", "{" + note + "text: x, deletionPolicy: Delete}", accepted},
		{"SlackNotification", "{" + note + "text: x, deletionPolicy: Forget}", "Unsupported value"},
		{"SlackNotification", "{" + note + "text: x, thread: {notificationRef: {name: parent}}}", accepted},
		{"SlackNotification", "{" + note + "text: x, thread: {timestamp: '1700000000.000100', broadcast: true}}", accepted},
		{"SlackNotification", "{" + note + "text: x, thread: {}}", "set exactly one of notificationRef and timestamp"},
		{"SlackNotification", "{" + note + "text: x, thread: {timestamp: '1700000000.000100', notificationRef: {name: parent}}}", "set exactly one of notificationRef and timestamp"},
		{"SlackNotification", "{" + note + "text: x, thread: {timestamp: yesterday}}", "timestamp"},
		{"SlackNotification", "{" + note + "text: x, thread: {notificationRef: {}}}", "name: Required value"},
		{"SlackNotification", "{" + note + "tekst: x, title: y}", `unknown field "spec.tekst"`},

		{"SlackAlert", "{" + note + objects + "}", accepted},
		{"SlackAlert", "{" + note + "source: {events: {}}}", accepted},
		{"SlackAlert", "{" + note + "source: {events: {types: [Warning], reasons: [BackOff], involvedKinds: [Pod], when: event.count > 3}}, resolveAfter: 1s}", accepted},
		{"SlackAlert", "{" + note + "source: {alertmanager: {}}, groupBy: [labels.team], message: {title: a}}", accepted},
		{"SlackAlert", "{" + objects + "}", "channelRef: Required value"},
		{"SlackAlert", "{channelRef: {name: c}}", "source: Required value"},
		{"SlackAlert", "{" + note + "source: {}}", "set exactly one of objects, events, alertmanager and webhook"},
		{"SlackAlert", "{" + note + "source: {events: {}, alertmanager: {}}}", "set exactly one of objects, events, alertmanager and webhook"},
		{"SlackAlert", "{" + note + "source: {webhook: {}, events: {}}}", "set exactly one of objects, events, alertmanager and webhook"},
		{"SlackAlert", "{" + note + "source: {webhook: {}}}", accepted},
		{"SlackAlert", "{" + note + "source: {webhook: {when: body.severity == 'error', resolvedWhen: body.state == 'ok', signature: {secretRef: {name: s}}}}, resolveAfter: 10m}", accepted},
		{"SlackAlert", "{" + note + "source: {webhook: {preset: CloudEvents, signature: {secretRef: {name: s, key: k}, header: X-Signature}}}}", accepted},
		{"SlackAlert", "{" + note + "source: {webhook: {preset: Jenkins}}}", "Unsupported value"},
		{"SlackAlert", "{" + note + "source: {webhook: {preset: flux}}}", "Unsupported value"},
		{"SlackAlert", "{" + note + "source: {webhook: {signature: {}}}}", "secretRef: Required value"},
		{"SlackAlert", "{" + note + "source: {webhook: {signature: {secretRef: {name: s}, header: 'X Y'}}}}", "header"},
		{"SlackAlert", "{" + note + "source: {webhook: {signature: {secretRef: {name: s}, header: Authorization}}}}", "a signature can't be in this header"},
		{"SlackAlert", "{" + note + "source: {webhook: {signature: {secretRef: {name: s}, header: COOKIE}}}}", "a signature can't be in this header"},
		{"SlackAlert", "{" + note + "source: {webhook: {when: '" + strings.Repeat("a", 4097) + "'}}}", "may not be more than 4096"},
		{"SlackAlert", "{" + note + "source: {webhook: {resolvedWhen: '" + strings.Repeat("a", 4097) + "'}}}", "may not be more than 4096"},
		{"SlackAlert", "{" + note + "source: {objects: {apiVersion: v1, kind: Pod}}}", "when: Required value"},
		{"SlackAlert", "{" + note + "source: {objects: {kind: Pod, when: 'true'}}}", "apiVersion: Required value"},
		{"SlackAlert", "{" + note + "source: {objects: {apiVersion: v1, kind: Pod, when: 'true', for: 0s}}}", accepted},
		{"SlackAlert", "{" + note + "source: {objects: {apiVersion: v1, kind: Pod, when: 'true', for: -1s}}}", "for can't be negative"},
		{"SlackAlert", "{" + note + objects + ", recipients: [{user: a}, {user: a}]}", "a recipient is named twice"},
		{"SlackAlert", "{" + note + objects + ", groupBy: ['']}", "groupBy"},
		{"SlackAlert", "{" + note + objects + ", groupBy: " + many(11, "a") + "}", "must have at most 10 items"},
		{"SlackAlert", "{" + note + objects + ", onResolve: EditAndReply}", accepted},
		{"SlackAlert", "{" + note + objects + ", onResolve: Sing}", "Unsupported value"},
		{"SlackAlert", "{" + note + objects + ", repeatInterval: 1m}", accepted},
		{"SlackAlert", "{" + note + objects + ", repeatInterval: 59s}", "repeatInterval must be at least 1m"},
		{"SlackAlert", "{" + note + objects + ", resolveAfter: 0s}", "resolveAfter must be at least 1s"},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{weekdays: [saturday, 'monday:friday'], times: [{from: '22:00', to: '06:00'}, {from: '00:00', to: '24:00'}], daysOfMonth: ['1', '-3:-1'], months: [december, '5:8'], years: ['2027', '2027:2029'], timeZone: Europe/Berlin}]}", accepted},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{timeZone: Europe/Berlin}]}", "set at least one of weekdays, times, daysOfMonth, months and years"},
		{"SlackAlert", "{" + note + objects + ", recipients: []}", accepted},
		{"SlackAlert", "{" + note + objects + ", muteTimes: []}", "should have at least 1 items"},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{weekdays: [sat]}]}", "spec.muteTimes[0].weekdays[0]"},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{times: [{from: '9:00', to: '10:00'}]}]}", "spec.muteTimes[0].times[0].from"},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{times: [{from: '24:00', to: '10:00'}]}]}", "spec.muteTimes[0].times[0].from"},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{times: [{from: '10:00', to: '10:00'}]}]}", "from and to must differ"},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{daysOfMonth: ['32']}]}", "spec.muteTimes[0].daysOfMonth[0]"},
		{"SlackAlert", "{" + note + objects + ", muteTimes: [{months: ['13']}]}", "spec.muteTimes[0].months[0]"},
		{"SlackAlert", "{" + note + objects + ", keepFiringFor: 0s}", accepted},
		{"SlackAlert", "{" + note + objects + ", keepFiringFor: 720h}", accepted},
		{"SlackAlert", "{" + note + objects + ", keepFiringFor: 721h}", "keepFiringFor must be at most 720h"},
		{"SlackAlert", "{" + note + objects + ", keepFiringFor: -1s}", "keepFiringFor can't be negative"},
		{"SlackAlert", "{" + note + "source: {events: {}}, keepFiringFor: 5m}", "keepFiringFor is for source.objects only"},
		{"SlackAlert", "{" + note + "source: {alertmanager: {}}, keepFiringFor: 5m}", "keepFiringFor is for source.objects only"},
		{"SlackAlert", "{" + note + objects + ", maxIncidents: 1000}", accepted},
		{"SlackAlert", "{" + note + objects + ", maxIncidents: 1001}", "maxIncidents"},
		{"SlackAlert", "{" + note + objects + ", notificationTTL: 0s}", accepted},
		{"SlackAlert", "{" + note + objects + ", notificationTTL: -1s}", "notificationTTL can't be negative"},
		{"SlackAlert", "{" + note + objects + ", notificationTTL: 720h}", accepted},
		{"SlackAlert", "{" + note + objects + ", notificationTTL: 721h}", "notificationTTL must be at most 720h (30 days)"},
		{"SlackAlert", "{" + note + "source: {objects: {apiVersion: v1, kind: Pod, when: '" + strings.Repeat("a", 4097) + "'}}}", "may not be more than 4096"},
		{"SlackAlert", "{" + note + "source: {events: {when: '" + strings.Repeat("a", 4097) + "'}}}", "may not be more than 4096"},
		{"SlackAlert", "{" + note + objects + ", message: {fields: [{title: a, value: b}], link: {url: '{{ .x }}'}}}", accepted},
		{"SlackAlert", "{" + note + objects + ", message: {fields: " + many(11, "{title: a, value: b}") + "}}", "must have at most 10 items"},
		{"SlackAlert", "{" + note + objects + ", message: {link: {text: a}}}", "url: Required value"},
		{"SlackAlert", "{" + note + objects + ", message: {tekst: a}}", `unknown field "spec.message.tekst"`},
	}
	g := gomega.NewWithT(t)
	for _, c := range cases {
		var spec map[string]any
		g.Expect(yaml.Unmarshal([]byte(c.spec), &spec)).To(gomega.Succeed(), c.spec)
		o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
		o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(c.kind))
		o.SetNamespace(metav1.NamespaceDefault)
		o.SetName("x")
		err := env.client.Create(t.Context(), o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
		switch {
		case c.says == accepted && err != nil:
			t.Errorf("%s %s is refused: %v", c.kind, c.spec, err)
		case c.says != accepted && err == nil:
			t.Errorf("%s %s is taken", c.kind, c.spec)
		case c.says != accepted && !strings.Contains(err.Error(), c.says):
			t.Errorf("%s %s is refused with %q, want %q", c.kind, c.spec, err, c.says)
		}
	}
}

// The API server takes every sample of an alert.
func TestAlertSamples(t *testing.T) {
	g := gomega.NewWithT(t)
	files, err := filepath.Glob("../../config/samples/alerts/*.yaml")
	g.Expect(err).NotTo(gomega.HaveOccurred())
	g.Expect(files).NotTo(gomega.BeEmpty())
	for _, file := range files {
		data, err := os.ReadFile(file)
		g.Expect(err).NotTo(gomega.HaveOccurred())
		list, err := devcluster.Decode(data)
		g.Expect(err).NotTo(gomega.HaveOccurred(), file)
		for _, o := range list {
			err := env.client.Create(t.Context(), o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			g.Expect(client.IgnoreAlreadyExists(err)).To(gomega.Succeed(), file) // another test makes what has no namespace
		}
	}
}
