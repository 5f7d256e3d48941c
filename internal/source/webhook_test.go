package source

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/posts"
	"github.com/slack-notifier/slack-notifier/internal/race"
)

// hooked is a rig whose rule takes posts, by two processes in turn.
type hooked struct {
	*rig
	receivers []*Receiver
	turn      int
}

func newHooked(t *testing.T, source v1alpha1.WebhookSource, change func(*v1alpha1.SlackAlertSpec)) *hooked {
	t.Helper()
	h := &hooked{rig: newRig(t)}
	h.Rule.Spec.Source.Webhook = &source
	if change != nil {
		change(&h.Rule.Spec)
	}
	for range 2 {
		store := &incident.Store{Client: h.Live, Live: h.Live, Clock: h.Clock}
		h.receivers = append(h.receivers, &Receiver{Store: store, Clock: h.Clock, Rules: &alerting.Cache{}})
	}
	h.receivers[0].Deaf(h.Rule.UID) // takes posts from now on
	return h
}

// post sends a body to the next process.
func (h *hooked) post(body string, signed bool) (string, error) {
	h.turn++
	return h.receivers[h.turn%2].Receive(h.Ctx, h.Rule, posts.Raw{Body: []byte(body), Signed: signed})
}

// incidents are number, count, whether it is open, severity and title of each, in
// the order of their making.
func (h *hooked) incidents() string {
	h.T.Helper()
	var out []string
	for _, n := range h.List() {
		if s, ok := incident.StateOf(&n); ok {
			out = append(out, fmt.Sprintf("%d×%d open=%v %s %s", s.Number, s.Count, s.Open(), n.Spec.Severity, n.Spec.Title))
		}
	}
	return strings.Join(out, "\n")
}

func (h *hooked) want(what, want string) {
	h.T.Helper()
	if got := h.incidents(); got != want {
		h.T.Errorf("%s:\n%s\nwant\n%s", what, got, want)
	}
}

// endQuiet has those ended that have been without news.
func (h *hooked) endQuiet() time.Time {
	h.T.Helper()
	heard, err := h.receivers[0].EndQuiet(h.Ctx, h.Rule)
	if err != nil {
		h.T.Fatal(err)
	}
	return heard.Next
}

func ends(spec *v1alpha1.SlackAlertSpec) {
	spec.Source.Webhook.ResolvedWhen = "body.?ok.orValue(false)"
}

// Two processes that take the same posts make one incident, and count each once.
func TestPostsOfTwoProcesses(t *testing.T) {
	h := newHooked(t, v1alpha1.WebhookSource{}, ends)
	for _, body := range []string{`{"title":"A","n":1}`, `{"title":"A","n":1}`, `{"title":"B","n":2}`, `{"title":"A","n":1}`} {
		if _, err := h.post(body, true); err != nil {
			t.Fatal(err)
		}
	}
	h.want("two posts, told four times", "1×2 open=true Error B")
	for range 2 {
		if _, err := h.post(`{"ok":true}`, true); err != nil {
			t.Fatal(err)
		}
	}
	h.want("the end, told twice", "1×2 open=false Success Resolved: B")
	if remark, err := h.post(`{"title":"A","n":1}`, true); err != nil || !strings.HasPrefix(remark, "stored before") {
		t.Errorf("a repeated post is answered with %q: %v", remark, err)
	}
	h.want("a signed post that somebody repeats", "1×2 open=false Success Resolved: B")
	if _, err := h.post(`{"title":"C","n":3}`, true); err != nil {
		t.Fatal(err)
	}
	h.want("a later one", "1×2 open=false Success Resolved: B\n2×1 open=true Error C")
}

// Without news an incident ends, and says so; who repeats a post says that it goes
// on.
func TestPostsWithoutNews(t *testing.T) {
	h := newHooked(t, v1alpha1.WebhookSource{}, func(spec *v1alpha1.SlackAlertSpec) {
		spec.ResolveAfter, spec.OnResolve = &metav1.Duration{Duration: 10 * time.Minute}, v1alpha1.ResolveEditAndReply
	})
	send := func() {
		t.Helper()
		if _, err := h.post(`{"title":"A"}`, false); err != nil {
			t.Fatal(err)
		}
	}
	send()
	h.Pass(9 * time.Minute)
	send()
	h.Pass(9 * time.Minute)
	if next := h.endQuiet(); !next.Equal(start.Add(19 * time.Minute)) {
		t.Errorf("ends at %s, want 10 minutes after the last post", next)
	}
	h.want("a post that is repeated", "1×1 open=true Error A")
	h.Pass(time.Minute)
	h.receivers[0].Deaf(h.Rule.UID)
	h.endQuiet()
	h.want("posts could not be taken until now", "1×1 open=true Error A")
	h.Pass(10 * time.Minute)
	h.endQuiet()
	h.want("10 minutes after the last post", "1×1 open=false Success Resolved: A")
	var said []string
	for _, n := range h.List() {
		if strings.Contains(n.Spec.Text, "_No post has told of it for 10m (resolveAfter), so it counts as resolved.") {
			said = append(said, n.Spec.Title)
		}
	}
	if len(said) != 2 {
		t.Errorf("%q say that it is for want of news, want the message and its reply", said)
	}
	send()
	h.want("the same later", "1×1 open=false Success Resolved: A\n2×1 open=true Error A")
}

