// @ts-check
/**
 * The numbers of messages in the last second, and of those that were drawn.
 *
 * @module
 */

/** The time over which messages are counted. */
const countedMs = 1_000;
/** The messages of this time are counted together, so that few numbers are kept. */
const stepMs = 100;

/** Counts messages. What it keeps does not grow with their number. */
export class Traffic {
  /** @type {{ readonly step: number, all: number, drawn: number }[]} By time, the oldest first. */
  #steps = [];

  /**
   * Adds messages.
   *
   * @param {number} now in milliseconds
   * @param {number} all
   * @param {number} drawn how many of them are drawn
   */
  add(now, all, drawn) {
    const step = Math.floor(now / stepMs);
    let last = this.#steps.at(-1);
    if (last?.step !== step) {
      this.#forget(step);
      this.#steps.push(last = { step, all: 0, drawn: 0 });
    }
    last.all += all;
    last.drawn += drawn;
  }

  /**
   * The messages of the last second.
   *
   * @param {number} now in milliseconds
   */
  last(now) {
    this.#forget(Math.floor(now / stepMs));
    let [all, drawn] = [0, 0];
    for (const one of this.#steps) [all, drawn] = [all + one.all, drawn + one.drawn];
    return { all, drawn };
  }

  /** @param {number} step */
  #forget(step) {
    this.#steps = this.#steps.filter((one) => one.step > step - countedMs / stepMs);
  }
}
