package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

const (
	token = slacksim.DemoToken
	bot   = slacksim.DemoBotUser
	// channels that the messages are spread over.
	channels = 500
	creators = 8
	// label tells whose objects they are.
	label = "bench"
)

type bench struct {
	report
	ctx    context.Context //nolint:containedctx // the life of the command
	env    *harness.Env
	scale  float64
	seeded bool
	// program is another build than this one's, when set.
	program *harness.Program
}

func (b *bench) n(full int) int { return max(int(float64(full)*b.scale), 20) }

func (b *bench) post(slack, path string, body any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	resp, err := http.Post(slack+"/_sim/"+path, "application/json", bytes.NewReader(data)) //nolint:noctx // loopback
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

func channelID(i int) string { return fmt.Sprintf("C0BENCH%03d", i) }

// prepare makes a namespace with a SlackChannel, and the channels.
func (b *bench) prepare(ns string) error {
	if !b.seeded {
		for i := range channels {
			if err := b.post(b.env.Slack, "channels", slacksim.Channel{ID: channelID(i), Name: strings.ToLower(channelID(i)), Members: []string{bot}}); err != nil {
				return err
			}
		}
		b.seeded = true
	}
	return b.create(
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bot"}, StringData: map[string]string{"token": token}},
		&v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "c", Labels: map[string]string{label: ns}}, Spec: v1alpha1.SlackChannelSpec{
			WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "bot"}}}},
	)
}

func (b *bench) create(objects ...client.Object) error {
	for _, o := range objects {
		if err := b.env.Client.Create(b.ctx, o); err != nil {
			return err
		}
	}
	return nil
}

// operator starts one for a namespace and waits for its SlackChannels.
func (b *bench) operator(ns string, flags ...string) (*harness.Operator, error) {
	flags = append([]string{"--watch-namespaces=" + ns, "--zap-log-level=error"}, flags...)
	start := b.env.StartOperator
	if b.program != nil {
		start = func(ctx context.Context, name string, flags ...string) (*harness.Operator, error) {
			return b.env.StartProgram(ctx, *b.program, name, flags...)
		}
	}
	o, err := start(b.ctx, "bench-"+ns, flags...)
	if err != nil {
		return nil, err
	}
	return o, b.allReady(ns)
}

// allReady waits for the SlackChannels of a namespace.
func (b *bench) allReady(ns string) error {
	return b.until(func() (bool, error) {
		list := &v1alpha1.SlackChannelList{}
		if err := b.env.Client.List(b.ctx, list, client.InNamespace(ns)); err != nil {
			return false, err
		}
		for i := range list.Items {
			ready := slices.ContainsFunc(list.Items[i].Status.Conditions, func(c metav1.Condition) bool {
				return c.Type == v1alpha1.ConditionReady && c.Status == metav1.ConditionTrue
			})
			if !ready {
				return false, nil
			}
		}
		return true, nil
	})
}

// until waits for a condition, looking every 100 ms: what is looked at, as
// kube-apiserver's metrics are, takes of the cores that the measured ones need.
func (b *bench) until(done func() (bool, error)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	deadline := time.Now().Add(20 * time.Minute)
	for {
		if ok, err := done(); ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("it did not come to an end")
		}
		select {
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-tick.C:
		}
	}
}

// note is the notification number i; its text tells when it was created.
func note(ns, channelRef, recipient string, i int) *v1alpha1.SlackNotification {
	n := &v1alpha1.SlackNotification{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprintf("n%06d", i), Labels: map[string]string{label: ns}}}
	n.Spec.ChannelRef.Name = channelRef
	if recipient != "" {
		n.Spec.Recipients = []v1alpha1.Recipient{{Channel: recipient}}
	}
	n.Spec.Text = fmt.Sprintf("%s %06d %d", ns, i, time.Now().UnixNano())
	return n
}

// flood creates n notifications as fast as it goes, or at a rate for each second.
func (b *bench) flood(ns string, n int, perSecond float64) error {
	return side(n, perSecond, func(i int) error {
		return b.env.Client.Create(b.ctx, note(ns, "c", channelID(i%channels), i))
	})
}

// side does something n times, side by side, as fast as it goes, or at a rate for each
// second. It returns the first error.
func side(n int, perSecond float64, do func(i int) error) error {
	var group sync.WaitGroup
	work := make(chan int)
	errs := make(chan error, n)
	for range creators {
		group.Go(func() {
			for i := range work {
				errs <- do(i)
			}
		})
	}
	begin := time.Now()
	for i := range n {
		if perSecond > 0 {
			time.Sleep(time.Until(begin.Add(time.Duration(float64(i) / perSecond * float64(time.Second)))))
		}
		work <- i
	}
	close(work)
	group.Wait()
	close(errs)
	for err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// receivedAll are the messages that Slack has taken.
func (b *bench) receivedAll() ([]slacksim.Message, error) { return messagesOf(b.env.Slack) }

func messagesOf(slack string) ([]slacksim.Message, error) {
	data, err := harness.Fetch(slack + "/_sim/messages")
	if err != nil {
		return nil, err
	}
	var list []slacksim.Message
	return list, json.Unmarshal(data, &list)
}

// received are the messages of a namespace that a Slack has taken.
func (b *bench) received(slack, ns string) ([]slacksim.Message, error) {
	list, err := messagesOf(slack)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(list, func(m slacksim.Message) bool { return !strings.HasPrefix(m.Text, ns+" ") }), nil
}

func (b *bench) calls(slack string) (slacksim.Calls, int, error) {
	var calls slacksim.Calls
	data, err := harness.Fetch(slack + "/_sim/calls")
	if err != nil {
		return calls, 0, err
	}
	if err := json.Unmarshal(data, &calls); err != nil {
		return calls, 0, err
	}
	total := 0
	for method := range calls.Counts {
		total += calls.Count(method)
	}
	return calls, total, nil
}

func (b *bench) apiMetrics() ([]byte, error) {
	web, err := rest.HTTPClientFor(b.env.Cluster.AdminConfig())
	if err != nil {
		return nil, err
	}
	defer web.CloseIdleConnections()
	req, err := http.NewRequestWithContext(b.ctx, http.MethodGet, b.env.Cluster.AdminConfig().Host+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	resp, err := web.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return io.ReadAll(resp.Body)
}

// delivered waits until so many status writes have been taken since before.
func (b *bench) delivered(before, n int) error {
	return b.until(func() (bool, error) {
		now, err := b.statusWrites()
		return now-before >= n, err
	})
}

// quantile of sorted values.
func quantile(values []time.Duration, q float64) time.Duration {
	if len(values) == 0 {
		return 0
	}
	return values[min(len(values)-1, int(math.Ceil(q*float64(len(values))))-1)]
}

// latencies from the creation, which the text tells, to Slack.
func latencies(list []slacksim.Message) []time.Duration {
	out := make([]time.Duration, 0, len(list))
	for i := range list {
		fields := strings.Fields(list[i].Text)
		if nanos, err := strconv.ParseInt(fields[len(fields)-1], 10, 64); err == nil {
			out = append(out, list[i].ReceivedAt.Sub(time.Unix(0, nanos)))
		}
	}
	slices.Sort(out)
	return out
}
