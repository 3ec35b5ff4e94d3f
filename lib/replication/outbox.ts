/**
 * The leader's outgoing writes: one batch for all followers, and the log of recent ones.
 *
 * @module
 */

import type { Replication } from "../mensagem.ts";
import { type Frames, sizeOf } from "../wire/frames.ts";
import { assert } from "./invariant.ts";
import type { Member } from "./member.ts";
import { WriteLog } from "./write_log.ts";

/** A batch of about this size leaves before its turn ends, in UTF-16 units. */
export const batchChars = 32 * 1024;

/** The REPLICATIONs of one turn, which leave together in one text. One with a long value leaves alone. */
export class Outbox {
  readonly #members: Iterable<Member>;
  readonly #logBytesMax: number;
  /** The frames that have not left. Invariant: they end with the write #timestamp. */
  #batch = "";
  /** Invariant: the number of frames in #batch. */
  #batchWrites = 0;
  /** The newest write that was added. At first it is the timestamp at which the leader began. */
  #timestamp = 0;
  /** The size of all batches that have left: UTF-16 units, and bytes of long values. */
  #sentChars = 0;
  /** Invariant: ends right before #batch begins. */
  #log: WriteLog;

  /** An empty outbox that sends to the live members of `members`. */
  constructor(members: Iterable<Member>, logBytesMax: number) {
    this.#members = members;
    this.#logBytesMax = logBytesMax;
    this.#log = new WriteLog(0, logBytesMax);
  }

  /** The leader's timestamps go on after this one, with nothing logged. */
  begin(timestamp: number): void {
    this.#timestamp = timestamp;
    this.#log = new WriteLog(timestamp, this.#logBytesMax);
  }

  /** Adds the next write. */
  add(written: Replication): void {
    const frame = written.frame();
    if (typeof frame !== "string") {
      this.send();
      this.#timestamp = written.timestamp;
      return this.#leave(frame, 1);
    }
    this.#timestamp = written.timestamp;
    this.#batch += frame;
    this.#batchWrites++;
    if (this.#batch.length > batchChars) this.send();
  }

  /** Sends the batch to all live members and moves it to the log. */
  send(): void {
    if (this.#batchWrites === 0) return;
    const [frames, writes] = [this.#batch, this.#batchWrites];
    this.#batch = "";
    this.#batchWrites = 0;
    this.#leave(frames, writes);
  }

  /** The size of all writes that have left: UTF-16 units, and bytes of long values. */
  get sentChars(): number {
    return this.#sentChars;
  }

  /** Whether the log has every sent write after `timestamp`. */
  reaches(timestamp: number): boolean {
    return this.#log.reaches(timestamp);
  }

  /** The frames of all sent writes after `timestamp`, which the log must reach. */
  after(timestamp: number): Iterable<string> {
    return this.#log.after(timestamp);
  }

  /** Sends the frames of the newest `writes`, which are no longer in the batch. */
  #leave(frames: Frames, writes: number): void {
    this.#log.append(this.#timestamp - writes + 1, this.#timestamp, frames);
    this.#sentChars += sizeOf(frames);
    for (const member of this.#members) {
      if (member.live) member.replicate(frames);
    }
  }

  /**
   * Checks the invariants.
   *
   * @throws {Error} if an invariant is broken, for a leader at `timestamp`.
   */
  checkInvariants(timestamp: number): void {
    const [frames, writes] = [this.#batch.split("\n").length - 1, this.#batchWrites];
    assert(this.#timestamp === timestamp, `the outbox is at ${this.#timestamp}, not ${timestamp}`);
    assert(writes === frames, `the batch has ${frames} frames, and counts ${writes}`);
    const end = timestamp - writes;
    assert(
      this.#log.end === end,
      `the log ends at ${this.#log.end}, and the batch begins after ${end}`,
    );
  }
}
