//go:build tools

// Package tools pins the Alertmanager that the tests post from.
package tools

import _ "github.com/prometheus/alertmanager/cmd/alertmanager"
