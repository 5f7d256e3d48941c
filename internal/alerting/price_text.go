package alerting

import (
	"errors"
	"fmt"
	"strings"
)

// maxVersion is how long a version or a constraint may be.
const maxVersion = 256

func versions(c *call) (float64, error) {
	for i := range c.args {
		if len(c.text(i)) > maxVersion {
			return 0, fmt.Errorf("a version has at most %d characters", maxVersion)
		}
	}
	if err := c.read(c.args...); err != nil {
		return 0, err
	}
	return 4096, c.charge(8192 + 256*float64(c.size.text))
}

// replacing stands for what makes a text of all that matches.
const replacing = -1

// matching is the price of what finds a pattern, its first argument, in a text,
// its second: each character takes as many steps as the pattern has.
func matching(piece float64) price {
	return func(c *call) (float64, error) {
		if err := c.read(c.args...); err != nil {
			return 0, err
		}
		p, err := c.usePattern(c.text(0))
		if err != nil {
			return 0, err
		}
		n := float64(len(c.text(1)) + 1)
		if err := c.charge(n * float64(1+p.instructions/8)); err != nil {
			return 0, err
		}
		switch {
		case piece == replacing:
			// What is put in may repeat what matches, by $1 and the like.
			return 256 + 4*n*float64(1+len(c.text(2))), nil
		case piece > 0:
			times := n
			if most := c.number(2); most >= 0 {
				times = min(times, most+1)
			}
			return 256 + times*piece + n, nil
		}
		return 256 + n, nil
	}
}

// formatted is the price of printf: what each verb may make of the largest
// argument, since verbs may name the same one.
func formatted(c *call) (float64, error) {
	if wide.MatchString(c.text(0)) {
		return 0, errors.New("printf takes no width over 999, and no *")
	}
	format := c.text(0)
	most, all := 0.0, 0.0
	each := 400.0 // of %f
	if strings.ContainsAny(format, "0123456789") {
		each = 2400
	}
	for _, a := range c.args[1:] {
		s, err := c.measure(a)
		if err != nil {
			return 0, err
		}
		printed := 10*float64(s.text) + each*float64(s.values)
		most, all = max(most, printed), all+printed
	}
	err := c.read(c.args...)
	// Those that no verb names are written at the end.
	return 256 + 4*float64(len(format)) + float64(strings.Count(format, "%"))*(each+most) + all, err
}
