package kindwatch

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

// Unavailable is an error that says why a kind can't be watched.
type Unavailable struct {
	// Reason is one of a condition, and Message says what to do.
	Reason, Message string
	// Stalled is true when a person has to act.
	Stalled bool
	// RetryAfter is when to ask again; zero when only a change of what was asked for
	// or of the operator's flags can mend it.
	RetryAfter time.Duration
	// Asking is true when the answer is yet to come.
	Asking bool
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

// Terminal is an Unavailable that only a change of what was asked for or of the
// operator's flags can mend.
func Terminal(reason, format string, args ...any) *Unavailable {
	return &Unavailable{Reason: reason, Message: fmt.Sprintf(format, args...), Stalled: true}
}

// Error is the message.
func (p *Unavailable) Error() string { return p.Message }

// Kind is what the API server says of a kind.
type Kind struct {
	GVK        schema.GroupVersionKind
	Resource   schema.GroupVersionResource
	Namespaced bool
}

// Plural names the kind's objects for people.
func (k Kind) Plural() string {
	name := k.GVK.Kind
	switch {
	case strings.HasSuffix(name, "s"), strings.HasSuffix(name, "x"), strings.HasSuffix(name, "ch"):
		return name + "es"
	case strings.HasSuffix(name, "y") && !strings.HasSuffix(name, "ay") && !strings.HasSuffix(name, "ey"):
		return strings.TrimSuffix(name, "y") + "ies"
	}
	return name + "s"
}

// Kinds finds out whether kinds exist and may be watched. The answers are kept
// for a moment, for the many that ask for the same.
type Kinds struct {
	// Discovery and Access of the API server.
	Discovery discovery.ServerResourcesInterface
	Access    authorizationclient.SelfSubjectAccessReviewInterface
	// Namespaces that the operator watches; all when empty.
	Namespaces []string
	Clock      clock.PassiveClock
	// Near returns the names that are like a wrong one; none are told when nil.
	Near func(wrong string, names []string) []string

	mu      sync.Mutex
	answers map[schema.GroupVersionKind]*kindAnswer
	asks    map[schema.GroupVersion]int
}

type kindAnswer struct {
	kind Kind
	err  error
	// until is when to ask again; pause is how long that was put off.
	until time.Time
	pause time.Duration
	// done is closed when the answer comes; nil while nobody asks. wake is called
	// for who does not wait for it.
	done chan struct{}
	wake []func()
}

// Find returns a kind that exists and may be watched, or an *Unavailable. All who
// ask for one at once share an answer. It does not wait long: if the answer is yet
// to come, the error says so, and wake is called when it is there.
func (k *Kinds) Find(ctx context.Context, gvk schema.GroupVersionKind, wake func()) (Kind, error) {
	done := k.begin(ctx, gvk)
	if done != nil {
		timer := time.NewTimer(answerAwait)
		defer timer.Stop()
		select {
		case <-done:
		case <-timer.C:
		case <-ctx.Done():
			return Kind{}, ctx.Err()
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
		return Kind{}, &Unavailable{Asking: true, RetryAfter: answerKept, Reason: v1alpha1.ReasonWatchStarting,
			Message: "the API server is being asked for the kind " + gvk.Kind}
	case a.err != nil:
		var p *Unavailable
		if errors.As(a.err, &p) && p.RetryAfter > 0 {
			later := *p
			later.RetryAfter = max(a.until.Sub(k.Clock.Now()), time.Second)
			return Kind{}, &later
		}
		return Kind{}, a.err
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

// Anew has the next Find ask the API server, whatever it answered before.
func (k *Kinds) Anew(gvk schema.GroupVersionKind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if a := k.answers[gvk]; a != nil && a.done == nil {
		delete(k.answers, gvk)
	}
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
	var is, was *Unavailable
	if errors.As(err, &is) {
		if errors.As(a.err, &was) && was.Reason == is.Reason {
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

func (k *Kinds) ask(ctx context.Context, gvk schema.GroupVersionKind) (Kind, error) {
	if gvk.Group == "" && gvk.Kind == "Secret" {
		return Kind{}, Terminal(v1alpha1.ReasonWatchForbidden, "Secrets are never watched, so that none of them gets into a message: name another kind in spec.source.objects")
	}
	list, err := k.Discovery.ServerResourcesForGroupVersion(gvk.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return Kind{}, notFound(gvk, "")
	}
	if err != nil {
		return Kind{}, fmt.Errorf("asking the API server for %s: %w", gvk.GroupVersion(), err)
	}
	for i := range list.APIResources {
		resource := &list.APIResources[i]
		if resource.Kind != gvk.Kind || strings.Contains(resource.Name, "/") {
			continue
		}
		found := Kind{gvk, gvk.GroupVersion().WithResource(resource.Name), resource.Namespaced}
		if !slices.Contains(resource.Verbs, "watch") || !slices.Contains(resource.Verbs, "list") {
			return Kind{}, Terminal(v1alpha1.ReasonWatchForbidden, "the API server lets nobody watch %s (%s): name another kind in spec.source.objects", gvk.Kind, gvk.GroupVersion())
		}
		return found, k.allowed(ctx, found)
	}
	return Kind{}, notFound(gvk, k.meant(gvk.Kind, list.APIResources))
}

func notFound(gvk schema.GroupVersionKind, meant string) error {
	return &Unavailable{Reason: v1alpha1.ReasonKindNotFound, RetryAfter: lookAgain, Message: fmt.Sprintf(
		"the API server has no kind %s in %s%s: correct spec.source.objects.apiVersion or kind, or install it; it is picked up when it appears", gvk.Kind, gvk.GroupVersion(), meant)}
}

// allowed asks whether the operator may watch a kind, before it tries.
func (k *Kinds) allowed(ctx context.Context, found Kind) error {
	namespaces := []string{metav1.NamespaceAll}
	if found.Namespaced && len(k.Namespaces) > 0 {
		namespaces = k.Namespaces
	}
	for _, namespace := range namespaces {
		for _, verb := range []string{"list", "watch"} {
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Verb: verb, Group: found.Resource.Group, Version: found.Resource.Version, Resource: found.Resource.Resource,
				},
			}}
			answer, err := k.Access.Create(ctx, review, metav1.CreateOptions{})
			if err != nil {
				return fmt.Errorf("asking what the operator may do: %w", err)
			}
			if !answer.Status.Allowed {
				return &Unavailable{Reason: v1alpha1.ReasonWatchForbidden, Stalled: true, RetryAfter: lookAgain, Message: fmt.Sprintf(
					"the operator may not %s %s: add a ClusterRole with get, list and watch on them and the label slack.notify.dev/aggregate-to-watch: \"true\"",
					verb, found.Resource.GroupResource())}
			}
		}
	}
	return nil
}
