package channel

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/tools/events"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/conditions"
	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/directory"
	"github.com/slack-notifier/slack-notifier/internal/pacing/pacingtest"
	"github.com/slack-notifier/slack-notifier/internal/slack"
	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
)

func TestSameText(t *testing.T) {
	cases := []struct {
		want, have string
		same       bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"", "", true},
		{"", "a", false},
		{"a & b", "a &amp; b", true},
		{"<b>", "&lt;b&gt;", true},
		{"&amp;", "&amp;amp;", true},
		{"&amp;", "&amp;", true},
		{"&lt;", "&amp;lt;", true},
		{"see https://e.com/x", "see <https://e.com/x>", true},
		{"see e.com", "see <http://e.com|e.com>", true},
		{"ask a@b.c", "ask <mailto:a@b.c|a@b.c>", true},
		{"a?b&c https://e.com/?a&b", "a?b&amp;c <https://e.com/?a&amp;b>", true},
		{" a ", "a", true},
		{"see https://e.com/x", "see <https://e.com/y>", false},
	}
	for _, c := range cases {
		if got := sameText(c.want, c.have); got != c.same {
			t.Errorf("%q, stored as %q: same is %v", c.want, c.have, got)
		}
	}
}

// What Slack makes of a text is taken for it once, and a change by a person is not.
func TestWording(t *testing.T) {
	w := &storedText{}
	if !w.differs("a :)", "", false) {
		t.Error("it is set at first")
	}
	if w.differs("a :)", "a :slightly_smiling_face:", true) || w.differs("a :)", "a :slightly_smiling_face:", false) {
		t.Error("it is set again")
	}
	if !w.differs("a :)", "mine", false) || !w.differs("b", "a :slightly_smiling_face:", false) {
		t.Error("a change is missed")
	}
}

func claimant(namespace, name string, age time.Duration, changes ...func(*v1alpha1.SlackChannel)) *v1alpha1.SlackChannel {
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, Generation: 1, CreationTimestamp: metav1.NewTime(time.Unix(1_700_000_000, 0).Add(-age)),
	}}
	c.Spec.WebAPI = &v1alpha1.WebAPI{Channel: "#x"}
	c.Spec.Manage = &v1alpha1.Manage{}
	c.Status.Workspace = &v1alpha1.Workspace{ID: "T1"}
	for _, change := range changes {
		change(c)
	}
	return c
}

func TestOlder(t *testing.T) {
	order := []*v1alpha1.SlackChannel{
		claimant("z", "z", time.Minute), claimant("a", "b", 0), claimant("a", "c", 0), claimant("b", "a", 0),
	}
	for i := range order {
		for j := range order {
			if got := older(order[i], order[j]); got != (i < j) {
				t.Errorf("%d older than %d: %v", i, j, got)
			}
		}
	}
}

func TestCollides(t *testing.T) {
	nameTaken := func(c *v1alpha1.SlackChannel) { conditions.Stalled(c, v1alpha1.ReasonNameTaken, "taken") }
	cases := map[string]struct {
		change func(*v1alpha1.SlackChannel)
		want   bool
	}{
		"same name":                  {func(*v1alpha1.SlackChannel) {}, true},
		"other name":                 {func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel = "y" }, false},
		"other workspace":            {func(c *v1alpha1.SlackChannel) { c.Status.Workspace.ID = "T2" }, false},
		"workspace not known":        {func(c *v1alpha1.SlackChannel) { c.Status.Workspace = nil }, false},
		"owns it by another name":    {func(c *v1alpha1.SlackChannel) { c.Spec.WebAPI.Channel, c.Status.Managed = "y", "C1" }, true},
		"owns it, token gone":        {func(c *v1alpha1.SlackChannel) { c.Status.Workspace, c.Status.Managed = nil, "C1" }, true},
		"could not have the name":    {nameTaken, false},
		"could not have another one": {func(c *v1alpha1.SlackChannel) { nameTaken(c); c.Generation = 2 }, true},
	}
	for name, c := range cases {
		if got := collides(claimant("a", "a", 0, c.change), slack.SharedDomain().Workspace("T1", ""), "x", "C1"); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Only a channel of the attempt's own time and name can be what it has made.
func TestCreationMade(t *testing.T) {
	at := time.Unix(1_700_000_000, 0)
	attempt := creation{name: "x", from: at, to: at.Add(10 * time.Second)}
	for _, c := range []struct {
		name  string
		found slack.Conversation
		want  bool
	}{
		{"while the call was under way", slack.Conversation{Name: "x", Created: at.Add(time.Second)}, true},
		{"Slack's clock is a little behind", slack.Conversation{Name: "x", Created: at.Add(-clockMargin)}, true},
		{"Slack's clock is a little ahead", slack.Conversation{Name: "x", Created: at.Add(10*time.Second + clockMargin)}, true},
		{"before", slack.Conversation{Name: "x", Created: at.Add(-clockMargin - time.Second)}, false},
		{"after", slack.Conversation{Name: "x", Created: at.Add(11*time.Second + clockMargin)}, false},
		{"another name", slack.Conversation{Name: "y", Created: at}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := attempt.made(c.found); got != c.want {
				t.Errorf("made is %v, want %v", got, c.want)
			}
		})
	}
	if (creation{}).made(slack.Conversation{Created: time.Time{}}) {
		t.Error("an attempt that never was has made something")
	}
}

