/** A real leader and two real followers on simulated hosts, with clients that follow a plan. */

import { Channel } from "@std/async/channel";
import type { FrameError } from "../../lib/mensagem.ts";
import { ErrorReply, Get, Mensagem, Put } from "../../lib/mensagem.ts";
import type { Dialler, ServerPrints } from "../../lib/replication/environment.ts";
import type { Follower } from "../../lib/replication/follower.ts";
import type { Leader } from "../../lib/replication/leader.ts";
import { startReplica } from "../../lib/replication/replica.ts";
import { type Tuning, tuningDefault } from "../../lib/replication/tuning.ts";
import { ConnectionHandler, type ServerContext } from "../../lib/server/connection_handler.ts";
import { Session } from "../../lib/client/session.ts";
import { type Checker, makeCheckers, type Observation, type Table } from "./checkers.ts";
import { Disk, type DiskJournal } from "./disk.ts";
import { Clock, type Endpoint, type Host, Network, type Process } from "./network.ts";
import {
  type Action,
  clients,
  type CutOff,
  describe,
  faultMsMax,
  type Plan,
  planMs,
  servers,
  survivesAll,
} from "./plan.ts";
import { Random } from "../support/random.ts";
import { longValueChars, textOfValue } from "../../lib/wire/long_value.ts";
import type { LongLines } from "../../lib/wire/line_reader.ts";

/** About a fifth of the default times. The tables are tiny, and so are the chunks. */
const tuning: Tuning = {
  ...tuningDefault,
  heartbeatMs: 180,
  silenceMs: 400,
  putTimeoutMs: 1_000,
  redialFirstMs: 10,
  redialLongestMs: 200,
  snapshotChunkChars: 60,
  snapshotChunkVisits: 1,
  snapshotEntriesPerTick: 5,
};
const tickMs = 50;
const dialTimeoutMs = 400;
const clientTimeoutMs = 1_500;
/** When all faults end: after the plan and its longest fault. */
const healedMs = planMs + faultMsMax;
/** When a follower is cut off: after time to join, recover and catch up. */
const cutOffMs = healedMs + 900;
/** A flapping link is cut and healed for these times. */
const flapCutMs = 350;
const flapHealedMs = 150;
const flaps = 5;
/** The first cuts of a flapping link hold up PUTs. */
const flapsNoticed = 2;
const flapPutEveryMs = 50;
/** A connection breaks this often, for this long. */
const breakEveryMs = 120;
const breaksMs = 1_000;
/** How long a flapping link disturbs the others. */
const flapMs = flaps * (flapCutMs + flapHealedMs) + breaksMs + 500;
/** A PUT that waits for no follower that is cut off is answered within this time. */
const quickMs = 140;
/** The other servers must have noticed a cut-off after this time. */
const noticedMs = tuning.silenceMs + 3 * tickMs + 300;
const inspectEveryMs = 100;

/** How a run went. */
export interface Outcome {
  /** The first broken rule, in words; `undefined` if all held. */
  readonly violation: string | undefined;
  /** The events, line by line, if a trace was asked for. */
  readonly trace: readonly string[];
  /** Requests that succeeded before the healing. */
  readonly done: number;
}

/** Runs a plan. The same plan always runs the same way. */
export function simulate(plan: Plan, traced = false): Outcome {
  return new World(plan, traced).run();
}

class World {
  readonly clock = new Clock();
  readonly network: Network;
  readonly tuning: Tuning;
  readonly servers: Server[];
  readonly clients: Client[];
  readonly traced: boolean;
  readonly #plan: Plan;
  readonly #checkers: [string, Checker][];
  readonly #trace: string[] = [];
  #violation: string | undefined;
  /** For each key the highest timestamp that the leader has committed. */
  readonly committed = new Map<string, number>();
  #nextOp = 1;
  #nextLife = 1;
  /** The leader refuses new connections until this time. */
  fullUntil = 0;
  /** The leader's address leads to another server until this time. */
  strangerUntil = 0;
  /** When all faults and the cut-off have ended. */
  #calmMs = 0;
  /** The processes that hold every committed write. One of them must always be left (G3). */
  #copies: Life[] = [];
  /** Whether every committed write is on a disk that is not lost. */
  #disksCount: boolean;
  #done = 0;
  readonly #succeeded = new Set<number>();
  #lastPuts = new Set<Client>();
  #lastGets = new Set<Client>();

