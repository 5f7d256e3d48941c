// Package chaos breaks things for real while messages are on their way: the
// operator is killed, its leader lost, the API server and etcd are stopped, and
// Slack answers errors, cuts connections, hangs and storms. Then it counts
// what was lost, what came twice, and what it cost.
//
// The short form is a part of make test; make test-chaos runs the long one.
package chaos

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

// env is what all tests share.
var env *harness.Env

// long is the form of make test-chaos.
var long = os.Getenv("CHAOS") == "long"

// pick chooses by the form.
func pick[T any](shortForm, longForm T) T {
	if long {
		return longForm
	}
	return shortForm
}

func TestMain(m *testing.M) {
	// How long all of it may take is go test's -timeout, whatever the machine.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	if env, err = harness.Start(ctx, "../.."); err != nil {
		fmt.Fprintln(os.Stderr, "chaos:", err)
		os.Exit(1)
	}
	code := m.Run()
	env.Close()
	fmt.Print(table())
	os.Exit(code)
}

// row of the table at the end.
type row struct {
	name                              string
	messages, lost, doubled, provoked int
	calls                             float64
	kills                             int
	took                              time.Duration
}

var results struct {
	mu   sync.Mutex
	rows []row
}

func table() string {
	results.mu.Lock()
	defer results.mu.Unlock()
	if len(results.rows) == 0 {
		return ""
	}
	slices.SortFunc(results.rows, func(a, b row) int { return strings.Compare(a.name, b.name) })
	var b strings.Builder
	fmt.Fprintf(&b, "\n| %-58s | messages | lost | twice | provoked 429 | calls/message | kills | seconds |\n", "what was done")
	fmt.Fprintf(&b, "| %s | ---: | ---: | ---: | ---: | ---: | ---: | ---: |\n", strings.Repeat("-", 58))
	for _, r := range results.rows {
		fmt.Fprintf(&b, "| %-58s | %8d | %4d | %5d | %13d | %13.2f | %5d | %7.0f |\n",
			r.name, r.messages, r.lost, r.doubled, r.provoked, r.calls, r.kills, r.took.Seconds())
	}
	return b.String()
}
