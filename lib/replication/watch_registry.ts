/**
 * Which watches a server has.
 *
 * @module
 */

import { ErrorReply } from "../mensagem.ts";
import { assert } from "./invariant.ts";
import type { Tuning } from "./tuning.ts";
import { WatchTargets } from "./watch_targets.ts";
import type { Watcher, WatchLink } from "./watcher.ts";

/** The bounds of watches that an operator may change. */
export type WatchLimits = Pick<
  Tuning,
  "watchesMax" | "watchesPerConnectionMax" | "unsentChangesMax"
>;

/**
 * The watches of a server: by connection, by what they are about, and by how long ago they were sent
 * something.
 */
export class WatchRegistry implements Iterable<Watcher> {
  readonly #limits: WatchLimits;
  /** By connection, and then by the id of the WATCH. Invariant: no inner map is empty. */
  readonly #byLink = new Map<WatchLink, Map<number, Watcher>>();
  /** Invariant: the one that was sent nothing for the longest time is the first. */
  readonly #all = new Set<Watcher>();
  readonly #targets = new WatchTargets<Watcher>();
  /** Invariant: the size of what waits, of all watchers. Changed with each of them. */
  pendingChars = 0;

  /** No watches. */
  constructor(limits: WatchLimits) {
    this.#limits = limits;
  }

  /** Watches in all. */
  get size(): number {
    return this.#all.size;
  }

  /** All watches, the one that was sent nothing for the longest time first. */
  [Symbol.iterator](): IterableIterator<Watcher> {
    return this.#all.values();
  }

  /** Whether a connection has watches. */
  has(link: WatchLink): boolean {
    return this.#byLink.has(link);
  }

  /** The watch of a connection with this id. */
  get(link: WatchLink, id: number): Watcher | undefined {
    return this.#byLink.get(link)?.get(id);
  }

  /** The watches of a connection. */
  of(link: WatchLink): Watcher[] {
    return [...this.#byLink.get(link)?.values() ?? []];
  }

  /** Calls `visit` with each watch that a key concerns. */
  visit(key: string, visit: (watcher: Watcher) => void): void {
    this.#targets.visit(key, visit);
  }

  /** Why a connection may not have a watch with this id, `undefined` if it may. */
  whyFull(link: WatchLink, id: number): ErrorReply | undefined {
    const { watchesMax, watchesPerConnectionMax } = this.#limits;
    const ofLink = this.#byLink.get(link);
    if (ofLink?.has(id)) {
      return new ErrorReply("BAD_MESSAGE", `this connection has a watch ${id} already`, id);
    }
    const overloaded = (who: string, most: number, flag: string) =>
      new ErrorReply("OVERLOADED", `not watched: ${who} has ${most} watches already (${flag})`, id);
    if (this.#all.size >= watchesMax) {
      return overloaded("this server", watchesMax, "--max-watches");
    }
    return (ofLink?.size ?? 0) < watchesPerConnectionMax
      ? undefined
      : overloaded("this connection", watchesPerConnectionMax, "--max-watches-per-connection");
  }

  /** Adds a watch. */
  add(watcher: Watcher): void {
    const { link, id, target } = watcher;
    const ofLink = this.#byLink.get(link);
    if (ofLink === undefined) this.#byLink.set(link, new Map([[id, watcher]]));
    else ofLink.set(id, watcher);
    this.#all.add(watcher);
    this.#targets.add(target, watcher);
  }

  /** Removes a watch. */
  delete(watcher: Watcher): void {
    const { link, id, target } = watcher;
    const ofLink = this.#byLink.get(link)!;
    ofLink.delete(id);
    if (ofLink.size === 0) this.#byLink.delete(link);
    this.#all.delete(watcher);
    this.#targets.delete(target, watcher);
  }

  /** Notes that a watcher is sent something now. */
  touch(watcher: Watcher, nowMs: number): void {
    watcher.sentAtMs = nowMs;
    this.#all.delete(watcher);
    this.#all.add(watcher);
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if one is broken.
   */
  checkInvariants(): void {
    let chars = 0;
    for (const { pendingChars } of this.#all) chars += pendingChars;
    assert(chars === this.pendingChars, `${this.pendingChars} of ${chars} units wait`);
    let count = 0;
    for (const [link, ofLink] of this.#byLink) {
      assert(ofLink.size > 0, "a connection without watches is kept");
      for (const [id, watcher] of ofLink) {
        assert(watcher.link === link && watcher.id === id, `watch ${id} is at another place`);
        assert(this.#all.has(watcher), `watch ${id} is not counted`);
        count++;
      }
    }
    assert(count === this.#all.size, `${this.#all.size} watches are counted, ${count} are there`);
    let last = 0;
    for (const { sentAtMs } of this.#all) {
      assert(sentAtMs >= last, `${sentAtMs} comes after ${last}`);
      last = sentAtMs;
    }
    this.#targets.checkInvariants();
  }
}
