/**
 * The panel of commands: the demonstration, PUT and GET, faults.
 *
 * @module
 */

import { byId, html, setText } from "./dom.js";
import { namesIn, readable } from "./format.js";
import { commandMsMax } from "./limits.js";
import { demoReason } from "./selectors.js";

/** @import { State } from "../server/state.ts" */
/** @import { Texts } from "./texts.js" */

/** The delay of the button that delays replication. */
const delayMs = 1_000;
/** The numbers of the dashboard's clients. */
const clients = [1, 2, 3, 4];

/** @type {HTMLSelectElement} */
const serverSelect = byId("server");
/** @type {HTMLInputElement} */
const keyInput = byId("key");
/** @type {HTMLInputElement} */
const valueInput = byId("value");
/** @type {HTMLButtonElement} */
const demoButton = byId("demo");

/** The panel of commands. They act on the servers of now, even if the page shows the past. */
export class CommandPanel {
  /** The number of the client that sends PUTs and GETs. */
  client = 1;
  #demoRunning = false;
  /** @type {{ text: (state: State, t: Texts) => string, bad: boolean }} */
  #answer = { text: () => "", bad: false };
  #redraw;

  /**
   * Listens to the buttons.
   *
   * @param {() => void} redraw redraws the page soon
   * @param {() => void} goLive shows what happens now
   */
  constructor(redraw, goLive) {
    this.#redraw = redraw;
    byId("request").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#request("put");
    });
    byId("get").addEventListener("click", () => this.#request("get"));
    demoButton.addEventListener("click", async () => {
      if (this.#demoRunning || demoButton.getAttribute("aria-disabled") === "true") return;
      this.#demoRunning = true;
      goLive();
      await this.#command("/demo", {});
      this.#demoRunning = false;
      redraw();
    });
    byId("clients").append(...clients.map((n) => {
      const radio = html("input", { type: "radio", name: "client", value: `${n}` });
      if (radio instanceof HTMLInputElement) radio.checked = n === this.client;
      radio.addEventListener("change", () => {
        this.client = n;
        redraw();
      });
      return html("label", {}, radio, `${n}`);
    }));
  }

  /**
   * Shows which commands are possible, and the last answer. The focus stays where it is.
   *
   * @param {State} state the newest state
   * @param {Texts} t
   */
  show(state, t) {
    const { servers, leader } = state;
    const names = namesIn(state, t);
    const addresses = servers.map(({ name }) => name);
    if (needsRedraw(serverSelect, addresses, t)) {
      const chosen = serverSelect.value;
      serverSelect.replaceChildren(
        html("option", { value: "" }, t.random),
        ...addresses.map((address) => html("option", { value: address }, names.server(address))),
      );
      serverSelect.value = addresses.includes(chosen) ? chosen : "";
    }
    const faultsAllowed = servers.find(({ name }) => name === leader)?.status?.faults === true;
    byId("faults-off").hidden = faultsAllowed;
    const running = this.#demoRunning || demoReason(state) === "running";
    setDisabled(demoButton, running || !faultsAllowed);
    setText(demoButton, running ? t.demoRunning : t.demo);
    const root = byId("faults");
    root.hidden = !faultsAllowed;
    const followers = servers.filter(({ name }) => name !== leader);
    if (needsRedraw(root, followers.map(({ name }) => name), t)) {
      const groups = followers.map(({ name }) => this.#faultButtons(name, names.server(name), t));
      root.replaceChildren(...groups);
    }
    for (const { name, fault } of followers) {
      const text = root.querySelector(`[data-follower="${name}"] p`);
      if (!(text instanceof HTMLElement)) continue;
      text.dataset.fault = `${fault !== undefined}`;
      setText(text, `${t.towards(names.server(name))}: ${t.faultState[fault?.action ?? "none"]}`);
    }
    setText(byId("seen-title"), `${t.seenTitle} (${t.clientName(this.client)})`);
    const answer = byId("answer");
    const text = this.#answer.text(state, t);
    setText(answer, text);
    answer.dataset.bad = `${this.#answer.bad}`;
  }

  /**
   * @param {string} follower "ip:port"
   * @param {string} name as the page shows it
   * @param {Texts} t
   */
  #faultButtons(follower, name, t) {
    /** @type {["pause" | "delay" | "resume", string][]} */
    const actions = [["pause", t.pauseFault], ["delay", t.delayFault], ["resume", t.resumeFault]];
    const buttons = actions.map(([action, text]) => {
      const button = html("button", { type: "button", "data-action": action }, text);
      const delay = action === "delay" ? { delayMs } : {};
      button.addEventListener("click", () => {
        this.#command("/fault", { follower, action, ...delay });
      });
      return button;
    });
    const group = { role: "group", "aria-label": t.towards(name), "data-follower": follower };
    return html("div", group, html("p", {}), ...buttons);
  }

  /**
   * Sends what the form says, and shows the answer.
   *
   * @param {"put" | "get"} kind
   */
  async #request(kind) {
    if (!keyInput.reportValidity()) return;
    const server = serverSelect.value === "" ? {} : { server: serverSelect.value };
    const value = kind === "put" ? { value: valueInput.value } : {};
    this.#showAnswer((_, t) => t.working);
    const body = { client: this.client, key: keyInput.value, ...value, ...server };
    const answer = await this.#command(`/${kind}`, body);
    if (answer === undefined) return;
    const { timestamp, seen } = answer;
    const refused = kind === "get" && answer.value === undefined;
    this.#showAnswer((state, t) => {
      const name = namesIn(state, t).server(answer.server);
      if (kind === "put") return t.putOk(name, timestamp);
      return refused
        ? t.getRefused(name, seen, timestamp)
        : t.getOk(readable(answer.value), name, seen, timestamp);
    }, refused);
  }

  /**
   * @param {(state: State, t: Texts) => string} text
   * @param {boolean} [bad]
   */
  #showAnswer(text, bad = false) {
    this.#answer = { text, bad };
    this.#redraw();
  }

  /**
   * Sends a command to the dashboard. If it fails, shows why.
   *
   * @param {string} path
   * @param {Record<string, unknown>} body
   * @returns {Promise<any>} the dashboard's answer; `undefined` if the command failed
   */
  async #command(path, body) {
    try {
      const response = await fetch(path, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
        signal: AbortSignal.timeout(commandMsMax),
      });
      const answer = await response.json();
      if (response.ok) return answer;
      /** @type {keyof Texts["failed"]} */
      const error = answer.error;
      const prefix = answer.server === undefined ? "" : `${answer.server}: `;
      this.#showAnswer((_, t) => `${prefix}${t.failed[error]} (${answer.message})`, true);
    } catch (error) {
      const timedOut = error instanceof DOMException && error.name === "TimeoutError";
      const failed = path === "/get" ? "UNAVAILABLE" : "UNKNOWN_OUTCOME";
      this.#showAnswer(
        (_, t) =>
          timedOut
            ? `${t.failed[failed]} (> ${commandMsMax / 1_000} s)`
            : t.connection.disconnected,
        true,
      );
    }
    return undefined;
  }
}

/**
 * Whether the servers or the language have changed since the last call for this element.
 *
 * @param {HTMLElement} root
 * @param {readonly string[]} servers
 * @param {Texts} t
 */
function needsRedraw(root, servers, { htmlLang }) {
  const drawn = `${servers} ${htmlLang}`;
  if (root.dataset.drawn === drawn) return false;
  root.dataset.drawn = drawn;
  return true;
}

/**
 * Disables or enables a button. A disabled button loses the focus, so a button that has it gets
 * `aria-disabled` instead.
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
