/**
 * Three servers under load, restarted one at a time, and the check of everything that their clients saw.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { assert, assertEquals, assertGreater } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import type { Address } from "../../../lib/wire/address.ts";
import { Random } from "../../support/random.ts";
import { eventually } from "../../support/waiting.ts";
import { History } from "../faults/history.ts";
import { Load, type LoadOptions } from "../faults/load.ts";
import { RollingServer, type Start } from "./rolling_server.ts";
import { requestMsMax, SteadyClients } from "./steady_clients.ts";

/** How long it may take on a busy machine until all three servers are in sync. */
const syncMsMax = 30_000;
/** How long a server has to answer: PUTs of clients that wait for the leader included. */
const answerMs = requestMsMax + 10_000;
/** Clients with a connection to each server, and one of the library that asks once. */
const load: Partial<LoadOptions> = { witnesses: 4, workersPerServer: 1, libraryClients: 1 };
/** The requests that show that work goes on. */
const some = 100;

/** One of the three servers; the leader is 0. */
export type ServerIndex = 0 | 1 | 2;

/** Three servers with a load. */
export class RollingCluster implements AsyncDisposable {
  /** The leader first. */
  readonly servers: readonly [RollingServer, RollingServer, RollingServer];
  readonly #history = new History();
  readonly #notes: { readonly atMs: number; readonly line: string }[] = [];
  readonly #status: KvClient;
  #load: Load | undefined;
  #steady: SteadyClients | undefined;
  #calmUntilMs = Infinity;

  /** Servers without processes. */
  constructor(addresses: readonly [Address, Address, Address]) {
    const server = (address: Address) => new RollingServer(address, addresses[0]);
    this.servers = [server(addresses[0]), server(addresses[1]), server(addresses[2])];
    this.#status = new KvClient(addresses, { timeoutMs: 2_000, once: true });
  }

  /** Starts the three servers and the load. */
  async start(starts: readonly [Start, Start, Start]): Promise<void> {
    await Promise.all(this.servers.map((server, i) => server.start(starts[i]!, new Map())));
    await this.inSync();
    const target = { servers: this.servers, note: (text: string) => this.note(text) };
    this.#load = await Load.start(target, this.#history, new Random(1), load);
    this.#steady = new SteadyClients(this.servers, this.#history);
    await this.#load.puts(some);
  }

  /** Stops a server, does something meanwhile, starts it in another way, and waits until all are in sync. */
  async restart(
    index: ServerIndex,
    start: Start,
    meanwhile: () => Promise<void> = async () => {},
  ): Promise<void> {
    const server = this.servers[index];
    const puts = this.#history.puts;
    const stopMs = this.note(`${server.name} is stopped`);
    this.#calmUntilMs = Math.min(this.#calmUntilMs, stopMs);
    await server.stop();
    await meanwhile();
    await server.start(start, new Map(this.#history.acknowledged));
    const servesMs = this.note(`${server.name} serves again`);
    await this.inSync();
    const syncMs = this.note("all three are in sync");
    await this.#load!.puts(some);
    await this.#load!.gets(some);
    await this.#steady!.caughtUp();
    assertEquals(this.#steady!.failures, []);
    assertGreater(this.#history.puts, puts);
    const since = (ms: number) => Math.round(ms - stopMs);
    console.log(
      `${index === 0 ? "the leader" : `follower ${index}`}: serves ${
        since(servesMs)
      } ms and in sync ` +
        `${since(syncMs)} ms after its stop; slowest PUT ${this.#steady!.slowestPutMs(stopMs)} ms`,
    );
  }

  /** Resolves when more GETs are answered, whichever server is away. */
  async goesOn(): Promise<void> {
    await this.#load!.gets(some);
  }

  /** Resolves when `status` shows all three servers in sync, as an operator waits for it. */
  async inSync(): Promise<void> {
    await eventually("all three servers are in sync", async () => {
      const results = await this.#status.status();
      return results.every((result) => result.reachable) &&
        results.some((result) => result.reachable && result.status.inSync.length === 3);
    }, syncMsMax);
  }

  /** PUTs of steady clients that may or may not have been applied. */
  get unknown(): readonly string[] {
    return this.#steady!.unknown;
  }

  /** Ends the load and checks all answers: no request of a steady client has failed, nothing is lost or stale. */
  async check(): Promise<void> {
    const [load, steady] = [this.#load!, this.#steady!];
    await load.puts(some);
    await steady.stop();
    await load.stop();
    const last = await load.lastRequests();
    const tables = await load.readTables();
    const { figures, violations } = this.#history.judge({
      ...last,
      tables,
      clients: load.clients,
      calmUntilMs: this.#calmUntilMs,
      loadEndMs: load.endMs,
      answerMs,
    });
    const { acknowledged, read, lost, stale } = figures;
    console.log(
      `in all: ${acknowledged} PUTs acknowledged, ${read} GETs answered; of the steady clients ` +
        `${steady.puts.length} PUTs and ${steady.gets} GETs, ${steady.failures.length} failed, ` +
        `${steady.unknown.length} with an unknown outcome; lost ${lost}, stale ${stale}`,
    );
    assertEquals(steady.failures, []);
    assertEquals(violations, []);
    assertEquals([lost, stale], [0, 0]);
    assert(tables.every(({ readable }) => readable), "every server shows its table");
    const entries = tables.map(({ store }) => [...store.entries()].sort());
    assertGreater(entries[0]!.length, 0);
    for (const other of entries) assertEquals(other, entries[0]);
  }

  /** Notes what happens now. Returns the time. */
  note(line: string): number {
    const atMs = performance.now();
    this.#notes.push({ atMs, line: `== ${line}` });
    return atMs;
  }

  /** All notes and reports in order of time. */
  get story(): string {
    const reports = this.servers.flatMap(({ reports, name }) =>
      reports.map(({ atMs, line }) => ({ atMs, line: `${name}: ${line}` }))
    );
    return [...this.#notes, ...reports].sort((a, b) => a.atMs - b.atMs)
      .map(({ atMs, line }) => `${Math.round(atMs)} ms  ${line}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#steady?.[Symbol.asyncDispose]();
    await this.#load?.[Symbol.asyncDispose]();
    await this.#status.close();
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }
}
