// Numbers as people read them.

const whole = new Intl.NumberFormat("en");

/** 12345 → "12,345". */
export const count = (number) => whole.format(number);

/** Seconds → "0.4 ms", "14 ms", "1.2 s", as `common/words.py` has it. */
export function time(seconds) {
  if (!Number.isFinite(seconds)) return "–";
  const ms = Math.max(0, seconds) * 1000;
  if (ms >= 999.5) return `${(ms / 1000).toFixed(1)} s`;
  return `${ms.toFixed(0.05 <= ms && ms < 9.95 ? 1 : 0)} ms`;
}

/** Bytes per second → "2.1 Mbit/s". */
export function rate(bytes) {
  const bits = Math.max(0, bytes) * 8;
  if (bits >= 1e9) return `${(bits / 1e9).toFixed(2)} Gbit/s`;
  if (bits >= 1e6) return `${(bits / 1e6).toFixed(bits < 1e7 ? 1 : 0)} Mbit/s`;
  return `${Math.round(bits / 1e3)} kbit/s`;
}

/** 1 → "1 player", 2 → "2 players". */
export const plural = (number, one, many = `${one}s`) =>
  `${count(number)} ${number === 1 ? one : many}`;

/** "n12-k3xz" → "n12", where the tag of the server process says nothing to people. */
export function short(node) {
  return node === "root" ? "server proxy" : node.replace(/^(n\d+)-[0-9a-z]{4}$/, "$1");
}

/** Microseconds of Unix time → "14:03:09". */
export const clock = (us) => new Date(us / 1000).toLocaleTimeString("en-GB");

/** The middle one of numbers; NaN of none. */
export function median(numbers) {
  if (numbers.length === 0) return NaN;
  const sorted = [...numbers].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}
