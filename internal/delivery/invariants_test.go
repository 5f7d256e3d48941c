package delivery

// broken says what of the delivery's own rules does not hold; empty when all do.
func (d *Delivery) broken() string {
	switch {
	case d.Phase == Verifying && d.Doubt == nil:
		return "it is verifying, and there is no doubt"
	case d.Phase == Editing && d.Posted == nil:
		return "it is editing, and nothing is posted"
	case d.Phase == Delivered && d.Posted == nil && d.SameAs == "":
		return "it is delivered, and nothing is posted"
	case (d.Phase == Delivered || d.Phase == Editing) && d.Doubt != nil:
		return "it is delivered or edited, and there is a doubt"
	case d.Phase == Unknown && d.Doubt == nil:
		return "it is unknown, and the doubt is forgotten"
	case d.Phase == Delivered && d.Halt != nil:
		return "it is delivered, and a person must act"
	case d.Halt == nil && d.Open() != (d.Phase == Unsent || d.Phase == Verifying || d.Phase == Editing):
		return "nobody must act, and it is not open"
	case d.Halt != nil && d.Open():
		return "a person must act, and it is open"
	case d.Stale != "" && d.Phase != Delivered:
		return "it is not delivered, and another content is said to stay"
	}
	return ""
}
