// The status page of the server proxy: takes snapshots and shows them.

import { listen, make, shown } from "/web/live.js";
import { Egress, Events, Table, showFigures, showHead, showMissing, showNode } from "/web/panels.js";
import { Operator } from "/web/operator.js";
import { Tree } from "/web/tree.js";

const byId = (id) => document.getElementById(id);

let latest = null;
let pointed = null;
let picked = null;
let trees = [];
let egress = new Egress();
const events = new Events();
const table = new Table(pick);
const operator = new Operator(byId("operator"));

function wanted() {
  const text = location.hash.slice(1);
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // "%" and the like: no channel has such a name
  }
}
const url = () => `/api/v1/events?channel=${encodeURIComponent(wanted())}`;

function take(snapshot) {
  performance.mark("took");
  showChannels(snapshot.channels, snapshot.channel?.name);
  const channel = snapshot.channel;
  byId("main").classList.toggle("nothing", channel === null);
  if (channel === null) {
    end();
    showMissing(wanted(), snapshot.channels.length > 0);
    return;
  }
  if (latest?.name !== channel.name || trees.length !== channel.trees.length) begin(channel);
  latest = channel;
  if (picked !== null && !(picked in channel.nodes)) picked = null;
  if (pointed !== null && !(pointed in channel.nodes)) pointed = null;
  showHead(channel);
  showFigures(channel);
  egress.take(channel);
  for (const event of events.take(channel.events)) {
    for (const tree of trees) {
      if (event.stripe === null || event.stripe === tree.stripe) tree.flash(event.node);
    }
  }
  for (const tree of trees) {
    tree.choose(pointed ?? picked);
    tree.take(channel.trees[tree.stripe], channel.nodes);
  }
  table.take(channel, picked);
  showNode(pointed ?? picked, channel);
  operator.take(channel, picked);
  performance.measure("update", "took");
}

/** Show another channel: nothing of the one before is left. */
function begin(channel) {
  end();
  trees = channel.trees.map((tree) => new Tree(tree.stripe, byId("trees"), point, pick));
}

/** Forget the channel that was shown. */
function end() {
  latest = pointed = picked = null;
  trees = [];
  egress = new Egress();
  events.forget();
  byId("trees").replaceChildren();
}

function showChannels(channels, current) {
  const list = byId("channels");
  list.hidden = channels.every((one) => one.name === current);
  const names = channels.map((one) => one.name);
  if (list.dataset.names !== JSON.stringify(names)) {
    list.dataset.names = JSON.stringify(names);
    list.replaceChildren(
      ...names.map((name) => {
        const link = make("a", "", name);
        link.href = `#${encodeURIComponent(name)}`;
        return link;
      }),
    );
  }
  for (const link of list.children) {
    if (link.textContent === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function point(id) {
  if (id === pointed) return;
  pointed = id;
  choose();
}

function pick(id) {
  picked = id === picked ? null : id;
  choose();
  if (latest) table.take(latest, picked);
  if (latest) operator.take(latest, picked);
}

function choose() {
  for (const tree of trees) tree.choose(pointed ?? picked);
  if (latest) showNode(pointed ?? picked, latest);
}

new ResizeObserver(() => trees.forEach((tree) => tree.resize())).observe(byId("trees"));
const again = listen(url, take, shown(byId("link")));
window.addEventListener("hashchange", again);
