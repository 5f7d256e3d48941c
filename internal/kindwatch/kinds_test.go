package kindwatch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	authorizationclient "k8s.io/client-go/kubernetes/typed/authorization/v1"
	testclock "k8s.io/utils/clock/testing"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// apiServer is asked for kinds.
type apiServer struct {
	discovery.ServerResourcesInterface
	authorizationclient.SelfSubjectAccessReviewInterface

	mu sync.Mutex
	// asked counts the questions by group and version.
	asked map[string]int
	// slow groups are answered for when hold is closed.
	hold chan struct{}
	// served are the kinds that there are.
	served map[string]bool
}

func (s *apiServer) ServerResourcesForGroupVersion(gv string) (*metav1.APIResourceList, error) {
	s.mu.Lock()
	if s.asked == nil {
		s.asked = map[string]int{}
	}
	s.asked[gv]++
	served := s.served[gv]
	s.mu.Unlock()
	if strings.HasPrefix(gv, "slow") {
		<-s.hold
	}
	if !served {
		return nil, apierrors.NewNotFound(schema.GroupResource{}, gv)
	}
	return &metav1.APIResourceList{APIResources: []metav1.APIResource{{Name: "things", Kind: "Thing", Namespaced: true, Verbs: metav1.Verbs{"list", "watch"}}}}, nil
}

func (s *apiServer) Create(_ context.Context, r *authorizationv1.SelfSubjectAccessReview, _ metav1.CreateOptions) (*authorizationv1.SelfSubjectAccessReview, error) {
	r.Status.Allowed = true
	return r, nil
}

func (s *apiServer) count(gv string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked[gv]
}

func thingOf(gv string) schema.GroupVersionKind {
	group, version, _ := strings.Cut(gv, "/")
	return schema.GroupVersionKind{Group: group, Version: version, Kind: "Thing"}
}

func newKinds(served ...string) (*Kinds, *apiServer, *testclock.FakePassiveClock) {
	s := &apiServer{hold: make(chan struct{}), served: map[string]bool{}}
	for _, gv := range served {
		s.served[gv] = true
	}
	clock := testclock.NewFakePassiveClock(start)
	return &Kinds{Discovery: s, Access: s, Clock: clock}, s, clock
}

// A thousand rules that name what the API server answers for slowly, or never,
// hold up nobody, and ask little.
func TestBrokenRulesHoldUpNobody(t *testing.T) {
	k, s, _ := newKinds("good/v1")
	t.Cleanup(func() { close(s.hold) })
	var wait sync.WaitGroup
	for i := range 1000 {
		wait.Go(func() {
			gvk := thingOf(fmt.Sprintf("slow%d/v1", i%10))
			gvk.Kind = fmt.Sprint("Kind", i)
			_, err := k.Find(t.Context(), gvk, func() {})
			var p *Unavailable
			if !errors.As(err, &p) || !p.Asking || p.RetryAfter == 0 {
				t.Errorf("a slow answer is %v, want to be told to come again", err)
			}
		})
	}
	var found Kind
	var err error
	wait.Go(func() {
		until(t, "the good kind", func() bool {
			found, err = k.Find(t.Context(), thingOf("good/v1"), func() {})
			var p *Unavailable
			return !errors.As(err, &p) || !p.Asking
		})
	})
	wait.Wait()
	if err != nil || found.Resource.Resource != "things" {
		t.Errorf("the good kind is %v, %v", found, err)
	}
	for i := range 10 {
		if n := s.count(fmt.Sprintf("slow%d/v1", i)); n > maxAsksOfGroup {
			t.Errorf("a group is asked for %d times at once, want at most %d", n, maxAsksOfGroup)
		}
	}
}

// Who did not wait for an answer is woken by it, and all share one.
func TestSlowAnswersWake(t *testing.T) {
	k, s, _ := newKinds("slow/v1")
	woken := make(chan struct{}, 10)
	for range 5 {
		if _, err := k.Find(t.Context(), thingOf("slow/v1"), func() { woken <- struct{}{} }); err == nil {
			t.Fatal("there is an answer already")
		}
	}
	close(s.hold)
	for range 5 {
		<-woken
	}
	if _, err := k.Find(t.Context(), thingOf("slow/v1"), func() {}); err != nil || s.count("slow/v1") != 1 {
		t.Errorf("%v after %d questions, want the kind after one", err, s.count("slow/v1"))
	}
}

// What does not exist is asked for ever more rarely, down to once a minute, and
// picked up when it appears.
func TestKindsThatDoNotExistAreAskedForRarely(t *testing.T) {
	k, s, clock := newKinds()
	var pauses []time.Duration
	for range 7 {
		_, err := k.Find(t.Context(), thingOf("none/v1"), func() {})
		var p *Unavailable
		if !errors.As(err, &p) || p.Reason != v1alpha1.ReasonKindNotFound {
			t.Fatalf("ends with %v", err)
		}
		pauses = append(pauses, p.RetryAfter)
		clock.SetTime(clock.Now().Add(p.RetryAfter))
	}
	if got := fmt.Sprint(pauses); got != "[5s 10s 20s 40s 1m0s 1m0s 1m0s]" || s.count("none/v1") != 7 {
		t.Errorf("pauses are %s, of %d questions", got, s.count("none/v1"))
	}
	s.mu.Lock()
	s.served["none/v1"] = true
	s.mu.Unlock()
	if _, err := k.Find(t.Context(), thingOf("none/v1"), func() {}); err != nil {
		t.Errorf("it is not picked up: %v", err)
	}
}
