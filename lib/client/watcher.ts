/**
 * A watch that goes on from server to server.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import type { Changes, TryOther, WatchTarget } from "../mensagem.ts";
import { retried } from "./client_events.ts";
import { delay } from "./delay.ts";
import {
  AccessError,
  ClientClosedError,
  ClusterResetError,
  InvalidArgumentError,
} from "./errors.ts";
import type { KvError } from "./errors.ts";
import { onAbort } from "./on_abort.ts";
import type { Requester } from "./requester.ts";
import type { WatchEvent, WatchEvents, WatchOptions } from "./results.ts";
import { jittered, type PooledServer } from "./server_pool.ts";
import { StaleAttempt } from "./stale_attempt.ts";
import { WatchBuffer } from "./watch_buffer.ts";
import { runStream, standingOf } from "./watch_stream.ts";

/** How often the timer fires that keeps a program alive while its watch waits for it to read. */
const pausedTickMs = 1_000_000_000;

/** The pause after the first round in which no server has sent changes. It doubles with each round. */
const roundPauseFirstMs = 20;

/** The longest pause between two rounds. */
const roundPauseMsMax = 500;

/** A stream that ends earlier than this counts as a failed attempt, so that pauses grow. */
const livedMsMin = 1_000;

/** A caller that waits for the next event. */
interface Reader {
  readonly resolve: (result: IteratorResult<WatchEvent, undefined>) => void;
  readonly reject: (reason: unknown) => void;
}

/**
 * The events of a key or a prefix.
 *
 * - It runs from its making until it is ended, whether its events are read or not. If a server is lost
 *   it goes on at another one, after the last timestamp that it has.
 * - Timestamps never fall, except after a `reset`. Changes of different keys may share one, on etcd.
 * - Unread events are bounded ({@linkcode WatchBuffer}). If that is not enough, it stops receiving until
 *   the caller has read, and then goes on from there.
 */
export class Watcher implements WatchEvents {
  readonly #requester: Requester;
  readonly #target: WatchTarget;
  readonly #buffer: WatchBuffer;
  readonly #readers = new Fifo<Reader>();
  readonly #ending = new AbortController();
  /** The end, once there is one. `error` is thrown after the last event, once. */
  #end: { error?: unknown } | undefined;
  /** Everything up to this timestamp is in the buffer or was read. `undefined` before it is known. */
  #after: number | undefined;
  /** The timestamp of the newest change that was told, and the keys whose changes share it so far. */
  readonly #told = { timestamp: 0, keys: new Set<string>() };
  /** Whether `ready` must be told. */
  #readyDue = true;
  /** Whether the caller may know a state that a reset makes void. */
  #hasState: boolean;
  /** When a server was heard last; at first when the watch began. */
  #heardAt = new Date();
  /** Whether the present stream has begun: a CHANGES has come. */
  #begun = false;
  #disconnected = false;
  /** Stops the stream, because the buffer is full. */
  #pause: (() => void) | undefined;
  /** Goes on after a pause. */
  #goOn: (() => void) | undefined;
  readonly #running: Promise<void>;

  /** Begins to watch. */
  constructor(
    requester: Requester,
    target: WatchTarget,
    { since, initial = true, signal }: WatchOptions,
    buffer: WatchBuffer = new WatchBuffer(),
  ) {
    this.#requester = requester;
    this.#target = target;
    this.#buffer = buffer;
    this.#after = since ?? (initial ? 0 : undefined);
    this.#hasState = this.#after !== 0;
    this.#running = this.#run(signal);
  }

  /** The next event. */
  next(): Promise<IteratorResult<WatchEvent, undefined>> {
    return new Promise((resolve, reject) => {
      this.#readers.push({ resolve, reject });
      this.#deliver();
    });
  }

  /** Ends the watch. */
  async return(): Promise<IteratorResult<WatchEvent, undefined>> {
    this.#stop({});
    await this.#running;
    return { done: true, value: undefined };
  }

  /** The watch itself. */
  [Symbol.asyncIterator](): this {
    return this;
  }

  /** Ends the watch. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.return();
  }

  /** Ends the watch. Without an error unread events are dropped. */
  #stop(end: { error?: unknown }): void {
    if (this.#end !== undefined) return;
    this.#end = end;
    if (!("error" in end)) this.#buffer.clear();
    this.#ending.abort();
    this.#goOn?.();
    this.#deliver();
  }

