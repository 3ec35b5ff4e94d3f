/**
 * The observers of a server: connections that are told what happens in it.
 *
 * @module
 */

import { isKnownToAll, type ServerEvent } from "../wire/events.ts";
import type { Frames } from "../wire/frames.ts";
import { ErrorReply, Events, eventsProtocol, type Observe } from "../mensagem.ts";
import type { ReplicationListener } from "../replication/environment.ts";
import type { Store } from "../replication/store.ts";
import { cut, EventRecorder, type EventSink, type PermanentSinks } from "./event_recorder.ts";

/** Observers of one server from one IP address. So one client cannot take all places. */
export const observersMax = 16;

/** Observers of one server from all addresses. */
export const observersInAllMax = 32;

/** Entries of the table that a new observer is sent. */
export const tableEventsMax = 1_000;

/** Unsent text above which an observer is sent no events, in UTF-16 units. */
export const observerUnsentCharsMax = 256 * 1024;

/** An observer is sent EVENTS at least this often, even if nothing has happened. */
export const eventsIntervalMs = 1_000;

/** The connection of an observer. */
export interface ObserverLink {
  /** The peer's IP address. Links without one count as of one address. */
  readonly ip?: string;
  /** What is not sent yet: UTF-16 units, and bytes of long values. */
  readonly unsentChars: number;
  /** Queues an answer. */
  send(frame: Frames): void;
  /** Queues a frame that is not an answer. */
  push(frame: Frames): void;
}

/** The server that is observed. */
export interface Observed {
  /** Its table. */
  readonly table: Pick<Store, "entries" | "deletions" | "size" | "tombstones">;
  /** Tells a new listener the current state. */
  describe(listener: ReplicationListener): void;
}

interface Observer {
  /** The id of its OBSERVE. */
  readonly id: number;
  /** Whether it does not know the events of WRITEs. */
  readonly outdated: boolean;
  /** Whether its OBSERVE was answered. All later EVENTS are not answers. */
  answered: boolean;
  /** Whether the next EVENTS must contain the table. */
  tableDue: boolean;
  /** Events that were left out since the last EVENTS. */
  missed: number;
  /** When the last EVENTS was sent, by the clock of the ticks. */
  sentAt: number;
}

/**
 * The observers of one server.
 *
 * - Without observers nothing is recorded, and the server's events do not pass through here.
 * - Observers are sent EVENTS at most once per tick.
 * - An observer that reads slowly loses events and is told how many. The server does not wait for it.
 */
export class Observers {
  readonly #self: string;
  readonly #observed: Observed;
  readonly #redirect: (sink: EventSink | undefined) => void;
  readonly #observers = new Map<ObserverLink, Observer>();
  readonly #recorder: EventRecorder;

  /**
   * No observers yet. `redirect` is called with the sink for all events when the first observer
   * comes, and with `undefined` when the last one has gone. The sink passes them on to `sinks`.
   */
  constructor(
    self: string,
    observed: Observed,
    sinks: PermanentSinks,
    redirect: (sink: EventSink | undefined) => void,
  ) {
    this.#self = self;
    this.#observed = observed;
    this.#redirect = redirect;
    this.#recorder = new EventRecorder(sinks);
  }

  /** Answers an OBSERVE: with EVENTS from the next tick on, or with an ERROR. */
  add(link: ObserverLink, { id, protocol = 1 }: Observe): void {
    const full = this.#whyFull(link);
    if (this.#observers.has(link)) {
      const reason = "this connection is an observer already";
      link.send(new ErrorReply("FORBIDDEN", reason, id).encode());
    } else if (full !== undefined) {
      link.send(new ErrorReply("OVERLOADED", full, id).encode());
    } else {
      if (this.#observers.size === 0) this.#redirect(this.#recorder);
      const outdated = protocol < eventsProtocol;
      const sent = { answered: false, tableDue: true, missed: 0, sentAt: 0 };
      this.#observers.set(link, { id, outdated, ...sent });
      this.#observed.describe(this.#recorder);
    }
  }

  /** Whether the connection observes this server. It waits for events, so it is never idle. */
  has(link: ObserverLink): boolean {
    return this.#observers.has(link);
  }

  /** Forgets a connection that has ended, whether it was an observer or not. */
  closed(link: ObserverLink): void {
    if (!this.#observers.delete(link) || this.#observers.size > 0) return;
    this.#redirect(undefined);
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
      if (quiet && now - observer.sentAt < eventsIntervalMs) continue;
      if (link.unsentChars > observerUnsentCharsMax) {
        observer.missed += events.length;
        continue;
      }
      if (observer.tableDue) withTable ??= [...events, ...this.#table()];
      this.#send(link, observer, observer.tableDue ? withTable! : events);
      observer.sentAt = now;
    }
  }

  /** Why no place is left for this connection, `undefined` if one is. */
  #whyFull({ ip }: ObserverLink): string | undefined {
    if (this.#observers.size >= observersInAllMax) {
      return `this server has ${observersInAllMax} observers already, which is its limit`;
    }
    let ofIp = 0;
    for (const other of this.#observers.keys()) if (other.ip === ip) ofIp++;
    if (ofIp < observersMax) return undefined;
    return `this server has ${observersMax} observers from ${ip} already, its limit for one address`;
  }

  #send(link: ObserverLink, observer: Observer, events: readonly ServerEvent[]): void {
    if (observer.tableDue) {
      const { size, tombstones } = this.#observed.table;
      observer.missed += Math.max(0, size + tombstones - tableEventsMax);
    }
    const { id, missed, outdated } = observer;
    const { counts } = this.#recorder;
    const known = outdated ? events.filter(isKnownToAll) : events;
    const frame = new Events(id, this.#self, Date.now(), missed, counts, known).encode();
    if (observer.answered) link.push(frame);
    else link.send(frame);
    observer.answered = true;
    observer.tableDue = false;
    observer.missed = 0;
  }

  #table(): ServerEvent[] {
    const at = Date.now();
    const { table } = this.#observed;
    const entries: ServerEvent[] = [];
    for (const [key, { value, timestamp }] of table.entries()) {
      if (entries.length === tableEventsMax) break;
      entries.push({ kind: "table", at, key: cut(key), value: cut(value), timestamp });
    }
    const deletions: ServerEvent[] = [];
    for (const [key, timestamp] of table.deletions()) {
      if (entries.length + deletions.length === tableEventsMax) break;
      deletions.push({ kind: "table", at, key: cut(key), value: null, timestamp });
    }
    // An observer may keep only the last events: those should be keys that exist.
    return [...deletions, ...entries];
  }
}
