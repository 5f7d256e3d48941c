package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SlackAlertSpec says what is watched and what is said of it.
type SlackAlertSpec struct {
	// channelRef names the SlackChannel to send through.
	// +required
	ChannelRef ChannelReference `json:"channelRef"`

	// recipients of the messages, as in a SlackNotification. Left out: the
	// SlackChannel's own channel.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a == b))",message="a recipient is named twice"
	Recipients []Recipient `json:"recipients,omitempty"`

	// source says where the alerts come from.
	// +required
	Source AlertSource `json:"source"`

	// groupBy are CEL expressions over the same variables as "when" (for
	// alertmanager: labels, annotations and alert; for webhook: body and headers).
	// Each distinct combination of their values is one incident. Left out: one
	// incident for each object, for each object that an Event is about and its
	// reason, or for each group of Alertmanager's; for webhook what the preset
	// says, or else one for the SlackAlert, and one for each post when nothing
	// ends incidents.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MinLength=1
	// +kubebuilder:validation:items:MaxLength=1024
	GroupBy []string `json:"groupBy,omitempty"`

	// message says what is sent, by Go templates over the thing that fires. What
	// is left out has a default that is good for the source.
	// +optional
	Message *AlertMessage `json:"message,omitempty"`

	// onResolve says what is done when an incident is over: Edit (the default)
	// turns the first message green, Reply answers in its thread,
	// EditAndReply does both, None does nothing.
	// +optional
	// +kubebuilder:default=Edit
	OnResolve ResolvePolicy `json:"onResolve,omitempty"`

	// repeatInterval reminds in the thread, this long after the last message,
	// while an incident is still open; at least 1m. Left out: never.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="repeatInterval must be at least 1m"
	RepeatInterval *metav1.Duration `json:"repeatInterval,omitempty"`

	// resolveAfter is when an incident without news counts as resolved; at least
	// 1s. Left out: 10m for source.events, and never for source.webhook. For these
	// two only.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="resolveAfter must be at least 1s"
	ResolveAfter *metav1.Duration `json:"resolveAfter,omitempty"`

	// maxIncidents are open at once; what is beyond is rolled up into one
	// message that counts.
	// +optional
	// +kubebuilder:default=50
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	MaxIncidents int32 `json:"maxIncidents,omitempty"`

	// notificationTTL is how long the SlackNotification of a resolved incident
	// is kept; 24h when left out, and 30 days (720h) at the most.
	// +optional
	// +kubebuilder:default="24h"
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('720h')",message="notificationTTL must be at most 720h (30 days)"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="notificationTTL can't be negative"
	NotificationTTL *metav1.Duration `json:"notificationTTL,omitempty"`

	// suspend opens no incidents and changes none.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

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

	// when is a CEL expression that is true while the object is to be told of.
	// Variables: object, and oldObject, the object as it was before its last
	// change (null when that is not known).
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=4096
	When string `json:"when"`

	// for is how long "when" must hold, counted from when it was first seen.
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

// AlertMessage says what is sent, by Go templates.
type AlertMessage struct {
	// title of the message.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Title string `json:"title,omitempty"`

	// severity of the message while the incident is open. Left out: Error, or
	// what the alert's label "severity" says.
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// text in Slack's mrkdwn. What the templates insert is escaped.
	// +optional
	// +kubebuilder:validation:MaxLength=10240
	Text string `json:"text,omitempty"`

	// fields of the message.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Fields []AlertField `json:"fields,omitempty"`

	// link below the message.
	// +optional
	Link *AlertLink `json:"link,omitempty"`
}

// AlertField is a titled fact, by Go templates.
type AlertField struct {
	// title of the fact.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	Title string `json:"title"`

	// value of the fact.
	// +required
	// +kubebuilder:validation:MaxLength=2000
	Value string `json:"value"`

	// short fields stand two in a row.
	// +optional
	Short bool `json:"short,omitempty"`
}

// AlertLink leads to an address, by Go templates.
type AlertLink struct {
	// text of the link; "Open" when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=300
	Text string `json:"text,omitempty"`

	// url that the link leads to. No link is shown when it comes out empty or
	// is no http(s) address.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=3000
	URL string `json:"url"`
}

// ResolvePolicy says what is done when an incident is over.
//
// +kubebuilder:validation:Enum=Edit;Reply;EditAndReply;None
type ResolvePolicy string

// The policies for the end of an incident.
const (
	ResolveEdit         ResolvePolicy = "Edit"
	ResolveReply        ResolvePolicy = "Reply"
	ResolveEditAndReply ResolvePolicy = "EditAndReply"
	ResolveNone         ResolvePolicy = "None"
)

// Labels and annotations of the SlackNotifications that a SlackAlert makes.
const (
	// LabelAlert names the SlackAlert.
	LabelAlert = "slack.notify.dev/alert"
	// LabelIncident names the incident.
	LabelIncident = "slack.notify.dev/incident"
)

// SlackAlertStatus is how a SlackAlert is doing.
type SlackAlertStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// address is the path to post to, below the address of the operator's intake;
	// for source.alertmanager and source.webhook only.
	// +optional
	Address string `json:"address,omitempty"`

	// firing is the number of open incidents.
	// +optional
	Firing int32 `json:"firing"`

	// eventsSeenUntil is up to when Events have been looked at.
	// +optional
	EventsSeenUntil *metav1.MicroTime `json:"eventsSeenUntil,omitempty"`

	// eventsSeenVersion is the resourceVersion up to which Events have been
	// looked at. It is exact where times are not: senders have clocks of their
	// own, and some tell whole seconds.
	// +optional
	EventsSeenVersion string `json:"eventsSeenVersion,omitempty"`

	// conditions: Ready, Reconciling and Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// SlackAlert is a standing rule that turns things that happen in the cluster
// into SlackNotifications.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sla,categories=slack
// +kubebuilder:printcolumn:name="Channel",type=string,JSONPath=`.spec.channelRef.name`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Firing",type=integer,JSONPath=`.status.firing`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Address",type=string,priority=1,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SlackAlert struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says what is watched and what is said of it.
	// +required
	Spec SlackAlertSpec `json:"spec"`

	// status is how the rule is doing.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SlackAlertStatus `json:"status,omitempty"`
}

// SlackAlertList is a list of SlackAlerts.
//
// +kubebuilder:object:root=true
type SlackAlertList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SlackAlert `json:"items"`
}

// GetConditions returns the conditions of the status.
func (a *SlackAlert) GetConditions() []metav1.Condition { return a.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (a *SlackAlert) SetConditions(conditions []metav1.Condition) {
	a.Status.Conditions = conditions
}
