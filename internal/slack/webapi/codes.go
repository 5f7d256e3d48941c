package webapi

import "github.com/slack-notifier/slack-notifier/internal/slack"

// codes gives each of Slack's error codes its class. The meanings are those of
// docs.slack.dev/reference/methods, per method and common to all, as listed in
// testdata/documented.txt. A code that is not here is of ClassUnknown, which is
// tried again.
var codes = byClass(map[slack.Class][]string{
	slack.ClassRateLimited: {"ratelimited", "rate_limited"},
	slack.ClassUnavailable: {
		"service_unavailable", "team_added_to_org", "org_login_required", "external_channel_migrating", "update_failed",
		"fetch_members_failed", "list_record_comment_fetch_failed", "unable_to_share_files",
	},
	// "It's possible some aspect of the operation succeeded."
	slack.ClassAmbiguous: {"internal_error", "fatal_error", "request_timeout"},
	slack.ClassInvalidCredentials: {
		"not_authed", "invalid_auth", "account_inactive", "token_revoked", "token_expired", "not_allowed_token_type",
		// Documented for the methods that take a team_id, which the token of an
		// organisation has to name.
		"missing_argument", "invalid_team",
	},
	slack.ClassMissingScope: {"missing_scope"},
	slack.ClassAccessDenied: {
		"no_permission", "team_access_not_granted", "forbidden_team", "two_factor_setup_required", "accesslimited", "access_denied",
		"ekm_access_denied", "enterprise_is_restricted", "app_access_restricted",
	},
	slack.ClassChannelNotFound: {
		"channel_not_found", "team_not_found", "method_not_supported_for_channel_type", "channel_is_limited_access",
	},
	slack.ClassNotInChannel:    {"not_in_channel"},
	slack.ClassChannelArchived: {"is_archived"},
	slack.ClassPostingRestricted: {
		"restricted_action", "restricted_action_read_only_channel", "restricted_action_thread_only_channel",
		"restricted_action_non_threadable_channel", "restricted_action_thread_locked", "cannot_reply_to_message",
		"posting_to_channel_denied", "send_on_behalf_not_allowed",
		"slack_connect_blocked_file_type", "slack_connect_canvas_sharing_blocked", "slack_connect_clip_sharing_blocked",
		"slack_connect_file_link_sharing_blocked", "slack_connect_file_upload_sharing_blocked", "slack_connect_lists_sharing_blocked",
		"too_many_members", "ura_max_channels", "not_authorized", "not_supported", "cant_invite", "app_cannot_join_channel",
		"invitee_cant_see_channel", "no_external_invite_permission", "cannot_create_channel", "canvas_disabled_user_team",
		"not_allowed", "cant_archive_general", "cant_archive_required", "cant_kick_from_general", "user_is_restricted", "compliance_exports_prevent_deletion",
	},
	slack.ClassMessageNotFound: {"message_not_found", "thread_not_found"},
	slack.ClassMessageClosed: {
		"edit_window_closed", "cant_update_message", "cant_delete_message", "block_mismatch", "is_inactive",
		"no_dual_broadcast_content_update", "streaming_state_conflict",
	},
	slack.ClassNameTaken: {"name_taken"},
	slack.ClassInvalidName: {
		"invalid_name", "invalid_name_maxlength", "invalid_name_punctuation", "invalid_name_required", "invalid_name_specials",
		"no_channel",
	},
	slack.ClassAlreadyDone:     {"already_archived", "not_archived", "already_in_channel", "cant_invite_self", "cant_kick_self"},
	slack.ClassUserNotFound:    {"user_not_found", "users_not_found", "user_not_visible", "org_user_not_in_team", "bot_not_found", "invalid_user"},
	slack.ClassUserDeactivated: {"user_disabled"},
	slack.ClassUserNotMessageable: {
		"messages_tab_disabled", "cannot_dm_bot", "invalid_user_combination", "user_not_in_channel",
		// Seen, not documented, of strangers in shared channels and of people who
		// take no messages from apps.
		"cannot_dm_user", "cannot_message_user", "user_is_bot", "user_is_ultra_restricted",
	},
	slack.ClassMessageRejected: {
		"no_text", "msg_too_long", "msg_blocks_too_long", "invalid_blocks", "invalid_blocks_format", "invalid_attachments",
		"too_many_attachments", "attachment_payload_limit_exceeded", "markdown_text_conflict", "metadata_too_large",
		"invalid_metadata_format", "invalid_metadata_schema", "metadata_must_be_sent_from_app",
		"too_many_contact_cards", "missing_file_data", "too_long",
		"blocked_file_type", "file_deleted", "file_is_deleted", "file_not_found", "file_share_limit_reached", "max_file_sharing_exceeded",
		// Seen, not documented: "0 is not a valid thread_ts" (github.com/jenkinsci/slack-plugin/issues/584).
		"invalid_thread_ts",
	},
	slack.ClassQuotaExceeded: {"message_limit_exceeded", noPlan},
	slack.ClassInvalidCursor: {"invalid_cursor"},
	slack.ClassInvalidCall: {
		"invalid_arguments", "invalid_arg_name", "invalid_array_arg", "invalid_charset", "invalid_form_data", "invalid_json", "json_not_object",
		"invalid_post_type", "missing_post_type", "method_deprecated", "deprecated_endpoint", "unknown_method",
		"as_user_not_supported", "duplicate_channel_not_found", "duplicate_message_not_found", "users_list_not_supplied",
		"limit_required", "invalid_types", "invalid_limit", "invalid_ts_latest", "invalid_ts_oldest", "invalid_metadata_filter_keys", "missing_args", "insecure_request",
		"cant_broadcast_message", "no_user", "not_enough_users", "too_many_users",
		"draft_already_deleted", "draft_already_sent", "draft_has_conflict", "draft_not_found",
	},
})

