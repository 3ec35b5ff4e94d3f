// @ts-check
/**
 * The record of what the page was fed, and the state at any moment of it. Bounded: the oldest part
 * is forgotten.
 *
 * @module
 */

import { apply, copyState } from "./state.js";

/** @import { Item, State } from "../server/item.ts" */

/** Items between two keyframes: what a jump has to replay at most. */
export const segmentItemsMax = 256;
/** Items that are kept, all together. */
export const itemsMax = 20_000;
/** Keyframes that are kept: more than the items need, for those that come from the feed. */
export const segmentsMax = 128;

/**
 * Items, and every so often the whole state before them.
 *
 * - A position is a number of items since the page was opened; the state at a position is the state
 *   after so many items. Positions never change their meaning.
 * - `first` ≤ every valid position ≤ `end`.
 */
export class Recording {
  /**
   * At least one. Each begins where the one before it ends.
   *
   * @type {{ readonly base: number, readonly start: State, readonly items: Item[] }[]}
   */
  #segments;
  /** @type {State} The state at the end. */
  #last;
  #end = 0;
  #max;

  /**
   * @param {State} start the state before anything is recorded
   * @param {number} [max] items that are kept
   */
  constructor(start, max = itemsMax) {
    this.#last = start;
    this.#max = max;
    this.#segments = [{ base: 0, start: copyState(start), items: [] }];
  }

  /** The oldest position. */
  get first() {
    return this.#segments[0]?.base ?? 0;
  }

  /** The newest position. */
  get end() {
    return this.#end;
  }

  /** The state at the end. To be read only. */
  get last() {
    return this.#last;
  }

  /** @param {Item} item */
  push(item) {
    const segment = this.#segments.at(-1);
    if (segment === undefined || segment.items.length === segmentItemsMax) {
      this.#begin(copyState(this.#last), item);
    } else segment.items.push(item);
    apply(this.#last, item);
    this.#end++;
    this.#forget();
  }

  /**
   * Goes on from another state: something before it is missing.
   *
   * @param {State} state
   */
  cut(state) {
    this.#last = state;
    if (this.#segments.at(-1)?.items.length === 0) this.#segments.pop();
    this.#begin(copyState(state));
    this.#forget();
  }

  /**
   * True where the state at a position does not follow from the one before.
   *
   * @param {number} position
   */
  isKeyframe(position) {
    return this.#segments.some(({ base }) => base === position);
  }

  /**
   * The item between a position and the next one.
   *
   * @param {number} position
   * @returns {Item | undefined} `undefined` outside of the record
   */
  itemAt(position) {
    if (position < this.first || position >= this.#end) return undefined;
    const segment = this.#segmentOf(position);
    return segment.items[position - segment.base];
  }

  /**
   * The state at a position. The caller may change it.
   *
   * @param {number} position
   * @returns {State}
   */
  stateAt(position) {
    const segment = this.#segmentOf(position);
    const state = copyState(segment.start);
    for (const item of segment.items.slice(0, position - segment.base)) apply(state, item);
    return state;
  }

  /**
   * @param {State} start
   * @param {Item[]} items
   */
  #begin(start, ...items) {
    this.#segments.push({ base: this.#end, start, items });
  }

  /** A whole segment goes at a time, so that there is always a keyframe at the front. */
  #forget() {
    while (
      this.#segments.length > segmentsMax ||
      this.#segments[1] !== undefined && this.#end - this.#segments[1].base >= this.#max
    ) this.#segments.shift();
  }

  /** @param {number} position */
  #segmentOf(position) {
    const segment = this.#segments.findLast(({ base }) => base <= position);
    if (segment === undefined) throw new RangeError(`position ${position} is forgotten`);
    return segment;
  }
}

/**
 * A place in a recording, and the state there: either it follows the end, or it stays where it was
 * put.
 */
export class Cursor {
  #recording;
  #position = 0;
  /** @type {State | undefined} The state at #position; `undefined` while it follows the end. */
  #state;

  /** @param {Recording} recording */
  constructor(recording) {
    this.#recording = recording;
  }

  /** True while it follows the end. */
  get live() {
    return this.#state === undefined;
  }

  get position() {
    return this.live ? this.#recording.end : this.#position;
  }

  /** The state there. To be read only. */
  get state() {
    return this.#state ?? this.#recording.last;
  }

  /** Follows the end from here on. */
  follow() {
    this.#state = undefined;
  }

  /**
   * Stays at a position, or the nearest one that there is.
   *
   * @param {number} position
   */
  moveTo(position) {
    const { first, end } = this.#recording;
    this.#position = Math.min(Math.max(position, first), end);
    this.#state = this.#recording.stateAt(this.#position);
  }

  /** Stays where it is, or at the oldest position where that is forgotten. */
  stay() {
    if (this.live || this.#position < this.#recording.first) this.moveTo(this.position);
  }

  /**
   * Goes forward by one item that counts.
   *
   * @param {(item: Item) => boolean} counts
   * @returns {Item | undefined} the item, `undefined` at the end
   */
  forward(counts) {
    this.stay();
    for (; this.#position < this.#recording.end;) {
      const item = this.#recording.itemAt(this.#position);
      if (item === undefined || this.#state === undefined) break;
      this.#position++;
      if (this.#recording.isKeyframe(this.#position)) this.moveTo(this.#position);
      else apply(this.#state, item);
      if (counts(item)) return item;
    }
    return undefined;
  }

  /**
   * Goes back to where the last item that counts comes next.
   *
   * @param {(item: Item) => boolean} counts
   * @returns {Item | undefined} the item, `undefined` at the oldest position
   */
  back(counts) {
    this.stay();
    for (let position = this.#position - 1; position >= this.#recording.first; position--) {
      const item = this.#recording.itemAt(position);
      if (item === undefined || !counts(item)) continue;
      this.moveTo(position);
      return item;
    }
    return undefined;
  }
}
