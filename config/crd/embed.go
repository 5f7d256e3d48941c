// Package crd holds the CustomResourceDefinitions, for commands that check
// objects by their schemas without a cluster.
package crd

import "embed"

// Bases are the CustomResourceDefinitions, as YAML files in the directory "bases".
//
//go:embed bases/*.yaml
var Bases embed.FS
