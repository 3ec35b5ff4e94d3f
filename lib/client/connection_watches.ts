/**
 * The watches on one connection.
 *
 * @module
 */

import { type AnyMensagem, type Changes, type TryOther, Unwatch, type Watch } from "../mensagem.ts";
import { refusal } from "./classify.ts";
import type { KvError } from "./errors.ts";

/** Ended watches of one connection whose last messages may still come. */
const endedMax = 1_024;

/** The receiver of what a server says about one watch. */
export interface WatchSink {
  /** Takes changes. Throws if they break the protocol. */
  changes(reply: Changes): void;
  /** The server has ended the watch or is behind, or the connection was lost. The last call. */
  ended(why: TryOther | KvError): void;
}

/** One watch, and whether it was sent. */
interface Entry {
  readonly watch: Watch;
  readonly sink: WatchSink;
  sent: boolean;
}

/** The watches on one connection, by id. */
export class ConnectionWatches {
  readonly #server: string;
  readonly #nextId: () => number;
  readonly #send: (text: string) => void;
  readonly #byId = new Map<number, Entry>();
  /** The ids of watches that this end has ended: what crosses the UNWATCH is dropped. */
  readonly #ended = new Set<number>();
  #open = false;
  /** Why the connection takes no watches, `undefined` if it does. */
  #failure: KvError | undefined;

  /** No watches. `nextId` gives an id for a message, `send` sends a frame. */
  constructor(server: string, nextId: () => number, send: (text: string) => void) {
    this.#server = server;
    this.#nextId = nextId;
    this.#send = send;
  }

  /**
   * Adds a watch, and sends it as soon as the connection is open. Returns a function that ends it.
   *
   * @throws {KvError} if the connection has ended or belongs to another cluster.
   */
  add(make: (id: number) => Watch, sink: WatchSink): () => void {
    if (this.#failure !== undefined) throw this.#failure;
    const watch = make(this.#nextId());
    const entry = { watch, sink, sent: false };
    this.#byId.set(watch.id, entry);
    if (this.#open) this.#begin(entry);
    return () => this.#unwatch(entry);
  }

  /** Sends the watches: the connection is open. */
  open(): void {
    this.#open = true;
    for (const entry of this.#byId.values()) this.#begin(entry);
  }

  /** Takes a message about a watch. Returns `false` if it is about none. */
  take(reply: AnyMensagem): boolean {
    if (!("id" in reply) || reply.id === undefined) return false;
    const entry = this.#byId.get(reply.id);
    if (entry === undefined) return this.#ended.has(reply.id);
    if (reply.type === "CHANGES") entry.sink.changes(reply);
    else if (reply.type === "ERROR") {
      const { code, message } = reply;
      this.#end(entry, refusal(this.#server, code, `${code}: ${message}`));
    } else if (reply.type === "TRY_OTHER_SERVER_OR_LATER") this.#end(entry, reply);
    else return false;
    return true;
  }

  /** Ends all watches, because the connection has ended or may not be used. */
  fail(failure: KvError): void {
    this.#open = false;
    this.#failure = failure;
    for (const entry of [...this.#byId.values()]) this.#end(entry, failure);
  }

  #begin(entry: Entry): void {
    entry.sent = true;
    this.#send(entry.watch.encode());
  }

  #end({ watch, sink }: Entry, why: TryOther | KvError): void {
    if (this.#byId.delete(watch.id)) sink.ended(why);
  }

  #unwatch({ watch: { id }, sent }: Entry): void {
    if (!this.#byId.delete(id) || !sent || !this.#open) return;
    if (this.#ended.size === endedMax) this.#ended.delete(this.#ended.values().next().value!);
    this.#ended.add(id);
    this.#send(new Unwatch(id).encode());
  }
}
