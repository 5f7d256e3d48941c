package harness

import (
	"path/filepath"
	"sync"
	"time"

	"github.com/slack-notifier/slack-notifier/internal/race"
)

// Program is a build of the operator.
type Program struct {
	// Path of its file.
	Path string
	// Environ are variables beside those of the tests, as in "NAME=value".
	Environ []string
	// User whose rights it has; the operator's own ServiceAccount when empty.
	User string
	// CustomConnections are the namespaces of --custom-connections; all when nil.
	CustomConnections []string
	// Without are the flags of the harness that an older build does not know.
	Without []string
}

// releases are built once for all who ask.
var releases struct {
	mu   sync.Mutex
	path string
}

// Release is the operator without the race detector, which takes several times
// the memory.
func (env *Env) Release() (Program, error) {
	if !race.Enabled {
		return Program{Path: env.operatorPath()}, nil
	}
	releases.mu.Lock()
	defer releases.mu.Unlock()
	if releases.path == "" {
		path := filepath.Join(env.Dir, "slack-notifier-release")
		if err := env.buildPlain(path, nil, "slack-notifier"); err != nil {
			return Program{}, err
		}
		releases.path = path
	}
	return Program{Path: releases.path}, nil
}

// wrongClocks are built once for all who ask.
var wrongClocks struct {
	mu   sync.Mutex
	path string
}

// WrongClock builds an operator whose clock is ahead of all others by offset,
// or behind them where it is negative (cmd/slack-notifier/clock_offset.go).
func (env *Env) WrongClock(offset time.Duration) (Program, error) {
	wrongClocks.mu.Lock()
	defer wrongClocks.mu.Unlock()
	if wrongClocks.path == "" {
		path := filepath.Join(env.Dir, "slack-notifier-clockoffset")
		if err := env.compile(path, []string{"-tags=clockoffset"}, "slack-notifier"); err != nil {
			return Program{}, err
		}
		wrongClocks.path = path
	}
	return Program{Path: wrongClocks.path, Environ: []string{"SLACK_NOTIFIER_CLOCK_OFFSET=" + offset.String()}}, nil
}
