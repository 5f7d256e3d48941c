package chaos

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// story is a message that is edited, one that is posted anew, a reply to the
// first, and one that is deleted.
type story struct{ edited, reposted, reply, deleted *v1alpha1.SlackNotification }

func (s *scene) story(i int) *story {
	make := func(name string, change func(*v1alpha1.SlackNotificationSpec)) *v1alpha1.SlackNotification {
		n := &v1alpha1.SlackNotification{ObjectMeta: s.meta(fmt.Sprintf("%s%04d", name, i))}
		n.Spec.ChannelRef.Name = s.places[i%len(s.places)]
		n.Spec.Text = fmt.Sprintf("%s %s %04d first", s.name, name, i)
		if change != nil {
			change(&n.Spec)
		}
		return n
	}
	out := &story{
		edited:   make("edited", nil),
		reposted: make("reposted", func(n *v1alpha1.SlackNotificationSpec) { n.UpdatePolicy = v1alpha1.UpdateRepost }),
		reply: make("reply", func(n *v1alpha1.SlackNotificationSpec) {
			n.Thread = &v1alpha1.Thread{NotificationRef: &v1alpha1.NotificationReference{Name: fmt.Sprintf("edited%04d", i)}}
		}),
		deleted: make("deleted", func(n *v1alpha1.SlackNotificationSpec) { n.DeletionPolicy = v1alpha1.DeletionDelete }),
	}
	for _, n := range []*v1alpha1.SlackNotification{out.reply, out.edited, out.reposted, out.deleted} {
		s.must(insist(s.t.Context(), func() error { return client.IgnoreAlreadyExists(env.Client.Create(s.t.Context(), n.DeepCopy())) }))
	}
	return out
}

// goOn changes and deletes what has been delivered, and reports whether all was.
func (s *scene) goOn(list []*story) bool {
	ctx, done := s.t.Context(), true
	for _, one := range list {
		for _, n := range []*v1alpha1.SlackNotification{one.edited, one.reposted, one.deleted} {
			now := &v1alpha1.SlackNotification{}
			err := env.Client.Get(ctx, client.ObjectKeyFromObject(n), now)
			if client.IgnoreNotFound(err) != nil {
				done = false
				continue
			}
			switch {
			case err != nil || strings.HasSuffix(now.Spec.Text, "second") || !now.DeletionTimestamp.IsZero():
			case now.Status.Phase != v1alpha1.PhaseDelivered:
				done = false
			case n == one.deleted:
				s.must(client.IgnoreNotFound(env.Client.Delete(ctx, now)))
			default:
				now.Spec.Text = strings.TrimSuffix(now.Spec.Text, "first") + "second"
				_ = env.Client.Update(ctx, now) // a conflict is tried again
				done = false
			}
		}
	}
	return done
}

// tell counts what is missing and what is too much at the end of the stories.
func (s *scene) tell(list []*story) row {
	data, err := harness.Fetch(env.Slack + "/_sim/messages")
	s.must(err)
	var messages []slacksim.Message
	s.must(json.Unmarshal(data, &messages))
	count, threads := map[string]int{}, map[string]string{}
	for _, m := range messages {
		count[m.Text]++
		threads[m.Text] = m.ThreadTS
	}
	r := row{messages: 4 * len(list)}
	expect := func(text string, want int) {
		if count[text] != want {
			s.t.Logf("%q: %d, not %d", text, count[text], want)
		}
		r.lost += max(want-count[text], 0)
		r.doubled += max(count[text]-want, 0)
	}
	for _, one := range list {
		first, second := one.edited.Spec.Text, strings.TrimSuffix(one.edited.Spec.Text, "first")+"second"
		expect(first, 0)
		expect(second, 1)
		expect(one.reposted.Spec.Text, 1)
		expect(strings.TrimSuffix(one.reposted.Spec.Text, "first")+"second", 1)
		expect(one.reply.Spec.Text, 1)
		expect(one.deleted.Spec.Text, 0)
		if threads[one.reply.Spec.Text] == "" {
			s.t.Errorf("%s is not in its thread", one.reply.Name)
		}
	}
	return s.enter(r)
}

// Killed between any two steps of an edit, a repost, a reply or a deletion, the
// operator loses nothing and does nothing twice.
func TestKilledAmidEdits(t *testing.T) {
	t.Parallel()
	s := stage(t, "life", "edits, reposts, replies, deletions: killed amid 20 % faults", pick(3, 6))
	o := s.operator()
	s.ready()
	s.errors20()
	for _, method := range []string{"chat.update", "chat.delete"} {
		s.fault(slacksim.Fault{Method: method, Kind: "http", Status: 500, Times: -1, Probability: 0.1})
		s.fault(slacksim.Fault{Method: method, Kind: "close_after", Times: -1, Probability: 0.11})
	}
	var list []*story
	for i := range pick(4, 40) {
		for j := range 2 {
			list = append(list, s.story(2*i+j))
		}
		for range 3 {
			s.pause(0, pick(2*time.Second, 3*time.Second))
			s.goOn(list)
		}
		o.Kill()
		s.kills++
		o = s.operator()
	}
	s.mend()
	s.Eventually(func() bool { return s.goOn(list) }).Should(gomega.BeTrue())
	s.Eventually(func() (open []string) {
		all := &v1alpha1.SlackNotificationList{}
		s.must(env.Client.List(t.Context(), all, client.InNamespace(s.name)))
		for i := range all.Items {
			if n := &all.Items[i]; n.Status.Phase != v1alpha1.PhaseDelivered || n.Status.ObservedGeneration != n.Generation || !n.DeletionTimestamp.IsZero() {
				open = append(open, n.Name+" "+string(n.Status.Phase))
			}
		}
		return open
	}).Should(gomega.BeEmpty())
	o.Stop()
	s.must(o.Autopsy(0))
	s.exactly(s.tell(list))
}
