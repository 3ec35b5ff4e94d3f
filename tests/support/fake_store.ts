/**
 * A store in memory behind scripted servers, which can be cut off, silent, behind or old.
 *
 * @module
 */

import { compareKeys } from "../../lib/wire/key_order.ts";
import { FakeServer } from "./fake_server.ts";
import { anyPort } from "./ports.ts";
import type { Message, Wire } from "./wire_client.ts";

/** What one server of a {@linkcode FakeStore} does with requests. */
export interface FakeMood {
  /** Answers every read with TRY_OTHER_SERVER_OR_LATER. */
  behind?: boolean;
  /** Knows only PUT and GET. */
  old?: boolean;
  /** Answers nothing and sends nothing. */
  silent?: boolean;
  /** Replaces the answer to a request; `undefined` answers as usual. */
  answer?: (request: Message) => Message | "none" | "close" | undefined;
}

interface FakeWatch {
  readonly wire: Wire;
  readonly mood: FakeMood;
  readonly id: unknown;
  readonly matches: (key: string) => boolean;
}

/** A server of a {@linkcode FakeStore}. */
export interface FakeStoreServer {
  readonly server: FakeServer;
  /** Changes how it behaves from now on. */
  readonly mood: FakeMood;
  /** Closes its connections. */
  cut(): void;
  /** Stops it. */
  stop(): Promise<void>;
}

/** One table, changed by every server in the same order. Times to live are not kept. */
export class FakeStore implements AsyncDisposable {
  timestamp = 0;
  floor = 0;
  /** The timestamps that were lost with a leader: none if the first is above the second. */
  gap: [first: number, last: number] = [1, 0];
  readonly table = new Map<string, { value: string | null; timestamp: number }>();
  /** All requests but STATUS, in the order in which they came. */
  readonly requests: Message[] = [];
  /** The most changes in one CHANGES of the state at the beginning. */
  changesMax = 100;
  readonly #watches = new Set<FakeWatch>();
  readonly #servers = new Set<FakeServer>();

