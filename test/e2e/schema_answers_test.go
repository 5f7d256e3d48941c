package e2e

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// What the API server takes and refuses of buttons and answers.
func TestAnswersSchema(t *testing.T) {
	const (
		accepted = ""
		yes      = ", answers: {allowed: {everyone: true}}"
		one      = "text: x, actions: [{name: a, text: A}]"
		rule     = "source: {alertmanager: {}}, "
		am       = "alertmanager: {url: 'http://am.monitoring:9093'}"
	)
	many := func(n int, one string) string {
		var all []string
		for i := range n {
			all = append(all, strings.ReplaceAll(one, "#", string(rune('a'+i%26))+strings.Repeat("x", i/26)))
		}
		return "[" + strings.Join(all, ", ") + "]"
	}
	long := func(n int) string { return "'" + strings.Repeat("x", n) + "'" }
	for _, c := range []struct{ name, kind, spec, says string }{
		{"a button", "SlackNotification", one + yes, accepted},
		{"all that a button can have", "SlackNotification", "text: x, actions: [{name: a-B_9, text: A, style: Danger, confirm: 'Sure?', done: done, allowed: {users: [{user: U0123}]}}]" + yes, accepted},
		{"a menu", "SlackNotification", "text: x, actions: [{name: a, text: A, options: [{text: 1 hour, value: 1h}]}]" + yes, accepted},
		{"ten actions", "SlackNotification", "text: x, actions: " + many(10, "{name: #, text: A}") + yes, accepted},
		{"eleven actions", "SlackNotification", "text: x, actions: " + many(11, "{name: #, text: A}") + yes, "must have at most 10 items"},
		{"no actions", "SlackNotification", "text: x, actions: []" + yes, "should have at least 1 items"},
		{"the same name twice", "SlackNotification", "text: x, actions: [{name: a, text: A}, {name: a, text: B}]" + yes, "Duplicate value"},
		{"actions alone", "SlackNotification", one, "actions and answers go together"},
		{"answers alone", "SlackNotification", "text: x" + yes, "actions and answers go together"},
		{"a name with a space", "SlackNotification", "text: x, actions: [{name: 'a b', text: A}]" + yes, "spec.actions[0].name"},
		{"a name that ends with a dash", "SlackNotification", "text: x, actions: [{name: a-, text: A}]" + yes, "spec.actions[0].name"},
		{"a name of 63", "SlackNotification", "text: x, actions: [{name: " + long(63) + ", text: A}]" + yes, accepted},
		{"a name of 64", "SlackNotification", "text: x, actions: [{name: " + long(64) + ", text: A}]" + yes, "may not be more than 63"},
		{"the name Expired", "SlackNotification", "text: x, actions: [{name: Expired, text: A}]" + yes, "Expired is what the decision is called when nobody answers"},
		{"no text", "SlackNotification", "text: x, actions: [{name: a}]" + yes, "text: Required value"},
		{"a text of 75", "SlackNotification", "text: x, actions: [{name: a, text: " + long(75) + "}]" + yes, accepted},
		{"a text of 76", "SlackNotification", "text: x, actions: [{name: a, text: " + long(76) + "}]" + yes, "may not be more than 75"},
		{"a confirm of 301", "SlackNotification", "text: x, actions: [{name: a, text: A, confirm: " + long(301) + "}]" + yes, "may not be more than 300"},
		{"another style", "SlackNotification", "text: x, actions: [{name: a, text: A, style: Blue}]" + yes, "Unsupported value"},
		{"a menu with a style", "SlackNotification", "text: x, actions: [{name: a, text: A, style: Primary, options: [{text: a, value: a}]}]" + yes, "a menu (options) has no style"},
		{"a menu with the default style", "SlackNotification", "text: x, actions: [{name: a, text: A, style: Default, options: [{text: a, value: a}]}]" + yes, accepted},
		{"a menu without lines", "SlackNotification", "text: x, actions: [{name: a, text: A, options: []}]" + yes, "should have at least 1 items"},
		{"a value twice", "SlackNotification", "text: x, actions: [{name: a, text: A, options: [{text: a, value: a}, {text: b, value: a}]}]" + yes, "Duplicate value"},
		{"a value of 151", "SlackNotification", "text: x, actions: [{name: a, text: A, options: [{text: a, value: " + long(151) + "}]}]" + yes, "may not be more than 150"},
		{"101 lines", "SlackNotification", "text: x, actions: [{name: a, text: A, options: " + many(101, "{text: a, value: #}") + "}]" + yes, "must have at most 100 items"},

		{"nobody may", "SlackNotification", one + ", answers: {allowed: {}}", "say who may answer in answers.allowed"},
		{"empty lists", "SlackNotification", one + ", answers: {allowed: {users: [], groups: [], everyone: false}}", "say who may answer in answers.allowed"},
		{"nobody but by the action's own list", "SlackNotification", "text: x, actions: [{name: a, text: A, allowed: {groups: [g]}}], answers: {allowed: {}}", accepted},
		{"one action without a list", "SlackNotification", "text: x, actions: [{name: a, text: A, allowed: {groups: [g]}}, {name: b, text: B}], answers: {allowed: {}}", "say who may answer in answers.allowed"},
		{"no list at all", "SlackNotification", one + ", answers: {}", "allowed: Required value"},
		{"users and groups", "SlackNotification", one + ", answers: {allowed: {users: [{email: ada@example.com}, {user: U0123}, {user: W0123}], groups: ['@release', oncall, S0123]}}", accepted},
		{"a handle as an ID", "SlackNotification", one + ", answers: {allowed: {users: [{user: ada}]}}", "give the person's ID, as in U0123ABCD, or an email"},
		{"an ID of a channel", "SlackNotification", one + ", answers: {allowed: {users: [{user: C0123}]}}", "give the person's ID"},
		{"a user by both", "SlackNotification", one + ", answers: {allowed: {users: [{user: U0123, email: a@b.c}]}}", "set exactly one of user (an ID) and email"},
		{"a user by nothing", "SlackNotification", one + ", answers: {allowed: {users: [{}]}}", "set exactly one of user (an ID) and email"},
		{"an address that is none", "SlackNotification", one + ", answers: {allowed: {users: [{email: ada}]}}", "email"},
		{"a group with a space", "SlackNotification", one + ", answers: {allowed: {groups: ['a b']}}", "groups[0]"},
		{"a broadcast as a group", "SlackNotification", one + ", answers: {allowed: {groups: ['<!here>']}}", "groups[0]"},
		{"decidedBy Each", "SlackNotification", one + ", answers: {allowed: {everyone: true}, decidedBy: Each}", accepted},
		{"decidedBy Majority", "SlackNotification", one + ", answers: {allowed: {everyone: true}, decidedBy: Majority}", "Unsupported value"},
		{"expires after a second", "SlackNotification", one + ", answers: {allowed: {everyone: true}, expiresAfter: 1s}", accepted},
		{"expires after 30 days", "SlackNotification", one + ", answers: {allowed: {everyone: true}, expiresAfter: 720h}", accepted},
		{"expires at once", "SlackNotification", one + ", answers: {allowed: {everyone: true}, expiresAfter: 0s}", "expiresAfter must be between 1s and 720h"},
		{"expires too late", "SlackNotification", one + ", answers: {allowed: {everyone: true}, expiresAfter: 721h}", "expiresAfter must be between 1s and 720h"},

		{"Socket Mode", "SlackChannel", "webAPI: {tokenSecretRef: {name: s}}, interactions: {appTokenSecretRef: {name: s, key: k}}", accepted},
		{"HTTP", "SlackChannel", "webAPI: {tokenSecretRef: {name: s}}, interactions: {signingSecretRef: {name: s}}", accepted},
		{"neither", "SlackChannel", "webAPI: {tokenSecretRef: {name: s}}, interactions: {}", "set exactly one of appTokenSecretRef (Socket Mode) and signingSecretRef (HTTP)"},
		{"both", "SlackChannel", "webAPI: {tokenSecretRef: {name: s}}, interactions: {appTokenSecretRef: {name: s}, signingSecretRef: {name: s}}", "set exactly one of appTokenSecretRef (Socket Mode) and signingSecretRef (HTTP)"},
		{"of a webhook", "SlackChannel", "webhook: {urlSecretRef: {name: s}}, interactions: {signingSecretRef: {name: s}}", "interactions needs webAPI"},

		{"acknowledge alone", "SlackAlert", rule + "actions: {acknowledge: {}}", accepted},
		{"all of a rule's actions", "SlackAlert", rule + "actions: {acknowledge: {allowed: {everyone: true}, expiresAfter: 4h}, snooze: {durations: [30m, 4h, 7d]}, resolve: {allowed: {groups: [g]}}, silence: {allowed: {groups: [g]}, durations: [1h], untilResolved: true, labels: [a], " + am + "}}", accepted},
		{"no action of a rule", "SlackAlert", rule + "actions: {}", "should have at least 1 properties"},
		{"an acknowledgement that expires at once", "SlackAlert", rule + "actions: {acknowledge: {expiresAfter: 0s}}", "expiresAfter must be between 1s and 720h"},
		{"a duration that is none", "SlackAlert", rule + "actions: {snooze: {durations: [soon]}}", "durations[0]"},
		{"a duration twice", "SlackAlert", rule + "actions: {snooze: {durations: [1h, 1h]}}", "Duplicate value"},
		{"a silence by anybody", "SlackAlert", rule + "actions: {silence: {allowed: {}, durations: [1h], " + am + "}}", "say who may silence"},
		{"a silence without its list", "SlackAlert", rule + "actions: {silence: {durations: [1h], " + am + "}}", "allowed: Required value"},
		{"a silence without an end", "SlackAlert", rule + "actions: {silence: {allowed: {everyone: true}, " + am + "}}", "offer durations, untilResolved: true, or both"},
		{"a silence that is not asked for", "SlackAlert", rule + "actions: {silence: {allowed: {everyone: true}, untilResolved: false, " + am + "}}", "offer durations, untilResolved: true, or both"},
		{"a silence of what no Alertmanager knows", "SlackAlert", "source: {events: {}}, actions: {silence: {allowed: {everyone: true}, durations: [1h], " + am + "}}", "actions.silence is for source.alertmanager only"},
		{"a URL with a query", "SlackAlert", rule + "actions: {silence: {allowed: {everyone: true}, durations: [1h], alertmanager: {url: 'http://am?x'}}}", "alertmanager.url"},
		{"a URL with a password", "SlackAlert", rule + "actions: {silence: {allowed: {everyone: true}, durations: [1h], alertmanager: {url: 'http://a:b@am'}}}", "alertmanager.url"},
		{"escalations", "SlackAlert", rule + "escalate: [{after: 10m, text: x}, {after: 30m, recipients: [{channel: '#x'}]}]", accepted},
		{"an escalation to nobody with nothing", "SlackAlert", rule + "escalate: [{after: 10m}]", "an escalation needs text, recipients or both"},
		{"an escalation at once", "SlackAlert", rule + "escalate: [{after: 0s, text: x}]", "after must be between 1s and 720h"},
		{"an escalation without a time", "SlackAlert", rule + "escalate: [{text: x}]", "after: Required value"},
		{"an escalation to one twice", "SlackAlert", rule + "escalate: [{after: 1m, recipients: [{user: a}, {user: a}]}]", "a recipient is named twice"},
	} {
		t.Run(c.kind+"/"+c.name, func(t *testing.T) {
			o := objectOf(t, c.kind, c.spec)
			err := env.client.Create(t.Context(), o, client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
			switch {
			case c.says == accepted && err != nil:
				t.Errorf("%s is refused: %v", c.spec, err)
			case c.says != accepted && err == nil:
				t.Errorf("%s is taken, want %q", c.spec, c.says)
			case c.says != accepted && !strings.Contains(err.Error(), c.says):
				t.Errorf("%s is refused with %q, want %q", c.spec, err, c.says)
			}
		})
	}
}

// objectOf a kind, with a spec in YAML.
func objectOf(t *testing.T, kind, spec string) *unstructured.Unstructured {
	t.Helper()
	if kind != "SlackChannel" {
		spec = "channelRef: {name: c}, " + spec
	}
	var fields map[string]any
	if err := yaml.Unmarshal([]byte("{"+spec+"}"), &fields); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind(kind))
	o.SetNamespace(metav1.NamespaceDefault)
	o.SetName("x")
	return o
}

