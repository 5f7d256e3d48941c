package footprint

import "testing"

// What is kept in reserve does not grow with what is in use, as long as the
// garbage collector's work stays bounded.
func TestPercent(t *testing.T) {
	for _, row := range []struct {
		name string
		live uint64
		want int
	}{
		{"nothing", 0, 100},
		{"little", 20 << 20, 100},
		{"as much as the reserve", reserve, 100},
		{"twice the reserve", 2 * reserve, 50},
		{"much", 200 << 20, 32},
		{"very much", 4 << 30, minPercent},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := percent(row.live); got != row.want {
				t.Errorf("%d, want %d", got, row.want)
			}
		})
	}
}
