// Package incidenttest is an API server in memory for the tests of whoever writes
// incidents.
package incidenttest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	testclock "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// Cluster is an API server in memory with one SlackAlert, and a cache that can lag.
type Cluster struct {
	T     *testing.T
	Ctx   context.Context //nolint:containedctx // the life of the test
	Live  client.WithWatch
	Clock *testclock.FakePassiveClock
	Rule  *v1alpha1.SlackAlert
	// Lag, when set, is what the cache shows.
	Lag *v1alpha1.SlackNotificationList
	// Fail, when set, decides about a write: "create" or "update".
	Fail func(verb string, n client.Object) error
	// Writes of SlackNotifications that were tried.
	Writes int

	uids int
}

// Start is when the made-up time begins.
var Start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// New makes a cluster whose cache has an index of SlackNotifications by their owner.
func New(t *testing.T, index string, owner client.IndexerFunc) *Cluster {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{T: t, Ctx: context.Background(), Clock: testclock.NewFakePassiveClock(Start)}
	c.Rule = &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "r", UID: "rule-uid", Labels: map[string]string{"shard": "a"}}}
	c.Rule.Spec.ChannelRef.Name = "c"
	c.Live = fake.NewClientBuilder().WithScheme(scheme).WithStatusSubresource(&v1alpha1.SlackNotification{}, &v1alpha1.SlackAlert{}).
		WithIndex(&v1alpha1.SlackNotification{}, index, owner).WithInterceptorFuncs(interceptor.Funcs{
		List: func(ctx context.Context, w client.WithWatch, list client.ObjectList, opts ...client.ListOption) error {
			var o client.ListOptions
			o.ApplyOptions(opts)
			if out, ok := list.(*v1alpha1.SlackNotificationList); ok && c.Lag != nil && o.FieldSelector != nil {
				c.Lag.DeepCopyInto(out)
				return nil
			}
			return w.List(ctx, list, opts...)
		},
		Create: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			c.uids++
			o.SetUID(types.UID(fmt.Sprint("uid-", c.uids)))
			return c.write("create", o, func() error { return w.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, w client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return c.write("update", o, func() error { return w.Update(ctx, o, opts...) })
		},
	}).Build()
	return c
}

func (c *Cluster) write(verb string, o client.Object, do func() error) error {
	if _, ok := o.(*v1alpha1.SlackNotification); ok {
		c.Writes++
	}
	if c.Fail != nil {
		if err := c.Fail(verb, o); err != nil {
			return err
		}
	}
	return do()
}

// Freeze has the cache show what there is now, whatever comes.
func (c *Cluster) Freeze() {
	c.T.Helper()
	c.Lag = &v1alpha1.SlackNotificationList{}
	if err := c.Live.List(c.Ctx, c.Lag, client.MatchingLabels{v1alpha1.LabelAlert: "r"}); err != nil {
		c.T.Fatal(err)
	}
}

// Pass lets time go by.
func (c *Cluster) Pass(d time.Duration) { c.Clock.SetTime(c.Clock.Now().Add(d)) }

// List returns the SlackNotifications by their names.
func (c *Cluster) List() []v1alpha1.SlackNotification {
	c.T.Helper()
	list := &v1alpha1.SlackNotificationList{}
	if err := c.Live.List(c.Ctx, list); err != nil {
		c.T.Fatal(err)
	}
	slices.SortFunc(list.Items, func(a, b v1alpha1.SlackNotification) int { return strings.Compare(a.Name, b.Name) })
	return list.Items
}

// Deliver has everything delivered.
func (c *Cluster) Deliver() {
	c.T.Helper()
	for _, n := range c.List() {
		now := metav1.NewTime(c.Clock.Now())
		n.Status.Phase, n.Status.FinishedAt, n.Status.ObservedGeneration = v1alpha1.PhaseDelivered, &now, n.Generation
		if err := c.Live.Status().Update(c.Ctx, &n); err != nil {
			c.T.Fatal(err)
		}
	}
}

// QuotaWords are those of an API server that refuses by a quota.
const QuotaWords = `exceeded quota: q, requested: count/slacknotifications.slack.notify.dev=1, used: count/slacknotifications.slack.notify.dev=5, limited: count/slacknotifications.slack.notify.dev=5`

// ByQuota refuses to create what matches.
func ByQuota(matches func(client.Object) bool) func(string, client.Object) error {
	return func(verb string, o client.Object) error {
		if verb == "create" && matches(o) {
			return apierrors.NewForbidden(v1alpha1.GroupVersion.WithResource("slacknotifications").GroupResource(), o.GetName(), errors.New(QuotaWords))
		}
		return nil
	}
}
