package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
	"github.com/slack-notifier/slack-notifier/test/harness"
)

// shards are operators that share a namespace by a label.
type shards struct {
	b         *bench
	ns        string
	operators []*harness.Operator
}

const shardLabel = "shard"

// startShards starts n of them, each with a SlackChannel of its own and all with
// the same app.
func (b *bench) startShards(ns string, n int, flags ...string) (*shards, error) {
	s := &shards{b: b, ns: ns}
	if err := b.prepare(ns); err != nil {
		return nil, err
	}
	for i := range n {
		if err := b.create(&v1alpha1.SlackChannel{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: fmt.Sprint("c", i), Labels: map[string]string{label: ns, shardLabel: fmt.Sprint(i)}},
			Spec:       v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "bot"}}},
		}); err != nil {
			return nil, err
		}
	}
	// That of prepare is nobody's.
	if err := b.env.Client.Delete(b.ctx, &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "c"}}); err != nil {
		return nil, err
	}
	for i := range n {
		all := append([]string{"--watch-namespaces=" + ns, "--zap-log-level=error", fmt.Sprintf("--watch-label-selector=%s=%d", shardLabel, i)}, flags...)
		o, err := b.env.StartOperator(b.ctx, fmt.Sprintf("bench-%s-%d", ns, i), all...)
		if err != nil {
			s.stop()
			return nil, err
		}
		s.operators = append(s.operators, o)
	}
	return s, b.until(func() (bool, error) {
		list := &v1alpha1.SlackChannelList{}
		if err := b.env.Client.List(b.ctx, list, client.InNamespace(ns)); err != nil {
			return false, err
		}
		for i := range list.Items {
			if !isReady(list.Items[i].Status.Conditions) {
				return false, nil
			}
		}
		return true, nil
	})
}

func isReady(conditions []metav1.Condition) bool {
	for _, c := range conditions {
		if c.Type == v1alpha1.ConditionReady {
			return c.Status == metav1.ConditionTrue
		}
	}
	return false
}

func (s *shards) stop() {
	for _, o := range s.operators {
		o.Stop()
	}
}

func (s *shards) cpu() (sum time.Duration) {
	for _, o := range s.operators {
		sum += cpuOf(o.Cmd.Process.Pid)
	}
	return sum
}

func (s *shards) memory() (sum float64) {
	for _, o := range s.operators {
		sum += residentOf(o.Cmd.Process.Pid)
	}
	return sum
}

// flood creates n notifications, each of the next shard.
func (s *shards) flood(n int) error {
	return side(n, 0, func(i int) error {
		shard := i % len(s.operators)
		o := note(s.ns, fmt.Sprint("c", shard), channelID(i%channels), i)
		o.Labels[shardLabel] = strconv.Itoa(shard)
		return s.b.env.Client.Create(s.b.ctx, o)
	})
}

// apiCPU is what kube-apiserver has taken since its start.
func (b *bench) apiCPU() (time.Duration, error) {
	data, err := b.apiMetrics()
	if err != nil {
		return 0, err
	}
	for line := range strings.SplitSeq(string(data), "\n") {
		if text, ok := strings.CutPrefix(line, "process_cpu_seconds_total "); ok {
			seconds, err := strconv.ParseFloat(text, 64)
			return time.Duration(seconds * float64(time.Second)), err
		}
	}
	return 0, fmt.Errorf("kube-apiserver does not tell process_cpu_seconds_total")
}

// stored is the mean size of the finished SlackNotifications of a namespace as
// etcd has them, which is their JSON.
func (b *bench) stored(ns string) (float64, error) {
	list := &v1alpha1.SlackNotificationList{}
	if err := b.env.Client.List(b.ctx, list, client.InNamespace(ns), client.Limit(200)); err != nil {
		return 0, err
	}
	total, n := 0, 0
	for i := range list.Items {
		if list.Items[i].Status.FinishedAt == nil {
			continue
		}
		data, err := json.Marshal(&list.Items[i])
		if err != nil {
			return 0, err
		}
		total, n = total+len(data), n+1
	}
	return float64(total) / float64(max(n, 1)), nil
}

