//go:build tools

// Package tools keeps krew, which installs plugins of kubectl, for the tests.
package tools

import _ "sigs.k8s.io/krew/cmd/krew"
