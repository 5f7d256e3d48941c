package main

import (
	"fmt"
	"os"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// cost of delivering a number of messages.
type cost struct {
	took, cpu     time.Duration
	writes, calls int
	n             int
	// waits counts how often the intake had a sender wait.
	waits int
}

func (c cost) rate() float64    { return float64(c.n) / c.took.Seconds() }
func (c cost) per1000() float64 { return c.cpu.Seconds() * 1000 / float64(c.n) }

// measure floods a namespace that a process looks after.
func (b *bench) measure(ns string, pid, n int, perSecond float64) (cost, error) {
	writes, err := b.statusWrites()
	if err != nil {
		return cost{}, err
	}
	_, calls, err := b.calls(b.env.Slack)
	if err != nil {
		return cost{}, err
	}
	cpu, begin := cpuOf(pid), time.Now()
	if err := b.flood(ns, n, perSecond); err != nil {
		return cost{}, err
	}
	if err := b.delivered(writes, n); err != nil {
		return cost{}, err
	}
	c := cost{took: time.Since(begin), cpu: cpuOf(pid) - cpu, n: n}
	after, err := b.statusWrites()
	if err != nil {
		return cost{}, err
	}
	_, callsAfter, err := b.calls(b.env.Slack)
	c.writes, c.calls = after-writes, callsAfter-calls
	return c, err
}

// rawCost is the bare client's.
func (b *bench) rawCost(ns string, n int, perSecond float64) (cost, error) {
	if err := b.prepare(ns); err != nil {
		return cost{}, err
	}
	cmd, err := b.startRaw(ns)
	if err != nil {
		return cost{}, err
	}
	defer end(cmd)
	return b.measure(ns, cmd.Process.Pid, n, perSecond)
}

// operatorCost is the operator's, with its channels known beforehand, as they
// are in one that has been running.
func (b *bench) operatorCost(ns string, n int, perSecond float64) (cost, error) {
	if err := b.prepare(ns); err != nil {
		return cost{}, err
	}
	flags := []string{"--slack-limits=false"}
	profile := os.Getenv("BENCH_PROFILE")
	if profile != "" {
		flags = append(flags, "--pprof-bind-address="+profileAddress)
	}
	o, err := b.operator(ns, flags...)
	if err != nil {
		return cost{}, err
	}
	defer o.Stop()
	if err := b.warm(ns); err != nil {
		return cost{}, err
	}
	if profile != "" {
		go writeProfile(profile)
	}
	return b.measure(ns, o.Cmd.Process.Pid, n, perSecond)
}

// warm sends one message to each channel.
func (b *bench) warm(ns string) error {
	before, err := b.statusWrites()
	if err != nil {
		return err
	}
	for i := range channels {
		n := note(ns, "c", channelID(i), i)
		n.Name, n.Spec.Text = fmt.Sprintf("warm%03d", i), "warm"
		if err := b.env.Client.Create(b.ctx, n); err != nil {
			return err
		}
	}
	return b.delivered(before, channels)
}

func (b *bench) idle() error {
	if err := b.prepare("idle"); err != nil {
		return err
	}
	o, err := b.operator("idle")
	if err != nil {
		return err
	}
	defer o.Stop()
	other, err := b.alertmanager("127.0.0.1:0", "route: {receiver: hook}\nreceivers: [{name: hook, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]\n")
	if err != nil {
		return err
	}
	defer end(other)
	time.Sleep(restAfter)
	b.say("## Idle\n\nResident half a minute after the start, with one SlackChannel and no SlackNotification, beside an Alertmanager with one receiver.\n")
	b.say("| | operator | Alertmanager | ratio |\n| --- | ---: | ---: | ---: |")
	ours, theirs := memoryOf(o.Cmd.Process.Pid), memoryOf(other.Process.Pid)
	b.say("| resident, MiB | %.0f | %.0f | %.2f |", ours.resident, theirs.resident, ours.resident/theirs.resident)
	b.atMost("idle, resident, of Alertmanager's", ours.resident/theirs.resident, 1)
	b.say("| of that its own | %.0f | %.0f | %.2f |", ours.own, theirs.own, ours.own/theirs.own)
	b.say("| of that pages of the executable | %.0f | %.0f | %.2f |", ours.file, theirs.file, ours.file/theirs.file)
	b.say("| the executable, MB | %.0f | %.0f | %.2f |\n", ours.executable, theirs.executable, ours.executable/theirs.executable)
	return nil
}

func (b *bench) throughput() error {
	n := b.n(5000)
	bare, err := b.rawCost("raw-t", n, 0)
	if err != nil {
		return err
	}
	ours, err := b.operatorCost("op-t", n, 0)
	if err != nil {
		return err
	}
	b.say("## Throughput and cost\n\n%d SlackNotifications over %d channels, created as fast as it goes, Slack's limits lifted.\n", n, channels)
	b.say("| | bare client | operator | ratio |\n| --- | ---: | ---: | ---: |")
	b.say("| delivered a second | %.0f | %.0f | %.2f |", bare.rate(), ours.rate(), ours.rate()/bare.rate())
	b.say("| CPU seconds for 1,000 | %.2f | %.2f | %.2f |", bare.per1000(), ours.per1000(), ours.per1000()/bare.per1000())
	b.atMost("CPU for a delivery, of the bare client's", ours.per1000()/bare.per1000(), 1.2)
	b.atMost("API writes for a delivery", float64(ours.writes)/float64(n), 1)
	b.atMost("Slack calls for a delivery", float64(ours.calls)/float64(n), 1)
	b.say("| API writes for each | %.3f | %.3f | |", float64(bare.writes)/float64(n), float64(ours.writes)/float64(n))
	b.say("| Slack calls for each | %.3f | %.3f | |\n", float64(bare.calls)/float64(n), float64(ours.calls)/float64(n))
	return nil
}

func (b *bench) latency() error {
	n := b.n(1500)
	const rate = 50
	b.say("## Latency\n\nFrom the creation of the object to the message at Slack, at a steady %d a second, %d messages.\n", rate, n)
	b.say("| | bare client | operator | ratio |\n| --- | ---: | ---: | ---: |")
	if _, err := b.rawCost("raw-l", n, rate); err != nil {
		return err
	}
	if _, err := b.operatorCost("op-l", n, rate); err != nil {
		return err
	}
	bareList, err := b.received(b.env.Slack, "raw-l")
	if err != nil {
		return err
	}
	ourList, err := b.received(b.env.Slack, "op-l")
	if err != nil {
		return err
	}
	bare, ours := latencies(bareList), latencies(ourList)
	for _, q := range []float64{0.5, 0.9, 0.99} {
		x, y := quantile(bare, q), quantile(ours, q)
		b.say("| p%.0f | %.1f ms | %.1f ms | %.2f |", q*100, millis(x), millis(y), float64(y)/float64(x))
		if q == 0.5 {
			b.atMost("latency p50, of the bare client's", float64(y)/float64(x), 1.2)
		}
	}
	b.say("")
	return nil
}

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// limits measures how much of the allowed rate is used under backlog.
func (b *bench) limits() error {
	const teams, each = 10, 40
	slack, cmd, err := b.env.SpawnSlack()
	if err != nil {
		return err
	}
	defer end(cmd)
	if err := b.prepare("paced"); err != nil {
		return err
	}
	for i := range teams {
		id := fmt.Sprintf("T0PACED%02d", i)
		secret := fmt.Sprintf("bot-%02d", i)
		if err := b.pacedTeam(slack, id, secret); err != nil {
			return err
		}
	}
	host := slack[len("http://"):]
	o, err := b.operator("paced", "--slack-api-url="+slack+"/api/", "--allowed-hosts="+host)
	if err != nil {
		return err
	}
	defer o.Stop()
	before, err := b.statusWrites()
	if err != nil {
		return err
	}
	for i := range teams * each {
		team := i % teams
		if err := b.env.Client.Create(b.ctx, note("paced", fmt.Sprintf("c%02d", team), "", i)); err != nil {
			return err
		}
	}
	if err := b.until(func() (bool, error) {
		list, err := b.received(slack, "paced")
		return len(list) == teams*each, err
	}); err != nil {
		return err
	}
	list, err := b.received(slack, "paced")
	if err != nil {
		return err
	}
	spans := map[string][2]time.Time{}
	for i := range list {
		span, ok := spans[list[i].Channel]
		if !ok {
			span[0] = list[i].ReceivedAt
		}
		span[1] = list[i].ReceivedAt
		spans[list[i].Channel] = span
	}
	share := 0.0
	for _, span := range spans {
		share += float64(each-1) / span[1].Sub(span[0]).Seconds() / float64(len(spans))
	}
	calls, _, err := b.calls(slack)
	if err != nil {
		return err
	}
	provoked := 0
	for _, n := range calls.Provoked {
		provoked += n
	}
	after, err := b.statusWrites()
	if err != nil {
		return err
	}
	b.say("## Within Slack's limits\n\nA backlog of %d messages to each of %d channels (one in each of %d workspaces) that take one a second.\n", each, teams, teams)
	b.atLeast("share of the allowed rate that is used under a backlog", share, 0.9)
	b.atMost("answers 429 that are provoked under a backlog", float64(provoked), 0)
	b.atMost("API writes for a message under a backlog", float64(after-before)/float64(teams*each), 1.2)
	b.say("- share of the allowed rate that was used: %.1f %%\n- answers 429 that were provoked: %d of %d messages\n- API writes for each message, the one that tells of the wait included: %.2f\n",
		share*100, provoked, teams*each, float64(after-before)/float64(teams*each))
	return nil
}

func (b *bench) pacedTeam(slack, id, secret string) error {
	user, channel := "U"+id[1:]+"BOT", "C"+id[1:]
	for path, body := range map[string]any{
		"users?team=" + id:    slacksim.User{ID: user, Name: "slack-notifier", Bot: true},
		"tokens?team=" + id:   slacksim.Token{Token: "xoxb-" + id, Team: id, BotUser: user, Scopes: slacksim.AllScopes},
		"channels?team=" + id: slacksim.Channel{ID: channel, Name: "paced", Members: []string{user}},
	} {
		if err := b.post(slack, path, body); err != nil {
			return err
		}
	}
	return b.create(secretOf("paced", secret, "xoxb-"+id), &v1alpha1.SlackChannel{
		ObjectMeta: metav1.ObjectMeta{Namespace: "paced", Name: "c" + id[len(id)-2:], Labels: map[string]string{label: "paced"}},
		Spec:       v1alpha1.SlackChannelSpec{WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: secret}, Channel: channel}},
	})
}

// growth measures whether more notifications make each one dearer.
func (b *bench) growth() error {
	b.say("## Growth\n\nCPU of the operator for each notification, with ever more of them in the namespace.\n")
	b.say("| notifications | CPU ms for each | delivered a second |\n| ---: | ---: | ---: |")
	for _, full := range []int{1000, 10000, 50000} {
		n := b.n(full)
		c, err := b.operatorCost(fmt.Sprintf("grow-%d", full), n, 0)
		if err != nil {
			return err
		}
		b.say("| %d | %.3f | %.0f |", n, c.per1000(), c.rate())
	}
	b.say("")
	return nil
}
