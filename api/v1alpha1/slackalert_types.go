package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// SlackAlertSpec says what is watched and what is said of it.
//
// +kubebuilder:validation:XValidation:rule="!has(self.actions) || !has(self.actions.silence) || has(self.source.alertmanager)",message="actions.silence is for source.alertmanager only"
// +kubebuilder:validation:XValidation:rule="!has(self.keepFiringFor) || has(self.source.objects)",message="keepFiringFor is for source.objects only"
// +kubebuilder:validation:XValidation:rule="!has(self.resolveAfter) || !has(self.source.objects)",message="resolveAfter is not for source.objects, whose state is always known; leave it out",fieldPath=".resolveAfter"
type SlackAlertSpec struct {
	// channelRef names the SlackChannel to send through.
	// +required
	ChannelRef ChannelReference `json:"channelRef"`

	// recipients of the messages, as in a SlackNotification. Left out or empty: the
	// SlackChannel's own channel.
	// +optional
	// +listType=atomic
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

	// actions are buttons below the message of an open incident. They need a
	// SlackChannel with spec.interactions.
	// +optional
	Actions *AlertActions `json:"actions,omitempty"`

	// escalate says what is said when, while nobody has acknowledged an incident.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Escalate []Escalation `json:"escalate,omitempty"`

	// suspend opens no incidents and changes none.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
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

	// lastHandledRequest repeats the annotation slack.notify.dev/requestedAt that
	// was last acted on.
	// +optional
	LastHandledRequest string `json:"lastHandledRequest,omitempty"`

	// address is the path to post to, below the address of the Service of the
	// operator's intake; for source.alertmanager and source.webhook only, and empty
	// while the operator runs without --intake-bind-address.
	// +optional
	Address string `json:"address,omitempty"`

	// firing is the number of open incidents.
	// +optional
	Firing int32 `json:"firing"`

	// acknowledged is the number of open incidents that somebody has acknowledged.
	// +optional
	Acknowledged int32 `json:"acknowledged,omitempty"`

	// silenced is the number of open incidents with a silence in Alertmanager.
	// +optional
	Silenced int32 `json:"silenced,omitempty"`

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
// +kubebuilder:printcolumn:name="Acknowledged",type=integer,priority=1,JSONPath=`.status.acknowledged`
// +kubebuilder:printcolumn:name="Silenced",type=integer,priority=1,JSONPath=`.status.silenced`
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
