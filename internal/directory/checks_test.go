package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/pacing"
	"github.com/slack-notifier/slack-notifier/internal/slack"
)

// city is a workspace of many channels, by ID. A cursor is the ID of the first
// channel of its page, as Slack's are.
type city struct {
	slack.API

	mu    sync.Mutex
	rooms []slack.Conversation
	// last first: the newest channels are on the first page.
	newestFirst bool
	// forgetful: only the cursors of the last minute are taken.
	forgetful bool
	cursors   map[string]time.Time
	pages     int
}

func (w *city) add(c slack.Conversation) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.newestFirst {
		w.rooms = slices.Insert(w.rooms, 0, c)
		return
	}
	w.rooms = append(w.rooms, c)
}

func (w *city) ListConversations(_ context.Context, cursor string, limit int, _ bool) ([]slack.Conversation, string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pages++
	from := 0
	if cursor != "" {
		from = w.at(cursor)
		if w.forgetful && time.Since(w.cursors[cursor]) > 5*time.Minute {
			return nil, "", &slack.Error{Class: slack.ClassInvalidCursor, Code: "invalid_cursor"}
		}
	}
	to, next := min(from+limit, len(w.rooms)), ""
	if to < len(w.rooms) {
		next = w.rooms[to].ID
		w.cursors[next] = time.Now()
	}
	return slices.Clone(w.rooms[from:to]), next, nil
}

func (w *city) pagesRead() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.pages
}

func (w *city) ConversationInfo(_ context.Context, id string) (slack.Conversation, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := w.at(id); i >= 0 {
		return w.rooms[i], nil
	}
	return slack.Conversation{}, &slack.Error{Class: slack.ClassChannelNotFound, Code: "channel_not_found"}
}

// at is the place of a channel; negative when there is none.
func (w *city) at(id string) int {
	return slices.IndexFunc(w.rooms, func(c slack.Conversation) bool { return c.ID == id })
}

// inACity has a Directory that knows all of 100,000 channels, at Slack's pace.
func inACity(t *testing.T, w *city, do func(t *testing.T, d *Directory, ws Workspace)) {
	synctest.Test(t, func(t *testing.T) {
		w.cursors = map[string]time.Time{}
		for i := range large {
			w.rooms = append(w.rooms, slack.Conversation{ID: fmt.Sprintf("C%010d", i), Name: fmt.Sprintf("team-%d", i), Archived: i%3 == 0})
		}
		if w.newestFirst {
			slices.Reverse(w.rooms)
		}
		ctx, cancel := context.WithCancel(t.Context())
		d := New(Options{Limiter: pacing.NewLimiter(pacing.LimiterOptions{})})
		done := make(chan struct{})
		go func() { defer close(done); _ = d.Start(ctx) }()
		ws := Workspace{Key: slack.SharedDomain().Workspace("T1", "U1"), Credential: "c", API: w, Checks: Checks{Listed: 50}}
		if _, took := seek(t, d, ws, "#team-1", time.Hour); took > time.Hour {
			t.Fatal("the list is not read")
		}
		for d.Stats()[0].Loading {
			time.Sleep(time.Second)
		}
		do(t, d, ws)
		cancel()
		<-done
		time.Sleep(time.Minute) // a page that is being read
	})
}

// seek looks a channel up until it is found, and returns how long that took.
func seek(t *testing.T, d *Directory, ws Workspace, ref string, most time.Duration) (slack.Conversation, time.Duration) {
	t.Helper()
	for begin := time.Now(); ; time.Sleep(time.Second) {
		c, err := d.FindConversation(t.Context(), ws, ref, "owner-"+ref)
		if err == nil || time.Since(begin) > most {
			return c, time.Since(begin)
		}
	}
}

// A channel that is new in a workspace of 100,000 is found within a minute, and by
// few calls; where Slack's order tells nothing, by reading the list to the end.
func TestNewChannelInALargeWorkspace(t *testing.T) {
	fresh := slack.Conversation{ID: "C9999999999", Name: "fresh", Member: true}
	for _, test := range []struct {
		name string
		city *city
		// meanwhile happens before somebody looks.
		meanwhile func(t *testing.T, d *Directory, ws Workspace)
		most      time.Duration
		pages     int
	}{
		{name: "at the end of the list", city: &city{}, most: time.Minute, pages: 3},
		{name: "on the first page", city: &city{newestFirst: true}, most: time.Minute, pages: 5},
		{name: "while the list is read again", city: &city{}, most: time.Minute, pages: 30,
			meanwhile: func(t *testing.T, d *Directory, ws Workspace) {
				for range 2 {
					time.Sleep(40 * time.Minute)
					seek(t, d, ws, "#team-2", time.Hour)
				}
				if !d.Stats()[0].Loading {
					t.Fatal("the list is not read again")
				}
			}},
		{name: "looked for before it is there", city: &city{}, most: 10*time.Minute + glanceEvery, pages: 20,
			meanwhile: func(t *testing.T, d *Directory, ws Workspace) {
				_, _ = seek(t, d, ws, "#fresh", 20*time.Minute)
			}},
		{name: "Slack takes no old cursor", city: &city{forgetful: true}, most: 8 * time.Minute, pages: 120},
	} {
		t.Run(test.name, func(t *testing.T) {
			inACity(t, test.city, func(t *testing.T, d *Directory, ws Workspace) {
				time.Sleep(9 * time.Minute)
				if test.meanwhile != nil {
					test.meanwhile(t, d, ws)
				}
				test.city.add(fresh)
				before := test.city.pagesRead()
				found, took := seek(t, d, ws, "#fresh", test.most)
				if found.ID != fresh.ID {
					t.Fatalf("not found within %v", test.most)
				}
				pages := test.city.pagesRead() - before
				if pages > test.pages {
					t.Errorf("%d pages were read, want at most %d", pages, test.pages)
				}
				t.Logf("found after %v and %d pages", took, pages)
			})
		})
	}
}

