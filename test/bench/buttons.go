package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// pressesPerSecond of the part "buttons".
const pressesPerSecond = 10

// buttons measures from a press to its acknowledgement, and to the message that
// shows who answered.
func (b *bench) buttons() error {
	const ns = "buttons"
	if err := b.prepare(ns); err != nil {
		return err
	}
	if err := b.interactive(ns, "c", slacksim.DemoAppToken); err != nil {
		return err
	}
	o, err := b.operator(ns, "--slack-limits=false")
	if err != nil {
		return err
	}
	defer o.Stop()
	if err := b.connected(ns); err != nil {
		return err
	}
	n := min(b.n(400), channels)
	for i := range n {
		one := note(ns, "c", channelID(i), i)
		one.Spec.Actions = []v1alpha1.Action{{Name: "approve", Text: "Approve"}, {Name: "reject", Text: "Reject"}}
		one.Spec.Answers = &v1alpha1.Answers{Allowed: v1alpha1.AllowedPeople{Everyone: true}}
		if err := b.create(one); err != nil {
			return err
		}
	}
	var posted []slacksim.Message
	err = b.until(func() (bool, error) {
		posted, err = b.received(b.env.Slack, ns)
		return len(posted) == n, err
	})
	if err != nil {
		return err
	}
	presses := b.pressAll(posted)
	var changed []time.Duration
	err = b.until(func() (bool, error) {
		changed, err = b.changes(ns, presses)
		return len(changed) == len(presses), err
	})
	if err != nil {
		return err
	}
	acks, warned := []time.Duration{}, 0
	for _, p := range presses {
		acks = append(acks, time.Duration(p.TookMS)*time.Millisecond)
		if p.Fate != slacksim.FateAcked {
			warned++
		}
	}
	slices.Sort(acks)
	b.say("## Buttons\n\n%d presses of as many messages, %d a second, over one socket; %d of them were not acknowledged.\n\n| from the press to | p50 | p99 |\n| --- | ---: | ---: |", len(presses), pressesPerSecond, warned)
	b.say("| the acknowledgement, after it was stored | %.0f ms | %.0f ms |", millis(quantile(acks, 0.5)), millis(quantile(acks, 0.99)))
	b.say("| the changed message | %.0f ms | %.0f ms |\n", millis(quantile(changed, 0.5)), millis(quantile(changed, 0.99)))
	return nil
}

// interactive gives a SlackChannel an app-level token.
func (b *bench) interactive(ns, name, appToken string) error {
	secret := "app-" + name
	if err := b.create(&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: secret}, StringData: map[string]string{"appToken": appToken}}); err != nil {
		return err
	}
	c := &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}}
	patch := fmt.Sprintf(`{"spec":{"interactions":{"appTokenSecretRef":{"name":%q}}}}`, secret)
	return b.env.Client.Patch(b.ctx, c, client.RawPatch("application/merge-patch+json", []byte(patch)))
}

// connected waits until clicks reach all SlackChannels that ask for them.
func (b *bench) connected(ns string) error {
	return b.until(func() (bool, error) {
		list := &v1alpha1.SlackChannelList{}
		if err := b.env.Client.List(b.ctx, list, client.InNamespace(ns)); err != nil {
			return false, err
		}
		for i := range list.Items {
			is := slices.ContainsFunc(list.Items[i].Status.Conditions, func(c metav1.Condition) bool {
				return c.Type == v1alpha1.ConditionInteractive && c.Status == metav1.ConditionTrue
			})
			if list.Items[i].Spec.Interactions != nil && !is {
				return false, nil
			}
		}
		return true, nil
	})
}

