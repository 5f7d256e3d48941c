// Package source makes of what is posted to a SlackAlert what is to be of its
// incidents: the posts of an Alertmanager (alertmanager.go), and those of whoever
// else (webhook.go).
//
// A source decodes, groups, and makes an incident.Update of each group. What the
// sources share is in receiver.go: whether a rule is at work, what its expressions
// may cost, and the rendering. It keeps nothing but when it began to listen; what it
// has to know of a group is stored with the group's incident.
package source
