package kindwatch

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// meant asks for what was mistaken for a kind: its plural, a short name, other
// letters or a typing error.
func (k *Kinds) meant(wrong string, resources []metav1.APIResource) string {
	for i := range resources {
		resource := &resources[i]
		names := append([]string{resource.Kind, resource.Name, resource.SingularName}, resource.ShortNames...)
		if !strings.Contains(resource.Name, "/") && slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, wrong) }) {
			return fmt.Sprintf(" (did you mean %s?)", resource.Kind)
		}
	}
	var kinds []string
	for i := range resources {
		if !strings.Contains(resources[i].Name, "/") {
			kinds = append(kinds, resources[i].Kind)
		}
	}
	if k.Near == nil {
		return ""
	}
	if near := k.Near(wrong, kinds); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
	}
	return ""
}
