package main

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/devcluster"
)

// deployment as clusters have them: with what kubectl and the API server add,
// it is some 5 KiB of JSON.
func deployment(ns, name string) *appsv1.Deployment {
	pod := map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/part-of": "shop"}
	var settings []corev1.EnvVar
	for i := range 12 {
		settings = append(settings, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%02d", i), Value: "https://service.example.com/a/path"})
	}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name, Labels: pod, Annotations: map[string]string{
		"kubectl.kubernetes.io/last-applied-configuration": strings.Repeat(`{"apiVersion":"apps/v1","kind":"Deployment"}`, 40),
		"at": strconv.FormatInt(time.Now().UnixNano(), 10),
	}}}
	d.Spec.Selector = &metav1.LabelSelector{MatchLabels: pod}
	d.Spec.Template = corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: pod}, Spec: corev1.PodSpec{
		Containers: []corev1.Container{{Name: "web", Image: "registry/web:1", Env: settings}, {Name: "sidecar", Image: "registry/sidecar:1", Env: settings}},
	}}
	return d
}

// alert makes a rule for the channel number 0.
func (b *bench) alert(ns, name string, source v1alpha1.AlertSource, title string) error {
	a := &v1alpha1.SlackAlert{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	a.Spec.ChannelRef.Name, a.Spec.Source, a.Spec.MaxIncidents = "c", source, 1000
	a.Spec.Recipients = []v1alpha1.Recipient{{Channel: channelID(0)}}
	a.Spec.Message = &v1alpha1.AlertMessage{Title: title}
	return b.rule(a)
}

// rule makes a SlackAlert and waits until it is Ready.
func (b *bench) rule(a *v1alpha1.SlackAlert) error {
	if err := b.create(a); err != nil {
		return err
	}
	return b.until(func() (bool, error) {
		err := b.env.Client.Get(b.ctx, client.ObjectKeyFromObject(a), a)
		return isReady(a.Status.Conditions), err
	})
}

func deploymentsWhen(when string) v1alpha1.AlertSource {
	return v1alpha1.AlertSource{Objects: &v1alpha1.ObjectsSource{APIVersion: "apps/v1", Kind: "Deployment", When: when}}
}

// watched measures what watched objects take of memory.
func (b *bench) watched() error {
	const ns = "watched"
	n := b.n(10000)
	if err := b.prepare(ns); err != nil {
		return err
	}
	o, err := b.operator(ns)
	if err != nil {
		return err
	}
	defer o.Stop()
	if err := b.each(n, func(i int) error { return b.env.Client.Create(b.ctx, deployment(ns, fmt.Sprintf("web-%05d", i))) }); err != nil {
		return err
	}
	time.Sleep(3 * time.Second)
	idle := residentOf(o.Cmd.Process.Pid)
	never := "object.status.?conditions.orValue([]).exists(c, c.type == 'Available' && c.status == 'False')"
	if err := b.alert(ns, "one", deploymentsWhen(never), "x"); err != nil {
		return err
	}
	time.Sleep(10 * time.Second)
	one := residentOf(o.Cmd.Process.Pid)
	for i := range 9 {
		if err := b.alert(ns, fmt.Sprint("more-", i), deploymentsWhen(never), "x"); err != nil {
			return err
		}
	}
	time.Sleep(10 * time.Second)
	ten := residentOf(o.Cmd.Process.Pid)
	b.say("## Watched objects\n\n%d Deployments. Resident: %.0f MiB with no rule, %.0f MiB with one rule that watches them (%.1f KiB for each), %.0f MiB with ten.\n",
		n, idle, one, (one-idle)*1024/float64(n), ten)
	return nil
}

// each calls f for 0 to n-1, some at once.
func (b *bench) each(n int, f func(i int) error) error {
	var group sync.WaitGroup
	errs := make(chan error, creators)
	for worker := range creators {
		group.Go(func() {
			for i := worker; i < n; i += creators {
				if err := f(i); err != nil {
					errs <- err
					return
				}
			}
		})
	}
	group.Wait()
	close(errs)
	return <-errs
}

// stamped finds the time that a title tells.
var stamped = regexp.MustCompile(`\b\d{19}\b`)

// alerts measures from what happens in the cluster to the message at Slack.
func (b *bench) alerts() error {
	const ns, rate = "alerts", 20
	n := min(b.n(600), 900)
	if err := b.prepare(ns); err != nil {
		return err
	}
	port, err := devcluster.FreePort()
	if err != nil {
		return err
	}
	intake := fmt.Sprintf("127.0.0.1:%d", port)
	o, err := b.operator(ns, "--slack-limits=false", "--intake-bind-address="+intake)
	if err != nil {
		return err
	}
	defer o.Stop()
	if err := b.alert(ns, "objects", deploymentsWhen("true"), `objects {{ index .annotations "at" }}`); err != nil {
		return err
	}
	if err := b.alert(ns, "events", v1alpha1.AlertSource{Events: &v1alpha1.EventsSource{}}, "events {{ .event.message }}"); err != nil {
		return err
	}
	if err := b.alert(ns, "posts", v1alpha1.AlertSource{Alertmanager: &v1alpha1.AlertmanagerSource{}}, "posts {{ .annotations.at }}"); err != nil {
		return err
	}
	posts, err := b.newPoster(ns, "posts", intake)
	if err != nil {
		return err
	}
	begin := time.Now()
	for i := range n {
		time.Sleep(time.Until(begin.Add(time.Duration(float64(i) / rate * float64(time.Second)))))
		if err := b.create(deployment(ns, fmt.Sprint("web-", i)), eventAbout(ns, fmt.Sprint("pod-", i))); err != nil {
			return err
		}
		if err := posts.post(b, i); err != nil {
			return err
		}
	}
	took := map[string][]time.Duration{}
	err = b.until(func() (bool, error) {
		took, err = b.tookOf(n)
		return len(took["objects"]) >= n && len(took["events"]) >= n && len(took["posts"]) >= n, err
	})
	if err != nil {
		return err
	}
	b.say("## Alerts\n\nFrom what happens in the cluster to the message at Slack, %d of each a second, %d of each.\n", rate, n)
	b.say("| | an object | an Event | a post of Alertmanager's |\n| --- | ---: | ---: | ---: |")
	for _, q := range []float64{0.5, 0.9, 0.99} {
		b.say("| p%.0f | %.1f ms | %.1f ms | %.1f ms |", q*100,
			millis(quantile(took["objects"], q)), millis(quantile(took["events"], q)), millis(quantile(took["posts"], q)))
	}
	b.say("")
	return nil
}

func eventAbout(ns, pod string) *corev1.Event {
	return &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: pod}, Type: "Warning", Reason: "BackOff", Count: 1,
		Message:        strconv.FormatInt(time.Now().UnixNano(), 10),
		InvolvedObject: corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: ns, Name: pod}, LastTimestamp: metav1.Now(),
	}
}

// tookOf are the latencies of the messages of alerts, by source.
func (b *bench) tookOf(n int) (map[string][]time.Duration, error) {
	list, err := b.receivedAll()
	if err != nil {
		return nil, err
	}
	out := map[string][]time.Duration{}
	for i := range list {
		stamp := stamped.FindString(list[i].Text)
		nanos, err := strconv.ParseInt(stamp, 10, 64)
		if err != nil {
			continue
		}
		for _, source := range []string{"objects", "events", "posts"} {
			if strings.Contains(list[i].Text, source+" "+stamp) {
				out[source] = append(out[source], list[i].ReceivedAt.Sub(time.Unix(0, nanos)))
			}
		}
	}
	for _, values := range out {
		slices.Sort(values)
	}
	if len(out["objects"]) > n {
		return nil, fmt.Errorf("%d messages of %d objects", len(out["objects"]), n)
	}
	return out, nil
}
