package message

import (
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Limits of a message, in characters as they are sent, with what is escaped.
// Where docs.slack.dev gives none, the figure is what has been seen to pass.
const (
	// maxText keeps a message editable: chat.update refuses more
	// (docs.slack.dev/reference/methods/chat.update).
	maxText = 4000
	// maxFallback of the text beside blocks, of which people see a line or two.
	maxFallback = 3000
	// maxSection of a section's text (docs.slack.dev/reference/block-kit/blocks/section-block).
	maxSection = 3000
	// maxField of one of a section's fields (as above).
	maxField = 2000
	// maxHeader of a header (docs.slack.dev/reference/block-kit/blocks/header-block).
	maxHeader = 150
	// maxMarkdown of all Markdown in a message (docs.slack.dev/reference/block-kit/blocks/markdown-block).
	maxMarkdown = 12000
	// maxBlocksText of all blocks together; msg_blocks_too_long is documented
	// without a figure, and was reported from about 11,000 on.
	maxBlocksText = 9500
	// maxBlocks and maxAttachments of a message.
	maxBlocks      = 50
	maxAttachments = 100
	// maxFieldTitle and maxFooter leave the rest to what is said.
	maxFieldTitle = 300
	maxFooter     = 200
	// splitReserve is what the fences of a code block take that goes on over
	// several sections.
	splitReserve = 64
)

// cutMark shows that something is missing.
const cutMark = "\n… _(shortened)_"

// shorten cuts mrkdwn to a number of characters, with a mark; what it is, is
// for the note.
func (r *renderer) shorten(what, text string, limit int) string {
	total := utf8.RuneCountInString(text)
	if total <= limit {
		return text
	}
	head, rest := cut(text, limit-utf8.RuneCountInString(cutMark)-len(fence)-1)
	if strings.Count(head, fence)%2 == 1 {
		head += "\n" + fence
	}
	r.shortened(what, rest, total)
	return head + cutMark
}

func (r *renderer) shortened(what, rest string, total int) {
	r.note("%s was shortened by %d of %d characters to what Slack takes in one message", what, utf8.RuneCountInString(rest), total)
}

// shortenMarkdown cuts Markdown to a number of characters, with a mark.
func (r *renderer) shortenMarkdown(text string, limit int) string {
	total := utf8.RuneCountInString(text)
	if total <= limit {
		return text
	}
	head, rest := cutMarkdown(text, limit-utf8.RuneCountInString(cutMark)-1-fenceReserve)
	if closing := openFence(head); closing != "" {
		head += "\n" + closing
	}
	r.shortened("the Markdown", rest, total)
	return head + "\n" + cutMark
}

// fenceReserve is for the fence that closes a code block; one longer than that
// is taken for text.
const fenceReserve = 40

// unbroken is what Markdown must not be cut in: links, code, tokens and entities.
var unbroken = regexp.MustCompile("!?\\[[^\\]\\n]*\\]\\([^)\\n]*\\)|`[^`\\n]+`|<[^<>\\n]*>|&#?[0-9A-Za-z]{1,31};|\\\\.")

// cutMarkdown returns the first part of a Markdown text, of at most limit
// characters and ending at a sensible place, and the rest.
func cutMarkdown(text string, limit int) (head, rest string) {
	at := byteOffset(text, max(limit, 1))
	if i := strings.LastIndex(text[:at], "\n\n"); i > at/2 {
		return strings.TrimRight(text[:i], "\n "), text[i+2:]
	}
	// What is only a part of a line is cut off where it is a table's row or
	// code, and where the line is not all there is.
	line := strings.LastIndexByte(text[:at], '\n')
	if row := strings.Contains(text[line+1:at], "|"); line > at/2 || line > 0 && (row || openFence(text[:line]) != "") {
		return strings.TrimRight(text[:line], "\n "), text[line+1:]
	}
	for _, span := range unbroken.FindAllStringIndex(text[line+1:min(len(text), at+longestToken)], -1) {
		if from, to := span[0]+line+1, span[1]+line+1; from < at && at < to && from > 0 {
			at = from
			break
		}
	}
	if i := strings.LastIndexByte(text[:at], ' '); i > at/2 && !slices.ContainsFunc(unbroken.FindAllStringIndex(text[line+1:at], -1),
		func(span []int) bool { return span[0]+line+1 < i && i < span[1]+line+1 }) {
		at = i
	}
	return strings.TrimRight(text[:at], " "), text[at:]
}

// fenceLine is a line that opens or closes a code block, also in a quote or a list.
var fenceLine = regexp.MustCompile("^([ \\t>]*(?:[-*+] |[0-9]+[.)] )?[ \\t]*)(`{3,}|~{3,})(.*)$")

// openFence returns the line that closes the code block that a Markdown text
// ends in; empty when it ends in none.
func openFence(text string) string {
	open, prefix := "", ""
	for line := range strings.Lines(text) {
		parts := fenceLine.FindStringSubmatch(strings.TrimRight(line, "\r\n"))
		switch {
		case parts == nil:
		case open == "":
			if len(parts[1])+len(parts[2]) < fenceReserve && (parts[2][0] == '~' || !strings.Contains(parts[3], "`")) {
				prefix, open = parts[1], parts[2]
			}
		case parts[2][0] == open[0] && len(parts[2]) >= len(open) && strings.TrimSpace(parts[3]) == "":
			open = ""
		}
	}
	if open == "" {
		return ""
	}
	// What begins an item of a list would begin another one.
	return strings.Map(func(r rune) rune {
		if r == '>' || r == ' ' || r == '\t' {
			return r
		}
		return ' '
	}, prefix) + open
}

// level returns how long each may be at most, so that all together are at most
// total: the short ones leave what they don't need to the long ones.
func level(lengths []int, total int) int {
	sorted := slices.Sorted(slices.Values(lengths))
	for i, n := range sorted {
		share := max(total, 0) / (len(sorted) - i)
		if n > share {
			return share
		}
		total -= n
	}
	return slices.Max(append(sorted, 0))
}
