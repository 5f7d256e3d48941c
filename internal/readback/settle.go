package readback

import "time"

// SettleTime is how long after an attempt of unknown outcome the absence of the
// message from its conversation proves that Slack has not taken it, unless the
// operator is told otherwise. Slack does not document how soon a message shows in
// conversations.history.
const SettleTime = 3 * time.Second
