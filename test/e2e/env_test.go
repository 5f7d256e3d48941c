// Package e2e runs the operator as its own process, with its own rights, on a
// real control plane against the simulated Slack.
package e2e

import (
	"context"
	"errors"
	"fmt"
	"os"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/slack-notifier/slack-notifier/test/harness"
)

// env is what all tests share.
var env struct {
	*harness.Env
	client client.WithWatch
	slack  string
	shared *harness.Operator
}

func TestMain(m *testing.M) {
	code, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(code)
}

func run(m *testing.M) (int, error) {
	// How long all of it may take is go test's -timeout, whatever the machine.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var err error
	if env.Env, err = harness.Start(ctx, "../.."); err != nil {
		return 0, err
	}
	defer env.Close()
	env.client, env.slack = env.Client, env.Slack
	// What is labelled otherwise belongs to operators of single tests.
	if env.shared, err = env.StartOperator(ctx, "shared", "--watch-label-selector=shard!=own"); err != nil {
		return 0, err
	}
	code := m.Run()
	leaks := findLeaks(ctx)
	env.shared.Stop()
	return code, errors.Join(leaks, env.shared.Autopsy(code))
}

func fetch(t *testing.T, url string) []byte {
	t.Helper()
	data, err := harness.Fetch(url)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func secretOf(ns, name string, data map[string]string) *corev1.Secret {
	s := &corev1.Secret{StringData: data}
	s.Namespace, s.Name = ns, name
	return s
}
