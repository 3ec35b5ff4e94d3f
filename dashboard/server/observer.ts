/**
 * What happens at one server, and how it is, for as long as anybody wants to know.
 *
 * @module
 */

import { type Address, formatAddress } from "../../lib/wire/address.ts";
import type { Counts, FaultAction } from "../../lib/wire/events.ts";
import { dialTimeoutMs } from "../../lib/limits.ts";
import { tuningDefault } from "../../lib/replication/tuning.ts";
import { type Events, Fault, Observe, Status } from "../../lib/mensagem.ts";
import type { Item } from "./item.ts";
import { type Entry, ServerLink } from "./link.ts";

const { redialFirstMs, redialLongestMs } = tuningDefault;

/** Pause between two questions of the dashboard for a server's status. */
export const statusPauseMs = 1_000;

/** A server that tells its observer nothing for this long is taken for unreachable. */
export const observerSilenceMs = 4_000;

/** A dashboard that has lost events asks a server for its table no more often than this. */
export const resyncPauseMs = 2_000;

/** The reason of an end that is followed by a connection at once. */
const again = "the dashboard connects anew";

/**
 * Observes one server.
 *
 * - Whenever the connection ends, it dials again, after pauses that grow up to a limit.
 * - `take` gets "up" before the events of a connection, and "down" after it, but not the same reason
 *   again and again.
 * - Once events got lost, and there are few enough again, it connects anew: a server tells its
 *   table to who comes.
 */
export class Observer implements AsyncDisposable {
  /** "ip:port" of the server. */
  readonly server: string;
  readonly #address: Address;
  readonly #entry: Entry;
  readonly #take: (item: Item) => void;
  readonly #closed = new AbortController();
  readonly #running: Promise<void>;
  /** Set while there is a connection. */
  #link: ServerLink | undefined;
  /** The counts of the connection's last EVENTS, `undefined` before its first. */
  #counts: Counts | undefined;
  /** Events are missing, so what is known of the server's table may be old. */
  #incomplete = false;
  #dialledAt = 0;

  /** Begins to dial. */
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
   * @throws {Error} where the server cannot be reached or does not take the command.
   */
  async fault(follower: string, action: FaultAction, delayMs?: number): Promise<void> {
    if (this.#link === undefined) throw new Error(`${this.server} cannot be reached`);
    const reply = await this.#link.request((id) => new Fault(id, follower, action, delayMs));
    if (reply.type === "ERROR") throw new Error(`${reply.code}: ${reply.message}`);
  }

  /** Ends the connection, for good. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    await this.#link?.close();
    await this.#running;
  }

  async #run(): Promise<void> {
    const { signal } = this.#closed;
    let pauseMs = redialFirstMs;
    let told: string | undefined;
    while (!signal.aborted) {
      const began = performance.now();
      const reason = await this.#observe();
      if (signal.aborted) return;
      if (reason === again) continue;
      const lasted = performance.now() - began > redialLongestMs;
      if (lasted) pauseMs = redialFirstMs;
      if (lasted || reason !== told) {
        this.#take({ kind: "down", at: Date.now(), server: this.server, reason });
      }
      told = reason;
      await pause(pauseMs, signal);
      pauseMs = Math.min(pauseMs * 2, redialLongestMs);
    }
  }

  /** One connection from start to end. Resolves with the reason of the end. */
  async #observe(): Promise<string> {
    const { signal } = this.#closed;
    let link: ServerLink;
    try {
      const inTime = AbortSignal.any([signal, AbortSignal.timeout(dialTimeoutMs)]);
      link = await ServerLink.open(this.#address, this.#entry, inTime);
    } catch (error) {
      return (error as Error).message;
    }
    if (signal.aborted) await link.close();
    this.#link = link;
    this.#counts = undefined;
    this.#incomplete = false;
    this.#dialledAt = performance.now();
    link.onEvents = (events) => this.#takeEvents(link, events);
    link.observe((id) => new Observe(id));
    const over = new AbortController();
    const asking = this.#askStatus(link, over.signal);
    const reason = await link.ended();
    over.abort();
    this.#link = undefined;
    await asking;
    return reason;
  }

  async #askStatus(link: ServerLink, over: AbortSignal): Promise<void> {
    while (link.open) {
      try {
        const reply = await link.request((id) => new Status(id));
        if (reply.type !== "STATUS_OK") throw new Error(`${reply.type} to a STATUS`);
        const { type: _type, id: _id, ...status } = reply;
        this.#take({ kind: "status", at: Date.now(), server: this.server, status });
      } catch (error) {
        return await link.close((error as Error).message);
      }
      await pause(statusPauseMs, over);
      if (performance.now() - link.heardAt > observerSilenceMs) await link.close("it is silent");
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
    // What the first ones leave out, a table too large, would be left out again.
    if (missed > 0 && before !== undefined) this.#incomplete = true;
    else if (this.#incomplete && performance.now() - this.#dialledAt > resyncPauseMs) {
      link.close(again).catch(() => {});
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

/** Waits, but no longer than until the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  const stop = () => resolve();
  signal.addEventListener("abort", stop, { once: true });
  if (signal.aborted) resolve();
  await promise;
  clearTimeout(timer);
  signal.removeEventListener("abort", stop);
}
