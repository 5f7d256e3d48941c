"use strict";
// What can be pressed, as it is drawn: buttons and menus, and what became of each
// press for the person who made it.

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
  const text = plainText(e.text || {});
  if (e.type === "static_select") return menu(e, block);
  if (e.type !== "button") return `<span class="btn">${esc(e.type)}</span>`;
  if (e.url) return `<a class="btn ${esc(e.style || "")}" href="${esc(safe(e.url))}" target="_blank" rel="noreferrer" ${data(e, block)}>${text}</a>${fate(e, block)}`;
  return `<button class="btn ${esc(e.style || "")}" ${data(e, block)}>${text}</button>${fate(e, block)}`;
}

function menu(e, block) {
  const list = (e.options || []).concat(...(e.option_groups || []).map(g => g.options));
  const first = e.placeholder ? plainText(e.placeholder) : "Choose an option";
  return `<select class="btn" ${data(e, block)}><option value="">${first}</option>` +
    list.map(o => `<option value="${esc(o.value)}">${plainText(o.text)}</option>`).join("") + `</select>${fate(e, block)}`;
}
