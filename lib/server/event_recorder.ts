/**
 * Records what happens in a server, as events for its observers.
 *
 * @module
 */

import type { WriteRequest } from "../mensagem.ts";
import type { Counts, FaultAction, ServerEvent } from "../wire/events.ts";
import { textOfValue, type Value } from "../wire/long_value.ts";
import { Fifo } from "../fifo.ts";
import type { ReplicationListener, ServerPrints } from "../replication/environment.ts";
import { eventTextCharsMax, timedPutsMax } from "../limits.ts";

/** Events in one EVENTS message, those of the table not counted. */
export const eventsMax = 256;

/** How many of these are reserved for rare events: refused GETs, CONFLICTs, members and faults. */
export const eventsReserved = 56;

/** Takes everything that happens in a server. */
export type EventSink = ServerPrints & ReplicationListener;

/** The sinks that are told of every event, with or without observers. */
export interface PermanentSinks {
  /** The console. */
  readonly prints: ServerPrints;
  /** Another listener, such as the metrics. */
  readonly watch?: ReplicationListener | undefined;
}

/** What was recorded in one tick. */
export interface Recorded {
  /** The events, in their order. */
  readonly events: readonly ServerEvent[];
  /** Events for which there was no room. */
  readonly missed: number;
  /** Whether the table has changed by other means than writes. */
  readonly tableDue: boolean;
}

/**
 * Passes everything on to the permanent sinks, and records it.
 *
 * One tick has room for {@linkcode eventsMax} events. The others are counted as missed.
 */