  constructor(plan: Plan, traced: boolean) {
    this.#plan = plan;
    this.traced = traced;
    this.network = new Network(this.clock, new Random(plan.seed ^ 0x5bd1e995));
    this.tuning = { ...tuning, logBytesMax: plan.logBytesMax };
    const answerMs = tuning.putTimeoutMs + tickMs;
    this.#checkers = Object.entries(makeCheckers({ minInSync: tuning.minInSync, answerMs }));
    this.#disksCount = survivesAll(plan);
    const disks = new Random(plan.seed ^ 0x1b56c4e9);
    this.servers = servers.map((address, index) => {
      const durable = plan.durable?.[index] === true;
      return new Server(this, address, durable ? new Disk(this.clock, disks) : undefined);
    });
    this.clients = clients.map((ip) => new Client(this, ip));
  }

  run(): Outcome {
    for (const server of this.servers) {
      this.clock.after(this.network.random.next() * 20, () => server.start());
    }
    for (const action of this.#plan.actions) this.clock.after(action.at, () => this.#act(action));
    this.clock.after(healedMs, () => this.#heal());
    const { cutOff } = this.#plan;
    if (cutOff !== undefined) this.clock.after(cutOffMs, () => this.#cutOff(cutOff));
    this.#calmMs = cutOff === undefined
      ? cutOffMs
      : cutOffMs + (cutOff.flaps ? flapMs : 2 * noticedMs) + 1_000;
    this.clock.after(this.#calmMs, () => this.#lastRequests());
    const endMs = this.#calmMs + 400;
    for (let at = 0; at <= endMs && this.#violation === undefined; at += inspectEveryMs) {
      this.clock.runUntil(at);
      this.#inspect();
    }
    if (this.#violation === undefined) this.#end();
    return { violation: this.#violation, trace: this.#trace, done: this.#done };
  }

  observe(seen: Observation): void {
    for (const checker of this.#checkers) {
      const wrong = checker[1](seen);
      if (wrong !== undefined) this.violate(`${checker[0]}: ${wrong}`);
    }
    if (seen.kind === "committed") this.committed.set(seen.key, seen.timestamp);
    if (seen.kind !== "put" && seen.kind !== "got") return;
    this.#done++;
    this.#succeeded.add(seen.op);
    if (this.clock.now < this.#calmMs) return;
    const client = this.clients.find(({ ip }) => ip === seen.client)!;
    (seen.kind === "put" ? this.#lastPuts : this.#lastGets).add(client);
  }

  /** A rule is broken. Only the first one is reported. */
  violate(violation: string): void {
    if (this.#violation !== undefined) return;
    this.#violation = violation;
    this.trace(`VIOLATION ${violation}`);
  }

  trace(line: string): void {
    if (this.traced) this.#trace.push(`${this.clock.now.toFixed(1).padStart(7)}  ${line}`);
  }

  nextOp(): number {
    return this.#nextOp++;
  }

  nextLife(): number {
    return this.#nextLife++;
  }

  /**
   * The lives of the servers that the leader counts as in sync, without those that have died or
   * restarted since.
   */
  inSyncLives(): Life[] {
    const inSync = this.servers[0]!.life?.engine.inSync ?? [];
    return this.servers.filter(({ address }) => inSync.includes(address))
      .map(({ life }) => life).filter((life) =>
        life !== undefined && life.engine.readable
      ) as Life[];
  }

  /** How a follower that dials the leader is refused now, `undefined` if it is not. */
  refusal(): ErrorReply | undefined {
    const { now } = this.clock;
    if (this.fullUntil > now) return new ErrorReply("OVERLOADED", "too many connections");
    if (this.strangerUntil <= now) return undefined;
    return new ErrorReply("FORBIDDEN", `${servers[0]} is not the leader, 10.0.0.9:1 is`);
  }

  #act(action: Action): void {
    this.trace(`== ${describe(action)}`);
    const { clock, network } = this;
    switch (action.kind) {
      case "put":
      case "get":
        this.clients[action.client]!.ask(
          action.kind,
          action.key,
          this.servers[action.server]!,
          action.twice,
        );
        return;
      case "crash":
        return this.#crash(this.servers[action.server]!, action.downMs, action.wiped === true);
      case "pause":
        return this.servers[action.server]!.stop(clock.now + action.pauseMs);
      case "slow": {
        const server = this.servers[action.server]!;
        server.readDelayMs = action.delayMs;
        return clock.after(action.forMs, () => server.readDelayMs = 0);
      }
      case "partition": {
        const from = this.servers[action.from]!;
        const to = this.servers[action.to]!;
        network.block(from, to, clock.now + action.cutMs);
        if (action.bothWays) network.block(to, from, clock.now + action.cutMs);
        return;
      }
      case "full":
        this.fullUntil = clock.now + action.forMs;
        return;
      case "stranger":
        this.strangerUntil = clock.now + action.forMs;
        return;
      case "reset": {
        const open = network.connections.filter((one) => one.open && one.other.open);
        const near = open[action.nth % Math.max(1, open.length)];
        if (near === undefined) return;
        near.cut();
        near.other.cut();
      }
    }
  }

  #crash(server: Server, downMs: number, wiped: boolean): void {
    if (server.life === undefined) return;
    const inSync = this.inSyncLives();
    if (inSync.length > 0) this.#copies = inSync;
    const left = this.#copies.filter((life) => life !== server.life && life.alive);
    // Once a disk is lost, the memory of the other servers counts again.
    this.#disksCount &&= !wiped;
    if (this.#copies.length > 0 && left.length === 0 && !this.#disksCount) {
      return this.trace("   not done: the last copy would be lost");
    }
    server.crash();
    if (wiped) server.disk!.wipe();
    this.clock.after(downMs, () => server.start());
  }

  #heal(): void {
    this.trace("== all is healed");
    this.network.heal();
    for (const server of this.servers) {
      server.stopUntil = 0;
      server.readDelayMs = 0;
      if (server.disk !== undefined) server.disk.calm = true;
    }
  }

  /** Cuts off one follower for longer than silenceMs: PUTs must go on without it. */
  #cutOff(cutOff: CutOff): void {
    if (cutOff.flaps) return this.#flap(cutOff);
    this.#cut(cutOff, 2 * noticedMs);
    const leader = this.servers[0]!;
    this.clock.after(noticedMs, () => {
      const op = this.clients[0]!.ask("put", "managed", leader, false);
      this.clock.after(noticedMs / 2, () => {
        this.observe({ kind: "managed", succeeded: this.#succeeded.has(op) });
      });
    });
  }

  #cut({ follower, how }: CutOff, forMs: number): void {
    const cut = this.servers[follower]!;
    const leader = this.servers[0]!;
    this.trace(`== follower ${follower} is cut off: ${how}`);
    const until = this.clock.now + forMs;
    if (how === "stopped") cut.stop(until);
    if (how === "deaf" || how === "both") this.network.block(leader, cut, until);
    if (how === "mute" || how === "both") this.network.block(cut, leader, until);
  }

  /**
   * Cuts off one follower again and again: PUTs must go on without it. Then the other follower dies, and
   * the connection of the first one breaks again and again: PUTs must go on with it all the same.
   */
  #flap(cutOff: CutOff): void {
    const { clock } = this;
    const [leader, client] = [this.servers[0]!, this.clients[0]!];
    const [flapping, other] = [this.servers[cutOff.follower]!, this.servers[3 - cutOff.follower]!];
    const cycleMs = flapCutMs + flapHealedMs;
    for (let n = 0; n < flaps; n++) clock.after(n * cycleMs, () => this.#cut(cutOff, flapCutMs));
    const flapped = { kind: "flapped" as const, of: 0, late: 0 };
    for (let ms = 0; ms < flaps * cycleMs; ms += flapPutEveryMs) {
      clock.after(ms, () => {
        const op = client.ask("put", "managed", leader, false);
        if (ms < flapsNoticed * cycleMs) return;
        flapped.of++;
        clock.after(quickMs, () => flapped.late += this.#succeeded.has(op) ? 0 : 1);
      });
    }
    clock.after(flaps * cycleMs + quickMs, () => {
      this.observe(flapped);
      this.#crash(other, breaksMs, false);
      for (let ms = 0; ms < breaksMs; ms += breakEveryMs) {
        clock.after(ms, () => this.#break(flapping, leader));
      }
      const op = client.ask("put", "managed", leader, false);
      clock.after(breaksMs, () => {
        this.observe({ kind: "managed", succeeded: this.#succeeded.has(op) });
      });
    });
  }

  /** Breaks the connections between two servers. */
  #break(one: Server, two: Server): void {
    for (const near of this.network.connections) {
      if (near.host !== one || near.other.host !== two || !near.open || !near.other.open) continue;
      near.cut();
      near.other.cut();
    }
  }

  #inspect(): void {
    for (const server of this.servers) {
      for (const [op, forMs] of server.life?.owed() ?? []) {
        this.observe({ kind: "unanswered", op, forMs });
      }
    }
    this.observe({ kind: "inspected", inSync: this.inSyncLives().map((life) => life.table) });
  }

  #lastRequests(): void {
    this.trace("== every client writes and reads once more");
    this.clients.forEach((client, i) => {
      client.ask("put", "last", this.servers[i % 3]!, false);
      this.clock.after(200, () => client.ask("get", "last", this.servers[(i + 1) % 3]!, false));
    });
  }

  #end(): void {
    const tables = this.servers.map(({ life }) => life!.table);
    const lastPuts = this.#lastPuts.size;
    const lastGets = this.#lastGets.size;
    this.observe({ kind: "ended", tables, lastPuts, lastGets, clients: clients.length });
  }
}

/** The host of a server, with at most one process at a time. */
class Server implements Host {
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
class Life implements Process {
  alive = true;
  readonly engine: Leader | Follower;
  readonly #context: ServerContext;
  readonly #journal: DiskJournal | undefined;
  /** The committed timestamp of each key when this life began. */
  readonly startFloors: ReadonlyMap<string, number>;
  readonly #world: World;
  readonly #server: Server;
  #number: number;
  readonly #handlers = new Map<Endpoint, ConnectionHandler>();
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

  constructor(world: World, server: Server) {
    this.#world = world;
    this.#server = server;
    this.#number = world.nextLife();
    this.startFloors = new Map(world.committed);
    const recovered = server.disk?.load();
    this.#journal = server.disk?.open((count) => this.#whenRunning(() => this.#durable(count)));
    this.engine = startReplica({
      self: server.address,
      leader: servers[0],
      tuning: world.tuning,
      now: world.clock.now,
      recovered,
      host: {
        journal: this.#journal,
        prints: this.#prints(),
        report: (line) => world.trace(`${server.address} reports: ${line}`),
        dial: (dialler) => world.clock.after(1, () => this.#dial(dialler)),
        waitForPuts: (run) => this.#waitForPuts(run),
        random: () => world.network.random.next(),
        newClusterId: () => `cluster${world.network.random.between(0, 1e9)}`,
      },
    });
    this.#context = {
      self: server.address,
      engine: this.engine,
      observers: { add: () => {} },
      tuning: world.tuning,
      mutex: new Channel<true>({ capacity: 1 }),
      secrets: {},
      leads: server.address === servers[0],
      processStatus: () => ({ connections: 0, uptimeMs: 0, memoryBytes: 0, faults: false }),
      flush: () => this.engine.flush(),
      report: () => {},
    };
    this.#tick();
  }

  /** Takes this process's end of a connection. */
  accept(link: Endpoint, from: "client" | "follower" | "leader"): void {
    const handler = new ConnectionHandler(link, this.#context, from === "leader");
    this.#handlers.set(link, handler);
    if (from === "client") link.onSend = (frame) => this.#answered(frame);
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
      if (link.onSend !== undefined) this.#owed.set(readId(line), { link, at: this.#ownNow, line });
      if (line.endsWith(`"replace":true}`)) this.#startOver();
      handler.receive(line, longLines?.[index]);
      if (line.startsWith(`{"type":"SYNC"`)) this.#synced = true;
      if (line.startsWith(`{"type":"REPLICATION"`)) this.#lookAtTable();
    }
    handler.end();
    if (failure !== undefined && link.open) handler.fail(failure);
    this.#lookAtTable();
    this.#answersGets ||= this.engine.readable;
    this.#checkInvariants();
  }

  ended(link: Endpoint): void {
    if (!this.alive || !this.#handlers.delete(link)) return;
    this.engine.closed(link);
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

  /** The leader replaces the whole table. For the rules that is a restart. */
  #startOver(): void {
    this.#number = this.#world.nextLife();
    this.#answersGets = false;
    this.#synced = false;
    this.#held.clear();
  }

  #durable(count: number): void {
    if (this.#world.traced) this.#world.trace(`${this.#server.address} has ${count} on its disk`);
    this.engine.durable(count);
    this.#lookAtTable();
    this.#checkInvariants();
  }

  /** Breaks the run if an invariant of the leader or follower is broken. */
  #checkInvariants(): void {
    try {
      this.engine.checkInvariants();
    } catch (error) {
      this.#world.violate(`${this.#server.address}: ${(error as Error).message}`);
    }
  }

  /** Tells the checkers what is new in the table. */
  #lookAtTable(): void {
    const seen = { kind: "held", life: this.#number, server: this.#server.address } as const;
    const counts = this.#synced || this.engine.readable;
    for (const [key, { value: held, timestamp }] of this.engine.table.entries()) {
      if (this.#held.get(key) === timestamp) continue;
      this.#held.set(key, timestamp);
      const value = textOfValue(held);
      this.#world.observe({ ...seen, counts, key, value, timestamp });
    }
  }

  #answered(frame: string): void {
    const op = readId(frame);
    const debt = this.#owed.get(op);
    this.#owed.delete(op);
    const afterMs = debt === undefined ? 0 : this.#ownNow - debt.at;
    this.#world.observe({ kind: "answered", op, afterMs });
    if (debt === undefined || !frame.startsWith(`{"type":"TRY_OTHER`)) return;
    const [seen, own] = [readTimestamp(debt.line), readTimestamp(frame)];
    const [server, answersGets] = [this.#server.address, this.#answersGets];
    this.#world.observe({ kind: "refused", op, server, seen, own, answersGets });
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
      this.#checkInvariants();
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
    const world = this.#world;
    return {
      put: () => {},
      forwarding: () => {},
      get: () => {},
      replication: () => {},
      putOk: (_client, key, timestamp) => {
        const lives = world.inSyncLives();
        const copies = lives.map(({ engine }) => engine.table.get(key)?.timestamp ?? 0);
        const inSync = this.engine.inSync.length;
        world.observe({ kind: "committed", key, timestamp, inSync, copies });
      },
    };
  }
}

/** A client: the real codec and the real session, and requests as the plan has them. */
class Client implements Process, Host {
  readonly ip: string;
  readonly stopUntil = 0;
  readonly readDelayMs = 0;
  readonly #world: World;
  readonly #session = new Session();
  readonly #links = new Map<Server, Endpoint>();
  /** The process at the other end. */
  readonly #lives = new Map<Endpoint, Life>();
  /** Requests without an answer. */
  readonly #inFlight = new Set<number>();

  constructor(world: World, ip: string) {
    this.#world = world;
    this.ip = ip;
  }

  /**
   * Sends a request. Returns its number: that of the second one if it is sent twice, 0 if it is not
   * sent.
   */
  ask(kind: "put" | "get", key: string, server: Server, twice: boolean): number {
    const link = this.#linkTo(server);
    if (link === undefined) {
      this.#world.trace("   not sent: connection refused");
      return 0;
    }
    let value: string | undefined;
    let op = 0;
    for (let times = twice ? 2 : 1; times > 0; times--) {
      const id = op = this.#world.nextOp();
      if (kind === "put") value ??= valueOf(op);
      this.#world.observe({ kind: "asked", op, client: this.ip, key, value });
      const request = value === undefined
        ? new Get(op, key, this.#session.timestamp(key))
        : new Put(op, key, value);
      link.send(request.encode());
      this.#inFlight.add(op);
      this.#world.clock.after(clientTimeoutMs, () => {
        if (this.#inFlight.delete(id)) link.close();
      });
    }
    return op;
  }

  receive(link: Endpoint, lines: string[]): void {
    for (const line of lines) {
      if (this.#world.traced) this.#world.trace(`${link.peer} → ${this.ip}  ${line}`);
      const reply = Mensagem.decode(line);
      if (!("id" in reply) || reply.id === undefined) continue;
      const op = reply.id;
      this.#inFlight.delete(op);
      const client = this.ip;
      if (reply.type === "PUT_OK") {
        const { key, timestamp } = reply;
        this.#world.observe({ kind: "put", op, client, key, timestamp });
        this.#session.learn(reply);
      } else if (reply.type === "GET_OK") {
        const { key, value, timestamp } = reply;
        const startFloor = this.#lives.get(link)!.startFloors.get(key) ?? 0;
        this.#world.observe({ kind: "got", op, client, key, value, timestamp, startFloor });
        this.#session.learn(reply);
      }
    }
  }

  ended(link: Endpoint): void {
    for (const [server, known] of this.#links) if (known === link) this.#links.delete(server);
  }

  #linkTo(server: Server): Endpoint | undefined {
    const known = this.#links.get(server);
    if (known?.open) return known;
    const { life } = server;
    if (life === undefined) return undefined;
    const [near, far] = this.#world.network.connect(this, this, server, server.address, life);
    life.accept(far, "client");
    this.#links.set(server, near);
    this.#lives.set(near, life);
    return near;
  }
}

/** The timestamp of a request or an answer; 0 if the frame has none. */
function readTimestamp(frame: string): number {
  return Number(/"timestamp":(\d+)/.exec(frame)?.[1] ?? 0);
}

/** The id of a request or an answer; 0 if the frame has none. */
function readId(frame: string): number {
  return Number(/"id":(\d+)/.exec(frame)?.[1] ?? 0);
}

/** The value of a PUT. Some values are long: a server keeps those as bytes. */
function valueOf(op: number): string {
  return `vé${op}`.padEnd(op % 8 === 0 ? longValueChars : 0, ".");
}
