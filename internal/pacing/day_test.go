package pacing

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/race"
)

var update = flag.Bool("update", os.Getenv("UPDATE") != "", "write the golden files anew")

// load is what a simulated part of a day has to send. Half of the messages come
// one by one at any time, half in bursts of one incident to one conversation.
type load struct {
	name       string
	perDay     int
	workspaces int
	// conversations of each workspace.
	conversations int
	lasts         time.Duration
}

const burstOf = 20

// outcome of a load.
type outcome struct {
	load
	came, posted, refused int
	// waits from the coming of a message to its answer, sorted.
	waits []time.Duration
	// busiest is the most that one conversation was sent.
	busiest int
}

func (l load) simulate() outcome {
	s := &sharing{now: epoch, random: rand.New(rand.NewPCG(16, 6))}
	type places struct{ conversation, workspace gate }
	gates := map[Lane]places{}
	workspaces := map[string]gate{}
	s.service = func(lane Lane) []gate {
		g, ok := gates[lane]
		if !ok {
			team := lane.Workspace.Team()
			if workspaces[team] == nil {
				workspaces[team] = &counter{limit: DefaultBudget()[0]}
			}
			// As strict as can be: Slack is known to allow for bursts.
			g = places{&counter{limit: Limit{Events: 1, Per: time.Second}}, workspaces[team]}
			gates[lane] = g
		}
		return []gate{g.conversation, g.workspace}
	}
	out := outcome{load: l}
	sent := map[Lane]int{}
	end := epoch.Add(l.lasts)
	p := &sender{s: s, lanes: NewLanes(epoch, LaneOptions{}), delivered: func(lane Lane, t Ticket) {
		sent[lane]++
		out.waits = append(out.waits, s.now.Sub(t.Since))
	}}
	n := int(float64(l.perDay) * l.lasts.Hours() / 24)
	come := func(lane Lane, group string) {
		out.came++
		id := fmt.Sprint(out.came)
		p.ask(lane, Ticket{ID: id, Owner: id, Group: group, Since: s.now})
	}
	var next func()
	next = func() {
		workspace := s.random.IntN(l.workspaces)
		lane := Lane{team(fmt.Sprintf("T%04d", workspace)), fmt.Sprint("C", s.random.IntN(l.conversations))}
		group := fmt.Sprint("ns", s.random.IntN(20))
		if s.random.IntN(burstOf+1) == 0 {
			for range burstOf {
				come(lane, group)
			}
		} else {
			come(lane, group)
		}
		// Of each 21 times that something comes, one is a burst: 40 messages.
		pause := time.Duration(s.random.ExpFloat64() * float64(l.lasts) / float64(n) * 2 * burstOf / (burstOf + 1))
		if at := s.now.Add(pause); at.Before(end) {
			s.at(at, next)
		}
	}
	s.after(0, next)
	s.run(end)
	out.posted, out.refused = p.posted, p.refused
	for _, count := range sent {
		out.busiest = max(out.busiest, count)
	}
	slices.Sort(out.waits)
	return out
}

func (o outcome) quantile(q float64) time.Duration {
	if len(o.waits) == 0 {
		return 0
	}
	return o.waits[min(len(o.waits)-1, int(q*float64(len(o.waits))))]
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

func (o outcome) row() string {
	perSecond := float64(o.posted) / o.lasts.Seconds()
	return fmt.Sprintf("| %s | %s | %s | %s | %d | %.1f %% | %.1f %% | %s | %s | %s |",
		o.name, thousands(o.came), thousands(o.posted), thousands(o.came-o.posted), o.refused,
		100*perSecond/5/float64(o.workspaces), 100*float64(o.busiest)/o.lasts.Seconds(),
		seconds(o.quantile(0.5)), seconds(o.quantile(0.99)), seconds(o.quantile(1)))
}

// What a message costs, as docs/benchmarks.md and docs/scale.md have it.
const (
	// writesOfMessage: the creation, the status, the deletion.
	writesOfMessage = 3
	// bytesStored of a finished SlackNotification in etcd.
	bytesStored = 2300
	// cpuOfMessage of the operator.
	cpuOfMessage = 1800 * time.Microsecond
	// memoryOfFinished in the operator.
	memoryOfFinished = 1.4 * 1024
)

// cost of so many messages a day.
func cost(perDay int) string {
	perSecond := float64(perDay) / 86400
	size := func(keep time.Duration, each float64) string {
		mib := perSecond * keep.Seconds() * each / (1 << 20)
		if mib >= 10*1024 {
			return fmt.Sprintf("%s GiB", thousands(int(mib/1024+0.5)))
		}
		return fmt.Sprintf("%s MiB", thousands(int(mib+0.5)))
	}
	return fmt.Sprintf("| %s | %.2f | %.2f | %.3f | %s | %s | %s | %s |", thousands(perDay), perSecond, perSecond*writesOfMessage, perSecond*cpuOfMessage.Seconds(),
		size(time.Hour, bytesStored), size(7*24*time.Hour, bytesStored), size(time.Hour, memoryOfFinished), size(7*24*time.Hour, memoryOfFinished))
}

// A day of 100 workspaces with 10,000 conversations: nothing meets a 429, what
// waits does so for its conversation's second, and what is too much is seen. The
// tables of docs/scale.md are these.
func TestADay(t *testing.T) {
	race.Pointless(t)
	t.Parallel()
	var table strings.Builder
	table.WriteString("| messages a day | came | posted | still waiting | 429 | of the workspaces' limits | of the busiest conversation's | wait p50 | p99 | longest |\n" +
		"| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, l := range []load{
		{name: "1,000, a day", perDay: 1000, workspaces: 100, conversations: 100, lasts: 24 * time.Hour},
		{name: "100,000, a day", perDay: 100_000, workspaces: 100, conversations: 100, lasts: 24 * time.Hour},
		{name: "10,000,000, 20 minutes of it", perDay: 10_000_000, workspaces: 100, conversations: 100, lasts: 20 * time.Minute},
		{name: "100,000 in one workspace, a day", perDay: 100_000, workspaces: 1, conversations: 100, lasts: 24 * time.Hour},
		{name: "1,000,000 in one workspace, 20 minutes of it", perDay: 1_000_000, workspaces: 1, conversations: 100, lasts: 20 * time.Minute},
		{name: "100,000 in one conversation, an hour of it", perDay: 100_000, workspaces: 1, conversations: 1, lasts: time.Hour},
	} {
		o := l.simulate()
		if o.refused > 0 {
			t.Errorf("%s: %d posts met a 429, want none", l.name, o.refused)
		}
		table.WriteString(o.row() + "\n")
	}
	table.WriteString("\n| messages a day | a second | API writes a second | cores | etcd, kept 1 h | kept 7 days | memory, kept 1 h | kept 7 days |\n| ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n")
	for _, perDay := range []int{1000, 100_000, 10_000_000} {
		table.WriteString(cost(perDay) + "\n")
	}
	t.Log("\n" + table.String())
	golden := filepath.Join("testdata", "scale.golden.md")
	if *update {
		if err := os.WriteFile(golden, []byte(table.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if table.String() != string(want) {
		t.Errorf("the tables are not those of %s: UPDATE=1 go test ./internal/pacing -run TestADay writes it anew, and docs/scale.md has to have them", golden)
	}
	page, err := os.ReadFile("../../docs/scale.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.SplitSeq(strings.TrimSpace(string(want)), "\n") {
		if !strings.Contains(string(page), line+"\n") {
			t.Errorf("docs/scale.md lacks the line\n%s", line)
		}
	}
}
