package v1alpha1

// Types of the conditions that the kinds of this group report. Ready is the
// summary; Reconciling and Stalled exist only while they are true, as kstatus
// expects, so that `kubectl wait`, Flux and Argo CD read the kinds unaided.
const (
	// ConditionReady is True when the object is as its spec asks.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the operator is still at work on the
	// object and will get on by itself.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the operator can't get on until a person
	// changes something; the message says what.
	ConditionStalled = "Stalled"
	// ConditionExactlyOnce says of a SlackChannel whether duplicates can be
	// ruled out, because the operator may ask Slack what it has taken.
	ConditionExactlyOnce = "ExactlyOnce"
)

// Reasons of the condition Ready (and of Reconciling and Stalled beside it) of
// a SlackChannel.
const (
	// ReasonVerified: the credentials were accepted and the channel was found;
	// for a webhook, a message went through.
	ReasonVerified = "Verified"
	// ReasonWebhookNotVerified: a webhook can't be asked whether it works;
	// the first message will tell.
	ReasonWebhookNotVerified = "WebhookNotVerified"
	// ReasonVerifying: the check has not come to an answer yet.
	ReasonVerifying = "Verifying"
	// ReasonSecretNotFound: a Secret that the spec names does not exist.
	ReasonSecretNotFound = "SecretNotFound"
	// ReasonSecretKeyNotFound: a Secret lacks the key that the spec names, or
	// its value is empty.
	ReasonSecretKeyNotFound = "SecretKeyNotFound"
	// ReasonInvalidToken: Slack refused the token.
	ReasonInvalidToken = "InvalidToken"
	// ReasonInvalidWebhookURL: the value is no address that a message may be
	// posted to.
	ReasonInvalidWebhookURL = "InvalidWebhookURL"
	// ReasonInvalidConnection: the proxy or the certificate authority of
	// spec.connection can't be used.
	ReasonInvalidConnection = "InvalidConnection"
	// ReasonWebhookRevoked: Slack says that the webhook no longer exists.
	ReasonWebhookRevoked = "WebhookRevoked"
	// ReasonMissingScope: the app lacks an OAuth scope, which the message names.
	ReasonMissingScope = "MissingScope"
	// ReasonChannelNotFound: no such channel is visible to the bot.
	ReasonChannelNotFound = "ChannelNotFound"
	// ReasonNotInChannel: the bot is not a member and can't or may not join.
	ReasonNotInChannel = "NotInChannel"
	// ReasonChannelArchived: the channel is archived.
	ReasonChannelArchived = "ChannelArchived"
	// ReasonNameTaken: another channel has the wanted name.
	ReasonNameTaken = "NameTaken"
	// ReasonSlackUnreachable: Slack did not answer; the check is repeated.
	ReasonSlackUnreachable = "SlackUnreachable"
	// ReasonSuspended: spec.suspend is true.
	ReasonSuspended = "Suspended"
)

// Reasons of the condition ExactlyOnce of a SlackChannel.
const (
	// ReasonVerifiable: the operator can read back what it has posted.
	ReasonVerifiable = "Verifiable"
	// ReasonWebhook: a webhook can't be asked what it has taken.
	ReasonWebhook = "Webhook"
	// ReasonMetadataNotReturned: a message that was read back lacked what the
	// operator recognises its messages by.
	ReasonMetadataNotReturned = "MetadataNotReturned"
	// ReasonUnknown: Slack did not report the token's scopes, so whether the
	// operator may read back shows only when it has to.
	ReasonUnknown = "Unknown"
)

// Reasons of the condition Ready of a SlackNotification beside those of a
// single delivery.
const (
	// ReasonDelivered: every recipient has been reached.
	ReasonDelivered = "Delivered"
	// ReasonPartiallyDelivered: some recipients have been reached, and the
	// rest never will be.
	ReasonPartiallyDelivered = "PartiallyDelivered"
	// ReasonPending: nothing has been sent yet.
	ReasonPending = "Pending"
	// ReasonScheduled: spec.notBefore has not come yet.
	ReasonScheduled = "Scheduled"
	// ReasonDelivering: the message is being posted. It is told beforehand with
	// spec.onUnknownOutcome: GiveUp alone.
	ReasonDelivering = "Delivering"
	// ReasonSlackChannelNotFound: the SlackChannel that channelRef names does
	// not exist.
	ReasonSlackChannelNotFound = "SlackChannelNotFound"
	// ReasonSlackChannelNotReady: the SlackChannel has not been verified yet.
	ReasonSlackChannelNotReady = "SlackChannelNotReady"
	// ReasonSlackChannelSuspended: the SlackChannel is suspended, which holds
	// its notifications.
	ReasonSlackChannelSuspended = "SlackChannelSuspended"
	// ReasonNamespaceNotAllowed: the SlackChannel does not let notifications
	// of this namespace refer to it.
	ReasonNamespaceNotAllowed = "NamespaceNotAllowed"
	// ReasonChannelRequired: the SlackChannel has no channel of its own, so
	// the notification must name recipients.
	ReasonChannelRequired = "ChannelRequired"
	// ReasonRecipientsNotSupported: an incoming webhook posts to one channel
	// and can't reach recipients.
	ReasonRecipientsNotSupported = "RecipientsNotSupported"
)

// Reasons of one delivery of a SlackNotification. Those of a SlackChannel
// (ReasonMissingScope, ReasonChannelNotFound, ReasonNotInChannel, …) occur too.
const (
	// ReasonUserNotFound: nobody in the workspace goes by that handle, name,
	// ID or e-mail address.
	ReasonUserNotFound = "UserNotFound"
	// ReasonUserAmbiguous: several people go by that display or real name.
	ReasonUserAmbiguous = "UserAmbiguous"
	// ReasonUserDeactivated: the person has left the workspace.
	ReasonUserDeactivated = "UserDeactivated"
	// ReasonUserNotMessageable: the user can't be sent a direct message (a bot,
	// or one that the app may not see).
	ReasonUserNotMessageable = "UserNotMessageable"
	// ReasonDirectoryLoading: the workspace's list of users or channels is
	// still being read.
	ReasonDirectoryLoading = "DirectoryLoading"
	// ReasonWaitingForTurn: the delivery waits so as to stay within Slack's
	// limits.
	ReasonWaitingForTurn = "WaitingForTurn"
	// ReasonVerifyingOutcome: the message may be in Slack already, which is
	// looked up before it is sent.
	ReasonVerifyingOutcome = "VerifyingOutcome"
	// ReasonOutcomeUnknown: Slack may or may not have taken the message, can't
	// be asked, and spec.onUnknownOutcome is GiveUp.
	ReasonOutcomeUnknown = "OutcomeUnknown"
	// ReasonRateLimited: Slack asked to wait.
	ReasonRateLimited = "RateLimited"
	// ReasonSlackUnavailable: Slack did not answer, or not with sense.
	ReasonSlackUnavailable = "SlackUnavailable"
	// ReasonMessageRejected: Slack does not take this content.
	ReasonMessageRejected = "MessageRejected"
	// ReasonPostingRestricted: the workspace's settings keep the app from
	// posting there.
	ReasonPostingRestricted = "PostingRestricted"
	// ReasonQuotaExceeded: the workspace's plan takes no more messages.
	ReasonQuotaExceeded = "QuotaExceeded"
	// ReasonDeadlineExceeded: activeDeadlineSeconds passed before delivery.
	ReasonDeadlineExceeded = "DeadlineExceeded"
	// ReasonInternalError: Slack refused the call in a way that only a change
	// of the operator can mend.
	ReasonInternalError = "InternalError"
)
