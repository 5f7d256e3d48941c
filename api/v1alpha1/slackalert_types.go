package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SlackAlertSpec says what is watched and what is said of it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.keepFiringFor) || has(self.source.objects)",message="keepFiringFor is for source.objects only"
// +kubebuilder:validation:XValidation:rule="!has(self.resolveAfter) || !has(self.source.objects)",message="resolveAfter is not for source.objects, whose state is always known; leave it out",fieldPath=".resolveAfter"
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

	// resolveAfter is when an incident without news counts as resolved, which its
	// message then says; at least 1s. For events, 10m when left out. For
	// alertmanager, never when left out: news are posts that tell of an alert as
	// firing, so take more than repeat_interval. For webhook, never when left out:
	// news are posts that count. Not for source.objects, whose state is always
	// known.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s')",message="resolveAfter must be at least 1s"
	ResolveAfter *metav1.Duration `json:"resolveAfter,omitempty"`

	// keepFiringFor is how long "when" must have been false, or the object gone,
	// before an object counts as over, as Prometheus' keep_firing_for: what comes
	// back sooner is the same incident. At most 720h (30 days); 0 when left out.
	// For source.objects only.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('0s')",message="keepFiringFor can't be negative"
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('720h')",message="keepFiringFor must be at most 720h (30 days)"
	KeepFiringFor *metav1.Duration `json:"keepFiringFor,omitempty"`

	// muteTimes are times in which nothing is posted, in the words of
	// Alertmanager's time intervals. An incident that opens in one of them is told
	// when it ends, if it still fires; the message of an earlier one is edited as
	// ever, which alerts nobody. Left out: none.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	MuteTimes []TimeInterval `json:"muteTimes,omitempty"`

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

// TimeInterval is a time for which all that is set holds. Each list holds when one
// of its items does, and one that is left out always holds. A range is written
// with a colon, and includes its end.
//
// +kubebuilder:validation:XValidation:rule="has(self.weekdays) || has(self.times) || has(self.daysOfMonth) || has(self.months) || has(self.years)",message="set at least one of weekdays, times, daysOfMonth, months and years"
type TimeInterval struct {
	// weekdays, as in saturday or monday:friday.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=7
	// +kubebuilder:validation:items:MaxLength=20
	// +kubebuilder:validation:items:Pattern=`^(sunday|monday|tuesday|wednesday|thursday|friday|saturday)(:(sunday|monday|tuesday|wednesday|thursday|friday|saturday))?$`
	Weekdays []string `json:"weekdays,omitempty"`

	// times of the day.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Times []TimeRange `json:"times,omitempty"`

	// daysOfMonth, as in 1, 1:5, or -3:-1 for the last three.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=31
	// +kubebuilder:validation:items:MaxLength=7
	// +kubebuilder:validation:items:Pattern=`^-?([1-9]|[12][0-9]|3[01])(:-?([1-9]|[12][0-9]|3[01]))?$`
	DaysOfMonth []string `json:"daysOfMonth,omitempty"`

	// months by name or number, as in december, 5:8 or may:august.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=12
	// +kubebuilder:validation:items:MaxLength=20
	// +kubebuilder:validation:items:Pattern=`^(january|february|march|april|may|june|july|august|september|october|november|december|[1-9]|1[0-2])(:(january|february|march|april|may|june|july|august|september|october|november|december|[1-9]|1[0-2]))?$`
	Months []string `json:"months,omitempty"`

	// years, as in 2027 or 2027:2029.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=9
	// +kubebuilder:validation:items:Pattern=`^[0-9]{4}(:[0-9]{4})?$`
	Years []string `json:"years,omitempty"`

	// timeZone of all that, as in Europe/Berlin; UTC when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	TimeZone string `json:"timeZone,omitempty"`
}

// TimeRange is a time of the day.
//
// +kubebuilder:validation:XValidation:rule="self.from != self.to",message="from and to must differ"
type TimeRange struct {
	// from when, as in 22:00.
	// +required
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^([01][0-9]|2[0-3]):[0-5][0-9]$`
	From string `json:"from"`

	// to when, exclusive, as in 06:00; of the next day when it is not after from.
	// 24:00 is the end of the day.
	// +required
	// +kubebuilder:validation:MaxLength=5
	// +kubebuilder:validation:Pattern=`^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$`
	To string `json:"to"`
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

// AlertMessage says what is sent, by Go templates.
type AlertMessage struct {
	// title of the message.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Title string `json:"title,omitempty"`

	// severity of the message while the incident is open. Left out: Error, or
	// what the alert's label "severity", "priority" or "level" says.
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

	// address is the path to post to, below the address of the Service of the
	// operator's intake; for source.alertmanager and source.webhook only, and empty
	// while the operator runs without --intake-bind-address.
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

	// pending are objects for which "when" holds, but not for as long as
	// spec.source.objects.for says yet: the 100 that have waited the longest.
	// A restarted operator goes on counting from here. Not all that wait are
	// here: an object is added when it has waited for an eighth of the time.
	// +optional
	// +listType=map
	// +listMapKey=uid
	// +kubebuilder:validation:MaxItems=100
	Pending []PendingObject `json:"pending,omitempty"`

	// conditions: Ready, Reconciling, Stalled, and Evaluating, which is False
	// while an expression can't be evaluated for some objects or Events.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// PendingObject is an object for which "when" holds, but not for long enough yet.
type PendingObject struct {
	// uid of the object.
	// +required
	UID types.UID `json:"uid"`

	// since is when "when" was first seen to hold, in whole seconds.
	// +required
	Since metav1.Time `json:"since"`
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
