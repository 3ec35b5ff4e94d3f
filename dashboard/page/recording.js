// @ts-check
/**
 * A bounded recording of the feed's items, with the state at any position of it.
 *
 * @module
 */

import { itemsMax, segmentItemsMax, segmentsMax } from "./limits.js";
import { apply, copyState } from "./state.js";

/** @import { Item } from "../server/item.ts" */
/** @import { State } from "../server/state.ts" */

/**
 * A state, and the items that come after it. Both are read-only.
 *
 * @typedef {{ readonly keyframe: State, readonly items: readonly Item[] }} RecordingPart
 */

/**
 * The items of the feed in segments. Each segment begins with a keyframe, that is, the whole state.
 *
 * - A position is a number of items since the page was opened, and never changes its meaning. The
 *   state at a position is the state after that number of items.
 * - `first` ≤ every valid position ≤ `end`.
 * - The oldest segments are dropped.
 */
export class Recording {
  /**
   * The segments, at least one. Each begins at the position where the one before it ends.
   *
   * `follows` says whether the keyframe follows from the segment before: no items were lost.
   *
   * @type {{ readonly begin: number, readonly keyframe: State, readonly items: Item[],
   *   readonly follows: boolean }[]}
   */
  #segments;
  /** @type {State} The state at the end. */
  #last;
  #end = 0;
  #itemsMax;

  /**
   * @param {State} start the state at position 0
   * @param {number} [max] items that the recording keeps
   */
  constructor(start, max = itemsMax) {
    this.#last = start;
    this.#itemsMax = max;
    this.#segments = [{ begin: 0, keyframe: copyState(start), items: [], follows: false }];
  }

  /** The oldest position. */
  get first() {
    return this.#segments[0]?.begin ?? 0;
  }

  /** The newest position. */
  get end() {
    return this.#end;
  }

  /** The state at the end. Read-only. */
  get last() {
    return this.#last;
  }

  /**
   * Records an item.
   *
   * @param {Item} item
   */
  push(item) {
    const segment = this.#segments.at(-1);
    if (segment === undefined || segment.items.length === segmentItemsMax) {
      this.#beginSegment(copyState(this.#last), true, item);
    } else segment.items.push(item);
    apply(this.#last, item);
    this.#end++;
    this.#dropOldest();
  }

  /**
   * Continues from a keyframe of the feed, after items were lost.
   *
   * @param {State} state
   */
  continueFrom(state) {
    this.#last = state;
    if (this.#segments.at(-1)?.items.length === 0) this.#segments.pop();
    this.#beginSegment(copyState(state), false);
    this.#dropOldest();
  }

  /**
   * Whether a segment begins at a position. If items were lost, the state there does not follow
   * from the item before.
   *
   * @param {number} position
   */
  isKeyframe(position) {
    return this.#segments.some(({ begin }) => begin === position);
  }

  /**
   * All of the recording: one part, or several if items were lost between them.
   *
   * @returns {RecordingPart[]}
   */
  parts() {
    /** @type {{ keyframe: State, items: Item[] }[]} */
    const parts = [];
    for (const { keyframe, items, follows } of this.#segments) {
      const last = follows ? parts.at(-1) : undefined;
      if (last === undefined) parts.push({ keyframe, items: [...items] });
      else last.items.push(...items);
    }
    return parts;
  }

  /**
   * The item between a position and the next one.
   *
   * @param {number} position
   * @returns {Item | undefined} `undefined` if the position is not in the recording
   */
  itemAt(position) {
    if (position < this.first || position >= this.#end) return undefined;
    const segment = this.#segmentOf(position);
    return segment.items[position - segment.begin];
  }

  /**
   * The state at a position. The caller may change it.
   *
   * @param {number} position
   * @returns {State}
   * @throws {RangeError} if the position is no longer in the recording
   */
  stateAt(position) {
    const segment = this.#segmentOf(position);
    const state = copyState(segment.keyframe);
    for (const item of segment.items.slice(0, position - segment.begin)) apply(state, item);
    return state;
  }

  /**
   * @param {State} keyframe
   * @param {boolean} follows
   * @param {Item[]} items
   */
  #beginSegment(keyframe, follows, ...items) {
    this.#segments.push({ begin: this.#end, keyframe, items, follows });
  }

  /** Drops whole segments, so that the recording always begins with a keyframe. */
  #dropOldest() {
    while (
      this.#segments.length > segmentsMax ||
      this.#segments[1] !== undefined && this.#end - this.#segments[1].begin >= this.#itemsMax
    ) this.#segments.shift();
  }

  /** @param {number} position */
  #segmentOf(position) {
    const segment = this.#segments.findLast(({ begin }) => begin <= position);
    if (segment === undefined) {
      throw new RangeError(`position ${position} is before ${this.first}, the oldest one kept`);
    }
    return segment;
  }
}
