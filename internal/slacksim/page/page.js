"use strict";
// The page: #/TEAM/CHANNEL shows a channel, #/TEAM/CHANNEL/TS the thread of a
// message beside it.

let state = {workspaces: [], messages: [], ephemeral: [], presses: []}, team = null, room = null, told = null, seen = {};
const $ = q => document.querySelector(q);
const ws = () => state.workspaces.find(w => w.id === team) || state.workspaces[0] || {id: "", name: "", users: [], channels: [], groups: []};
const talk = c => state.messages.filter(m => m.channel === c.id);
const find = (channel, ts) => state.messages.find(m => m.channel === channel && m.ts === ts);
const replies = m => state.messages.filter(r => r.channel === m.channel && r.thread_ts === m.ts && r.ts !== m.ts);
const hash = (...parts) => "#/" + parts.map(encodeURIComponent).join("/");
const plural = (n, one, many) => `${n} ${n === 1 ? one : many}`;

const time = ts => new Date(1000 * ts).toLocaleTimeString("en", {hour: "numeric", minute: "2-digit"});
const day = ts => {
  const d = new Date(1000 * ts), today = new Date().toDateString() === d.toDateString();
  return today ? "Today" : d.toLocaleDateString("en", {weekday: "long", month: "long", day: "numeric"});
};

const LOCK = '<svg width="12" height="14" viewBox="0 0 12 14" fill="none" stroke="currentColor" stroke-width="1.5"><rect x="1" y="6" width="10" height="7" rx="1.5"/><path d="M3.2 6V4a2.8 2.8 0 0 1 5.6 0v2"/></svg>';
const BOX = '<svg width="14" height="13" viewBox="0 0 14 13" fill="none" stroke="currentColor" stroke-width="1.5"><rect x="1" y="1" width="12" height="3.5" rx=".8"/><path d="M2 4.5v6A1.5 1.5 0 0 0 3.5 12h7A1.5 1.5 0 0 0 12 10.5v-6M5 7.5h4"/></svg>';
const BIN = '<svg width="14" height="16" viewBox="0 0 14 16" fill="none" stroke="#616061" stroke-width="1.5"><path d="M1 3.5h12M5 3.5V1.5h4v2M2.5 3.5l.8 10A1.5 1.5 0 0 0 4.8 15h4.4a1.5 1.5 0 0 0 1.5-1.5l.8-10"/></svg>';
const label = c => c.user ? userName(c.user) : c.name;
const sign = c => c.user ? "●" : c.is_archived ? BOX : c.is_private ? LOCK : "#";

// author of a message: an app under whichever name, or who a notice is about.
function author(m) {
  if (m.via !== "notice") return {name: m.username || m.app_name, app: true};
  const u = user(m.user);
  return {name: userName(m.user), app: !!(u && u.is_bot)};
}

function face(m) {
  if (m.subtype === "tombstone") return `<div class="face gone">${BIN}</div>`;
  const {name, app} = author(m), icon = (m.icon_emoji || "").match(/^:([^:]+)/);
  if (icon) return `<div class="face emoji">${EMOJI[icon[1]] || "🙂"}</div>`;
  return `<div class="face ${app ? "" : "person"}">${esc((name || "?")[0].toUpperCase())}${m.icon_url ? image(m.icon_url, name, "") : ""}</div>`;
}

function notice(m) {
  const text = m.text.replace(/^<@[^>]*> /, "");
  return m.subtype === "channel_join" ? `<p>joined #${esc(channelName(m.channel))}.</p>` : mrkdwn(text);
}

function body(m) {
  const html = m.via === "notice" ? notice(m) : within(m, () => content(m));
  if (!m.edited) return html;
  const mark = '<span class="edited"> (edited)</span>';
  return /<\/p>(<\/div>)*$/.test(html) ? html.replace(/<\/p>((<\/div>)*)$/, `${mark}</p>$1`) : html + mark;
}

// also tells of a reply that is shown outside of its thread, or in it.
function also(m, inThread) {
  if (!m.reply_broadcast) return "";
  if (inThread) return '<div class="also">Also sent to the channel</div>';
  const parent = find(m.channel, m.thread_ts), text = parent && parent.subtype !== "tombstone" ? plain(parent) : "a deleted message";
  return `<div class="also">replied to a thread: <a href="${hash(team, m.channel, m.thread_ts)}">${esc(text)}</a></div>`;
}

function plain(m) {
  const box = document.createElement("div");
  box.innerHTML = content({...m, attachments: m.text || m.blocks || m.markdown_text ? [] : m.attachments}).replace(/<\/(p|h\d|div)>/g, " $&");
  const text = box.textContent.trim().replace(/\s+/g, " ");
  return text.length > 70 ? text.slice(0, 70) + "…" : text || "a message";
}

function threadBar(m) {
  const list = replies(m);
  if (!list.length) return "";
  const faces = [...new Map(list.map(r => [author(r).name, r])).values()].slice(0, 4).map(face).join("");
  const last = list[list.length - 1].ts;
  return `<button class="replies" data-thread="${esc(m.ts)}">${faces}<b>${plural(list.length, "reply", "replies")}</b><span>Last reply ${day(last).toLowerCase()} at ${time(last)}</span></button>`;
}

