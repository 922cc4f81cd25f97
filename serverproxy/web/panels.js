// Everything on the page that is not a tree: figures, egress, the node pointed at, events, table.

import { make, setState, setText } from "/web/live.js";
import { clock, count, median, plural, rate, short, time } from "/web/words.js";

const byId = (id) => document.getElementById(id);
const MOST_SAMPLES = 6;

export function showHead(channel) {
  setText(byId("name"), channel.name);
  document.title = `${channel.name} – Stripecast`;
  setText(byId("url"), `rtsp://localhost:8554/${encodeURIComponent(channel.name)}`);
  const error = channel.source_error ? `: ${channel.source_error}` : "";
  if (channel.source_up) setState(byId("source"), "good", "The source plays");
  else setState(byId("source"), "bad", `The source is down${error}`);
}

/** Say that there is no channel `name` (or "": none at all); `others`: whether there are others. */
export function showMissing(name, others) {
  setText(byId("name"), name || "No channel");
  document.title = "Stripecast";
  setState(byId("source"), "bad", others
    ? "There is no channel of this name: it was closed, or is not in the configuration. Choose another one above."
    : "No channel is served: it was closed, or the configuration has none.");
}

export function showFigures(channel) {
  const nodes = Object.values(channel.nodes);
  const delays = nodes.filter((node) => !node.away).map((node) => node.delay);
  const repairs = channel.parents_lost;
  setText(byId("nodes"), count(nodes.length));
  setText(byId("players"), count(channel.players));
  setText(byId("delay"), time(median(delays)));
  setText(byId("worst"), time(Math.max(...delays)));
  setText(byId("lost"), count(channel.lost));
  byId("lostbox").className = channel.lost > 0 ? "bad" : "";
  setText(byId("repairs"), count(Object.values(repairs).reduce((a, b) => a + b, 0)));
  const used = nodes.reduce((sum, node) => sum + node.children.reduce((a, b) => a + b, 0), 0);
  const slots = nodes.reduce((sum, node) => sum + node.slots, 0);
  const box = byId("slots");
  if (box.childElementCount === 0) box.replaceChildren("", make("small"));
  setText(box.firstElementChild, ` of ${count(slots)}`);
  if (box.firstChild.nodeValue !== count(used)) box.firstChild.nodeValue = count(used);
}

/** What leaves the source over the last seconds, and what it would take to feed all from there. */
export class Egress {
  constructor() {
    this.samples = [];
  }

  take(channel) {
    const sent = channel.sent_bytes.reduce((a, b) => a + b, 0);
    const sample = { at: channel.at_us / 1e6, sent, source: channel.source_bytes };
    const last = this.samples[this.samples.length - 1];
    // Another channel, or another server process: counters begin anew.
    if (last && (sample.at <= last.at || sample.sent < last.sent)) this.samples = [];
    this.samples.push(sample);
    if (this.samples.length > MOST_SAMPLES) this.samples.shift();
    this.show(channel);
  }

  show(channel) {
    const [first, last] = [this.samples[0], this.samples[this.samples.length - 1]];
    const seconds = last.at - first.at;
    if (seconds <= 0) return;
    const nodes = Object.keys(channel.nodes).length;
    const source = (last.source - first.source) / seconds;
    const own = (last.sent - first.sent) / seconds;
    const star = source * nodes;
    const most = Math.max(own, star, 1);
    byId("own-bar").style.width = `${(100 * own) / most}%`;
    byId("star-bar").style.width = `${(100 * star) / most}%`;
    const copies = source > 0 ? own / source : 0;
    this.line("own", rate(own), `${copies.toFixed(2)} copies`);
    this.line("star", rate(star), plural(nodes, "copy", "copies"));
  }

  line(id, value, copies) {
    const line = byId(id);
    if (line.childElementCount === 0) line.replaceChildren(make("b"), " ", make("small"));
    setText(line.firstElementChild, value);
    setText(line.lastElementChild, copies);
  }
}

/** Say everything of one node; null: how to see it. */
export function showNode(id, channel) {
  const box = byId("node");
  const node = id === null ? undefined : channel.nodes[id];
  const key = node === undefined ? "" : JSON.stringify([id, node, channel.trees.map((t) => [t.parents[id], t.standbys[id]])]);
  if (box.dataset.key === key && box.childElementCount > 0) return;
  box.dataset.key = key;
  if (node === undefined) {
    box.replaceChildren(make("p", "hint", "Point at a node, or choose one in the table: who feeds it, and who stands by."));
    return;
  }
  const title = make("h4", "", short(id));
  title.append(make("small", "", node.addresses[0] ?? "cannot be reached: it has no slots"));
  const facts = make("dl");
  const fact = (name, value) => {
    const one = make("div");
    one.append(make("dt", "", name), make("dd", "", value));
    facts.append(one);
  };
  for (const tree of channel.trees) {
    const parent = tree.parents[id];
    const standby = tree.standbys[id];
    const fed = parent === null ? "nobody" : short(parent);
    fact(`Stripe ${tree.stripe} from`, standby === null ? fed : `${fed}, standby ${short(standby)}`);
  }
  fact("Serves", node.serve === null ? "no stripe" : `stripe ${node.serve}`);
  fact("Children", `${node.children.reduce((a, b) => a + b, 0)} of ${node.slots} slots`);
  fact("Delay", node.away ? "away" : time(node.delay));
  fact("Lost", `${count(node.lost)} of ${count(node.lost + node.delivered)}`);
  fact("Players", count(node.players));
  box.replaceChildren(title, facts);
}

