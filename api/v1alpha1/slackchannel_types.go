package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SlackChannelSpec says where messages go and with which credentials.
//
// +kubebuilder:validation:XValidation:rule="has(self.webAPI) != has(self.webhook)",message="set exactly one of webAPI and webhook"
// +kubebuilder:validation:XValidation:rule="!has(self.interactions) || has(self.webAPI)",message="interactions needs webAPI: messages of a webhook can't have buttons"
// +kubebuilder:validation:XValidation:rule="!has(self.manage) || has(self.webAPI)",message="manage needs webAPI: a webhook can't manage its channel"
// +kubebuilder:validation:XValidation:rule="!has(self.manage) || !has(self.webAPI) || has(self.webAPI.channel) && self.webAPI.channel.matches('^#?[a-z0-9_-]{1,80}$')",message="manage needs webAPI.channel to be a name: lowercase letters, digits, - and _, at most 80 characters"
type SlackChannelSpec struct {
	// webAPI reaches Slack with a bot token. It can find people and channels,
	// and tells what became of a message.
	// +optional
	WebAPI *WebAPI `json:"webAPI,omitempty"`

	// webhook reaches one channel by an incoming webhook.
	// +optional
	Webhook *Webhook `json:"webhook,omitempty"`

	// sender is the name and picture of messages that name none themselves.
	// +optional
	Sender *Sender `json:"sender,omitempty"`

	// connection says how to reach Slack from this cluster.
	// +optional
	Connection *Connection `json:"connection,omitempty"`

	// allowedNamespaces says from which namespaces SlackNotifications may refer
	// to this SlackChannel. Left out: its own namespace only.
	// +optional
	AllowedNamespaces *AllowedNamespaces `json:"allowedNamespaces,omitempty"`

	// manage makes this resource the owner of the Slack channel that
	// webAPI.channel names. Web API only.
	// +optional
	Manage *Manage `json:"manage,omitempty"`

	// interactions says how clicks on buttons arrive; without it messages have no
	// buttons. Web API only.
	// +optional
	Interactions *Interactions `json:"interactions,omitempty"`

	// suspend stops all checks and deliveries through this SlackChannel.
	// +optional
	Suspend bool `json:"suspend,omitempty"`
}

// WebAPI holds what a bot needs to post by Slack's Web API.
type WebAPI struct {
	// tokenSecretRef names the Secret that holds the bot token; key defaults to
	// "token".
	// +required
	TokenSecretRef SecretKeyReference `json:"tokenSecretRef"`

	// channel is "#name", "name", an ID (C… or G…) or the link to the channel.
	// It may be left out when
	// every notification names its recipients.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=255
	// +kubebuilder:validation:XValidation:rule=`self.matches(r'^\s*(<#[^\s#@,<>"|]+(\|[^<>]*)?>|<https://[^\s<>|]+(\|[^<>]*)?>|[#＃]?\s*[^\s#＃@＠,<>"]+)\s*$')`,message="give a channel as \"#name\", \"name\", its ID or the link to it"
	Channel string `json:"channel,omitempty"`

	// join lets the bot join a public channel that it is not a member of.
	// +optional
	// +kubebuilder:default=true
	Join *bool `json:"join,omitempty"`
}

// Webhook holds the address of an incoming webhook.
type Webhook struct {
	// urlSecretRef names the Secret that holds the webhook's URL; key defaults
	// to "url".
	// +required
	URLSecretRef SecretKeyReference `json:"urlSecretRef"`
}

// Connection says how requests to Slack leave the cluster.
type Connection struct {
	// timeout of one request to Slack, between 1s and 30s; 10s when left out.
	// +optional
	// +kubebuilder:default="10s"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1s') && duration(self) <= duration('30s')",message="timeout must be between 1s and 30s"
	Timeout *metav1.Duration `json:"timeout,omitempty"`

	// proxySecretRef names a Secret with the keys address (http, https or
	// socks5 URL), and optionally username and password. Namespaces that the
	// operator's flag --custom-connections does not name may not set it.
	// +optional
	ProxySecretRef *SecretReference `json:"proxySecretRef,omitempty"`

	// caSecretRef names a Secret whose key ca.crt holds the certificate
	// authorities (PEM) to trust beside the system's own. Namespaces that the
	// operator's flag --custom-connections does not name may not set it.
	// +optional
	CASecretRef *SecretReference `json:"caSecretRef,omitempty"`
}

