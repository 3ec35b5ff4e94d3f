/**
 * A lock: one key that its holder creates with a time to live, renews, and deletes.
 *
 * @module
 */

import { checkEntry, checkOptions, checkSignal, checkWriteOptions } from "../arguments.ts";
import { delay } from "../delay.ts";
import { ConflictError, KvError } from "../errors.ts";
import type { KvClient } from "../kv_client.ts";
import { onAbort } from "../on_abort.ts";
import { acquire, type Taken } from "./acquire.ts";
import { lockText, type LockValue, lockValueOf } from "./lock_value.ts";

/** The time to live of a lock by default, in milliseconds. */
export const lockTtlMsDefault = 10_000;

/** A lock is renewed after this share of its time to live. */
const renewShare = 1 / 3;

/** The pause after a renewal that no server has confirmed, as a share of the time to live. */
const retryShare = 1 / 20;

/**
 * The share of the time to live that its holder does not use: for clocks that run at different speeds,
 * and so that the holder can stop before the key expires.
 */
const marginShare = 1 / 10;

/** Conflicts of a release with renewals of its own lock whose outcome was unknown. */
const releaseAttemptsMax = 4;

/** The options of a lock. */
export interface LockOptions {
  /**
   * After this time without a renewal the lock is free again, in milliseconds: 1,000 to 2³¹. 10,000 by
   * default.
   */
  readonly ttlMs?: number | undefined;
  /**
   * Gives the wait for the lock up, once a request that is under way has ended: it may have created the
   * key. It does not release a lock that is held.
   */
  readonly signal?: AbortSignal | undefined;
  /** What others see as the holder. "" by default. */
  readonly holder?: string | undefined;
}

/** The holder of a lock can no longer be sure that it holds it. */
export class LockLostError extends KvError {
  /** Always "LOCK_LOST". */
  readonly code = "LOCK_LOST";
  /** The name of the lock. */
  readonly lock: string;

  /** An error about a lock. `reason` says why. */
  constructor(lock: string, reason: string, options?: ErrorOptions) {
    super(`the lock "${lock}" may be lost: ${reason}`, options);
    this.lock = lock;
  }

  static {
    this.prototype.name = "LockLostError";
  }
}

/**
 * A lock that this program holds, and that is renewed until it is released or lost.
 *
 * - `lost` is aborted before the key can expire, by the clock of the holder. While the event loop is
 *   blocked or the process is stopped it cannot fire: `remainingMs` tells then.
 * - So the lock alone is not exclusive: a holder that was stopped may go on after its time, while another
 *   one holds the lock. What is certain is the order of the tokens (`timestamp`): each holder has a
 *   higher one than all before. Let what the lock protects refuse lower ones.
 */
export class Lock implements AsyncDisposable {
  /** Its name, which is its key. */
  readonly name: string;
  /**
   * The fencing token: the timestamp at which the lock was taken. It stays the same while it is held,
   * and is higher than the token of every earlier holder.
   */
  readonly timestamp: number;
  /** What others see as the holder. */
  readonly holder: string;
  readonly #client: KvClient;
  readonly #value: LockValue;
  readonly #ttlMs: number;
  readonly #lost = new AbortController();
  readonly #releasing = new AbortController();
  /** The timestamp of the key: of its last renewal that is known. The next one needs it. */
  #standsAt: number;
  /** Until when the holder can be sure, by `performance.now`. */
  #until: number;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #released: Promise<void> | undefined;
  readonly #stopListening: () => void;
  readonly #renewing: Promise<void>;

  /** A lock that was just taken. Use {@linkcode lock}. */
  constructor(client: KvClient, name: string, value: LockValue, ttlMs: number, taken: Taken) {
    this.#client = client;
    this.name = name;
    this.holder = value.holder;
    this.timestamp = this.#standsAt = taken.timestamp;
    this.#value = { ...value, token: taken.timestamp };
    this.#ttlMs = ttlMs;
    this.#until = 0;
    const { closed } = client;
    const lose = () => this.#lose("its client was closed", closed.reason);
    this.#stopListening = onAbort(closed, lose);
    this.#sureSince(taken.since);
    if (closed.aborted) lose();
    this.#renewing = this.#renew(taken.since);
  }

