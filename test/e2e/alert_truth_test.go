package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/onsi/gomega"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
)

// desk is a rule that takes posts, and who posts.
type desk struct {
	*intakeWorld
	rule  *v1alpha1.SlackAlert
	token string
}

// desk starts an operator with a rule that takes posts.
func (w *world) desk(changes ...func(*v1alpha1.SlackAlert)) *desk {
	w.t.Helper()
	w.webAPI("c", "#alerts", func(c *v1alpha1.SlackChannel) { own(c) })
	d := &desk{intakeWorld: w.intake(), token: w.tokenOf(w.poster("alertmanager"))}
	d.another("am", changes...)
	return d
}

// another makes a further rule, to which is posted from now on.
func (d *desk) another(name string, changes ...func(*v1alpha1.SlackAlert)) {
	d.t.Helper()
	spec := v1alpha1.SlackAlertSpec{Source: v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}}
	d.rule = d.world.rule(name, spec, append(changes, func(a *v1alpha1.SlackAlert) { own(a) })...)
	d.becomes(d.rule, current("", v1alpha1.ReasonListening))
}

// take posts a body that must be taken.
func (d *desk) take(body io.Reader) {
	d.t.Helper()
	d.Expect(d.post(d.rule.Status.Address, d.token, body)).To(code(200))
}

// firing is the count in the rule's status.
func (d *desk) firing() int32 { d.see(d.rule); return d.rule.Status.Firing }

// wire is a post as an Alertmanager writes it, by default with the group key that
// all clusters with one configuration have.
type wire map[string]any

func (p wire) body() io.Reader {
	full := map[string]any{"version": "4", "groupKey": `{}:{alertname="DiskFull"}`, "receiver": "slack"}
	for key, value := range p {
		full[key] = value
	}
	data, err := json.Marshal(full)
	if err != nil {
		panic(err)
	}
	return strings.NewReader(string(data))
}

// disk is an alert that fires since 10:00, or is over at 10:10.
func disk(fingerprint, status string, labels ...string) map[string]any {
	all := map[string]string{"alertname": "DiskFull"}
	for i := 0; i < len(labels); i += 2 {
		all[labels[i]] = labels[i+1]
	}
	a := map[string]any{"status": status, "labels": all, "startsAt": "2025-01-10T10:00:00Z", "fingerprint": fingerprint}
	if status == "resolved" {
		a["endsAt"] = "2025-01-10T10:10:00Z"
	}
	return a
}

// One Alertmanager's all-clear ends no alert of another one, though they post the
// same group key; that of its peer does.
func TestAlertsOfSeveralAlertmanagers(t *testing.T) {
	w := newWorld(t)
	d := w.desk()
	for name, groupBy := range map[string][]string{"alertmanager's groups": nil, "groups of the rule": {"labels.alertname"}, "one for each": {"alert.fingerprint"}} {
		short := strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(name), " ", "-"), "'", "")
		d.another(short, func(a *v1alpha1.SlackAlert) { a.Spec.GroupBy = groupBy })
		from := func(url, status string, alerts ...any) {
			d.take(wire{"externalURL": url, "status": status, "alerts": alerts}.body())
		}
		const east, west = "https://am.east.example.com", "https://am.west.example.com"
		from(east, "firing", disk("e1", "firing", "cluster", "east"))
		from(west, "firing", disk("w1", "firing", "cluster", "west"), disk("w2", "firing", "cluster", "west"))
		// w2 was silenced, so that nobody will tell of its end.
		from(west, "resolved", disk("w1", "resolved", "cluster", "west"))
		w.Expect(w.open(d.rule)).To(gomega.Equal([]string{"[FIRING] DiskFull"}), name)
		w.Eventually(d.firing).Should(gomega.Equal(int32(1)), name)
		open := w.made(d.rule)
		for _, n := range open {
			if strings.HasPrefix(n.Spec.Title, "[FIRING]") {
				w.Expect(n.Spec.Fields).To(gomega.ContainElement(v1alpha1.Field{Title: "cluster", Value: "east", Short: true}), name)
			}
		}
		// The peer of east tells of its end.
		from("http://east-2:9093", "resolved", disk("e1", "resolved", "cluster", "east"))
		w.Expect(w.open(d.rule)).To(gomega.BeEmpty(), name)
		w.Eventually(d.firing).Should(gomega.BeZero(), name)
		// Late posts open nothing.
		from(east, "firing", disk("e1", "firing", "cluster", "east"))
		from(west, "firing", disk("w1", "firing", "cluster", "west"))
		w.Expect(w.open(d.rule)).To(gomega.BeEmpty(), name)
	}
}

