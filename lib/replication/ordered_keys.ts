/**
 * A set of keys in the order of their bytes in UTF-8.
 *
 * @module
 */

import { commonChars, compareKeys } from "../wire/key_order.ts";
import { assert } from "./invariant.ts";
import { markBase, markOf } from "./key_mark.ts";
import { placeOf } from "./sorted_runs.ts";

/** Keys in one leaf. */
export const leafKeysMax = 256;

/** Neighbours with fewer keys together become one leaf. */
const mergedKeysMax = leafKeysMax / 2;

/** UTF-16 units in a mark. That many digits fit into a double. */
const markChars = 7;
const firstDigit = markBase ** (markChars - 1);

/**
 * A set of keys in the order of their bytes in UTF-8: a tree of two levels, whose root is an array.
 *
 * - It takes some 25 bytes for a key, without the text, which it shares with the caller.
 * - Keys are added in their order, many at once: a leaf is looked at once for all of its keys.
 * - With a million keys the root has some 5,000 leaves.
 * - What costs time is to look at texts that are not in the processor's cache. So numbers are looked at
 *   first, see {@linkcode MarkedKeys}.
 */
export class OrderedKeys {
  /** Invariant: no leaf is empty, unless it is the only one; all keys rise over all leaves. */
  #leaves = [new MarkedKeys([])];
  /** Invariant: the first key of each leaf but the first one. */
  #firsts = new MarkedKeys([]);

  /** Adds keys in rising order, apart from those that are there already. */
  addAll(keys: readonly string[]): void {
    for (let from = 0; from < keys.length;) {
      const number = this.#leafOf(keys[from]!);
      const bound = this.#firsts.keys[number];
      let to = Math.min(keys.length, from + leafKeysMax);
      if (bound !== undefined) {
        let step = 1; // most often there are few
        while (from + step < to && compareKeys(keys[from + step]!, bound) < 0) step *= 2;
        to = placeOf(bound, keys, from + (step >> 1), Math.min(to, from + step));
      }
      this.#addTo(number, keys.slice(from, to));
      from = to;
    }
  }

  /** Adds at most `leafKeysMax` keys in rising order, all of which come after the keys of the set. */
  append(keys: string[]): void {
    const last = this.#leaves.at(-1)!.keys.at(-1);
    if (last !== undefined && keys[0] === last) keys.shift();
    if (keys.length === 0) return;
    const leaf = new MarkedKeys(keys.slice()); // without room for more
    if (last === undefined) this.#leaves = [leaf];
    else {
      this.#firsts.insert(this.#firsts.keys.length, keys[0]!);
      this.#leaves.push(leaf);
    }
  }

  /** Removes a key. Returns `false` if it is not there. */
  delete(key: string): boolean {
    const number = this.#leafOf(key);
    const leaf = this.#leaves[number]!;
    const at = leaf.place(key);
    if (leaf.keys[at] !== key) return false;
    leaf.remove(at);
    if (leaf.keys.length === 0) this.#remove(number);
    else {
      if (at === 0 && number > 0) {
        this.#firsts.remove(number - 1);
        this.#firsts.insert(number - 1, leaf.keys[0]!);
      }
      this.#merge(number, leaf);
    }
    return true;
  }

  /**
   * The keys from `first` on, without `first` itself if `after`. The set must not change during the walk.
   */
  *from(first: string, after = false): Generator<string, undefined> {
    let number = this.#leafOf(first);
    let at = this.#leaves[number]!.place(first);
    if (after && this.#leaves[number]!.keys[at] === first) at++;
    for (; number < this.#leaves.length; number++, at = 0) {
      const { keys } = this.#leaves[number]!;
      for (; at < keys.length; at++) yield keys[at]!;
    }
  }

  /** Removes all keys. */
  clear(): void {
    this.#leaves = [new MarkedKeys([])];
    this.#firsts = new MarkedKeys([]);
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if one is broken.
   */
  checkInvariants(): void {
    let last: string | undefined;
    for (const [number, leaf] of this.#leaves.entries()) {
      const { keys } = leaf;
      assert(keys.length > 0 || this.#leaves.length === 1, `leaf ${number} is empty`);
      assert(keys.length <= leafKeysMax, `leaf ${number} has ${keys.length} keys`);
      const first = this.#firsts.keys[number - 1];
      assert(number === 0 || keys[0] === first, `leaf ${number} begins elsewhere`);
      leaf.checkInvariants();
      for (const key of keys) {
        assert(last === undefined || compareKeys(last, key) < 0, `"${last}" is before "${key}"`);
        last = key;
      }
    }
    this.#firsts.checkInvariants();
    assert(this.#firsts.keys.length === this.#leaves.length - 1, "the root has other leaves");
  }

  /** The number of the leaf that has the key, or would have it. */
  #leafOf(key: string): number {
    const at = this.#firsts.place(key);
    return this.#firsts.keys[at] === key ? at + 1 : at;
  }

  /**
   * Adds keys to a leaf, and splits it if it has too many. If the last leaf grows at its end, the left
   * part keeps more keys, so that rising keys fill leaves.
   */
  #addTo(number: number, added: readonly string[]): void {
    const leaf = this.#leaves[number]!;
    const last = leaf.keys.at(-1);
    leaf.addAll(added);
    const { length } = leaf.keys;
    if (length <= leafKeysMax) return;
    const grows = number === this.#leaves.length - 1 &&
      leaf.keys[length - added.length - 1] === last;
    const right = leaf.cut(grows ? leafKeysMax : length >> 1);
    this.#leaves.splice(number + 1, 0, right);
    this.#firsts.insert(number, right.keys[0]!);
  }

  #merge(number: number, leaf: MarkedKeys): void {
    const next = this.#leaves[number + 1];
    if (next === undefined || leaf.keys.length + next.keys.length > mergedKeysMax) return;
    this.#leaves[number] = new MarkedKeys([...leaf.keys, ...next.keys]);
    this.#remove(number + 1);
  }

  #remove(number: number): void {
    if (this.#leaves.length === 1) return;
    this.#leaves.splice(number, 1);
    this.#firsts.remove(Math.max(0, number - 1));
  }
}

/**
 * Keys in rising order.
 *
 * Beside each key stands its mark: a number made of the seven UTF-16 units that follow what all the keys
 * have in common. Marks have the order of the keys. Only where they are equal the texts decide.
 */
class MarkedKeys {
  /** Invariant: in rising order. */
  readonly keys: string[];
  /** Invariant: the mark of each key. `undefined` until they are needed: many leaves are never looked at. */
  #made: number[] | undefined;
  /** Invariant: all keys have this many UTF-16 units in common at their start. */
  #common = 0;

