package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Interactions says how the clicks on buttons of a Slack app's messages arrive:
// over a socket that the operator opens (Socket Mode), or over HTTP at the
// operator's intake.
//
// +kubebuilder:validation:XValidation:rule="has(self.appTokenSecretRef) != has(self.signingSecretRef)",message="set exactly one of appTokenSecretRef (Socket Mode) and signingSecretRef (HTTP)"
type Interactions struct {
	// appTokenSecretRef names the Secret that holds the app-level token (xapp-…) with
	// the scope connections:write, for Socket Mode; key defaults to "appToken".
	// +optional
	AppTokenSecretRef *SecretKeyReference `json:"appTokenSecretRef,omitempty"`

	// signingSecretRef names the Secret that holds the app's signing secret, for
	// HTTP; key defaults to "signingSecret". The path to enter as the app's Request
	// URL is status.interactionsAddress.
	// +optional
	SigningSecretRef *SecretKeyReference `json:"signingSecretRef,omitempty"`
}

// ActionStyle colours a button.
//
// +kubebuilder:validation:Enum=Default;Primary;Danger
type ActionStyle string

// The styles of buttons.
const (
	ActionDefault ActionStyle = "Default"
	ActionPrimary ActionStyle = "Primary"
	ActionDanger  ActionStyle = "Danger"
)

// Action is a button, or a menu when it has options, below a message.
//
// +kubebuilder:validation:XValidation:rule="!has(self.options) || !has(self.style) || self.style == 'Default'",message="a menu (options) has no style"
type Action struct {
	// name of the action, as it stands in status.decision and
	// status.responses[].action: letters, digits, - and _.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$`
	// +kubebuilder:validation:XValidation:rule="self != 'Expired'",message="Expired is what the decision is called when nobody answers; choose another name"
	Name string `json:"name"`

	// text on the button, or the menu's when nothing is chosen, in plain text; Slack
	// shows about 30 characters.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=75
	Text string `json:"text"`

	// style is Default, Primary (green) or Danger (red).
	// +optional
	Style ActionStyle `json:"style,omitempty"`

	// confirm asks this in a dialog before the answer counts.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=300
	Confirm string `json:"confirm,omitempty"`

	// options make a menu of it; the value that is chosen stands in
	// status.responses[].value.
	// +optional
	// +listType=map
	// +listMapKey=value
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=100
	Options []ActionOption `json:"options,omitempty"`

	// done is what the message calls the action once it was taken, as in
	// "approved": "✓ approved by @ada, 14:02". Left out: its text.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=75
	Done string `json:"done,omitempty"`

	// allowed says who may take this action, in place of answers.allowed.
	// +optional
	Allowed *AllowedPeople `json:"allowed,omitempty"`
}

// ActionOption is a line of a menu.
type ActionOption struct {
	// text of the line, in plain text.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=75
	Text string `json:"text"`

	// value that the response has when this line is chosen.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=150
	Value string `json:"value"`
}

// AllowedPeople says who may press. Nobody else may: people outside of the
// workspace only when users names their ID.
type AllowedPeople struct {
	// users who may, by e-mail address or ID; names that people can change do not
	// count.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=50
	Users []AllowedUser `json:"users,omitempty"`

	// groups are user groups whose members may: a handle, with or without "@", or an
	// ID (S…).
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=20
	// +kubebuilder:validation:items:MaxLength=80
	// +kubebuilder:validation:items:Pattern=`^@?[^\s@<>|#!]+$`
	Groups []string `json:"groups,omitempty"`

	// everyone of the workspace may.
	// +optional
	Everyone bool `json:"everyone,omitempty"`
}

// AllowedUser is a person who may press.
//
// +kubebuilder:validation:XValidation:rule="has(self.user) != has(self.email)",message="set exactly one of user (an ID) and email"
type AllowedUser struct {
	// user is an ID (U… or W…). Handles and names do not do: people can change them.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:XValidation:rule="self.matches('^[UW][A-Z0-9]{2,}$')",message="give the person's ID, as in U0123ABCD, or an email: handles and names can be changed by whoever has them"
	User string `json:"user,omitempty"`

	// email of a person in the workspace.
	// +optional
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=254
	// +kubebuilder:validation:Pattern=`^[^@\s<>|]+@[^@\s<>|]+$`
	Email string `json:"email,omitempty"`
}

