package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SlackNotificationSpec is one message: through which SlackChannel, to whom,
// and what.
//
// +kubebuilder:validation:XValidation:rule="has(self.title) || has(self.text) || has(self.markdown) || has(self.blocks) || has(self.attachments)",message="a message needs at least one of title, text, markdown, blocks and attachments"
// +kubebuilder:validation:XValidation:rule="has(self.actions) == has(self.answers)",message="actions and answers go together: answers.allowed says who may press"
// +kubebuilder:validation:XValidation:rule="!has(self.answers) || has(self.answers.allowed.users) && size(self.answers.allowed.users) > 0 || has(self.answers.allowed.groups) && size(self.answers.allowed.groups) > 0 || has(self.answers.allowed.everyone) && self.answers.allowed.everyone || has(self.actions) && self.actions.all(a, has(a.allowed))",message="say who may answer in answers.allowed: users, groups or everyone: true"
// +kubebuilder:validation:XValidation:rule="!(has(self.markdown) && (has(self.text) || has(self.blocks)))",message="markdown can't be combined with text or blocks"
type SlackNotificationSpec struct {
	// channelRef names the SlackChannel to send through.
	// +required
	ChannelRef ChannelReference `json:"channelRef"`

	// recipients of the message, each of whom gets it once. Left out or
	// empty: the SlackChannel's own channel.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	// +kubebuilder:validation:XValidation:rule="self.all(a, self.exists_one(b, a == b))",message="a recipient is named twice"
	Recipients []Recipient `json:"recipients,omitempty"`

	Content `json:",inline"`

	// actions are buttons below the message; what people answer stands in
	// status.responses. They need a SlackChannel with spec.interactions.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=10
	Actions []Action `json:"actions,omitempty"`

	// answers says who may press the buttons and what decides.
	// +optional
	Answers *Answers `json:"answers,omitempty"`

	// thread makes the message a reply to another one.
	// +optional
	Thread *Thread `json:"thread,omitempty"`

	// updatePolicy says what becomes of a change of the content after the
	// message was delivered: Edit (the default) edits it, and posts anew where
	// it is gone or closed to edits; Repost posts anew; Ignore leaves it.
	// +optional
	// +kubebuilder:default=Edit
	UpdatePolicy UpdatePolicy `json:"updatePolicy,omitempty"`

	// deletionPolicy says what becomes of the message when this object is
	// deleted: Retain (the default) or Delete.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy DeletionPolicy `json:"deletionPolicy,omitempty"`

	// idempotencyKey names this message beyond the life of this object: a message
	// of the same bot in the same conversation that carries the key and is at most
	// 7 days old counts as this one, and is edited where its content differs. So an
	// object that was deleted and made again repeats nothing.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	IdempotencyKey string `json:"idempotencyKey,omitempty"`

	// onUnknownOutcome says what to do when Slack may or may not have taken the
	// message and can't be asked, as with a webhook: Retry (the default) sends
	// it again, GiveUp does not.
	// +optional
	// +kubebuilder:default=Retry
	OnUnknownOutcome *UnknownOutcomePolicy `json:"onUnknownOutcome,omitempty"`

	// notBefore holds the message until then, as in 2026-11-24T08:00:00Z.
	// +optional
	NotBefore *metav1.Time `json:"notBefore,omitempty"`

	// activeDeadlineSeconds gives up what is not delivered this many seconds
	// after the object's creation.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=9223372036
	ActiveDeadlineSeconds *int64 `json:"activeDeadlineSeconds,omitempty"`

	// ttlSecondsAfterFinished deletes the object this many seconds after it
	// was delivered or failed for good. Left out: it is kept.
	// +optional
	// +kubebuilder:validation:Minimum=0
	TTLSecondsAfterFinished *int32 `json:"ttlSecondsAfterFinished,omitempty"`

	// suspend holds what is not delivered yet.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// UnknownOutcomePolicy says what to do with a message of unknown outcome.
//
// +kubebuilder:validation:Enum=Retry;GiveUp
type UnknownOutcomePolicy string

// The policies for messages of unknown outcome.
const (
	UnknownOutcomeRetry  UnknownOutcomePolicy = "Retry"
	UnknownOutcomeGiveUp UnknownOutcomePolicy = "GiveUp"
)

// UpdatePolicy says what becomes of a change of the content.
//
// +kubebuilder:validation:Enum=Edit;Repost;Ignore
type UpdatePolicy string

// The policies for a change of the content.
const (
	UpdateEdit   UpdatePolicy = "Edit"
	UpdateRepost UpdatePolicy = "Repost"
	UpdateIgnore UpdatePolicy = "Ignore"
)

// DeletionPolicy says what becomes of a message when its object is deleted.
//
// +kubebuilder:validation:Enum=Retain;Delete
type DeletionPolicy string

// The policies for the deletion of the object.
const (
	DeletionRetain DeletionPolicy = "Retain"
	DeletionDelete DeletionPolicy = "Delete"
)

// Thread names the message that this one is a reply to.
//
// +kubebuilder:validation:XValidation:rule="has(self.notificationRef) != has(self.timestamp)",message="set exactly one of notificationRef and timestamp"
type Thread struct {
	// notificationRef names a SlackNotification of the same namespace. The
	// reply waits until that one has been delivered, and goes into the thread
	// of its message in the same conversation.
	// +optional
	NotificationRef *NotificationReference `json:"notificationRef,omitempty"`

	// timestamp is Slack's ts of the message to reply to, as in
	// "1700000000.000100".
	// +optional
	// +kubebuilder:validation:Pattern=`^[0-9]{1,12}\.[0-9]{6}$`
	Timestamp string `json:"timestamp,omitempty"`

	// broadcast shows the reply in the channel too.
	// +optional
	Broadcast bool `json:"broadcast,omitempty"`
}

// NotificationReference names a SlackNotification of the same namespace.
type NotificationReference struct {
	// name of the SlackNotification.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`
}

// Content is what a message says.
type Content struct {
	// title is a headline in plain text.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=150
	Title string `json:"title,omitempty"`

	// severity colours the message, and puts Critical before Error before
	// Warning before the rest where messages wait for their turn.
	// +optional
	Severity Severity `json:"severity,omitempty"`

	// text in Slack's mrkdwn.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40000
	Text string `json:"text,omitempty"`

	// markdown is standard Markdown; not together with text or blocks.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=12000
	Markdown string `json:"markdown,omitempty"`

	// fields are short facts shown in a table.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	Fields []Field `json:"fields,omitempty"`

	// link is shown below the message.
	// +optional
	Link *Link `json:"link,omitempty"`

	// blocks of Slack's Block Kit, handed to Slack as they are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=50
	Blocks []Block `json:"blocks,omitempty"`

	// attachments in Slack's legacy format, handed to Slack as they are.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Attachments []RawObject `json:"attachments,omitempty"`

	// sender overrides the SlackChannel's.
	// +optional
	Sender *Sender `json:"sender,omitempty"`

	// unfurlLinks lets Slack show previews of the links in the message.
	// +optional
	UnfurlLinks bool `json:"unfurlLinks,omitempty"`
}

// ChannelReference names a SlackChannel.
type ChannelReference struct {
	// name of the SlackChannel.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name"`

	// namespace of the SlackChannel; the notification's own when left out.
	// Another namespace's SlackChannel must allow it.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
}

// Recipient is a person or a channel.
//
// +kubebuilder:validation:XValidation:rule="[has(self.user), has(self.email), has(self.channel)].filter(x, x).size() == 1",message="set exactly one of user, email and channel"
type Recipient struct {
	// user is a handle as in users.list, a display or real name that only one
	// person has, or an ID (U… or W…).
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	User string `json:"user,omitempty"`

	// email of a person in the workspace.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^\s*(<(mailto:)?)?[^@＠\s<>|]+[@＠][^@＠\s<>|]+(\|[^<>]*)?>?\s*$')`,message="give one e-mail address, as in ada@example.com"
	Email string `json:"email,omitempty"`

	// channel is "#name", "name", an ID or the link of a channel of the same
	// workspace.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^\s*(<#[^\s#@,<>"|]+(\|[^<>]*)?>|<https://[^\s<>|]+(\|[^<>]*)?>|[#＃]?\s*[^\s#＃@＠,<>"]+)\s*$')`,message="give a channel as \"#name\", \"name\", its ID or the link to it"
	Channel string `json:"channel,omitempty"`
}

// Severity of what a message tells.
//
// +kubebuilder:validation:Enum=Info;Success;Warning;Error;Critical
type Severity string

// The severities, from the least to the most urgent.
const (
	SeverityInfo     Severity = "Info"
	SeveritySuccess  Severity = "Success"
	SeverityWarning  Severity = "Warning"
	SeverityError    Severity = "Error"
	SeverityCritical Severity = "Critical"
)

// Field is a titled fact.
type Field struct {
	// title of the fact.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	Title string `json:"title"`

	// value in Slack's mrkdwn.
	// +required
	// +kubebuilder:validation:MaxLength=2000
	Value string `json:"value"`

	// short fields stand two in a row.
	// +optional
	Short bool `json:"short,omitempty"`
}

// Link leads to an address.
type Link struct {
	// text of the link; "Open" when left out.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=75
	Text string `json:"text,omitempty"`

	// url that the link leads to.
	// +required
	// +kubebuilder:validation:MaxLength=3000
	// +kubebuilder:validation:Pattern=`^https?://\S+$`
	URL string `json:"url"`
}

// SlackNotification is one message to Slack: to whom, what, and, in its
// status, what became of it.
//
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.spec.answers) || oldSelf.spec.answers.decidedBy == 'None' || !(has(oldSelf.status.phase) && oldSelf.status.phase in ['Delivering', 'Delivered', 'PartiallyDelivered'] || has(oldSelf.status.summary) && !oldSelf.status.summary.startsWith('0/') || has(oldSelf.status.responses) || has(oldSelf.status.decision)) || has(self.spec.answers) && self.spec.answers.decidedBy == oldSelf.spec.answers.decidedBy && self.spec.answers.allowed == oldSelf.spec.answers.allowed && self.spec.actions == oldSelf.spec.actions",message="actions, answers.allowed and answers.decidedBy can't be changed once the message is out, so that nobody changes who may answer; make a new SlackNotification"
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=sln,categories=slack
// +kubebuilder:printcolumn:name="Channel",type=string,JSONPath=`.spec.channelRef.name`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Phase",type=string,JSONPath=`.status.phase`
// +kubebuilder:printcolumn:name="Summary",type=string,JSONPath=`.status.summary`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Decision",type=string,priority=1,JSONPath=`.status.decision`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SlackNotification struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec is the message and where it goes.
	// +required
	Spec SlackNotificationSpec `json:"spec"`

	// status is what became of the message.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SlackNotificationStatus `json:"status,omitempty"`
}

// SlackNotificationList is a list of SlackNotifications.
//
// +kubebuilder:object:root=true
type SlackNotificationList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SlackNotification `json:"items"`
}

// GetConditions returns the conditions of the status.
func (n *SlackNotification) GetConditions() []metav1.Condition { return n.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (n *SlackNotification) SetConditions(conditions []metav1.Condition) {
	n.Status.Conditions = conditions
}
