package source

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/alertmanager"
	"github.com/slack-notifier/slack-notifier/internal/incident"
	"github.com/slack-notifier/slack-notifier/internal/incident/incidenttest"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// rig is a store of incidents on an API server in memory.
type rig struct {
	*incidenttest.Cluster
	store *incident.Store
}

var start = incidenttest.Start

func newRig(t *testing.T) *rig {
	t.Helper()
	g := &rig{Cluster: incidenttest.New(t, incident.OwnerIndex, incident.Owner)}
	g.restart()
	return g
}

// restart forgets all that is in memory.
func (g *rig) restart() { g.store = &incident.Store{Client: g.Live, Live: g.Live, Clock: g.Clock} }

// desk is a rig with what takes posts.
type desk struct {
	*rig
	*Receiver
}

func newDesk(t *testing.T) *desk {
	g := newRig(t)
	g.Rule.Spec.Source.Alertmanager = &v1alpha1.AlertmanagerSource{}
	d := &desk{rig: g}
	d.restart()
	return d
}

// restart forgets all that is in memory.
func (d *desk) restart() {
	d.rig.restart()
	d.Receiver = &Receiver{Store: d.store, Clock: d.rig.Clock, Rules: &alerting.Cache{}}
}

// alert is an alert that fires since 10:00, or is over at 10:10.
func alert(name, status string) string {
	return fmt.Sprintf(`{"status":%q,"labels":{"alertname":"A","pod":%q},"startsAt":"2025-01-10T10:00:00Z","endsAt":"2025-01-10T10:10:00Z","fingerprint":%q}`, status, name, name)
}

// take takes a post of a group.
func (d *desk) take(group, status string, names ...string) {
	d.T.Helper()
	var alerts []string
	for _, name := range names {
		alerts = append(alerts, alert(name, status))
	}
	body := fmt.Sprintf(`{"version":"4","groupKey":%q,"status":%q,"externalURL":"http://am","alerts":[%s]}`, group, status, strings.Join(alerts, ","))
	if _, err := d.Receive(d.Ctx, d.Rule, posts.Raw{Body: []byte(body)}); err != nil {
		d.T.Fatal(err)
	}
}

// end ends what is not told of any more, and returns when to look again.
func (d *desk) end() time.Time {
	d.T.Helper()
	heard, err := d.EndQuiet(d.Ctx, d.Rule)
	if err != nil {
		d.T.Fatal(err)
	}
	return heard.Next
}

// open are the titles of the open incidents.
func (d *desk) open() string {
	d.T.Helper()
	var out []string
	for _, n := range d.List() {
		if s, ok := incident.StateOf(&n); ok && s.Open() {
			out = append(out, n.Spec.Title)
		}
	}
	return strings.Join(out, ", ")
}

func (d *desk) expectOpen(when, want string) {
	d.T.Helper()
	if got := d.open(); got != want {
		d.T.Errorf("%s %q is open, not %q", when, got, want)
	}
}

func hours(n int) *metav1.Duration { return &metav1.Duration{Duration: time.Duration(n) * time.Hour} }

// A firing whose end was told does not begin again by a late post, however late;
// but when posts go on, Prometheus was cut off. That survives restarts.
func TestLatePosts(t *testing.T) {
	d := newDesk(t)
	d.take("g", "firing", "a")
	d.take("g", "resolved", "a")
	for _, minutes := range []int{1, 14, 15, 30} {
		d.Pass(time.Duration(minutes) * time.Minute)
		d.restart()
		d.take("g", "firing", "a")
		d.expectOpen(fmt.Sprint(minutes, " minutes later"), "")
	}
	d.Pass(time.Minute)
	d.take("g", "firing", "a")
	d.expectOpen("an hour after the first late post", "[FIRING] A")
	d.take("g", "resolved", "a")
	d.expectOpen("at its end", "")
}

