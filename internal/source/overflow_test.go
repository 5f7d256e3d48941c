package source

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/posts"
)

// beyond is a desk whose rule has more open groups than messages of their own.
func beyond(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.Rule.Spec.MaxIncidents = 1
	d.take("own", "firing", "x")
	return d
}

const rolledUp = "[FIRING] A, r: and %d more"

// A post that comes late of a group beyond maxIncidents opens nothing, whether the
// rest of them goes on or all are over, and though the operator is restarted.
func TestLatePostsBeyondMaxIncidents(t *testing.T) {
	for _, row := range []struct {
		name string
		// others fire beyond the limit too.
		others int
		// room is true when the incident with a message of its own is over by then.
		room bool
	}{
		{"the last one", 0, false},
		{"one of many", 2, false},
		{"with room for it", 0, true},
		{"one of many, with room for it", 2, true},
	} {
		t.Run(row.name, func(t *testing.T) {
			d := beyond(t)
			for i := range row.others {
				d.take(fmt.Sprint("other", i), "firing", "y")
			}
			d.take("g", "firing", "a", "b")
			d.take("g", "resolved", "a", "b")
			if row.room {
				d.take("own", "resolved", "x")
			}
			before := d.open()
			for _, minutes := range []int{1, 14, 30} {
				d.Pass(time.Duration(minutes) * time.Minute)
				d.restart()
				d.take("g", "firing", "a", "b")
				d.expectOpen(fmt.Sprint(minutes, " minutes later"), before)
			}
			// Posts of the same firing go on: Prometheus was cut off.
			d.Pass(time.Hour)
			d.take("g", "firing", "a", "b")
			if d.open() == before {
				t.Error("what fires for an hour is not told")
			}
		})
	}
}

// An alert that is over in a group beyond maxIncidents stays so, and the group ends
// with its others.
func TestLatePostsOfAGroupThatGoesOn(t *testing.T) {
	d := beyond(t)
	d.take("g", "firing", "a", "b")
	d.take("g", "firing", "b") // leaves a as it is
	post := fmt.Sprintf(`{"version":"4","groupKey":"g","status":"firing","alerts":[%s,%s]}`, alert("a", "resolved"), alert("b", "firing"))
	if _, err := d.Receive(d.Ctx, d.Rule, posts.Raw{Body: []byte(post)}); err != nil {
		t.Fatal(err)
	}
	d.Pass(time.Minute)
	d.take("g", "firing", "a") // late
	d.expectOpen("b fires", fmt.Sprintf(rolledUp, 1))
	d.take("g", "resolved", "b")
	d.expectOpen("both are over", "[FIRING] A")
}

// What fires again after its end beyond maxIncidents is told.
func TestNewFiringBeyondMaxIncidents(t *testing.T) {
	d := beyond(t)
	d.take("g", "firing", "a")
	d.take("g", "resolved", "a")
	d.expectOpen("at its end", "[FIRING] A")
	again := strings.ReplaceAll(fmt.Sprintf(`{"version":"4","groupKey":"g","status":"firing","alerts":[%s]}`, alert("a", "firing")), "T10:00:", "T10:20:")
	for range 2 {
		if _, err := d.Receive(d.Ctx, d.Rule, posts.Raw{Body: []byte(again)}); err != nil {
			t.Fatal(err)
		}
		d.expectOpen("a later start", fmt.Sprintf(rolledUp, 1))
	}
	d.take("own", "resolved", "x")
	d.take("g", "firing", "a") // late, of the first firing
	d.expectOpen("one goes on", fmt.Sprintf("r: and %d more", 1))
}

// A post that was counted beyond maxIncidents does not count again.
func TestRepeatedPostsBeyondMaxIncidents(t *testing.T) {
	h := newHooked(t, v1alpha1.WebhookSource{When: "!has(body.ok)"}, func(spec *v1alpha1.SlackAlertSpec) {
		ends(spec)
		spec.GroupBy, spec.MaxIncidents = []string{"body.g"}, 1
	})
	post := func(body, want string) {
		t.Helper()
		if remark, err := h.post(body, true); err != nil || !strings.HasPrefix(remark, want) {
			t.Errorf("%s is answered with %q: %v", body, remark, err)
		}
	}
	post(`{"g":"own"}`, "stored")
	post(`{"g":"b","n":1}`, "stored")
	post(`{"g":"b","ok":true}`, "stored")
	before := h.incidents()
	post(`{"g":"b","n":1}`, "stored before")
	h.want("a signed post that somebody repeats", before)
	post(`{"g":"b","n":2}`, "stored")
	if h.incidents() == before {
		t.Error("a new post is not told")
	}
}
