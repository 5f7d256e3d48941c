package source

import (
	"github.com/slack-notifier/slack-notifier/api/v1alpha1"
	"github.com/slack-notifier/slack-notifier/internal/alerting"
	"github.com/slack-notifier/slack-notifier/internal/incident"
)

// maxThings are the objects of a group that templates see.
const maxThings = 20

// render makes the message about objects, of which there are total.
func (p *Pass) render(things []alerting.Thing, total int, key alerting.Key) func(string) v1alpha1.Content {
	return func(state string) v1alpha1.Content {
		data := p.data(state)
		var all []any
		for _, t := range things {
			if t.Object != nil {
				all = append(all, t.Object)
			}
		}
		if len(all) > 0 {
			first := all[0].(map[string]any)
			data["object"] = first
			meta, _ := first["metadata"].(map[string]any)
			data["labels"], data["annotations"] = mapOf(meta, "labels"), mapOf(meta, "annotations")
		}
		data["objects"], data["count"] = all, total
		return p.content(data, alerting.ObjectsContent(p.Alert.Name, things, total, state), key)
	}
}

// renderMembers makes the message about members, of which there is at least one.
// When none is known to hold, an open incident goes on saying what it has said.
func (p *Pass) renderMembers(firing []member, current incident.Current, key alerting.Key) func(string) v1alpha1.Content {
	var things []alerting.Thing
	for _, m := range firing {
		if m.left.IsZero() && !m.unknown {
			things = append(things, p.fetch(m, len(things)))
		}
	}
	if len(things) == 0 && current.Open {
		return nil
	}
	if len(things) == 0 {
		for _, m := range firing {
			things = append(things, p.fetch(m, len(things)))
		}
	}
	return p.render(things, len(firing), key)
}

// fetch returns the thing of a member, of the first ones with the object.
func (p *Pass) fetch(m member, before int) alerting.Thing {
	out := m.thing
	if before >= maxThings {
		return out
	}
	if out.Object = p.get(out); out.Object == nil && m.last != nil {
		if u := m.last.Unpack(); u != nil {
			out.Object = u.Object
		}
	}
	return out
}
