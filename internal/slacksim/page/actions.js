"use strict";
// What can be pressed: buttons and menus, their dialogs, and what became of
// each press for the person who made it.

let me = localStorage.getItem("me") || "";
const people = () => (ws().users || []).filter(u => !u.is_bot && !u.deleted && u.id !== "USLACKBOT");
const myself = () => people().find(u => u.id === me) || people()[0] || {id: ""};

// where a block is, while it is drawn.
let place = null;
function within(m, draw) {
  const before = place;
  place = m;
  try { return draw(); } finally { place = before; }
}

const sameElement = (p, e, block) => p.channel === place.channel && p.ts === place.ts && p.block_id === block && p.action_id === e.action_id;

// fate of my last press of an element: a spinner, or a warning.
function fate(e, block) {
  const p = place && (state.presses || []).filter(p => p.user === myself().id && sameElement(p, e, block)).pop();
  if (!p) return "";
  if (p.fate === "pending") return '<span class="spin" title="Waiting for the app"></span>';
  return p.fate === "warned" ? `<span class="warn" title="${esc(p.shown)}">⚠️</span>` : "";
}

const dialogOf = e => e.confirm ? `data-confirm="${esc(JSON.stringify(e.confirm))}"` : "";
const data = (e, block) => place ? `data-channel="${esc(place.channel)}" data-ts="${esc(place.ts)}" data-action="${esc(e.action_id)}" data-block="${esc(block)}" ${dialogOf(e)}` : "";

function button(e, block) {
  const text = emoji(esc(e.text && e.text.text));
  if (e.type === "static_select") return menu(e, block);
  if (e.type !== "button") return `<span class="btn">${esc(e.type)}</span>`;
  if (e.url) return `<a class="btn ${esc(e.style || "")}" href="${esc(safe(e.url))}" target="_blank" rel="noreferrer" ${data(e, block)}>${text}</a>${fate(e, block)}`;
  return `<button class="btn ${esc(e.style || "")}" ${data(e, block)}>${text}</button>${fate(e, block)}`;
}

function menu(e, block) {
  const list = (e.options || []).concat(...(e.option_groups || []).map(g => g.options));
  const first = esc(e.placeholder ? e.placeholder.text : "Choose an option");
  return `<select class="btn" ${data(e, block)}><option value="">${first}</option>` +
    list.map(o => `<option value="${esc(o.value)}">${esc(o.text.text)}</option>`).join("") + `</select>${fate(e, block)}`;
}

// ask opens the dialog of an element; true when the person says yes.
function ask(raw) {
  const c = JSON.parse(raw), box = $("#ask");
  box.innerHTML = `<form method="dialog"><h3>${emoji(esc(c.title.text))}</h3>${textObject(c.text)}<div class="answers">` +
    `<button class="btn" value="no">${esc(c.deny.text)}</button><button class="btn ${c.style === "danger" ? "danger" : "primary"}" value="yes">${esc(c.confirm.text)}</button></div></form>`;
  box.returnValue = "no";
  box.showModal();
  return new Promise(done => box.addEventListener("close", () => done(box.returnValue === "yes"), {once: true}));
}

async function press(el, option) {
  const d = el.dataset;
  const deny = d.confirm ? !await ask(d.confirm) : false;
  if (el.tagName === "SELECT") el.value = "";
  const body = {who: myself().id, channel: d.channel, ts: d.ts, action: d.action, block: d.block, option: option || "", deny};
  const answer = await fetch("_sim/press", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify(body)});
  if (!answer.ok) alert(await answer.text());
  load();
}

// drawMe offers the people to press as.
function drawMe() {
  const key = ws().id + people().map(u => u.id + userName(u.id)).join();
  if (drawMe.key !== key) {
    drawMe.key = key;
    $("#me").innerHTML = people().map(u => `<option value="${esc(u.id)}">${esc(userName(u.id))}${u.team_id && u.team_id !== ws().id ? " (external)" : ""}</option>`).join("");
  }
  $("#me").value = myself().id;
}

// whispers are the messages of a channel that only I see.
const whispers = c => (state.ephemeral || []).filter(m => m.channel === c.id && m.for_user === myself().id);

document.addEventListener("click", e => {
  const b = e.target.closest("button[data-action], a[data-action]");
  if (b) press(b);
});
document.addEventListener("change", e => {
  if (e.target.id === "me") { me = e.target.value; localStorage.setItem("me", me); draw(); }
  if (e.target.matches("select[data-action]") && e.target.value) press(e.target, e.target.value);
});
