package term

// buttons are what can be pressed, beside each other. None is broken over two lines.
func (p *Printer) buttons(list []element, width int) []string {
	var out []string
	line := ""
	for _, e := range list {
		one := p.button(e)
		if line != "" && visible(line)+2+visible(one) > width {
			out, line = append(out, line), ""
		}
		if line != "" {
			line += "  "
		}
		line += one
	}
	return append(out, line)
}

func (p *Printer) button(e element) string {
	label, end := readText(e.Text), " ]"
	switch {
	case e.Type == "image":
		return p.paint(span{"[image: " + Clean(e.AltText) + "]", faint})
	case e.Type != "button" && e.Placeholder.Text != "":
		label, end = e.Placeholder.Text, " ▾ ]"
	case label == "":
		label = e.Type
	}
	text := ""
	for _, s := range plainText(label, bold) {
		text += p.paint(s)
	}
	return p.paint(span{"[ ", faint}) + text + p.paint(span{end, faint})
}
