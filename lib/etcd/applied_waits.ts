/**
 * Requests that wait until this server's table has their write.
 *
 * @module
 */

interface Wait {
  readonly revision: number;
  readonly untilMs: number;
  readonly end: () => void;
}

/** Waits for revisions. Each ends when its revision is applied, or at its time. */
export class AppliedWaits {
  /** By revision. Each is the revision of one write, so two waits never share one. */
  readonly #waits = new Map<number, Wait>();

  /** Waits until {@linkcode AppliedWaits.applied} has got this revision, at most until a time. */
  wait(revision: number, untilMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waits.set(revision, { revision, untilMs, end: resolve });
    return promise;
  }

  /** Everything up to a revision is applied. */
  upTo(revision: number): void {
    this.#endWhere((wait) => wait.revision <= revision);
  }

  /** A write is applied. */
  applied(revision: number): void {
    const wait = this.#waits.get(revision);
    if (wait === undefined) return;
    this.#waits.delete(revision);
    wait.end();
  }

  /** Time has passed. */
  tick(now: number): void {
    this.#endWhere((wait) => wait.untilMs <= now);
  }

  /** Ends all waits. */
  close(): void {
    this.#endWhere(() => true);
  }

  #endWhere(ends: (wait: Wait) => boolean): void {
    for (const wait of this.#waits.values()) {
      if (!ends(wait)) continue;
      this.#waits.delete(wait.revision);
      wait.end();
    }
  }
}
