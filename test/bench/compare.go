package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

// compare measures another build of the operator, which BENCH_BASE names, beside
// this one: what has a change cost? They take turns, since a machine may be busier
// at one time than at another. Without BENCH_BASE there is nothing to compare.
func (b *bench) compare() error {
	base := os.Getenv("BENCH_BASE")
	if base == "" {
		return nil
	}
	old, err := programOf(base)
	if err != nil {
		return err
	}
	const rounds = 2
	n := b.n(2500)
	var cpu, rate, idle [2]float64
	for round := range rounds {
		for i, p := range []*harness.Program{old, nil} {
			b.program = p
			mib, err := b.resident(fmt.Sprintf("idle-%d-%d", i, round))
			if err != nil {
				return err
			}
			c, err := b.operatorCost(fmt.Sprintf("cmp-%d-%d", i, round), n, 0)
			if err != nil {
				return err
			}
			idle[i] += mib / rounds
			rate[i] += c.rate() / rounds
			cpu[i] += c.per1000() / rounds
		}
	}
	b.program = nil
	b.say("%d SlackNotifications, twice each, in turn with the older one.\n", n)
	b.say("| | older | now | ratio |\n| --- | ---: | ---: | ---: |")
	for _, row := range []struct {
		name   string
		values [2]float64
	}{{"delivered a second", rate}, {"CPU seconds for 1,000", cpu}, {"MiB resident, idle", idle}} {
		b.say("| %s | %.2f | %.2f | %.2f |", row.name, row.values[0], row.values[1], row.values[1]/row.values[0])
	}
	b.say("")
	return nil
}

// programOf is another build, without the flags of the harness that it does not
// know yet.
func programOf(path string) (*harness.Program, error) {
	help, err := exec.Command(path, "--help").CombinedOutput() //nolint:gosec // who runs the benchmark names it
	if len(help) == 0 {
		return nil, fmt.Errorf("%s --help: %w", path, err)
	}
	p := &harness.Program{Path: path}
	for _, flag := range []string{"custom-connections", "allowed-proxies"} {
		if !strings.Contains(string(help), "-"+flag) {
			p.Without = append(p.Without, "--"+flag)
		}
	}
	return p, nil
}

// resident is the memory in MiB of an operator with one SlackChannel.
func (b *bench) resident(ns string) (float64, error) {
	if err := b.prepare(ns); err != nil {
		return 0, err
	}
	o, err := b.operator(ns)
	if err != nil {
		return 0, err
	}
	defer o.Stop()
	time.Sleep(5 * time.Second)
	return residentOf(o.Cmd.Process.Pid), nil
}
