// The page of a client proxy: my parents, my children, my players, and whose fault it is.

import { listen, make, setState, setText, shown } from "/web/live.js";
import { count, short, time } from "/web/words.js";

const byId = (id) => document.getElementById(id);
const cards = new Map();

function take(status) {
  const base = opened(status.rtsp ?? ":8554");
  setText(byId("any"), `${base}CHANNEL`);
  byId("none").hidden = status.channels.length > 0;
  const keys = new Set();
  for (const channel of status.channels) {
    const key = JSON.stringify([channel.channel, channel.server]);
    keys.add(key);
    const named = channel.server === status.server ? "" : `${channel.server}/`;
    const url = base + named + encodeURIComponent(channel.channel);
    show(cards.get(key) ?? create(key), channel, url);
  }
  for (const [key, card] of cards) {
    if (keys.has(key)) continue;
    card.remove();
    cards.delete(key);
  }
}

const HERE = new Set(["", "0.0.0.0", "[::]", "127.0.0.1", "[::1]"]);

/** Return what a player's URL begins with; `rtsp` is where the daemon listens, HOST:PORT. */
export function opened(rtsp) {
  const colon = rtsp.lastIndexOf(":");
  const host = rtsp.slice(0, colon);
  return `rtsp://${HERE.has(host) ? "localhost" : host}${rtsp.slice(colon)}/`;
}

function create(key) {
  const card = byId("channel").content.firstElementChild.cloneNode(true);
  byId("channels").append(card);
  cards.set(key, card);
  return card;
}

const KINDS = { nobody: "good", me: "warn", parent: "warn", source: "bad", server: "bad" };

function show(card, channel, url) {
  setText(card.querySelector("h2"), channel.channel);
  setText(card.querySelector("code"), url);
  const { blame, sentence } = channel.verdict;
  setState(card.querySelector(".verdict .state"), KINDS[blame] ?? "", sentence);
  const children = (channel.children ?? []).flat();
  const figure = (name, text) => setText(card.querySelector(`[data-figure=${name}]`), text);
  figure("players", count(channel.players));
  figure("delay", channel.delivered > 0 ? time(channel.delay) : "–");
  figure("lost", count(channel.lost));
  card.querySelector("[data-box=lost]").className = channel.lost > 0 ? "bad" : "";
  figure("waiting", count(channel.waiting));
  figure("children", `${count(children.length)} / ${count(channel.slots ?? 0)}`);
  showStripes(card.querySelector("tbody"), channel);
  setText(card.querySelector(".facts"), facts(channel));
}

function showStripes(body, channel) {
  const parents = channel.parents ?? [];
  while (body.rows.length > parents.length) body.lastElementChild.remove();
  while (body.rows.length < parents.length) body.append(row(body.rows.length));
  parents.forEach((parent, stripe) => {
    const cells = body.rows[stripe].cells;
    const standby = channel.standbys[stripe];
    const children = channel.children[stripe].map(short);
    setText(cells[1], parent === null ? "none yet" : short(parent));
    setText(cells[2], standby === null ? "–" : short(standby));
    setText(cells[3], parent === null ? "–" : time(channel.rtt[stripe]));
    setText(cells[4], parent === null ? "–" : time(channel.behind[stripe]));
    setText(cells[5], children.join(", ") || "–");
  });
}

const LABELS = ["", "Parent", "Standby", "Round trip", "Late by", "Children"];

function row(stripe) {
  const line = make("tr");
  const first = make("td", "", `Stripe ${stripe}`);
  first.prepend(make("span", `mark stripe-${stripe}`));
  line.append(first, make("td"), make("td"), make("td", "number"), make("td", "number"), make("td"));
  // On a phone a row is a few lines, each with its own heading.
  LABELS.forEach((label, i) => (line.cells[i].dataset.label = label));
  return line;
}

function facts(channel) {
  if (channel.node === undefined) return `Server proxy ${channel.server}.`;
  const serves = channel.serve === null ? "relays no stripe" : `relays stripe ${channel.serve}`;
  const where = channel.addresses.join(", ") || "no address that others can reach";
  return `I am ${short(channel.node)} at ${where}; this machine ${serves}. Server proxy ${channel.server}.`;
}

listen(() => "/api/v1/events", take, shown(byId("link")));
