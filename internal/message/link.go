package message

// Link writes a link in mrkdwn. Neither the address nor the text can end it
// early or mention anybody.
func Link(address, text string) string {
	return "<" + linkTarget(address) + "|" + linkText(text) + ">"
}