// What is left out of a post is no all-clear, and of a long one nothing that
// fires is left out.
func TestAlertsOfCutPosts(t *testing.T) {
	w := newWorld(t)
	d := w.desk()
	many := func(firing int) (out []any) {
		for i := range 250 {
			status := "resolved"
			if i >= 250-firing {
				status = "firing"
			}
			out = append(out, disk(fmt.Sprint("f", i), status, "pod", fmt.Sprint(i)))
		}
		return out
	}
	d.take(wire{"status": "firing", "alerts": many(50)}.body())
	w.Expect(w.open(d.rule)).To(gomega.Equal([]string{"[FIRING:50] DiskFull"}))
	d.take(wire{"status": "resolved", "alerts": many(0)}.body())
	w.Expect(w.open(d.rule)).To(gomega.BeEmpty())

	d.another("cut")
	three := func(status string) []any { return []any{disk("a", status), disk("b", status), disk("c", status)} }
	d.take(wire{"status": "firing", "alerts": three("firing")}.body())
	d.take(wire{"status": "firing", "truncatedAlerts": 40, "alerts": three("resolved")}.body())
	w.Expect(w.open(d.rule)).To(gomega.Equal([]string{"[FIRING:40] DiskFull"}))
	w.Expect(w.made(d.rule)[0].Spec.Text).To(gomega.ContainSubstring("40 more that the post left out"))
	d.take(wire{"status": "resolved", "alerts": three("resolved")}.body())
	w.Expect(w.open(d.rule)).To(gomega.BeEmpty())
}

