package alerting

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"unicode/utf8"
)

// call is one call of a function by a template.
type call struct {
	*budget
	args []reflect.Value
	// variadic is true when the last arguments are a list.
	variadic bool
	// size of the arguments, if the price depends on it.
	size size
	deep bool
	// bound of what the function makes, in bytes.
	bound float64
}

// price tells how much a call makes at the most, in bytes, before it is made.
// It may charge for work too.
type price func(*call) (float64, error)

const (
	// callBytes are what any call costs, and argumentBytes each argument.
	callBytes     = 128
	argumentBytes = 32
	// refund is the part of the bound that is charged in any case: what a
	// function makes on the way to a small result.
	refund = 8
)

// before charges what the call reads, and refuses it if what it makes may be
// more than is left.
func (c *call) before(p price) error {
	err := c.charge(float64(callBytes + argumentBytes*len(c.args)))
	if err != nil {
		return err
	}
	if c.bound, err = p(c); err != nil {
		return err
	}
	if c.bound > float64(c.left) {
		return errWork
	}
	return nil
}

// after charges what the call has made.
func (c *call) after(out reflect.Value) error {
	if !c.deep {
		return c.charge(c.bound)
	}
	made, err := c.measure(out)
	if err != nil {
		return err
	}
	return c.charge(max(float64(made.bytes), c.bound/refund))
}

// read charges for all that the arguments are made of.
func (c *call) read(args ...reflect.Value) error {
	var err error
	if c.size, err = c.measure(args...); err != nil {
		return err
	}
	c.deep = true
	return c.charge(float64(c.size.bytes))
}

// peek is the price of what looks at its arguments from outside and returns one
// of them, or a part.
func peek(*call) (float64, error) { return 64, nil }

// shallow is the price of what makes a list or a map of the parts of its
// arguments.
func shallow(c *call) (float64, error) {
	n := len(c.args)
	for _, a := range c.args {
		n += length(a)
	}
	return float64(n) * 128, nil
}

// dictPrice is shallow, but that the keys are written as texts.
func dictPrice(c *call) (float64, error) {
	for i := 0; i < len(c.args); i += 2 {
		s, err := c.measure(c.args[i])
		if err != nil {
			return 0, err
		}
		if err := c.charge(float64(2 * s.bytes)); err != nil {
			return 0, err
		}
	}
	return float64(len(c.args)) * 256, nil
}

// scalar is the price of what reads all of its arguments, and makes little.
func scalar(c *call) (float64, error) { return 512, c.read(c.args...) }

// numeric is the price of what takes numbers. What is none is written down for
// an error that nobody sees, with all that is in it.
func numeric(c *call) (float64, error) {
	if err := c.read(c.args...); err != nil {
		return 0, err
	}
	return 512, c.charge(12 * float64(c.size.bytes))
}

// sliced is the price of a part of a list, by numbers.
func sliced(c *call) (float64, error) {
	if err := c.read(c.args[1:]...); err != nil {
		return 0, err
	}
	c.deep = false
	return 64, c.charge(12 * float64(c.size.bytes))
}

// decimals calculate exactly: each argument may add 310 digits.
func decimals(c *call) (float64, error) {
	n := float64(len(c.args))
	if err := c.charge(1024 + n*n*256); err != nil {
		return 0, err
	}
	return numeric(c)
}

// texts is the price of what makes at most so many bytes of each byte of the
// texts that it is given.
func texts(times float64) price {
	return func(c *call) (float64, error) {
		err := c.read(c.args...)
		return 256 + times*float64(c.size.text) + 64*float64(c.size.values), err
	}
}

func prettyJSON(c *call) (float64, error) {
	err := c.read(c.args...)
	return 256 + 16*float64(c.size.text) + float64(c.size.values)*float64(128+8*c.size.depth), err
}

// pieceBytes of each piece that a text is split into, with what is made on the
// way.
const pieceBytes = 160

// pieces is the price of what splits its last argument by its first.
func pieces(c *call) (float64, error) {
	err := c.read(c.args...)
	return 256 + pieceBytes*float64(1+count(c.text(len(c.args)-1), c.text(0))) + float64(c.size.text), err
}

