package finished

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// delivered notification, with changes.
func delivered(changes ...func(n *v1alpha1.SlackNotification)) *v1alpha1.SlackNotification {
	at, ttl := metav1.NewTime(time.Unix(1_700_000_000, 0)), int32(60)
	n := &v1alpha1.SlackNotification{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "team", Name: "n", UID: "uid", Generation: 2, ResourceVersion: "7", CreationTimestamp: at,
			Labels: map[string]string{"app": "web"}, Annotations: map[string]string{"note": strings.Repeat("x", 100)}, Finalizers: []string{"f"},
		},
		Spec: v1alpha1.SlackNotificationSpec{Content: v1alpha1.Content{Text: "text"}, DeletionPolicy: v1alpha1.DeletionDelete, TTLSecondsAfterFinished: &ttl},
		Status: v1alpha1.SlackNotificationStatus{
			ObservedGeneration: 2, Phase: v1alpha1.PhaseDelivered, Summary: "1/1", FinishedAt: &at,
			Deliveries: []v1alpha1.Delivery{{Recipient: "default", State: v1alpha1.DeliveryDelivered}},
		},
	}
	for _, change := range changes {
		change(n)
	}
	return n
}

func TestReduce(t *testing.T) {
	now := metav1.Now()
	yes := true
	for _, c := range []struct {
		name   string
		change func(n *v1alpha1.SlackNotification)
		want   bool
	}{
		{"delivered", func(*v1alpha1.SlackNotification) {}, true},
		{"given up at its deadline", func(n *v1alpha1.SlackNotification) {
			n.Status.Phase = v1alpha1.PhaseFailed
			n.Status.Deliveries[0].State, n.Status.Deliveries[0].Reason = v1alpha1.DeliveryFailed, v1alpha1.ReasonDeadlineExceeded
		}, true},
		{"failed and tried again when the directory knows more", func(n *v1alpha1.SlackNotification) {
			n.Status.Deliveries[0].State, n.Status.Deliveries[0].Reason = v1alpha1.DeliveryFailed, v1alpha1.ReasonUserNotFound
		}, false},
		{"of unknown outcome", func(n *v1alpha1.SlackNotification) { n.Status.Deliveries[0].State = v1alpha1.DeliveryUnknown }, false},
		{"changed since", func(n *v1alpha1.SlackNotification) { n.Generation++ }, false},
		{"not finished", func(n *v1alpha1.SlackNotification) { n.Status.FinishedAt = nil }, false},
		{"being deleted", func(n *v1alpha1.SlackNotification) { n.DeletionTimestamp = &now }, false},
		{"asked to be looked at", func(n *v1alpha1.SlackNotification) { n.Annotations[v1alpha1.AnnotationRequestedAt] = "1" }, false},
		{"looked at as was asked", func(n *v1alpha1.SlackNotification) {
			n.Annotations[v1alpha1.AnnotationRequestedAt], n.Status.LastHandledRequest = "1", "1"
		}, true},
		{"with buttons", func(n *v1alpha1.SlackNotification) { n.Spec.Actions = []v1alpha1.Action{{Name: "approve"}} }, false},
		{"of a SlackAlert", func(n *v1alpha1.SlackNotification) {
			n.OwnerReferences = []metav1.OwnerReference{{Kind: "SlackAlert", Name: "a", Controller: &yes}}
		}, false},
		{"of a Job", func(n *v1alpha1.SlackNotification) {
			n.OwnerReferences = []metav1.OwnerReference{{Kind: "Job", Name: "a", Controller: &yes}}
		}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			n, was := delivered(c.change), delivered(c.change)
			Reduce(n)
			if Reduced(n) != c.want {
				t.Fatalf("reduced: %v, want %v", Reduced(n), c.want)
			}
			if !c.want {
				if !reflect.DeepEqual(n, was) {
					t.Errorf("%+v was changed all the same", n)
				}
				return
			}
			if !Settled(n) || Requested(n) != Requested(was) || TrackedBy(n) != TrackedBy(was) ||
				*n.Spec.TTLSecondsAfterFinished != 60 || n.Spec.DeletionPolicy != v1alpha1.DeletionDelete || !reflect.DeepEqual(n.Finalizers, was.Finalizers) ||
				!n.Status.FinishedAt.Equal(was.Status.FinishedAt) || n.UID != "uid" || n.ResourceVersion != "7" || n.Status.Phase != was.Status.Phase {
				t.Errorf("%+v lacks what it rests by", n)
			}
			if b, _ := json.Marshal(n); len(b) > 700 {
				t.Errorf("%d bytes are left: %s", len(b), b)
			}
		})
	}
}

// All that the cache keeps of a finished object, but for its strings, is the Go type: it is
// to fit into an allocation of 768 bytes, of which Go's runtime takes 8 for the types
// of what is larger than 512 (runtime/malloc.go, mallocHeaderSize). With one
// byte more it takes 896.
func TestTheTypeFitsItsAllocation(t *testing.T) {
	const class, header = 768, 8
	if size := reflect.TypeFor[v1alpha1.SlackNotification]().Size(); size > class-header {
		t.Errorf("a SlackNotification has %d bytes, want %d at most: make a rarely used field a pointer", size, class-header)
	}
}

func TestTrackedByIsKept(t *testing.T) {
	for _, c := range []struct{ name, label, annotation, want string }{
		{"nobody", "", "", ""},
		{"Flux", "kustomize.toolkit.fluxcd.io/name", "", "Flux (kustomize.toolkit.fluxcd.io/name)"},
		{"Flux's Helm", "helm.toolkit.fluxcd.io/name", "", "Flux (helm.toolkit.fluxcd.io/name)"},
		{"Argo CD", "argocd.argoproj.io/instance", "", "Argo CD (argocd.argoproj.io/instance)"},
		{"Argo CD by annotation", "", "argocd.argoproj.io/tracking-id", "Argo CD (argocd.argoproj.io/tracking-id)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			n := delivered(func(n *v1alpha1.SlackNotification) {
				if c.label != "" {
					n.Labels[c.label] = "x"
				}
				if c.annotation != "" {
					n.Annotations[c.annotation] = "x"
				}
			})
			before := TrackedBy(n)
			Reduce(n)
			if before != c.want || TrackedBy(n) != c.want {
				t.Errorf("tracked by %q, and %q when reduced, want %q", before, TrackedBy(n), c.want)
			}
		})
	}
}
