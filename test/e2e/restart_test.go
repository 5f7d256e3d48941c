package e2e

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// own gives an object to the operators of the test, which share the cluster
// with the one of all others by --watch-label-selector.
func own(o client.Object) { o.SetLabels(map[string]string{"shard": "own"}) }

// apart is own for an operator that watches all namespaces: by the selector it
// leaves alone what other tests gave to theirs.
func (w *world) apart() (selector string, give func(client.Object)) {
	return "--watch-label-selector=shard=own,world=" + w.ns, func(o client.Object) {
		o.SetLabels(map[string]string{"shard": "own", "world": w.ns})
	}
}

func (w *world) operator(name string) *harness.Operator {
	w.t.Helper()
	o, err := env.StartOperator(w.ctx, name, "--watch-label-selector=shard=own", "--watch-namespaces="+w.ns)
	w.Expect(err).NotTo(gomega.HaveOccurred())
	return o
}

// slackCalls counts the calls about the channels of this test.
func (w *world) slackCalls() int { return w.callsOf("") }

// callsOf counts those of one method.
func (w *world) callsOf(method string) int {
	w.t.Helper()
	var calls slacksim.Calls
	w.Expect(json.Unmarshal(fetch(w.t, env.slack+"/_sim/calls"), &calls)).To(gomega.Succeed())
	count := 0
	for _, c := range calls.Log {
		if strings.Contains(c.Channel, w.team[1:]) && (method == "" || c.Method == method) {
			count++
		}
	}
	return count
}

// A restart with finished notifications makes no Slack call and no write for
// them, and what was not delivered yet is delivered once.
func TestRestart(t *testing.T) {
	w := newWorld(t)
	first := w.operator("restart")
	c := w.webAPI("c", "", func(c *v1alpha1.SlackChannel) { own(c) })
	w.ready(c)
	const finished = 24
	for i := range 4 {
		w.channel(slacksim.Channel{ID: w.id("C", fmt.Sprint("R", i)), Name: fmt.Sprint("r", i), Members: []string{w.id("U", "BOT")}})
	}
	post := func(name string, channel int) *v1alpha1.SlackNotification {
		return w.notify(name, "c", to(room(w.id("C", fmt.Sprint("R", channel)))), func(n *v1alpha1.SlackNotification) { own(n) })
	}
	var list []*v1alpha1.SlackNotification
	for i := range finished {
		list = append(list, post(fmt.Sprint("n", i), i%4))
	}
	for _, n := range list {
		w.becomes(n, delivered())
	}
	first.Stop()
	w.Expect(first.Autopsy(0)).To(gomega.Succeed())
	before := w.slackCalls()
	waiting := post("late", 0)

	second := w.operator("restart-2")
	w.becomes(waiting, delivered())
	// By now every notification has been seen; what is finished is not even queued.
	w.Eventually(func() string { return string(fetch(t, second.Metrics)) }).
		Should(gomega.MatchRegexp(`(?m)^workqueue_depth\{.*name="slacknotification".*\} 0$`))
	w.Expect(string(fetch(t, second.Metrics))).
		To(gomega.MatchRegexp(`(?m)^workqueue_adds_total\{.*name="slacknotification".*\} (1?[0-9]|2[0-3])$`), "the late one alone is queued")
	for _, n := range list {
		version := n.ResourceVersion
		w.Expect(w.see(n)).To(gomega.Equal(delivered()))
		w.Expect(n.ResourceVersion).To(gomega.Equal(version), "%s was written", n.Name)
	}
	calls := w.slackCalls() - before
	w.Expect(calls).To(gomega.BeNumerically("<=", 3), "for the late one: the channel, its history as it is older than the operator, the post")
	second.Stop()
	w.Expect(second.Autopsy(0)).To(gomega.Succeed())
	total := 0
	for i := range 4 {
		total += len(w.messages(w.id("C", fmt.Sprint("R", i))))
	}
	w.Expect(total).To(gomega.Equal(finished + 1))
}

// Killed amid a burst, again and again, it neither loses nor repeats.
func TestKilledAmidABurst(t *testing.T) {
	w := newWorld(t)
	c := w.webAPI("c", "", func(c *v1alpha1.SlackChannel) { own(c) })
	const channels, each, kills = 6, 4, 3
	var list []*v1alpha1.SlackNotification
	for i := range channels {
		id := w.id("C", fmt.Sprint("K", i))
		w.channel(slacksim.Channel{ID: id, Name: fmt.Sprint("k", i), Members: []string{w.id("U", "BOT")}})
	}
	o := w.operator("killed")
	w.ready(c)
	for i := range channels * each {
		list = append(list, w.notify(fmt.Sprint("n", i), "c", to(room(w.id("C", fmt.Sprint("K", i%channels)))), func(n *v1alpha1.SlackNotification) { own(n) }))
	}
	sent := func() int {
		total := 0
		for i := range channels {
			total += len(w.messages(w.id("C", fmt.Sprint("K", i))))
		}
		return total
	}
	for i := range kills {
		w.Eventually(sent).Should(gomega.BeNumerically(">", (i+1)*channels/2))
		o.Kill()
		o = w.operator("killed")
	}
	for _, n := range list {
		w.becomes(n, delivered())
	}
	w.Expect(sent()).To(gomega.Equal(channels * each))
	o.Stop()
	w.Expect(o.Autopsy(0)).To(gomega.Succeed())
}
