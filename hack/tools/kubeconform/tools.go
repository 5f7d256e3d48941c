//go:build tools

// Package tools keeps kubeconform, which checks manifests by JSON schemas, for the
// tests.
package tools

import _ "github.com/yannh/kubeconform/cmd/kubeconform"
