/**
 * The observer of one server: its events and its status.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import type { Counts, FaultAction } from "../../lib/wire/events.ts";
import { within } from "../../lib/client/deadlines.ts";
import type { Access } from "../../lib/client/access.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { dialTimeoutMs, requestTimeoutMs } from "../../lib/limits.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import { type Events, Fault, Status } from "../../lib/mensagem.ts";
import type { Item } from "./item.ts";
import { Pace } from "./pace.ts";
import { ServerNames } from "./server_names.ts";

const { redialFirstMs, redialLongestMs } = tuningDefault;

/** Time between an answer to STATUS and the next STATUS. */
export const statusIntervalMs = 1_000;

/** A server that does not answer a STATUS within this time counts as unreachable. */
export const observerSilenceMs = 4_000;

/** The observer closes a connection to get the server's table again only after this time. */
export const reconnectMinMs = 2_000;

/** The reason that the observer gives when it closes a connection to get the table again. */
const tableIncomplete = "events were lost, so the dashboard reconnects to get the whole table";

/**
 * Observes one server.
 *
 * - When the connection ends, the observer dials again. The pause before that grows up to a limit.
 * - `take` gets "up" before the items of a connection and "down" after them. While the server
 *   cannot be reached, the same reason is given only once.
 * - A server that sends more than an honest one, or takes too much time, is read slowly.
 * - A server that says that it is another one of the servers is not observed.
 * - A server sends its table to each new observer. So if events were lost, the observer
 *   reconnects as soon as no more are lost.
 */
export class Observer implements AsyncDisposable {
  /** "ip:port" of the server. */
  readonly server: string;
  readonly #address: Address;
  readonly #access: Access;
  readonly #names: ServerNames;
  readonly #take: (item: Item) => void;
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  /** The connection, open or not; `undefined` between two connections. */
  #connection: ServerConnection | undefined;
  /** The counts of this connection's last EVENTS; `undefined` before the first. */
  #counts: Counts | undefined;
  /** Whether events were lost. Then the dashboard's copy of the server's table may be old. */
  #incomplete = false;
  readonly #pace = new Pace();
  /** Whether the server is read slowly, as the page shows it. */
  #slow = false;
  /** Whether reading has waited since the last answer to STATUS. */
  #waited = false;
  /** When this connection was dialled, on the clock of `performance.now()`. */
  #dialledMs = 0;

  /** Starts to dial. `names` are those of all servers that are observed. */
  constructor(
    address: Address,
    access: Access,
    take: (item: Item) => void,
    names: ServerNames = new ServerNames([formatAddress(address)]),
  ) {
    this.server = formatAddress(address);
    this.#address = address;
    this.#access = access;
    this.#names = names;
    this.#take = take;
    this.#running = this.#run();
  }

  /**
   * Pauses, delays or resumes the replication to a follower, given by the address that is dialled.
   *
   * @throws {Error} if the server is not connected, or refuses the command.
   */
  async fault(follower: string, action: FaultAction, delayMs?: number): Promise<void> {
    const connection = this.#connection;
    if (!connection?.alive) throw new Error(`${this.server} is not connected`);
    const own = this.#names.own(follower);
    const make = (id: number) => new Fault(id, own, action, delayMs);
    await connection.request(make, within(requestTimeoutMs));
  }

  /** Closes the connection, and does not dial again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    this.#connection?.close("the dashboard was closed");
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    let pauseMs = redialFirstMs;
    let lastReason: string | undefined;
    while (!signal.aborted) {
      const reason = await this.#observe();
      if (signal.aborted) return;
      if (reason === tableIncomplete) continue;
      const lasted = performance.now() - this.#dialledMs > redialLongestMs;
      if (lasted) pauseMs = redialFirstMs;
      const wasUp = this.#counts !== undefined;
      if (lasted || wasUp || reason !== lastReason) {
        this.#take({ kind: "down", at: Date.now(), server: this.server, reason });
      }
      lastReason = reason;
      await pause(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, redialLongestMs);
    }
  }

  /** Observes over one connection until it ends. Resolves with the reason for the end. */
  async #observe(): Promise<string> {
    this.#counts = undefined;
    this.#incomplete = false;
    this.#slow = false;
    this.#dialledMs = performance.now();
    const connection = new ServerConnection(this.#address, {
      ...this.#access,
      connectTimeoutMs: dialTimeoutMs,
      onEvents: (events) => this.#takeEvents(connection, events),
      paceEvents: ({ events }, chars, ms) =>
        this.#wait(this.#pace.take({ events: events.length, chars, ms })),
    });
    this.#connection = connection;
    const ended = new AbortController();
    const pollingStatus = this.#pollStatus(connection, ended.signal);
    const { message } = await connection.ended;
    ended.abort();
    this.#connection = undefined;
    await pollingStatus;
    return message;
  }

  async #pollStatus(connection: ServerConnection, ended: AbortSignal): Promise<void> {
    await connection.opened;
    while (connection.usable) {
      try {
        const reply = await connection.request((id) => new Status(id), within(observerSilenceMs));
        const { type: _type, id: _id, ...status } = reply;
        const other = this.#names.take(status.server, this.server);
        if (other !== undefined) return connection.close(other);
        if (!this.#waited) this.#showSlow(false);
        this.#waited = false;
        const named = this.#names.inStatus(status);
        this.#take({ kind: "status", at: Date.now(), server: this.server, status: named });
      } catch (error) {
        return connection.close((error as Error).message);
      }
      await pause(statusIntervalMs, ended);
    }
  }

  #takeEvents(
    connection: ServerConnection,
    { server: name, at, missed, counts, events }: Events,
  ): void {
    const { server } = this;
    const other = this.#names.take(name, server);
    if (other !== undefined) return connection.close(other);
    const before = this.#counts;
    this.#counts = counts;
    if (before === undefined) this.#take({ kind: "up", at: Date.now(), server });
    for (const event of events) this.#take({ ...this.#names.inEvent(event), server });
    const since = countsSince(before ?? counts, counts);
    if (missed > 0 || Object.values(since).some((count) => count > 0)) {
      this.#take({ kind: "counts", at, server, counts: since, missed });
    }
    // The first EVENTS has only a part of a table that is too large: reconnecting would not help.
    if (missed > 0 && before !== undefined) this.#incomplete = true;
    else if (this.#incomplete && performance.now() - this.#dialledMs > reconnectMinMs) {
      connection.close(tableIncomplete);
    }
  }

  /** Waits before the server is read on, and shows that. */
  #wait(ms: number): Promise<void> | undefined {
    if (ms === 0) return undefined;
    this.#waited = true;
    this.#showSlow(true);
    return pause(ms, this.#closed.signal);
  }

  #showSlow(slow: boolean): void {
    if (slow === this.#slow) return;
    this.#slow = slow;
    this.#take({ kind: "slow", at: Date.now(), server: this.server, slow });
  }
}

function countsSince(before: Counts, now: Counts): Counts {
  return {
    puts: now.puts - before.puts,
    putOks: now.putOks - before.putOks,
    gets: now.gets - before.gets,
    refused: now.refused - before.refused,
    replications: now.replications - before.replications,
    writes: now.writes - before.writes,
    writeOks: now.writeOks - before.writeOks,
    conflicts: now.conflicts - before.conflicts,
  };
}

/** Waits until the time is over or the signal is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, { signal }).catch(() => {});
}
