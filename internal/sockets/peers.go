package sockets

import (
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-logr/logr"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	// PeersLease is the Lease in whose annotations the replicas tell each other of
	// their connections.
	PeersLease = "slack-notifier-sockets"
	// peerPrefix of the annotations, one for each replica.
	peerPrefix = "sockets.slack.notify.dev/"
	// tellEvery so often, and stale after so long.
	tellEvery  = 45 * time.Second
	staleAfter = 3 * time.Minute
	// maxPeers that are read.
	maxPeers = 100
)

// Peers tell of the connections of the operator's other replicas, of which no call
// of Slack's tells whose they are.
type Peers struct {
	// Live reads from the API server, and Client writes.
	Live   client.Reader
	Client client.Client
	// Namespace of the Lease: that of the leader election.
	Namespace string
	Log       logr.Logger

	identity string
	pokes    chan struct{}
}

// NewPeers returns the other replicas.
func NewPeers(p Peers) *Peers {
	p.identity, p.pokes = strings.ToLower(rand.Text()), make(chan struct{}, 1)
	return &p
}

// poke has the others told soon.
func (p *Peers) poke() {
	select {
	case p.pokes <- struct{}{}:
	default:
	}
}

// run tells the others of the connections of this process, until ctx ends.
func (p *Peers) run(ctx context.Context, counts func() map[string]int) {
	ticker := time.NewTicker(tellEvery)
	defer ticker.Stop()
	written, complained := false, false
	for {
		select {
		case <-ctx.Done():
			if written { // the process goes, and a call more does not hold it up
				last, end := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
				defer end()
				_ = p.tell(last, nil)
			}
			return
		case <-ticker.C:
		case <-p.pokes:
		}
		now := counts()
		if len(now) == 0 && !written {
			continue
		}
		err := p.tell(ctx, now)
		if err != nil && !complained && ctx.Err() == nil {
			complained = true
			p.Log.Error(err, "Could not tell the other replicas of the connections by Socket Mode", "lease", p.Namespace+"/"+PeersLease)
		}
		written = written || err == nil
	}
}

// tell writes the connections of this process; none removes its entry.
func (p *Peers) tell(ctx context.Context, counts map[string]int) error {
	for {
		lease := &coordinationv1.Lease{}
		err := p.Live.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: PeersLease}, lease)
		missing := apierrors.IsNotFound(err)
		if err != nil && !missing {
			return err
		}
		lease.Namespace, lease.Name = p.Namespace, PeersLease
		now := time.Now()
		maps.DeleteFunc(lease.Annotations, func(key, value string) bool {
			at, _ := parseEntry(value)
			return strings.HasPrefix(key, peerPrefix) && (key == peerPrefix+p.identity || now.Sub(at) > staleAfter)
		})
		if len(counts) > 0 {
			metav1.SetMetaDataAnnotation(&lease.ObjectMeta, peerPrefix+p.identity, formatEntry(now, counts))
		}
		if missing {
			err = p.Client.Create(ctx, lease)
		} else {
			err = p.Client.Update(ctx, lease)
		}
		if !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err) {
			return err
		}
	}
}

// others counts the connections of the other replicas to an app; false when it is
// not known.
func (p *Peers) others(ctx context.Context, app string) (int, bool) {
	lease := &coordinationv1.Lease{}
	err := p.Live.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: PeersLease}, lease)
	if apierrors.IsNotFound(err) {
		return 0, true
	}
	if err != nil {
		return 0, false
	}
	n, read := 0, 0
	for key, value := range lease.Annotations {
		if !strings.HasPrefix(key, peerPrefix) || key == peerPrefix+p.identity {
			continue
		}
		if read++; read > maxPeers {
			return 0, false
		}
		if at, counts := parseEntry(value); time.Since(at) <= staleAfter {
			n += counts[app]
		}
	}
	return n, true
}

// formatEntry writes when and how many, as in "1700000000 A012=1 A034=1".
func formatEntry(at time.Time, counts map[string]int) string {
	out := strconv.FormatInt(at.Unix(), 10)
	for _, app := range slices.Sorted(maps.Keys(counts)) {
		out += fmt.Sprintf(" %s=%d", app, counts[app])
	}
	return out
}

// parseEntry reads what formatEntry has written; of anything else, nothing.
func parseEntry(s string) (time.Time, map[string]int) {
	fields := strings.Fields(s)
	if len(fields) == 0 {
		return time.Time{}, nil
	}
	seconds, err := strconv.ParseInt(fields[0], 10, 64)
	if err != nil {
		return time.Time{}, nil
	}
	counts := map[string]int{}
	for _, f := range fields[1:] {
		app, n, _ := strings.Cut(f, "=")
		if count, err := strconv.Atoi(n); err == nil && count > 0 && count <= 10 {
			counts[app] = count
		}
	}
	return time.Unix(seconds, 0), counts
}
