// Where each node of one tree is drawn. Plain arithmetic: no document, no state.

const ROOM_FOR_LABELS = 58;
const ROOM_FOR_A_TREE = 22;
const LEVEL = 78;
const EDGE = 34;
const BESIDE = 26;

/**
 * Place a tree: `parents` maps each node to its parent, "root" or null. Returns
 * {nodes: Map(id → {id, parent, x, y, depth}), width, height, radius, round, labels, root: {x, y}}.
 *
 * A tree that fits is drawn from the top down; a crowd in rings round the server proxy.
 */
export function place(parents, width) {
  const children = new Map([["root", []]]);
  const loose = [];
  for (const [node, parent] of Object.entries(parents)) {
    if (parent === null) loose.push(node);
    else if (children.has(parent)) children.get(parent).push(node);
    else children.set(parent, [node]);
  }
  const nodes = new Map();
  const leaves = walk([...children.get("root"), ...loose], children, nodes, parents);
  const deepest = Math.max(1, ...depths(nodes));
  const room = (width - 2 * EDGE) / Math.max(1, leaves);
  const round = room < ROOM_FOR_A_TREE;
  return round
    ? rings(nodes, leaves, deepest, width)
    : rows(nodes, leaves, deepest, width, room);
}

/** Give each node its column, in leaves from the left, and its depth; return how many leaves. */
function walk(tops, children, nodes, parents) {
  let leaves = 0;
  const stack = tops.map((id) => ({ id, depth: 1, done: false })).reverse();
  while (stack.length > 0) {
    const one = stack.pop();
    const below = children.get(one.id) ?? [];
    if (one.done) {
      const first = nodes.get(below[0]);
      const last = nodes.get(below[below.length - 1]);
      nodes.get(one.id).column = (first.column + last.column) / 2;
      continue;
    }
    if (nodes.has(one.id)) continue;
    const node = { id: one.id, parent: parents[one.id], depth: one.depth, column: 0, x: 0, y: 0 };
    nodes.set(one.id, node);
    if (below.length === 0) {
      node.column = leaves + 0.5;
      leaves += 1;
      continue;
    }
    stack.push({ ...one, done: true });
    for (let i = below.length - 1; i >= 0; i -= 1) {
      stack.push({ id: below[i], depth: one.depth + 1, done: false });
    }
  }
  return leaves;
}

function* depths(nodes) {
  for (const node of nodes.values()) yield node.depth;
}

function rows(nodes, leaves, deepest, width, room) {
  const left = EDGE + (width - 2 * EDGE - room * leaves) / 2;
  const labels = room >= ROOM_FOR_LABELS;
  const level = labels ? LEVEL : 56;
  for (const node of nodes.values()) {
    node.x = left + node.column * room;
    node.y = 44 + node.depth * level;
  }
  const height = 44 + deepest * level + (labels ? 52 : 28);
  const tops = [...nodes.values()].filter((node) => node.parent === "root");
  const middle = tops.length > 0 ? (tops[0].x + tops[tops.length - 1].x) / 2 : width / 2;
  const radius = Math.min(9, Math.max(5, room * 0.3));
  return { nodes, width, height, radius, round: false, labels, root: { x: middle, y: 44 } };
}

function rings(nodes, leaves, deepest, width) {
  const size = Math.min(width, 640);
  const outer = size / 2 - 14;
  const root = { x: width / 2, y: size / 2 };
  // A single copy leaves the server proxy: who takes it stands in the middle too, beside it.
  const single = [...nodes.values()].filter((node) => node.depth === 1).length === 1;
  for (const node of nodes.values()) {
    if (single && node.depth === 1) {
      [node.x, node.y] = [root.x, root.y + BESIDE];
      continue;
    }
    const angle = (2 * Math.PI * node.column) / leaves - Math.PI / 2;
    const ring = (outer * (node.depth + 0.35)) / (deepest + 0.35);
    node.x = root.x + ring * Math.cos(angle);
    node.y = root.y + ring * Math.sin(angle);
  }
  const room = (2 * Math.PI * outer) / leaves;
  const radius = Math.min(6, Math.max(1.8, room * 0.34));
  return { nodes, width, height: size, radius, round: true, labels: false, root };
}

/** Return the line from a parent at `a` to a child at `b`, as the path of an SVG. */
export function edge(a, b, { round, root }) {
  if (!round) {
    const middle = (a.y + b.y) / 2;
    return `M${fix(a.x)} ${fix(a.y)}C${fix(a.x)} ${fix(middle)} ${fix(b.x)} ${fix(middle)} ${fix(b.x)} ${fix(b.y)}`;
  }
  const near = Math.hypot(a.x - root.x, a.y - root.y);
  const far = Math.hypot(b.x - root.x, b.y - root.y);
  const middle = (near + far) / 2;
  const p = near < 1 ? towards(root, b, far, middle) : towards(root, a, near, middle);
  const q = towards(root, b, far, middle);
  return `M${fix(a.x)} ${fix(a.y)}C${fix(p.x)} ${fix(p.y)} ${fix(q.x)} ${fix(q.y)} ${fix(b.x)} ${fix(b.y)}`;
}

function towards(root, point, length, wanted) {
  const part = length < 1 ? 0 : wanted / length;
  return { x: root.x + (point.x - root.x) * part, y: root.y + (point.y - root.y) * part };
}

const fix = (number) => Math.round(number * 10) / 10;
