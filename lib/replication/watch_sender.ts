/**
 * Sends watchers what is to be told to them, as fast as they read.
 *
 * @module
 */

import { Changes } from "../mensagem.ts";
import { type Frames, sizeOf } from "../wire/frames.ts";
import type { Found } from "./backlog.ts";
import type { Store } from "./store.ts";
import type { WatchRegistry } from "./watch_registry.ts";
import { changesFrameChars, changesPerFrame, type Watcher, type WatchLink } from "./watcher.ts";

/** Unsent text of a connection above which its watchers have to wait: UTF-16 units, and bytes. */
export const watchUnsentChars: number = 256 * 1024;

/** Changes that leave in one slice of work. It takes 1 to 4 ms. */
const sliceChanges = 16_384;

/** What a CHANGES costs besides its changes, counted in changes. */
const frameChanges = 12;

/** Sends CHANGES. */
export class WatchSender {
  readonly #store: Store;
  readonly #registry: WatchRegistry;
  readonly #wake: () => void;
  /** Watchers that may have something to be sent. */
  readonly #ready = new Set<Watcher>();
  /** Watchers that have something to be sent, and whose connection must be read first. */
  readonly #blocked = new Set<Watcher>();
  /** What the last CHANGES without flags had. */
  #last = { elements: [] as readonly Frames[], timestamp: -1, body: "" as Frames };
  /** The time of the last tick, in milliseconds. */
  nowMs = 0;
  /** Changes that were sent since the start, counted for each watcher. */
  changes = 0;

  /** Sends nothing yet. `wake` is called when `send` has something to do. */
  constructor(store: Store, registry: WatchRegistry, wake: () => void) {
    this.#store = store;
    this.#registry = registry;
    this.#wake = wake;
  }

  /** Whether something may be sent now. */
  get due(): boolean {
    return this.#ready.size > 0;
  }

