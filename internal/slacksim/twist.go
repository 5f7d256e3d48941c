package slacksim

import (
	"maps"
	"reflect"
	"slices"
)

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
	case "terse":
		return terse(out)
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

// needed is what nobody can do without in an answer and in what it holds; all else
// is left out of a terse one, and so is what is false or empty.
var needed = []string{
	"ok", "error", "id", "name", "ts", "channel", "channels", "members", "messages", "user", "user_id", "team_id", "usergroups", "handle", "users", "profile", "email",
	"display_name", "deleted", "is_bot", "is_private", "is_archived", "is_member", "is_im", "metadata", "event_type", "event_payload", "thread_ts", "permalink", "has_more", "response_metadata", "next_cursor",
}

// terse leaves out of an answer what other servers than Slack's may not tell, for
// those who believe that it is always there.
func terse(body answer) answer {
	out := answer{}
	for key, value := range body {
		switch v := value.(type) {
		case answer:
			value = terse(v)
		case []answer:
			short := make([]answer, len(v))
			for i := range v {
				short[i] = terse(v[i])
			}
			out[key] = short // an empty list is one
			continue
		}
		if slices.Contains(needed, key) && !empty(value) {
			out[key] = value
		}
	}
	return out
}

func empty(value any) bool {
	v := reflect.ValueOf(value)
	return !v.IsValid() || v.IsZero() || v.Kind() == reflect.Map && v.Len() == 0
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
