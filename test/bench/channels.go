package main

import (
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// checks counts what SlackChannels cost that nothing is sent through.
func (b *bench) checks() error {
	b.say("\n## SlackChannels\n")
	b.say("SlackChannels of one token, half by name and half by ID, in virtual time, at Slack's limits (`go test ./controllers/channel -run TestChecksOfMany -v -many-more`).")
	b.say("Slack allows 3,000 calls of conversations.info an hour and 1,200 of conversations.list.\n")
	b.say("| SlackChannels of channels | until all are Ready | auth.test an hour | conversations.list an hour | conversations.info an hour | until a new one is Ready |")
	b.say("| --- | ---: | ---: | ---: | ---: | ---: |")
	out, err := exec.CommandContext(b.ctx, "go", "test", "./controllers/channel", "-run", "TestChecksOfMany", "-count=1", "-v", "-many-more").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	var lists, infos, untilNew float64
	for _, row := range regexp.MustCompile(`\| \d+ of \d+ \|.*\|`).FindAllString(string(out), -1) {
		b.say("%s", row)
		cells := strings.Split(row, "|")
		if len(cells) < 7 {
			return fmt.Errorf("%q has another form than was expected", row)
		}
		cell := func(i int) string { return strings.TrimSpace(cells[i]) }
		list, errList := strconv.ParseFloat(cell(4), 64)
		info, errInfo := strconv.ParseFloat(cell(5), 64)
		until, errUntil := time.ParseDuration(cell(6))
		if err := errors.Join(errList, errInfo, errUntil); err != nil {
			return err
		}
		lists, infos, untilNew = max(lists, list), max(infos, info), max(untilNew, until.Seconds())
	}
	b.atMost("conversations.list for checks, of its tier", lists/1200, 0.1)
	b.atMost("conversations.info for checks, of its tier", infos/3000, 0.1)
	b.atMost("s until a new SlackChannel is Ready, of up to 100,000 channels", untilNew, 60)
	return b.realChannels()
}

// realChannels has the operator verify a thousand SlackChannels by a Slack that
// keeps its limits.
func (b *bench) realChannels() error {
	slack, cmd, err := b.env.SpawnSlack()
	if err != nil {
		return err
	}
	defer end(cmd)
	const ns = "bench-checks"
	n := b.n(1000)
	for i := range 2 * n {
		if err := b.post(slack, "channels", slacksim.Channel{ID: fmt.Sprintf("C0MANY%05d", i), Name: fmt.Sprintf("many-%d", i), Members: []string{bot}}); err != nil {
			return err
		}
	}
	objects := []client.Object{
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}},
		&corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "bot"}, StringData: map[string]string{"token": token}},
	}
	for i := range n {
		ref := fmt.Sprintf("#many-%d", 2*i)
		if i%2 == 1 {
			ref = fmt.Sprintf("C0MANY%05d", 2*i)
		}
		objects = append(objects, manyChannel(ns, fmt.Sprintf("c%05d", i), ref))
	}
	if err := b.create(objects...); err != nil {
		return err
	}
	begin := time.Now()
	o, err := b.operator(ns, "--slack-api-url="+slack+"/api/", "--allowed-hosts="+strings.TrimPrefix(slack, "http://"))
	if err != nil {
		return err
	}
	defer o.Stop()
	ready := time.Since(begin)
	calls, _, err := b.calls(slack)
	if err != nil {
		return err
	}
	if err := b.post(slack, "channels", slacksim.Channel{ID: "C0MANYNEW", Name: "many-new", Members: []string{bot}}); err != nil {
		return err
	}
	begin = time.Now()
	if err := b.create(manyChannel(ns, "new", "#many-new")); err != nil {
		return err
	}
	if err := b.allReady(ns); err != nil {
		return err
	}
	b.say("\n%d SlackChannels and the operator itself, in real time: all were Ready %.1f s after its start, by", n, ready.Seconds())
	for _, method := range []string{"auth.test", "conversations.list", "conversations.info"} {
		b.say("- %d calls of %s", calls.Count(method), method)
	}
	b.say("\nOne of a channel that was made just before was Ready after %.1f s.", time.Since(begin).Seconds())
	return nil
}

func manyChannel(ns, name, ref string) *v1alpha1.SlackChannel {
	return &v1alpha1.SlackChannel{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: name}, Spec: v1alpha1.SlackChannelSpec{
		WebAPI: &v1alpha1.WebAPI{TokenSecretRef: v1alpha1.SecretKeyReference{Name: "bot"}, Channel: ref}}}
}