  /** These keys. `marks` are theirs, made after `common` units. */
  constructor(keys: string[], marks?: number[], common = 0) {
    this.keys = keys;
    this.#made = marks;
    this.#common = common;
  }

  get #marks(): number[] {
    return this.#made ?? this.#mark();
  }

  /** The place of the first key that is not before `key`. */
  place(key: string): number {
    const { keys } = this;
    const [first] = keys;
    if (first === undefined) return 0;
    const marks = this.#marks;
    const common = this.#common;
    if (commonChars(first, key, 0) < common) return compareKeys(first, key) > 0 ? 0 : keys.length;
    const mark = markOf(key, common, firstDigit);
    let low = 0;
    let high = marks.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      const other = marks[middle]!;
      if (other < mark || (other === mark && compareKeys(keys[middle]!, key, common) < 0)) {
        low = middle + 1;
      } else high = middle;
    }
    return low;
  }

  /** Adds keys in rising order, apart from those that are there already. */
  addAll(added: readonly string[]): void {
    const { keys } = this;
    let marks = this.#marks;
    const first = keys[0] ?? added[0]!;
    const common = Math.min(
      this.#common,
      commonChars(first, added[0]!, 0),
      commonChars(first, added.at(-1)!, 0),
    );
    if (common < this.#common) marks = this.#mark(common);
    let from = keys.length - 1;
    let to = from + added.length;
    for (const key of added) { // room
      keys.push(key);
      marks.push(0);
    }
    for (let next = added.length - 1; next >= 0; next--) {
      const key = added[next]!;
      const mark = markOf(key, common, firstDigit);
      let order = 1;
      while (from >= 0) {
        order = mark - marks[from]!;
        if (order === 0) order = compareKeys(key, keys[from]!, common);
        if (order >= 0) break;
        keys[to] = keys[from]!;
        marks[to--] = marks[from--]!;
      }
      if (order === 0 || key === added[next - 1]) continue; // it is there already, or comes once more
      keys[to] = key;
      marks[to--] = mark;
    }
    if (to === from) return;
    keys.splice(from + 1, to - from); // where keys were there already
    marks.splice(from + 1, to - from);
  }

  insert(at: number, key: string): void {
    const { keys } = this;
    const first = keys[0] ?? key;
    keys.splice(at, 0, key);
    if (commonChars(first, key, 0) < this.#common) this.#mark();
    else this.#made?.splice(at, 0, markOf(key, this.#common, firstDigit));
  }

  remove(at: number): void {
    this.keys.splice(at, 1);
    this.#made?.splice(at, 1);
  }

  /** Takes the keys from `at` on out of these. */
  cut(at: number): MarkedKeys {
    const right = new MarkedKeys(this.keys.splice(at), this.#made?.splice(at), this.#common);
    this.#sharpen();
    right.#sharpen();
    return right;
  }

  checkInvariants(): void {
    const marks = this.#made;
    if (marks === undefined) return;
    assert(marks.length === this.keys.length, "there is not one mark for each key");
    for (const [at, key] of this.keys.entries()) {
      assert(
        marks[at] === markOf(key, this.#common, firstDigit),
        `"${key}" has another mark`,
      );
      assert(commonChars(key, this.keys[0]!, 0) >= this.#common, `"${key}" begins otherwise`);
    }
  }

  /** Makes other marks if no key differs at the first digit: they would tell more apart. */
  #sharpen(): void {
    const marks = this.#made;
    if (marks === undefined) return;
    const first = Math.floor(marks[0]! / firstDigit);
    if (first > 0 && first === Math.floor(marks.at(-1)! / firstDigit)) this.#mark();
  }

  /** Makes the marks of all keys, after `common` units. */
  #mark(
    common = this.keys.length === 0 ? 0 : commonChars(this.keys[0]!, this.keys.at(-1)!, 0),
  ): number[] {
    const { keys } = this;
    this.#common = common;
    return this.#made = keys.map((key) => markOf(key, common, firstDigit));
  }
}