// Manage says how the Slack channel is to be.
type Manage struct {
	// create the channel when there is none of that name; true when left out.
	// +optional
	// +kubebuilder:default=true
	Create *bool `json:"create,omitempty"`

	// adopt takes an existing channel of that name over, which is refused
	// otherwise (NameTaken).
	// +optional
	Adopt bool `json:"adopt,omitempty"`

	// private makes the channel that is created a private one. Slack can't
	// change it later.
	// +optional
	Private bool `json:"private,omitempty"`

	// topic of the channel; left as it is when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=250
	Topic *string `json:"topic,omitempty"`

	// purpose (description) of the channel; left as it is when left out.
	// +optional
	// +kubebuilder:validation:MaxLength=250
	Purpose *string `json:"purpose,omitempty"`

	// members are invited when they are missing.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=500
	Members []Member `json:"members,omitempty"`

	// pruneMembers removes who is not in members; nobody is removed otherwise.
	// +optional
	PruneMembers bool `json:"pruneMembers,omitempty"`

	// deletionPolicy says what becomes of the channel when this object is
	// deleted: Retain (the default) or Archive.
	// +optional
	// +kubebuilder:default=Retain
	DeletionPolicy ChannelDeletionPolicy `json:"deletionPolicy,omitempty"`
}

// ChannelDeletionPolicy says what becomes of a managed channel.
//
// +kubebuilder:validation:Enum=Retain;Archive
type ChannelDeletionPolicy string

// The policies for a managed channel.
const (
	ChannelRetain  ChannelDeletionPolicy = "Retain"
	ChannelArchive ChannelDeletionPolicy = "Archive"
)

// Member of a managed channel.
//
// +kubebuilder:validation:XValidation:rule="has(self.user) != has(self.email)",message="set exactly one of user and email"
type Member struct {
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
}

// FromNamespaces is one of the ways to allow namespaces, in the words of
// Gateway API.
//
// +kubebuilder:validation:Enum=Same;All;Selector
type FromNamespaces string

const (
	// NamespacesFromSame allows the SlackChannel's own namespace.
	NamespacesFromSame FromNamespaces = "Same"
	// NamespacesFromAll allows every namespace.
	NamespacesFromAll FromNamespaces = "All"
	// NamespacesFromSelector allows the namespaces whose labels match.
	NamespacesFromSelector FromNamespaces = "Selector"
)

// GuestRecipients is whom the SlackNotifications of other namespaces may reach.
//
// +kubebuilder:validation:Enum=OwnChannel;Any
type GuestRecipients string

const (
	// GuestsReachOwnChannel allows the SlackChannel's own channel alone.
	GuestsReachOwnChannel GuestRecipients = "OwnChannel"
	// GuestsReachAny allows whatever the bot can reach: people, and channels that
	// it is in or may join.
	GuestsReachAny GuestRecipients = "Any"
)

// GuestMentions is whom the SlackNotifications of other namespaces may page.
//
// +kubebuilder:validation:Enum=Users;None;All
type GuestMentions string

const (
	// GuestsMentionUsers allows people and user groups.
	GuestsMentionUsers GuestMentions = "Users"
	// GuestsMentionNobody allows no mention at all.
	GuestsMentionNobody GuestMentions = "None"
	// GuestsMentionAll allows <!here>, <!channel> and <!everyone> too.
	GuestsMentionAll GuestMentions = "All"
)

// AllowedNamespaces says which namespaces may refer to an object, and what those
// other than its own (guests) may do by it.
//
// +kubebuilder:validation:XValidation:rule="(has(self.from) && self.from == 'Selector') == has(self.selector)",message="selector goes with from: Selector, and only with it"
type AllowedNamespaces struct {
	// from is Same (the default), All or Selector.
	// +optional
	// +kubebuilder:default=Same
	From FromNamespaces `json:"from,omitempty"`

	// selector picks namespaces by their labels, with from: Selector.
	// +optional
	Selector *metav1.LabelSelector `json:"selector,omitempty"`

	// recipients is whom guests may reach: OwnChannel (the default), which is the
	// channel of this SlackChannel, or Any. What a guest may not reach is refused
	// with NotAllowed.
	// +optional
	// +kubebuilder:default=OwnChannel
	Recipients GuestRecipients `json:"recipients,omitempty"`

	// mentions is whom guests may page: Users (the default), which is people and
	// user groups, None, or All, which is also <!here>, <!channel> and <!everyone>.
	// What a guest may not write is shown as plain text.
	// +optional
	// +kubebuilder:default=Users
	Mentions GuestMentions `json:"mentions,omitempty"`

	// sender lets guests set spec.sender, so that they speak under any name and
	// picture; else this SlackChannel's own sender applies.
	// +optional
	Sender bool `json:"sender,omitempty"`
}

