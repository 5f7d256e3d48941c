package alert

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	"k8s.io/utils/clock"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// problem is why a rule can't be at work; the message says what to do.
type problem struct {
	reason, message string
	// stalled is true when a person has to act.
	stalled bool
	// again is when to look again; zero when only a change of the rule or of the
	// operator's flags can mend it.
	again time.Duration
}

// lookAgain is when to look again whether a kind can be watched.
const lookAgain = 5 * time.Second

// forGood is a problem that only a change of the rule or of the operator's
// flags can mend.
func forGood(reason, format string, args ...any) *problem {
	return &problem{reason: reason, message: fmt.Sprintf(format, args...), stalled: true}
}

func (p *problem) Error() string { return p.message }

// kind is what the API server says of a kind.
type kind struct {
	gvk        schema.GroupVersionKind
	resource   schema.GroupVersionResource
	namespaced bool
}

// Kinds finds out whether kinds exist and may be watched. The answers are kept
// for a moment, for the many rules that ask for the same.
type Kinds struct {
	// Discovery and Access of the API server.
	Discovery discovery.ServerResourcesInterface
	Access    authorizationclient.SelfSubjectAccessReviewInterface
	// Namespaces that the operator watches; all when empty.
	Namespaces []string
	Clock      clock.PassiveClock

	mu      sync.Mutex
	answers map[schema.GroupVersionKind]kindAnswer
}

type kindAnswer struct {
	kind kind
	err  error
	at   time.Time
}

// answerKept is how long an answer is kept: less than a rule waits before it
// asks again.
const answerKept = 2 * time.Second

// find returns a kind that exists and may be watched, or a problem.
func (k *Kinds) find(ctx context.Context, gvk schema.GroupVersionKind) (kind, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a, ok := k.answers[gvk]; ok && k.Clock.Since(a.at) < answerKept {
		return a.kind, a.err
	}
	found, err := k.ask(ctx, gvk)
	if k.answers == nil || len(k.answers) > 1000 {
		k.answers = map[schema.GroupVersionKind]kindAnswer{}
	}
	if _, ok := err.(*problem); ok || err == nil { //nolint:errorlint // made below
		k.answers[gvk] = kindAnswer{found, err, k.Clock.Now()}
	}
	return found, err
}

func (k *Kinds) ask(ctx context.Context, gvk schema.GroupVersionKind) (kind, error) {
	if gvk.Group == "" && gvk.Kind == "Secret" {
		return kind{}, forGood(v1alpha1.ReasonWatchForbidden, "Secrets are never watched, so that none of them gets into a message")
	}
	list, err := k.Discovery.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return kind{}, notFound(gvk)
	}
	if err != nil {
		return kind{}, fmt.Errorf("asking the API server for %s: %w", gvk.GroupVersion(), err)
	}
	for i := range list.APIResources {
		resource := &list.APIResources[i]
		if resource.Kind != gvk.Kind || strings.Contains(resource.Name, "/") {
			continue
		}
		found := kind{gvk, gvk.GroupVersion().WithResource(resource.Name), resource.Namespaced}
		if !slices.Contains(resource.Verbs, "watch") || !slices.Contains(resource.Verbs, "list") {
			return kind{}, forGood(v1alpha1.ReasonWatchForbidden, "the API server lets nobody watch %s (%s): name another kind in spec.source.objects", gvk.Kind, gvk.GroupVersion())
		}
		return found, k.allowed(ctx, found)
	}
	return kind{}, notFound(gvk)
}

func notFound(gvk schema.GroupVersionKind) error {
	return &problem{reason: v1alpha1.ReasonKindNotFound, again: lookAgain, message: fmt.Sprintf(
		"the API server has no kind %s in %s: correct spec.source.objects, or install it; it is picked up when it appears", gvk.Kind, gvk.GroupVersion())}
}

// allowed asks whether the operator may watch a kind, before it tries.
func (k *Kinds) allowed(ctx context.Context, found kind) error {
	namespaces := []string{metav1.NamespaceAll}
	if found.namespaced && len(k.Namespaces) > 0 {
		namespaces = k.Namespaces
	}
	for _, namespace := range namespaces {
		for _, verb := range []string{"list", "watch"} {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Verb: verb, Group: found.resource.Group, Version: found.resource.Version, Resource: found.resource.Resource,
				},
			}}
			answer, err := k.Access.Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("asking what the operator may do: %w", err)
			}
			if !answer.Status.Allowed {
				return &problem{reason: v1alpha1.ReasonWatchForbidden, stalled: true, again: lookAgain, message: fmt.Sprintf(
					"the operator may not %s %s: add a ClusterRole with get, list and watch on them and the label slack.notify.dev/aggregate-to-watch: \"true\"",
					verb, found.resource.GroupResource())}
			}
		}
	}
	return nil
}