// KnownCode reports whether a code is one of Slack's that has a class.
func KnownCode(code string) bool {
	_, ok := codes[code]
	return ok
}

// explanations add to a code what a newcomer can't know.
var explanations = map[string]string{
	"invalid_auth":                        "the token is wrong, or Slack does not accept it from this network",
	"not_authed":                          "the token is empty",
	"account_inactive":                    "the bot or its app was removed from the workspace",
	"token_revoked":                       "the token was revoked",
	"token_expired":                       "the token has expired, as tokens do when token rotation is on",
	"not_allowed_token_type":              "this kind of token is not accepted; use the bot token, xoxb-…",
	"messages_tab_disabled":               "the app's Messages tab is off; turn it on under App Home",
	"restricted_action_read_only_channel": "the channel is read-only",
	"message_limit_exceeded":              "the workspace has used up its plan's messages",
	"msg_blocks_too_long":                 "the blocks hold too much text",
	"missing_argument":                    "Slack asks for a team_id, as it does for the token of a whole organisation; such tokens are not supported",
	"invalid_team":                        "the token is not of this one workspace; tokens of a whole organisation are not supported",
	"team_access_not_granted":             "the app is installed in an organisation that has not let it into this workspace",
	"team_not_found":                      "tokens of a whole organisation are not supported; with one, only the channel's ID is found",
	"no_permission":                       "the app may not do this; often because it is no member of the conversation",
	"accesslimited":                       "the workspace does not accept calls from this network",
	"ekm_access_denied":                   "administrators have suspended posting",
	"invalid_attachments":                 "an attachment, or a block in one, is not as Slack wants it",
	"invalid_thread_ts":                   "the thread's timestamp is none of a message",
	"channel_is_limited_access":           "the channel is of a Salesforce record that the bot has no access to",
}

// oneWorkspace is the way out for whoever has a token of an organisation.
const oneWorkspace = "install the app in the one workspace, and put the bot token (xoxb-…) of that installation in the Secret of the SlackChannel"

// remedies are the ways out that a class is too general to tell.
var remedies = map[string]string{
	"missing_argument":        oneWorkspace,
	"invalid_team":            oneWorkspace,
	"team_not_found":          oneWorkspace + ", or give the channel's ID",
	"team_access_not_granted": "ask an administrator of the organisation to add the app to this workspace, or " + oneWorkspace,
	"no_permission":           "invite the bot to the conversation, or ask an administrator of the workspace to let the app in",
	"accesslimited":           "ask an administrator of the workspace to allow the network that the operator calls from",
	"messages_tab_disabled":   "turn the Messages tab on under App Home of the Slack app, or name a channel",
	"token_expired":           "have what rotates the token write each new one into the Secret of the SlackChannel, or use an app without token rotation (once on, it can't be turned off) and put its bot token (xoxb-…) there",
	"invalid_thread_ts":       "correct spec.thread of the SlackNotification",
}

func byClass(m map[slack.Class][]string) map[string]slack.Class {
	out := map[string]slack.Class{}
	for class, list := range m {
		for _, code := range list {
			out[code] = class
		}
	}
	return out
}
