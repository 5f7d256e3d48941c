"use strict";
// From what Slack takes as text to HTML. Everything is escaped on the way.

const EMOJI = {
  rocket: "🚀", white_check_mark: "✅", x: "❌", warning: "⚠️", rotating_light: "🚨", information_source: "ℹ️", tada: "🎉",
  fire: "🔥", eyes: "👀", bell: "🔔", robot_face: "🤖", hammer_and_wrench: "🛠️", package: "📦", heavy_check_mark: "✔️",
  no_entry: "⛔", boom: "💥", hourglass: "⌛", hourglass_flowing_sand: "⏳", green_heart: "💚", red_circle: "🔴",
  large_green_circle: "🟢", large_yellow_circle: "🟡", large_orange_circle: "🟠", large_blue_circle: "🔵", ghost: "👻",
  bug: "🐛", wave: "👋", "+1": "👍", "-1": "👎", thumbsup: "👍", smile: "😄", ship: "🚢", whale: "🐳", calendar: "📅",
  lock: "🔒", mag: "🔍", zap: "⚡", sunny: "☀️", snail: "🐌", skull: "💀", ok_hand: "👌", construction: "🚧",
  speech_balloon: "💬", arrow_up: "⬆️", arrow_down: "⬇️", heart: "❤️", star: "⭐", clipboard: "📋", memo: "📝", link: "🔗",
  alarm_clock: "⏰", stopwatch: "⏱️", gear: "⚙️", wrench: "🔧", computer: "💻", cloud: "☁️", checkered_flag: "🏁",
  fire_engine: "🚒", pager: "📟", mega: "📣", book: "📖", chart_with_upwards_trend: "📈", pushpin: "📌", repeat: "🔁",
};

const HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"};
const esc = s => String(s ?? "").replace(/[&<>"']/g, c => HTML[c]);
const unesc = s => s.replace(/&lt;/g, "<").replace(/&gt;/g, ">").replace(/&amp;/g, "&");
const safe = url => /^(https?:|mailto:)/i.test(url) ? url : "#";
const emoji = s => s.replace(/:([a-z0-9_+-]+):/g, (m, name) => EMOJI[name] || m);
const link = (url, html) => `<a href="${esc(safe(url))}" target="_blank" rel="noreferrer">${html}</a>`;
const mention = (name, cls) => `<span class="mention ${cls || ""}">${esc(name)}</span>`;

// What IDs stand for in the workspace that is shown.
const user = id => (ws().users || []).find(u => u.id === id);
const userName = (id, label) => {
  const u = user(id);
  return u ? u.display_name || u.real_name || u.name : label || id;
};
const channelName = (id, label) => ((ws().channels || []).find(c => c.id === id) || {name: label || id}).name;
const groupName = (id, label) => {
  const g = (ws().groups || []).find(g => g.id === id);
  return g ? g.handle : (label || id).replace(/^@/, "");
};

// date writes <!date^TIME^FORMAT^LINK|…> in the time of who looks at it; the fallback
// stands for what is not known here.
const LONG = {year: "numeric", month: "long", day: "numeric"}, SHORT = {...LONG, month: "short"}, CLOCK = {hour: "numeric", minute: "2-digit"};
const DATES = {
  "{time}": d => d.toLocaleTimeString("en", CLOCK), "{time_secs}": d => d.toLocaleTimeString("en", {...CLOCK, second: "2-digit"}),
  "{date}": d => d.toLocaleDateString("en", LONG), "{date_short}": d => d.toLocaleDateString("en", SHORT),
  "{date_long}": d => d.toLocaleDateString("en", {...LONG, weekday: "long"}), "{date_num}": d => d.toLocaleDateString("en-CA"),
};
function date(body, label) {
  const [, seconds, format, url] = body.split("^"), at = new Date(1000 * seconds);
  const text = (format || "").replace(/\{[a-z_]+\}/g, t => DATES[t.replace("_pretty", "")] ? DATES[t.replace("_pretty", "")](at) : t);
  const html = esc(text && !/[{}]/.test(text) && !isNaN(at) ? text : label);
  return url ? link(url, html) : html;
}

// token is what stands between < and >: a link, a mention or a date.
function token(raw) {
  const t = unesc(raw), bar = t.indexOf("|");
  const body = bar < 0 ? t : t.slice(0, bar), label = bar < 0 ? "" : t.slice(bar + 1);
  if (body.startsWith("@")) return mention("@" + userName(body.slice(1), label));
  if (body.startsWith("#")) return mention("#" + channelName(body.slice(1), label));
  if (/^!(here|channel|everyone)/.test(body)) return mention("@" + body.slice(1), "all");
  if (body.startsWith("!subteam^")) return mention("@" + groupName(body.split("^")[1], label));
  if (body.startsWith("!date^")) return date(body, label);
  return link(body, esc(label || body.replace(/^mailto:/, "")));
}

// keeper puts finished HTML aside, so that later steps leave it alone.
function keeper() {
  const kept = [];
  return {
    keep: html => "\u0001" + (kept.push(html) - 1) + "\u0002",
    restore: s => {
      for (let i = 0; i < 3; i++) s = s.replace(/\u0001(\d+)\u0002/g, (m, n) => kept[n]);
      return s;
    },
  };
}

// styled finds text between two marks that stand at the edges of words.
const styled = (s, mark, tag) => s.replace(
  new RegExp(`(^|[\\s(\\[{.,!?:;"'>\u0002-])${mark}(\\S(?:[^${mark}\\n]*\\S)?)${mark}(?=$|[\\s)\\]}.,!?:;"'<\u0001-])`, "g"),
  `$1<${tag}>$2</${tag}>`);

// inline renders mrkdwn without code blocks.
function inline(src) {
  const {keep, restore} = keeper();
  let s = src.replace(/`([^`\n]+)`/g, (m, code) => keep(`<code>${esc(unesc(code))}</code>`));
  s = s.replace(/<([^<>\n]+)>/g, (m, t) => keep(token(t)));
  s = esc(unesc(s));
  s = styled(styled(styled(s, "\\*", "b"), "_", "i"), "~", "s");
  return restore(emoji(s));
}

function mrkdwn(src) {
  return String(src ?? "").split(/```\n?/).map((part, i) => {
    if (i % 2) return `<pre>${esc(unesc(part.replace(/\n$/, "")))}</pre>`;
    return part.trim() ? `<p>${quotes(part)}</p>` : "";
  }).join("");
}

