/**
 * The clients that the dashboard plays, each with timestamps of its own.
 *
 * @module
 */

import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import { dialTimeoutMs } from "../../lib/limits.ts";
import { type AnyMensagem, checkKey, checkValue, Get, Put, Status } from "../../lib/mensagem.ts";
import { Session } from "../../lib/client/session.ts";
import type { Item } from "./item.ts";
import { type Entry, ServerLink } from "./link.ts";

/** The clients that the dashboard plays. */
export const dashboardClients = 4;

/** An answer to one of the clients. */
export interface Answer {
  /** "ip:port" of the server that was asked. */
  readonly server: string;
  /** The server's timestamp for the key. */
  readonly timestamp: number;
  /** The timestamp that the client had for the key when it asked. */
  readonly seen: number;
  /**
   * The value; `null` where the key does not exist; left out where the server is behind what the
   * client has seen.
   */
  readonly value?: string | null;
}

/**
 * Several clients in one process.
 *
 * - Each request goes once, to the server that was named or to one drawn at random.
 * - Each client has its own connection to each server, so that the servers tell them apart.
 */
export class Clients implements AsyncDisposable {
  readonly #servers: ReadonlyMap<string, Address>;
  readonly #entry: Entry;
  readonly #take: (item: Item) => void;
  readonly #random: () => number;
  readonly #closed = new AbortController();
  #sessions: Session[];
  #cluster = "";
  /** By client and server. */
  readonly #links = new Map<string, Promise<ServerLink>>();

  /** Clients 1 to {@linkcode dashboardClients}. `take` is told who they are and what they see. */
  constructor(
    servers: readonly Address[],
    entry: Entry,
    take: (item: Item) => void,
    random: () => number = Math.random,
  ) {
    this.#servers = new Map(servers.map((address) => [formatAddress(address), address]));
    this.#entry = entry;
    this.#take = take;
    this.#random = random;
    this.#sessions = newSessions();
  }

  /**
   * Writes a value as one of the clients.
   *
   * @throws {MensagemError} where key or value break a limit.
   * @throws {UnavailableError} where it was not written and will not be.
   * @throws {UnknownOutcomeError} where nobody can tell.
   */
  async put(client: number, key: string, value: string, server?: string): Promise<Answer> {
    checkKey(key);
    checkValue(value);
    return await this.#ask(client, key, server, (id) => new Put(id, key, value));
  }

  /**
   * Reads a value as one of the clients.
   *
   * @throws {MensagemError} where the key breaks a limit.
   * @throws {UnavailableError} where there is no answer.
   */
  async get(client: number, key: string, server?: string): Promise<Answer> {
    checkKey(key);
    return await this.#ask(client, key, server, (id, seen) => new Get(id, key, seen));
  }

  /** Ends all connections. Requests without an answer fail. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed.abort();
    for (const link of this.#links.values()) {
      await link.then((open) => open.close(), () => {});
    }
  }

  async #ask(
    client: number,
    key: string,
    server: string | undefined,
    make: (id: number, seen: number) => Put | Get,
  ): Promise<Answer> {
    const link = await this.#link(client, server ?? this.#draw());
    const session = this.#sessions[client - 1]!;
    const seen = session.timestamp(key);
    const reply = await link.request((id) => make(id, seen));
    switch (reply.type) {
      case "TRY_OTHER_SERVER_OR_LATER":
        return { server: link.server, timestamp: reply.timestamp, seen };
      case "PUT_OK":
      case "GET_OK": {
        session.learn(reply);
        const timestamp = session.timestamp(key);
        this.#take({ kind: "seen", at: Date.now(), client, key, timestamp });
        const value = reply.type === "GET_OK" ? { value: reply.value } : {};
        return { server: link.server, timestamp: reply.timestamp, seen, ...value };
      }
      default:
        throw refusal(link.server, reply);
    }
  }

  #draw(): string {
    const names = [...this.#servers.keys()];
    return names[Math.floor(this.#random() * names.length)]!;
  }

  async #link(client: number, server: string): Promise<ServerLink> {
    if (this.#sessions[client - 1] === undefined) {
      throw new RangeError(`there is no client ${client}: they are 1 to ${dashboardClients}`);
    }
    const address = this.#servers.get(server);
    if (address === undefined) throw new RangeError(`there is no server ${server} here`);
    const name = `${client} ${server}`;
    const present = this.#links.get(name);
    if (present !== undefined && (await present.catch(() => undefined))?.open) return present;
    if (this.#links.get(name) !== present) return await this.#link(client, server);
    const fresh = this.#connect(client, address);
    this.#links.set(name, fresh);
    return await fresh;
  }

  /** Connects, tells whose connection it is, and checks that what the clients know still holds. */
  async #connect(client: number, address: Address): Promise<ServerLink> {
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(dialTimeoutMs)]);
    try {
      const link = await ServerLink.open(address, this.#entry, signal);
      this.#take({ kind: "client", at: Date.now(), client, address: link.local });
      const reply = await link.request((id) => new Status(id));
      if (reply.type !== "STATUS_OK") throw refusal(link.server, reply);
      this.belongsTo(reply.cluster);
      return link;
    } catch (cause) {
      if (cause instanceof UnavailableError) throw cause;
      throw new UnavailableError(formatAddress(address), (cause as Error).message, { cause });
    }
  }

  /**
   * Takes note of the cluster that a server belongs to, "" where it belongs to none yet. Where that
   * is another one than before, the clients forget what they have seen: it means nothing there.
   */
  belongsTo(cluster: string): void {
    if (cluster === "" || cluster === this.#cluster) return;
    const before = this.#cluster;
    this.#cluster = cluster;
    if (before === "") return;
    this.#sessions = newSessions();
    this.#take({ kind: "forgotten", at: Date.now() });
  }
}

function newSessions(): Session[] {
  return Array.from({ length: dashboardClients }, () => new Session());
}

function refusal(server: string, reply: AnyMensagem): Error {
  if (reply.type !== "ERROR") return new UnavailableError(server, `${reply.type} is no answer`);
  const reason = `${reply.code}: ${reply.message}`;
  return reply.code === "UNKNOWN_OUTCOME"
    ? new UnknownOutcomeError(server, reason)
    : new UnavailableError(server, reason);
}