// count of the places where a text may be split.
func count(s, sep string) int {
	if sep == "" {
		return utf8.RuneCountInString(s)
	}
	return strings.Count(s, sep)
}

func joined(c *call) (float64, error) {
	err := c.read(c.args...)
	return 256 + float64(length(c.args[1]))*float64(len(c.text(0))) + float64(c.size.text) + 64*float64(c.size.values), err
}

func repeated(c *call) (float64, error) {
	err := c.read(c.args...)
	return 64 + math.Abs(c.number(0))*float64(len(c.text(1))), err
}

func replaced(c *call) (float64, error) {
	err := c.read(c.args...)
	times := 1 + count(c.text(2), c.text(0))
	return 64 + float64(len(c.text(2))) + float64(times)*float64(len(c.text(1))), err
}

func wrapped(c *call) (float64, error) {
	err := c.read(c.args...)
	separator := 1
	if len(c.args) == 3 {
		separator = max(1, len(c.text(1)))
	}
	n := float64(len(c.text(len(c.args) - 1)))
	// A line is as long as the width, unless spaces end it before.
	lines := n/max(1, c.number(0)) + float64(strings.Count(c.text(len(c.args)-1), " ")) + 1
	return 256 + 2*(n+lines*float64(separator)), err
}

func indented(c *call) (float64, error) {
	err := c.read(c.args...)
	lines := 2 + strings.Count(c.text(1), "\n")
	return 64 + 2*(float64(len(c.text(1)))+float64(lines)*(1+math.Abs(c.number(0)))), err
}

// maxCount is as far as until and its like count. The sum of two larger numbers
// might overflow, and never come to its end.
const maxCount = 1 << 40

func counted(c *call) (float64, error) {
	numbers := make([]float64, len(c.args))
	for i := range c.args {
		if numbers[i] = c.number(i); math.Abs(numbers[i]) > maxCount {
			return 0, fmt.Errorf("it counts to %d at the most", maxCount)
		}
	}
	from, to, by := 0.0, 0.0, 1.0
	switch len(numbers) {
	case 1:
		to = numbers[0]
	case 2:
		from, to = numbers[0], numbers[1]
	case 3:
		from, to, by = numbers[0], numbers[1], numbers[2]
		if c.variadic { // seq, whose step stands in the middle
			to, by = numbers[2], numbers[1]
		}
	}
	if by == 0 {
		return 64, nil
	}
	c.deep = true
	return 256 + 128*(math.Abs(to-from)/math.Abs(by)+2), nil
}

// pairs is the price of what compares each part with each.
func pairs(c *call) (float64, error) {
	if err := c.read(c.args...); err != nil {
		return 0, err
	}
	n := 1.0
	for _, a := range c.args {
		n = max(n, float64(length(a)))
	}
	with := float64(len(c.args))
	if len(c.args) == 1 {
		with = n
	}
	if err := c.charge(64 * n * with); err != nil {
		return 0, err
	}
	c.deep = false // it makes a list of what it was given
	return 128 * (n + 1), nil
}

// unwrapped is a value without its interfaces.
func unwrapped(v reflect.Value) reflect.Value {
	for v.Kind() == reflect.Interface {
		v = v.Elem()
	}
	return v
}

// text of an argument; empty if it is none.
func (c *call) text(i int) string {
	if i >= len(c.args) {
		return ""
	}
	if v := unwrapped(c.args[i]); v.Kind() == reflect.String {
		return v.String()
	}
	return ""
}

// number of an argument; 0 if it is none.
func (c *call) number(i int) float64 {
	if i >= len(c.args) {
		return 0
	}
	switch v := unwrapped(c.args[i]); {
	case v.CanInt():
		return float64(v.Int())
	case v.CanUint():
		return float64(v.Uint())
	case v.CanFloat():
		return v.Float()
	}
	return 0
}

// length of a list or a map.
func length(v reflect.Value) int {
	switch v = unwrapped(v); v.Kind() {
	case reflect.Slice, reflect.Array, reflect.Map:
		return v.Len()
	default:
		return 0
	}
}
