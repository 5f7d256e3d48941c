package boundedjson

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns JSON as a decoder takes it: UTF-8 without a byte order mark, and
// no control characters in its strings but as escapes. PowerShell and other
// tools of Windows write UTF-16, marks, and line ends in the midst of a string.
// UTF-16 is known by its mark alone. What is as it should be is returned as it
// is, without a copy.
func Text(data []byte) []byte {
	d := &Decoder{}
	out := d.Decode(data)
	return append(out[:len(out):len(out)], d.Close()...)
}

// Decoder does what Text does, for what comes in pieces. The zero value is ready
// to use.
type Decoder struct {
	begun bool
	// wide is how to read two bytes of UTF-16; nil for UTF-8.
	wide func([]byte) uint16
	// left is what a piece ended amid: of the mark, or of a character.
	left []byte
	// inString and escaped tell where in the JSON the last piece ended.
	inString, escaped bool
}

// Decode returns what a piece says, as far as it is complete.
func (d *Decoder) Decode(piece []byte) []byte {
	if len(d.left) > 0 {
		piece = append(d.left, piece...)
		d.left = nil
	}
	if !d.begun {
		if len(piece) < 3 {
			d.left = bytes.Clone(piece)
			return nil
		}
		piece = d.begin(piece)
	}
	return d.escape(d.narrow(piece))
}

// Close returns what is left when nothing more comes.
func (d *Decoder) Close() []byte {
	rest := d.left
	d.left = nil
	if !d.begun {
		rest = d.begin(rest)
	}
	if d.wide != nil {
		return d.escape(wideText(rest, d.wide))
	}
	return d.escape(rest)
}

// begin takes the byte order mark away.
func (d *Decoder) begin(piece []byte) []byte {
	d.begun = true
	switch {
	case bytes.HasPrefix(piece, []byte("\xef\xbb\xbf")):
		return piece[3:]
	case bytes.HasPrefix(piece, []byte("\xff\xfe")):
		d.wide = func(b []byte) uint16 { return uint16(b[0]) | uint16(b[1])<<8 }
		return piece[2:]
	case bytes.HasPrefix(piece, []byte("\xfe\xff")):
		d.wide = func(b []byte) uint16 { return uint16(b[1]) | uint16(b[0])<<8 }
		return piece[2:]
	}
	return piece
}

// narrow makes UTF-8 of a piece of UTF-16, but for a character that is not
// complete.
func (d *Decoder) narrow(piece []byte) []byte {
	if d.wide == nil {
		return piece
	}
	whole := len(piece) &^ 1
	if whole >= 2 && d.wide(piece[whole-2:])&0xfc00 == 0xd800 {
		whole -= 2 // the first half of a pair
	}
	d.left = bytes.Clone(piece[whole:])
	return wideText(piece[:whole], d.wide)
}

func wideText(piece []byte, wide func([]byte) uint16) []byte {
	units := make([]uint16, 0, len(piece)/2)
	for i := 0; i+1 < len(piece); i += 2 {
		units = append(units, wide(piece[i:]))
	}
	out := make([]byte, 0, len(piece))
	for _, r := range utf16.Decode(units) {
		out = utf8.AppendRune(out, r)
	}
	return out
}

const hex = "0123456789abcdef"

// escape writes control characters in strings as JSON wants them, and drops
// those that stand elsewhere and are no blanks.
func (d *Decoder) escape(text []byte) []byte {
	var out []byte
	copied := 0
	for i, c := range text {
		switch {
		case c < ' ' && (d.inString || c != '\t' && c != '\n' && c != '\r'):
			out = append(out, text[copied:i]...)
			copied = i + 1
			if d.inString && !d.escaped {
				out = append(out, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
			} else if d.escaped {
				out = append(out, '\\') // a backslash before the end of a line
				d.escaped = false
			}
		case !d.inString:
			d.inString = c == '"'
		case d.escaped:
			d.escaped = false
		case c == '\\':
			d.escaped = true
		case c == '"':
			d.inString = false
		}
	}
	if copied == 0 {
		return text
	}
	return append(out, text[copied:]...)
}
