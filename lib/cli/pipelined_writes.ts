/**
 * Writes of many lines at the same time.
 *
 * @module
 */

/** Writes at the same time. */
const writesMax = 256;

/** Keys and values of all writes under way, in UTF-16 units. A longer one goes alone. */
const charsMax = 8 * 1024 * 1024;

/** Where an import has ended early. */
export interface Stop {
  /** The first line that is not imported for certain. */
  readonly line: number;
  /** Why it has ended; `undefined` if a signal has ended it. */
  readonly error: unknown;
}

/**
 * Writes at the same time, up to {@linkcode writesMax} and {@linkcode charsMax}.
 *
 * - Two writes of one key are carried out in the order of their lines.
 * - After a failure no write begins.
 */
export class PipelinedWrites {
  readonly #write: (key: string, value: string) => Promise<void>;
  /** The writes under way by their keys. None of them ever fails. */
  readonly #running = new Map<string, Promise<void>>();
  #chars = 0;
  /** The failure with the lowest line. */
  #stop: Stop | undefined;
  #freed = Promise.withResolvers<void>();

  /** Begins each write with `write`. */
  constructor(write: (key: string, value: string) => Promise<void>) {
    this.#write = write;
  }

  /** Whether a write has failed. */
  get failed(): boolean {
    return this.#stop !== undefined;
  }

  /** Begins the write of a line. Resolves once it has begun, or if another one has failed. */
  async start(line: number, key: string, value: string): Promise<void> {
    const chars = key.length + value.length;
    while (!this.#hasRoom(key, chars)) {
      await this.#freed.promise;
    }
    // The lines before this one may still fail. If one did, this line is not written.
    if (this.failed) return;
    this.#chars += chars;
    this.#running.set(key, this.#run(line, key, value, chars));
  }

  /** Resolves when all writes have ended, with the failure of the lowest line. */
  async finish(): Promise<Stop | undefined> {
    while (this.#running.size > 0) await this.#freed.promise;
    return this.#stop;
  }

  #hasRoom(key: string, chars: number): boolean {
    if (this.#running.size === 0) return true;
    return this.#running.size < writesMax && this.#chars + chars <= charsMax &&
      !this.#running.has(key);
  }

  async #run(line: number, key: string, value: string, chars: number): Promise<void> {
    try {
      await this.#write(key, value);
    } catch (error) {
      if (this.#stop === undefined || line < this.#stop.line) this.#stop = { line, error };
    }
    this.#running.delete(key);
    this.#chars -= chars;
    this.#freed.resolve();
    this.#freed = Promise.withResolvers();
  }
}