// pressAll presses the first button of each message.
func (b *bench) pressAll(posted []slacksim.Message) []slacksim.Press {
	var mu sync.Mutex
	var out []slacksim.Press
	var group sync.WaitGroup
	begin := time.Now()
	for i := range posted {
		time.Sleep(time.Until(begin.Add(time.Duration(i) * time.Second / pressesPerSecond)))
		group.Go(func() {
			data, _ := json.Marshal(slacksim.Pressing{Who: "ada", Channel: posted[i].Channel, TS: posted[i].TS, Action: "sn:approve", Wait: true}) // it is a struct of texts
			resp, err := http.Post(b.env.Slack+"/_sim/press", "application/json", bytes.NewReader(data))                                           //nolint:noctx // loopback
			if err != nil {
				return
			}
			defer func() { _ = resp.Body.Close() }()
			var p slacksim.Press
			if json.NewDecoder(resp.Body).Decode(&p) == nil {
				mu.Lock()
				defer mu.Unlock()
				out = append(out, p)
			}
		})
	}
	group.Wait()
	return out
}

// changes are the times from each press to the change of its message.
func (b *bench) changes(ns string, presses []slacksim.Press) ([]time.Duration, error) {
	list, err := b.received(b.env.Slack, ns)
	if err != nil {
		return nil, err
	}
	at := map[string]time.Time{}
	for i := range list {
		if list[i].ChangedAt != nil && !strings.Contains(string(list[i].Blocks)+string(list[i].Attachments), `"sn:approve"`) {
			at[list[i].Channel+list[i].TS] = *list[i].ChangedAt
		}
	}
	var out []time.Duration
	for _, p := range presses {
		if changed, ok := at[p.Channel+p.TS]; ok {
			out = append(out, changed.Sub(p.At))
		}
	}
	slices.Sort(out)
	return out, nil
}

// sockets measures what a connection costs that nobody presses anything over.
func (b *bench) sockets() error {
	const ns, apps, over = "sockets", 100, 30 * time.Second
	if err := b.prepare(ns); err != nil {
		return err
	}
	for i := range apps {
		name := fmt.Sprintf("app%03d", i)
		if err := b.create(&v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: v1alpha1.SlackChannelSpec{
			WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "bot"}}}}); err != nil {
			return err
		}
	}
	o, err := b.operator(ns, "--slack-limits=false")
	if err != nil {
		return err
	}
	defer o.Stop()
	idle := func() (resident float64, cpu time.Duration) {
		time.Sleep(5 * time.Second)
		before := cpuOf(o.Cmd.Process.Pid)
		time.Sleep(over)
		return residentOf(o.Cmd.Process.Pid), cpuOf(o.Cmd.Process.Pid) - before
	}
	memoryBefore, cpuBefore := idle()
	for i := range apps {
		name, token := fmt.Sprintf("app%03d", i), fmt.Sprintf("xapp-bench-%d", i)
		if err := b.post(b.env.Slack, "apps", slacksim.App{ID: fmt.Sprintf("A0BENCH%03d", i), SocketMode: true, Tokens: []*slacksim.AppToken{{Token: token}}}); err != nil {
			return err
		}
		if err := b.interactive(ns, name, token); err != nil {
			return err
		}
	}
	err = b.until(func() (bool, error) {
		open := 0
		for i := range apps {
			var all []*slacksim.Socket
			if err := b.fetch("/_sim/sockets?app="+fmt.Sprintf("A0BENCH%03d", i), &all); err != nil {
				return false, err
			}
			open += len(all)
		}
		return open >= apps, nil
	})
	if err != nil {
		return err
	}
	memory, cpu := idle()
	b.say("## Connections by Socket Mode\n\n%d of them, over which nothing comes but pings, beside as many SlackChannels without: %.0f KiB resident for each, and %.2f ms of CPU a minute for each.\n",
		apps, (memory-memoryBefore)*1024/apps, (cpu-cpuBefore).Seconds()*1000/apps/over.Minutes())
	return nil
}

func (b *bench) fetch(path string, out any) error {
	resp, err := http.Get(b.env.Slack + path) //nolint:noctx // loopback
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	return json.NewDecoder(resp.Body).Decode(out)
}
