package e2e

import (
	"strings"
	"testing"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// notificationOf a spec in YAML.
func notificationOf(t *testing.T, spec string) *unstructured.Unstructured {
	t.Helper()
	var fields map[string]any
	if err := yaml.Unmarshal([]byte("{channelRef: {name: c}, "+spec+"}"), &fields); err != nil {
		t.Fatalf("%s: %v", spec, err)
	}
	o := &unstructured.Unstructured{Object: map[string]any{"spec": fields}}
	o.SetGroupVersionKind(v1alpha1.GroupVersion.WithKind("SlackNotification"))
	o.SetNamespace(metav1.NamespaceDefault)
	o.SetName("x")
	return o
}

// What could only fail later is refused when it is applied.
func TestDeliverySchema(t *testing.T) {
	const accepted = ""
	for _, c := range []struct{ name, spec, says string }{
		{"block of a type", "blocks: [{type: divider}]", accepted},
		{"block without a type", "blocks: [{text: {type: mrkdwn, text: x}}]", "spec.blocks[0].type: Required value"},
		{"second block without a type", "blocks: [{type: divider}, {}]", "spec.blocks[1].type: Required value"},
		{"block of an empty type", "blocks: [{type: ''}]", "spec.blocks[0].type"},
		{"block whose type is no text", "blocks: [{type: 7}]", "spec.blocks[0].type"},
		{"block of a type that is new", "blocks: [{type: hologram, depth: 3}]", accepted},
		{"block that is a text", "blocks: [divider]", "spec.blocks[0]"},
		{"attachment without a type", "attachments: [{color: red}]", accepted},
		{"key", "text: x, idempotencyKey: deploy-42", accepted},
		{"key with any character", "text: x, idempotencyKey: 'Deploy 42/ä \"<@U1>\"'", accepted},
		{"key that is empty", "text: x, idempotencyKey: ''", "spec.idempotencyKey"},
		{"key of 253", "text: x, idempotencyKey: '" + strings.Repeat("k", 253) + "'", accepted},
		{"key of 254", "text: x, idempotencyKey: '" + strings.Repeat("k", 254) + "'", "may not be more than 253"},
		{"key that is a number", "text: x, idempotencyKey: 42", "spec.idempotencyKey"},
		{"deadline of 292 years", "text: x, activeDeadlineSeconds: 9223372036", accepted},
		{"deadline beyond", "text: x, activeDeadlineSeconds: 9223372037", "should be less than or equal to 9223372036"},
		{"deadline with all nines", "text: x, activeDeadlineSeconds: 9999999999", "should be less than or equal to 9223372036"},
		{"nothing to say", "severity: Error, idempotencyKey: k", "a message needs at least one of title, text, markdown, blocks and attachments"},
		{"markdown beside blocks", "markdown: x, blocks: [{type: divider}]", "markdown can't be combined with text or blocks"},
		{"recipient twice", "text: x, recipients: [{email: a@b.c}, {email: a@b.c}]", "a recipient is named twice"},
		{"mail address of a mail program", "text: x, recipients: [{email: 'mailto:a@b.c'}, {email: '<mailto:a@b.c|a@b.c>'}, {email: ' a＠b.c '}]", accepted},
		{"mail address that is none", "text: x, recipients: [{email: ada.example.com}]", "give one e-mail address, as in ada@example.com"},
		{"two mail addresses", "text: x, recipients: [{email: 'a@b.c, d@e.f'}]", "give one e-mail address, as in ada@example.com"},
		{"channel as it is copied", "text: x, recipients: [{channel: ' #Alerts '}, {channel: '<#C0123456|alerts>'}, {channel: '＃alerts'}]", accepted},
		{"channel that is a person", "text: x, recipients: [{channel: '@ada'}]", `give a channel as "#name"`},
		{"recipient by three names", "text: x, recipients: [{user: a, email: a@b.c, channel: d}]", "set exactly one of user, email and channel"},
		{"no thread", "text: x, thread: {broadcast: true}", "set exactly one of notificationRef and timestamp"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := env.client.Create(t.Context(), notificationOf(t, c.spec), client.DryRunAll, client.FieldValidation(metav1.FieldValidationStrict))
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

// A block is handed on as it was written, with fields that nobody here knows.
func TestBlocksArePreserved(t *testing.T) {
	w := newWorld(t)
	w.ready(w.webAPI("c", "#alerts"))
	o := notificationOf(t, `blocks: [{type: section, text: {type: mrkdwn, text: "*x*", verbatim: true}, accessory: {type: image, image_url: "https://e.com/i.png", alt_text: i}, brand_new: [1, {a: null}]}]`)
	o.SetNamespace(w.ns)
	o.SetName("n")
	want := o.DeepCopy().Object["spec"].(map[string]any)["blocks"]
	w.Expect(env.client.Create(w.ctx, o, client.FieldValidation(metav1.FieldValidationStrict))).To(gomega.Succeed())
	got, _, err := unstructured.NestedSlice(o.Object, "spec", "blocks")
	w.Expect(err).NotTo(gomega.HaveOccurred())
	stored, err := yaml.Marshal(got)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	written, err := yaml.Marshal(want)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	w.Expect(string(stored)).To(gomega.MatchYAML(string(written)))
	n := &v1alpha1.SlackNotification{}
	n.Namespace, n.Name = w.ns, "n"
	w.becomes(n, delivered())
	for _, part := range []string{`"verbatim":true`, `"brand_new":[1,{"a":null}]`, `"accessory"`} {
		w.Expect(string(w.alerts()[0].Blocks)).To(gomega.ContainSubstring(part))
	}
}