// Once a message is out, nobody changes who may answer it.
func TestAnswersAreImmutable(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		name   string
		status v1alpha1.SlackNotificationStatus
		by     v1alpha1.DecidedBy
		change func(*v1alpha1.SlackNotification)
		taken  bool
	}{
		{"before it is out", v1alpha1.SlackNotificationStatus{Phase: v1alpha1.PhasePending, Summary: "0/1"}, "First", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed.Users = nil }, true},
		{"the list", out(v1alpha1.PhaseDelivered), "First", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed.Users = nil }, false},
		{"the list, amid an edit", out(v1alpha1.PhaseDelivering), "First", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed.Users = nil }, false},
		{"the list, while it is suspended", out(v1alpha1.PhaseSuspended), "First", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed.Users = nil }, false},
		{"the list, when the edit has failed", out(v1alpha1.PhaseFailed), "Each", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed.Users = nil }, false},
		{"the list, when somebody has answered", v1alpha1.SlackNotificationStatus{Decision: "a"}, "First", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed.Users = nil }, false},
		{"an action's list", out(v1alpha1.PhaseDelivered), "First", func(n *v1alpha1.SlackNotification) {
			n.Spec.Actions[0].Allowed = &v1alpha1.AllowedPeople{Everyone: true}
		}, false},
		{"what decides", out(v1alpha1.PhaseDelivered), "Each", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.DecidedBy = "None" }, false},
		{"all of it, removed", out(v1alpha1.PhaseDelivered), "First", func(n *v1alpha1.SlackNotification) { n.Spec.Actions, n.Spec.Answers = nil, nil }, false},
		{"the time", out(v1alpha1.PhaseDelivered), "First", expiresAfter(3600e9), true},
		{"the text", out(v1alpha1.PhaseDelivered), "First", func(n *v1alpha1.SlackNotification) { n.Spec.Text = "y" }, true},
		{"the list, where nothing is decided", out(v1alpha1.PhaseDelivered), "None", func(n *v1alpha1.SlackNotification) { n.Spec.Answers.Allowed.Users = nil }, true},
		{"the buttons, where nothing is decided", out(v1alpha1.PhaseDelivered), "None", func(n *v1alpha1.SlackNotification) { n.Spec.Actions, n.Spec.Answers = nil, nil }, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := w.within(t)
			n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{GenerateName: "x-", Namespace: w.ns, Labels: map[string]string{"shard": "own"}}}
			n.Spec.ChannelRef.Name, n.Spec.Text = "c", "x"
			n.Spec.Actions = []v1alpha1.Action{{Name: "a", Text: "A"}}
			n.Spec.Answers = &v1alpha1.Answers{DecidedBy: c.by, Allowed: v1alpha1.AllowedPeople{Everyone: true, Users: []v1alpha1.AllowedUser{{User: "U0123"}}}}
			w.create(n)
			n.Status = c.status
			w.Expect(env.client.Status().Update(w.ctx, n)).To(gomega.Succeed())
			c.change(n)
			err := env.client.Update(w.ctx, n, client.DryRunAll)
			if c.taken {
				w.Expect(err).NotTo(gomega.HaveOccurred())
				return
			}
			w.Expect(err).To(gomega.MatchError(gomega.ContainSubstring("can't be changed once the message is out")))
		})
	}
}

func out(phase v1alpha1.Phase) v1alpha1.SlackNotificationStatus {
	return v1alpha1.SlackNotificationStatus{Phase: phase, Summary: "1/1"}
}

// Whoever may write notifications can't write what was answered.
func TestEditorsCanNotAnswer(t *testing.T) {
	w := newWorld(t)
	n := w.ask("forged")
	name := "editor-of-" + w.ns
	w.create(&rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "editor"},
		RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "slack-notifier-editor-role"},
		Subjects: []rbacv1.Subject{{APIGroup: rbacv1.GroupName, Kind: rbacv1.UserKind, Name: name}}})
	config, err := env.Cluster.UserConfig(name)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	editor, err := client.New(config, client.Options{Scheme: env.client.Scheme()})
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Eventually(func() error { return editor.Get(w.ctx, client.ObjectKeyFromObject(n), n) }).Should(gomega.Succeed())
	n.Status.Decision = "approve"
	w.Expect(editor.Status().Update(w.ctx, n)).To(gomega.MatchError(gomega.ContainSubstring("forbidden")))
	w.Expect(editor.Update(w.ctx, n)).To(gomega.Succeed())
	w.Expect(w.outcome(n)).To(gomega.HavePrefix("decision=;"))
}