// SlackChannelStatus is what Slack said when it was last asked.
type SlackChannelStatus struct {
	// observedGeneration is the generation of the spec that this status is about.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`

	// lastHandledRequest repeats the annotation slack.notify.dev/requestedAt that
	// was last acted on.
	// +optional
	LastHandledRequest string `json:"lastHandledRequest,omitempty"`

	// workspace that the credentials belong to; none for a webhook.
	// +optional
	Workspace *Workspace `json:"workspace,omitempty"`

	// channel that was found; none for a webhook.
	// +optional
	Channel *ChannelInfo `json:"channel,omitempty"`

	// managed is the ID of the channel that this resource owns; none without
	// spec.manage.
	// +optional
	Managed string `json:"managed,omitempty"`

	// botUserID is the user ID of the bot whose token is used.
	// +optional
	BotUserID string `json:"botUserID,omitempty"`

	// appID of the Slack app that the token belongs to; with spec.interactions only.
	// +optional
	AppID string `json:"appID,omitempty"`

	// interactionsAddress is the path that Slack is to send clicks to, below the
	// address of the operator's intake as Slack reaches it; with
	// spec.interactions.signingSecretRef only, and empty while the operator runs
	// without --intake-bind-address.
	// +optional
	InteractionsAddress string `json:"interactionsAddress,omitempty"`

	// scopes of the token, as Slack reports them; none when it does not.
	// +optional
	// +listType=set
	Scopes []string `json:"scopes,omitempty"`

	// conditions: Ready, Reconciling, Stalled and ExactlyOnce; Interactive with
	// spec.interactions.
	// +optional
	// +listType=map
	// +listMapKey=type
	Conditions []metav1.Condition `json:"conditions,omitempty"`
}

// Workspace is a Slack workspace.
type Workspace struct {
	// id of the workspace, as in T0123.
	ID string `json:"id"`
	// name of the workspace.
	// +optional
	Name string `json:"name,omitempty"`
	// url of the workspace.
	// +optional
	URL string `json:"url,omitempty"`
}

// ChannelInfo is what Slack says of a channel.
type ChannelInfo struct {
	// id of the channel, as in C0123.
	ID string `json:"id"`
	// name of the channel, without "#".
	// +optional
	Name string `json:"name,omitempty"`
	// private channels are visible to their members only.
	// +optional
	Private bool `json:"private"`
	// archived channels take no messages.
	// +optional
	Archived bool `json:"archived"`
}

// SlackChannel is a place in Slack that messages go to, and the credentials to
// reach it.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:shortName=slc,categories=slack
// +kubebuilder:printcolumn:name="Slack-Channel",type=string,JSONPath=`.status.channel.name`
// +kubebuilder:printcolumn:name="Workspace",type=string,JSONPath=`.status.workspace.name`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="ID",type=string,priority=1,JSONPath=`.status.channel.id`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SlackChannel struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	// spec says where messages go and with which credentials.
	// +required
	Spec SlackChannelSpec `json:"spec"`

	// status is what Slack said when it was last asked.
	// +optional
	// +kubebuilder:default={"observedGeneration":-1}
	Status SlackChannelStatus `json:"status,omitempty"`
}

// SlackChannelList is a list of SlackChannels.
//
// +kubebuilder:object:root=true
type SlackChannelList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SlackChannel `json:"items"`
}

// GetConditions returns the conditions of the status.
func (c *SlackChannel) GetConditions() []metav1.Condition { return c.Status.Conditions }

// SetConditions replaces the conditions of the status.
func (c *SlackChannel) SetConditions(conditions []metav1.Condition) {
	c.Status.Conditions = conditions
}
