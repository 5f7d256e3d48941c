package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

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
