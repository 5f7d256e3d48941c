//go:build linux

package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// slack starts the simulated Slack, which Pods reach at slackAt.
func (m *machine) slack(ctx context.Context) error {
	if _, err := m.spawn(filepath.Join(m.dir, "slacksim"), "--listen="+slackAt, "--no-limits"); err != nil {
		return err
	}
	return m.await(ctx, "the simulated Slack answers", func(context.Context) (bool, error) {
		resp, err := http.Get("http://" + slackAt + "/_sim/state")
		if err != nil {
			return false, err
		}
		return true, resp.Body.Close()
	})
}

// slackFlags bring the operator to the simulated Slack.
var slackFlags = []string{"--slack-api-url=http://" + slackAt + "/api/", "--allowed-hosts=" + slackAt}

// redirect has the cluster itself add slackFlags to the operator's Pods, so that
// what is applied differs in nothing from what users apply.
func (m *machine) redirect(ctx context.Context) error {
	var patches []string
	for _, flag := range slackFlags {
		patches = append(patches, fmt.Sprintf(`JSONPatch{op: "add", path: "/spec/containers/0/args/-", value: %q}`, flag))
	}
	const name = "cluster-test"
	fail := admissionregistrationv1.Fail
	policy := &admissionregistrationv1.MutatingAdmissionPolicy{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec: admissionregistrationv1.MutatingAdmissionPolicySpec{
			FailurePolicy:      &fail,
			ReinvocationPolicy: admissionregistrationv1.NeverReinvocationPolicy,
			MatchConstraints: &admissionregistrationv1.MatchResources{ResourceRules: []admissionregistrationv1.NamedRuleWithOperations{{
				RuleWithOperations: admissionregistrationv1.RuleWithOperations{
					Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
					Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{"pods"}},
				},
			}}},
			MatchConditions: []admissionregistrationv1.MatchCondition{{Name: "operator", Expression: `object.metadata.?labels["control-plane"].orValue("") == "controller-manager"`}},
			Mutations: []admissionregistrationv1.Mutation{{
				PatchType: admissionregistrationv1.PatchTypeJSONPatch,
				JSONPatch: &admissionregistrationv1.JSONPatch{Expression: "[" + strings.Join(patches, ", ") + "]"},
			}},
		},
	}
	binding := &admissionregistrationv1.MutatingAdmissionPolicyBinding{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       admissionregistrationv1.MutatingAdmissionPolicyBindingSpec{PolicyName: name},
	}
	for _, o := range []client.Object{policy, binding} {
		if err := m.client.Create(ctx, o); err != nil {
			return err
		}
	}
	return m.await(ctx, "the cluster leads operators to the simulated Slack", func(ctx context.Context) (bool, error) {
		pod := &corev1.Pod{
			ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: "probe", Labels: map[string]string{"control-plane": "controller-manager"}},
			Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "manager", Image: image, Args: []string{"--leader-elect"}}}},
		}
		err := m.client.Create(ctx, pod, client.DryRunAll)
		return err == nil && slices.Contains(pod.Spec.Containers[0].Args, slackFlags[0]), err
	})
}

// hold keeps the next post on its way. What it returns lets it go on.
func hold(t *testing.T) (release func()) {
	t.Helper()
	call := func(method, body string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+slackAt+"/_sim/faults", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	call(http.MethodPost, `{"method":"chat.postMessage","kind":"hold"}`)
	return func() { t.Helper(); call(http.MethodDelete, "") }
}

// isHeld waits until a post is on its way, and does not arrive.
func isHeld(t *testing.T) {
	t.Helper()
	await(t, "a post is on its way", func(context.Context) (bool, error) {
		resp, err := http.Get("http://" + slackAt + "/_sim/faults")
		if err != nil {
			return false, err
		}
		defer resp.Body.Close()
		var pending []slacksim.Fault
		err = json.NewDecoder(resp.Body).Decode(&pending)
		return err == nil && len(pending) == 0, err
	})
}

// messages are all that stand in Slack.
func messages(t *testing.T) []slacksim.Message {
	t.Helper()
	resp, err := http.Get("http://" + slackAt + "/_sim/messages")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var list []slacksim.Message
	if err := json.NewDecoder(resp.Body).Decode(&list); err != nil {
		t.Fatal(err)
	}
	return list
}

// inSlack counts the messages of a namespace by their text.
func inSlack(t *testing.T, namespace string) map[string]int {
	t.Helper()
	out := map[string]int{}
	for _, m := range messages(t) {
		if name, ok := strings.CutPrefix(m.Text, "text of "+namespace+"/"); ok {
			out[name]++
		}
	}
	return out
}
