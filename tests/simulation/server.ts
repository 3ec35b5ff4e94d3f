/** A simulated server: a host with a disk perhaps, and its processes, one after the other. */

import { Channel } from "@std/async/channel";
import type { FrameError } from "../../lib/mensagem.ts";
import type { Dialler, ServerPrints } from "../../lib/replication/environment.ts";
import type { Follower } from "../../lib/replication/follower.ts";
import type { Leader } from "../../lib/replication/leader.ts";
import { startReplica } from "../../lib/replication/replica.ts";
import { TableQueries } from "../../lib/replication/table_queries.ts";
import { ConnectionHandler } from "../../lib/server/connection_handler.ts";
import type { ServerContext } from "../../lib/server/server_context.ts";
import type { LongLines } from "../../lib/wire/line_reader.ts";
import { textOfValue } from "../../lib/wire/long_value.ts";
import type { ReplicationListener } from "../../lib/replication/environment.ts";
import { heldAt, type Table } from "./observation.ts";
import type { Standing } from "./history.ts";
import { AnswerObserver } from "./answers.ts";
import type { Disk, DiskJournal } from "./disk.ts";
import type { Endpoint, Host, Process } from "./network.ts";
import { servers } from "./actions.ts";
import type { World } from "./world.ts";

export const tickMs = 50;
/** Messages that change no table. */
const changesNothing = /^\{"type":"(HEARTBEAT|REPLICATION_OK|GET|GET_LATEST)"/;
/** The invariants are checked after every few chunks and ticks. */
const eventsPerCheck = 4;
const dialTimeoutMs = 400;
/** The host of a server, with at most one process at a time. */
export class Server implements Host {
  readonly ip: string;
  readonly address: string;
  stopUntil = 0;
  /** How long it has stood still in all. */
  stoodMs = 0;
  readDelayMs = 0;
  life: Life | undefined;
  readonly disk: Disk | undefined;
  readonly #world: World;

  constructor(world: World, address: string, disk: Disk | undefined) {
    this.#world = world;
    this.address = address;
    this.disk = disk;
    this.ip = address.slice(0, address.indexOf(":"));
  }

  start(): void {
    this.#world.trace(`${this.address} starts`);
    this.life = new Life(this.#world, this);
  }

  crash(): void {
    this.#world.trace(`${this.address} dies`);
    this.life?.die();
    this.life = undefined;
  }

  stop(until: number): void {
    if (until <= this.stopUntil) return;
    this.stoodMs += until - Math.max(this.stopUntil, this.#world.clock.now);
    this.stopUntil = until;
  }
}

/** One process of a server, from its start to its death, with all of its memory. */
export class Life implements Process {
  alive = true;
  readonly engine: Leader | Follower;
  readonly #context: ServerContext;
  readonly #queries: TableQueries;
  readonly #journal: DiskJournal | undefined;
  /** The committed timestamp of each key when this life began. */
  readonly startFloors: ReadonlyMap<string, number>;
  readonly #world: World;
  readonly #server: Server;
  #number: number;
  readonly #handlers = new Map<Endpoint, ConnectionHandler>();
  /** The ends of clients' connections. */
  readonly #clients = new Set<Endpoint>();
  /** Whether a leader has said that this table is complete up to some timestamp. */
  #synced = false;
  /** For each key the timestamp that this process was last seen to hold. */
  readonly #held = new Map<string, number>();
  /** Requests of clients without an answer. */
  readonly #owed = new Map<
    number,
    { readonly link: Endpoint; readonly at: number; readonly line: string }
  >();
  /** Whether this process has become readable, and still has that table. */
  #answersGets = false;
  readonly #answers: AnswerObserver;
  /** Events after which the invariants were not checked, since they were. */
  #unchecked = 0;

  constructor(world: World, server: Server) {
    this.#world = world;
    this.#server = server;
    this.#number = world.nextLife();
    this.startFloors = new Map(world.committed);
    this.#answers = new AnswerObserver(world, this, server.address);
    const recovered = server.disk?.load(world.tuning.tombstonesMax);
    this.#journal = server.disk?.open((count) => this.#whenRunning(() => this.#durable(count)));
    this.engine = startReplica({
      self: server.address,
      leader: servers[0],
      tuning: world.tuning,
      now: world.clock.now,
      recovered,
      host: {
        journal: this.#observedJournal(),
        listener: this.#listener(),
        prints: this.#prints(),
        report: (line) => world.trace(`${server.address} reports: ${line}`),
        dial: (dialler) => world.clock.after(1, () => this.#dial(dialler)),
        waitForPuts: (run) => this.#waitForPuts(run),
        random: () => world.network.random.next(),
        newClusterId: () => `cluster${world.network.random.between(0, 1e9)}`,
      },
    });
    this.#queries = new TableQueries(this.engine, {
      limits: world.tuning,
      wake: () => world.clock.atEndOfTurn(() => this.#runQueries()),
    });
    this.#context = {
      self: server.address,
      engine: this.engine,
      queries: this.#queries,
      observers: { add: () => {} },
      tuning: world.tuning,
      mutex: new Channel<true>({ capacity: 1 }),
      secrets: {},
      leads: server.address === servers[0],
      stopping: () => false,
      processStatus: () => ({ connections: 0, uptimeMs: 0, memoryBytes: 0, faults: false }),
      flush: () => this.engine.flush(),
      report: () => {},
    };
    // A leader that led last begins as soon as it is made.
    if (this.#leads && this.engine.cluster !== "") this.#begins();
    this.#tick();
  }

  /** Takes this process's end of a connection. */
  accept(link: Endpoint, from: "client" | "follower" | "leader"): void {
    const handler = new ConnectionHandler(link, this.#context, from === "leader");
    this.#handlers.set(link, handler);
    if (from === "client") {
      this.#clients.add(link);
      link.onSend = (frames) => {
        for (const frame of frames.slice(0, -1).split("\n")) this.#answered(frame);
      };
    } else if (from === "follower") link.onSend = (frames) => this.#answers.toFollower(frames);
  }

  receive(
    link: Endpoint,
    lines: string[],
    failure?: FrameError,
    longLines?: LongLines,
  ): void {
    const handler = this.#handlers.get(link);
    if (!this.alive || handler === undefined) return;
    handler.begin();
    for (const [index, line] of lines.entries()) {
      if (!link.open) break;
      if (this.#world.traced) {
        this.#world.trace(`${link.peer} → ${this.#server.address}  ${line}`);
      }
      if (this.#clients.has(link)) this.#owe(link, line);
      if (line.startsWith(`{"type":"SNAPSHOT"`) && line.includes(`"replace":true`)) {
        this.#startOver();
      }
      handler.receive(line, longLines?.[index]);
      if (line.startsWith(`{"type":"SYNC"`)) this.#synced = true;
      if (line.startsWith(`{"type":"REPLICATION"`)) this.#lookAtTable(true);
    }
    handler.end();
    if (failure !== undefined && link.open) handler.fail(failure);
    if (!lines.every((line) => changesNothing.test(line))) this.#lookAtTable();
    this.#answersGets ||= this.engine.readable;
    this.#checkInvariants(eventsPerCheck);
  }

  ended(link: Endpoint): void {
    if (!this.alive || !this.#handlers.delete(link)) return;
    this.engine.closed(link);
    this.#queries.closed(link);
    this.#checkInvariants();
  }

  die(): void {
    this.alive = false;
    this.#journal?.end();
    for (const link of this.#handlers.keys()) link.break();
  }

  /** The requests without an answer on open connections, and how long each has waited. */
  *owed(): Iterable<[op: number, forMs: number]> {
    for (const [op, { link, at }] of this.#owed) {
      if (link.open && link.other.open) yield [op, this.#ownNow - at];
      else this.#owed.delete(op);
    }
  }

  get table(): Table {
    const { readable, table } = this.engine;
    return { server: this.#server.address, readable, store: table };
  }

  /** The leader answers a write of this timestamp as committed. */
  committed(key: string, timestamp: number): void {
    const inSync = this.engine.inSync.length;
    const copies = this.copies(key);
    this.#world.observe({ kind: "committed", key, timestamp, inSync, copies });
  }

  /** The newest write of a key at each living server in sync. */
  copies(key: string): number[] {
    return this.#world.inSyncLives().map((life) => heldAt(life.table, key));
  }

  /** The leader replaces the whole table. For the rules that is a restart. */
  #startOver(): void {
    this.#number = this.#world.nextLife();
    this.#answersGets = false;
    this.#synced = false;
    this.#held.clear();
    this.#answers.applied.length = 0;
  }

  /** Does a slice of the work of LIST and WATCH. What is left waits for a turn of its own. */
  #runQueries(): void {
    if (!this.alive || !this.#queries.run()) return;
    this.#world.clock.after(0, () => this.#whenRunning(() => this.#runQueries()));
  }

  #durable(count: number): void {
    if (this.#world.traced) this.#world.trace(`${this.#server.address} has ${count} on its disk`);
    this.engine.durable(count);
    this.#lookAtTable();
    this.#checkInvariants();
  }

  /** Breaks the run if an invariant is broken. It looks at every `everyNth` call. */
  #checkInvariants(everyNth = 1): void {
    if (++this.#unchecked < everyNth) return;
    this.#unchecked = 0;
    try {
      this.engine.checkInvariants();
      this.#queries.checkInvariants();
    } catch (error) {
      this.#world.violate(`${this.#server.address}: ${(error as Error).message}`);
    }
  }

  /** Tells the checkers what is new in the table. `single` is whether it has come as one write. */
  #lookAtTable(single = false): void {
    const { table } = this.engine;
    for (const [key, { value, timestamp }] of table.entries()) {
      if (this.#held.get(key) !== timestamp) {
        this.#noteHeld(key, textOfValue(value), timestamp, single);
      }
    }
    if (table.tombstones === 0) return;
    for (const [key, timestamp] of table.deletions()) {
      if (this.#held.get(key) !== timestamp) this.#noteHeld(key, null, timestamp, single);
    }
  }

  #noteHeld(key: string, value: string | null, timestamp: number, single: boolean): void {
    this.#held.set(key, timestamp);
    if (single) this.#answers.applied.push({ key, timestamp });
    const counts = this.#synced || this.engine.readable;
    const [life, server] = [this.#number, this.#server.address];
    this.#world.observe({ kind: "held", life, server, counts, key, value, timestamp });
  }

  /** A client has asked something. A watch that is ended at once has no answer. */
  #owe(link: Endpoint, line: string): void {
    const op = readId(line);
    if (line.startsWith(`{"type":"UNWATCH"`)) this.#owed.delete(op);
    else this.#owed.set(op, { link, at: this.#ownNow, line });
  }

  #answered(frame: string): void {
    const op = readId(frame);
    const debt = this.#owed.get(op);
    this.#owed.delete(op);
    const streams = frame.startsWith(`{"type":"CHANGES"`);
    if (debt !== undefined || !(streams || this.#answers.streams(op))) {
      const afterMs = debt === undefined ? 0 : this.#ownNow - debt.at;
      this.#world.observe({ kind: "answered", op, afterMs });
    }
    this.#answers.toClient(op, frame, debt?.line, this.#answersGets);
  }

  get #leads(): boolean {
    return this.#server.address === servers[0];
  }

  /** The journal. What a leader appends to it is stamped. */
  #observedJournal(): DiskJournal | undefined {
    const journal = this.#journal;
    if (journal === undefined || !this.#leads) return journal;
    journal.onAppend = (message) => {
      if (message.type !== "REPLICATION") return;
      this.#stamped(message.key, textOfValue(message.value), message.timestamp);
    };
    return journal;
  }

  /** Without a journal a leader applies what it stamps at once. */
  #listener(): ReplicationListener | undefined {
    if (!this.#leads) return undefined;
    return {
      written: (key, value, timestamp) => {
        if (this.#journal === undefined) this.#stamped(key, textOfValue(value), timestamp);
      },
      table: () => {
        if (this.engine !== undefined) this.#begins();
      },
      acknowledged: () => {},
      members: () => {},
      fault: () => {},
      write: () => {},
      forwardingWrite: () => {},
      writeOk: () => {},
      conflict: () => {},
    };
  }

  #stamped(key: string, value: string | null, timestamp: number): void {
    this.#answers.applied.push({ key, timestamp });
    const atMs = this.#world.clock.now;
    this.#world.observe({ kind: "stamped", key, value, timestamp, atMs });
  }

  /** This leader has its table, and begins to bring followers up to it. */
  #begins(): void {
    const { table, timestamp } = this.engine;
    const entries = new Map<string, Standing>();
    for (const [key, { value, timestamp }] of table.held()) {
      entries.set(key, { value: textOfValue(value), timestamp });
    }
    const { address: server } = this.#server;
    const atMs = this.#world.clock.now;
    const { floor, gaps } = table;
    this.#world.observe({ kind: "begun", server, timestamp, floor, gaps, entries, atMs });
  }

  /** The time that counts for this process: it does not pass while it stands still. */
  get #ownNow(): number {
    return this.#world.clock.now - this.#server.stoodMs;
  }

  #tick(): void {
    if (!this.alive) return;
    const { clock } = this.#world;
    if (this.#server.stopUntil <= clock.now) {
      this.engine.tick(clock.now);
      this.#queries.tick(clock.now);
      this.#checkInvariants(eventsPerCheck);
    }
    clock.after(Math.max(tickMs, this.#server.stopUntil - clock.now), () => this.#tick());
  }

  /** Runs an action in this process as soon as it does not stand still. */
  #whenRunning(run: () => void): void {
    const { clock } = this.#world;
    const wait = this.#server.stopUntil - clock.now;
    if (wait > 0) clock.after(wait, () => this.#whenRunning(run));
    else if (this.alive) run();
  }

  #waitForPuts(run: () => void): () => void {
    let over = false;
    this.#world.clock.after(this.#world.network.random.next(), () => {
      this.#whenRunning(() => {
        if (!over) run();
        over = true;
        this.#checkInvariants();
      });
    });
    return () => over = true;
  }

  #dial(dialler: Dialler): void {
    const { clock, network } = this.#world;
    const leader = this.#world.servers[0]!;
    const fail = (why: string) => this.#whenRunning(() => dialler.dialFailed(why));
    const blocked = Math.max(
      network.blockedUntil(this.#server, leader),
      network.blockedUntil(leader, this.#server),
    );
    if (blocked > clock.now) return clock.after(dialTimeoutMs, () => fail("timed out"));
    const { life } = leader;
    if (life === undefined) return fail("connection refused");
    if (!this.alive) return;
    const [near, far] = network.connect(this.#server, this, leader, leader.address, life);
    const refusal = this.#world.refusal();
    if (refusal !== undefined) {
      far.send(refusal.encode());
      far.close();
    } else life.accept(far, "follower");
    this.#whenRunning(() => {
      this.accept(near, "leader");
      dialler.dialled(near);
      this.#checkInvariants();
    });
  }

  #prints(): ServerPrints {
    return {
      put: () => {},
      forwarding: () => {},
      get: () => {},
      replication: () => {},
      putOk: (_client, key, timestamp) => this.committed(key, timestamp),
    };
  }
}

/** The id of a request or an answer; 0 if the frame has none. */
function readId(frame: string): number {
  return Number(/"id":(\d+)/.exec(frame)?.[1] ?? 0);
}
