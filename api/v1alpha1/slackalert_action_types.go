package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// AlertActions are the buttons below the message of an open incident.
//
// +kubebuilder:validation:MinProperties=1
type AlertActions struct {
	// acknowledge tells everybody that somebody is on it: no reminders and no
	// escalation from then on.
	// +optional
	Acknowledge *AcknowledgeAction `json:"acknowledge,omitempty"`

	// snooze holds reminders and escalation for a while.
	// +optional
	Snooze *SnoozeAction `json:"snooze,omitempty"`

	// resolve closes the incident by hand; it opens again only after the condition
	// was over once.
	// +optional
	Resolve *ResolveAction `json:"resolve,omitempty"`

	// silence makes a silence in Alertmanager; source.alertmanager only.
	// +optional
	Silence *SilenceAction `json:"silence,omitempty"`
}

// AcknowledgeAction tells everybody that somebody is on it.
type AcknowledgeAction struct {
	// allowed says who may; everyone of the workspace when left out.
	// +optional
	Allowed *AllowedPeople `json:"allowed,omitempty"`

	// expiresAfter is when it counts as unacknowledged again; at least 1s. Left out:
	// never.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('720h')",message="expiresAfter must be between 1s and 720h (30 days)"
	ExpiresAfter *metav1.Duration `json:"expiresAfter,omitempty"`
}

// ActionDuration is a choice of a menu, as in 30m, 4h, 7d or 1h30m.
//
// +kubebuilder:validation:MinLength=2
// +kubebuilder:validation:MaxLength=16
// +kubebuilder:validation:XValidation:rule="self.matches('^([1-9][0-9]{0,3}[smh]|[1-9][0-9]{0,2}d|[1-9][0-9]?w){1,3}$')",message="give a duration as in 30m, 4h, 7d or 1h30m, of at most four digits (days three, weeks two)"
type ActionDuration string

// SnoozeAction holds reminders and escalation for a while.
type SnoozeAction struct {
	// allowed says who may; nobody when left out.
	// +optional
	Allowed *AllowedPeople `json:"allowed,omitempty"`

	// durations to choose from; 1h, 4h and 24h when left out.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Durations []ActionDuration `json:"durations,omitempty"`
}

// ResolveAction closes the incident by hand.
type ResolveAction struct {
	// allowed says who may; nobody when left out.
	// +optional
	Allowed *AllowedPeople `json:"allowed,omitempty"`
}

// SilenceAction makes a silence in Alertmanager.
//
// +kubebuilder:validation:XValidation:rule="has(self.durations) || has(self.untilResolved) && self.untilResolved",message="offer durations, untilResolved: true, or both"
type SilenceAction struct {
	// allowed says who may. It mutes every receiver of that Alertmanager.
	// +required
	// +kubebuilder:validation:XValidation:rule="has(self.users) && size(self.users) > 0 || has(self.groups) && size(self.groups) > 0 || has(self.everyone) && self.everyone",message="say who may silence: users, groups or everyone: true"
	Allowed AllowedPeople `json:"allowed"`

	// durations to choose from.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	Durations []ActionDuration `json:"durations,omitempty"`

	// untilResolved offers a silence that is renewed while the alert fires, and ends
	// with the incident.
	// +optional
	UntilResolved bool `json:"untilResolved,omitempty"`

	// labels that the silence matches, each with the value that the incident's
	// alerts have in common; Alertmanager's group labels when left out. Where one
	// is missing or was cut, nothing is silenced. Namespaces that the operator's
	// flag --cluster-scope-namespaces does not name always match their own
	// namespace too.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=256
	Labels []string `json:"labels,omitempty"`

	// alertmanager that is asked. The operator's flag --alertmanager-hosts must
	// name its host.
	// +required
	Alertmanager AlertmanagerAPI `json:"alertmanager"`
}

// AlertmanagerAPI is how to reach an Alertmanager's API.
type AlertmanagerAPI struct {
	// url of the Alertmanager, with its path prefix, as in
	// http://alertmanager.monitoring:9093.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:Pattern=`^https?://[^\s/?#@]+(/[^\s?#]*)?$`
	URL string `json:"url"`

	// authSecretRef names a Secret with the key token (a bearer token), or with the
	// keys username and password (basic auth); with tls.crt and tls.key it is a
	// client certificate, alone or beside these.
	// +optional
	AuthSecretRef *SecretReference `json:"authSecretRef,omitempty"`

	// caSecretRef names a Secret whose key ca.crt holds the certificate authorities
	// (PEM) to trust beside the system's own.
	// +optional
	CASecretRef *SecretReference `json:"caSecretRef,omitempty"`
}

// Escalation is what is said while nobody has acknowledged an incident.
//
// +kubebuilder:validation:XValidation:rule="has(self.text) || has(self.recipients)",message="an escalation needs text, recipients or both"
type Escalation struct {
	// after is how long the incident must have been open without having been
	// acknowledged; at least 1s.
	// +required
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('720h')",message="after must be between 1s and 720h (30 days)"
	After metav1.Duration `json:"after"`

	// text in Slack's mrkdwn. Without recipients it is said in the thread of the
	// incident's message.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=3000
	Text string `json:"text,omitempty"`

	// recipients who are told of the incident, as in a SlackNotification.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a == b))",message="a recipient is named twice"
	Recipients []Recipient `json:"recipients,omitempty"`
}