  /** Starts a server of the store. */
  server(mood: FakeMood = {}, { listen = anyPort } = {}): FakeStoreServer {
    const wires = new Set<Wire>();
    const server = new FakeServer(async (wire) => {
      wires.add(wire);
      try {
        for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
          await this.#receive(wires, wire, mood, JSON.parse(line));
        }
      } catch (error) {
        if (wires.has(wire)) throw error; // otherwise it was cut
      } finally {
        wires.delete(wire);
        this.#forget(wire);
      }
    }, { listen });
    this.#servers.add(server);
    const cut = () => {
      const all = [...wires];
      wires.clear();
      for (const wire of all) {
        this.#forget(wire);
        wire.close();
      }
    };
    const stop = async () => {
      cut();
      this.#servers.delete(server);
      await server[Symbol.asyncDispose]();
    };
    return { server, mood, cut, stop };
  }

  /** The number of watches. */
  get watches(): number {
    return this.#watches.size;
  }

  /** Writes, and tells the watches. */
  write(key: string, value: string | null): number {
    return this.writeAll([[key, value]]);
  }

  /** Writes entries, and tells the watches all of them at once. */
  writeAll(entries: readonly (readonly [key: string, value: string | null])[]): number {
    const stamped = entries.map(([key, value]) => [key, value, ++this.timestamp] as const);
    for (const [key, value, timestamp] of stamped) this.table.set(key, { value, timestamp });
    for (const watch of this.#watches) {
      const changes = stamped.filter(([key]) => watch.matches(key));
      if (changes.length > 0) this.#send(watch, { changes, timestamp: this.timestamp });
    }
    return this.timestamp;
  }

  /** Sends an empty CHANGES to every watch, as a server does once a second. */
  tick(): void {
    for (const watch of this.#watches) {
      this.#send(watch, { changes: [], timestamp: this.timestamp });
    }
  }

  /** Sends any message with the id of each watch, and forgets the watches. */
  endWatches(message: Message): void {
    for (const { wire, id } of this.#watches) void wire.send({ ...message, id }).catch(() => {});
    this.#watches.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const server of this.#servers) await server[Symbol.asyncDispose]();
  }

  #forget(gone: Wire): void {
    for (const watch of this.#watches) if (watch.wire === gone) this.#watches.delete(watch);
  }

  #send({ wire, mood, id }: FakeWatch, fields: Message): void {
    if (!mood.silent) void wire.send({ type: "CHANGES", id, ...fields }).catch(() => {});
  }

  async #receive(wires: Set<Wire>, wire: Wire, mood: FakeMood, request: Message): Promise<void> {
    this.requests.push(request);
    if (mood.silent) return;
    const special = mood.answer?.(request);
    if (special === "none") return;
    if (special === "close") {
      wires.delete(wire); // so that its end is no failure
      return wire.close();
    }
    if (special !== undefined) return await wire.send(special);
    const { id, type } = request;
    const key = String(request.key ?? "");
    if (mood.old && type !== "PUT" && type !== "GET") {
      const message = `unknown "type" "${type}"`;
      return await wire.send({ type: "ERROR", id, code: "BAD_MESSAGE", message });
    }
    const entry = this.table.get(key) ?? { value: null, timestamp: this.floor };
    const tryOther = { type: "TRY_OTHER_SERVER_OR_LATER", id, timestamp: this.timestamp };
    switch (type) {
      case "PUT":
        return await wire.send({
          type: "PUT_OK",
          id,
          key,
          timestamp: this.write(key, `${request.value}`),
        });
      case "WRITE": {
        const standsAt = entry.value === null ? 0 : entry.timestamp;
        if (request.expected !== undefined && request.expected !== standsAt) {
          return await wire.send({ type: "CONFLICT", id, key, ...entry });
        }
        const timestamp = this.write(key, request.value as string | null);
        return await wire.send({ type: "WRITE_OK", id, key, timestamp });
      }
      case "GET_LATEST":
        return await wire.send({ type: "GET_OK", id, key, ...entry });
      case "GET": {
        const seen = [Number(request.timestamp), Number(request.atLeast ?? 0)];
        if (seen.some((one) => this.#isLost(one))) {
          return await wire.send({ ...tryOther, key, timestamp: entry.timestamp, lost: true });
        }
        const behind = mood.behind || entry.timestamp < seen[0]! || this.timestamp < seen[1]!;
        return await wire.send(
          behind ? { ...tryOther, key, timestamp: 0 } : { type: "GET_OK", id, key, ...entry },
        );
      }
      case "LIST": {
        const atLeast = Number(request.atLeast ?? 0);
        if (this.#isLost(atLeast)) return await wire.send({ ...tryOther, lost: true });
        if (mood.behind || atLeast > this.timestamp) return await wire.send(tryOther);
        return await wire.send({ type: "LIST_OK", id, ...this.#page(request) });
      }
      case "WATCH":
        return await this.#watch(wire, mood, request);
      case "UNWATCH":
        for (const watch of this.#watches) {
          if (watch.wire === wire && watch.id === id) this.#watches.delete(watch);
        }
    }
  }

  #isLost(timestamp: number): boolean {
    return timestamp >= this.gap[0] && timestamp <= this.gap[1];
  }

  #page({ prefix, after, limit }: Message): Message {
    const all = [...this.table]
      .filter(([key, { value }]) => key.startsWith(String(prefix)) && value !== null)
      .filter(([key]) => after === undefined || compareKeys(key, String(after)) > 0)
      .sort(([a], [b]) => compareKeys(a, b));
    const entries = all.slice(0, Number(limit)).map(([k, { value, timestamp }]) =>
      [k, value, timestamp] as const
    );
    return { entries, more: all.length > entries.length, timestamp: this.timestamp };
  }

  async #watch(wire: Wire, mood: FakeMood, request: Message): Promise<void> {
    const { id } = request;
    let after = Number(request.after);
    if (mood.behind || after > this.timestamp) {
      const { timestamp } = this;
      return await wire.send({ type: "TRY_OTHER_SERVER_OR_LATER", id, timestamp });
    }
    const matches = (key: string) =>
      request.key === undefined ? key.startsWith(String(request.prefix)) : key === request.key;
    const reset = after < this.floor || this.#isLost(after);
    if (reset) after = 0;
    const changes = [...this.table]
      .filter(([key, { timestamp }]) => matches(key) && timestamp > after)
      .map(([key, { value, timestamp }]) => [key, value, timestamp] as const)
      .sort(([, , a], [, , b]) => a - b);
    const watch = { wire, mood, id, matches };
    for (let first = true; first || changes.length > 0; first = false) {
      const part = changes.splice(0, this.changesMax);
      const more = changes.length > 0;
      this.#send(watch, {
        changes: part,
        timestamp: more ? part.at(-1)![2] : this.timestamp,
        ...(first && reset ? { reset } : {}),
        ...(more ? { more } : {}),
      });
    }
    this.#watches.add(watch);
  }
}
