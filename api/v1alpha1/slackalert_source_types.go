package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertSource is where alerts come from.
//
// +kubebuilder:validation:XValidation:rule="[has(self.objects), has(self.events), has(self.alertmanager), has(self.webhook)].filter(x, x).size() == 1",message="set exactly one of objects, events, alertmanager and webhook"
type AlertSource struct {
	// objects watches the state of a kind of object.
	// +optional
	Objects *ObjectsSource `json:"objects,omitempty"`

	// events watches Kubernetes Events.
	// +optional
	Events *EventsSource `json:"events,omitempty"`

	// alertmanager takes what an Alertmanager posts to status.address.
	// +optional
	Alertmanager *AlertmanagerSource `json:"alertmanager,omitempty"`

	// webhook takes any JSON that is posted to status.address.
	// +optional
	Webhook *WebhookSource `json:"webhook,omitempty"`
}

// ObjectsSource watches the state of a kind of object.
type ObjectsSource struct {
	// apiVersion of the kind, as in apps/v1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=317
	APIVersion string `json:"apiVersion"`

	// kind of the objects, as in Deployment.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Kind string `json:"kind"`

	// selector picks objects by their labels. Left out: all.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// namespaceSelector watches the namespaces with these labels instead of the
	// SlackAlert's own; for SlackAlerts in a namespace that the operator names
	// in --cluster-scope-namespaces only.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// when is a CEL expression that is true while the object is to be told of,
	// and false when that is over. While it gives null, or can't be evaluated
	// because a field is missing, it is not known: an open incident stays open,
	// and none is opened. Variables: object, and oldObject, the object as it was
	// before its last change (null when that is not known).
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	When string `json:"when"`

	// for is how long "when" must hold, counted from when it was first seen. A
	// restart of the operator does not begin it anew (status.pending).
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="for can't be negative"
	For *metav1.Duration `json:"for,omitempty"`
}

// EventsSource watches Kubernetes Events.
type EventsSource struct {
	// types of the Events, as in Warning. Left out: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=10
	Types []string `json:"types,omitempty"`

	// reasons of the Events, as in BackOff. Left out: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	Reasons []string `json:"reasons,omitempty"`

	// involvedKinds are the kinds of the objects that the Events are about, as
	// in Pod. Left out: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=100
	InvolvedKinds []string `json:"involvedKinds,omitempty"`

	// namespaceSelector watches the namespaces with these labels instead of the
	// SlackAlert's own; for SlackAlerts in a namespace that the operator names
	// in --cluster-scope-namespaces only.
	// +optional
	NamespaceSelector *metav1.LabelSelector `json:"namespaceSelector,omitempty"`

	// when is a CEL expression that must be true for an Event to count.
	// Variable: event, with the fields of v1 Event (type, reason, message,
	// count, involvedObject, …).
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	When string `json:"when,omitempty"`
}

// AlertmanagerSource takes what an Alertmanager posts.
type AlertmanagerSource struct{}

// WebhookSource takes any JSON that is posted to the SlackAlert's address.
type WebhookSource struct {
	// preset brings when, resolvedWhen, groupBy and the message for what a known
	// sender posts. What the SlackAlert says itself goes before it.
	// +optional
	Preset WebhookPreset `json:"preset,omitempty"`

	// when is a CEL expression that must be true for a post to open an incident
	// or to count for an open one. Variables: body, the JSON that was posted, and
	// headers, by their names in lower case. Left out: what the preset says, or
	// else each post counts.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	When string `json:"when,omitempty"`

	// resolvedWhen is a CEL expression, over the same variables, that is true for a
	// post that ends the incident of its group. It goes before "when". Left out:
	// what the preset says, or else no post ends an incident; "false" takes
	// out what the preset says. Without an end, neither by it nor by resolveAfter,
	// what is posted is told and is not firing.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	ResolvedWhen string `json:"resolvedWhen,omitempty"`

	// signature has posts signed with a key (HMAC-SHA256 over the body) in place
	// of a Kubernetes token. With it, a post without a right signature is refused.
	// +optional
	Signature *WebhookSignature `json:"signature,omitempty"`
}

// WebhookPreset names a sender whose posts are known.
//
// +kubebuilder:validation:Enum=Flux;ArgoCD;GitHub;Sentry;Falco;CloudEvents
type WebhookPreset string

// The senders whose posts are known.
const (
	PresetFlux        WebhookPreset = "Flux"
	PresetArgoCD      WebhookPreset = "ArgoCD"
	PresetGitHub      WebhookPreset = "GitHub"
	PresetSentry      WebhookPreset = "Sentry"
	PresetFalco       WebhookPreset = "Falco"
	PresetCloudEvents WebhookPreset = "CloudEvents"
)

// WebhookSignature says how posts are signed.
type WebhookSignature struct {
	// secretRef names the Secret with the key that both sides know, and the key of
	// its data that holds it; "token" when left out.
	// +required
	SecretRef SecretKeyReference `json:"secretRef"`

	// header that holds the HMAC-SHA256 of the body, as "sha256=" and hex, bare hex
	// or base64. Left out: the preset's (X-Signature of Flux, Sentry-Hook-Signature
	// of Sentry), or else X-Hub-Signature-256.
	// +optional
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9][A-Za-z0-9-]*$`
	// +kubebuilder:validation:XValidation:rule="!(self.lowerAscii() in ['authorization', 'proxy-authorization', 'cookie', 'host', 'content-type', 'content-length', 'transfer-encoding', 'connection'])",message="a signature can't be in this header; name one of its own, as X-Hub-Signature-256"
	Header string `json:"header,omitempty"`
}
