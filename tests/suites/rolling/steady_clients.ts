/**
 * Programs that use the library as it is meant to be used: a request goes on until it is answered. None may fail while
 * servers are restarted one at a time.
 *
 * @module
 */

import { UnknownOutcomeError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { eventually, within } from "../../support/waiting.ts";
import type { ServerUnderLoad } from "../faults/client.ts";
import type { Event, History } from "../faults/history.ts";

/** How long a request may take: far longer than a restart on a busy machine. */
export const requestMsMax = 30_000;
const clientsCount = 4;
/** The requests that each client has in flight besides one PUT. */
const readersPerClient = 2;
/** Keys that all clients write and read. */
const keysCount = 24;

/** Clients with requests in flight all the time. */
export class SteadyClients implements AsyncDisposable {
  /** Why requests failed. */
  readonly failures: string[] = [];
  /** PUTs that may or may not have been applied. */
  readonly unknown: string[] = [];
  /** GETs that were answered. */
  gets = 0;
  /** How long the PUTs took, each with the time of its end. */
  readonly puts: { readonly tookMs: number; readonly endMs: number }[] = [];
  readonly #servers: readonly ServerUnderLoad[];
  readonly #history: History;
  readonly #clients: KvClient[];
  readonly #workers: Promise<void>[] = [];
  /** How many PUTs each client has begun, and how many of them have ended. */
  readonly #begun = new Array<number>(clientsCount).fill(0);
  readonly #ended = new Array<number>(clientsCount).fill(0);
  #stopping = false;

  /** Starts the clients. */
  constructor(servers: readonly ServerUnderLoad[], history: History) {
    this.#servers = servers;
    this.#history = history;
    this.#clients = Array.from(
      { length: clientsCount },
      () => new KvClient(servers.map(({ address }) => address), { timeoutMs: requestMsMax }),
    );
    for (const [number, client] of this.#clients.entries()) {
      this.#workers.push(this.#write(client, number));
      for (let i = 0; i < readersPerClient; i++) this.#workers.push(this.#read(client, number));
    }
  }

  /** The time of the slowest PUT that ended at `sinceMs` or later. */
  slowestPutMs(sinceMs: number): number {
    const times = this.puts.filter(({ endMs }) => endMs >= sinceMs).map(({ tookMs }) => tookMs);
    return Math.round(Math.max(0, ...times));
  }

  /** Resolves when each client has ended a PUT that it began now or later, or when a request has failed. */
  async caughtUp(): Promise<void> {
    const begun = [...this.#begun];
    await eventually(
      "the PUTs of all clients",
      () => this.failures.length > 0 || this.#ended.every((count, i) => count > begun[i]!),
      2 * requestMsMax,
    );
  }

  /** Sends no more requests, and waits until all are answered. */
  async stop(): Promise<void> {
    this.#stopping = true;
    await within("the last answers", Promise.all(this.#workers), 2 * requestMsMax);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping = true; // after a failure requests may still be open
    await Promise.all(this.#clients.map((client) => client.close()));
    await Promise.all(this.#workers);
  }

  async #write(client: KvClient, number: number): Promise<void> {
    for (let n = 0; !this.#stopping && this.failures.length === 0; n++) {
      const sinceMs = performance.now();
      this.#begun[number]!++;
      await this.#request(number, `chave ${n % keysCount}`, true, async (op, base) => {
        const { timestamp } = await client.put(base.key, `${op}`);
        const endMs = performance.now();
        this.puts.push({ tookMs: endMs - sinceMs, endMs });
        return { kind: "put", op, ...base, timestamp };
      });
      this.#ended[number]!++;
    }
  }

  async #read(client: KvClient, number: number): Promise<void> {
    for (let n = number; !this.#stopping && this.failures.length === 0; n++) {
      const floors = new Map(this.#servers.map(({ name, startFloors }) => [name, startFloors]));
      await this.#request(number, `chave ${n % keysCount}`, false, async (op, base) => {
        const { server, value, timestamp } = await client.get(base.key);
        const startFloor = floors.get(server)!.get(base.key) ?? 0;
        this.gets++;
        return { kind: "got", op, ...base, value, timestamp, startFloor };
      });
    }
  }

  async #request(
    number: number,
    key: string,
    write: boolean,
    ask: (op: number, base: { client: string; key: string }) => Promise<Event>,
  ): Promise<void> {
    const op = this.#history.nextOp();
    const client = `steady ${number}`;
    const sinceMs = performance.now();
    this.#history.record({ kind: "asked", op, client, key, value: write ? `${op}` : undefined });
    const event = await ask(op, { client, key }).catch((error): Event => {
      const kind = error instanceof UnknownOutcomeError ? "unknown" : "failed";
      const list = kind === "unknown" ? this.unknown : this.failures;
      list.push(`${write ? "PUT" : "GET"} of ${key}: ${error}`);
      return { kind, op, reason: `${error}` };
    });
    this.#history.record(event);
    this.#history.record({ kind: "answered", op, afterMs: performance.now() - sinceMs });
  }
}