  /** Is aborted, with a {@linkcode LockLostError}, when the holder can no longer be sure. */
  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /**
   * For how long the holder can be sure from now on, without a renewal, in milliseconds; 0 if it is lost
   * or released. It reads the clock, so it is right also before a late timer has fired.
   */
  get remainingMs(): number {
    if (this.#lost.signal.aborted || this.#releasing.signal.aborted) return 0;
    return Math.max(this.#until - performance.now(), 0);
  }

  /**
   * Releases the lock, so that another one can take it at once. Does nothing if it is lost.
   *
   * @throws {KvError} if no server confirms it. The key expires then.
   */
  release(): Promise<void> {
    return this.#released ??= this.#release();
  }

  /** Releases the lock. If no server confirms it, its key expires. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch (error) {
      if (!(error instanceof KvError)) throw error;
    }
  }

  async #release(): Promise<void> {
    this.#releasing.abort();
    this.#stopListening();
    clearTimeout(this.#timer);
    await this.#renewing;
    if (this.#lost.signal.aborted) return;
    for (let attempts = 1;; attempts++) {
      try {
        await this.#client.delete(this.name, { ifTimestamp: this.#standsAt });
        return;
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error;
        if (!this.#isOwn(error)) return; // it has expired
        if (attempts === releaseAttemptsMax) throw error;
      }
    }
  }

  /** Renews the lock until it is released or lost. Never rejects. */
  async #renew(since: number): Promise<void> {
    let at = since + this.#ttlMs * renewShare;
    const ends = [this.#releasing.signal, this.#lost.signal];
    for (;;) {
      await delay(Math.max(at - performance.now(), 0), ...ends).catch(() => {});
      if (ends.some(({ aborted }) => aborted)) return;
      const begunAt = performance.now();
      try {
        await this.#renewOnce();
        this.#sureSince(begunAt);
        at = begunAt + this.#ttlMs * renewShare;
      } catch (error) {
        if (error instanceof ConflictError) {
          // A renewal of unknown outcome was applied if the key is still ours. The next one tells.
          if (!this.#isOwn(error)) return this.#lose("another program has it", error);
          at = performance.now();
        } else at = performance.now() + this.#ttlMs * retryShare;
      }
    }
  }

  async #renewOnce(): Promise<void> {
    const { timestamp } = await this.#client.put(this.name, lockText(this.#value), {
      ifTimestamp: this.#standsAt,
      ttlMs: this.#ttlMs,
      timeoutMs: Math.max(this.#until - performance.now(), 1),
      signal: this.#releasing.signal,
    });
    this.#standsAt = timestamp;
  }

  /** Whether the key is still that of this lock. If it is, its timestamp is noted. */
  #isOwn({ value, timestamp }: ConflictError): boolean {
    if (lockValueOf(value)?.id !== this.#value.id) return false;
    this.#standsAt = timestamp;
    return true;
  }

  /** Notes that a write was confirmed that began at `since`. */
  #sureSince(since: number): void {
    this.#until = since + this.#ttlMs * (1 - marginShare);
    clearTimeout(this.#timer);
    if (this.#releasing.signal.aborted) return;
    const ms = Math.max(this.#until - performance.now(), 0);
    const lose = () => this.#lose(`no server has renewed it for ${this.#ttlMs} ms, less a margin`);
    this.#timer = setTimeout(lose, ms);
  }

  #lose(reason: string, cause?: Error): void {
    this.#stopListening();
    clearTimeout(this.#timer);
    this.#lost.abort(new LockLostError(this.name, reason, cause === undefined ? {} : { cause }));
  }
}

/** The checked parts of a lock's options. */
export interface CheckedLock {
  /** The time to live, in milliseconds. */
  readonly ttlMs: number;
  /** The value of its key. */
  readonly value: LockValue;
}

/**
 * Checks the arguments of a lock, and gives it a random id.
 *
 * @throws {InvalidArgumentError} if one is wrong.
 */
export function checkLock(name: string, options: LockOptions): CheckedLock {
  checkOptions(options);
  const { ttlMs = lockTtlMsDefault, signal, holder = "" } = options;
  checkWriteOptions({ ttlMs });
  checkSignal(signal);
  const value = { holder, id: crypto.randomUUID() };
  checkEntry(name, holder, lockText(value));
  return { ttlMs, value };
}

/**
 * Takes a lock. Waits, with a watch, until it is free. `name` is its key. The order in which waiting
 * programs get it is not promised.
 *
 * ```ts
 * import { KvClient } from "../kv_client.ts";
 * import { lock } from "../recipes.ts";
 *
 * await using client = new KvClient([{ hostname: "127.0.0.1", port: 10097 }]);
 * await using held = await lock(client, "locks/report", { ttlMs: 5_000 });
 * console.log(held.timestamp); // 1
 * ```
 *
 * @throws {InvalidArgumentError} if an argument is wrong.
 * @throws {AccessError} if no server can be used.
 * @throws {ClientClosedError} if the client was closed.
 * @throws the signal's reason if it is aborted first. No key is left behind if a server answers.
 */
export async function lock(
  client: KvClient,
  name: string,
  options: LockOptions = {},
): Promise<Lock> {
  const { ttlMs, value } = checkLock(name, options);
  const taken = await acquire({ client, name, value, ttlMs, signal: options.signal });
  return new Lock(client, name, value, ttlMs, taken);
}
