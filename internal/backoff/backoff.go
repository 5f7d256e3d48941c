// Package backoff spreads repeated attempts over time.
package backoff

import (
	"math/rand/v2"
	"time"
)

// Full returns the pause after a number of failures in a row: first after the
// first one, doubled with each further one up to most, of which a random part
// between half and all is taken so that those who failed together do not come
// back together.
func Full(failures int, first, most time.Duration) time.Duration {
	limit := min(most, first<<min(max(failures-1, 0), 20))
	return limit/2 + rand.N(limit/2+1) //nolint:gosec // no secret
}

// Around returns d, give or take a tenth.
func Around(d time.Duration) time.Duration {
	return d - d/10 + rand.N(d/5+1) //nolint:gosec // no secret
}