// Nothing is over for want of news that nobody could have heard.
func TestQuietNeedsEars(t *testing.T) {
	d := newDesk(t)
	d.Rule.Spec.ResolveAfter = hours(6)
	d.end()
	d.take("g", "firing", "a")
	d.Pass(5 * time.Hour)
	d.end()
	d.expectOpen("after 5 hours", "[FIRING] A")
	// The operator was away for a day.
	d.Pass(24 * time.Hour)
	d.restart()
	next := d.end()
	d.expectOpen("after a restart", "[FIRING] A")
	if want := d.rig.Clock.Now().Add(time.Hour); !next.Equal(want) {
		t.Errorf("it looks again at %s, not %s", next, want)
	}
	d.Pass(time.Hour)
	d.end()
	d.expectOpen("an hour after the restart", "")
	// The rule was suspended for a day.
	d.take("g", "firing", "a")
	d.Pass(24 * time.Hour)
	d.Deaf(d.Rule.UID)
	d.end()
	d.expectOpen("when it takes posts again", "[FIRING] A")
	d.Pass(time.Hour)
	d.end()
	d.expectOpen("an hour later", "")
}

// A resolveAfter that is new or another one counts from then on: repeats were not
// noted before.
func TestQuietBeginsAnew(t *testing.T) {
	d := newDesk(t)
	d.end()
	d.take("g", "firing", "a")
	for range 10 {
		d.Pass(4 * time.Hour)
		d.take("g", "firing", "a")
		d.end()
	}
	d.Rule.Spec.ResolveAfter = hours(6)
	d.end()
	d.Pass(5 * time.Hour)
	d.end()
	d.expectOpen("5 hours later", "[FIRING] A")
	d.Rule.Spec.ResolveAfter = hours(2)
	d.end()
	d.expectOpen("with less", "[FIRING] A")
	d.Pass(3 * time.Hour)
	d.end()
	d.expectOpen("3 hours later", "")
}

// The message of a rule with templates says so as well.
func TestQuietIsSaid(t *testing.T) {
	for name, policy := range map[string]v1alpha1.ResolvePolicy{"edited": v1alpha1.ResolveEdit, "in the thread": v1alpha1.ResolveReply} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.Rule.Spec.ResolveAfter, d.Rule.Spec.OnResolve = &metav1.Duration{Duration: 90 * time.Minute}, policy
			d.Rule.Spec.Message = &v1alpha1.AlertMessage{Title: "mine", Text: "own words"}
			d.end()
			d.take("g", "firing", "a")
			d.Pass(2 * time.Hour)
			d.end()
			said := ""
			for _, n := range d.List() {
				said += n.Spec.Text + "\n"
			}
			if !strings.Contains(said, "own words") || !strings.Contains(said, "No post has told of it for 1h30m (resolveAfter)") {
				t.Errorf("it says %q", said)
			}
		})
	}
}

// Two routes with equal matchers post the same group to two rules, and each has
// its own incident.
func TestTwoRulesOfOneGroup(t *testing.T) {
	d := newDesk(t)
	d.take("g", "firing", "a")
	other := d.Rule.DeepCopy()
	other.Name, other.UID = "other", "other-uid"
	first := d.Rule
	d.Rule = other
	d.take("g", "firing", "a")
	d.take("g", "resolved", "a")
	d.expectOpen("the other's end leaves", "[FIRING] A")
	d.Rule = first
	d.take("g", "resolved", "a")
	d.expectOpen("both ends leave", "")
}

// Beyond maxIncidents as well, another's end ends nothing, and one's own does.
func TestRolledUpPosts(t *testing.T) {
	d := newDesk(t)
	d.Rule.Spec.MaxIncidents = 1
	d.take("first", "firing", "x")
	var names []string
	for i := range 300 {
		names = append(names, fmt.Sprint("pod-", i))
	}
	d.take("g", "firing", names...)
	firing := func() int {
		t.Helper()
		out, err := d.store.Maintain(d.Ctx, d.Rule, nil)
		if err != nil {
			t.Fatal(err)
		}
		return out.Firing
	}
	if n := firing(); n != 2 {
		t.Fatalf("%d incidents", n)
	}
	d.take("g", "resolved", "stranger")
	if n := firing(); n != 2 {
		t.Errorf("%d incidents after another's end", n)
	}
	d.take("g", "resolved", names...)
	if n := firing(); n != 1 {
		t.Errorf("%d incidents after the end", n)
	}
}

