package backoff

import (
	"testing"
	"time"
)

func TestFullGrowsAndIsCapped(t *testing.T) {
	for failures := range 80 {
		limit := min(5*time.Minute, time.Second<<min(max(failures-1, 0), 20))
		if d := Full(failures, time.Second, 5*time.Minute); d < limit/2 || d > limit {
			t.Errorf("after %d failures the pause is %v, want between %v and %v", failures, d, limit/2, limit)
		}
	}
}

func TestAroundIsATenthOff(t *testing.T) {
	for range 100 {
		if d := Around(10 * time.Minute); d < 9*time.Minute || d > 11*time.Minute {
			t.Errorf("around 10m is %v, want at most a tenth off", d)
		}
	}
}
