/**
 * The panel of commands: the stories, PUT and GET, faults.
 *
 * @module
 */

import { storyDefault } from "../stories/stories.js";
import { byId, byQuery, html, setDisabled, setText } from "./dom.js";
import { namesIn, readable } from "./format.js";
import { commandMsMax } from "./limits.js";
import { faultReason, requestsReason, storyReason } from "./selectors.js";
import { emptyState, endsStory } from "./state.js";
import { StoryList } from "./story_list.js";

/** @import { ServerState, State } from "../server/state.ts" */
/** @import { Names } from "./format.js" */
/** @import { Reason } from "./selectors.js" */
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
  /** @type {string | undefined} The id of the story that this page has begun, while it runs. */
  #begun;
  #storyList;
  /** @type {{ text: (state: State, t: Texts) => string, bad: boolean }} */
  #answer = { text: () => "", bad: false };
  /** Whether the last command was a story, and failed. */
  #tellFailed = false;
  /** @type {State} The state that was shown last. */
  #state = emptyState([]);
  #redraw;

  /**
   * Listens to the buttons.
   *
   * @param {() => void} redraw redraws the page soon
   * @param {() => void} goLive shows what happens now
   */
  constructor(redraw, goLive) {
    this.#redraw = redraw;
    this.#storyList = new StoryList(byId("stories"), (story) => {
      goLive();
      this.tell(story);
    });
    byId("request").addEventListener("submit", (event) => {
      event.preventDefault();
      this.#request("put");
    });
    byId("get").addEventListener("click", () => this.#request("get"));
    demoButton.addEventListener("click", () => {
      if (isDisabled(demoButton)) return;
      goLive();
      this.tell(storyDefault.id);
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
   * Tells a story to its end, unless one is under way. If it cannot begin, shows why.
   *
   * @param {string} story its id
   */
  async tell(story) {
    if (this.#begun !== undefined) return;
    this.#begun = story;
    this.#showAnswer(() => "");
    this.#tellFailed = await this.#command("/demo", { story }) === undefined;
    this.#begun = undefined;
    this.#redraw();
  }

  /**
   * Why no story could be told; "" if the last command was another one, or it could.
   *
   * @param {Texts} t
   */
  failure(t) {
    return this.#tellFailed ? this.#answer.text(this.#state, t) : "";
  }

  /**
   * Shows which commands are possible and why others are not, and the last answer. The focus stays
   * where it is.
   *
   * @param {State} state the newest state
   * @param {boolean} connected whether the page is connected to the dashboard
   * @param {Texts} t
   */
  show(state, connected, t) {
    this.#state = state;
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
    const offline = connected ? undefined : "disconnected";
    const requestReason = offline ?? requestsReason(state);
    for (const id of ["put", "get"]) setDisabled(byId(id), requestReason !== undefined);
    setText(byId("request-off"), requestReason === undefined ? "" : t.reasons[requestReason]);
    const last = state.demoSteps.at(-1);
    const running = this.#begun ??
      (last === undefined || endsStory(last) ? undefined : last.story);
    const storyOff = offline ?? (running === undefined ? undefined : "running");
    const reason = storyOff ?? storyReason(state, storyDefault);
    setDisabled(demoButton, reason !== undefined);
    setText(demoButton, running === storyDefault.id ? t.demoRunning : t.demo);
    setText(byId("demo-off"), reason === undefined ? "" : t.storyReasons[reason]);
    this.#storyList.show(state, running, storyOff, t);
    const root = byId("faults");
    const followers = servers.filter(({ name }) => name !== leader);
    if (needsRedraw(root, followers.map(({ name }) => name), t)) {
      const groups = followers.map(({ name }) => this.#faultButtons(name, names.server(name), t));
      root.replaceChildren(...groups);
    }
    for (const follower of followers) {
      const group = root.querySelector(`[data-follower="${follower.name}"]`);
      if (group !== null) showFaultButtons(group, state, follower, offline, names, t);
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
    const actions = [["pause", t.holdFault], ["delay", t.delayFault], ["resume", t.resumeFault]];
    const buttons = actions.map(([action, text]) => {
      const button = html("button", { type: "button", "data-action": action }, text);
      const delay = action === "delay" ? { delayMs } : {};
      button.addEventListener("click", () => {
        if (isDisabled(button)) return;
        this.#tellFailed = false;
        this.#command("/fault", { follower, action, ...delay });
      });
      return button;
    });
    const group = { role: "group", "aria-label": t.towards(name), "data-follower": follower };
    return html(
      "div",
      group,
      html("p", { "data-fault": "false" }),
      ...buttons,
      html("p", { class: "quiet", "data-off": "" }),
    );
  }

  /**
   * Sends what the form says, and shows the answer.
   *
   * @param {"put" | "get"} kind
   */
  async #request(kind) {
    if (isDisabled(byId(kind)) || !keyInput.reportValidity()) return;
    this.#tellFailed = false;
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
 * Shows the fault of the replication to a follower, which of its buttons do something, and why the
 * others do not.
 *
 * @param {Element} group the buttons
 * @param {State} state
 * @param {ServerState} follower
 * @param {Reason | undefined} offline why no command does anything
 * @param {Names} names
 * @param {Texts} t
 */
function showFaultButtons(group, state, follower, offline, names, t) {
  const text = byQuery(group, "p[data-fault]");
  const { name, fault } = follower;
  text.dataset.fault = `${fault !== undefined}`;
  setText(text, `${t.towards(names.server(name))}: ${t.faultState[fault?.action ?? "none"]}`);
  /** @type {Set<string>} */
  const reasons = new Set();
  for (const action of /** @type {const} */ (["pause", "delay", "resume"])) {
    const reason = offline ?? faultReason(state, follower, action);
    setDisabled(byQuery(group, `[data-action="${action}"]`), reason !== undefined);
    if (reason !== undefined) reasons.add(t.reasons[reason]);
  }
  setText(byQuery(group, "p[data-off]"), [...reasons].join(" "));
}

/** @param {Element} button */
function isDisabled(button) {
  return button.matches(":disabled, [aria-disabled=true]");
}
