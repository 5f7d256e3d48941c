// Package v1alpha1 holds the API of slack-notifier: the kinds SlackChannel,
// SlackNotification and SlackAlert of the group slack.notify.dev.
//
// It depends on apimachinery alone, so that other programs can import it to
// write notifications without pulling in the operator.
//
// +kubebuilder:object:generate=true
// +groupName=slack.notify.dev
package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var (
	// GroupVersion is the API group and version of every kind in this package.
	GroupVersion = schema.GroupVersion{Group: "slack.notify.dev", Version: "v1alpha1"}

	// SchemeBuilder collects the functions that add this package's kinds to a scheme.
	SchemeBuilder = runtime.NewSchemeBuilder(addKnownTypes)

	// AddToScheme adds the kinds of this package to a scheme.
	AddToScheme = SchemeBuilder.AddToScheme
)

func addKnownTypes(scheme *runtime.Scheme) error {
	scheme.AddKnownTypes(GroupVersion,
		&SlackChannel{}, &SlackChannelList{},
		&SlackNotification{}, &SlackNotificationList{},
		&SlackAlert{}, &SlackAlertList{},
	)
	metav1.AddToGroupVersion(scheme, GroupVersion)
	return nil
}
