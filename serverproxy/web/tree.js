// One tree as an SVG that follows its snapshots: nodes glide to where they hang now.

import { make, setText } from "/web/live.js";
import { plural, short, time } from "/web/words.js";
import { edge, place } from "/web/layout.js";

const SVG = "http://www.w3.org/2000/svg";
const GLIDE = 450;
const MOST_GLIDING = 150;
const LATE = 1.0;
const REACH = 22;

function svg(tag, name = "") {
  const element = document.createElementNS(SVG, tag);
  if (name) element.setAttribute("class", name);
  return element;
}

function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

export class Tree {
  /** Draw the tree of `stripe` into `place`; `point(id)` and `pick(id)` hear of the pointer. */
  constructor(stripe, into, point, pick) {
    this.stripe = stripe;
    this.drawn = new Map();
    this.shown = null;
    this.picked = null;
    this.edges = svg("g");
    this.dots = svg("g");
    this.standby = svg("path", "standby");
    this.root = svg("g", "root");
    this.figure = make("figure", `sheet tree stripe-${stripe}`);
    this.caption = make("span");
    const title = make("figcaption");
    title.append(make("b", "", `Stripe ${stripe}`), this.caption);
    this.svg = svg("svg");
    this.svg.setAttribute("role", "img");
    this.svg.append(this.edges, this.standby, this.root, this.dots);
    this.figure.append(title, this.svg);
    into.append(this.figure);
    this.drawRoot();
    this.svg.addEventListener("pointermove", (event) => point(this.nearest(event)));
    this.svg.addEventListener("pointerleave", () => point(null));
    this.svg.addEventListener("click", (event) => pick(this.nearest(event)));
  }

  drawRoot() {
    const box = svg("rect");
    for (const [name, value] of [["x", "-9"], ["y", "-9"], ["width", "18"], ["height", "18"], ["rx", "5"]]) {
      box.setAttribute(name, value);
    }
    this.rootName = svg("text");
    this.rootName.textContent = "server proxy";
    this.rootName.setAttribute("y", "-17");
    this.root.append(box, this.rootName);
  }

  /** Take a snapshot of this tree: who hangs where, and what is known of each node. */
  take(tree, nodes) {
    this.tree = tree;
    this.nodes = nodes;
    const width = this.figure.clientWidth;
    if (width > 0) this.draw(width);
    const all = Object.keys(tree.parents).length;
    const relays = Object.values(nodes).filter((node) => node.serve === this.stripe).length;
    const words = `${plural(all, "node")}, ${plural(relays, "relay")}, depth ${tree.depth}`;
    setText(this.caption, words);
    set(this.svg, "aria-label", `Tree of stripe ${this.stripe}: ${words}. The table of nodes has the details.`);
  }

  resize() {
    if (this.tree && this.figure.clientWidth !== this.shown?.width) this.draw(this.figure.clientWidth);
  }

  draw(width) {
    const before = this.shown;
    const shown = place(this.tree.parents, width);
    this.shown = shown;
    set(this.svg, "viewBox", `0 0 ${width} ${shown.height}`);
    set(this.svg, "height", String(shown.height));
    this.svg.classList.toggle("dense", shown.round);
    this.rootName.toggleAttribute("hidden", shown.round);
    this.rootName.style.display = shown.round ? "none" : "";
    const still = before === null || before.width !== width || shown.nodes.size > MOST_GLIDING
      || matchMedia("(prefers-reduced-motion: reduce)").matches;
    for (const id of [...this.drawn.keys()]) if (!shown.nodes.has(id)) this.drop(id);
    let moved = false;
    for (const node of shown.nodes.values()) moved = this.put(node, still) || moved;
    set(this.root, "transform", `translate(${shown.root.x} ${shown.root.y})`);
    if (moved) this.glide(still);
    this.mark();
  }

  drop(id) {
    const { dot, line } = this.drawn.get(id);
    dot.remove();
    line.remove();
    this.drawn.delete(id);
  }

  /** Draw a node, or change what is drawn of it; return whether it has to go elsewhere. */
  put(node, still) {
    let drawn = this.drawn.get(node.id);
    const isNew = drawn === undefined;
    if (isNew) drawn = this.create(node);
    const info = this.nodes[node.id];
    const relay = info?.serve === this.stripe;
    const lost = info !== undefined && info.lost > (drawn.lost ?? info.lost);
    if (lost) drawn.trouble = performance.now() + 5000;
    drawn.lost = info?.lost;
    const kinds = [
      relay && "relay",
      (node.parent === null || drawn.trouble > performance.now()) && "trouble",
      info?.delay > LATE && "late",
      info?.away && "away",
    ];
    drawn.kind = ["dot", ...kinds.filter(Boolean)].join(" ");
    this.decorate(drawn, info);
    const moved = isNew || drawn.to.x !== node.x || drawn.to.y !== node.y || drawn.parent !== node.parent;
    drawn.from = isNew || still ? { x: node.x, y: node.y } : { ...drawn.at };
    drawn.to = node;
    drawn.parent = node.parent;
    drawn.line.dataset.parent = node.parent ?? "";
    return moved;
  }