const REASONS = {
  closed: "its link ended", silent: "it fell silent", slow: "it was slow", refused: "it refused",
  loop: "it would have been a loop", end: "it left",
};

function sentence(event) {
  const node = event.node === null ? "" : short(event.node);
  const stripe = `stripe ${event.stripe}`;
  const before = event.before === null ? "" : short(event.before);
  const why = event.reason ? `: ${REASONS[event.reason] ?? event.reason}` : "";
  switch (event.kind) {
    case "joined": return `${node} joined`;
    case "left": return `${node} left`;
    case "away": return `${node} is out of reach of the server proxy`;
    case "back": return `${node} is back`;
    case "reached": return `${node} can be reached after all`;
    case "refused": return `${node} was refused${why}`;
    case "orphaned": return `${node} lost ${before} in ${stripe}${why}`;
    case "repaired": return `${node} gets ${stripe} from ${short(event.parent)}; it lost ${before}${why}`;
    case "moved": return `${node} moved in ${stripe} from ${before} to ${short(event.parent)}`;
    case "source_up": return "The source plays";
    case "source_down": return `The source is down${why}`;
    case "asked": return `The operator: ${event.reason}`;
    default: return `${event.kind} ${node}`;
  }
}

const KINDS = { repaired: "good", orphaned: "bad", refused: "bad", source_down: "bad" };

/** What has happened, the newest first. */
export class Events {
  constructor() {
    this.forget();
  }

  /** Begin anew: another channel. */
  forget() {
    this.last = -1;
    byId("events").replaceChildren();
  }

  /** Show new events; return them, or none at the first look. */
  take(events) {
    const list = byId("events");
    const newest = events.length > 0 ? events[events.length - 1].number : 0;
    if (newest < this.last) this.forget();
    const first = this.last < 0;
    const fresh = events.filter((event) => event.number > this.last);
    this.last = newest;
    for (const event of fresh) {
      const line = make("li", KINDS[event.kind] ?? "");
      line.append(make("time", "", clock(event.at_us)), make("span", "", sentence(event)));
      list.prepend(line);
    }
    while (list.childElementCount > 60) list.lastElementChild.remove();
    if (list.childElementCount === 0) list.append(make("li", "none", "Nothing yet."));
    else if (fresh.length > 0) list.querySelector("li.none")?.remove();
    return first ? [] : fresh;
  }
}

/** The table of nodes: one row each, changed in place. */
export class Table {
  constructor(pick) {
    this.rows = new Map();
    this.pick = pick;
  }

  take(channel, picked) {
    const body = byId("rows");
    for (const [id, row] of [...this.rows]) {
      if (!(id in channel.nodes)) {
        row.remove();
        this.rows.delete(id);
      }
    }
    for (const [id, node] of Object.entries(channel.nodes)) {
      let row = this.rows.get(id);
      if (row === undefined) {
        row = this.create(id);
        body.append(row);
      }
      this.fill(row, node);
      this.mark(row, id === picked);
    }
  }

  create(id) {
    const row = make("tr");
    const button = make("button", "", short(id));
    button.type = "button";
    button.title = id;
    button.addEventListener("click", () => this.pick(id));
    const first = make("td");
    first.append(button);
    row.append(first, make("td"), make("td"));
    for (let i = 0; i < 5; i += 1) row.append(make("td", "number"));
    this.rows.set(id, row);
    return row;
  }

  fill(row, node) {
    const cells = row.cells;
    setText(cells[1], node.addresses[0] ?? "not reachable");
    setText(cells[2], node.serve === null ? "–" : `stripe ${node.serve}`);
    setText(cells[3], node.depth.map((one) => one ?? "–").join(" / "));
    setText(cells[4], node.away ? "away" : time(node.delay));
    setText(cells[5], count(node.lost));
    cells[5].classList.toggle("bad", node.lost > 0);
    setText(cells[6], count(node.players));
    setText(cells[7], `${node.children.reduce((a, b) => a + b, 0)} / ${node.slots}`);
  }

  mark(row, picked) {
    row.classList.toggle("picked", picked);
  }
}
