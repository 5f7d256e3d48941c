// Command slacksim serves a simulated Slack on the loopback interface, for the
// demo and for tests.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"github.com/slack-notifier/slack-notifier/internal/slacksim"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "slacksim:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := pflag.String("listen", "127.0.0.1:0", "address to listen on")
	noLimits := pflag.Bool("no-limits", false, "lift Slack's rate limits")
	users := pflag.Int("seed-users", 0, "how many generated people to add")
	pflag.Parse()

	seed := slacksim.DefaultSeed()
	seed.AddUsers(*users)
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	fmt.Printf("listening on http://%s\n", listener.Addr())

	sim := slacksim.New(slacksim.Config{Seed: seed, NoLimits: *noLimits})
	server := &http.Server{Handler: sim, ReadHeaderTimeout: 10 * time.Second}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		<-ctx.Done()
		_ = server.Close() // ends open streams too
		sim.Close()
	}()
	if err := server.Serve(sim.Listener(listener)); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
