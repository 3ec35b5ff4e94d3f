// @ts-check
/**
 * A cursor: a position in a recording, and the state there.
 *
 * @module
 */

import { apply } from "./state.js";

/** @import { Item } from "../server/item.ts" */
/** @import { State } from "../server/state.ts" */
/** @import { Recording } from "./recording.js" */

/**
 * A position in a recording, and the state there.
 *
 * - A live cursor follows the end of the recording. Any other cursor stays at its position.
 * - If the recording drops that position, `stay` moves the cursor to the oldest one.
 */
export class Cursor {
  #recording;
  /** The position of a cursor that is not live. */
  #position = 0;
  /** @type {State | undefined} The state at `#position`; `undefined` if the cursor is live. */
  #state;

  /** @param {Recording} recording */
  constructor(recording) {
    this.#recording = recording;
  }

  /** Whether the cursor follows the end of the recording. */
  get live() {
    return this.#state === undefined;
  }

  /** The position of the cursor. */
  get position() {
    return this.live ? this.#recording.end : this.#position;
  }

  /** The state at the cursor. Read-only. */
  get state() {
    return this.#state ?? this.#recording.last;
  }

  /**
   * Moves to a position, or to the nearest valid one, and stays there.
   *
   * @param {number} position
   */
  moveTo(position) {
    const { first, end } = this.#recording;
    this.#position = Math.min(Math.max(position, first), end);
    this.#state = this.#recording.stateAt(this.#position);
  }

  /** Stays at the current position, or at the oldest one if that was dropped. */
  stay() {
    if (this.live || this.#position < this.#recording.first) this.moveTo(this.position);
  }

  /**
   * Moves forward past the next item that is a step.
   *
   * @param {(item: Item) => boolean} isStep
   * @returns {Item | undefined} the item; `undefined` at the end
   */
  forward(isStep) {
    this.stay();
    while (this.#position < this.#recording.end) {
      const item = this.#recording.itemAt(this.#position);
      if (item === undefined || this.#state === undefined) break;
      this.#position++;
      if (this.#recording.isKeyframe(this.#position)) this.moveTo(this.#position);
      else apply(this.#state, item);
      if (isStep(item)) return item;
    }
    return undefined;
  }

  /**
   * Moves back to the position before the last item that is a step.
   *
   * @param {(item: Item) => boolean} isStep
   * @returns {Item | undefined} the item; `undefined` if there is none before the cursor
   */
  back(isStep) {
    this.stay();
    for (let position = this.#position - 1; position >= this.#recording.first; position--) {
      const item = this.#recording.itemAt(position);
      if (item === undefined || !isStep(item)) continue;
      this.moveTo(position);
      return item;
    }
    return undefined;
  }
}
