/**
 * What watches are about: which of them a changed key concerns.
 *
 * @module
 */

import { KeyMap } from "../key_map.ts";
import type { WatchTarget } from "../mensagem.ts";
import { commonChars } from "../wire/key_order.ts";
import { assert } from "./invariant.ts";

/** The watches of one prefix. */
interface Prefix<W> {
  readonly text: string;
  readonly watches: Set<W>;
  /** The longest other prefix that this one begins with. */
  parent: Prefix<W> | undefined;
}

/**
 * Watches by their key or prefix.
 *
 * A changed key is looked up in a map, and its longest prefix by a binary search. So watches of other
 * keys cost a change almost nothing.
 */
export class WatchTargets<W> {
  readonly #byKey = new KeyMap<Set<W>>();
  /** Invariant: rising, in the order of UTF-16 units, without equal ones. */
  readonly #prefixes: Prefix<W>[] = [];

  /** Adds a watch. */
  add({ key, prefix }: WatchTarget, watch: W): void {
    if (key === undefined) return void this.#take(prefix).watches.add(watch);
    const watches = this.#byKey.get(key);
    if (watches === undefined) this.#byKey.set(key, new Set([watch]));
    else watches.add(watch);
  }

  /** Removes a watch. */
  delete({ key, prefix }: WatchTarget, watch: W): void {
    if (key !== undefined) {
      const watches = this.#byKey.get(key);
      watches?.delete(watch);
      if (watches?.size === 0) this.#byKey.delete(key);
      return;
    }
    const at = this.#lowerBound(prefix);
    const found = this.#prefixes[at];
    if (found?.text !== prefix) return;
    found.watches.delete(watch);
    if (found.watches.size === 0) this.#drop(at, found);
  }

  /** Calls `visit` with each watch that the key concerns. */
  visit(key: string, visit: (watch: W) => void): void {
    if (this.#byKey.size > 0) this.#byKey.get(key)?.forEach(visit);
    if (this.#prefixes.length === 0) return;
    for (let one = this.#longest(key); one !== undefined; one = one.parent) {
      one.watches.forEach(visit);
    }
  }

  /** Whether the key concerns no watch. */
  isFree(key: string): boolean {
    return (this.#byKey.size === 0 || this.#byKey.get(key) === undefined) &&
      (this.#prefixes.length === 0 || this.#longest(key) === undefined);
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if one is broken.
   */
  checkInvariants(): void {
    for (const [at, one] of this.#prefixes.entries()) {
      assert(at === 0 || this.#prefixes[at - 1]!.text < one.text, `"${one.text}" is out of order`);
      const parents = this.#prefixes.filter(({ text }) =>
        text.length < one.text.length && one.text.startsWith(text)
      );
      const longest = parents.sort((a, b) => b.text.length - a.text.length)[0];
      assert(one.parent === longest, `"${one.text}" has the parent "${one.parent?.text}"`);
      assert(one.watches.size > 0, `"${one.text}" has no watches`);
    }
  }

  /**
   * The longest prefix of a text. What stands between it and the text in the order begins with it too:
   * so it is the last one that is not after the text, or one of those which that begins with.
   */
  #longest(text: string): Prefix<W> | undefined {
    let at = this.#lowerBound(text);
    if (this.#prefixes[at]?.text !== text) at--;
    const before = this.#prefixes[at];
    if (before === undefined) return undefined;
    const common = commonChars(before.text, text, 0);
    let one: Prefix<W> | undefined = before;
    while (one !== undefined && one.text.length > common) one = one.parent;
    return one;
  }

  #take(text: string): Prefix<W> {
    const at = this.#lowerBound(text);
    const found = this.#prefixes[at];
    if (found?.text === text) return found;
    const parent = this.#longest(text);
    const added = { text, watches: new Set<W>(), parent };
    this.#prefixes.splice(at, 0, added);
    this.#adopt(at + 1, text, parent, added);
    return added;
  }

  #drop(at: number, dropped: Prefix<W>): void {
    this.#prefixes.splice(at, 1);
    this.#adopt(at, dropped.text, dropped, dropped.parent);
  }

  /** Gives those from `at` on that begin with `text` another parent in place of `from`. */
  #adopt(at: number, text: string, from: Prefix<W> | undefined, to: Prefix<W> | undefined): void {
    for (let next = at; this.#prefixes[next]?.text.startsWith(text); next++) {
      const one = this.#prefixes[next]!;
      if (one.parent === from) one.parent = to;
    }
  }

  /** The place of the first prefix that is not before a text. */
  #lowerBound(text: string): number {
    let low = 0;
    let high = this.#prefixes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#prefixes[middle]!.text < text) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
