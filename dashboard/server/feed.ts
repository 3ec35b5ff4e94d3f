/**
 * The feed: the items of all servers in one order, delivered to the browsers.
 *
 * @module
 */

import { Fifo } from "../../lib/fifo.ts";
import { browsersMax, itemsWaitingMax } from "../page/limits.js";
import { BrowserStream, eventBytes } from "./browser_stream.ts";
import type { Item } from "./item.ts";
import type { State } from "./state.ts";
import { clientOf } from "../page/selectors.js";
import { apply, emptyState, encode } from "../page/state.js";

/** Time between two deliveries to the browsers. */
export const deliveryIntervalMs = 50;

/** How long an item waits for earlier items of other servers. */
export const reorderWaitMs = 400;

/** What a client has seen comes so much later than its answer, to follow the server's event of it. */
export const seenDelayMs = 400;

/** How old an item may be when it arrives. If it is older, the server's clock counts as wrong. */
export const clockSkewMsMax = 2_000;

/** The number of the clients that are not the dashboard's. */
const others = 0;

/** The order of items of different servers within the same millisecond: a cause comes first. */
const ranks: Readonly<Partial<Record<Item["kind"], number>>> = {
  client: 0,
  demo: 0,
  up: 0,
  table: 1,
  forwarding: 1,
  forwarding_write: 1,
  put: 2,
  write: 2,
  written: 3,
  replication: 4,
  acknowledged: 5,
  put_ok: 6,
  write_ok: 6,
};
const lastRank = 9;

/**
 * Merges the items of several servers into one sequence, the same for every browser.
 *
 * - The items of one server keep their order.
 * - Items of different servers are ordered by time, if they arrive within
 *   {@linkcode reorderWaitMs} of each other.
 * - A browser gets the whole state first (a keyframe), and then items. If it reads too slowly, it
 *   loses items, and later gets a new keyframe with the number of items lost.
 */
export class Feed implements Disposable {
  readonly #now: () => number;
  /** The state after all delivered items. */
  readonly #state: State;
  /** By source, see {@linkcode sourceOf}: items that are not delivered yet. */
  readonly #waiting = new Map<string, Fifo<Item>>();
  /** The number of items in `#waiting`. */
  #waitingCount = 0;
  /** By source: the time of its newest item. */
  readonly #lastAt = new Map<string, number>();
  /** By browser, the oldest first: its IP address. */
  readonly #browsers = new Map<BrowserStream, string>();
  readonly #timer: ReturnType<typeof setInterval>;

  /**
   * A feed for these servers ("ip:port"). `now` returns milliseconds since the Unix epoch. `control`
   * says whether stories may stop servers.
   */
  constructor(servers: readonly string[], now: () => number = Date.now, control = false) {
    this.#now = now;
    this.#state = emptyState(servers, control);
    this.#timer = setInterval(() => this.deliver(), deliveryIntervalMs);
  }

  /** The state after all delivered items. Read-only. */
  get state(): Readonly<State> {
    return this.#state;
  }

  /** The number of browsers that are connected. */
  get browsers(): number {
    return this.#browsers.size;
  }

  /**
   * Adds an item of bounded size. If the server's clock is wrong, the item counts as happening now.
   */
  add(item: Item): void {
    const source = sourceOf(item);
    const now = this.#now();
    const itemAt = item.at > now || item.at < now - clockSkewMsMax ? now : item.at;
    const delayMs = item.kind === "seen" ? seenDelayMs : 0;
    const at = Math.max(itemAt + delayMs, this.#lastAt.get(source) ?? 0);
    this.#lastAt.set(source, at);
    const waiting = this.#waiting.get(source) ?? new Fifo();
    this.#waiting.set(source, waiting);
    waiting.push({ ...item, at });
    if (++this.#waitingCount > itemsWaitingMax) this.deliver(Infinity);
  }

  /** Delivers the items that happened up to a time. */
  deliver(until = this.#now() - reorderWaitMs): void {
    const items: Item[] = [];
    while (true) {
      const queue = this.#queueWithEarliest();
      const item = queue?.at(0);
      if (queue === undefined || item === undefined || item.at > until) break;
      queue.shift();
      this.#waitingCount--;
      for (const one of [item, ...seenByOthers(this.#state, item)]) {
        apply(this.#state, one);
        items.push(one);
      }
    }
    if (items.length === 0) return;
    const event = eventBytes("items", JSON.stringify(items));
    for (const browser of this.#browsers.keys()) browser.send(event, items.length);
  }

  /**
   * The text/event-stream for one more browser at an IP address. It ends with the browser or with the
   * feed. If there are {@linkcode browsersMax} already, it takes the place of another one, which is
   * told: the oldest one of the address that has the most.
   */
  subscribe(ip = ""): ReadableStream<Uint8Array<ArrayBuffer>> {
    if (this.#browsers.size >= browsersMax) this.#replaceOne();
    const browser = new BrowserStream(
      (lost) => eventBytes("keyframe", encode({ lost, state: this.#state })),
      () => this.#browsers.delete(browser),
    );
    this.#browsers.set(browser, ip);
    return browser.stream;
  }

  /** Ends all streams. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const browser of this.#browsers.keys()) browser.end();
    this.#browsers.clear();
  }

  /** Ends the oldest stream of the address that has the most streams. */
  #replaceOne(): void {
    const byIp = Map.groupBy(this.#browsers.keys(), (browser) => this.#browsers.get(browser)!);
    let most: BrowserStream[] = [];
    for (const streams of byIp.values()) if (streams.length > most.length) most = streams;
    const [oldest] = most;
    if (oldest === undefined) return;
    this.#browsers.delete(oldest);
    oldest.end(eventBytes("replaced", "{}"));
  }

  /** The queue whose first item is the earliest; `undefined` if no item waits. */
  #queueWithEarliest(): Fifo<Item> | undefined {
    let earliest: Fifo<Item> | undefined;
    let [at, rank] = [Infinity, Infinity];
    for (const queue of this.#waiting.values()) {
      const item = queue.at(0);
      if (item === undefined) continue;
      const itemRank = ranks[item.kind] ?? lastRank;
      if (item.at > at || item.at === at && itemRank >= rank) continue;
      [earliest, at, rank] = [queue, item.at, itemRank];
    }
    return earliest;
  }
}

/** The source whose items keep their order: a server, the dashboard, or what its clients have seen. */
function sourceOf(item: Item): string {
  if ("server" in item) return item.server;
  return item.kind === "seen" || item.kind === "forgotten" ? "seen" : "";
}

/**
 * What a client that is not the dashboard's has seen by an answer, if none of them has seen it
 * before. `state` is the state before the answer.
 */
function seenByOthers(state: State, item: Item): Item[] {
  switch (item.kind) {
    case "put_ok":
    case "write_ok":
    case "conflict":
      break;
    case "get":
      if (!("refused" in item)) break;
      return [];
    default:
      return [];
  }
  if (clientOf(state, item.client) !== others) return [];
  const { at, key, server } = item;
  const timestamp = item.kind === "get" ? item.own : item.timestamp;
  const before = state.clients.get(others)?.seen.get(key)?.timestamp ?? -1;
  if (timestamp <= before) return [];
  const written = state.table.get(key)?.get(server);
  const copy = "value" in item ? item : written?.timestamp === timestamp ? written : undefined;
  if (copy === undefined) return [];
  return [{ kind: "seen", at, client: others, key, value: copy.value, timestamp }];
}
