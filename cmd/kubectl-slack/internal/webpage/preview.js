"use strict";
// The page of a preview. What Slack would show is drawn by text.js and blocks.js of
// the simulated Slack, in a document of its own, so that no image of it is loaded.

const shown = JSON.parse(document.getElementById("data").textContent);
const ws = () => ({users: [], channels: [], groups: []});

// inert is HTML with its images replaced by what they stand for.
function inert(html) {
  const box = document.createElement("template");
  box.innerHTML = html;
  for (const img of box.content.querySelectorAll("img")) {
    const note = document.createElement("span");
    note.className = "noimage";
    note.textContent = "image: " + (img.alt || img.getAttribute("src"));
    img.replaceWith(note);
  }
  return box.content;
}

function face(b) {
  const icon = (b.icon_emoji || "").match(/^:([^:]+)/);
  if (icon) return `<div class="face emoji">${EMOJI[icon[1]] || "🙂"}</div>`;
  return `<div class="face">${esc((b.username || "slack-notifier")[0].toUpperCase())}</div>`;
}

function card(m) {
  const b = m.posts.length ? m.posts[0].body : {};
  const to = m.posts.map(p => p.recipient).filter(r => r !== "default");
  const article = document.createElement("article");
  const head = m.title ? `${esc(m.title)} <small>${esc(m.name)}</small>` : esc(m.name);
  const kind = m.edit ? "edited into the message" : m.reply ? "a reply in the thread" : "";
  const facts = [
    ["through", esc(`SlackChannel ${m.channel} (${m.via})`)],
    to.length && ["to", esc(to.join(", "))],
    kind && ["is", kind],
    ["mentions", esc((m.pages || []).join("; ") || "nobody")],
    ...(m.answers || []).map(n => ["answers", esc(n)]),
    ["phone", esc(m.phone)],
    m.measures && ["limits", m.measures.map(x => `<span class="measure"><meter min="0" max="${x.limit}" high="${x.limit * 0.9}" value="${x.used}"></meter> ${esc(x.name)} ${x.used} of ${x.limit}</span>`).join(" ")],
    ...(m.notes || []).map(n => ["note", esc(n)]),
    ...(m.refusals || []).map(n => ["refused", esc(n), "bad"]),
  ].filter(Boolean);
  const html = `<h2>${head}</h2><div class="msg">${face(b)}<div class="text"><div class="who"><b>${esc(b.username || "slack-notifier")}</b><span class="app">APP</span></div>` +
    `<div class="body">${content(b)}</div></div></div>` +
    `<dl>${facts.map(([k, v, cls]) => `<dt>${k}</dt><dd class="${cls || ""}">${v}</dd>`).join("")}</dl>` +
    `<details><summary>JSON</summary><pre>${esc(JSON.stringify(m.posts.map(p => p.body), null, 2))}</pre></details>`;
  article.append(inert(html));
  return article;
}

function theme(name) {
  document.documentElement.dataset.theme = name;
  document.querySelector("header button").textContent = name === "dark" ? "Light" : "Dark";
}

document.querySelector("header small").textContent = shown.length === 1 ? "1 message" : `${shown.length} messages`;
document.querySelector("main").append(...shown.map(card));
document.querySelector("header button").addEventListener("click", () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
theme(/dark/.test(location.hash) || !/light/.test(location.hash) && matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
document.documentElement.dataset.ready = "yes";
