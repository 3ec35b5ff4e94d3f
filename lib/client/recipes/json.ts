/**
 * Values in JSON, with their types checked on the way in and out.
 *
 * @module
 */

import { KvError } from "../errors.ts";
import type { KvClient } from "../kv_client.ts";
import type {
  CreateOptions,
  DeleteOptions,
  GetOptions,
  GetResult,
  ListedEntry,
  ListOptions,
  PutResult,
  UpdateResult,
  WatchEvent,
  WatchEvents,
  WatchOptions,
  WriteOptions,
} from "../results.ts";
import type { Change } from "../writing.ts";

/** A value is not what `parse` expects. Nothing was written. */
export class InvalidValueError extends KvError {
  /** Always "INVALID_VALUE". */
  readonly code = "INVALID_VALUE";
  /** The key. */
  readonly key: string;
  /** The timestamp of the value, `undefined` if it was to be written. */
  readonly timestamp: number | undefined;

  /** An error about a value of `key`. The `cause` says what is wrong. */
  constructor(key: string, timestamp: number | undefined, cause: unknown) {
    const what = timestamp === undefined ? "cannot write" : "cannot read";
    const reason = cause instanceof Error ? cause.message : String(cause);
    super(`${what} the value of "${key}": ${reason}`, { cause });
    this.key = key;
    this.timestamp = timestamp;
  }

  static {
    this.prototype.name = "InvalidValueError";
  }
}

/** A result with a value of type `T` in place of a text. */
export type Typed<R extends { value: string | null }, T> = Omit<R, "value"> & {
  /** The value; `null` if the result may lack one and the key does not exist. */
  readonly value: R["value"] extends string ? T : T | null;
};

/** An event of a watch, with values of type `T`. A value that `parse` refuses is told as "invalid". */
export type TypedEvent<T> =
  | Exclude<WatchEvent, { type: "put" }>
  | Typed<Extract<WatchEvent, { type: "put" }>, T>
  | {
    /** The text is not of the type. */
    readonly type: "invalid";
    /** The key. */
    readonly key: string;
    /** The timestamp of the write. */
    readonly timestamp: number;
    /** What is wrong. */
    readonly error: InvalidValueError;
  };

/**
 * The methods of a client, for values of one type in JSON. All throw {@linkcode InvalidValueError} if a
 * value is not of it, besides what the client's own methods throw.
 */
export class JsonClient<T> {
  readonly #client: KvClient;
  readonly #parse: (value: unknown) => T;

  /** Use {@linkcode json}. */
  constructor(client: KvClient, parse: (value: unknown) => T) {
    this.#client = client;
    this.#parse = parse;
  }

  /** {@linkcode KvClient.put} */
  async put(key: string, value: T, options?: WriteOptions): Promise<PutResult> {
    return await this.#client.put(key, this.#textOf(key, value), options);
  }

  /** {@linkcode KvClient.create} */
  async create(key: string, value: T, options?: CreateOptions): Promise<PutResult> {
    return await this.#client.create(key, this.#textOf(key, value), options);
  }

  /** {@linkcode KvClient.delete} */
  async delete(key: string, options?: DeleteOptions): Promise<PutResult> {
    return await this.#client.delete(key, options);
  }