// crowd is a channel of many members, some of whom can't be invited.
type crowd struct {
	slack.API
	members     []string
	uninvitable map[string]bool
	invites     []int
	next        []*slack.Error
}

func (a *crowd) ListMembers(_ context.Context, _, cursor string, limit int) ([]string, string, error) {
	from := 0
	_, _ = fmt.Sscan(cursor, &from)
	to := min(from+limit, len(a.members))
	next := ""
	if to < len(a.members) {
		next = fmt.Sprint(to)
	}
	return a.members[from:to], next, nil
}

func (a *crowd) InviteToConversation(_ context.Context, _ string, users []string) error {
	a.invites = append(a.invites, len(users))
	if len(a.next) > 0 {
		e := a.next[0]
		a.next = a.next[1:]
		return e
	}
	for _, u := range users {
		if a.uninvitable[u] {
			return &slack.Error{Class: slack.ClassUserNotFound, Method: slack.MethodConversationsInvite, Code: "user_not_found"}
		}
	}
	a.members = append(a.members, users...)
	return nil
}

func (a *crowd) RemoveFromConversation(_ context.Context, _, user string) error {
	a.members = slices.DeleteFunc(a.members, func(m string) bool { return m == user })
	return nil
}

// byID finds everybody whose ID is given.
type byID struct{ Directory }

func (byID) FindUser(_ context.Context, _ directory.Workspace, q directory.Query, _ string) (slack.User, error) {
	if strings.HasPrefix(q.User, "lost") {
		return slack.User{}, &directory.NotFoundError{What: "user", Ref: q.User, In: "Acme"}
	}
	return slack.User{ID: q.User}, nil
}

func newCheck(t testing.TB, api slack.API, members int) (*Reconciler, *check) {
	c := claimant("a", "a", 0)
	for i := range members {
		c.Spec.Manage.Members = append(c.Spec.Manage.Members, v1alpha1.Member{User: fmt.Sprintf("U%03d", i)})
	}
	r := &Reconciler{Directory: byID{}, Clock: clocktesting.NewFakePassiveClock(time.Unix(1_700_000_000, 0)),
		Limiter: pacingtest.Watch(t, pacingtest.NoLimits())}
	identity := slack.Identity{TeamID: "T1", BotUserID: "UBOT"}
	k := &check{c: c, conn: &connection.Connection{API: api}, managed: &managed{name: "x"}}
	k.use(identity)
	return r, k
}

func TestManyMembers(t *testing.T) {
	api := &crowd{members: []string{"UBOT", "U000"}, uninvitable: map[string]bool{"U150": true}}
	r, k := newCheck(t, api, 250)
	for i := range 300 {
		api.members = append(api.members, fmt.Sprint("X", i))
	}
	cond, pause := r.keepMembers(t.Context(), k, slack.Conversation{ID: "C1"})
	if pause != nil || cond.Status != metav1.ConditionFalse || cond.Reason != v1alpha1.ReasonInviteFailed || !strings.Contains(cond.Message, `"U150"`) {
		t.Errorf("%+v %+v", cond, pause)
	}
	if got := len(api.members); got != 302+248 {
		t.Errorf("%d members", got)
	}
	// A batch that is refused is invited one by one, after all others.
	if len(api.invites) != 3+100 || api.invites[0] != 100 || api.invites[1] != 100 || api.invites[2] != 49 {
		t.Errorf("%d invites: %v", len(api.invites), api.invites)
	}
}

func TestPrune(t *testing.T) {
	api := &crowd{members: []string{"UBOT", "U000", "X1", "X2"}}
	r, k := newCheck(t, api, 2)
	k.c.Spec.Manage.PruneMembers = true
	k.c.Spec.Manage.Members = append(k.c.Spec.Manage.Members, v1alpha1.Member{User: "lost"})
	cond, _ := r.keepMembers(t.Context(), k, slack.Conversation{ID: "C1"})
	if !slices.Equal(api.members, []string{"UBOT", "U000", "X1", "X2", "U001"}) || !strings.Contains(cond.Message, "nobody is removed") {
		t.Errorf("somebody is removed while somebody is lost: %v, %s", api.members, cond.Message)
	}
	k.c.Spec.Manage.Members = k.c.Spec.Manage.Members[:2]
	if cond, _ = r.keepMembers(t.Context(), k, slack.Conversation{ID: "C1"}); cond.Status != metav1.ConditionTrue {
		t.Errorf("%+v", cond)
	}
	if !slices.Equal(api.members, []string{"UBOT", "U000", "U001"}) {
		t.Error(api.members)
	}
}

