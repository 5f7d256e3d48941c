package channel

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/event"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// A request has a SlackChannel looked at now, and its status says so with the
// answer.
func TestRequestedAt(t *testing.T) {
	s := newWorkspace(t)
	g := newScene(t, s, slackChannel("c", "#later"))
	g.becomes("c", v1alpha1.ReasonChannelNotFound)
	s.set("channels", slacksim.Channel{ID: "C0LATER00", Name: "later", Members: []string{slacksim.DemoBotUser}})
	request := func(value string) {
		t.Helper()
		c := g.stored("c")
		c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: value}
		g.update(c)
	}
	request("1")
	c := g.becomes("c", v1alpha1.ReasonVerified)
	if c.Status.LastHandledRequest != "1" {
		t.Errorf("status.lastHandledRequest is %q with the answer, want 1", c.Status.LastHandledRequest)
	}

	// The same result is one write, and the next pass is none.
	request("2")
	before, calls := g.stored("c"), s.calls("auth.test")
	g.reconcile("c")
	after := g.stored("c")
	if after.Status.LastHandledRequest != "2" || s.calls("auth.test") != calls+1 {
		t.Errorf("after one pass lastHandledRequest is %q and auth.test was called %d times more, want 2 and once", after.Status.LastHandledRequest, s.calls("auth.test")-calls)
	}
	before.Status.LastHandledRequest, before.ResourceVersion = "2", after.ResourceVersion
	if !equal(before.Status, after.Status) {
		t.Errorf("the status has changed:\n%+v\n%+v", before.Status, after.Status)
	}
	g.reconcile("c")
	if again := g.stored("c"); again.ResourceVersion != after.ResourceVersion {
		t.Error("a request that was handled is written once more")
	}
}

func equal(a, b v1alpha1.SlackChannelStatus) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return bytes.Equal(x, y)
}

// A request does not wait for a back-off.
func TestRequestedAtSkipsTheBackOff(t *testing.T) {
	s := newWorkspace(t)
	s.set("faults", slacksim.Fault{Method: "auth.test", Kind: "http", Status: 503, Times: 6})
	g := newScene(t, s, slackChannel("c", "#alerts"))
	var last ctrl.Result
	for range 6 {
		last = g.reconcile("c")
	}
	if last.RequeueAfter < 10*time.Second {
		t.Fatalf("after 6 failures the next try comes after %v, want a long back-off", last.RequeueAfter)
	}
	s.set("faults", slacksim.Fault{Method: "auth.test", Kind: "http", Status: 503, Times: 1})
	c := g.stored("c")
	c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	g.update(c)
	if got := g.reconcile("c"); got.RequeueAfter > 2*time.Second {
		t.Errorf("a request that fails is tried again after %v, want the first pause", got.RequeueAfter)
	}
	if got := g.stored("c").Status.LastHandledRequest; got != "now" {
		t.Errorf("lastHandledRequest is %q, want the request: Slack was asked", got)
	}
}

// A request that takes long counts as handled after a second, so that nobody who
// waits for that waits for a whole list.
func TestRequestedAtThatTakesLong(t *testing.T) {
	s := newWorkspace(t)
	g := newScene(t, s, slackChannel("c", "#alerts", func(c *v1alpha1.SlackChannel) {
		c.Annotations = map[string]string{v1alpha1.AnnotationRequestedAt: "now"}
	}))
	g.r.Directory = directory.New(directory.Options{Limiter: g.r.Limiter}) // it has no list yet
	if got := g.reconcile("c"); got.RequeueAfter == 0 || got.RequeueAfter > requestPatience {
		t.Errorf("it is looked at again after %v, want within a second", got.RequeueAfter)
	}
	g.r.remember(g.stored("c"), func(m *memory) { m.requested = m.requested.Add(-requestPatience) })
	g.reconcile("c")
	if got := g.stored("c").Status.LastHandledRequest; got != "now" {
		t.Errorf("after a second lastHandledRequest is %q, want the request", got)
	}
}

// A Slack that does not answer is one write of the status, which says since
// when, and not one for each attempt, nor another after a restart.
func TestUnreachableSlackDoesNotChurn(t *testing.T) {
	s := newWorkspace(t)
	s.set("faults", slacksim.Fault{Method: "auth.test", Kind: "http", Status: 503, Times: -1})
	g := newScene(t, s, slackChannel("c", "#alerts"))
	first := g.becomes("c", v1alpha1.ReasonSlackUnreachable)
	message := conditions.Find(first, v1alpha1.ConditionReady).Message
	if !strings.Contains(message, "since 20") || !strings.Contains(message, "nothing needs to be done") {
		t.Errorf("%q does not say since when, and that nothing needs to be done", message)
	}
	for range 5 {
		g.reconcile("c")
	}
	g.restart()
	for range 3 {
		g.reconcile("c")
	}
	if got := g.stored("c"); got.ResourceVersion != first.ResourceVersion {
		t.Errorf("the status was written again: %q is now %q", message, conditions.Find(got, v1alpha1.ConditionReady).Message)
	}
}

// What makes a SlackChannel be looked at: a new request, and a label that hands
// it to another operator; not any other annotation.
func TestWhatIsLookedAt(t *testing.T) {
	with := func(annotation, value string) *v1alpha1.SlackChannel {
		return slackChannel("c", "", func(c *v1alpha1.SlackChannel) { c.Annotations = map[string]string{annotation: value} })
	}
	for _, one := range []struct {
		name     string
		was, now *v1alpha1.SlackChannel
		want     bool
	}{
		{"first request", slackChannel("c", ""), with(v1alpha1.AnnotationRequestedAt, "1"), true},
		{"another request", with(v1alpha1.AnnotationRequestedAt, "1"), with(v1alpha1.AnnotationRequestedAt, "2"), true},
		{"the same request", with(v1alpha1.AnnotationRequestedAt, "1"), with(v1alpha1.AnnotationRequestedAt, "1"), false},
		{"another annotation", slackChannel("c", ""), with("other", "1"), false},
		{"another label", slackChannel("c", ""), slackChannel("c", "", func(c *v1alpha1.SlackChannel) { c.Labels = map[string]string{"shard": "b"} }), true},
		{"another spec", slackChannel("c", ""), slackChannel("c", "", func(c *v1alpha1.SlackChannel) { c.Generation = 2 }), true},
		{"another status", slackChannel("c", ""), slackChannel("c", "", func(c *v1alpha1.SlackChannel) { c.Status.Managed = "C1" }), false},
	} {
		t.Run(one.name, func(t *testing.T) {
			if got := channelChanged().Update(event.UpdateEvent{ObjectOld: one.was, ObjectNew: one.now}); got != one.want {
				t.Errorf("it is looked at: %v, want %v", got, one.want)
			}
		})
	}
}
