package alertmanager

import "strings"

// splitter takes the JSON of a post apart as it comes: each field of the top
// level and each alert is handed on by itself, so that a post may be larger than
// what there is memory for. It checks no more of the JSON than it needs.
type splitter struct {
	// field is given what is no list of alerts; alert is given one, or nil for
	// one that is too large to be kept.
	field func(key string, value []byte)
	alert func(value []byte)

	where position
	// depth of the value that is being read, counted from its own outside.
	depth, deepest     int
	inString, escaped  bool
	key                string
	kept               []byte
	tooLarge, inAlerts bool
}

type position int

const (
	beforeObject position = iota
	beforeKey
	inKey
	beforeColon
	beforeValue
	inValue
	afterObject
	broken
)

// maxPart is how large a field or an alert may be, in bytes.
const maxPart = 1 << 20

// write takes the next piece.
func (s *splitter) write(piece []byte) {
	for _, c := range piece {
		switch {
		case s.where == inValue:
			s.value(c)
		case s.where == inKey:
			s.keyChar(c)
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
		default:
			s.between(c)
		}
	}
}

// complete reports whether the end of the object was seen.
func (s *splitter) complete() bool { return s.where == afterObject }

// between takes what stands between keys and values.
func (s *splitter) between(c byte) {
	switch s.where {
	case beforeObject:
		s.expect(c == '{', beforeKey)
	case beforeKey:
		s.next(c)
	case beforeColon:
		s.expect(c == ':', beforeValue)
	case beforeValue:
		if c == '[' && strings.EqualFold(s.key, "alerts") {
			s.where, s.inAlerts = beforeKey, true
			return
		}
		s.begin(c)
	case inKey, inValue, afterObject, broken: // what follows is not looked at
	}
}

func (s *splitter) expect(ok bool, then position) {
	if s.where = then; !ok {
		s.where = broken
	}
}

// next takes what follows a value.
func (s *splitter) next(c byte) {
	switch {
	case c == ',':
	case s.inAlerts && c == ']':
		s.inAlerts = false
	case s.inAlerts:
		s.begin(c)
	case c == '}':
		s.where = afterObject
	case c == '"':
		s.where, s.kept, s.tooLarge = inKey, append(s.kept[:0], c), false
	default:
		s.where = broken
	}
}

func (s *splitter) keyChar(c byte) {
	s.keep(c)
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.key, s.where = string(unquoted(s.kept)), beforeColon
	}
}

// begin begins a field or an alert.
func (s *splitter) begin(c byte) {
	s.where, s.depth, s.kept, s.tooLarge = inValue, 0, s.kept[:0], false
	s.value(c)
}

// value takes a character of a value.
func (s *splitter) value(c byte) {
	switch {
	case s.inString:
		s.stringChar(c)
	case c == '"':
		s.inString = true
		s.keep(c)
	case c == '{' || c == '[':
		s.depth++
		s.deepest = max(s.deepest, s.depth)
		s.keep(c)
	case s.depth == 0: // a number or a word
		s.scalar(c)
	case c == '}' || c == ']':
		s.depth--
		s.keep(c)
		s.end()
	default:
		s.keep(c)
	}
}

func (s *splitter) stringChar(c byte) {
	s.keep(c)
	switch {
	case s.escaped:
		s.escaped = false
	case c == '\\':
		s.escaped = true
	case c == '"':
		s.inString = false
		s.end()
	}
}

func (s *splitter) scalar(c byte) {
	if !strings.ContainsRune(",}] \t\n\r", rune(c)) {
		s.keep(c)
		return
	}
	s.done()
	if c == '}' || c == ']' {
		s.between(c)
	}
}

// end ends a value that has come to its outside.
func (s *splitter) end() {
	if s.depth == 0 {
		s.done()
	}
}

func (s *splitter) done() {
	s.where = beforeKey
	switch {
	case len(s.kept) == 0:
		s.where = broken
	case s.inAlerts && s.tooLarge:
		s.alert(nil)
	case s.inAlerts:
		s.alert(s.kept)
	case !s.tooLarge:
		s.field(s.key, s.kept)
	}
}

func (s *splitter) keep(c byte) {
	if len(s.kept) >= maxPart {
		s.tooLarge = true
		return
	}
	s.kept = append(s.kept, c)
}