// A failure that passes is a wait, and what was done is not done again.
func TestMembersPause(t *testing.T) {
	api := &crowd{members: []string{"UBOT"}, next: []*slack.Error{{Class: slack.ClassRateLimited, Method: slack.MethodConversationsInvite, RetryAfter: 9 * time.Second}}}
	r, k := newCheck(t, api, 3)
	if cond, pause := r.keepMembers(t.Context(), k, slack.Conversation{ID: "C1"}); cond != nil || pause == nil || pause.after < 9*time.Second {
		t.Errorf("%+v %+v", cond, pause)
	}
	if _, pause := r.keepMembers(t.Context(), k, slack.Conversation{ID: "C1"}); pause == nil || !strings.Contains(pause.message, "turn") {
		t.Errorf("Slack's wait is not obeyed: %+v", pause)
	}
	if len(api.invites) != 1 {
		t.Error(api.invites)
	}
}

// Slack that does not answer holds a deletion up for ten minutes and no longer.
func TestDeletionIsHeldUpForAWhile(t *testing.T) {
	scheme := runtime.NewScheme()
	_ = v1alpha1.AddToScheme(scheme)
	_ = corev1.AddToScheme(scheme)
	deleted := time.Unix(1_700_000_000, 0)
	c := claimant("default", "c", time.Hour, func(c *v1alpha1.SlackChannel) {
		c.Finalizers, c.UID = []string{Finalizer}, "c"
		c.DeletionTimestamp = &metav1.Time{Time: deleted}
		c.Spec.Manage.DeletionPolicy, c.Status.Managed = v1alpha1.ChannelArchive, "C1"
		c.Spec.WebAPI.TokenSecretRef.Name = "s"
	})
	store := fake.NewClientBuilder().WithScheme(scheme).WithIndex(&v1alpha1.SlackChannel{}, claimIndex, claimsOf).
		WithObjects(c, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "s"}, Data: map[string][]byte{"token": []byte("xoxb-x")}}).Build()
	allow, err := egress.NewAllowList([]string{"127.0.0.1:1"}) // nothing listens there
	if err != nil {
		t.Fatal(err)
	}
	now := clocktesting.NewFakePassiveClock(deleted)
	recorder := events.NewFakeRecorder(10)
	r := &Reconciler{Client: store, Live: store, Clock: now, Recorder: recorder, Directory: byID{}, Health: &connection.Health{},
		Connections: &connection.Resolver{Versions: store, Secrets: store, Allow: allow, APIURL: "http://127.0.0.1:1/api/"},
		Limiter:     pacingtest.Watch(t, pacingtest.NoLimits())}
	reconcile := func() time.Duration {
		t.Helper()
		stored := &v1alpha1.SlackChannel{}
		if err := store.Get(t.Context(), client.ObjectKeyFromObject(c), stored); err != nil {
			t.Fatal(err)
		}
		result, err := r.finalize(t.Context(), stored)
		if err != nil {
			t.Fatal(err)
		}
		return result.RequeueAfter
	}
	if after := reconcile(); after <= 0 || after > 30*time.Second {
		t.Errorf("tried again after %v", after)
	}
	now.SetTime(deleted.Add(archiveWithin - time.Second))
	if after := reconcile(); after <= 0 || after > time.Second {
		t.Errorf("tried again after %v", after)
	}
	now.SetTime(deleted.Add(archiveWithin))
	if after := reconcile(); after != 0 {
		t.Errorf("tried again after %v", after)
	}
	if err := store.Get(t.Context(), client.ObjectKeyFromObject(c), c); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("it is still there: %v", err)
	}
	if note := <-recorder.Events; !strings.Contains(note, v1alpha1.ReasonChannelNotArchived) {
		t.Error(note)
	}
}

// unending is a channel whose members have no end.
type unending struct {
	slack.API
	pages int
	same  bool // as the cursor before
}

func (u *unending) ListMembers(_ context.Context, _, _ string, limit int) ([]string, string, error) {
	u.pages++
	page := make([]string, limit)
	for i := range page {
		page[i] = fmt.Sprintf("U%08d", u.pages*limit+i)
	}
	if u.same {
		return page, "again", nil
	}
	return page, fmt.Sprint(u.pages), nil
}

// A server that goes on for ever is given up, and asked again later.
func TestMembersWithoutEnd(t *testing.T) {
	for name, api := range map[string]*unending{"new cursors": {}, "the same cursor": {same: true}} {
		r, k := newCheck(t, api, 1)
		cond, pause := r.keepMembers(t.Context(), k, slack.Conversation{ID: "C1"})
		if cond != nil || pause == nil || !strings.Contains(pause.message, "does not end") || k.managed.present != nil {
			t.Errorf("%s: condition %v, pause %+v; want it to be given up", name, cond, pause)
		}
		if most := maxPresent/membersPage + 1; api.pages > most || api.same && api.pages > 2 {
			t.Errorf("%s: %d pages were read", name, api.pages)
		}
	}
}
