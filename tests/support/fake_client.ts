/**
 * The client library over a table in memory, for tests of commands.
 *
 * @module
 */

import {
  ConflictError,
  type KvClient,
  type ListedEntry,
  type ListOptions,
  type WatchEvent,
  type WriteOptions,
} from "../../lib/client/kv_client.ts";

/** A store that a test fills, breaks and looks into. */
export class FakeClient {
  /** This store as the client of a command. */
  readonly client: KvClient = this as unknown as KvClient;
  readonly table = new Map<string, { value: string; timestamp: number }>();
  /** What `watch` yields; a test may end with a wait for the signal. */
  events: WatchEvent[] = [];
  /** Is awaited before each write and each listed entry. A test may throw or wait in it. */
  before: (key: string) => Promise<void> | void = () => {};
  /** The most writes at the same time. */
  writesMax = 0;
  #writes = 0;
  #timestamp = 0;

  /** Fills the table with these keys. */
  constructor(entries: Readonly<Record<string, string>> = {}) {
    for (const [key, value] of Object.entries(entries)) this.#set(key, value);
  }

  async put(key: string, value: string, { ifTimestamp }: WriteOptions = {}): Promise<Written> {
    return await this.#write(key, ifTimestamp, () => this.#set(key, value));
  }

  async delete(key: string, { ifTimestamp }: WriteOptions = {}): Promise<Written> {
    return await this.#write(key, ifTimestamp, () => {
      this.table.delete(key);
      return ++this.#timestamp;
    });
  }

  get(key: string): Promise<Written & { value: string | null; seen: number }> {
    const { value = null, timestamp = 0 } = this.table.get(key) ?? {};
    return Promise.resolve({ server: "fake:1", value, timestamp, seen: 0 });
  }

  async *list(prefix = "", { after, signal }: ListOptions = {}): AsyncGenerator<ListedEntry> {
    for (const key of [...this.table.keys()].sort()) {
      if (!key.startsWith(prefix) || (after !== undefined && key <= after)) continue;
      await this.before(key);
      signal?.throwIfAborted();
      yield { key, ...this.table.get(key)! };
    }
  }

  async *keys(prefix?: string, options?: ListOptions): AsyncGenerator<string> {
    for await (const { key } of this.list(prefix, options)) yield key;
  }

  /** Yields `events`, then waits until the signal is aborted. */
  async *watch(
    _target: string | { prefix: string },
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): AsyncGenerator<WatchEvent> {
    yield* this.events;
    if (signal?.aborted) return;
    await new Promise((resolve) => signal?.addEventListener("abort", resolve));
  }

  async #write(
    key: string,
    expected: number | undefined,
    apply: () => number,
  ): Promise<Written> {
    this.writesMax = Math.max(this.writesMax, ++this.#writes);
    try {
      await this.before(key);
    } finally {
      this.#writes--;
    }
    const { value = null, timestamp = 0 } = this.table.get(key) ?? {};
    if (expected !== undefined && expected !== timestamp) {
      throw new ConflictError("fake:1", key, value, timestamp, expected);
    }
    return { server: "fake:1", timestamp: apply() };
  }

  #set(key: string, value: string): number {
    this.table.set(key, { value, timestamp: ++this.#timestamp });
    return this.#timestamp;
  }
}

interface Written {
  readonly server: string;
  readonly timestamp: number;
}
