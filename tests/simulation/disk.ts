/**
 * A disk in memory. Synced messages survive a crash; of the others, any first part may survive.
 */

import type { Journal, JournalMessage } from "../../lib/replication/journal.ts";
import { RecoveredState } from "../../lib/replication/recovered_state.ts";
import { Mensagem } from "../../lib/mensagem.ts";
import type { Random } from "../support/random.ts";
import type { Clock } from "./network.ts";

/** The disk of a server, which outlives its processes. */
export class Disk {
  readonly #clock: Clock;
  readonly #random: Random;
  /** Frames that a process finds when it starts. */
  readonly #frames: string[] = [];
  /** Whether every sync is quick from now on. */
  calm = false;

  constructor(clock: Clock, random: Random) {
    this.#clock = clock;
    this.#random = random;
  }

  /** The state that a new process finds. Its table remembers this many deletions. */
  load(tombstonesMax: number): RecoveredState {
    const recovered = new RecoveredState(tombstonesMax);
    for (const frame of this.#frames) {
      if (!recovered.add(Mensagem.decode(frame))) throw new Error(`no journal holds ${frame}`);
    }
    return recovered;
  }

  /** Loses everything. */
  wipe(): void {
    this.#frames.length = 0;
  }

  /** Begins the journal of a process. `durable` is told how many of its messages are on the disk. */
  open(durable: (count: number) => void): DiskJournal {
    return new DiskJournal(this, this.#frames, this.#clock, this.#random, durable);
  }
}

/** The journal of a process, with one sync at a time. */
export class DiskJournal implements Journal {
  readonly #disk: Disk;
  readonly #frames: string[];
  readonly #clock: Clock;
  readonly #random: Random;
  readonly #durable: (count: number) => void;
  /** Called with each message that is appended. */
  onAppend: ((message: JournalMessage) => void) | undefined;
  /** Frames that are not on the disk yet, oldest first. */
  #waiting: string[] = [];
  #count = 0;
  #syncing = false;
  #ended = false;

  constructor(
    disk: Disk,
    frames: string[],
    clock: Clock,
    random: Random,
    durable: (count: number) => void,
  ) {
    this.#disk = disk;
    this.#frames = frames;
    this.#clock = clock;
    this.#random = random;
    this.#durable = durable;
  }

  append(message: JournalMessage): void {
    this.onAppend?.(message);
    this.#waiting.push(message.encode());
    if (this.#syncing) return;
    this.#syncing = true;
    this.#clock.atEndOfTurn(() => this.#sync());
  }

  /** The process dies. Any first part of what waits may still reach the disk. */
  end(): void {
    this.#ended = true;
    this.#frames.push(...this.#waiting.slice(0, this.#random.between(0, this.#waiting.length)));
  }

  #sync(): void {
    if (this.#ended) return;
    const { length } = this.#waiting;
    // A sync is quick, and now and then very slow.
    const ms = this.#random.next() * (this.#random.chance(0.05) && !this.#disk.calm ? 150 : 2);
    this.#clock.after(ms, () => {
      if (this.#ended) return;
      this.#frames.push(...this.#waiting.splice(0, length));
      this.#count += length;
      this.#durable(this.#count);
      this.#syncing = this.#waiting.length > 0;
      if (this.#syncing) this.#sync();
    });
  }
}
