package directory

import (
	"regexp"
	"strings"
	"unicode"
)

// reference is what people write for a user, a channel or a user group.
type reference struct {
	// id is set when it can be nothing but an ID.
	id string
	// name is the name in lower case, without "@" or "#".
	name string
	// maybe is an ID that could be a name as well, in capitals: a name that is
	// known goes before it.
	maybe string
	// short is true for a maybe that is shorter than any ID that Slack gives
	// today, so that nothing but the list tells whether it is a name.
	short bool
	// marked is true when it began with "@" or "#", as a name does.
	marked bool
}

var (
	userIDForm         = regexp.MustCompile(`^[UW][A-Z0-9]{6,}$`)
	conversationIDForm = regexp.MustCompile(`^[CGD][A-Z0-9]{6,}$`)
	groupIDForm        = regexp.MustCompile(`^S[A-Z0-9]{6,}$`)

	// What an answer of Slack's names can be nothing but an ID, however short.
	answeredDirectMessage = regexp.MustCompile(`^D[A-Z0-9]{2,}$`)
	answeredUser          = regexp.MustCompile(`^[UW][A-Z0-9]{2,}$`)

	// shortForms are IDs where nothing else can stand, however short they are, and
	// elsewhere if no name is like them. Slack documents no length.
	shortForms = map[*regexp.Regexp]*regexp.Regexp{
		userIDForm:         regexp.MustCompile(`^[UW][A-Z0-9]*[0-9][A-Z0-9]*$`),
		conversationIDForm: regexp.MustCompile(`^[CGD][A-Z0-9]*[0-9][A-Z0-9]*$`),
		groupIDForm:        regexp.MustCompile(`^S[A-Z0-9]*[0-9][A-Z0-9]*$`),
	}

	// pasted is what Slack writes for a mention: <@U…>, <#C…|name>,
	// <!subteam^S…|@handle>; and what people write after it: <@ada>.
	pasted = regexp.MustCompile(`^<(@|#|!subteam\^)([^<>|]+)(?:\|[^<>]*)?>$`)
	// address is an e-mail address as it is copied from a mail or from Slack:
	// mailto:ada@example.com, <mailto:ada@example.com|ada@example.com>.
	address = regexp.MustCompile(`^(?i:<(?:mailto:)?([^<>|]+)(?:\|[^<>]*)?>|mailto:(.+))$`)
	// link is a link to a conversation, a message or a person.
	link = regexp.MustCompile(`(?i)^<?(?:https://)?(?:[a-z0-9-]+\.)*slack(?:-gov)?\.com/(?:archives|team|client/[a-z0-9]+)/([a-z0-9]+)(?:[/?#|][^<>]*)?>?$`)
)

func parseUser(ref string) reference         { return parse(ref, "@", userIDForm) }
func parseConversation(ref string) reference { return parse(ref, "#", conversationIDForm) }
func parseGroup(ref string) reference        { return parse(ref, "@", groupIDForm) }

// wide are the marks as keyboards for Chinese, Japanese and Korean write them.
var wide = map[string]string{"@": "\uff20", "#": "\uff03"}

// parse takes the forms that people type and paste.
func parse(ref, mark string, form *regexp.Regexp) reference {
	ref = trim(ref)
	if strings.HasPrefix(ref, "<") {
		switch m := pasted.FindStringSubmatch(ref); {
		case m == nil:
		case form.MatchString(m[2]), shortForms[form].MatchString(m[2]):
			return reference{id: m[2]}
		case m[1] == mark:
			ref = m[1] + m[2]
		}
	}
	if strings.Contains(ref, "/") {
		if m := link.FindStringSubmatch(ref); m != nil && form.MatchString(m[1]) {
			return reference{id: m[1]}
		}
	}
	bare := ref
	for strings.HasPrefix(bare, mark) || strings.HasPrefix(bare, wide[mark]) {
		bare = trim(strings.TrimPrefix(strings.TrimPrefix(bare, mark), wide[mark]))
	}
	r := reference{name: strings.ToLower(bare), marked: bare != ref}
	r.short = !form.MatchString(bare)
	if !r.short || shortForms[form].MatchString(bare) {
		r.maybe = bare
	}
	return r
}

// trim takes away what surrounds a text that was copied: spaces, and marks
// that can't be seen.
func trim(s string) string {
	return strings.TrimFunc(s, func(r rune) bool { return unicode.IsSpace(r) || unicode.Is(unicode.Cf, r) })
}

// parseEmail takes an e-mail address as people type and paste it, in lower case.
func parseEmail(ref string) string {
	ref = trim(ref)
	if m := address.FindStringSubmatch(ref); m != nil {
		ref = trim(m[1] + m[2])
	}
	return strings.ToLower(strings.ReplaceAll(ref, wide["@"], "@"))
}

// ChannelName returns the name that a channel is given by, in lower case and
// without "#"; empty when it is given by its ID or a link.
func ChannelName(ref string) string { return parseConversation(ref).name }

// ConversationID returns the ID that a channel is given by; false when it is given
// by a name.
func ConversationID(ref string) (string, bool) {
	r := parseConversation(ref)
	if r.id != "" {
		return r.id, true
	}
	return r.maybe, r.maybe != ""
}
