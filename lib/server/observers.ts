/**
 * Those who watch a server, and what they are told.
 *
 * @module
 */

import type { Counts, FaultAction, ServerEvent } from "../wire/events.ts";
import { Fifo } from "../fifo.ts";
import { ErrorReply, Events, type Observe } from "../mensagem.ts";
import type { Link, ReplicationListener, ServerPrints } from "../replication/environment.ts";
import type { Store } from "../replication/store.ts";
import { eventTextCharsMax, timedPutsMax } from "../limits.ts";

/** Observers of one server. */
export const observersMax = 16;

/** Events in one EVENTS message, those of the table left out. */
export const eventsMax = 256;

/** So many of them are kept free for those that are rare and matter most. */
export const eventsReserved = 56;

/** Keys of the table that an observer is told when it comes. */
export const tableEventsMax = 1_000;

/** An observer with more unsent text than this, in UTF-16 units, loses events. */
export const observerUnsentCharsMax = 256 * 1024;

/** An observer hears something at least this often. */
export const eventsPauseMs = 1_000;

/** The connection of an observer. */
export interface ObserverLink extends Link {
  /** Text that is still to be sent, in UTF-16 units. */
  readonly unsentChars: number;
  /** Queues a frame that answers nothing. */
  push(frame: string): void;
}

/** The server that is observed. */
export interface Observed {
  /** Its table. */
  readonly table: Pick<Store, "entries" | "size">;
  /** Tells how things stand. */
  describe(listener: ReplicationListener): void;
}

/** Where its events go while nobody observes. */
export interface Unobserved {
  /** Its console. */
  readonly prints: ServerPrints;
  /** Who watches it all the time. */
  readonly watch?: ReplicationListener | undefined;
}

/** Where a server's events go while somebody observes. */
export type Recording = ServerPrints & ReplicationListener;

interface Observer {
  readonly id: number;
  /** It has heard something: from then on nothing that it is sent is an answer. */
  answered: boolean;
  /** The table goes out with the next EVENTS. */
  tableDue: boolean;
  /** Events that it was not sent since its last EVENTS. */
  missed: number;
  /** When that was, on the clock of the ticks. */
  sentAt: number;
}

/**
 * The observers of one server.
 *
 * - While there are none, nothing is recorded, and the server does not even pass by here.
 * - They hear of what happened once per tick. A tick has room for {@linkcode eventsMax} events, of
 *   which some are kept for those that are rare; the others are counted.
 * - One that reads slowly loses events and is told how many. Nobody waits for it.
 */
export class Observers {
  readonly #self: string;
  readonly #observed: Observed;
  readonly #record: (recording: Recording | undefined) => void;
  readonly #observers = new Map<ObserverLink, Observer>();
  readonly #recorder: Recorder;

  /**
   * Nobody observes yet. `record` is given what prints and watches from then on when the first
   * observer comes, and `undefined` when the last has gone. All that it is told goes on to
   * `unobserved`.
   */
  constructor(
    self: string,
    observed: Observed,
    unobserved: Unobserved,
    record: (recording: Recording | undefined) => void,
  ) {
    this.#self = self;
    this.#observed = observed;
    this.#record = record;
    this.#recorder = new Recorder(unobserved);
  }

