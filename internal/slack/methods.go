package slack

// Methods are all that an Observer may be told of.
var Methods = []string{
	MethodPostMessage, MethodAuthTest, MethodConversationInfo, MethodConversationsList, MethodConversationsJoin,
	MethodConversationsOpen, MethodHistory, MethodReplies, MethodUsersList, MethodLookupByEmail, MethodUserGroupsList,
	MethodUpdate, MethodDelete, MethodConversationsCreate, MethodConversationsRename, MethodConversationsArchive,
	MethodConversationsSetTopic, MethodConversationsSetPurpose, MethodConversationsInvite, MethodConversationsKick,
	MethodConversationsMembers, MethodBotsInfo, MethodConnectionsOpen, MethodWebhook,
}
