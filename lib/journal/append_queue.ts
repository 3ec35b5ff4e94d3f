/**
 * The records of a journal that wait for the disk.
 *
 * @module
 */

/** Collects records into groups, and counts which of them are durable. */
export class AppendQueue {
  #records = "";
  #appended = 0;
  /** Invariant: never above #appended. */
  #durable = 0;
  /** Resolves at the next change of #durable, or when the queue has failed. */
  #changed = Promise.withResolvers<void>();
  #failed = false;

  /** Whether no record waits. */
  get empty(): boolean {
    return this.#records === "";
  }

  /** Adds a record at the end. */
  append(record: string): void {
    this.#appended++;
    this.#records += record;
  }

  /** Takes all waiting records as one group. `count` is the number of records appended so far. */
  take(): { readonly records: string; readonly count: number } {
    const records = this.#records;
    this.#records = "";
    return { records, count: this.#appended };
  }

  /** Notes that the first `count` records are on the disk. */
  markDurable(count: number): void {
    this.#durable = count;
    this.wake();
  }

  /** Notes that no further record will reach the disk. */
  fail(): void {
    this.#failed = true;
    this.#records = "";
    this.wake();
  }

  /**
   * Waits for all records appended so far, or until `stopped` returns true at a `wake`. Returns
   * whether the records are on the disk.
   */
  async whenDurable(stopped: () => boolean): Promise<boolean> {
    const count = this.#appended;
    while (this.#durable < count && !this.#failed && !stopped()) await this.#changed.promise;
    return this.#durable >= count && !this.#failed;
  }

  /** Wakes all that wait for durable records. */
  wake(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
