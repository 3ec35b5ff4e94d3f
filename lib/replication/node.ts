/**
 * A server's brain: takes each frame, decides, answers. It opens no socket and reads no clock.
 *
 * @module
 */

import { FrameError, MensagemError } from "../mensagem.ts";
import {
  type AnyMensagem,
  checkKey,
  checkValue,
  ErrorReply,
  type Fault,
  type FaultOk,
  type Get,
  Mensagem,
  type Observe,
  type Put,
  type ServerStatus,
  type Status,
  StatusOk,
} from "../mensagem.ts";
import { EmbeddedEngine } from "./embedded_engine.ts";
import type { Engine, EngineWorld } from "./engine.ts";
import type { Saved } from "./journal.ts";
import { keyBytesMax, valueBytesMax } from "../limits.ts";
import type { Host, Link, Watch } from "./environment.ts";
import type { Tuning } from "./tuning.ts";
import type { Store } from "./store.ts";

/** Where a node stands and whom it follows. */
export interface NodeOptions extends EngineWorld {
  /** "ip:port" of the leader. This server leads where the two are equal (enunciado 5.a). */
  readonly leader: string;
  /** Where the data is. Left out, in the embedded engine, which alone cares about the rest. */
  readonly engine?: Engine | undefined;
  /** What the host's journal held when this process began; there where the host has one. */
  readonly saved?: Saved | undefined;
}

/**
 * One server.
 *
 * - Every request is answered on its link exactly once, at once or later.
 * - Nothing is called back from inside a call: a link only queues what is sent.
 */
export class Node {
  readonly #self: string;
  readonly #host: Host;
  readonly #tuning: Tuning;
  /** Clients may not PUT all that the contract allows. */
  readonly #stricter: boolean;
  readonly #engine: Engine;

  /** A node whose engine has just begun. */
  constructor({ engine, leader, saved, ...world }: NodeOptions) {
    const { self, host, tuning } = world;
    this.#self = self;
    this.#host = host;
    this.#tuning = tuning;
    this.#stricter = tuning.keyBytesMax < keyBytesMax || tuning.valueBytesMax < valueBytesMax;
    this.#engine = engine ?? new EmbeddedEngine(world, leader, saved);
  }

  /** The table, for looking at it. */
  get store(): Pick<Store, "get" | "entries" | "size"> {
    return this.#engine.table;
  }

  /** True once GETs are answered from the table. */
  get readable(): boolean {
    return this.#engine.readable;
  }

  /**
   * Where this node leads and is open: the servers that hold every acknowledged write. Else none.
   */
  get inSync(): readonly string[] {
    return this.#engine.inSync;
  }

  /** PUTs that have no answer yet. */
  get outstandingPuts(): number {
    return this.#engine.outstandingPuts;
  }

  /** What this server is and what it holds. */
  get status(): ServerStatus {
    const { leader, cluster, timestamp, inSync, followers, table } = this.#engine;
    return {
      server: this.#self,
      leader,
      cluster,
      timestamp,
      inSync,
      followers,
      keys: table.size,
      ...this.#host.vitals(),
    };
  }

  /** Tells somebody who begins to watch how things stand. */
  describe(watch: Watch): void {
    this.#engine.describe(watch);
  }

  /**
   * Takes one line of a connection. Where a promise is returned, the next line of this connection
   * waits for it.
   */
  receive(link: Link, line: string): void | Promise<void> {
    let message: AnyMensagem;
    try {
      message = Mensagem.decode(line);
      if (this.#stricter && message.type === "PUT" && !link.betweenServers) {
        checkKey(message.key, message.id, this.#tuning.keyBytesMax);
        checkValue(message.value, message.id, this.#tuning.valueBytesMax);
      }
    } catch (error) {
      if (error instanceof MensagemError) {
        // Between servers an ERROR is never answered with an ERROR, not even one that cannot be read.
        if (!link.betweenServers || !/"type"\s*:\s*"ERROR"/.test(line)) {
          link.send(new ErrorReply(error.code, error.message, error.id).encode());
        }
        // Between servers every message counts: to go on without one would lose a write.
        if (link.betweenServers) link.close();
        return;
      }
      if (error instanceof FrameError) return this.refuse(link, error);
      throw error;
    }
    switch (message.type) {
      case "GET":
      case "PUT":
      case "STATUS":
      case "OBSERVE":
      case "FAULT":
        return this.#request(link, message);
      case "HELLO":
      case "CHALLENGE":
      case "PROOF":
      case "PROOF_OK":
        return this.#host.authenticate(link, message);
      default:
        return this.#others(link, message);
    }
  }

  /** Ends a connection whose bytes are no frames, and says why. */
  refuse(link: Link, { code, message }: FrameError): void {
    link.send(new ErrorReply(code, message).encode());
    link.close();
  }

  /** The frames that came together were all received. */
  flush(): void {
    this.#engine.flush();
  }

  /** The first `count` messages that went into the host's journal are on the disk. */
  durable(count: number): void {
    this.#engine.durable(count);
  }

  /** A connection has ended. */
  closed(link: Link): void {
    this.#engine.closed(link);
  }

  /** The dial that this node asked for has succeeded. */
  dialled(link: Link): void {
    this.#engine.dialled(link);
  }

  /** The dial that this node asked for has failed. */
  dialFailed(reason: string): void {
    this.#engine.dialFailed(reason);
  }

  /** Time has passed. */
  tick(now: number): void {
    this.#engine.tick(now);
  }

  #request(link: Link, request: Get | Put | Status | Observe | Fault): void {
    if (!link.mayAsk && !link.betweenServers) {
      const reason = "requests are answered only to who has proved to know the password";
      link.send(new ErrorReply("FORBIDDEN", reason, request.id).encode());
    } else if (request.type === "GET") this.#engine.get(link, request);
    else if (request.type === "PUT") this.#engine.put(link, request);
    else if (request.type === "STATUS") this.#status(link, request);
    else if (request.type === "OBSERVE") this.#host.observe(link, request);
    else link.send(this.#fault(request).encode());
  }

  #fault(fault: Fault): FaultOk | ErrorReply {
    if (!this.#host.vitals().faults) {
      return new ErrorReply("FORBIDDEN", `${this.#self} runs without --allow-faults`, fault.id);
    }
    return this.#engine.fault(fault);
  }

  #status(link: Link, { id }: Status): void {
    link.send(new StatusOk(id, this.status).encode());
  }

  /** What is for the engine, or for nobody here. */
  #others(link: Link, message: AnyMensagem): void {
    const reason = this.#engine.receive(link, message);
    if (reason === undefined) return;
    if (message.type === "ERROR" && link.betweenServers) return; // or two servers might never end
    const id = "id" in message ? message.id : undefined;
    link.send(new ErrorReply("FORBIDDEN", reason, id).encode());
  }
}
