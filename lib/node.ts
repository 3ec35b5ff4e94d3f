/**
 * A server's brain: takes each frame, decides, answers. It opens no socket and reads no clock.
 *
 * @module
 */

import { FrameError, MensagemError } from "./errors.ts";
import {
  type AnyMensagem,
  checkKey,
  checkValue,
  ErrorReply,
  type Fault,
  FaultOk,
  type Get,
  GetOk,
  Mensagem,
  type Observe,
  type Put,
  type ServerStatus,
  type Status,
  StatusOk,
  TryOther,
} from "./mensagem.ts";
import { Follower } from "./follower.ts";
import { Leader } from "./leader.ts";
import type { Saved } from "./journal.ts";
import { faultDelayMsMax, keyBytesMax, valueBytesMax } from "./limits.ts";
import type { Host, Link, Replica, Tuning, Watch } from "./replication.ts";
import { Store } from "./store.ts";

/** Where a node stands and whom it follows. */
export interface NodeOptions {
  /** "ip:port" of this server. */
  readonly self: string;
  /** "ip:port" of the leader. This server leads where the two are equal (enunciado 5.a). */
  readonly leader: string;
  /** The world around it. */
  readonly host: Host;
  /** What an operator may set. */
  readonly tuning: Tuning;
  /** The time, in milliseconds on a clock that never falls. */
  readonly now: number;
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
  readonly #leaderAddress: string;
  readonly #host: Host;
  readonly #tuning: Tuning;
  /** Clients may not PUT all that the contract allows. */
  readonly #stricter: boolean;
  readonly #store: Store;
  readonly #replica: Replica;
  readonly #leader: Leader | undefined;
  readonly #follower: Follower | undefined;

  /** A node without memory, or with what was saved. */
  constructor({ self, leader, host, tuning, now, saved }: NodeOptions) {
    this.#store = saved?.store ?? new Store();
    this.#self = self;
    this.#leaderAddress = leader;
    this.#host = host;
    this.#tuning = tuning;
    this.#stricter = tuning.keyBytesMax < keyBytesMax || tuning.valueBytesMax < valueBytesMax;
    if (self === leader) {
      this.#leader = new Leader(self, this.#store, host, tuning, now, saved);
      this.#replica = this.#leader;
    } else {
      this.#follower = new Follower(self, leader, this.#store, host, tuning, now, saved);
      this.#replica = this.#follower;
    }
  }

  /** The table, for looking at it. */
  get store(): Pick<Store, "get" | "entries" | "size"> {
    return this.#store;
  }

  /** True once GETs are answered from the table. */
  get readable(): boolean {
    return this.#replica.readable;
  }

  /**
   * Where this node leads and is open: the servers that hold every acknowledged write. Else none.
   */
  get inSync(): readonly string[] {
    return this.#replica.inSync;
  }

  /** PUTs that have no answer yet. */
  get outstandingPuts(): number {
    return this.#replica.outstandingPuts;
  }

  /** What this server is and what it holds. */
  get status(): ServerStatus {
    const { cluster, timestamp, inSync, followers } = this.#replica;
    return {
      server: this.#self,
      leader: this.#leaderAddress,
      cluster,
      timestamp,
      inSync,
      followers,
      keys: this.#store.size,
      ...this.#host.vitals(),
    };
  }

  /** Tells somebody who begins to watch how things stand. */
  describe(watch: Watch): void {
    this.#replica.describe(watch);
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
        if (!this.#replica.receive(link, message)) this.#reject(link, message);
    }
  }

  /** Ends a connection whose bytes are no frames, and says why. */
  refuse(link: Link, { code, message }: FrameError): void {
    link.send(new ErrorReply(code, message).encode());
    link.close();
  }

  /** The frames that came together were all received. */
  flush(): void {
    this.#replica.flush();
  }

  /** The first `count` messages that went into the host's journal are on the disk. */
  durable(count: number): void {
    this.#replica.durable(count);
  }

  /** A connection has ended. */
  closed(link: Link): void {
    this.#replica.closed(link);
  }

  /** The dial that this node asked for has succeeded. */
  dialled(link: Link): void {
    this.#follower?.dialled(link);
  }

  /** The dial that this node asked for has failed. */
  dialFailed(reason: string): void {
    this.#follower?.dialFailed(reason);
  }

  /** Time has passed. */
  tick(now: number): void {
    this.#replica.tick(now);
  }

  #request(link: Link, request: Get | Put | Status | Observe | Fault): void {
    if (!link.mayAsk && !link.betweenServers) {
      const reason = "requests are answered only to who has proved to know the password";
      link.send(new ErrorReply("FORBIDDEN", reason, request.id).encode());
    } else if (request.type === "GET") this.#get(link, request);
    else if (request.type === "PUT") this.#replica.put(link, request);
    else if (request.type === "STATUS") this.#status(link, request);
    else if (request.type === "OBSERVE") this.#host.observe(link, request);
    else link.send(this.#fault(request).encode());
  }

  #fault(fault: Fault): FaultOk | ErrorReply {
    const { id, follower, action, delayMs } = fault;
    if (!this.#host.vitals().faults) {
      return new ErrorReply("FORBIDDEN", `${this.#self} runs without --allow-faults`, id);
    }
    if (this.#leader === undefined) {
      const reason = `${this.#self} is not the leader, ${this.#leaderAddress} is`;
      return new ErrorReply("FORBIDDEN", reason, id);
    }
    if (action === "delay" && (delayMs === undefined || delayMs > faultDelayMsMax)) {
      const reason = `"delayMs" must be at most ${faultDelayMsMax}, not ${delayMs}`;
      return new ErrorReply("BAD_MESSAGE", reason, id);
    }
    if (!this.#leader.fault(fault)) {
      return new ErrorReply("BAD_MESSAGE", `no follower ${follower} has joined`, id);
    }
    return new FaultOk(id);
  }

  #status(link: Link, { id }: Status): void {
    link.send(new StatusOk(id, this.status).encode());
  }

  /** enunciado 5.f. */
  #get(link: Link, { id, key, timestamp: seen }: Get): void {
    const reading = this.#replica.readable
      ? this.#store.read(key, seen)
      : { fresh: false as const, timestamp: this.#store.read(key, 0).timestamp };
    const value = reading.fresh ? reading.value : undefined;
    this.#host.prints.get(link.peer, key, seen, reading.timestamp, value);
    const reply = reading.fresh
      ? new GetOk(id, key, reading.value, reading.timestamp)
      : new TryOther(id, key, reading.timestamp);
    link.send(reply.encode());
  }

  /** A message that is not for this server, or not from this sender. */
  #reject(link: Link, message: AnyMensagem): void {
    if (message.type === "ERROR" && link.betweenServers) return; // or two servers might never end
    const id = "id" in message ? message.id : undefined;
    const reason = message.type === "JOIN"
      ? `${this.#self} is not the leader, ${this.#leaderAddress} is`
      : `${message.type} is not for this server, or not from this connection`;
    link.send(new ErrorReply("FORBIDDEN", reason, id).encode());
  }
}