  /** A watcher may have something to be sent. */
  add(watcher: Watcher): void {
    if (this.#blocked.has(watcher)) return;
    this.#ready.add(watcher);
    this.#wake();
  }

  /** A watch has ended. */
  delete(watcher: Watcher): void {
    this.#ready.delete(watcher);
    this.#blocked.delete(watcher);
  }

  /**
   * Sends a slice of what is due. Calls `told` with each watcher that was told everything that was found
   * for its beginning.
   */
  send(told: (watcher: Watcher) => void): void {
    let left = sliceChanges;
    for (const watcher of this.#ready) {
      if (left <= 0) return;
      this.#ready.delete(watcher);
      left -= this.#sendLive(watcher);
      const waits = watcher.next < Infinity || this.#blocked.has(watcher); // and comes before
      if (waits || watcher.backlog === undefined) continue;
      left -= this.#sendBacklog(watcher, left, told);
      if (watcher.backlog === undefined) left -= this.#sendLive(watcher);
    }
  }

  /** Wakes the watchers whose connections were read meanwhile. */
  unblock(): void {
    for (const watcher of this.#blocked) this.#unblock(watcher);
  }

  /** Sends a CHANGES. */
  put(watcher: Watcher, elements: readonly Frames[], timestamp: number): void {
    const { link, id, reset, answered } = watcher;
    const more = watcher.hasMore(timestamp);
    watcher.begun ||= !more;
    const body = reset || more
      ? Changes.body(elements, timestamp, { reset, more })
      : this.#bodyOf(elements, timestamp);
    const frame = Changes.frame(id, body);
    watcher.sentTo = timestamp;
    watcher.reset = false;
    watcher.answered = true;
    this.changes += elements.length;
    watcher.toldAtMs = this.nowMs;
    this.#registry.touch(watcher, this.nowMs);
    if (answered) link.push(frame);
    else link.send(frame);
  }

  /** The body of a CHANGES without flags, which most watchers share with the one before. */
  #bodyOf(elements: readonly Frames[], timestamp: number): Frames {
    if (this.#registry.size === 1) return Changes.body(elements, timestamp);
    const last = this.#last;
    const isSame = last.timestamp === timestamp && last.elements.length === elements.length &&
      elements.every((element, at) => element === last.elements[at]);
    if (!isSame) this.#last = { elements, timestamp, body: Changes.body(elements, timestamp) };
    return this.#last.body;
  }

  /** Sends what was found for the beginning. Returns what it cost, counted in changes. */
  #sendBacklog(watcher: Watcher, most: number, told: (watcher: Watcher) => void): number {
    const backlog = watcher.backlog!;
    let cost = 0;
    while (true) {
      if (this.#block(watcher)) return cost;
      if (cost >= most) {
        this.#ready.add(watcher);
        return cost;
      }
      cost += frameChanges;
      const elements: Frames[] = [];
      let chars = 0;
      let last = watcher.sentTo;
      // Most of what was found may have changed again: then many are looked at for one that is sent.
      while (elements.length < changesPerFrame && chars < changesFrameChars && cost < most) {
        const found = backlog.take();
        if (found === undefined) break;
        cost++;
        last = found.timestamp;
        const element = this.#elementOf(found);
        if (element === undefined) continue;
        elements.push(element);
        chars += sizeOf(element);
      }
      if (backlog.size === 0) {
        this.#endBacklog(watcher, elements, told);
        return cost;
      }
      // Changes may share a timestamp: then it is complete only with the last of them.
      this.put(watcher, elements, Math.max(watcher.sentTo, Math.min(last, backlog.next - 1)));
    }
  }

  /** Sends the last CHANGES of the beginning. */
  #endBacklog(watcher: Watcher, elements: Frames[], told: (watcher: Watcher) => void): void {
    const { again, begun, backlogUpTo } = watcher;
    const { timestamp } = this.#store;
    watcher.endBacklog();
    // If nothing waits, the watcher has everything that the table has.
    const upTo = again || watcher.next <= timestamp ? backlogUpTo : timestamp;
    // What was found and has changed again was left out: its newer state waits.
    watcher.wholeAt = Math.max(watcher.wholeAt, watcher.last);
    if (!begun || elements.length > 0) this.put(watcher, elements, upTo);
    else watcher.sentTo = upTo;
    told(watcher);
  }

  /** The text of a change that was found; `undefined` if the key has changed again since. */
  #elementOf({ key, timestamp, deleted }: Found): Frames | undefined {
    if (deleted) return `[${JSON.stringify(key)},null,${timestamp}]`;
    const entry = this.#store.get(key);
    return entry?.timestamp === timestamp ? entry.element(key) : undefined;
  }

  /** Sends the changes that wait. Returns what it cost, counted in changes. */
  #sendLive(watcher: Watcher): number {
    const { timestamp } = this.#store;
    let cost = 0;
    while (watcher.next <= timestamp) {
      if (this.#block(watcher)) return cost;
      const before = watcher.pendingChars;
      const taken = watcher.take(timestamp);
      this.#registry.pendingChars -= before - watcher.pendingChars;
      const last = taken.at(-1)!.timestamp;
      const hasAll = watcher.next > timestamp && !watcher.expectsBacklog;
      const upTo = hasAll ? timestamp : Math.min(last, watcher.next - 1);
      this.put(watcher, taken.map(({ frames }) => frames), upTo);
      cost += frameChanges + taken.length;
    }
    return cost;
  }

  /** Whether the connection must be read first. Then the watcher waits for that. */
  #block(watcher: Watcher): boolean {
    const { link } = watcher;
    if (link.unsentChars <= watchUnsentChars) return false;
    this.#blocked.add(watcher);
    link.onWritten ??= () => this.#written(link);
    return true;
  }

  #written(link: WatchLink): void {
    link.onWritten = undefined;
    for (const watcher of this.#registry.of(link)) this.#unblock(watcher);
  }

  #unblock(watcher: Watcher): void {
    if (watcher.link.unsentChars > watchUnsentChars) return;
    if (this.#blocked.delete(watcher)) this.add(watcher);
  }
}
