/**
 * The events of a watch that its caller has not read yet.
 *
 * @module
 */

import { Fifo } from "../fifo.ts";
import type { WatchEvent } from "./results.ts";

/** Unread events of one watch. Beyond, only the last change of each key is kept. */
export const unreadEventsMax = 16_384;

/** The length of the keys and values of unread events of one watch, in UTF-16 units. */
export const unreadCharsMax = 4 * 1024 * 1024;

/** A buffer is full if more than this share of a bound is left after everything else was forgotten. */
const fullShare = 1 / 2;

/** It takes more again once no more than this share is left. */
const roomyShare = 1 / 4;

/**
 * A queue that forgets what a later event replaces, once there is too much.
 *
 * - The last change of each key stays, in the order of the timestamps.
 * - `ready` then comes after the changes that stay, because some of what existed before it may have
 *   moved behind it.
 * - `reset` makes everything before it void.
 */
export class WatchBuffer {
  #events = new Fifo<WatchEvent>();
  #chars = 0;
  #full = false;
  readonly #eventsMax: number;
  readonly #charsMax: number;
  /** Whether the caller was told last that the watch is disconnected. */
  #disconnectedTold = false;

  /** An empty buffer. */
  constructor(eventsMax: number = unreadEventsMax, charsMax: number = unreadCharsMax) {
    this.#eventsMax = eventsMax;
    this.#charsMax = charsMax;
  }

  /**
   * Whether nothing more should be added: too much was left after everything else was forgotten, and
   * the caller has not read enough since.
   */
  get full(): boolean {
    return this.#full;
  }

  /** Adds events. Forgets what they replace if there are too many. */
  add(events: readonly WatchEvent[]): void {
    for (const event of events) this.#push(event);
    if (!this.#isOver(1)) return;
    this.#coalesce();
    this.#full = this.#isOver(fullShare);
  }

  /** Takes the oldest event, `undefined` if there is none. */
  take(): WatchEvent | undefined {
    const event = this.#events.shift();
    if (event === undefined) return undefined;
    this.#chars -= charsOf(event);
    if (this.#full) this.#full = this.#isOver(roomyShare);
    if (isStatus(event)) this.#disconnectedTold = event.type === "disconnected";
    return event;
  }

  /** Forgets everything. */
  clear(): void {
    this.#events = new Fifo();
    this.#chars = 0;
  }

  #push(event: WatchEvent): void {
    this.#events.push(event);
    this.#chars += charsOf(event);
  }

  #isOver(share: number): boolean {
    return this.#events.length > this.#eventsMax * share || this.#chars > this.#charsMax * share;
  }

  #coalesce(): void {
    const last = new Map<string, WatchEvent>();
    let reset: WatchEvent | undefined;
    let ready: WatchEvent | undefined;
    let status: WatchEvent | undefined;
    let timestamp = 0;
    for (let event = this.#events.shift(); event !== undefined; event = this.#events.shift()) {
      if (isStatus(event)) status = event;
      else timestamp = event.timestamp;
      if (event.type === "put" || event.type === "delete") {
        last.delete(event.key); // so that the order stays that of the timestamps
        last.set(event.key, event);
      } else if (event.type === "ready") ready = event;
      else if (event.type === "reset") {
        reset = event;
        ready = undefined;
        last.clear();
      }
    }
    this.clear();
    if (reset !== undefined) this.#push(reset);
    for (const event of last.values()) this.#push(event);
    if (ready !== undefined) this.#push({ type: "ready", timestamp });
    const changed = (status?.type === "disconnected") !== this.#disconnectedTold;
    if (status !== undefined && changed) this.#push(status);
  }
}

function isStatus(
  event: WatchEvent,
): event is Extract<WatchEvent, { type: "disconnected" | "connected" }> {
  return event.type === "disconnected" || event.type === "connected";
}

function charsOf(event: WatchEvent): number {
  if (event.type === "put") return event.key.length + event.value.length;
  return event.type === "delete" ? event.key.length : 0;
}
