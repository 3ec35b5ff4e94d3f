/**
 * The part of the page with which one does something to the servers.
 *
 * @module
 */

import { at, element, namesIn, readable } from "./views.js";

/** @import { State } from "../server/item.ts" */
/** @import { Texts } from "./texts.js" */

/** What the button for it delays replication by. */
const delayMs = 1_000;
/** The clients that the dashboard plays. */
const clients = [1, 2, 3, 4];

/** @type {HTMLSelectElement} */
const serverSelect = at("server");
/** @type {HTMLInputElement} */
const keyInput = at("key");
/** @type {HTMLInputElement} */
const valueInput = at("value");
/** @type {HTMLButtonElement} */
const demoButton = at("demo");

/**
 * The commands. They act on the servers as they are, whatever moment the page shows.
 */
export class Hands {
  /** The one of the clients that asks. */
  client = 1;
  #demoRunning = false;
  /** @type {{ text: (state: State, t: Texts) => string, bad: boolean }} */
  #answer = { text: () => "", bad: false };
  #redraw;

  /**
   * Listens to the buttons.
   *
   * @param {() => void} redraw shows everything anew, soon
   * @param {() => void} goLive shows what happens now
   */
  constructor(redraw, goLive) {
    this.#redraw = redraw;
    at("ask").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#ask("put");
    });
    at("get").addEventListener("click", () => this.#ask("get"));
    demoButton.addEventListener("click", async () => {
      if (this.#demoRunning || demoButton.getAttribute("aria-disabled") === "true") return;
      this.#demoRunning = true;
      goLive();
      await this.#command("/demo", {});
      this.#demoRunning = false;
      redraw();
    });
    at("clients").append(...clients.map((n) => {
      const radio = element("input", { type: "radio", name: "client", value: `${n}` });
      if (radio instanceof HTMLInputElement) radio.checked = n === this.client;
      radio.addEventListener("change", () => {
        this.client = n;
        redraw();
      });
      return element("label", {}, radio, `${n}`);
    }));
  }

  /**
   * Shows what can be done, and the last answer. What has the focus stays where it is.
   *
   * @param {State} state the newest
   * @param {Texts} t
   */
  show(state, t) {
    const { servers, leader } = state;
    const names = namesIn(state, t);
    const known = servers.map(({ name }) => name);
    if (changed(serverSelect, known, t)) {
      const chosen = serverSelect.value;
      serverSelect.replaceChildren(
        element("option", { value: "" }, t.random),
        ...known.map((name) => element("option", { value: name }, names.server(name))),
      );
      serverSelect.value = known.includes(chosen) ? chosen : "";
    }
    const may = servers.find(({ name }) => name === leader)?.status?.faults === true;
    at("faults-off").hidden = may;
    setDisabled(demoButton, this.#demoRunning || !may);
    demoButton.textContent = this.#demoRunning ? t.demoRunning : t.demo;
    const root = at("faults");
    root.hidden = !may;
    const followers = servers.filter(({ name }) => name !== leader);
    if (changed(root, followers.map(({ name }) => name), t)) {
      const groups = followers.map(({ name }) => this.#faults(name, names.server(name), t));
      root.replaceChildren(...groups);
    }
    for (const { name, held } of followers) {
      const text = root.querySelector(`[data-follower="${name}"] p`);
      if (!(text instanceof HTMLElement)) continue;
      text.dataset.held = `${held !== undefined}`;
      text.textContent = `${t.towards(names.server(name))}: ${
        t.faultState[held?.action ?? "none"]
      }`;
    }
    at("seen-title").textContent = `${t.seenTitle} (${t.clientName(this.client)})`;
    const answer = at("answer");
    const text = this.#answer.text(state, t);
    // The same text again would be read out again.
    if (answer.textContent !== text) answer.textContent = text;
    answer.dataset.bad = `${this.#answer.bad}`;
  }

  /**
   * @param {string} follower
   * @param {string} shown
   * @param {Texts} t
   */
  #faults(follower, shown, t) {
    /** @type {["pause" | "delay" | "resume", string][]} */
    const actions = [["pause", t.pauseFault], ["delay", t.delayFault], ["resume", t.resumeFault]];
    const buttons = actions.map(([action, text]) => {
      const button = element("button", { type: "button", "data-action": action }, text);
      const delay = action === "delay" ? { delayMs } : {};
      button.addEventListener("click", () => {
        this.#command("/fault", { follower, action, ...delay });
      });
      return button;
    });
    const group = { role: "group", "aria-label": t.towards(shown), "data-follower": follower };
    return element("div", group, element("p", {}), ...buttons);
  }

  /** @param {"put" | "get"} what */
  async #ask(what) {
    if (!keyInput.reportValidity()) return;
    const server = serverSelect.value === "" ? {} : { server: serverSelect.value };
    const value = what === "put" ? { value: valueInput.value } : {};
    this.#say((_, t) => t.working);
    const body = { client: this.client, key: keyInput.value, ...value, ...server };
    const result = await this.#command(`/${what}`, body);
    if (result === undefined) return;
    const { timestamp, seen } = result;
    const refused = what === "get" && result.value === undefined;
    this.#say((state, t) => {
      const name = namesIn(state, t).server(result.server);
      if (what === "put") return t.putOk(name, timestamp);
      return refused
        ? t.getRefused(name, seen, timestamp)
        : t.getOk(readable(result.value), name, seen, timestamp);
    }, refused);
  }

  /**
   * @param {(state: State, t: Texts) => string} text
   * @param {boolean} [bad]
   */
  #say(text, bad = false) {
    this.#answer = { text, bad };
    this.#redraw();
  }

  /**
   * Has the dashboard do something.
   *
   * @param {string} path
   * @param {Record<string, unknown>} body
   * @returns {Promise<any>} what came of it, `undefined` where it failed; that is shown already
   */
  async #command(path, body) {
    try {
      const response = await fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const result = await response.json();
      if (response.ok) return result;
      /** @type {keyof Texts["failed"]} */
      const error = result.error;
      const where = result.server === undefined ? "" : `${result.server}: `;
      this.#say((_, t) => `${where}${t.failed[error]} (${result.message})`, true);
    } catch {
      this.#say((_, t) => t.disconnected, true);
    }
    return undefined;
  }
}

/**
 * True where a list of servers, or the language, is another one than when this was asked last.
 *
 * @param {HTMLElement} root
 * @param {readonly string[]} servers
 * @param {Texts} t
 */
function changed(root, servers, { htmlLang }) {
  const drawn = `${servers} ${htmlLang}`;
  if (root.dataset.drawn === drawn) return false;
  root.dataset.drawn = drawn;
  return true;
}

/**
 * A button that is disabled loses the focus; one that only says so keeps it.
 *
 * @param {HTMLButtonElement} button
 * @param {boolean} disabled
 */
function setDisabled(button, disabled) {
  if (document.activeElement === button) button.setAttribute("aria-disabled", `${disabled}`);
  else {
    button.disabled = disabled;
    button.removeAttribute("aria-disabled");
  }
}
