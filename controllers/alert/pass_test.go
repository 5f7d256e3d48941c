package alert

import (
	"fmt"
	"testing"
	"time"

	testclock "k8s.io/utils/clock/testing"

	"github.com/slack-notifier/slack-notifier/internal/schedule"
)

var start = time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)

// What the API server refuses is tried ever more rarely, however often it
// changes, and holds up no other group.
func TestRefusedGroupsAreTriedEverMoreRarely(t *testing.T) {
	clock := testclock.NewFakePassiveClock(start)
	run := &activeRule{schedule: schedule.New(clock, 2*time.Second, func() {})}
	var tries []int
	stored := 0
	for second := range 1200 {
		now := start.Add(time.Duration(second) * time.Second)
		clock.SetTime(now)
		run.schedule.Changed("refused", now, true)
		run.schedule.Changed("other", now, true)
		ids := run.untried(run.schedule.Due(now), now)
		words := map[string]string{}
		for _, id := range ids {
			if id == "other" {
				stored++
				continue
			}
			words[id] = "exceeded quota"
			tries = append(tries, second)
		}
		run.note(ids, words, now)
	}
	if got := fmt.Sprint(tries); got != "[0 5 15 35 75 155 315 615 915]" {
		t.Errorf("tried after %s s", got)
	}
	if stored < 300 {
		t.Errorf("the other group was stored %d times in 20 minutes", stored)
	}
	now := run.refusedUntil
	if ids := run.untried(run.schedule.Due(now), now); len(ids) == 0 {
		t.Error("it is not tried when its time has come")
	} else {
		run.note(ids, nil, now)
	}
	if len(run.refused) > 0 || run.refusedPause != 0 {
		t.Errorf("%v is refused, and tried after %s", run.refused, run.refusedPause)
	}
}
