//go:build tools

// Package tools pins setup-envtest, so that no other program is run than the one
// whose checksum go.sum has.
package tools

import _ "sigs.k8s.io/controller-runtime/tools/setup-envtest"
