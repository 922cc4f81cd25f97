// Keeps a page fed with snapshots (server-sent events), and says how that goes.

const STALE_AFTER = 4000;
const ASK_AGAIN = 2000;

/**
 * Listen at `url()`; call `take(snapshot)` for each one and `tell(state)` with "live", "stale" or
 * "lost". Nothing is asked for while nobody looks. Returns a function that begins anew.
 */
export function listen(url, take, tell) {
  let source = null;
  let stale = 0;
  let again = 0;

  function heard() {
    clearTimeout(stale);
    stale = setTimeout(() => tell("stale"), STALE_AFTER);
    tell("live");
  }

  function close() {
    clearTimeout(stale);
    clearTimeout(again);
    if (source !== null) source.close();
    source = null;
  }

  function open() {
    close();
    const own = new EventSource(url());
    source = own;
    own.addEventListener("snapshot", (event) => {
      if (own !== source) return;
      take(JSON.parse(event.data));
      heard();
    });
    own.addEventListener("error", () => {
      if (own !== source) return;
      tell("lost");
      // A refusal is final for the browser, not for us: the channel may come back.
      if (own.readyState === EventSource.CLOSED) again = setTimeout(open, ASK_AGAIN);
    });
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  open();
  return open;
}

const STATES = {
  live: ["good", "live"],
  stale: ["warn", "waiting for news"],
  lost: ["bad", "no connection to the daemon; trying again"],
};

/** Return a `tell` for `listen` that shows the state in `element`. */
export function shown(element) {
  return (state) => {
    const [kind, words] = STATES[state];
    setState(element, kind, words);
  };
}

/** Show a state: a dot by `kind` (good, warn, bad or ""), and words. */
export function setState(element, kind, words) {
  const name = `state ${kind}`;
  if (element.className !== name) element.className = name;
  setText(element, words);
}

/** Put `text` into `element` if it is another one: names come from anywhere, so never as HTML. */
export function setText(element, text) {
  const wanted = String(text);
  if (element.textContent !== wanted) element.textContent = wanted;
}

/** Return a new element with a class and text. */
export function make(tag, name = "", text = "") {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== "") element.textContent = text;
  return element;
}