// large is a post of so many alerts with 700 bytes of labels each; its group is
// named at the end, as Alertmanager does.
func large(n int, status, group string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `{"receiver":"slack","status":%q,"alerts":[`, status)
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"status":%q,"labels":{"alertname":"DiskFull","severity":"critical","pod":"web-%d","path":%q},"startsAt":"2025-01-10T10:00:00Z","endsAt":%q,"fingerprint":"%s-%06d"}`,
			status, i, strings.Repeat("x", 620), map[string]string{"firing": "0001-01-01T00:00:00Z", "resolved": "2025-01-10T10:10:00Z"}[status], group, i)
	}
	fmt.Fprintf(&b, `],"groupLabels":{"alertname":"DiskFull"},"externalURL":"https://am.example.com","version":"4","groupKey":"{}:{group=%s}","truncatedAlerts":0}`, group)
	return b.String()
}

// A post that is larger than others may be is told, many at once as well; one that
// is too large even so is told by the rule.
func TestAlertsOfLargePosts(t *testing.T) {
	w := newWorld(t)
	d := w.desk()
	post := large(2000, "firing", "one")
	w.Expect(len(post)).To(gomega.BeNumerically(">", 3<<19))
	d.take(text(post))
	w.Expect(w.open(d.rule)).To(gomega.Equal([]string{"[FIRING:2000] DiskFull"}))
	w.Expect(w.made(d.rule)[0].Spec.Severity).To(gomega.Equal(v1alpha1.SeverityCritical))
	d.take(text(large(2000, "resolved", "one")))
	w.Expect(w.open(d.rule)).To(gomega.BeEmpty())

	// Many at once take turns: who finds no place is asked to come again.
	var posts sync.WaitGroup
	for i := range 8 {
		posts.Go(func() {
			body := large(3000, "firing", fmt.Sprint("many-", i))
			w.Eventually(func() int { return d.post(d.rule.Status.Address, d.token, text(body)).Code }, 5*time.Minute).Should(gomega.Equal(200))
		})
	}
	posts.Wait()
	w.Expect(w.open(d.rule)).To(gomega.HaveLen(8))
	w.Expect(w.open(d.rule)[0]).To(gomega.Equal("[FIRING:3000] DiskFull"))
	t.Logf("the operator took %d MiB at most", d.peak())

	d.another("endless")
	head := post[:strings.LastIndex(post, `],"groupLabels"`)] + "," + strings.Repeat(" ", 100)
	got := d.post(d.rule.Status.Address, d.token, &endless{head: head, fill: ' ', left: 40 << 20})
	w.Expect(got).To(code(413))
	w.Expect(got.Body).To(gomega.ContainSubstring("larger than 32 MiB and was not read to its end, which is told by SlackAlert"))
	w.Expect(w.open(d.rule)).To(gomega.Equal([]string{"[FIRING] A post of alerts was too large to be read"}))
	w.becomes(d.rule, stalled("", v1alpha1.ReasonPostTooLarge))
	w.Expect(w.message(d.rule)).To(gomega.ContainSubstring("group_by"))
	w.Eventually(func() []string { return w.texts(w.id("C", "ALERTS")) }, time.Minute).Should(gomega.ContainElement(gomega.ContainSubstring("too large to be read")))
}

// With resolveAfter nothing is open for ever, and the message says that it is
// over for want of news alone.
func TestAlertsWithoutNews(t *testing.T) {
	w := newWorld(t)
	refused := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: w.ns, Name: "refused"}, Spec: objectsOf("apps/v1", "Deployment", "true")}
	refused.Spec.ChannelRef.Name = "c"
	refused.Spec.ResolveAfter = &metav1.Duration{Duration: time.Hour}
	w.Expect(env.client.Create(w.ctx, refused)).To(gomega.MatchError(gomega.ContainSubstring("resolveAfter is not for source.objects")))

	d := w.desk(func(a *v1alpha1.SlackAlert) {
		a.Spec.ResolveAfter = &metav1.Duration{Duration: 6 * time.Second}
		a.Spec.MaxIncidents = 3
		a.Spec.OnResolve = v1alpha1.ResolveEditAndReply
	})
	tell := func(groups ...string) {
		for _, g := range groups {
			d.take(wire{"groupKey": g, "status": "firing", "externalURL": "http://am-1:9093", "alerts": []any{disk(g, "firing", "pod", g)}}.body())
		}
	}
	tell("a", "b", "c", "d", "e")
	w.Expect(w.open(d.rule)).To(gomega.HaveLen(4)) // with what is rolled up
	w.Eventually(d.firing).Should(gomega.Equal(int32(5)))
	// One is told of all the time.
	told := func() []string {
		tell("a")
		return w.open(d.rule)
	}
	w.Eventually(told, time.Minute, "500ms").Should(gomega.Equal([]string{"[FIRING] DiskFull"}))
	w.Consistently(told, "8s", "500ms").Should(gomega.Equal([]string{"[FIRING] DiskFull"}))
	over := 0
	for _, n := range w.made(d.rule) {
		if n.Spec.Title == "[RESOLVED: no news] DiskFull" {
			over++
			w.Expect(n.Spec.Text).To(gomega.ContainSubstring("No post has told of it for 6s (resolveAfter)"))
		}
		if n.Spec.Thread != nil {
			w.Expect(n.Spec.Text).To(gomega.MatchRegexp("(?i)nothing has said that (it is|these are) over"))
		}
	}
	w.Expect(over).To(gomega.Equal(2))
	// What is told of again fires again.
	w.Eventually(func() []string {
		tell("a", "b")
		return w.open(d.rule)
	}).Should(gomega.HaveLen(2))
	w.Eventually(func() []string { return w.open(d.rule) }, time.Minute).Should(gomega.BeEmpty())
	w.Eventually(d.firing).Should(gomega.BeZero())
}
