package alert

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// What the operator's administrator has to do is said with the flag, its value and
// where that is; fields are named by their paths.
func TestSentencesGoAllTheWay(t *testing.T) {
	place := "(beside the namespaces that it names already, in the args of its Deployment)"
	rule := func(source v1alpha1.AlertSource) *v1alpha1.SlackAlert {
		return &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "team-a", Name: "r"}, Spec: v1alpha1.SlackAlertSpec{Source: source}}
	}
	all := &metav1.LabelSelector{}
	scopeOf := func(source v1alpha1.AlertSource) func(*Reconciler) string {
		return func(r *Reconciler) string {
			_, err := r.scope(t.Context(), rule(source))
			if err == nil {
				return ""
			}
			return err.Error()
		}
	}
	listening := func(source v1alpha1.AlertSource) func(*Reconciler) string {
		return func(r *Reconciler) string {
			alert := rule(source)
			alert.Status.Address = r.address(alert)
			out, err := r.listening(t.Context(), alert)
			if err != nil {
				t.Fatal(err)
			}
			return out.Message + " | " + alert.Status.Address
		}
	}
	off := "nothing can be posted to this rule, since the operator listens on no port: start it with --intake-bind-address=:8082 (in the args of its Deployment), and give that port a Service; the rule then shows its address in status.address | "
	am, hook := v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}, v1alpha1.AlertSource{Webhook: &v1alpha1.WebhookSource{}}
	for _, c := range []struct {
		name   string
		says   func(*Reconciler) string
		intake bool
		want   string
	}{
		{"other namespaces, objects", scopeOf(v1alpha1.AlertSource{Objects: &v1alpha1.ObjectsSource{APIVersion: "v1", Kind: "Pod", NamespaceSelector: all}}), false,
			`rules of namespace "team-a" may watch their own namespace only: remove spec.source.objects.namespaceSelector, or start the operator with --cluster-scope-namespaces=team-a ` + place},
		{"other namespaces, events", scopeOf(v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{NamespaceSelector: all}}), false,
			`rules of namespace "team-a" may watch their own namespace only: remove spec.source.events.namespaceSelector, or start the operator with --cluster-scope-namespaces=team-a ` + place},
		{"nothing listens for an Alertmanager", listening(am), false, off},
		{"nothing listens for a webhook", listening(hook), false, off},
		{"listens for an Alertmanager", listening(am), true,
			"takes what an Alertmanager posts to /v1/namespaces/team-a/alerts/r, at the Service of the operator's --intake-bind-address | /v1/namespaces/team-a/alerts/r"},
		{"listens for a webhook", listening(hook), true,
			"takes what is posted to /v1/namespaces/team-a/alerts/r, at the Service of the operator's --intake-bind-address | /v1/namespaces/team-a/alerts/r"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := c.says(&Reconciler{Intake: c.intake}); got != c.want {
				t.Errorf("it says\n%s\nwant\n%s", got, c.want)
			}
		})
	}
}
