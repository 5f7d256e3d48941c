package slacksim

import "maps"

// twist changes an answer as the fault says. What was done stays done.
func (f *Fault) twist(body answer) answer {
	if f == nil || body["ok"] != true {
		return body
	}
	out := maps.Clone(body)
	names := func(otherwise string) string {
		if f.Names != "" {
			return f.Names
		}
		return otherwise
	}
	switch f.Kind {
	case "other_channel":
		if ch, ok := out["channel"].(answer); ok {
			ch = maps.Clone(ch)
			ch["id"] = names("C0ANOTHER")
			out["channel"] = ch
		} else {
			out["channel"] = names("C0ANOTHER")
		}
	case "other_ts":
		out["ts"] = names("1600000000.000001")
	case "no_metadata":
		if list, ok := out["messages"].([]answer); ok {
			for _, m := range list { // made for this answer
				delete(m, "metadata")
			}
		}
	case "odd_elements":
		for _, field := range []string{"messages", "members", "channels", "usergroups"} {
			switch list := out[field].(type) {
			case []answer:
				out[field] = odd(list)
			case []string:
				out[field] = odd(list)
			}
		}
	}
	return out
}

// oddElements are none of what any list holds.
var oddElements = []any{nil, 5, "what", []any{}, answer{}, answer{"id": 5, "ts": 5, "user": answer{}, "metadata": []any{}, "profile": "none"}}

// odd puts an odd element before and after each of a list.
func odd[T any](list []T) []any {
	out := []any{oddElements[0]}
	for i, one := range list {
		out = append(out, one, oddElements[(i+1)%len(oddElements)])
	}
	return out
}
