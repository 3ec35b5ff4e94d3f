/**
 * A clock that counts only the time in which this program could read what servers sent.
 *
 * @module
 */

/** The time between two ticks. Deadlines are kept to within two of them. */
export const tickMs = 20;

/** If a tick comes later than this after the one before, the event loop was blocked. */
export const stepMsMax = 100;

/** The longest time for which the clock stands still after a block, to read what has come. */
export const catchUpMsMax = 100;

/** The same time as a share of the block. It is at least one tick. So short pauses do not add up. */
const catchUpShare = 1 / 10;

/**
 * A block counts as {@linkcode stepMsMax} if another one has ended less than this time before it. So
 * the clock goes on in a program that is always busy.
 */
export const calmMs = 500;

/**
 * Half of each block counts once the time that did not count is this much longer than the time that
 * did. So the clock runs at least half as fast as that of the system, except for this time and one
 * block, also if this library causes the blocks.
 */
export const debtMsMax = 2_000;

/** An object that waits for deadlines on a {@linkcode LoopClock}. */
export interface Watcher {
  /**
   * Ends the waits whose deadline is not after `due`. All bytes that had arrived by then have been
   * read. Returns whether the clock must call again.
   */
  tick(due: number): boolean;
}

/**
 * A monotonic clock for deadlines, in milliseconds. It stands still while the event loop is blocked.
 *
 * - It never goes back, and never runs faster than the clock of the system.
 * - A deadline is reported at the first tick after the one at which it was over. Between two ticks
 *   the sockets are read.
 * - It has a timer only while something watches it.
 */
export class LoopClock {
  readonly #read: () => number;
  readonly #watchers = new Set<Watcher>();
  #timer: ReturnType<typeof setInterval> | undefined;
  /** This clock's time at `#from`. */
  #base = 0;
  /** A time on the clock of the system. In the future while this clock stands still. */
  #from: number;
  /** The last time that was told. The clock never goes below it. */
  #told = 0;
  /** This clock's time at the last tick. */
  #due = 0;
  /** When the last tick was, and when the last block ended, on the clock of the system. */
  #tickedAt: number;
  #blockedUntil = -Infinity;
  /** The time that did not count, less the time that did, since something watches. At least 0. */
  #debtMs = 0;

  /** A clock that follows the clock of the system. `read` reads that one. */
  constructor(read: () => number = () => performance.now()) {
    this.#read = read;
    this.#from = this.#tickedAt = read();
  }

  /** The time. */
  now(): number {
    const passed = this.#read() - this.#from;
    if (passed <= 0) return this.#base;
    // Without a watcher nothing waits, and all time counts.
    const least = this.#timer === undefined ? passed : Math.min(passed, stepMsMax);
    return this.#told = this.#base + least;
  }

  /** Calls `tick` of a watcher until that returns `false`. */
  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
    if (this.#timer !== undefined) return;
    this.#due = this.#base = this.now();
    this.#tickedAt = this.#read();
    this.#from = Math.max(this.#from, this.#tickedAt);
    this.#timer = setInterval(() => this.tick(), tickMs);
  }

  /** Ends the calls to a watcher. */
  unwatch(watcher: Watcher): void {
    if (this.#watchers.delete(watcher) && this.#watchers.size === 0) this.#stop();
  }

  /** Called by the timer. Tests with a clock of their own call it. */
  tick(): void {
    const due = this.#due;
    this.#moveOn(this.#read());
    this.#due = this.#base;
    for (const watcher of this.#watchers) {
      if (!watcher.tick(due)) this.#watchers.delete(watcher);
    }
    if (this.#watchers.size === 0) this.#stop();
  }

  #moveOn(read: number): void {
    const gapMs = read - this.#tickedAt;
    const blocked = gapMs > stepMsMax;
    const from = this.#base;
    const indebted = this.#debtMs >= debtMsMax;
    if (blocked && !indebted && this.#tickedAt - this.#blockedUntil >= calmMs) {
      const catchUpMs = Math.min(Math.max(gapMs * catchUpShare, tickMs), catchUpMsMax);
      // Times that were told in the blocked turn count: calls were made at these times.
      this.#base = Math.max(this.#base, this.#told);
      this.#from = Math.max(this.#from, read + catchUpMs);
    } else {
      const passed = Math.max(read - this.#from, 0);
      this.#base += Math.min(passed, Math.max(stepMsMax, indebted ? passed / 2 : 0));
      this.#from = Math.max(this.#from, read);
    }
    this.#debtMs = Math.max(this.#debtMs + gapMs - 2 * (this.#base - from), 0);
    this.#tickedAt = read;
    if (blocked) this.#blockedUntil = read;
  }

  #stop(): void {
    this.#moveOn(this.#read());
    this.#debtMs = 0;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

/** The clock of all deadlines of the library. A program has one event loop, so it needs one clock. */
export const loopClock: LoopClock = new LoopClock();