function message(m, inThread) {
  if (m.subtype === "tombstone") {
    return `<div class="msg tombstone">${face(m)}<div class="text"><div class="body"><p>${esc(m.text)}</p></div>${inThread ? "" : threadBar(m)}</div></div>`;
  }
  const {name, app} = author(m), cls = (m.via === "notice" ? "notice" : "") + (m.for_user ? " whisper" : "") + (m.ts === told && m.thread_ts ? " told" : "");
  return `<div class="msg ${cls}" data-ts="${esc(m.ts)}">${face(m)}<div class="text">` +
    (m.for_user ? '<div class="only">Only visible to you</div>' : "") +
    `<div class="who"><b>${esc(name)}</b>${app ? '<span class="app">APP</span>' : ""}<time>${time(m.ts)}</time></div>` +
    `${also(m, inThread)}<div class="body">${body(m)}</div>${inThread ? "" : threadBar(m)}</div></div>`;
}

function drawSide(w, rooms) {
  const entry = c => {
    const n = talk(c).filter(m => !m.subtype).length, fresh = n - (seen[c.id] || 0);
    const cls = [c.is_archived && "archived", c.id === room ? "on" : n && "has"].filter(Boolean).join(" ");
    const count = fresh > 0 && c.id !== room && !c.is_archived ? `<span class="count">${fresh}</span>` : "";
    return `<a href="${hash(w.id, c.id)}" class="${cls}"><span class="sig">${sign(c)}</span><span class="n">${esc(label(c))}</span>${count}</a>`;
  };
  const list = (title, some) => some.length ? `<h2>${title}</h2>${some.map(entry).join("")}` : "";
  const open = list("Channels", rooms.filter(c => !c.user && !c.is_archived)) +
    list("Direct messages", rooms.filter(c => c.user)) + list("Archived", rooms.filter(c => c.is_archived));
  $("#side").innerHTML = state.workspaces.map(x => `<h1>${esc(x.name)}</h1>` +
    (x.id === w.id ? open : `<a href="${hash(x.id)}"><span class="n">open</span></a>`)).join("");
}

function drawHead(c, shown) {
  const n = (c.members || []).length;
  const topic = c.user ? "direct message from the app" : c.topic ? unesc(c.topic) : plural(shown, "message", "messages");
  $("#head").innerHTML = `<span>${c.user ? "" : sign(c) + " "}${esc(label(c))}</span><small class="topic" title="${esc(topic)}">${emoji(esc(topic))}</small>` +
    (c.user ? "" : `<small>${plural(n, "member", "members")}</small>`);
  $("#foot").textContent = c.is_archived ? `#${c.name} has been archived. Nobody can write here any more.` : "";
}

function drawLog(c, list) {
  let last = "", html = "";
  for (const m of list) {
    const d = day(m.ts);
    if (d !== last) html += `<div class="day"><span>${esc(d)}</span></div>`;
    last = d;
    html += message(m, false);
  }
  const log = $("#log"), atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 60;
  log.innerHTML = html || `<div class="empty"><b>Nothing here yet</b>Messages to ${esc(label(c))} appear here as they are sent.</div>`;
  if (atEnd || drawLog.room !== c.id) log.scrollTop = log.scrollHeight;
  drawLog.room = c.id;
}

function drawThread(c) {
  const at = told && find(c.id, told), parent = at && at.thread_ts ? find(c.id, at.thread_ts) || at : at;
  $("#thread").classList.toggle("open", !!parent);
  if (!parent) return;
  const list = replies(parent).concat(whispers(c).filter(m => m.thread_ts === parent.ts));
  const rule = list.length ? `<div class="rule">${plural(list.length, "reply", "replies")}</div>` : "";
  $("#thread header small").textContent = (c.user ? "" : "#") + label(c);
  $("#thread > .body").innerHTML = message(parent, true) + rule + list.map(m => message(m, true)).join("");
}

function draw() {
  const w = ws(), rooms = w.channels || [];
  team = w.id;
  if (!rooms.some(c => c.id === room)) {
    const open = rooms.filter(c => !c.is_archived), best = [...open].sort((a, b) => talk(b).length - talk(a).length)[0];
    room = best ? best.id : null;
  }
  drawSide(w, rooms);
  const c = rooms.find(c => c.id === room);
  if (!c) { $("#log").innerHTML = ""; return; }
  seen[c.id] = talk(c).filter(m => !m.subtype).length;
  const list = talk(c).concat(whispers(c)).filter(m => !m.thread_ts || m.thread_ts === m.ts || m.reply_broadcast)
    .sort((a, b) => a.ts < b.ts ? -1 : 1);
  drawMe();
  drawHead(c, list.filter(m => !m.subtype).length);
  drawThread(c);
  drawLog(c, list);
  document.title = `${c.user ? "" : "#"}${label(c)} – ${w.name} – Simulated Slack`;
}

function route() {
  const parts = location.hash.replace(/^#\//, "").split("/").filter(Boolean).map(decodeURIComponent);
  if (parts.length) [team, room] = parts;
  told = parts[2] || null;
}

// show brings the message of the address into sight.
function show() {
  const at = told && $(`#log [data-ts="${CSS.escape(told)}"]`);
  if (at) at.scrollIntoView({block: "nearest"});
}

// load gets the state, once more when something has changed in between.
let busy = false, again = false;
async function load() {
  if (busy) { again = true; return; }
  busy = true;
  try {
    state = await (await fetch("_sim/state")).json();
    draw();
  } finally {
    busy = false;
    if (again) { again = false; setTimeout(load, 150); }
  }
}

document.addEventListener("click", e => {
  const bar = e.target.closest("[data-thread]");
  if (bar) location.hash = hash(team, room, bar.dataset.thread);
  if (e.target.closest("#thread header button")) location.hash = hash(team, room);
});
addEventListener("hashchange", () => { route(); draw(); show(); });
route();
load().then(() => {
  show();
  if (!/nolive/.test(location.search)) new EventSource("_sim/events").onmessage = load;
});