  /** Gives events to callers as long as there are both. */
  #deliver(): void {
    while (this.#readers.length > 0) {
      const event = this.#buffer.take();
      if (event === undefined && this.#end === undefined) return;
      const { resolve, reject } = this.#readers.shift()!;
      if (event !== undefined) {
        if ("timestamp" in event) this.#requester.session.sawAll(event.timestamp);
        resolve({ done: false, value: event });
      } else if ("error" in this.#end!) {
        reject(this.#end.error);
        this.#end = {};
      } else resolve({ done: true, value: undefined });
    }
    if (!this.#buffer.full) this.#goOn?.();
  }

  #tell(...events: WatchEvent[]): void {
    if (this.#end !== undefined) return;
    this.#buffer.add(events);
    this.#deliver();
    if (this.#buffer.full) this.#pause?.();
  }

  async #run(signal: AbortSignal | undefined): Promise<void> {
    const { closing } = this.#requester;
    const stopListening = [
      onAbort(closing, () => this.#stop({ error: closing.reason })),
      ...(signal === undefined ? [] : [onAbort(signal, () => this.#stop({}))]),
    ];
    if (signal?.aborted) this.#stop({});
    if (closing.aborted) this.#stop({ error: closing.reason });
    try {
      while (this.#end === undefined) await this.#follow();
    } catch (error) {
      this.#stop({ error });
    } finally {
      for (const stop of stopListening) stop();
    }
  }

  /** Goes from server to server until the watch ends. */
  async #follow(): Promise<void> {
    const { pool, random } = this.#requester;
    /** The servers that this client cannot use as they are set up. */
    const refusals = new Map<PooledServer, KvError>();
    let asked = new Set<PooledServer>();
    let reason: string | undefined;
    let last: { readonly server: string; readonly end: KvError | StaleAttempt } | undefined;
    for (let round = 0; this.#end === undefined;) {
      await this.#room();
      if (this.#end !== undefined) return;
      const server = pool.drawForWatch(asked);
      if (server === undefined) {
        // The pool knows what requests have learnt.
        const known = new Map([...(pool.refusals() ?? []), ...refusals]);
        if (known.size === pool.servers.length) throw [...known.values()].at(-1);
        this.#tellDisconnected(reason ?? pool.failure ?? "no server was asked yet");
        asked = new Set();
        const ms = Math.min(roundPauseFirstMs * 2 ** round++, roundPauseMsMax);
        await delay(jittered(ms, random), this.#ending.signal).catch(() => {});
        continue;
      }
      asked.add(server);
      if (last !== undefined) {
        this.#requester.tell?.(retried(last.server, server.name, "watch", last.end));
        last = undefined;
      }
      const began = performance.now();
      this.#begun = false;
      const why = await this.#stream(server);
      if (why === undefined) { // paused or ended
        asked.delete(server);
        continue;
      }
      if (why instanceof ClusterResetError || why instanceof ClientClosedError) throw why;
      const isMistake = why instanceof AccessError || why instanceof InvalidArgumentError;
      if (isMistake) refusals.set(server, why);
      else refusals.delete(server);
      reason = why instanceof Error ? why.message : "the server is behind";
      last = { server: server.name, end: why instanceof Error ? why : this.#stale(why, server) };
      if (!this.#begun) continue;
      this.#tellDisconnected(`${server.name}: ${reason}`);
      asked = new Set([server]);
      if (performance.now() - began >= livedMsMin) round = 0;
    }
  }

  /** The outcome of an attempt at a server that is behind this watch. */
  #stale({ timestamp }: TryOther, server: PooledServer): StaleAttempt {
    const seen = Math.max(this.#after ?? 0, this.#requester.session.highest ?? 0);
    return new StaleAttempt(this.#target.key, seen, { server: server.name, timestamp });
  }

  /** Waits until the caller has read enough after a pause. */
  async #room(): Promise<void> {
    if (!this.#buffer.full || this.#end !== undefined) return;
    const keepsAlive = setInterval(() => {}, pausedTickMs);
    try {
      await new Promise<void>((resolve) => this.#goOn = resolve);
    } finally {
      clearInterval(keepsAlive);
    }
    this.#goOn = undefined;
  }

  /** Receives from one server. Returns why that ended; `undefined` if this end has ended it. */
  async #stream(server: PooledServer): Promise<KvError | TryOther | undefined> {
    const { signal } = this.#ending;
    const { session } = this.#requester;
    // The state that comes first must not be older than what this client has seen.
    const { highest = 0 } = session;
    if (this.#after === undefined || (this.#readyDue && highest > this.#after)) {
      const standing = await standingOf(this.#requester, server, highest, signal);
      if (typeof standing !== "number") {
        if (standing === undefined || standing instanceof Error || !standing.lost) return standing;
        // What was seen is lost. So the caller is told that it does not count.
        if (!this.#hasState) this.#tell({ type: "reset", timestamp: standing.timestamp });
        this.#hasState = true;
      }
      this.#after ??= Math.max(typeof standing === "number" ? standing : 0, highest);
    }
    return await runStream(this.#requester, server, {
      target: this.#target,
      after: this.#after,
      signal,
      onPause: (pause) => this.#pause = pause,
      onChanges: (changes) => this.#take(changes, server),
    });
  }

  #take({ changes, timestamp, reset, more }: Changes, server: PooledServer): void {
    const events: WatchEvent[] = [];
    this.#begun = true;
    this.#heardAt = new Date();
    if (this.#disconnected) events.push({ type: "connected", server: server.name });
    this.#disconnected = false;
    if (reset) {
      if (this.#hasState) events.push({ type: "reset", timestamp });
      this.#after = this.#told.timestamp = 0;
      this.#readyDue = true;
    }
    for (const [key, value, stamp] of changes) {
      if (!this.#isNew(key, stamp)) continue;
      events.push(
        value === null
          ? { type: "delete", key, timestamp: stamp }
          : { type: "put", key, value, timestamp: stamp },
      );
    }
    this.#after = Math.max(this.#after!, timestamp);
    if (this.#after >= this.#told.timestamp) this.#told.keys.clear(); // all that share it are told
    if (events.length > 0) this.#hasState = true;
    if (this.#readyDue && !more) {
      this.#readyDue = false;
      this.#hasState = true;
      events.push({ type: "ready", timestamp });
    }
    if (events.length > 0) this.#tell(...events);
  }

  /** Whether a change was not told before. Notes that it is told now. */
  #isNew(key: string, timestamp: number): boolean {
    const told = this.#told;
    if (timestamp <= this.#after! || timestamp < told.timestamp) return false;
    if (timestamp > told.timestamp) {
      told.timestamp = timestamp;
      told.keys.clear();
    } else if (told.keys.has(key)) return false;
    told.keys.add(key);
    return true;
  }

  #tellDisconnected(reason: string): void {
    if (this.#disconnected) return;
    this.#disconnected = true;
    this.#tell({ type: "disconnected", since: this.#heardAt, reason });
  }
}
