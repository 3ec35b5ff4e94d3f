/**
 * A value that is kept up to date.
 *
 * @module
 */

import { deferred } from "../../deferred.ts";
import type { KvClient } from "../kv_client.ts";
import type { WatchEvent, WatchEvents } from "../results.ts";

/** The options of a {@linkcode watched} value. */
export interface WatchedOptions {
  /** Ends it. */
  readonly signal?: AbortSignal | undefined;
  /** Is called with what `parse` throws for a later value. */
  readonly onError?: ((error: unknown) => void) | undefined;
}

/** Makes a value of the text of a key, `null` if the key does not exist. It may throw. */
export type Parse<T> = (text: string | null, timestamp: number) => T;

/** A watch whose first state has been read. */
interface Begun {
  readonly watch: WatchEvents;
  readonly text: string | null;
  readonly timestamp: number;
}

/**
 * The newest value of a key that this program has seen.
 *
 * - If a text cannot be parsed, `value` stays and `error` says why, until the next one that can.
 * - While no server sends changes, `value` may be old, and `disconnectedSince` says since when.
 * - If it fails for good, `value` stays, `ended` resolves with the error, and loops over it throw it.
 */
export class Watched<T> implements AsyncIterable<T, undefined>, AsyncDisposable {
  /** Resolves when it has ended: with the error, or `undefined` if it was closed. Never rejects. */
  readonly ended: Promise<unknown>;
  readonly #watch: WatchEvents;
  readonly #parse: Parse<T>;
  readonly #same: (a: T, b: T) => boolean;
  readonly #onError: ((error: unknown) => void) | undefined;
  #value: T;
  #timestamp: number;
  #error: unknown;
  #disconnectedSince: Date | undefined;
  /** Counts the values. */
  #version = 1;
  /** Resolves at the next value or at the end. */
  #changed = deferred<void>();
  #end: { readonly error: unknown } | undefined;

  private constructor(
    { watch, text, timestamp }: Begun,
    parse: Parse<T>,
    same: (a: T, b: T) => boolean,
    { onError }: WatchedOptions,
  ) {
    this.#watch = watch;
    this.#parse = parse;
    this.#same = same;
    this.#onError = onError;
    this.#value = parse(text, timestamp);
    this.#timestamp = timestamp;
    this.ended = this.#run();
  }

  /** Begins to watch, see {@linkcode watched}. `same` says which values are no change. */
  static async begin<T>(
    client: KvClient,
    key: string,
    parse: Parse<T>,
    options: WatchedOptions,
    same: (a: T, b: T) => boolean = Object.is,
  ): Promise<Watched<T>> {
    const { signal } = options;
    const watch = client.watch(key, { signal });
    try {
      return new Watched(await begun(watch, signal), parse, same, options);
    } catch (error) {
      await watch.return();
      throw error;
    }
  }

  /** The newest value that could be parsed. */
  get value(): T {
    return this.#value;
  }

  /** The timestamp of `value`: of its write, or from when the key is known not to exist. */
  get timestamp(): number {
    return this.#timestamp;
  }

  /** What `parse` threw for the newest text, `undefined` if it could be parsed. */
  get error(): unknown {
    return this.#error;
  }

  /** Since when no server sends changes, `undefined` if one does. */
  get disconnectedSince(): Date | undefined {
    return this.#disconnectedSince;
  }

  /** The value, and then each newer one. Values that come while the loop is busy are passed over. */
  async *[Symbol.asyncIterator](): AsyncGenerator<T, undefined> {
    let version = 0;
    for (;;) {
      if (version !== this.#version) {
        version = this.#version;
        yield this.#value;
      } else if (this.#end === undefined) await this.#changed.promise;
      else if (this.#end.error === undefined) return;
      else throw this.#end.error;
    }
  }

  /** Ends it. `value` stays. */
  async close(): Promise<void> {
    await this.#watch.return();
    await this.ended;
  }

  /** The same as {@linkcode Watched.close}. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #run(): Promise<unknown> {
    let error: unknown;
    try {
      await this.#follow();
    } catch (cause) {
      error = cause;
      await this.#watch.return();
    }
    this.#end = { error };
    this.#changed.resolve();
    return error;
  }

  async #follow(): Promise<void> {
    /** The state after a reset, until it is complete. */
    let state: { text: string | null; timestamp: number } | undefined;
    for await (const event of this.#watch) {
      if (event.type === "disconnected") this.#disconnectedSince = event.since;
      else if (event.type === "connected") this.#disconnectedSince = undefined;
      else if (event.type === "reset") state = { text: null, timestamp: event.timestamp };
      else if (event.type === "ready") {
        if (state !== undefined) this.#take(state.text, state.timestamp);
        state = undefined;
      } else {
        const change = { text: textOf(event), timestamp: event.timestamp };
        if (state === undefined) this.#take(change.text, change.timestamp);
        else state = change;
      }
    }
  }

  #take(text: string | null, timestamp: number): void {
    let value: T;
    try {
      value = this.#parse(text, timestamp);
    } catch (error) {
      this.#error = error;
      this.#onError?.(error);
      return;
    }
    this.#error = undefined;
    this.#timestamp = timestamp;
    if (this.#same(value, this.#value)) return;
    this.#value = value;
    this.#version++;
    this.#changed.resolve();
    this.#changed = deferred();
  }
}

/** Reads the first state of a watch of one key. */
async function begun(
  watch: WatchEvents,
  signal: AbortSignal | undefined,
): Promise<Begun> {
  let text: string | null = null;
  let timestamp = 0;
  for (;;) {
    const { done, value: event } = await watch.next();
    if (done) throw signal!.reason; // nothing else ends it without an error
    if (event.type === "put" || event.type === "delete") {
      text = textOf(event);
      timestamp = event.timestamp;
    } else if (event.type === "reset") text = null;
    else if (event.type === "ready") {
      return { watch, text, timestamp: text === null ? event.timestamp : timestamp };
    }
  }
}

function textOf(event: WatchEvent & { type: "put" | "delete" }): string | null {
  return event.type === "put" ? event.value : null;
}

/**
 * Keeps a value up to date: `parse` makes it of the text of the key, and of `null` if the key does not
 * exist. Resolves when the first value is there.
 *
 * ```ts
 * import { KvClient } from "../kv_client.ts";
 * import { watched } from "../recipes.ts";
 *
 * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
 * await using limit = await watched(client, "config/limit", (text) => Number(text ?? 10));
 * console.log(limit.value); // 10
 * ```
 *
 * @throws {InvalidArgumentError} if an argument is wrong.
 * @throws {AccessError} if no server can be used.
 * @throws {ClientClosedError} if the client was closed.
 * @throws the signal's reason if it is aborted first, and what `parse` throws for the first text.
 */
export async function watched<T>(
  client: KvClient,
  key: string,
  parse: Parse<T>,
  options: WatchedOptions = {},
): Promise<Watched<T>> {
  return await Watched.begin(client, key, parse, options);
}
