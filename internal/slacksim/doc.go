// Package slacksim is a simulated Slack: the Web API methods and incoming
// webhooks that the operator uses, with Slack's limits, errors and scopes,
// faults on demand, and a page that shows the messages as people would see
// them.
//
// It is made from Slack's documents and shares no code with the operator, so
// that a misreading of Slack does not pass its own tests. It stores nothing
// on disk, and checks only what Slack is known to check.
//
// # As strict as Slack
//
//   - One message a second to a conversation, by whichever way, counted by
//     arrival and without a burst; the tiers of the other methods by minute.
//   - A post to a user (U…, W…) opens the bot's direct message and answers with
//     its ID (D…). With a name or picture of its own it lands in the user's
//     conversation with Slackbot, which the bot can't read.
//   - chat:write.public posts to a public channel that the bot is not in, and
//     reads nothing of it.
//   - A message with a name of its own is handed out as of subtype bot_message
//     and of no user; its bot_id is the author's.
//   - The first page of a thread begins with the parent, whatever times are
//     asked for.
//   - An app has at most 10 connections (Socket Mode), each opened by a URL of
//     one use, and each payload goes to any of them. An ack counts within 3 s, on
//     the connection of its envelope; else the person sees a ⚠.
//   - A response URL can be used five times within 30 minutes.
//   - Tokens that are OrgWide get missing_argument where Slack wants a team_id.
//
// # Controls
//
// All are below /_sim/; what is not GET takes JSON. Those that make things take
// ?team=, the demo's when left out.
//
//	GET    state, messages, deleted   what there is; ?channel= narrows it
//	GET    calls                      each call as it was answered, and counts
//	GET    faults                     the Faults that have not all happened yet
//	GET    events                     a stream that tells of each change
//	GET    sockets, acks, presses     the connections of apps, what came over them, what people pressed and
//	                                  its fate; ?app= narrows it, and presses take ?channel=, ?ts=, ?id= too
//	POST   apps                       an App, new or in place of the old one
//	POST   sockets                    a SocketAction: disconnects, cuts, frames
//	POST   press                      a Pressing; answers with the Press
//	POST   tokens                     a Token: new, revoked (Error), mended, with other scopes
//	POST   webhooks, users, groups    a Webhook, User, Group: new or in place of the old one
//	POST   channels                   a Channel; what is left out of an old one stays
//	POST   invite, kick               {channel, user}: as a person would; user is the demo's bot when left out
//	POST   delete, close              {channel, ts}: a person deletes a message, or nobody can edit it any more
//	POST   faults                     a Fault
//	DELETE faults                     ends all, or those of ?team=
//	POST   network                    a Network: how slow the way here is
package slacksim
