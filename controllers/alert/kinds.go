package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
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
	// asking is true when the answer is yet to come.
	asking bool
}

// Times until a kind that can't be watched is asked for again: doubled from the
// first to the last, for as long as the answer is the same.
const (
	lookAgain   = 5 * time.Second
	lookRarely  = time.Minute
	answerKept  = 2 * time.Second
	answerAwait = 200 * time.Millisecond
)

// Asks at once: of one group and version, and of all. An API server that answers
// slowly for one holds up no other.
const (
	maxAsksOfGroup = 2
	maxAsks        = 64
)

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
	answers map[schema.GroupVersionKind]*kindAnswer
	asks    map[schema.GroupVersion]int
}

type kindAnswer struct {
	kind kind
	err  error
	// until is when to ask again; pause is how long that was put off.
	until time.Time
	pause time.Duration
	// done is closed when the answer comes; nil while nobody asks. wake is called
	// for who does not wait for it.
	done chan struct{}
	wake []func()
}

// find returns a kind that exists and may be watched, or a problem. All who ask
// for one at once share an answer. It does not wait long: if the answer is yet to
// come, the problem says so, and wake is called when it is there.
func (k *Kinds) find(ctx context.Context, gvk schema.GroupVersionKind, wake func()) (kind, error) {
	done := k.begin(ctx, gvk)
	if done != nil {
		timer := time.NewTimer(answerAwait)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
			return kind{}, ctx.Err()
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	a := k.answers[gvk]
	switch {
	case a == nil || a.done != nil:
		if a != nil {
			a.wake = append(a.wake, wake)
		}
		return kind{}, &problem{asking: true, again: answerKept, reason: v1alpha1.ReasonWatchStarting,
			message: "the API server is being asked for the kind " + gvk.Kind}
	case a.err != nil:
		var p *problem
		if errors.As(a.err, &p) && p.again > 0 {
			later := *p
			later.again = max(a.until.Sub(k.Clock.Now()), time.Second)
			return kind{}, &later
		}
		return kind{}, a.err
	}
	return a.kind, nil
}

// begin has the API server asked for a kind unless its answer is still good, and
// returns what is closed when the answer is there. It is nil when there is nothing
// to wait for.
func (k *Kinds) begin(ctx context.Context, gvk schema.GroupVersionKind) chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.answers == nil {
		k.answers, k.asks = map[schema.GroupVersionKind]*kindAnswer{}, map[schema.GroupVersion]int{}
	}
	a := k.answers[gvk]
	if a != nil && (a.done != nil || k.Clock.Now().Before(a.until)) {
		return a.done
	}
	total := 0
	for _, n := range k.asks {
		total += n
	}
	if total >= maxAsks || k.asks[gvk.GroupVersion()] >= maxAsksOfGroup {
		return nil
	}
	if a == nil {
		k.forgetOld()
		a = &kindAnswer{}
		k.answers[gvk] = a
	}
	a.done = make(chan struct{})
	k.asks[gvk.GroupVersion()]++
	// Others may wait for it, so it goes on when this request is over.
	go k.answer(context.WithoutCancel(ctx), gvk, a)
	return a.done
}

// maxAnswers are kept.
const maxAnswers = 1000

func (k *Kinds) forgetOld() {
	if len(k.answers) < maxAnswers {
		return
	}
	maps.DeleteFunc(k.answers, func(_ schema.GroupVersionKind, a *kindAnswer) bool { return a.done == nil })
}

// answer asks the API server, and tells those who wait.
func (k *Kinds) answer(ctx context.Context, gvk schema.GroupVersionKind, a *kindAnswer) {
	found, err := k.ask(ctx, gvk)
	k.mu.Lock()
	defer k.mu.Unlock()
	var is, was *problem
	if errors.As(err, &is) {
		if errors.As(a.err, &was) && was.reason == is.reason {
			a.pause = min(max(2*a.pause, lookAgain), lookRarely)
		} else {
			a.pause = lookAgain
		}
	} else {
		a.pause = answerKept
	}
	a.kind, a.err, a.until = found, err, k.Clock.Now().Add(a.pause)
	close(a.done)
	for _, wake := range a.wake {
		wake()
	}
	a.done, a.wake = nil, nil
	if gv := gvk.GroupVersion(); k.asks[gv] > 1 {
		k.asks[gv]--
	} else {
		delete(k.asks, gv)
	}
}

func (k *Kinds) ask(ctx context.Context, gvk schema.GroupVersionKind) (kind, error) {
	if gvk.Group == "" && gvk.Kind == "Secret" {
		return kind{}, forGood(v1alpha1.ReasonWatchForbidden, "Secrets are never watched, so that none of them gets into a message")
	}
	list, err := k.Discovery.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return kind{}, notFound(gvk, "")
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
	return kind{}, notFound(gvk, meant(gvk.Kind, list.APIResources))
}

func notFound(gvk schema.GroupVersionKind, meant string) error {
	return &problem{reason: v1alpha1.ReasonKindNotFound, again: lookAgain, message: fmt.Sprintf(
		"the API server has no kind %s in %s%s: correct spec.source.objects.apiVersion or kind, or install it; it is picked up when it appears", gvk.Kind, gvk.GroupVersion(), meant)}
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
