package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
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

	// recipients of the message, each of whom gets it once. Left out: the
	// SlackChannel's own channel.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
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
	OnUnknownOutcome UnknownOutcomePolicy `json:"onUnknownOutcome,omitempty"`

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
	// +kubebuilder:validation:MinItems=1
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

// Phase sums up how far a SlackNotification has come.
//
// +kubebuilder:validation:Enum=Pending;Delivering;Delivered;PartiallyDelivered;Failed;Suspended
type Phase string

const (
	// PhasePending means: nothing has been sent yet.
	PhasePending Phase = "Pending"
	// PhaseDelivering means: some recipient has been tried or reached, and some are open.
	PhaseDelivering Phase = "Delivering"
	// PhaseDelivered means: every recipient has been reached.
	PhaseDelivered Phase = "Delivered"
	// PhasePartiallyDelivered means: some recipients have been reached, the rest
	// can't be without a change by a person.
	PhasePartiallyDelivered Phase = "PartiallyDelivered"
	// PhaseFailed means: no recipient was reached, nor can be without a change by a person.
	PhaseFailed Phase = "Failed"
	// PhaseSuspended means: spec.suspend holds what is open.
	PhaseSuspended Phase = "Suspended"
)

// DeliveryState is how far one delivery has come.
//
// +kubebuilder:validation:Enum=Pending;Retrying;Delivered;Failed;Unknown
type DeliveryState string

const (
	// DeliveryPending means: not tried yet.
	DeliveryPending DeliveryState = "Pending"
	// DeliveryRetrying means: tried without success, and to be tried again.
	DeliveryRetrying DeliveryState = "Retrying"
	// DeliveryDelivered means: Slack has the message.
	DeliveryDelivered DeliveryState = "Delivered"
	// DeliveryFailed means: not tried again until something is changed.
	DeliveryFailed DeliveryState = "Failed"
	// DeliveryUnknown means: Slack may or may not have taken the message, and it was
	// asked not to risk a second one.
	DeliveryUnknown DeliveryState = "Unknown"
)

// Delivery is what became of the message for one recipient.
type Delivery struct {
	// recipient is "user:…", "email:…", "channel:…" or "default".
	// +required
	Recipient string `json:"recipient"`

	// conversationID is the channel or direct message that it went to.
	// +optional
	ConversationID string `json:"conversationID,omitempty"`

	// userID of the person that it went to.
	// +optional
	UserID string `json:"userID,omitempty"`

	// timestamp is Slack's ts, which names the message within the
	// conversation; none for a webhook.
	// +optional
	Timestamp string `json:"timestamp,omitempty"`

	// permalink opens the message in Slack.
	// +optional
	Permalink string `json:"permalink,omitempty"`

	// state of this delivery.
	// +required
	State DeliveryState `json:"state"`

	// contentHash tells which content has been delivered.
	// +optional
	ContentHash string `json:"contentHash,omitempty"`

	// unverified means: Slack may have the message, which is looked up before
	// anything is sent.
	// +optional
	Unverified bool `json:"unverified,omitempty"`

	// via is the SlackChannel, as namespace/name, that the message went through.
	// Through no other one is it edited or deleted.
	// +optional
	Via string `json:"via,omitempty"`

	// viaUID is that SlackChannel's UID.
	// +optional
	ViaUID types.UID `json:"viaUID,omitempty"`

	// attempts made so far.
	// +optional
	Attempts int32 `json:"attempts,omitempty"`

	// lastAttemptAt is when the last attempt began.
	// +optional
	LastAttemptAt *metav1.Time `json:"lastAttemptAt,omitempty"`

	// deliveredAt is when Slack took the message.
	// +optional
	DeliveredAt *metav1.Time `json:"deliveredAt,omitempty"`

	// editedAt is when Slack took the last edit of the message.
	// +optional
	EditedAt *metav1.Time `json:"editedAt,omitempty"`

	// threadTimestamp is the ts of the message that this one is a reply to.
	// +optional
	ThreadTimestamp string `json:"threadTimestamp,omitempty"`

	// reason why it is not delivered.
	// +optional
	Reason string `json:"reason,omitempty"`

	// message says what is wrong and what to do.
	// +optional
	Message string `json:"message,omitempty"`
}

// SlackNotificationStatus is what became of the message.
type SlackNotificationStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// lastHandledRequest repeats the annotation slack.notify.dev/requestedAt that
	// was last acted on.
	// +optional
	LastHandledRequest string `json:"lastHandledRequest,omitempty"`

	// phase sums up the deliveries.
	// +optional
	Phase Phase `json:"phase,omitempty"`

	// summary is the number of recipients reached and of all, as in "2/3".
	// +optional
	Summary string `json:"summary,omitempty"`

	// finishedAt is when the last delivery was made or given up.
	// +optional
	FinishedAt *metav1.Time `json:"finishedAt,omitempty"`

	// deliveries, one for each recipient.
	// +optional
	// +listType=map
	// +listMapKey=recipient
	Deliveries []Delivery `json:"deliveries,omitempty"`

	// decision is the name of the action that was decided on, or Expired.
	// +optional
	Decision string `json:"decision,omitempty"`

	// responses are the answers that were given, in the order in which they were
	// stored.
	// +optional
	// +listType=map
	// +listMapKey=id
	// +kubebuilder:validation:MaxItems=100
	Responses []Response `json:"responses,omitempty"`

	// conditions: Ready, Reconciling and Stalled; Answered with spec.actions;
	// MentionsResolved, UpToDate, Shortened, Expired, ActionsAvailable and
	// AllowedGroupsFound when there is something to tell.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
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
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.status.decision`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
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
