package pacing

// ordered is a set in the order of less, a treap: each operation takes a time
// that grows with the logarithm of the size. Unlike a heap it tells ranks. What
// less looks at must not change while an element is in it, and no two elements
// may be equal.
type ordered[T any] struct {
	less func(a, b T) bool
	root *node[T]
	// dice is the state of the weights' generator (xorshift), which needs no
	// more than to be unlike the order of insertion.
	dice uint64
}

type node[T any] struct {
	element     T
	weight      uint64
	size        int
	left, right *node[T]
}

func (n *node[T]) len() int {
	if n == nil {
		return 0
	}
	return n.size
}

func (n *node[T]) join(left, right *node[T]) *node[T] {
	n.left, n.right = left, right
	n.size = left.len() + right.len() + 1
	return n
}

func (o *ordered[T]) len() int { return o.root.len() }

func (o *ordered[T]) insert(x T) {
	if o.dice == 0 {
		o.dice = 0x9E3779B97F4A7C15
	}
	o.dice ^= o.dice << 13
	o.dice ^= o.dice >> 7
	o.dice ^= o.dice << 17
	o.root = o.inserted(o.root, &node[T]{element: x, weight: o.dice, size: 1})
}

func (o *ordered[T]) inserted(n, one *node[T]) *node[T] {
	switch {
	case n == nil:
		return one
	case one.weight > n.weight:
		left, right := o.split(n, one.element)
		return one.join(left, right)
	case o.less(one.element, n.element):
		return n.join(o.inserted(n.left, one), n.right)
	default:
		return n.join(n.left, o.inserted(n.right, one))
	}
}

// split parts what is before x from the rest.
func (o *ordered[T]) split(n *node[T], x T) (before, rest *node[T]) {
	switch {
	case n == nil:
		return nil, nil
	case o.less(n.element, x):
		before, rest = o.split(n.right, x)
		return n.join(n.left, before), rest
	default:
		before, rest = o.split(n.left, x)
		return before, n.join(rest, n.right)
	}
}

func merged[T any](a, b *node[T]) *node[T] {
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case a.weight > b.weight:
		return a.join(a.left, merged(a.right, b))
	default:
		return b.join(merged(a, b.left), b.right)
	}
}

// remove takes x out; false when it was not there.
func (o *ordered[T]) remove(x T) bool {
	before := o.len()
	o.root = o.removed(o.root, x)
	return o.len() < before
}

func (o *ordered[T]) removed(n *node[T], x T) *node[T] {
	switch {
	case n == nil:
		return nil
	case o.less(x, n.element):
		return n.join(o.removed(n.left, x), n.right)
	case o.less(n.element, x):
		return n.join(n.left, o.removed(n.right, x))
	default:
		return merged(n.left, n.right)
	}
}

// first of the order; false when the set is empty.
func (o *ordered[T]) first() (x T, ok bool) {
	n := o.root
	if n == nil {
		return x, false
	}
	for n.left != nil {
		n = n.left
	}
	return n.element, true
}

// rank counts the elements before x, which need not be in the set.
func (o *ordered[T]) rank(x T) int {
	count := 0
	for n := o.root; n != nil; {
		if o.less(n.element, x) {
			count += n.left.len() + 1
			n = n.right
		} else {
			n = n.left
		}
	}
	return count
}

// all yields the elements in their order.
func (o *ordered[T]) all(yield func(T) bool) { o.root.all(yield) }

func (n *node[T]) all(yield func(T) bool) bool {
	return n == nil || n.left.all(yield) && yield(n.element) && n.right.all(yield)
}
