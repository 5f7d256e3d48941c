// Package kindwatch watches objects of any kind for many subscribers: one watch
// for each kind and namespace, or one for the cluster, however many look at it.
//
// Kinds finds out whether a kind exists and may be watched. Watches hold the
// watches, and keep the objects packed. A Pool has the handlers of the
// subscriptions look at what has changed, so that a slow one holds up none of
// another namespace.
//
// It knows nothing of alerts: what an object means is the handler's matter.
package kindwatch
