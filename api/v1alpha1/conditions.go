package v1alpha1

// AnnotationRequestedAt with a new value means: look at this object now. What
// waits for its back-off is tried, and nothing that was delivered is sent again.
// status.lastHandledRequest repeats the value.
const AnnotationRequestedAt = "slack.notify.dev/requestedAt"

// Types of the conditions that the kinds of this group report. Ready is the
// summary; Reconciling and Stalled exist only while they are true, as kstatus
// expects, so that `kubectl wait` and Flux read the kinds unaided.
const (
	// ConditionReady is True when the object is as its spec asks.
	ConditionReady = "Ready"
	// ConditionReconciling is True while the operator is still at work on the
	// object and will get on by itself.
	ConditionReconciling = "Reconciling"
	// ConditionStalled is True when the operator can't get on until a person
	// changes something; the message says what.
	ConditionStalled = "Stalled"
	// ConditionMentionsResolved is False on a SlackNotification while somebody
	// whom it mentions was not found or may not be paged; the message is sent all
	// the same.
	ConditionMentionsResolved = "MentionsResolved"
	// ConditionSenderApplied is False on a SlackNotification whose spec.sender was
	// left out, because the SlackChannel lets other namespaces set none.
	ConditionSenderApplied = "SenderApplied"
	// ConditionUpToDate is False on a SlackNotification when a later content
	// can't be or was not edited into the message that is out; the message
	// says why.
	ConditionUpToDate = "UpToDate"
	// ConditionShortened is True on a SlackNotification whose content was cut
	// to what Slack takes in one message.
	ConditionShortened = "Shortened"
	// ConditionExpired is False on a SlackNotification whose time to live is over
	// and which is kept all the same; the message says why.
	ConditionExpired = "Expired"
	// ConditionMembersInSync is False on a SlackChannel while somebody of
	// spec.manage.members could not be found, invited or removed.
	ConditionMembersInSync = "MembersInSync"
	// ConditionEvaluating is False on a SlackAlert while an expression can't be
	// evaluated for some objects or Events, which is no evidence: what fires
	// goes on firing, and nothing new is opened for them.
	ConditionEvaluating = "Evaluating"
	// ConditionInteractive is True on a SlackChannel while clicks on buttons arrive.
	ConditionInteractive = "Interactive"
	// ConditionAnswered is True on a SlackNotification with actions once somebody
	// has answered, which with decidedBy First decides it.
	ConditionAnswered = "Answered"
	// ConditionActionsAvailable is False on a SlackNotification whose buttons can't
	// be shown; the message says why.
	ConditionActionsAvailable = "ActionsAvailable"
	// ConditionAllowedGroupsFound is False on a SlackNotification while a user group
	// whose members may answer was not found.
	ConditionAllowedGroupsFound = "AllowedGroupsFound"
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
	// ReasonConnectionNotAllowed: spec.connection names a proxy or a certificate
	// authority, which the operator does not let the namespace have.
	ReasonConnectionNotAllowed = "ConnectionNotAllowed"
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

// Reasons of the condition Interactive of a SlackChannel; MissingScope,
// SecretNotFound, SecretKeyNotFound, InvalidConnection, ConnectionNotAllowed,
// IntakeDisabled and Suspended occur too.
const (
	// ReasonConnected: the operator has a socket to the app.
	ReasonConnected = "Connected"
	// ReasonInteractionsListening: the intake takes what Slack sends to
	// status.interactionsAddress.
	ReasonInteractionsListening = "Listening"
	// ReasonConnecting: the socket to the app is being opened.
	ReasonConnecting = "Connecting"
	// ReasonDisconnected: there is no socket to the app at the moment.
	ReasonDisconnected = "Disconnected"
	// ReasonAppMismatch: the app-level token and the bot token are of two apps, so
	// that no click arrives.
	ReasonAppMismatch = "AppMismatch"
	// ReasonConnectionShared: another cluster or program has sockets to the same
	// app, and takes a part of the clicks.
	ReasonConnectionShared = "ConnectionShared"
	// ReasonSocketModeDisabled: Socket Mode is off in the app's settings.
	ReasonSocketModeDisabled = "SocketModeDisabled"
	// ReasonInvalidAppToken: Slack refused the app-level token.
	ReasonInvalidAppToken = "InvalidAppToken"
	// ReasonTooManyConnections: the app has ten sockets already.
	ReasonTooManyConnections = "TooManyConnections"
)

// Reasons of the conditions Answered, ActionsAvailable and AllowedGroupsFound of a
// SlackNotification.
const (
	// ReasonAnswered: somebody has answered.
	ReasonAnswered = "Answered"
	// ReasonAwaitingAnswer: nobody has answered yet.
	ReasonAwaitingAnswer = "AwaitingAnswer"
	// ReasonAnswerExpired: nobody answered in time.
	ReasonAnswerExpired = "Expired"
	// ReasonActionsNotSupported: messages of a webhook can't have buttons.
	ReasonActionsNotSupported = "ActionsNotSupported"
	// ReasonInteractionsNotSet: the SlackChannel has no spec.interactions, so that a
	// click would arrive nowhere.
	ReasonInteractionsNotSet = "InteractionsNotSet"
	// ReasonResponseDenied (an Event): somebody pressed a button who may not.
	ReasonResponseDenied = "ResponseDenied"
	// ReasonGroupsNotFound: no user group goes by a name in the list of who may
	// answer.
	ReasonGroupsNotFound = "GroupsNotFound"
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
	// ReasonNotAllowed: the SlackChannel lets notifications of other namespaces
	// refer to it, but not reach this recipient, page these people or set a sender
	// (spec.allowedNamespaces).
	ReasonNotAllowed = "NotAllowed"
	// ReasonChannelRequired: the SlackChannel has no channel of its own, so
	// the notification must name recipients.
	ReasonChannelRequired = "ChannelRequired"
	// ReasonRecipientsNotSupported: an incoming webhook posts to one channel
	// and can't reach recipients.
	ReasonRecipientsNotSupported = "RecipientsNotSupported"
)

// Reasons of the conditions beside Ready.
const (
	// ReasonMentionsNotFound: nobody, and no user group, goes by a name that is
	// mentioned.
	ReasonMentionsNotFound = "MentionsNotFound"
	// ReasonMentionsNotSupported: a webhook can't look anybody up.
	ReasonMentionsNotSupported = "MentionsNotSupported"
	// ReasonEditNotSupported: a message that was sent by a webhook can't be
	// edited.
	ReasonEditNotSupported = "EditNotSupported"
	// ReasonUpdateIgnored: spec.updatePolicy is Ignore.
	ReasonUpdateIgnored = "UpdateIgnored"
	// ReasonChannelChanged: spec.channelRef was changed, and what went through the
	// SlackChannel before it stays in Slack as it is.
	ReasonChannelChanged = "ChannelChanged"
	// ReasonTrackedByGitOps: Flux, Argo CD or Helm would make the object again if it
	// were deleted.
	ReasonTrackedByGitOps = "TrackedByGitOps"
	// ReasonContentTooLong: the content is longer than Slack takes.
	ReasonContentTooLong = "ContentTooLong"
	// ReasonMembersNotFound: somebody of spec.manage.members was not found.
	ReasonMembersNotFound = "MembersNotFound"
	// ReasonInviteFailed: Slack did not let the bot invite or remove somebody.
	ReasonInviteFailed = "InviteFailed"
	// ReasonInSync: all members are in the channel.
	ReasonInSync = "InSync"
)

// Reasons that concern threads, edits and deletions of a SlackNotification.
const (
	// ReasonWaitingForThread: the SlackNotification that this one replies to
	// is still on its way.
	ReasonWaitingForThread = "WaitingForThread"
	// ReasonThreadNotFound: the SlackNotification or message to reply to does
	// not exist.
	ReasonThreadNotFound = "ThreadNotFound"
	// ReasonThreadFailed: the SlackNotification to reply to was not delivered.
	ReasonThreadFailed = "ThreadFailed"
	// ReasonThreadGone: Slack posted the reply outside of the thread, because
	// the message to reply to is gone.
	ReasonThreadGone = "ThreadGone"
	// ReasonEditPending: the message is out with an older content.
	ReasonEditPending = "EditPending"
	// ReasonMessageGone: the message was gone when it was to be edited, so the
	// new content was posted anew.
	ReasonMessageGone = "MessageGone"
	// ReasonEditClosed: Slack did not let the message be edited, so the new
	// content was posted anew.
	ReasonEditClosed = "EditClosed"
	// ReasonReposted: the content has changed, and spec.updatePolicy is Repost.
	ReasonReposted = "Reposted"
	// ReasonSameAs: another recipient of this SlackNotification is the same person
	// or channel, and has the message.
	ReasonSameAs = "SameAs"
	// ReasonAdopted: a message with the same spec.idempotencyKey was in Slack
	// already, and counts as this one.
	ReasonAdopted = "Adopted"
	// ReasonDeleting: the object is deleted, and its message is being deleted.
	ReasonDeleting = "Deleting"
	// ReasonMessageNotDeleted: the message stays in Slack though its object is
	// deleted.
	ReasonMessageNotDeleted = "MessageNotDeleted"
)

// Reasons of a SlackChannel with spec.manage.
const (
	// ReasonChannelClaimed: an older SlackChannel owns the channel.
	ReasonChannelClaimed = "ChannelClaimed"
	// ReasonManageFailed: Slack refused to create or change the channel.
	ReasonManageFailed = "ManageFailed"
	// ReasonChannelNotArchived: the channel stays though its object, with
	// deletionPolicy Archive, is deleted.
	ReasonChannelNotArchived = "ChannelNotArchived"
)

// Reasons of the condition Ready of a SlackAlert. SlackChannelNotFound and
// NamespaceNotAllowed occur too.
const (
	// ReasonWatching: the rule is at work.
	ReasonWatching = "Watching"
	// ReasonListening: the rule takes what is posted to its address.
	ReasonListening = "Listening"
	// ReasonIntakeDisabled: the operator runs without --intake-bind-address, so
	// nothing can be posted to the rule.
	ReasonIntakeDisabled = "IntakeDisabled"
	// ReasonInvalidExpression: a CEL expression does not compile.
	ReasonInvalidExpression = "InvalidExpression"
	// ReasonInvalidMuteTimes: spec.muteTimes has a range that ends before it begins,
	// or a time zone that does not exist.
	ReasonInvalidMuteTimes = "InvalidMuteTimes"
	// ReasonInvalidTemplate: a template does not compile.
	ReasonInvalidTemplate = "InvalidTemplate"
	// ReasonKindNotFound: the API server does not serve the kind (yet).
	ReasonKindNotFound = "KindNotFound"
	// ReasonWatchForbidden: the operator may not watch the kind.
	ReasonWatchForbidden = "WatchForbidden"
	// ReasonScopeNotAllowed: rules of this namespace may not watch
	// cluster-scoped kinds or other namespaces.
	ReasonScopeNotAllowed = "ScopeNotAllowed"
	// ReasonWatchStarting: the watch is being set up.
	ReasonWatchStarting = "WatchStarting"
	// ReasonTooManyAlerts: the namespace has more SlackAlerts than the operator
	// takes, and this is one of the youngest.
	ReasonTooManyAlerts = "TooManyAlerts"
	// ReasonTooManyObjects: there are more objects of the kind than the operator
	// keeps in memory.
	ReasonTooManyObjects = "TooManyObjects"
	// ReasonPostTooLarge: a post of an Alertmanager was too large to be read to
	// its end, so that alerts may fire that are not told of.
	ReasonPostTooLarge = "PostTooLarge"
	// ReasonStoreRefused: the API server does not store the messages of the rule,
	// because of a quota or a policy; the message has its words.
	ReasonStoreRefused = "StoreRefused"
	// ReasonEvaluated: the expressions of the rule can be evaluated.
	ReasonEvaluated = "Evaluated"
	// ReasonFieldMissing: an expression of the rule names a field that some
	// objects or Events do not have.
	ReasonFieldMissing = "FieldMissing"
	// ReasonEvaluationFailed: an expression or template failed on an object; the
	// message names it.
	ReasonEvaluationFailed = "EvaluationFailed"
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