  create(node) {
    const dot = svg("g");
    dot.append(svg("circle"));
    const line = svg("path");
    dot.dataset.node = line.dataset.node = node.id;
    const drawn = { dot, line, circle: dot.firstChild, at: { x: node.x, y: node.y }, to: {} };
    this.dots.append(dot);
    this.edges.append(line);
    this.drawn.set(node.id, drawn);
    return drawn;
  }

  decorate(drawn, info) {
    const radius = this.shown.radius;
    set(drawn.circle, "r", String(radius));
    const plays = info !== undefined && info.players > 0 && radius >= 3.5;
    if (plays && !drawn.sign) {
      drawn.sign = svg("path");
      drawn.dot.append(drawn.sign);
    }
    if (drawn.sign) {
      const size = radius * 0.5;
      set(drawn.sign, "d", plays ? `M${-size * 0.75} ${-size}L${size} 0L${-size * 0.75} ${size}Z` : "");
    }
    if (this.shown.labels && !drawn.label) {
      drawn.label = svg("text");
      drawn.second = svg("text", "second");
      drawn.dot.append(drawn.label, drawn.second);
    }
    if (!drawn.label) return;
    drawn.label.style.display = drawn.second.style.display = this.shown.labels ? "" : "none";
    set(drawn.label, "y", String(radius + 15));
    set(drawn.second, "y", String(radius + 29));
  }

  label(id, drawn) {
    if (!drawn.label || !this.shown.labels) return;
    const info = this.nodes[id];
    setText(drawn.label, short(id));
    setText(drawn.second, info === undefined ? "" : info.away ? "away" : time(info.delay));
  }

  glide(still) {
    cancelAnimationFrame(this.frame);
    const began = performance.now();
    const step = (now) => {
      const part = still ? 1 : Math.min(1, Math.max(0, now - began) / GLIDE);
      const eased = 1 - (1 - part) ** 3;
      for (const drawn of this.drawn.values()) {
        drawn.at.x = drawn.from.x + (drawn.to.x - drawn.from.x) * eased;
        drawn.at.y = drawn.from.y + (drawn.to.y - drawn.from.y) * eased;
      }
      this.lines();
      if (part < 1) this.frame = requestAnimationFrame(step);
    };
    step(began);
  }

  lines() {
    for (const drawn of this.drawn.values()) {
      set(drawn.dot, "transform", `translate(${drawn.at.x.toFixed(1)} ${drawn.at.y.toFixed(1)})`);
      const above = drawn.parent === "root" ? this.shown.root : this.drawn.get(drawn.parent)?.at;
      set(drawn.line, "d", above === undefined ? "" : edge(above, drawn.at, this.shown));
    }
    this.drawStandby();
  }

  /** Point out a node, the way down to it, and its standby; null: nobody. */
  choose(id) {
    if (this.picked === id) return;
    this.picked = id;
    this.mark();
  }

  mark() {
    const way = new Set();
    for (let id = this.picked; id && id !== "root" && !way.has(id); id = this.tree?.parents[id]) way.add(id);
    this.svg.classList.toggle("chosen", this.picked !== null && this.drawn.has(this.picked));
    for (const [id, drawn] of this.drawn) {
      const on = way.has(id) ? " on" : "";
      const fresh = drawn.fresh > performance.now() ? " fresh" : "";
      set(drawn.dot, "class", drawn.kind + on + (id === this.picked ? " picked" : "") + fresh);
      set(drawn.line, "class", `edge${on}`);
      this.label(id, drawn);
    }
    this.drawStandby();
  }

  drawStandby() {
    const own = this.drawn.get(this.picked);
    const standby = own && this.tree.standbys[this.picked];
    const other = standby === "root" ? this.shown.root : this.drawn.get(standby)?.at;
    if (!own || !other) {
      set(this.standby, "d", "");
      return;
    }
    const bend = { x: (own.at.x + other.x) / 2 + 24, y: (own.at.y + other.y) / 2 };
    set(this.standby, "d", `M${own.at.x} ${own.at.y}Q${bend.x} ${bend.y} ${other.x} ${other.y}`);
  }

  /** Let a node show for a moment that something has happened to it. */
  flash(id) {
    const drawn = this.drawn.get(id);
    if (drawn) drawn.fresh = performance.now() + 2500;
  }

  nearest(event) {
    const box = this.svg.getBoundingClientRect();
    const x = event.clientX - box.left;
    const y = event.clientY - box.top;
    let best = null;
    let least = REACH;
    for (const [id, { at }] of this.drawn) {
      const far = Math.hypot(at.x - x, at.y - y);
      if (far < least) [best, least] = [id, far];
    }
    return best;
  }
}