// A post that was not read to its end, of a group that nobody knows, is an
// incident of its own.
func TestUnreadPosts(t *testing.T) {
	for name, groupBy := range map[string][]string{"alertmanager's groups": nil, "the rule's groups": {"labels.pod"}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			d.Rule.Spec.GroupBy = groupBy
			r := alertmanager.NewReader()
			_, _ = r.Write([]byte(`{"receiver":"r","status":"firing","alerts":[` + alert("a", "firing") + `,{"labels"`))
			p, err := r.Payload()
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if err := d.ReceivePost(d.Ctx, d.Rule, p); err != nil {
					t.Fatal(err)
				}
			}
			if got := d.open(); strings.Count(got, "too large to be read") != 1 || strings.Contains(got, "[FIRING] A,") != (groupBy != nil) && strings.HasSuffix(got, "[FIRING] A") != (groupBy != nil) {
				t.Errorf("%q is open", got)
			}
			heard, err := d.EndQuiet(d.Ctx, d.Rule)
			if err != nil || !strings.Contains(heard.Unread, "too large") {
				t.Errorf("%v: the rule says %q", err, heard.Unread)
			}
			d.Pass(25 * time.Hour)
			d.end()
			if got := d.open(); strings.Contains(got, "too large") {
				t.Errorf("a day later %q is open", got)
			}
		})
	}
}

// The labels that a rule names are kept, however many there are.
func TestLabelsThatARuleNames(t *testing.T) {
	d := newDesk(t)
	d.Rule.Spec.GroupBy = []string{`labels["zz.team"]`}
	d.Rule.Spec.Message = &v1alpha1.AlertMessage{Title: `{{ index .labels "zz.team" }} {{ .labels.zz_owner }}`}
	var labels strings.Builder
	for i := range 60 {
		fmt.Fprintf(&labels, `"label_%02d":"x",`, i)
	}
	body := `{"groupKey":"g","alerts":[{"labels":{` + labels.String() + `"zz.team":"blue","zz_owner":"ada"}}]}`
	if _, err := d.Receive(d.Ctx, d.Rule, posts.Raw{Body: []byte(body)}); err != nil {
		t.Fatal(err)
	}
	d.expectOpen("the title", "blue ada")
}

// With groupBy an alert that was silenced is in an incident that no alert of the
// resolved group belongs to; it is over all the same, and no stranger's is.
func TestSilencedInAnotherIncident(t *testing.T) {
	d := newDesk(t)
	d.Rule.Spec.GroupBy = []string{"labels.pod"}
	d.take("g", "firing", "a", "b")
	d.take("g", "firing", "stranger")
	d.take("other", "firing", "c")
	d.take("g", "resolved", "b")
	var open []string
	for _, n := range d.List() {
		if s, ok := incident.StateOf(&n); ok && s.Open() {
			open = append(open, s.Text)
		}
	}
	slices.Sort(open)
	if got := strings.Join(open, " "); got != "c stranger" {
		t.Errorf("%s are open, not those that the sender did not tell of together with b", got)
	}
}

// Who posts to a rule is told that it is not stored, or that the rule is not at
// work, and the rule is woken to say so.
func TestReceiverTellsOfRefusals(t *testing.T) {
	g := newRig(t)
	woken := 0
	r := &Receiver{Store: g.store, Clock: g.Clock, Rules: &alerting.Cache{}, Refused: func(n client.ObjectKey) {
		if n != client.ObjectKeyFromObject(g.Rule) {
			t.Errorf("%s is woken", n)
		}
		woken++
	}}
	post := posts.Raw{Body: []byte(`{"version":"4","groupKey":"g","status":"firing","receiver":"r","alerts":[{"status":"firing","labels":{"alertname":"A"},"startsAt":"2026-11-24T08:00:00Z","fingerprint":"f"}]}`)}
	g.Fail = incidenttest.ByQuota(func(client.Object) bool { return true })
	var refused *incident.RefusedError
	if _, err := r.Receive(t.Context(), g.Rule, post); !errors.As(err, &refused) || !strings.Contains(refused.Words, incidenttest.QuotaWords) || woken != 1 {
		t.Errorf("ends with %v, woken %d times", err, woken)
	}
	g.Fail = nil
	if _, err := r.Receive(t.Context(), g.Rule, post); err != nil || len(g.List()) != 1 {
		t.Errorf("ends with %v", err)
	}
	g.Rule.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ConditionReady, Status: metav1.ConditionFalse, Reason: v1alpha1.ReasonTooManyAlerts}}
	if _, err := r.Receive(t.Context(), g.Rule, post); !errors.Is(err, ErrTooManyAlerts) {
		t.Errorf("ends with %v", err)
	}
}
