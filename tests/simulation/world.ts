/** A real leader and two real followers on simulated hosts, with clients that follow a plan. */

import { ErrorReply } from "../../lib/mensagem.ts";
import { type Tuning, tuningDefault } from "../../lib/replication/tuning.ts";
import { Random } from "../support/random.ts";
import { type Checker, makeCheckers } from "./checkers.ts";
import type { Observation } from "./observation.ts";
import { type Asking, Client } from "./client.ts";
import { makeCoordinationCheckers } from "./coordination_checkers.ts";
import { Disk } from "./disk.ts";
import { WriteHistory } from "./history.ts";
import { Clock, Network } from "./network.ts";
import { type Action, clients, type CutOff, describe, type Plan, servers } from "./actions.ts";
import { faultMsMax, planMs, survivesAll } from "./plan.ts";
import { type Life, Server, tickMs } from "./server.ts";
import { makeWatchCheckers } from "./watch_checker.ts";

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
/** In a healthy cluster a key is removed within this time after its time to live. */
const expiryLateMs = 1_000;

/** A client may be told this often that what it saw is lost, once for each leader. */
const lossesMax = 8;
/** Last reads that are repeated, and a deletion of the leader at the end, may take this much longer. */
const settleMs = 1_000;

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

export class World {
  readonly clock = new Clock();
  readonly network: Network;
  readonly tuning: Tuning;
  readonly servers: Server[];
  readonly clients: Client[];
  readonly traced: boolean;
  readonly #plan: Plan;
  readonly #checkers = new Map<Observation["kind"], [rule: string, checker: Checker][]>();
  /** All writes. Checkers look at it. */
  readonly history = new WriteHistory();
  /** For each GET that shows no value: the newest write of its key that its answer shows. */
  readonly versions = new Map<number, number>();
  /** For each LIST: the same for each key that its answer is about. */
  readonly pages = new Map<number, ReadonlyMap<string, number>>();
  readonly #trace: string[] = [];
  #violation: string | undefined;
  /** For each key the highest timestamp that the leader has committed. */
  readonly committed = new Map<string, number>();
  /** The highest timestamp that a leader has committed. */
  highestCommitted = 0;
  #nextOp = 1;
  #nextLife = 1;
  /** The leader refuses new connections until this time. */
  fullUntil = 0;
  /** The leader's address leads to another server until this time. */
  strangerUntil = 0;
  /** When all faults and the cut-off have ended. */
  #calmMs = 0;
  /**
   * The processes that hold every committed write, or, before a leader was open, what clients were shown.
   * One of them must always be left (G3).
   */
  #copies: Life[] = [];
  /** Whether every committed write is on a disk that is not lost. */
  #disksCount: boolean;
  #done = 0;
  readonly #succeeded = new Set<number>();
  #lastPuts = new Set<Client>();
  #lastGets = new Set<Client>();
  /** Reads at the end that have not succeeded yet. */
  #readsDue = 0;
  /** Since when the leader is open, has both followers in sync, and does not stand still. */
  #healthySinceMs = 0;