function quotes(text) {
  const out = [];
  let quote = [];
  const flush = () => {
    if (quote.length) out.push(`<blockquote>${quote.map(inline).join("\n")}</blockquote>`);
    quote = [];
  };
  for (const line of text.split("\n")) {
    const m = line.match(/^(?:&gt;|>) ?(.*)/);
    if (m) { quote.push(m[1]); continue; }
    flush();
    out.push(inline(line) + "\n");
  }
  flush();
  return out.join("").replace(/\n$/, "").replace(/\n(<blockquote)/g, "$1");
}

// mdInline renders a line of standard Markdown.
function mdInline(s) {
  const {keep, restore} = keeper();
  s = s.replace(/`([^`]+)`/g, (m, code) => keep(`<code>${esc(code)}</code>`));
  s = s.replace(/<([@#!][^<>\s]+)>/g, (m, t) => keep(token(t)));
  s = s.replace(/\[([^\]]+)\]\(([^)\s]+)\)/g, (m, text, url) => keep(link(url, esc(text))));
  s = s.replace(/https?:\/\/[^\s<>)]*[^\s<>).,!?:;]/g, url => keep(link(url, esc(url))));
  s = esc(s)
    .replace(/\*\*(.+?)\*\*/g, "<b>$1</b>")
    .replace(/(^|\W)[*_]([^*_\n]+)[*_](?=\W|$)/g, "$1<i>$2</i>")
    .replace(/~~(.+?)~~/g, "<s>$1</s>");
  return restore(emoji(s));
}

const LIST = /^\s*([-*+]|\d+\.)\s+/, ROW = /^\s*\|.*\|\s*$/;

// The kinds of parts that Markdown is made of. Each takes its lines off the
// front of the list, or leaves them to the next.
const MARKDOWN = [
  lines => {
    if (!/^```/.test(lines[0])) return null;
    const code = [];
    for (lines.shift(); lines.length && !/^```/.test(lines[0]);) code.push(lines.shift());
    lines.shift();
    return `<pre>${esc(code.join("\n"))}</pre>`;
  },
  lines => {
    const m = lines[0].match(/^(#{1,6})\s+(.*)/);
    if (!m) return null;
    lines.shift();
    const level = Math.min(4, m[1].length);
    return `<h${level}>${mdInline(m[2])}</h${level}>`;
  },
  lines => {
    if (!ROW.test(lines[0]) || !/^\s*\|[\s:|-]+\|\s*$/.test(lines[1] || "")) return null;
    const cells = (row, tag) => row.trim().replace(/^\||\|$/g, "").split("|").map(c => `<${tag}>${mdInline(c.trim())}</${tag}>`).join("");
    let rows = `<tr>${cells(lines.shift(), "th")}</tr>`;
    for (lines.shift(); lines.length && ROW.test(lines[0]);) rows += `<tr>${cells(lines.shift(), "td")}</tr>`;
    return `<div class="scroll"><table>${rows}</table></div>`;
  },
  lines => {
    if (!LIST.test(lines[0])) return null;
    const tag = /^\s*\d+\./.test(lines[0]) ? "ol" : "ul", items = [];
    while (lines.length && LIST.test(lines[0])) items.push(`<li>${mdInline(lines.shift().replace(LIST, ""))}</li>`);
    return `<${tag}>${items.join("")}</${tag}>`;
  },
  lines => {
    if (!/^>/.test(lines[0])) return null;
    const quote = [];
    while (lines.length && /^>/.test(lines[0])) quote.push(mdInline(lines.shift().replace(/^> ?/, "")));
    return `<blockquote>${quote.join("<br>")}</blockquote>`;
  },
  lines => /^(-{3,}|\*{3,})$/.test(lines[0].trim()) ? (lines.shift(), "<hr>") : null,
  lines => lines[0].trim() ? null : (lines.shift(), ""),
  lines => {
    const text = [mdInline(lines.shift())];
    while (lines.length && lines[0].trim() && !/^(```|#{1,6}\s|>|\s*([-*+]|\d+\.)\s)/.test(lines[0])) text.push(mdInline(lines.shift()));
    return `<p>${text.join("\n")}</p>`;
  },
];

// markdown renders standard Markdown, as much as messages use.
function markdown(src) {
  const lines = String(src ?? "").split("\n");
  let out = "";
  while (lines.length) {
    for (const part of MARKDOWN) {
      const html = part(lines);
      if (html !== null) { out += html; break; }
    }
  }
  return `<div class="md">${out}</div>`;
}