  /** {@linkcode KvClient.get} */
  async get(key: string, options?: GetOptions): Promise<Typed<GetResult, T>> {
    const result = await this.#client.get(key, options);
    return { ...result, value: this.#valueOrNull(key, result.value, result.timestamp) };
  }

  /** {@linkcode KvClient.update} */
  async update(
    key: string,
    change: (
      old: T | null,
      timestamp: number,
    ) => T | null | undefined | Promise<T | null | undefined>,
    options?: CreateOptions,
  ): Promise<Typed<UpdateResult, T>> {
    const textual: Change = async (old, timestamp) => {
      const changed = await change(this.#valueOrNull(key, old, timestamp), timestamp);
      return changed === null
        ? null
        : changed === undefined
        ? undefined
        : this.#textOf(key, changed);
    };
    const result = await this.#client.update(key, textual, options);
    return { ...result, value: this.#valueOrNull(key, result.value, result.timestamp) };
  }

  /** {@linkcode KvClient.list}. Throws at the first value that is not of the type. */
  list(
    prefix?: string,
    options?: ListOptions,
  ): AsyncIterableIterator<Typed<ListedEntry, T>, undefined> {
    return this.#typedEntries(this.#client.list(prefix, options));
  }

  /** {@linkcode KvClient.watch}. A value that is not of the type does not end the watch. */
  watch(
    target: string | { readonly prefix: string },
    options?: WatchOptions,
  ): WatchEvents<TypedEvent<T>> {
    return new TypedWatch(this.#client.watch(target, options), (event) => this.#typed(event));
  }

  async *#typedEntries(
    entries: AsyncIterable<ListedEntry, undefined>,
  ): AsyncGenerator<Typed<ListedEntry, T>, undefined> {
    for await (const { key, value, timestamp } of entries) {
      yield { key, value: this.#valueOf(key, value, timestamp), timestamp };
    }
  }

  #typed(event: WatchEvent): TypedEvent<T> {
    if (event.type !== "put") return event;
    const { type, key, timestamp } = event;
    try {
      return { type, key, value: this.#valueOf(key, event.value, timestamp), timestamp };
    } catch (error) {
      return { type: "invalid", key, timestamp, error: error as InvalidValueError };
    }
  }

  /** The text of a value. It is parsed again: what is read later is what was checked. */
  #textOf(key: string, value: T): string {
    try {
      const text: string | undefined = JSON.stringify(value);
      if (text === undefined) throw new TypeError("the value has no JSON");
      this.#parse(JSON.parse(text));
      return text;
    } catch (error) {
      throw new InvalidValueError(key, undefined, error);
    }
  }

  #valueOf(key: string, text: string, timestamp: number): T {
    try {
      return this.#parse(JSON.parse(text));
    } catch (error) {
      throw new InvalidValueError(key, timestamp, error);
    }
  }

  #valueOrNull(key: string, text: string | null, timestamp: number): T | null {
    return text === null ? null : this.#valueOf(key, text, timestamp);
  }
}

/**
 * A watch whose events are typed. No generator: the end of one waits for the event that its `next` waits
 * for, and nothing of one runs before the first `next`.
 */
class TypedWatch<T> implements WatchEvents<TypedEvent<T>> {
  readonly #watch: WatchEvents;
  readonly #typed: (event: WatchEvent) => TypedEvent<T>;

  constructor(watch: WatchEvents, typed: (event: WatchEvent) => TypedEvent<T>) {
    this.#watch = watch;
    this.#typed = typed;
  }

  async next(): Promise<IteratorResult<TypedEvent<T>, undefined>> {
    const { done, value } = await this.#watch.next();
    return done ? { done, value } : { done: false, value: this.#typed(value) };
  }

  async return(): Promise<IteratorResult<TypedEvent<T>, undefined>> {
    await this.#watch.return();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }
}

/**
 * The methods of a client for values of one type, stored in JSON. `parse` gets what JSON.parse returns,
 * and returns it with its type, or throws. It checks values before they are written and after they are
 * read.
 *
 * ```ts
 * import { KvClient } from "../kv_client.ts";
 * import { json } from "../recipes.ts";
 *
 * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
 * const counters = json(client, (value) => {
 *   if (typeof value !== "number") throw new TypeError("a counter must be a number");
 *   return value;
 * });
 * console.log((await counters.update("hits", (old) => (old ?? 0) + 1)).value); // 1
 * ```
 */
export function json<T>(client: KvClient, parse: (value: unknown) => T): JsonClient<T> {
  return new JsonClient(client, parse);
}
