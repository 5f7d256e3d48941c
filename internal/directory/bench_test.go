package directory

import (
	"errors"
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/onsi/gomega"

	"github.com/slack-notifier/slack-notifier/internal/slack"
)

func pagesOf[T any](n int, one func(i int) T) [][]T {
	var pages [][]T
	for i := range n {
		if i%200 == 0 {
			pages = append(pages, nil)
		}
		last := len(pages) - 1
		pages[last] = append(pages[last], one(i))
	}
	return pages
}

func people(n int) [][]slack.User {
	return pagesOf(n, func(i int) slack.User {
		return slack.User{
			ID: fmt.Sprintf("U%010d", i), Name: fmt.Sprintf("person.%06d", i), DisplayName: fmt.Sprintf("Person %d", i),
			RealName: fmt.Sprintf("Person Number %d", i), Email: fmt.Sprintf("person.%06d@example.com", i),
		}
	})
}

// rooms has every tenth channel archived, and texts that the list is to do without.
func rooms(n int) [][]slack.Conversation {
	return pagesOf(n, func(i int) slack.Conversation {
		return slack.Conversation{
			ID: fmt.Sprintf("C%010d", i), Name: fmt.Sprintf("team-%06d-alerts", i), Archived: i%10 == 0,
			Topic: fmt.Sprintf("the topic of %d", i), Purpose: fmt.Sprintf("the purpose of %d", i), Creator: "U0000000001",
		}
	})
}

// heap is what is in use now.
func heap() float64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

const large = 100_000

// What a user of a large workspace weighs.
func BenchmarkMemoryOfUsers(b *testing.B) {
	for range b.N {
		pages := people(large)
		before := heap()
		bench := newBench(b, newFake(pages...))
		bench.loaded()
		b.ReportMetric((heap()-before)/large, "B/user")
		runtime.KeepAlive(pages)
		runtime.KeepAlive(bench)
	}
}

// What a channel weighs: in the list of one bot, more in the list of another,
// and more while the list of the first is read again.
func BenchmarkMemoryOfChannels(b *testing.B) {
	for range b.N {
		api := newFake()
		api.convs = rooms(large)
		before := heap()
		bench := newBench(b, api)
		if _, err := bench.channel("#none"); !errors.As(err, new(*NotFoundError)) {
			b.Fatal(err)
		}
		one := heap()
		b.ReportMetric((one-before)/large, "B/channel")

		first := bench.ws
		bench.ws.Key = slack.SharedDomain().Workspace("T1", "UOTHER")
		if _, err := bench.channel("#none"); !errors.As(err, new(*NotFoundError)) {
			b.Fatal(err)
		}
		two := heap()
		b.ReportMetric((two-one)/large, "B/channel-of-another-bot")

		bench.ws = first
		bench.dir.Forget(first.Credential) // nobody waits for the second
		api.gate = make(chan struct{})
		bench.dir.mu.Lock()
		bench.dir.conversationList(first).pages = 1 // else it is too long to be read again so soon
		bench.dir.mu.Unlock()
		bench.clock.Step(11 * time.Minute)
		_, _ = bench.channel("team-000001-alerts")
		for range len(api.convs) - 1 {
			api.gate <- struct{}{}
		}
		bench.Eventually(func() int { return api.Calls(slack.MethodConversationsList) }).Should(gomega.Equal(3*len(api.convs) - 1))
		b.ReportMetric((heap()-two)/large, "B/channel-while-read-again")
		close(api.gate)
		runtime.KeepAlive(api)
		runtime.KeepAlive(bench)
	}
}

func BenchmarkFindUserOf100000(b *testing.B) {
	bench := newBench(b, newFake(people(large)...))
	bench.loaded()
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := bench.find(fmt.Sprintf("person.%06d", i%large)); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFindChannelOf100000(b *testing.B) {
	api := newFake()
	api.convs = rooms(large)
	bench := newBench(b, api)
	_, _ = bench.channel("#none") // which takes the whole list
	b.ReportAllocs()
	b.ResetTimer()
	for i := range b.N {
		if _, err := bench.channel(fmt.Sprintf("team-%06d-alerts", i/10*10%large+1)); err != nil {
			b.Fatal(err)
		}
	}
}

// How long it takes to find what is like a name that nobody has.
func BenchmarkNearOf100000(b *testing.B) {
	users := pagesOf(large, func(i int) user {
		syllables := []string{"an", "be", "cor", "da", "el", "fi", "gus", "ha", "in", "jo", "ka", "lu", "mar", "no", "ol", "pe"}
		name := syllables[i%16] + syllables[i/16%16] + "." + syllables[i/256%16] + syllables[i/4096%16] + syllables[i/65536]
		return compact(slack.User{ID: fmt.Sprintf("U%010d", i), Name: name, DisplayName: "The " + name, RealName: "Mr " + name})
	})
	var all []user
	for _, page := range users {
		all = append(all, page...)
	}
	s := newSnapshot(all, userKeys)
	tell := func(u user) bool { return !u.deleted && !u.bot }
	for name, want := range map[string]string{"a typing error": "anbe.cordaeel", "nothing like it": "q7zz.xx-yy", "a short one": "anb"} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for range b.N {
				near(s, want, tell, byName, byDisplay, byReal)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/name")
		})
	}
	b.Run("numbered names", func(b *testing.B) {
		var all []user
		for _, page := range people(large) {
			for _, u := range page {
				all = append(all, compact(u))
			}
		}
		s := newSnapshot(all, userKeys)
		b.ResetTimer()
		for range b.N {
			near(s, "person.0500000", tell, byName, byDisplay, byReal)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/name")
	})
}
