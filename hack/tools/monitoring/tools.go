//go:build tools

// Package tools pins the kinds of the Prometheus operator, for the tests.
package tools

import _ "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
