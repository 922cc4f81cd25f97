// What the operator may do: shown where it is allowed, asked before it is done.

import { make, setState } from "/web/live.js";
import { short } from "/web/words.js";

/** The buttons for a channel and the node that is picked, in `box`; hidden where not allowed. */
export class Operator {
  constructor(box) {
    this.box = box;
    this.headers = { "Content-Type": "application/json" };
    this.buttons = make("p", "buttons");
    this.said = make("p", "state");
    this.said.setAttribute("role", "status");
    this.said.hidden = true;
    this.look();
  }

  /** Ask the daemon whether it would obey; without a token it may want one. */
  async look() {
    const answer = await fetch("/api/v1/operator", { headers: this.headers }).catch(() => null);
    if (answer === null || !answer.ok) return;
    const { allowed, token } = await answer.json();
    this.box.hidden = !allowed && !token;
    const heading = make("h3", "", "Operator");
    this.said.hidden = allowed || !("Authorization" in this.headers);
    if (!this.said.hidden) setState(this.said, "bad", "that token is not taken");
    this.box.replaceChildren(heading, allowed ? this.buttons : this.form(), this.said);
  }

  form() {
    const field = make("input");
    field.type = "password";
    field.autocomplete = "off";
    const label = make("label", "", "Token ");
    label.append(field);
    field.addEventListener("change", () => {
      this.headers.Authorization = `Bearer ${field.value}`;
      this.look();
    });
    return label;
  }

  /** Show what can be done now. `id`: the node that is picked, or null. */
  take(channel, id) {
    const node = id === null ? undefined : channel.nodes[id];
    const stripes = channel.trees.length;
    const key = JSON.stringify([channel.name, stripes, id, node?.drained]);
    if (key === this.key) return;
    this.key = key;
    const base = `/api/v1/channels/${encodeURIComponent(channel.name)}`;
    const close = this.button("Close the channel", `${base}/close`, {},
      `Close ${channel.name}? All who watch it are sent away, until the configuration is read again.`);
    this.buttons.replaceChildren(...(node === undefined ? [] : this.ofNode(base, id, node, stripes)), close);
  }

  ofNode(base, id, node, stripes) {
    const path = `${base}/nodes/${encodeURIComponent(id)}`;
    const name = short(id);
    const moves = [...Array(stripes).keys()].map((stripe) =>
      this.button(`Move ${name} in stripe ${stripe}`, `${path}/move`, { stripe },
        `Have ${name} take another parent in stripe ${stripe}? Nobody loses a packet.`));
    const drain = node.drained
      ? this.button(`Let ${name} have children`, `${path}/drain`, { drained: false },
        `Let ${name} have children again?`)
      : this.button(`Drain ${name}`, `${path}/drain`, { drained: true },
        `Move the children of ${name} elsewhere, and send it none? Nobody loses a packet.`);
    const kick = this.button(`Send ${name} away`, `${path}/kick`, {},
      `Send ${name} away for a minute? Its players end; nobody else loses a packet.`);
    return [...moves, drain, kick];
  }

  button(words, path, body, question) {
    const button = make("button", "", words);
    button.type = "button";
    button.addEventListener("click", () => confirm(question) && this.ask(words, path, body));
    return button;
  }

  async ask(words, path, body) {
    this.said.hidden = false;
    setState(this.said, "", `${words}: asking`);
    try {
      const answer = await fetch(path, { method: "POST", headers: this.headers, body: JSON.stringify(body) });
      const why = answer.ok ? "it was asked for; see what happens" : (await answer.json()).detail;
      setState(this.said, answer.ok ? "good" : "bad", `${words}: ${why}`);
    } catch {
      setState(this.said, "bad", `${words}: no connection to the daemon`);
    }
  }
}
