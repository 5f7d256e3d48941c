package alert

import (
	"fmt"
	"slices"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slack-notifier/slack-notifier/internal/directory"
)

// meant asks for what was mistaken for a kind: its plural, a short name, other
// letters or a typing error.
func meant(wrong string, resources []metav1.APIResource) string {
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
	if near := directory.Near(wrong, kinds); len(near) > 0 {
		return fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
	}
	return ""
}