// What is told alone is not over and not green; posts of a group are one message
// while they go on.
func TestPostsThatAreTold(t *testing.T) {
	h := newHooked(t, v1alpha1.WebhookSource{}, func(spec *v1alpha1.SlackAlertSpec) {
		spec.GroupBy, spec.RepeatInterval = []string{"body.title"}, &metav1.Duration{Duration: time.Minute}
	})
	send := func(body string) {
		t.Helper()
		if _, err := h.post(body, false); err != nil {
			t.Fatal(err)
		}
	}
	send(`{"title":"A","n":1}`)
	send(`{"title":"A","n":2}`)
	h.Deliver()
	h.Pass(5 * time.Minute)
	if _, err := h.receivers[0].Store.Maintain(h.Ctx, Quiet(h.Rule), nil); err != nil {
		t.Fatal(err)
	}
	h.Pass(6 * time.Minute)
	h.endQuiet()
	h.want("two posts of a group", "1×2 open=false Info A")
	if n := len(h.List()); n != 1 {
		t.Errorf("%d messages, want one without reminder", n)
	}
	send(`{"title":"A","n":3}`)
	h.want("a later one", "1×2 open=false Info A\n2×1 open=true Info A")
}

// A namespace whose expressions cost more than its share waits; others do not.
func TestPostsAreCharged(t *testing.T) {
	race.Pointless(t)
	h := newHooked(t, v1alpha1.WebhookSource{When: `body.list.all(x, body.list.all(y, x == y))`}, ends)
	body := `{"list":[` + strings.TrimSuffix(strings.Repeat("1,", 80), ",") + `]}`
	for n := 0; ; n++ {
		_, err := h.receivers[0].Receive(h.Ctx, h.Rule, posts.Raw{Body: []byte(body)})
		if errors.Is(err, ErrOverspent) {
			break
		}
		if err != nil || n > 2000 {
			t.Fatalf("after %d posts: %v", n, err)
		}
	}
	other := h.Rule.DeepCopy()
	other.Namespace = "other"
	if _, err := h.receivers[0].Receive(h.Ctx, other, posts.Raw{Body: []byte(body)}); err != nil {
		t.Errorf("another namespace: %v", err)
	}
	h.Pass(time.Minute)
	if _, err := h.receivers[0].Receive(h.Ctx, h.Rule, posts.Raw{Body: []byte(body)}); err != nil {
		t.Errorf("a minute later: %v", err)
	}
}

// An expression that fails on a post is told, with its field, and changes nothing.
func TestPostsThatFail(t *testing.T) {
	h := newHooked(t, v1alpha1.WebhookSource{When: `body.n > 'a'`}, ends)
	_, err := h.post(`{"n":1}`, false)
	var failed *EvaluationError
	if !errors.As(err, &failed) || !strings.HasPrefix(failed.Words, "spec.source.webhook.when: body.n > \"a\" can't be evaluated: > does not take (int, string)") {
		t.Errorf("ends with %v", err)
	}
	h.Rule.Spec.Source.Webhook.When, h.Rule.Generation = `body.(`, 2
	if _, err := h.post(`{"n":1}`, false); !errors.Is(err, ErrDoesNotCompile) {
		t.Errorf("ends with %v", err)
	}
	h.want("nothing", "")
}

// The rule's status says for how many posts of how many an expression can't be
// evaluated: at once, and then once a minute. What fails is not hidden by what lacks
// a field.
func TestPostsThatCannotBeEvaluatedAreCounted(t *testing.T) {
	h := newHooked(t, v1alpha1.WebhookSource{When: "body.level > 'a'"}, ends)
	h.Rule.Generation = 1
	if err := h.Live.Create(h.Ctx, h.Rule); err != nil {
		t.Fatal(err)
	}
	h.receivers = h.receivers[:1]
	for _, step := range []struct {
		name string
		// pass is how long after the step before, and bodies what is posted.
		pass         time.Duration
		bodies       []string
		reason, says string
	}{
		{"all is well", 0, []string{`{"level":"b"}`, `{"level":"b","n":2}`}, "", ""},
		{"the first that lacks the field", 0, []string{`{}`}, v1alpha1.ReasonFieldMissing, "no such key: level, for 1 of 3 posts"},
		{"more of them at once", time.Second, []string{`{"n":1}`, `{"n":2}`}, v1alpha1.ReasonFieldMissing, "for 1 of 3 posts"},
		{"more of them later", time.Minute, []string{`{"n":3}`}, v1alpha1.ReasonFieldMissing, "for 4 of 6 posts"},
		{"one that fails", time.Second, []string{`{"level":5}`}, v1alpha1.ReasonEvaluationFailed, "does not take (int, string)"},
		{"one that lacks the field after that", time.Hour, []string{`{"n":4}`}, v1alpha1.ReasonEvaluationFailed, "for 1 of 7 posts"},
	} {
		t.Run(step.name, func(t *testing.T) {
			h.Pass(step.pass)
			for _, body := range step.bodies {
				rule := &v1alpha1.SlackAlert{}
				if err := h.Live.Get(h.Ctx, client.ObjectKeyFromObject(h.Rule), rule); err != nil {
					t.Fatal(err)
				}
				_, _ = h.receivers[0].Receive(h.Ctx, rule, posts.Raw{Body: []byte(body)})
			}
			rule := &v1alpha1.SlackAlert{}
			if err := h.Live.Get(h.Ctx, client.ObjectKeyFromObject(h.Rule), rule); err != nil {
				t.Fatal(err)
			}
			c := meta.FindStatusCondition(rule.Status.Conditions, v1alpha1.ConditionEvaluating)
			if c == nil {
				c = &metav1.Condition{}
			}
			if c.Reason != step.reason || !strings.Contains(c.Message, step.says) {
				t.Errorf("%s: %s; want %s: %s", c.Reason, c.Message, step.reason, step.says)
			}
		})
	}
}
