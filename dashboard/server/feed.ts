/**
 * What the dashboard has seen, put in order and handed to the browsers.
 *
 * @module
 */

import { Fifo } from "../../lib/fifo.ts";
import type { Item, State } from "./item.ts";
import { apply, emptyState, encode } from "../page/state.js";

/** What waits for a browser that reads slowly; beyond that it loses items. */
export const browserBytesMax = 1024 * 1024;

/** Pause between two deliveries of the dashboard to its browsers. */
export const feedPauseMs = 50;

/** How long an event waits for events of other servers that were earlier. */
export const feedHoldMs = 120;

/** Events that wait for others; with more, all are delivered as they are. */
export const feedItemsHeldMax = 10_000;

/** How far an event's time may lie back; a server whose clock is further off has the wrong time. */
export const clockOffMs = 2_000;

/** The order of what has happened at several servers within the same millisecond. */
const ranks: Readonly<Partial<Record<Item["kind"], number>>> = {
  client: 0,
  up: 0,
  table: 1,
  forwarding: 1,
  put: 2,
  written: 3,
  replication: 4,
  acknowledged: 5,
  put_ok: 6,
};

const encoder = new TextEncoder();

/**
 * Items of several servers become one sequence, the same for every browser.
 *
 * - The items of one server keep their order. Those of different servers are ordered by their
 *   times, as far as they come within {@linkcode feedHoldMs}.
 * - A browser gets first the whole state, then items. One that reads too slowly loses items; it is
 *   told how many, and gets the whole state again.
 */
export class Feed implements Disposable {
  readonly #now: () => number;
  /** What has been handed on, added up. */
  readonly #state: State;
  /** What waits for items of other servers that were earlier. By server, "" for the dashboard's own. */
  readonly #held = new Map<string, Fifo<Item>>();
  #heldCount = 0;
  /** By server: the time of its last item. */
  readonly #lastAt = new Map<string, number>();
  readonly #browsers = new Set<Browser>();
  readonly #timer: ReturnType<typeof setInterval>;

  /** A feed of servers, "ip:port" each. `now` gives milliseconds since the epoch. */
  constructor(servers: readonly string[], now: () => number = Date.now) {
    this.#now = now;
    this.#state = emptyState(servers);
    this.#timer = setInterval(() => this.handOn(), feedPauseMs);
  }

  /** The state that browsers know by now. To be read only. */
  get state(): Readonly<State> {
    return this.#state;
  }

  /** The browsers that are connected. */
  get browsers(): number {
    return this.#browsers.size;
  }

  /** Takes what has happened. */
  take(item: Item): void {
    const source = "server" in item ? item.server : "";
    const now = this.#now();
    // A server whose clock is wrong is taken to speak of now.
    const own = item.at > now || item.at < now - clockOffMs ? now : item.at;
    const at = Math.max(own, this.#lastAt.get(source) ?? 0);
    this.#lastAt.set(source, at);
    const held = this.#held.get(source) ?? new Fifo();
    this.#held.set(source, held);
    held.push({ ...item, at });
    if (++this.#heldCount > feedItemsHeldMax) this.handOn(Infinity);
  }

  /** Hands on the items of up to a time. */
  handOn(until = this.#now() - feedHoldMs): void {
    const items: Item[] = [];
    while (true) {
      const first = this.#earliest();
      const item = first?.at(0);
      if (first === undefined || item === undefined || item.at > until) break;
      first.shift();
      this.#heldCount--;
      apply(this.#state, item);
      items.push(item);
    }
    if (items.length === 0) return;
    const chunk = frame("items", JSON.stringify(items));
    for (const browser of this.#browsers) browser.send(chunk, items.length);
  }

  /** The text/event-stream for one more browser. It ends when the browser goes, or the feed ends. */
  subscribe(): ReadableStream<Uint8Array<ArrayBuffer>> {
    const browser = new Browser(
      (lost) => frame("keyframe", encode({ lost, state: this.#state })),
      () => this.#browsers.delete(browser),
    );
    this.#browsers.add(browser);
    return browser.stream;
  }

  /** Ends all streams. */
  [Symbol.dispose](): void {
    clearInterval(this.#timer);
    for (const browser of this.#browsers) browser.end();
    this.#browsers.clear();
  }

  /** The queue whose first item comes first. */
  #earliest(): Fifo<Item> | undefined {
    let earliest: Fifo<Item> | undefined;
    let [at, rank] = [Infinity, Infinity];
    for (const held of this.#held.values()) {
      const item = held.at(0);
      if (item === undefined) continue;
      const itemRank = ranks[item.kind] ?? 9;
      if (item.at > at || item.at === at && itemRank >= rank) continue;
      [earliest, at, rank] = [held, item.at, itemRank];
    }
    return earliest;
  }
}

/** One browser's stream, bounded. */
class Browser {
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  /** Items that it did not get since its last keyframe. */
  #lost = 0;

  constructor(keyframe: (lost: number) => Uint8Array<ArrayBuffer>, gone: () => void) {
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        controller.enqueue(keyframe(0));
      },
      pull: (controller) => {
        if (this.#lost === 0) return;
        controller.enqueue(keyframe(this.#lost));
        this.#lost = 0;
      },
      cancel: gone,
    }, { highWaterMark: browserBytesMax, size: (chunk) => chunk?.byteLength ?? 0 });
  }

  send(chunk: Uint8Array<ArrayBuffer>, items: number): void {
    const room = this.#controller?.desiredSize ?? 0;
    if (this.#lost > 0 || room < chunk.byteLength) this.#lost += items;
    else this.#controller?.enqueue(chunk);
  }

  end(): void {
    this.#controller?.close();
  }
}

/** One event of the stream. JSON holds no line ends. */
function frame(event: string, data: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`event: ${event}\ndata: ${data}\n\n`);
}
