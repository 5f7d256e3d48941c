//go:build tools

// Package tools pins Prometheus and promtool, by which the rules and the
// dashboard are tried.
package tools

import (
	_ "github.com/prometheus/prometheus/cmd/prometheus"
	_ "github.com/prometheus/prometheus/cmd/promtool"
)