  constructor(plan: Plan, traced: boolean) {
    this.#plan = plan;
    this.traced = traced;
    this.network = new Network(this.clock, new Random(plan.seed ^ 0x5bd1e995));
    const { tombstonesMax = 0 } = plan.coordination ?? {};
    this.tuning = { ...tuning, logBytesMax: plan.logBytesMax, tombstonesMax };
    const answerMs = tuning.putTimeoutMs + tickMs;
    const checkers = {
      ...makeCheckers({ minInSync: tuning.minInSync, answerMs }),
      ...(plan.coordination === undefined ? {} : {
        ...makeCoordinationCheckers(this.history, { expiryLateMs }),
        ...makeWatchCheckers(this.history),
      }),
    };
    for (const rule of Object.entries(checkers)) {
      for (const kind of rule[1].kinds) {
        const rules = this.#checkers.get(kind);
        if (rules === undefined) this.#checkers.set(kind, [rule]);
        else rules.push(rule);
      }
    }
    this.#disksCount = survivesAll(plan);
    const disks = new Random(plan.seed ^ 0x1b56c4e9);
    this.servers = servers.map((address, index) => {
      const durable = plan.durable?.[index] === true;
      return new Server(this, address, durable ? new Disk(this.clock, disks) : undefined);
    });
    this.clients = clients.map((ip) => new Client(this, ip, plan.coordination?.sessionKeysMax));
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
    const until = () => this.#settled() ? endMs : endMs + settleMs;
    for (let at = 0; at <= until() && this.#violation === undefined; at += inspectEveryMs) {
      this.clock.runUntil(at);
      this.#inspect();
    }
    if (this.#violation === undefined) this.#end();
    return { violation: this.#violation, trace: this.#trace, done: this.#done };
  }

  observe(seen: Observation): void {
    if (this.#plan.coordination !== undefined) this.history.observe(seen);
    for (const [rule, { check }] of this.#checkers.get(seen.kind) ?? []) {
      const wrong = check(seen);
      if (wrong !== undefined) this.violate(`${rule}: ${wrong}`);
    }
    if (seen.kind === "committed") {
      this.committed.set(seen.key, seen.timestamp);
      this.highestCommitted = Math.max(this.highestCommitted, seen.timestamp);
    }
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
    const members = this.servers.filter(({ address }) => inSync.includes(address));
    return readableLives(members);
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
      case "ask":
        this.clients[action.client]!.ask(
          action.asking,
          this.servers[action.server]!,
          action.twice,
        );
        return;
      case "watch":
        this.clients[action.client]!.watch(action.target, this.servers[action.server]!);
        return;
      case "unwatch":
        return this.clients[action.client]!.unwatch();
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
    // No leader was open yet. But followers that it has brought up answer clients, who remember that.
    else if (this.#copies.length === 0) this.#copies = readableLives(this.servers);
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
      const op = this.clients[0]!.ask({ kind: "put", key: "managed" }, leader, false);
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
        const op = client.ask({ kind: "put", key: "managed" }, leader, false);
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
      const op = client.ask({ kind: "put", key: "managed" }, leader, false);
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
    const lives = this.inSyncLives();
    const nowMs = this.clock.now;
    const healthy = lives.length === servers.length && this.servers[0]!.stopUntil <= nowMs;
    if (!healthy) this.#healthySinceMs = nowMs;
    const inSync = lives.map((life) => life.table);
    this.observe({ kind: "inspected", inSync, nowMs, healthySinceMs: this.#healthySinceMs });
  }

  #lastRequests(): void {
    this.trace("== every client writes and reads once more");
    this.clients.forEach((client, i) => {
      client.ask({ kind: "put", key: "last" }, this.servers[i % 3]!, false);
      this.clock.after(200, () => {
        this.#readOnceMore(client, { kind: "get", key: "last" }, i + 1);
        const { keys } = this.#plan.coordination ?? { keys: [] };
        for (const key of keys) {
          this.#readOnceMore(client, { kind: "get", key }, i + 2);
          this.#readOnceMore(client, { kind: "latest", key }, i + 2);
        }
        if (keys.length > 0) {
          this.#readOnceMore(client, { kind: "list", prefix: "", limit: 1_000 }, i + 2);
        }
      });
    });
  }

  /**
   * Reads something, again if what was seen is lost, and at the next server if one is late: only the leader
   * knows whether what is above its own timestamps was lost.
   */
  #readOnceMore(client: Client, asking: Asking, first: number): void {
    this.#readsDue++;
    const read = (at: number, lossesLeft: number) => {
      client.ask(asking, this.servers[at % 3]!, false, (outcome) => {
        if (outcome === "done") this.#readsDue--;
        else if (outcome === "late") read(at + 1, lossesLeft);
        else if (lossesLeft > 0) read(at, lossesLeft - 1);
      });
    };
    read(first, lossesMax);
  }

  /** Whether all last reads have succeeded, and all servers have the last write. */
  #settled(): boolean {
    const [first, ...others] = this.servers.map(({ life }) => life?.engine.table.timestamp);
    return this.#readsDue === 0 && others.every((other) => other === first);
  }

  #end(): void {
    const tables = this.servers.map(({ life }) => life!.table);
    const watchers = this.clients.flatMap(({ ip: client, watchers }) =>
      watchers.filter(({ ended }) => !ended).map(({ target, known }) => ({ client, target, known }))
    );
    this.observe({
      kind: "ended",
      tables,
      lastPuts: this.#lastPuts.size,
      lastGets: this.#lastGets.size,
      clients: clients.length,
      failedReads: this.#readsDue,
      watchers,
    });
  }
}

/** The processes of these servers that answer GETs. */
function readableLives(servers: readonly Server[]): Life[] {
  return servers.map(({ life }) => life).filter((life) => life?.engine.readable) as Life[];
}
