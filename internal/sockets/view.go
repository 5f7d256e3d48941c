package sockets

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/slack-notifier/slack-notifier/internal/connection"
	"github.com/slack-notifier/slack-notifier/internal/slack/socket"
)

// View is how the connection of a SlackChannel is doing.
type View struct {
	// Problem is why there is none; nil when one is kept.
	Problem *connection.Problem
	// State of the connection.
	State socket.State
	// Settling is true while it may come (back) at any moment, so that nothing is to
	// be said yet.
	Settling bool
	// Shared means that Slack counts connections to the app that are not this
	// operator's, and Foreign that a press on another cluster's message came here.
	Shared, Foreign bool
}

// View returns how the connection of a SlackChannel is doing; false when this
// process has not looked at it yet.
func (k *Keeper) View(name types.NamespacedName, uid types.UID) (View, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	m := k.members[name]
	switch {
	case m == nil || m.uid != uid:
		return View{}, false
	case m.held == nil:
		return View{Problem: m.problem}, true
	}
	return k.view(m.held, time.Now()), true
}

func (k *Keeper) view(h *held, now time.Time) View {
	v := View{State: h.client.State(), Shared: h.shared, Foreign: now.Before(h.foreign)}
	v.Settling = !v.State.Connected && passing(v.State) && now.Sub(v.State.Since) < k.times().Quiet
	return v
}

// passing reports whether there may be a connection in a moment.
func passing(s socket.State) bool {
	if s.Trouble == socket.Disabled || s.Trouble == socket.TooMany {
		return false
	}
	return s.Err == nil || s.Err.Class.Transient()
}

// changed tells those who share a connection that it is doing otherwise than was
// told.
func (k *Keeper) changed(h *held) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := time.Now()
	v := k.view(h, now)
	if v.State.Hellos != h.hellos {
		h.hellos = v.State.Hellos
		if k.Peers != nil {
			k.Peers.poke()
		}
		go k.judge(h, v.State)
	}
	if v.Settling {
		k.later(h, &h.settle, v.State.Since.Add(k.times().Quiet).Sub(now), func() { k.changed(h) })
		return
	}
	told := fmt.Sprint(v.State.Connected, v.State.AppID, v.State.Trouble, v.State.Err, v.Shared, v.Foreign)
	if v.State.Connected { // what hinders another connection is no matter
		told = fmt.Sprint("connected", v.State.AppID, v.Shared, v.Foreign)
	}
	if told == h.told {
		return
	}
	h.told = told
	for name := range h.names {
		go k.Wake(name)
	}
}

// later does something, unless the connection is not kept then.
func (k *Keeper) later(h *held, timer **time.Timer, after time.Duration, do func()) {
	if k.held[h.key] != h {
		return
	}
	if *timer != nil {
		(*timer).Stop()
	}
	*timer = time.AfterFunc(max(after, 0)+time.Millisecond, do)
}

// judge finds out whether all connections that a hello has counted are ours.
func (k *Keeper) judge(h *held, s socket.State) {
	t := k.times()
	others, known := 0, true
	if k.Peers != nil {
		ctx, end := context.WithTimeout(context.Background(), 10*time.Second)
		defer end()
		others, known = k.Peers.others(ctx, s.AppID)
	}
	k.mu.Lock()
	// Another token, or another way to Slack, may lead to the same app.
	for _, one := range k.held {
		if other := one.client.State(); one != h && other.Connected && other.AppID == s.AppID {
			others++
		}
	}
	foreign := known && s.AppConnections > s.Ours+others
	now := time.Now()
	switch {
	case !foreign:
		h.suspected, h.shared = time.Time{}, false
	case h.suspected.IsZero():
		h.suspected = now
		k.later(h, &h.look, t.Confirm, h.client.Renew)
	case now.Sub(h.suspected) >= t.Confirm/2:
		h.shared = true
		k.later(h, &h.look, t.Look, h.client.Renew)
	}
	k.mu.Unlock()
	k.changed(h)
}

// Foreign notes that a press came on a button that names another cluster. Proven, both
// have connections to one app, which Slack sends each press to any of; else it is a
// reason to have Slack count the connections, not more often than they are looked at
// anyway.
func (k *Keeper) Foreign(app socket.App, proven bool) {
	for _, c := range app.Channels {
		k.mu.Lock()
		m := k.members[c.NamespacedName]
		if m == nil || m.held == nil {
			k.mu.Unlock()
			continue
		}
		h := m.held
		if !proven {
			if now := time.Now(); now.Sub(h.hinted) >= k.times().Look {
				h.hinted = now
				h.client.Renew()
			}
			k.mu.Unlock()
			return
		}
		h.foreign = time.Now().Add(k.times().Foreign)
		time.AfterFunc(k.times().Foreign+time.Second, func() { k.changed(h) })
		k.mu.Unlock()
		k.changed(h)
		return // all of them share it
	}
}