export class EventRecorder implements EventSink {
  readonly #prints: ServerPrints;
  readonly #watch: ReplicationListener | undefined;
  /** Invariant: at most `eventsMax`. */
  #events: ServerEvent[] = [];
  #missed = 0;
  #tableDue = false;
  #counts = {
    puts: 0,
    putOks: 0,
    gets: 0,
    refused: 0,
    replications: 0,
    writes: 0,
    writeOks: 0,
    conflicts: 0,
  };
  /**
   * For each write without a PUT_OK or WRITE_OK, when its request came. Invariant: in the order of
   * timestamps, and at most `timedPutsMax`.
   */
  readonly #putTimes = new Fifo<{ readonly timestamp: number; readonly cameAt: number }>();

  /** A recorder of no events. */
  constructor({ prints, watch }: PermanentSinks) {
    this.#prints = prints;
    this.#watch = watch;
  }

  /** How often each thing has happened while there were observers. */
  get counts(): Counts {
    return this.#counts;
  }

  /** Returns what was recorded since the last call. */
  take(): Recorded {
    const taken = { events: this.#events, missed: this.#missed, tableDue: this.#tableDue };
    this.#events = [];
    this.#missed = 0;
    this.#tableDue = false;
    return taken;
  }

  /** Records a PUT that the leader received. */
  put(client: string, key: string, value: Value): void {
    this.#prints.put(client, key, value);
    this.#counts.puts++;
    if (this.#hasRoom()) {
      this.#events.push({ kind: "put", at: Date.now(), client, key: cut(key), value: cut(value) });
    }
  }

  /** Records a PUT that a follower passes on. */
  forwarding(key: string, value: Value): void {
    this.#prints.forwarding(key, value);
    if (this.#hasRoom()) {
      this.#events.push({ kind: "forwarding", at: Date.now(), key: cut(key), value: cut(value) });
    }
  }

  /** Records a REPLICATION that a follower received. */
  replication(key: string, value: Value | null, timestamp: number): void {
    this.#prints.replication(key, value, timestamp);
    this.#counts.replications++;
    this.#addWrite("replication", key, value, timestamp);
  }

  /** Records a write of the leader, and when its request came. */
  written(
    key: string,
    value: Value | null,
    timestamp: number,
    waitedMs: number,
    expired = false,
  ): void {
    this.#watch?.written(key, value, timestamp, waitedMs, expired);
    if (this.#putTimes.length === timedPutsMax) this.#putTimes.shift();
    this.#putTimes.push({ timestamp, cameAt: performance.now() - waitedMs });
    this.#addWrite("written", key, value, timestamp, expired);
  }

  /** Records a PUT_OK of the leader, and how long its PUT took. */
  putOk(client: string, key: string, timestamp: number): void {
    this.#prints.putOk(client, key, timestamp);
    this.#counts.putOks++;
    const ms = this.#msSince(timestamp);
    if (ms === undefined) this.#missed++; // the PUT came before the first observer, or long ago
    else if (this.#hasRoom()) {
      this.#events.push({ kind: "put_ok", at: Date.now(), client, key: cut(key), timestamp, ms });
    }
  }

  /** Records a WRITE that the leader received. */
  write(client: string, request: WriteRequest): void {
    this.#watch?.write(client, request);
    this.#counts.writes++;
    if (!this.#hasRoom()) return;
    const { key, value, expected, ttlMs } = request;
    this.#events.push({
      ...{ kind: "write", at: Date.now(), client, key: cut(key), value: cut(value) },
      ...(expected === undefined ? {} : { expected }),
      ...(ttlMs === undefined ? {} : { ttlMs }),
    });
  }

  /** Records a WRITE that a follower passes on. */
  forwardingWrite(request: WriteRequest): void {
    this.#watch?.forwardingWrite(request);
    if (!this.#hasRoom()) return;
    const [key, value] = [cut(request.key), cut(request.value)];
    this.#events.push({ kind: "forwarding_write", at: Date.now(), key, value });
  }

  /** Records a WRITE_OK of the leader, and how long its WRITE took if that is known. */
  writeOk(client: string, key: string, timestamp: number, wrote: boolean): void {
    this.#watch?.writeOk(client, key, timestamp, wrote);
    this.#counts.writeOks++;
    const ms = wrote ? this.#msSince(timestamp) : undefined;
    if (!this.#hasRoom()) return;
    const ok = { kind: "write_ok", at: Date.now(), client, key: cut(key), timestamp } as const;
    this.#events.push(ms === undefined ? ok : { ...ok, ms });
  }

  /** Records a CONFLICT of the leader. */
  conflict(
    client: string,
    key: string,
    expected: number,
    value: Value | null,
    timestamp: number,
  ): void {
    this.#watch?.conflict(client, key, expected, value, timestamp);
    this.#counts.conflicts++;
    if (!this.#hasRoom(true)) return;
    const condition = { client, key: cut(key), expected };
    const found = { value: cut(value), timestamp };
    this.#events.push({ kind: "conflict", at: Date.now(), ...condition, ...found });
  }

  /** Records a GET. */
  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: Value | null | undefined,
  ): void {
    this.#prints.get(client, key, seen, own, value);
    this.#counts.gets++;
    if (value === undefined) this.#counts.refused++;
    if (!this.#hasRoom(value === undefined)) return;
    const get = { kind: "get", at: Date.now(), client, key: cut(key), seen, own } as const;
    this.#events.push(
      value === undefined ? { ...get, refused: true } : { ...get, value: cut(value) },
    );
  }

  /** Records an acknowledgement of a follower. */
  acknowledged(follower: string, timestamp: number): void {
    this.#watch?.acknowledged(follower, timestamp);
    if (this.#hasRoom()) {
      this.#events.push({ kind: "acknowledged", at: Date.now(), follower, timestamp });
    }
  }

  /** Records which servers take part. */
  members(joined: readonly string[], inSync: readonly string[], open: boolean): void {
    this.#watch?.members(joined, inSync, open);
    if (this.#hasRoom(true)) {
      this.#events.push({ kind: "members", at: Date.now(), joined, inSync, open });
    }
  }

  /** Records the beginning or end of a fault. */
  fault(follower: string, action: FaultAction, delayMs?: number): void {
    this.#watch?.fault(follower, action, delayMs);
    if (!this.#hasRoom(true)) return;
    const delay = delayMs === undefined ? {} : { delayMs };
    this.#events.push({ kind: "fault", at: Date.now(), follower, action, ...delay });
  }

  /** Asks for the table in the next EVENTS. */
  table(): void {
    this.#watch?.table();
    this.#tableDue = true;
  }

  #addWrite(
    kind: "written" | "replication",
    key: string,
    value: Value | null,
    timestamp: number,
    expired = false,
  ): void {
    if (!this.#hasRoom()) return;
    const write = { kind, at: Date.now(), key: cut(key), value: cut(value), timestamp };
    this.#events.push(expired ? { ...write, kind: "written", expired } : write);
  }

  /** The time since the request of a write came; `undefined` if that was not recorded, or dropped. */
  #msSince(timestamp: number): number | undefined {
    for (let first = this.#putTimes.at(0); first !== undefined; first = this.#putTimes.at(0)) {
      if (first.timestamp > timestamp) return undefined;
      this.#putTimes.shift();
      if (first.timestamp !== timestamp) continue;
      return Math.round((performance.now() - first.cameAt) * 1_000) / 1_000;
    }
    return undefined;
  }

  /** Whether there is room for an event. If not, it is counted as missed. */
  #hasRoom(rare = false): boolean {
    const room = this.#events.length < (rare ? eventsMax : eventsMax - eventsReserved);
    if (!room) this.#missed++;
    return room;
  }
}

/** Cuts a key or value to {@linkcode eventTextCharsMax}, and marks the cut with an ellipsis. */
export function cut<V extends Value | null>(keyOrValue: V): V extends null ? null : string;
export function cut(keyOrValue: Value | null): string | null {
  const text = textOfValue(keyOrValue);
  return text === null || text.length <= eventTextCharsMax
    ? text
    : `${text.slice(0, eventTextCharsMax).toWellFormed()}…`;
}