  /** Begins to send EVENTS to a link at the next tick, or says why not. */
  add(link: ObserverLink, { id }: Observe): void {
    if (this.#observers.has(link)) {
      link.send(new ErrorReply("FORBIDDEN", "this connection observes already", id).encode());
    } else if (this.#observers.size >= observersMax) {
      const reason = `this server has its ${observersMax} observers`;
      link.send(new ErrorReply("OVERLOADED", reason, id).encode());
    } else {
      if (this.#observers.size === 0) this.#record(this.#recorder);
      this.#observers.set(link, { id, answered: false, tableDue: true, missed: 0, sentAt: 0 });
      this.#observed.describe(this.#recorder);
    }
  }

  /** A connection has ended. */
  closed(link: ObserverLink): void {
    if (!this.#observers.delete(link) || this.#observers.size > 0) return;
    this.#record(undefined);
    this.#recorder.take();
  }

  /** Sends what has happened since the last tick. */
  tick(now: number): void {
    if (this.#observers.size === 0) return;
    const { events, missed, tableDue } = this.#recorder.take();
    let withTable: readonly ServerEvent[] | undefined;
    for (const [link, observer] of this.#observers) {
      observer.missed += missed;
      observer.tableDue ||= tableDue;
      const quiet = events.length === 0 && !observer.tableDue;
      if (quiet && now - observer.sentAt < eventsPauseMs) continue;
      if (link.unsentChars > observerUnsentCharsMax) {
        observer.missed += events.length;
        continue;
      }
      if (observer.tableDue) withTable ??= [...events, ...this.#table()];
      this.#send(link, observer, observer.tableDue ? withTable! : events);
      observer.sentAt = now;
    }
  }

  #send(link: ObserverLink, observer: Observer, events: readonly ServerEvent[]): void {
    if (observer.tableDue) {
      observer.missed += Math.max(0, this.#observed.table.size - tableEventsMax);
    }
    const { id, missed } = observer;
    const { counts } = this.#recorder;
    const frame = new Events(id, this.#self, Date.now(), missed, counts, events).encode();
    if (observer.answered) link.push(frame);
    else link.send(frame);
    observer.answered = true;
    observer.tableDue = false;
    observer.missed = 0;
  }

  #table(): ServerEvent[] {
    const at = Date.now();
    const table: ServerEvent[] = [];
    for (const [key, { value, timestamp }] of this.#observed.table.entries()) {
      if (table.length === tableEventsMax) break;
      table.push({ kind: "table", at, key: cut(key), value: cut(value), timestamp });
    }
    return table;
  }
}

/** Passes everything on, and takes note. */
class Recorder implements Recording {
  readonly #prints: ServerPrints;
  readonly #watch: ReplicationListener | undefined;
  #events: ServerEvent[] = [];
  #missed = 0;
  #tableDue = false;
  #counts = { puts: 0, putOks: 0, gets: 0, refused: 0, replications: 0 };
  /** Writes that are not acknowledged yet, and when their PUTs came, in the order of timestamps. */
  readonly #written = new Fifo<{ readonly timestamp: number; readonly cameAt: number }>();

  constructor({ prints, watch }: Unobserved) {
    this.#prints = prints;
    this.#watch = watch;
  }

  get counts(): Counts {
    return this.#counts;
  }

  /** What was recorded since the last call. */
  take(): { events: readonly ServerEvent[]; missed: number; tableDue: boolean } {
    const taken = { events: this.#events, missed: this.#missed, tableDue: this.#tableDue };
    this.#events = [];
    this.#missed = 0;
    this.#tableDue = false;
    return taken;
  }

  put(client: string, key: string, value: string): void {
    this.#prints.put(client, key, value);
    this.#counts.puts++;
    if (this.#hasRoom()) {
      this.#add({ kind: "put", at: Date.now(), client, key: cut(key), value: cut(value) });
    }
  }

  forwarding(key: string, value: string): void {
    this.#prints.forwarding(key, value);
    if (this.#hasRoom()) {
      this.#add({ kind: "forwarding", at: Date.now(), key: cut(key), value: cut(value) });
    }
  }

  replication(key: string, value: string, timestamp: number): void {
    this.#prints.replication(key, value, timestamp);
    this.#counts.replications++;
    this.#addWrite("replication", key, value, timestamp);
  }

  written(key: string, value: string, timestamp: number, waitedMs: number): void {
    this.#watch?.written(key, value, timestamp, waitedMs);
    if (this.#written.length === timedPutsMax) this.#written.shift();
    this.#written.push({ timestamp, cameAt: performance.now() - waitedMs });
    this.#addWrite("written", key, value, timestamp);
  }

  putOk(client: string, key: string, timestamp: number): void {
    this.#prints.putOk(client, key, timestamp);
    this.#counts.putOks++;
    const cameAt = this.#cameAt(timestamp);
    if (cameAt === undefined) this.#missed++; // it came before anybody observed
    else if (this.#hasRoom()) {
      const ms = Math.round((performance.now() - cameAt) * 1_000) / 1_000;
      this.#add({ kind: "put_ok", at: Date.now(), client, key: cut(key), timestamp, ms });
    }
  }

  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: string | null | undefined,
  ): void {
    this.#prints.get(client, key, seen, own, value);
    this.#counts.gets++;
    if (value === undefined) this.#counts.refused++;
    if (!this.#hasRoom(value === undefined)) return;
    const get = { kind: "get", at: Date.now(), client, key: cut(key), seen, own } as const;
    this.#add(
      value === undefined
        ? { ...get, refused: true }
        : { ...get, value: value === null ? null : cut(value) },
    );
  }

  acknowledged(follower: string, timestamp: number): void {
    this.#watch?.acknowledged(follower, timestamp);
    if (this.#hasRoom()) this.#add({ kind: "acknowledged", at: Date.now(), follower, timestamp });
  }

  members(joined: readonly string[], inSync: readonly string[], open: boolean): void {
    this.#watch?.members(joined, inSync, open);
    if (this.#hasRoom(true)) {
      this.#add({ kind: "members", at: Date.now(), joined, inSync, open });
    }
  }

  fault(follower: string, action: FaultAction, delayMs?: number): void {
    this.#watch?.fault(follower, action, delayMs);
    if (!this.#hasRoom(true)) return;
    const late = delayMs === undefined ? {} : { delayMs };
    this.#add({ kind: "fault", at: Date.now(), follower, action, ...late });
  }

  table(): void {
    this.#watch?.table();
    this.#tableDue = true;
  }

  #addWrite(kind: "written" | "replication", key: string, value: string, timestamp: number): void {
    if (!this.#hasRoom()) return;
    this.#add({ kind, at: Date.now(), key: cut(key), value: cut(value), timestamp });
  }

  /** When the PUT of a write came; `undefined` where nobody observed at that time. */
  #cameAt(timestamp: number): number | undefined {
    for (let first = this.#written.at(0); first !== undefined; first = this.#written.at(0)) {
      if (first.timestamp > timestamp) return undefined;
      this.#written.shift();
      if (first.timestamp === timestamp) return first.cameAt;
    }
    return undefined;
  }

  /** False where an event has to be left out, which is then counted. */
  #hasRoom(rare = false): boolean {
    const room = this.#events.length < (rare ? eventsMax : eventsMax - eventsReserved);
    if (!room) this.#missed++;
    return room;
  }

  #add(event: ServerEvent): void {
    this.#events.push(event);
  }
}

/** The start of a text, with a mark where something is missing. */
function cut(text: string): string {
  return text.length <= eventTextCharsMax
    ? text
    : `${text.slice(0, eventTextCharsMax).toWellFormed()}…`;
}
