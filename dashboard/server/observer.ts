/**
 * The observer of one server: its events and its status.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import type { Counts, FaultAction } from "../../lib/wire/events.ts";
import { dialTimeoutMs } from "../../lib/limits.ts";
import { redialFirstMs, redialLongestMs } from "../../lib/replication/tuning.ts";
import { type Events, Fault, Observe, Status } from "../../lib/mensagem.ts";
import type { Item } from "./item.ts";
import { type Entry, ServerLink } from "./link.ts";

/** Time between an answer to STATUS and the next STATUS. */
export const statusIntervalMs = 1_000;

/** A server that sends its observer nothing for this long is taken to be unreachable. */
export const observerSilenceMs = 4_000;

/** Shortest life of a connection that the observer closes to get the server's table again. */
export const reconnectMinMs = 2_000;

/** The reason for closing a connection to get the server's table again. */
const tableIncomplete = "events got lost, so the dashboard reconnects to get the whole table";

/**
 * Observes one server.
 *
 * - When the connection ends, the observer dials again. The pause before it grows up to a limit.
 * - `take` gets "up" before the items of a connection and "down" after them. While the server
 *   cannot be reached, the same reason is given only once.
 * - A server sends its table to each new observer. So if events got lost, the observer
 *   reconnects as soon as no more are lost.
 */
export class Observer implements AsyncDisposable {
  /** "ip:port" of the server. */
  readonly server: string;
  readonly #address: Address;
  readonly #entry: Entry;
  readonly #take: (item: Item) => void;
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  /** The connection; `undefined` if there is none. */
  #link: ServerLink | undefined;
  /** The counts of this connection's last EVENTS; `undefined` before the first. */
  #counts: Counts | undefined;
  /** Whether events got lost, so that the dashboard's copy of the server's table may be old. */
  #incomplete = false;
  /** When this connection was made, on the clock of `performance.now()`. */
  #connectedAt = 0;

  /** Starts to dial. */
  constructor(address: Address, entry: Entry, take: (item: Item) => void) {
    this.server = formatAddress(address);
    this.#address = address;
    this.#entry = entry;
    this.#take = take;
    this.#running = this.#run();
  }

  /**
   * Disturbs the replication towards a follower, or ends that.
   *
   * @throws {Error} if the server is not connected, or refuses the command.
   */
  async fault(follower: string, action: FaultAction, delayMs?: number): Promise<void> {
    if (this.#link === undefined) throw new Error(`${this.server} is not connected`);
    const reply = await this.#link.request((id) => new Fault(id, follower, action, delayMs));
    if (reply.type === "ERROR") throw new Error(`${reply.code}: ${reply.message}`);
  }

  /** Closes the connection, and does not dial again. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#link?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    let pauseMs = redialFirstMs;
    let lastReason: string | undefined;
    while (!signal.aborted) {
      const dialledAt = performance.now();
      const reason = await this.#observe();
      if (signal.aborted) return;
      if (reason === tableIncomplete) continue;
      const lasted = performance.now() - dialledAt > redialLongestMs;
      if (lasted) pauseMs = redialFirstMs;
      if (lasted || reason !== lastReason) {
        this.#take({ kind: "down", at: Date.now(), server: this.server, reason });
      }
      lastReason = reason;
      await pause(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, redialLongestMs);
    }
  }

  /** Observes over one connection until it ends. Resolves with the reason for the end. */
  async #observe(): Promise<string> {
    const { signal } = this.#closed;
    let link: ServerLink;
    try {
      const limit = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)]);
      link = await ServerLink.open(this.#address, this.#entry, limit);
    } catch (error) {
      return (error as Error).message;
    }
    if (signal.aborted) await link.close();
    this.#link = link;
    this.#counts = undefined;
    this.#incomplete = false;
    this.#connectedAt = performance.now();
    link.onEvents = (events) => this.#takeEvents(link, events);
    link.observe((id) => new Observe(id));
    const ended = new AbortController();
    const pollingStatus = this.#pollStatus(link, ended.signal);
    const reason = await link.ended();
    ended.abort();
    this.#link = undefined;
    await pollingStatus;
    return reason;
  }

  async #pollStatus(link: ServerLink, ended: AbortSignal): Promise<void> {
    while (link.open) {
      try {
        const reply = await link.request((id) => new Status(id));
        if (reply.type !== "STATUS_OK") {
          throw new Error(`the server answered STATUS with ${reply.type}`);
        }
        const { type: _type, id: _id, ...status } = reply;
        this.#take({ kind: "status", at: Date.now(), server: this.server, status });
      } catch (error) {
        return await link.close((error as Error).message);
      }
      await pause(statusIntervalMs, ended);
      if (performance.now() - link.heardAt > observerSilenceMs) {
        await link.close(`the server sent nothing for ${observerSilenceMs} ms`);
      }
    }
  }

  #takeEvents(link: ServerLink, { at, missed, counts, events }: Events): void {
    const { server } = this;
    const before = this.#counts;
    this.#counts = counts;
    if (before === undefined) this.#take({ kind: "up", at: Date.now(), server });
    for (const event of events) this.#take({ ...event, server });
    const since = countsSince(before ?? counts, counts);
    if (missed > 0 || Object.values(since).some((count) => count > 0)) {
      this.#take({ kind: "counts", at, server, counts: since, missed });
    }
    // The first EVENTS misses part of a table that is too large: reconnecting would not help.
    if (missed > 0 && before !== undefined) this.#incomplete = true;
    else if (this.#incomplete && performance.now() - this.#connectedAt > reconnectMinMs) {
      link.close(tableIncomplete).catch(() => {});
    }
  }
}

function countsSince(before: Counts, now: Counts): Counts {
  return {
    puts: now.puts - before.puts,
    putOks: now.putOks - before.putOks,
    gets: now.gets - before.gets,
    refused: now.refused - before.refused,
    replications: now.replications - before.replications,
  };
}

/** Waits until the time is over or the signal is aborted. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, { signal }).catch(() => {});
}
