/**
 * One watch: what its client was told, and what is still to be told.
 *
 * @module
 */

import type { Watch, WatchTarget } from "../mensagem.ts";
import { type Frames, sizeOf } from "../wire/frames.ts";
import type { Backlog } from "./backlog.ts";

/** Changes in one CHANGES. */
export const changesPerFrame = 1_024;

/** A CHANGES ends when its changes reach this size: UTF-16 units, and bytes of long values. */
export const changesFrameChars: number = 256 * 1024;

/** The connection of a watcher. */
export interface WatchLink {
  /** What is not sent yet: UTF-16 units, and bytes of long values. */
  readonly unsentChars: number;
  /** Is called once when more can be sent, if the connection knows that. */
  onWritten?: (() => void) | undefined;
  /** Queues an answer. */
  send(frames: Frames): void;
  /** Queues a frame that is not an answer. */
  push(frames: Frames): void;
  /** A line that came needs no answer. */
  needsNoAnswer?(): void;
}

/** A change, made once for all watchers. */
export interface PendingChange {
  /** Its text, an element of CHANGES. */
  readonly frames: Frames;
  /** The timestamp of its write. */
  readonly timestamp: number;
}

/** One watch. {@linkcode Watches} decides what it is told. */
export class Watcher {
  /** The connection. */
  readonly link: WatchLink;
  /** The id of its WATCH. */
  readonly id: number;
  /** The key or prefix. */
  readonly target: WatchTarget;
  /** Its client has every change up to here. Invariant: falls only with a reset. */
  sentTo: number;
  /** Whether the next CHANGES is a new beginning. */
  reset: boolean;
  /** Whether its WATCH was answered. */
  answered = false;
  /** Whether its client was told the whole state at the beginning. From then on it gets every change. */
  begun = false;
  /** The state at the beginning that is not told yet; `undefined` if there is none. */
  backlog: Backlog | undefined;
  /** The backlog is all of its keys' changes above this timestamp. */
  backlogAfter = 0;
  /** And up to this one. */
  backlogUpTo = 0;
  /**
   * The table is whole from here on: before, it may lack states that newer ones have replaced. Invariant:
   * at least `backlogUpTo`.
   */
  wholeAt = 0;
  /** Whether a search for the state at the beginning is under way or due. */
  searching = false;
  /** Changes were dropped: once the backlog is told, it has to be made again. */
  again = false;
  /** When it was sent something last, or was left out because it reads slowly, in milliseconds of ticks. */
  sentAtMs: number;
  /** When it was sent something last, in milliseconds of ticks. */
  toldAtMs: number;

  /** Invariant: those before #taken are told; timestamps do not fall. */
  #pending: PendingChange[] = [];
  #taken = 0;
  #pendingChars = 0;
  /** The backlog belongs before this change; `Infinity` if there is none. Invariant: at least #taken. */
  #backlogAt = Infinity;

  /** A watch of which nothing was told yet. */
  constructor(link: WatchLink, { id, key, prefix, after }: Watch, reset: boolean, nowMs: number) {
    this.link = link;
    this.id = id;
    this.target = key === undefined ? { prefix: prefix! } : { key };
    this.sentTo = reset ? 0 : after;
    this.reset = reset;
    this.sentAtMs = this.toldAtMs = nowMs;
  }

  /** Whether more follows before the client knows a whole state, if it is now told up to a timestamp. */
  hasMore(timestamp: number): boolean {
    return this.expectsBacklog || this.again || timestamp < this.wholeAt;
  }

  /** Whether the backlog is not told yet. */
  get expectsBacklog(): boolean {
    return this.backlog !== undefined || this.searching;
  }

  /** Changes that wait. */
  get pending(): number {
    return this.#pending.length - this.#taken;
  }

  /** The size of the changes that wait. */
  get pendingChars(): number {
    return this.#pendingChars;
  }

  /** The timestamp of the next change to tell; `Infinity` if there is none, or the backlog is next. */
  get next(): number {
    return this.#taken < this.#backlogAt
      ? this.#pending[this.#taken]?.timestamp ?? Infinity
      : Infinity;
  }

  /** The timestamp of the last change that waits; 0 if there is none. */
  get last(): number {
    return this.#pending.at(-1)?.timestamp ?? 0;
  }

  /** Whether changes wait that come after the backlog. */
  get waitsForBacklog(): boolean {
    return this.#pending.length > this.#backlogAt;
  }

  /** Adds a change. Timestamps do not fall. */
  push(change: PendingChange): void {
    this.#pending.push(change);
    this.#pendingChars += sizeOf(change.frames);
  }

  /** What waits now is told before the backlog, and what comes later after it. */
  expectBacklog(): void {
    this.#backlogAt = this.#pending.length;
  }

  /** The backlog is told. */
  endBacklog(): void {
    this.#backlogAt = Infinity;
    this.backlog = undefined;
  }

  /** Takes the changes of one CHANGES, those up to a timestamp. */
  take(upTo: number): PendingChange[] {
    const first = this.#taken;
    const end = Math.min(this.#pending.length, first + changesPerFrame, this.#backlogAt);
    let chars = 0;
    let next = first;
    for (; next < end; next++) {
      const { frames, timestamp } = this.#pending[next]!;
      if (timestamp > upTo || chars > changesFrameChars) break;
      chars += sizeOf(frames);
    }
    const taken = this.#pending.slice(first, next);
    this.#pendingChars -= chars;
    this.#taken = next;
    if (next > this.#pending.length / 2) {
      this.#pending = this.#pending.slice(next);
      this.#backlogAt -= next;
      this.#taken = 0;
    }
    return taken;
  }

  /** Drops the changes that wait. */
  drop(): void {
    this.#pending = [];
    this.#taken = this.#pendingChars = 0;
    this.#backlogAt = Infinity;
  }
}
