// Package boundedjson looks at JSON from outside before it is decoded, so that
// a small body can't take much memory or a deep stack.
//
// It does not check that the JSON is valid; the decoder does.
package boundedjson

import "bytes"

// Depth is how deep the arrays and objects of data are nested; it stops
// counting above limit.
func Depth(data []byte, limit int) int {
	depth, deepest := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			i = endOfString(data, i+1)
		case '[', '{':
			if depth++; depth > deepest {
				deepest = depth
			}
			if deepest > limit {
				return deepest
			}
		case ']', '}':
			depth--
		}
	}
	return deepest
}

// Values is about how many values there are in data, those in arrays and objects
// included; it stops counting above limit.
func Values(data []byte, limit int) int {
	n := 1
	for i := 0; i < len(data) && n <= limit; i++ {
		switch data[i] {
		case '"':
			i = endOfString(data, i+1)
		case '[', '{', ',':
			n++
		}
	}
	return n
}

// endOfString is the index of the quotation mark that ends the string that
// begins at i, or the end of data.
func endOfString(data []byte, i int) int {
	for i < len(data) {
		next := bytes.IndexAny(data[i:], `"\`)
		if next < 0 {
			return len(data)
		}
		if i += next; data[i] == '"' {
			return i
		}
		i += 2
	}
	return len(data)
}
