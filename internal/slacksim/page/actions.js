"use strict";
// What pressing does: who presses, the dialogs of elements, and the presses.

let me = localStorage.getItem("me") || "";
const people = () => (ws().users || []).filter(u => !u.is_bot && !u.deleted && u.id !== "USLACKBOT");
const myself = () => people().find(u => u.id === me) || people()[0] || {id: ""};

// ask opens the dialog of an element; true when the person says yes.
function ask(raw) {
  const c = JSON.parse(raw), box = $("#ask");
  box.innerHTML = `<form method="dialog"><h3>${plainText(c.title)}</h3>${textObject(c.text)}<div class="answers">` +
    `<button class="btn" value="no">${plainText(c.deny)}</button><button class="btn ${c.style === "danger" ? "danger" : "primary"}" value="yes">${plainText(c.confirm)}</button></div></form>`;
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