// sharding measures several operators on one control plane: without Slack's
// limits, and at a backlog for one workspace whose limits they share.
func (b *bench) sharding() error {
	b.say("## Shards\n\nOperators with `--watch-label-selector` on one control plane, with which they share the machine's cores.\n")
	n := b.n(2000)
	b.say("%d SlackNotifications, Slack's limits lifted:\n", n)
	b.say("| shards | delivered a second | CPU seconds of all for 1,000 | of kube-apiserver | resident of all, MiB | writes for each | bytes in etcd for each |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
	for _, count := range []int{1, 2, 4} {
		if err := b.shardsUnlimited(count, n); err != nil {
			return err
		}
	}
	n = b.n(1200)
	b.say("\nA backlog for %d channels of one workspace that takes 600 messages a minute, %d messages for one or two operators and twice as many for four:\n", channels, n)
	b.say("| shards | messages a minute | answers 429 | of the posts | in the first minute | after it, of the posts | each has had in half of the time | CPU seconds of all for 1,000 |\n| ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |")
	for _, count := range []int{1, 2, 4} {
		if err := b.shardsLimited(count, n*max(1, count/2)); err != nil {
			return err
		}
	}
	b.say("")
	return b.sharingForHours()
}

// judged is what the tests of sharing say of each row.
var judged = regexp.MustCompile(`([\d.]+) of the limit was used, ([\d.]+) met a 429 .* each has had \[([\d ]+)\]`)

// sharingForHours runs the same in virtual time, for hours.
func (b *bench) sharingForHours() error {
	out, err := exec.CommandContext(b.ctx, "go", "test", "./internal/pacing", "-run", "TestSendersShare", "-count=1", "-v").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	alone, used, met, rows := 1.0, 1.0, 0.0, judged.FindAllStringSubmatch(string(out), -1)
	for _, row := range rows {
		share, errShare := strconv.ParseFloat(row[1], 64)
		part, errPart := strconv.ParseFloat(row[2], 64)
		if err := errors.Join(errShare, errPart); err != nil {
			return err
		}
		if !strings.Contains(row[3], " ") {
			alone = min(alone, share)
			continue
		}
		used, met = min(used, share), max(met, part)
	}
	if len(rows) == 0 {
		return fmt.Errorf("the tests of sharing tell nothing: %s", out)
	}
	b.say("Over hours, in virtual time (`go test ./internal/pacing -run TestSendersShare -v`), the worst of %d cases: one sender alone uses %.3f of the limit, two or four use %.3f, and of their calls %.4f meet a 429.\n", len(rows), alone, used, met)
	b.atLeast("of a limit, used by one sender alone over hours", alone, 0.88)
	b.atLeast("of a limit that several senders share, used over hours", used, 0.9)
	b.atMost("calls of several senders that meet a 429, over hours", met, 0.01)
	return nil
}

func (b *bench) shardsUnlimited(count, n int) error {
	ns := fmt.Sprint("shards-", count)
	s, err := b.startShards(ns, count, "--slack-limits=false")
	if err != nil {
		return err
	}
	defer s.stop()
	writes, err := b.statusWrites()
	if err != nil {
		return err
	}
	api, err := b.apiCPU()
	if err != nil {
		return err
	}
	cpu, begin := s.cpu(), time.Now()
	if err := s.flood(n); err != nil {
		return err
	}
	if err := b.delivered(writes, n); err != nil {
		return err
	}
	took, cpu := time.Since(begin), s.cpu()-cpu
	after, err := b.statusWrites()
	if err != nil {
		return err
	}
	apiAfter, err := b.apiCPU()
	if err != nil {
		return err
	}
	size, err := b.stored(ns)
	each := 1000 / float64(n)
	b.say("| %d | %.0f | %.2f | %.2f | %.0f | %.3f | %.0f |", count, float64(n)/took.Seconds(), cpu.Seconds()*each, (apiAfter-api).Seconds()*each,
		s.memory(), float64(after-writes)/float64(n), size)
	return err
}

func (b *bench) shardsLimited(count, n int) error {
	address, cmd, err := b.env.SpawnSlack()
	if err != nil {
		return err
	}
	defer end(cmd)
	for i := range channels {
		if err := b.post(address, "channels", slacksim.Channel{ID: channelID(i), Name: strings.ToLower(channelID(i)), Members: []string{bot}}); err != nil {
			return err
		}
	}
	ns := fmt.Sprint("shared-", count)
	s, err := b.startShards(ns, count, "--slack-api-url="+address+"/api/", "--allowed-hosts="+strings.TrimPrefix(address, "http://"))
	if err != nil {
		return err
	}
	defer s.stop()
	cpu := s.cpu()
	if err := s.flood(n); err != nil {
		return err
	}
	var list []slacksim.Message
	if err := b.until(func() (bool, error) {
		list, err = b.received(address, ns)
		return len(list) == n, err
	}); err != nil {
		return err
	}
	cpu = s.cpu() - cpu
	calls, _, err := b.calls(address)
	if err != nil {
		return err
	}
	return b.sharingRow(count, list, calls, cpu)
}

// sharingRow tells what has come of a backlog that operators have shared.
func (b *bench) sharingRow(count int, list []slacksim.Message, calls slacksim.Calls, cpu time.Duration) error {
	n := len(list)
	first, last := list[0].ReceivedAt, list[0].ReceivedAt
	for i := range list {
		if at := list[i].ReceivedAt; at.Before(first) {
			first = at
		} else if at.After(last) {
			last = at
		}
	}
	// In half of the time: in the end all have had their own.
	parts := make([]int, count)
	later := 0
	for i := range list {
		number, err := strconv.Atoi(strings.Fields(list[i].Text)[1])
		if err != nil {
			return err
		}
		if list[i].ReceivedAt.Before(first.Add(last.Sub(first) / 2)) {
			parts[number%count]++
		}
		if list[i].ReceivedAt.After(first.Add(time.Minute)) {
			later++
		}
	}
	met, early := calls.Provoked["chat.postMessage"], refusedBefore(calls, first.Add(time.Minute))
	share := float64(met) / float64(n+met)
	shareLater := float64(met-early) / float64(max(1, later+met-early))
	if count > 1 {
		b.atMost(fmt.Sprintf("posts of %d shards that meet a 429, from the first minute on", count), share, 0.01)
		b.atMost(fmt.Sprintf("posts of %d shards that meet a 429, after the first minute", count), shareLater, 0.01)
	}
	b.say("| %d | %.0f | %d | %.2f %% | %d | %.2f %% | %s | %.2f |", count, float64(n)/last.Sub(first).Minutes(), met, 100*share,
		early, 100*shareLater, strings.Trim(fmt.Sprint(parts), "[]"), cpu.Seconds()*1000/float64(n))
	return nil
}

// refusedBefore counts the posts that met a 429 before a time. The log keeps the last
// calls alone, so that what is not in it counts as later.
func refusedBefore(calls slacksim.Calls, end time.Time) (count int) {
	for _, call := range calls.Log {
		if call.Method == "chat.postMessage" && call.Answer == "429" && call.At.Before(end) {
			count++
		}
	}
	return count
}
