package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/go-logr/logr"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// A lazy logger writes the lines that the other one writes.
func TestLazyLoggerWritesTheSame(t *testing.T) {
	write := func(wrap func(logr.Logger) logr.Logger) string {
		var out bytes.Buffer
		l := wrap(zap.New(zap.WriteTo(&out), zap.UseDevMode(true), zap.JSONEncoder()))
		base := l.WithValues("controller", "c")
		one, two := base.WithValues("name", "one"), base.WithValues("name", "two")
		one.Info("first", "n", 1)
		two.WithName("sub").Info("second")
		one.Error(errors.New("broken"), "third", "n", 3)
		one.V(1).Info("fourth")
		var lines []string
		for line := range strings.Lines(out.String()) {
			_, rest, _ := strings.Cut(line, `"ts":`) // the time differs
			_, rest, _ = strings.Cut(rest, ",")
			rest, _, _ = strings.Cut(rest, `"stacktrace"`)
			lines = append(lines, rest)
		}
		return strings.Join(lines, "\n")
	}
	var wrote []string
	for _, wrap := range []func(logr.Logger) logr.Logger{func(l logr.Logger) logr.Logger { return l }, lazily} {
		wrote = append(wrote, write(wrap))
	}
	if want, got := wrote[0], wrote[1]; got != want || strings.Count(want, `"msg"`) != 4 {
		t.Errorf("it wrote\n%s\nwant\n%s", got, want)
	}
}