// Who asks for a look now does not wait for the whole of a long list.
func TestRenewedLookInALargeWorkspace(t *testing.T) {
	w := &city{}
	inACity(t, w, func(t *testing.T, d *Directory, ws Workspace) {
		time.Sleep(2 * time.Minute)
		_, _ = seek(t, d, ws, "#fresh", 10*time.Minute)
		w.add(slack.Conversation{ID: "C9999999999", Name: "fresh"})
		begin := time.Now()
		if err := d.RenewConversations(ws, begin, "fresh", "owner"); !errors.As(err, new(*LoadingError)) {
			t.Fatal(err)
		}
		for time.Since(begin) < time.Minute {
			time.Sleep(time.Second)
			if c, err := d.FindConversation(t.Context(), ws, "#fresh", "owner"); err == nil && c.Name == "fresh" {
				return
			}
		}
		t.Error("not found within a minute")
	})
}

// The time between two checks grows with what they would cost.
func TestCheckEvery(t *testing.T) {
	for _, test := range []struct {
		name   string
		pages  int
		checks Checks
		called bool
		want   time.Duration
	}{
		{"one", 1, Checks{Listed: 1}, false, 10 * time.Minute},
		{"a call for each of 50", 0, Checks{Listed: 50}, false, 10 * time.Minute},
		{"a call for each of 100, without a list", 0, Checks{Listed: 100}, false, 20 * time.Minute},
		{"a short list for 10,000", 10, Checks{Listed: 10_000}, false, 10 * time.Minute},
		{"a long list for 10,000", 100, Checks{Listed: 10_000}, false, 4000 * time.Second},
		{"a long list for a few: a call for each", 100, Checks{Listed: 20}, false, 10 * time.Minute},
		{"those that the list does not tell, of 10,000", 10, Checks{Listed: 9_900, Called: 100}, true, 20 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := New(Options{Limiter: &openLimiter{}})
			ws := Workspace{Key: slack.SharedDomain().Workspace("T1", "U1"), Checks: test.checks}
			if test.pages > 0 {
				l := d.conversationList(ws)
				l.whole, l.pages = newSnapshot([]channel{}, channelKeys), test.pages
			}
			if got := d.CheckEvery(ws, test.called); got != test.want {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// Of an archived channel no more is kept than leads to it.
func TestArchivedChannels(t *testing.T) {
	api := channels()
	b := newBench(t, api)
	if _, err := b.channel("#general"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name, ref, id string
		now           slack.Conversation
		archived      bool
	}{
		{"by name", "#Old", "C0000004", slack.Conversation{ID: "C0000004", Name: "old", Archived: true}, true},
		{"by ID", "C0000004", "C0000004", slack.Conversation{ID: "C0000004", Name: "old", Archived: true}, true},
		{"unarchived since", "#old", "C0000004", slack.Conversation{ID: "C0000004", Name: "old"}, false},
		{"its name is another's", "#alerts", "C0000003", slack.Conversation{ID: "C0000003", Name: "alerts"}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			api.info[test.id] = test.now
			b.dir.Invalidate(b.ws.Key, test.id)
			c, err := b.channel(test.ref)
			if errors.As(err, new(*ArchivedError)) != test.archived || !test.archived && err != nil || c.ID != test.id {
				t.Errorf("%+v, %v, want %s, archived %v", c, err, test.id, test.archived)
			}
		})
	}
	delete(api.info, "C0000004")
	api.info["C0000004"] = slack.Conversation{ID: "C0000004", Name: "renamed", Archived: true}
	b.dir.Invalidate(b.ws.Key, "C0000004")
	if c, err := b.channel("#old"); !errors.As(err, new(*NotFoundError)) {
		t.Errorf("%+v, %v, want that nothing has a name that was given up", c, err)
	}
}

func FuzzGone(f *testing.F) {
	for _, id := range []string{"C0000001", "C", "G0ABCDEFGHI", "C0000000000000", "c0", "C0Ü", "0", ""} {
		f.Add(id, "alerts")
	}
	f.Fuzz(func(t *testing.T, id, name string) {
		if g, ok := goneFrom(id, name); ok && g.unpacked() != id {
			t.Errorf("%q comes back as %q", id, g.unpacked())
		}
	})
}
