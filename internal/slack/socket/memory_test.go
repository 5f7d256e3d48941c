package socket

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/slack/egress"
	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

// Connections that share their memory take no more than there is, and go on.
func TestFramesShareMemory(t *testing.T) {
	for name, row := range map[string]struct {
		bytes        int64
		fate, frame  string
		acknowledged string
	}{
		"no room for a long frame": {maxFrame - 1, slacksim.FateAcked, OutcomeTooLarge, OutcomeAcked},
		"no room for a payload":    {1, slacksim.FateWarned, OutcomeTooLarge, OutcomeOverload},
		"room for both":            {2 * maxFrame, slacksim.FateAcked, OutcomeOdd, OutcomeAcked},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, slacksim.DemoAppToken, quick())
			memory := egress.NewBudget(row.bytes)
			b.client.o.Frames = memory
			b.run()
			b.connected()
			b.sockets(slacksim.SocketAction{Action: "frame", Frame: `{"x":"` + strings.Repeat("y", 2*smallFrame) + `"}`})
			if p := b.press(b.message()); p.Fate != row.fate {
				t.Errorf("the press after a long frame is %s, want %s", p.Fate, row.fate)
			}
			for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(time.Millisecond) {
				if outcomes, _, _ := b.seen(); len(outcomes) == 2 {
					break // what was acknowledged is counted a moment later
				}
			}
			if outcomes, disconnected, _ := b.seen(); !slices.Equal(outcomes, []string{row.frame, row.acknowledged}) || len(disconnected) > 0 {
				t.Errorf("counted as %v, disconnected %v, want %s and %s over one connection", outcomes, disconnected, row.frame, row.acknowledged)
			}
			b.stop()
			if !memory.Try(row.bytes) {
				t.Error("not all memory was given back")
			}
		})
	}
}