// DecidedBy says which answers decide.
//
// +kubebuilder:validation:Enum=First;Each;None
type DecidedBy string

const (
	// DecidedByFirst means: the first answer decides, and then the buttons go.
	DecidedByFirst DecidedBy = "First"
	// DecidedByEach means: each person has one answer, of which the first counts, and
	// the buttons stay.
	DecidedByEach DecidedBy = "Each"
	// DecidedByNone means: every answer is kept, nothing is decided, and the buttons
	// stay.
	DecidedByNone DecidedBy = "None"
)

// DecisionExpired is the decision when nobody answered in time.
const DecisionExpired = "Expired"

// Answers says who may answer and how answers count.
type Answers struct {
	// allowed says who may press the buttons: nobody but these.
	// +required
	Allowed AllowedPeople `json:"allowed"`

	// decidedBy is First (the default): the first answer decides and the buttons go;
	// Each: one answer for each person; None: the buttons stay and nothing is decided.
	// +optional
	// +kubebuilder:default=First
	DecidedBy DecidedBy `json:"decidedBy,omitempty"`

	// expiresAfter is how long after the message was delivered an answer counts;
	// then the buttons go, and the decision, when there is none, is Expired. Between
	// 1s and 720h (30 days). Left out: for ever.
	// +optional
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('720h')",message="expiresAfter must be between 1s and 720h (30 days)"
	ExpiresAfter *metav1.Duration `json:"expiresAfter,omitempty"`
}

// Response is an answer that somebody gave in Slack. It is stored before Slack is
// told that the click was taken.
type Response struct {
	// action is the name of the action.
	// +required
	Action string `json:"action"`

	// value that was chosen in a menu.
	// +optional
	Value string `json:"value,omitempty"`

	// done is what the message calls it, as in "approved".
	// +optional
	Done string `json:"done,omitempty"`

	// user who answered.
	// +required
	User ResponseUser `json:"user"`

	// at is when it was pressed, by Slack's clock.
	// +required
	At metav1.MicroTime `json:"at"`

	// recordedAt is when it was stored here.
	// +required
	RecordedAt metav1.MicroTime `json:"recordedAt"`

	// allowedBy says what in the list of who may allowed this person: "user U…",
	// "email …", "group …" or "everyone".
	// +optional
	AllowedBy string `json:"allowedBy,omitempty"`

	// conversationID of the message that was answered.
	// +optional
	ConversationID string `json:"conversationID,omitempty"`

	// timestamp of the message that was answered.
	// +optional
	Timestamp string `json:"timestamp,omitempty"`

	// generation of the spec that was answered.
	// +optional
	Generation int64 `json:"generation,omitempty"`

	// id names the click: the same click is stored once.
	// +required
	ID string `json:"id"`

	// silence in Alertmanager that came of it.
	// +optional
	Silence *SilenceResult `json:"silence,omitempty"`
}

// ResponseUser is who answered.
type ResponseUser struct {
	// id of the person.
	// +required
	ID string `json:"id"`

	// name that Slack gave with the click.
	// +optional
	Name string `json:"name,omitempty"`

	// teamID is the person's own workspace.
	// +optional
	TeamID string `json:"teamID,omitempty"`
}

// SilenceState is how far a silence has come.
//
// +kubebuilder:validation:Enum=Pending;Active;Ended;Failed
type SilenceState string

const (
	// SilencePending means: Alertmanager has not confirmed it yet.
	SilencePending SilenceState = "Pending"
	// SilenceActive means: Alertmanager has it.
	SilenceActive SilenceState = "Active"
	// SilenceEnded means: it ended, or was ended.
	SilenceEnded SilenceState = "Ended"
	// SilenceFailed means: Alertmanager refused it.
	SilenceFailed SilenceState = "Failed"
)

// SilenceResult is what became of a silence.
type SilenceResult struct {
	// id that Alertmanager gave.
	// +optional
	ID string `json:"id,omitempty"`

	// state is Pending, Active, Ended or Failed.
	// +required
	State SilenceState `json:"state"`

	// endsAt is when it ends by itself.
	// +optional
	EndsAt *metav1.Time `json:"endsAt,omitempty"`

	// message says what Alertmanager answered when it refused.
	// +optional
	Message string `json:"message,omitempty"`
}
