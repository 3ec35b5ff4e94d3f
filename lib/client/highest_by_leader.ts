/**
 * The highest timestamp that was seen under each leader.
 *
 * @module
 */

/**
 * Two timestamps that are further apart than this may have a gap between them: a recovered leader
 * skips at least 2³¹ timestamps (`recoverySkip` in `lib/replication/timestamps.ts`).
 */
export const gapMin: number = 2 ** 30;

/** Leaders, one after the other, that are told apart. The oldest one is forgotten first. */
export const leadersMax = 64;

/**
 * The highest timestamp of each leader.
 *
 * A lost timestamp lies in the gap that the next leader skipped, and so do all later ones of the same
 * leader. So the highest one tells for all of them whether any was lost. It is in doubt from the time
 * at which a later leader is known, until a server has confirmed it.
 */
export class HighestByLeader {
  /** Invariant: they rise, each by more than `gapMin`. All but the last are in doubt. */
  #highest: number[] = [];

  /** The highest of all, `undefined` if there is none. */
  get newest(): number | undefined {
    return this.#highest.at(-1);
  }

  /** The oldest one in doubt, `undefined` if none is. */
  get doubtful(): number | undefined {
    return this.#highest.length > 1 ? this.#highest[0] : undefined;
  }

  /** All of them. */
  get all(): readonly number[] {
    return this.#highest;
  }

  /** Adds a timestamp; 0 says nothing. */
  add(timestamp: number): void {
    if (timestamp === 0) return;
    const highest = this.#highest;
    let i = highest.length; // mostly there is one, and the timestamp is its
    while (i > 0 && highest[i - 1]! - timestamp > gapMin) i--;
    const before = highest[i - 1];
    if (before === undefined || timestamp - before > gapMin) {
      highest.splice(i, 0, timestamp);
      if (highest.length > leadersMax) highest.shift();
    } else if (timestamp > before) highest[i - 1] = timestamp;
  }

  /** Removes what is not in doubt any more: a timestamp, and earlier ones of the same leader. */
  confirm(timestamp: number): void {
    const newest = this.newest;
    this.#highest = this.#highest.filter((one) =>
      one === newest || one > timestamp || timestamp - one > gapMin
    );
  }

  /** Removes all. */
  clear(): void {
    this.#highest = [];
  }
}
