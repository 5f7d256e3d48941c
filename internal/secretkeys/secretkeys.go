// Package secretkeys names the keys of a Secret to people, and no value.
package secretkeys

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// most keys that are named, in the order of the alphabet.
const most = 10

// Has says which keys a Secret has: `it has "token", "url"`. More than 10 are
// counted.
func Has(s *corev1.Secret) string {
	keys := make([]string, 0, len(s.Data))
	for key := range s.Data {
		keys = append(keys, fmt.Sprintf("%q", key))
	}
	if len(keys) == 0 {
		return "it has none"
	}
	slices.Sort(keys)
	out := "it has " + strings.Join(keys[:min(len(keys), most)], ", ")
	if more := len(keys) - most; more > 0 {
		out += fmt.Sprintf(" and %d more", more)
	}
	return out
}
