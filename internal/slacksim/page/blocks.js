"use strict";
// Block Kit and attachments (docs.slack.dev/reference/block-kit/blocks).

// Slack resolves its three entities in plain text too.
const plainText = t => t.emoji === false ? esc(unesc(t.text || "")) : emoji(esc(unesc(t.text || "")));
const textObject = t => !t ? "" : t.type === "plain_text" ? `<p>${plainText(t)}</p>` : mrkdwn(t.text);
const image = (url, alt, cls = "pic") => `<img class="${cls}" src="${esc(safe(url || ""))}" alt="${esc(alt)}" title="${esc(alt)}">`;

const STYLES = {bold: "b", italic: "i", strike: "s", code: "code"};

function richText(e) {
  switch (e.type) {
    case "text": return Object.keys(STYLES).filter(k => e.style && e.style[k]).reduce((t, k) => `<${STYLES[k]}>${t}</${STYLES[k]}>`, emoji(esc(e.text)));
    case "link": return link(e.url, esc(e.text || e.url));
    case "user": return token("@" + e.user_id);
    case "usergroup": return token("!subteam^" + e.usergroup_id);
    case "channel": return token("#" + e.channel_id);
    case "emoji": return emoji(":" + esc(e.name) + ":");
    case "broadcast": return token("!" + e.range);
  }
  const parts = (e.elements || []).map(richText);
  switch (e.type) {
    case "rich_text_list": {
      const tag = e.style === "ordered" ? "ol" : "ul";
      return `<${tag}>${parts.map(p => `<li>${p}</li>`).join("")}</${tag}>`;
    }
    case "rich_text_preformatted": return `<pre>${parts.join("")}</pre>`;
    case "rich_text_quote": return `<blockquote>${parts.join("")}</blockquote>`;
    default: return `<div class="rt">${parts.join("")}</div>`;
  }
}

function table(b) {
  const cell = c => !c ? "" : c.type === "raw_text" ? emoji(esc(c.text)) : richText(c);
  const row = (cells, tag) => `<tr>${cells.map(c => `<${tag}>${cell(c)}</${tag}>`).join("")}</tr>`;
  return `<div class="scroll"><table>${(b.rows || []).map((r, i) => row(r, i ? "td" : "th")).join("")}</table></div>`;
}

function section(b) {
  const fields = b.fields ? `<div class="fields">${b.fields.map(f => `<div>${textObject(f)}</div>`).join("")}</div>` : "";
  const beside = !b.accessory ? "" : b.accessory.type === "image" ? image(b.accessory.image_url, b.accessory.alt_text) : button(b.accessory, b.block_id);
  return `<div class="sec"><div>${textObject(b.text)}${fields}</div>${beside}</div>`;
}

function contextElement(e) {
  return e.type === "image" ? image(e.image_url, e.alt_text, "") : `<span>${textObject(e).replace(/^<p>|<\/p>$/g, "")}</span>`;
}

function block(b) {
  switch (b.type) {
    case "header": return `<h3 class="h">${plainText(b.text)}</h3>`;
    case "divider": return "<hr>";
    case "section": return section(b);
    case "context": return `<div class="ctx">${b.elements.map(contextElement).join("")}</div>`;
    case "image": return textObject(b.title) + image(b.image_url, b.alt_text);
    case "actions": return `<div>${b.elements.map(e => button(e, b.block_id)).join("")}</div>`;
    case "markdown": return markdown(b.text);
    case "rich_text": return (b.elements || []).map(richText).join("");
    case "table": return table(b);
    default: return `<div class="ctx">[${esc(b.type)} block]</div>`;
  }
}

const COLORS = {good: "#2eb886", warning: "#daa038", danger: "#a30200"};

function color(name) {
  if (COLORS[name]) return COLORS[name];
  return /^#?[0-9a-f]{3,8}$/i.test(name || "") ? "#" + name.replace("#", "") : "#ddd";
}

function attachment(a) {
  const title = esc(unesc(a.title || ""));
  const parts = [
    a.author_name && `<div class="foot">${esc(a.author_name)}</div>`,
    a.title && `<div class="t">${a.title_link ? link(a.title_link, title) : title}</div>`,
    a.text && mrkdwn(a.text),
    a.fields && `<div class="fields">${a.fields.map(f => `<div><b>${esc(f.title)}</b>${mrkdwn(f.value)}</div>`).join("")}</div>`,
    a.blocks && a.blocks.map(block).join(""),
    !a.text && !a.blocks && !a.title && !a.fields && a.fallback && mrkdwn(a.fallback),
    a.image_url && image(a.image_url, a.title || "image"),
    a.footer && `<div class="foot">${esc(a.footer)}</div>`,
  ];
  const body = parts.filter(Boolean).join("");
  return `${a.pretext ? mrkdwn(a.pretext) : ""}<div class="att" style="border-left-color:${color(a.color)}">${body}</div>`;
}

// content of a message: blocks instead of the text where there are any.
function content(m) {
  const text = m.markdown_text ? markdown(m.markdown_text) : m.blocks ? m.blocks.map(block).join("") : m.text ? mrkdwn(m.text) : "";
  return text + (m.attachments || []).map(attachment).join("");
}
