/**
 * The protocol core in a fake world without sockets and timers: one server among scripted peers
 * ({@linkcode Stage}), or whole clusters whose messages the test delivers ({@linkcode CoreCluster}).
 *
 * Tests compare messages, prints and answers as short lines such as `REPLICATION a=1 @7`.
 *
 * @module
 */

import { Channel } from "@std/async/channel";
import type { Secrets } from "../../lib/auth/secret.ts";
import { Get, Join, Mensagem, protocolVersion, Put, ReplicationOk } from "../../lib/mensagem.ts";
import type {
  Dialler,
  Host,
  ReplicationListener,
  ServerPrints,
} from "../../lib/replication/environment.ts";
import type { Follower } from "../../lib/replication/follower.ts";
import type { Journal, JournalMessage } from "../../lib/replication/journal.ts";
import type { Leader } from "../../lib/replication/leader.ts";
import { RecoveredState } from "../../lib/replication/recovered_state.ts";
import { Store } from "../../lib/replication/store.ts";
import { TableQueries } from "../../lib/replication/table_queries.ts";
import { startReplica } from "../../lib/replication/replica.ts";
import { type Tuning, tuningDefault } from "../../lib/replication/tuning.ts";
import { ConnectionHandler } from "../../lib/server/connection_handler.ts";
import type {
  HandledConnection,
  ProcessStatus,
  ServerContext,
} from "../../lib/server/server_context.ts";
import type { Random } from "./random.ts";
import { textOfValue, type Value } from "../../lib/wire/long_value.ts";
import { type Frames, textOf } from "../../lib/wire/frames.ts";

/** Options of a test that needs no permissions. */
export const pure = { permissions: "none" } as const;

/** The leader. */
export const leader = "10.0.0.1:10097";
/** The first follower. */
export const follower1 = "10.0.0.2:10098";
/** The second follower. */
export const follower2 = "10.0.0.3:10099";
/** A client. */
export const client = "10.0.9.1:5001";

const tickMs = 50;

/** `a=1`. Of a long value it shows only the length. */
function pair(key: string, valueOrNull: Value | null): string {
  if (valueOrNull === null) return `${key}=NULL`;
  const value = textOfValue(valueOrNull);
  return `${key}=${value.length > 20 ? `<${value.length}>` : value}`;
}

/** A frame as one short line. Of an `ERROR` it shows the id and the code, not the message. */
export function brief(frame: string): string {
  const message = Mensagem.decode(frame);
  const id = "id" in message && message.id !== undefined ? ` #${message.id}` : "";
  const start = `${message.type}${id}`;
  switch (message.type) {
    case "PUT":
      return `${start} ${pair(message.key, message.value)} of ${message.client ?? "the sender"}`;
    case "WRITE": {
      const { key, value, expected, ttlMs } = message;
      const condition = expected === undefined ? "" : ` if @${expected}`;
      const life = ttlMs === undefined ? "" : ` for ${ttlMs} ms`;
      return `${start} ${pair(key, value)}${condition}${life} of ${message.client ?? "the sender"}`;
    }
    case "GET_LATEST":
      return `${start} ${message.key}`;
    case "PUT_OK":
    case "WRITE_OK":
    case "GET":
    case "TRY_OTHER_SERVER_OR_LATER":
      return `${start} ${message.key} @${message.timestamp}`;
    case "GET_OK":
    case "CONFLICT":
    case "REPLICATION":
      return `${start} ${pair(message.key, message.value)} @${message.timestamp}`;
    case "REPLICATION_OK":
      return `${start} @${message.timestamp}`;
    case "JOIN":
      return `${start} ${message.server} "${message.cluster}" @${message.timestamp}`;
    case "SYNC": {
      const { cluster, timestamp, latest } = message;
      return `${start} "${cluster}" @${timestamp}${latest === timestamp ? "" : ` of @${latest}`}`;
    }
    case "SNAPSHOT": {
      const entries = message.entries.map(([key, value, at]) => ` ${pair(key, value)}@${at}`);
      return `${start}${entries.join("")}${message.last ? " last" : ""}`;
    }
    case "ERROR":
      return `${start} ${message.code}`;
    default:
      return start;
  }
}

/** A table without entries that is complete up to a timestamp. */
export function tableAt(timestamp: number): Store {
  const store = new Store();
  store.advance(timestamp);
  return store;
}

/** The state of every process here. */
export const processStatus: ProcessStatus = {
  connections: 3,
  uptimeMs: 5,
  memoryBytes: 7,
  faults: false,
};

/** The usual context of a server's connections. */
function contextOf(self: string, engine: Leader | Follower, tuning: Tuning): ServerContext {
  return {
    self,
    engine,
    queries: new TableQueries(engine, { limits: tuning, wake: () => {} }),
    observers: { add: () => {} },
    tuning,
    mutex: new Channel<true>({ capacity: 1 }),
    secrets: {},
    leads: self === leader,
    stopping: () => false,
    processStatus: () => processStatus,
    flush: () => engine.flush(),
    report: () => {},
  };
}

/** Hands lines that arrived together to a handler, as a connection does. */
function handOver(handler: ConnectionHandler, lines: readonly string[]): void {
  handler.begin();
  for (const line of lines) handler.receive(line);
  handler.end();
}

/** Prints as short lines. That of a GET has both timestamps and the answer. */
function recordPrints(take: (line: string) => void): ServerPrints {
  return {
    put: (from, key, value) => take(`${from} PUT ${pair(key, value)}`),
    forwarding: (key, value) => take(`forwarding ${pair(key, value)}`),
    replication: (key, value, timestamp) => take(`REPLICATION ${pair(key, value)} @${timestamp}`),
    putOk: (to, key, timestamp) => take(`PUT_OK to ${to} ${key} @${timestamp}`),
    get: (from, key, seen, own, value) =>
      take(
        `${from} GET ${key} seen @${seen}, own @${own}: ${
          value === undefined ? "TRY_OTHER" : value ?? "NULL"
        }`,
      ),
  };
}

/** The events of a listener, as short lines. */
function recordEvents(take: (line: string) => void): ReplicationListener {
  return {
    written: (key, value, timestamp, waitedMs, expired) =>
      take(
        `${expired ? "expired" : "written"} ${pair(key, value)} @${timestamp} after ${waitedMs} ms`,
      ),
    acknowledged: (follower, timestamp) => take(`${follower} has @${timestamp}`),
    members: (joined, inSync, open) =>
      take(`joined [${joined}], in sync [${inSync}]${open ? ", open" : ""}`),
    fault: (follower, action, delayMs) =>
      take(`${action} ${follower}${delayMs === undefined ? "" : ` by ${delayMs} ms`}`),
    table: () => take("table"),
    write: (from, { key, value, expected }) =>
      take(`${from} WRITE ${pair(key, value)}${expected === undefined ? "" : ` if @${expected}`}`),
    forwardingWrite: ({ key, value }) => take(`forwarding WRITE ${pair(key, value)}`),
    writeOk: (to, key, timestamp, wrote) =>
      take(`WRITE_OK to ${to} ${key} @${timestamp}${wrote ? "" : ", nothing written"}`),
    conflict: (to, key, expected, value, timestamp) =>
      take(`CONFLICT to ${to} ${pair(key, value)} @${timestamp}, not @${expected}`),
  };
}

/** A journal that the test syncs: nothing is on the disk before {@linkcode FakeJournal.sync}. */
export class FakeJournal implements Journal {
  /** Frames that the disk has. */
  readonly kept: string[] = [];
  #waiting: string[] = [];
  #count = 0;
  #engine: Leader | Follower | undefined;

  append(message: JournalMessage): void {
    const frame = message.encode();
    this.#waiting.push(frame);
  }

  /** Sets the server that is told of each sync. */
  usedBy(engine: Leader | Follower): void {
    this.#engine = engine;
  }

  /** The messages that wait for the disk, as short lines. */
  get waiting(): string[] {
    return this.#waiting.map(brief);
  }

  /** Syncs the first `count` messages that wait, and tells the server. */
  sync(count: number = this.#waiting.length): void {
    this.#count += count;
    this.kept.push(...this.#waiting.splice(0, count));
    this.#engine!.durable(this.#count);
    this.#engine!.checkInvariants();
  }

  /** What a new process finds after this one has died. */
  reopen(): { journal: FakeJournal; recovered: RecoveredState } {
    const journal = new FakeJournal();
    journal.kept.push(...this.kept);
    const recovered = new RecoveredState();
    for (const frame of this.kept) recovered.add(Mensagem.decode(frame));
    return { journal, recovered };
  }
}

/** One server whose connections and time the test controls. It starts at time 0. */
export class Stage {
  /** The leader or follower under test. */
  readonly engine: Leader | Follower;
  /** The context of its connections. */
  readonly context: ServerContext;
  /** The lines that it printed. */
  prints: string[] = [];
  /** The events that it told its listener. */
  readonly events: string[] = [];
  /** Whether it takes FAULT. */
  faults = false;
  /** The secrets that its next connections have to prove. */
  secrets: Secrets = {};
  /** The lines that it told the operator. */
  readonly reports: string[] = [];
  /** The times at which it asked for a dial. */
  readonly dials: number[] = [];
  /** What its host's `random()` returns. */
  random: number;
  /** The time in milliseconds. */
  now = 0;
  #clusters = 0;
  #waiting: (() => void) | undefined;
  #dialler: Dialler | undefined;

  /** A server at the address `self`. It leads if that is {@linkcode leader}. */
  constructor(
    self: string,
    tuning?: Partial<Tuning>,
    disk?: { readonly journal: FakeJournal; readonly recovered: RecoveredState },
    random = 0.5,
  ) {
    this.random = random;
    const host: Host = {
      journal: disk?.journal,
      prints: recordPrints((line) => this.prints.push(line)),
      listener: recordEvents((line) => this.events.push(line)),
      report: (line) => this.reports.push(line),
      dial: (dialler) => {
        this.#dialler = dialler;
        this.dials.push(this.now);
      },
      waitForPuts: (run) => {
        this.#waiting = run;
        return () => this.#waiting = undefined;
      },
      random: () => this.random,
      newClusterId: () => `new${++this.#clusters}`,
    };
    const all = { ...tuningDefault, ...tuning };
    const { recovered } = disk ?? {};
    this.engine = startReplica({ self, leader, host, tuning: all, now: 0, recovered });
    disk?.journal.usedBy(this.engine);
    this.context = {
      ...contextOf(self, this.engine, all),
      processStatus: () => ({ ...processStatus, faults: this.faults }),
      report: host.report,
    };
  }

  /** Whether the leader waits a moment for more PUTs. */
  get waitsForPuts(): boolean {
    return this.#waiting !== undefined;
  }

  /** Ends that moment. */
  endWait(): void {
    const run = this.#waiting!;
    this.#waiting = undefined;
    run();
    this.engine.checkInvariants();
  }

  /** A peer connects to the server. */
  connect(peer: string): FakeLink {
    return new FakeLink(this, peer, false);
  }

  /** A server connects and says JOIN. */
  join(server: string, timestamp = 0, cluster = timestamp === 0 ? "" : "old"): FakeLink {
    const link = this.connect(`${server.split(":")[0]}:40001`);
    const none = undefined;
    link.say(new Join(server, cluster, timestamp, none, none, none, protocolVersion));
    return link;
  }

  /** The server's dial succeeds. */
  dialled(): FakeLink {
    const link = new FakeLink(this, leader, true);
    this.#dialler!.dialled(link);
    this.engine.checkInvariants();
    return link;
  }

  /** The server's dial fails. */
  dialFailed(reason: string): void {
    this.#dialler!.dialFailed(reason);
    this.engine.checkInvariants();
  }

  /** Time passes in small steps. The peers in `alive` send heartbeats meanwhile. */
  pass(ms: number, ...alive: FakeLink[]): void {
    for (const end = this.now + ms; this.now < end;) {
      for (const link of alive) link.sayLine(`{"type":"HEARTBEAT"}`);
      this.jump(Math.min(tickMs, end - this.now));
    }
  }

  /** Time passes all at once, as when the process stood still. */
  jump(ms: number): void {
    this.now += ms;
    this.engine.tick(this.now);
    this.engine.checkInvariants();
  }

  /** The lines that were printed since the last call. */
  printed(): string[] {
    const prints = this.prints;
    this.prints = [];
    return prints;
  }

  /** The table, as `a=1@7` in the order of the keys. */
  get table(): string[] {
    return tableOf(this.engine);
  }
}

function tableOf({ table }: Leader | Follower): string[] {
  return [...table.entries()].map(([key, { value, timestamp }]) =>
    `${pair(key, value)}@${timestamp}`
  ).sort();
}

/** The server's end of a connection. The other end is the test. */
export class FakeLink implements HandledConnection {
  readonly peer: string;
  readonly local = "127.0.0.1:1";
  betweenServers = false;
  readonly unsentChars = 0;
  /** Whether it is open. `false` once either end has closed it. */
  open = true;
  /** What its lines have cost of the turn of all clients, in UTF-16 units. */
  spent = 0;
  /** Heartbeats that the server sent. */
  heartbeats = 0;
  readonly #stage: Stage;
  readonly #handler: ConnectionHandler;
  #sent: string[] = [];

  /** A connection of the stage's server with `peer`, dialled by one of the two. */
  constructor(stage: Stage, peer: string, dialled: boolean) {
    this.#stage = stage;
    this.peer = peer;
    this.#handler = new ConnectionHandler(
      this,
      { ...stage.context, secrets: stage.secrets },
      dialled,
    );
  }

  send(frames: Frames): void {
    if (!this.open) return;
    for (const frame of framesIn(textOf(frames))) {
      if (frame === `{"type":"HEARTBEAT"}\n`) this.heartbeats++;
      else this.#sent.push(frame);
    }
  }

  push(frames: string): void {
    this.send(frames);
  }

  close(): void {
    this.open = false;
  }

  spend(chars: number): void {
    this.spent += chars;
  }

  /** The peer sends messages that arrive together. */
  say(...messages: Mensagem[]): void {
    this.sayLine(...messages.map((message) => message.encode().slice(0, -1)));
  }

  /** The peer sends lines that arrive together. */
  sayLine(...lines: string[]): void {
    handOver(this.#handler, lines);
    this.#stage.engine.checkInvariants();
  }

  /** The peer sends a message in a turn that has not ended. */
  sayInTurn(message: Mensagem): void {
    this.#handler.receive(message.encode());
  }

  /** The connection has ended. */
  end(): void {
    this.open = false;
    this.#stage.engine.closed(this);
    this.#stage.engine.checkInvariants();
  }

  /** The frames that the server sent since the last call, without heartbeats, as short lines. */
  heard(): string[] {
    return this.heardFrames().map(brief);
  }

  /** The same frames as they were on the wire. */
  heardFrames(): string[] {
    const sent = this.#sent;
    this.#sent = [];
    return sent;
  }
}

/** The frames of a text. */
export function framesIn(text: string): string[] {
  return text.match(/[^\n]*\n/g) ?? [];
}

/** The acknowledgement of every write up to `timestamp`. */
export function ack(timestamp: number): ReplicationOk {
  return new ReplicationOk(timestamp);
}

/** An open leader with two followers in sync, and a client. */
export interface OpenLeader {
  readonly stage: Stage;
  readonly f1: FakeLink;
  readonly f2: FakeLink;
  readonly client: FakeLink;
}

/** A new cluster of three, "new1", that has opened. */
export function openLeader(tuning: Partial<Tuning> = {}): OpenLeader {
  const stage = new Stage(leader, tuning);
  const f1 = stage.join(follower1);
  const f2 = stage.join(follower2);
  for (const link of [f1, f2]) {
    link.say(ack(0));
    link.heard();
  }
  return { stage, f1, f2, client: stage.connect(client) };
}

/** An open leader with `count` committed writes: `k1=1@1`, `k2=2@2` and so on. */
export function openLeaderWith(count: number, tuning: Partial<Tuning> = {}): OpenLeader {
  const open = openLeader(tuning);
  for (let n = 1; n <= count; n++) open.client.say(new Put(n, `k${n}`, `${n}`));
  for (const link of [open.f1, open.f2]) link.say(ack(count));
  for (const link of [open.f1, open.f2, open.client]) link.heard();
  open.stage.printed();
  return open;
}

/** A process with ends of connections in a {@linkcode CoreCluster}. */
interface Party {
  receive(end: End, lines: readonly string[]): void;
  closed(end: End): void;
}

/** One end of a connection in a {@linkcode CoreCluster}. */
class End implements HandledConnection {
  readonly peer: string;
  readonly local = "";
  betweenServers = false;
  readonly unsentChars = 0;
  /** The process that has this end. */
  readonly party: Party;
  other!: End;
  /** Frames on their way to this end, in order. */
  inbox: string[] = [];
  /** Whether this end is closed: it neither sends nor receives. */
  closed = false;
  /** Whether the party was told that the connection has ended. */
  told = false;

  constructor(party: Party, peer: string) {
    this.party = party;
    this.peer = peer;
  }

  send(frames: Frames): void {
    if (!this.closed && !this.other.closed) this.other.inbox.push(...framesIn(textOf(frames)));
  }

  push(frames: string): void {
    this.send(frames);
  }

  close(): void {
    this.closed = true;
  }

  /** Whether there is something to deliver to this end. */
  get due(): boolean {
    return !this.told && (this.closed || this.other.closed || this.inbox.length > 0);
  }

  /** Delivers `count` frames at once, or the end of the connection if no frame is left. */
  deliver(count = Infinity): void {
    if (this.closed || this.inbox.length === 0) {
      this.closed = this.told = true;
      return this.party.closed(this);
    }
    this.party.receive(this, this.inbox.splice(0, count).map((frame) => frame.slice(0, -1)));
  }
}

/** A process of a server in a {@linkcode CoreCluster}. */
class Server implements Party {
  readonly engine: Leader | Follower;
  readonly prints: string[] = [];
  /** The follower whose dial has no answer yet. */
  dialler: Dialler | undefined;
  readonly #context: ServerContext;
  readonly #handlers = new Map<End, ConnectionHandler>();

  constructor(self: string, tuning: Tuning, now: number, random: () => number) {
    const host: Host = {
      prints: recordPrints((line) => this.prints.push(line)),
      report: () => {},
      dial: (dialler) => this.dialler = dialler,
      waitForPuts: () => () => {},
      random,
      newClusterId: () => `c${random()}`.replace(".", ""),
    };
    this.engine = startReplica({ self, leader, host, tuning, now });
    this.#context = contextOf(self, this.engine, tuning);
  }

  receive(end: End, lines: readonly string[]): void {
    let handler = this.#handlers.get(end);
    if (handler === undefined) {
      const dialled = end.peer === leader;
      handler = new ConnectionHandler(end, this.#context, dialled);
      this.#handlers.set(end, handler);
    }
    handler.begin();
    for (const line of lines) if (!end.closed) handler.receive(line);
    handler.end();
    this.engine.checkInvariants();
  }

  closed(end: End): void {
    this.#handlers.delete(end);
    this.engine.closed(end);
    this.engine.checkInvariants();
  }
}

/** A client of one server in a {@linkcode CoreCluster}. */
export class FakeClient implements Party {
  /** The answers to each request, by its id. There should be one. */
  readonly answers = new Map<number, string[]>();
  /** Whether the connection has ended. Then open requests get no answer. */
  gone = false;
  /** PUTs that were certainly not applied. */
  readonly refused: Put[] = [];
  readonly #puts = new Map<number, Put>();
  #end!: End;
  #nextId = 1;

  /** Takes its end of the connection. */
  connected(end: End): void {
    this.#end = end;
  }

  /** Sends a PUT and returns its id. */
  put(key: string, value: string): number {
    const put = new Put(this.#nextId, key, value);
    this.#puts.set(put.id, put);
    return this.#ask(put);
  }

  /** Sends a GET and returns its id. */
  get(key: string, seen = 0): number {
    return this.#ask(new Get(this.#nextId, key, seen));
  }

  receive(_end: End, lines: readonly string[]): void {
    for (const line of lines) this.#hear(line);
  }

  #hear(line: string): void {
    const { id, code } = JSON.parse(line);
    if (!this.answers.has(id)) this.answers.set(id, []);
    this.answers.get(id)!.push(brief(line));
    if (code === "UNAVAILABLE" || code === "OVERLOADED") this.refused.push(this.#puts.get(id)!);
  }

  closed(): void {
    this.gone = true;
  }

  #ask(request: Put | Get): number {
    this.answers.set(request.id, []);
    this.#end.send(request.encode());
    return this.#nextId++;
  }
}

/** Real leader and followers, and a network that delivers only when told to. */
export class CoreCluster {
  /** The processes, `undefined` for one that is down. */
  readonly servers: (Server | undefined)[];
  /** The time in milliseconds. */
  now = 0;
  readonly #addresses: string[];
  readonly #tuning: Tuning;
  readonly #random: () => number;
  #ends: End[] = [];
  /** Followers that are cut off from the leader: frames and dials wait. */
  readonly #held = new Set<number>();
  #nextPort = 5001;

  /** All servers are started, and nothing has been delivered. */
  constructor(tuning: Partial<Tuning> = {}, random: () => number = () => 0.5) {
    this.#tuning = { ...tuningDefault, ...tuning };
    this.#random = random;
    this.#addresses = [leader, follower1, follower2].slice(0, this.#tuning.clusterSize);
    this.servers = this.#addresses.map(() => undefined);
    this.#addresses.forEach((_, index) => this.start(index));
  }

  /** A cluster that has opened. */
  static open(tuning: Partial<Tuning> = {}): CoreCluster {
    const cluster = new CoreCluster(tuning);
    cluster.pass(200);
    return cluster;
  }

  /** Starts a server without memory. */
  start(index: number): void {
    const self = this.#addresses[index]!;
    this.servers[index] = new Server(self, this.#tuning, this.now, this.#random);
  }

  /** A server dies. The first `kept` frames that it had sent on each connection still arrive. */
  crash(index: number, kept = Infinity): void {
    const server = this.servers[index];
    for (const end of this.#ends) {
      if (end.party !== server) continue;
      end.other.inbox.splice(kept);
      end.closed = end.told = true;
    }
    this.servers[index] = undefined;
    this.#held.delete(index);
  }

  /** The connection of a follower breaks. The first `kept` frames under way still arrive. */
  cut(index: number, kept = 0): void {
    for (const end of this.#peering(index)) {
      end.inbox.splice(kept);
      // Neither end has closed it: each finds it ended after the frames that are left.
      const dead = new End(end.party, "");
      dead.closed = dead.told = true;
      end.other = dead;
    }
  }

  /** Nothing gets through between the leader and a follower until {@linkcode CoreCluster.release}. */
  hold(index: number): void {
    this.#held.add(index);
  }

  /** Ends a {@linkcode CoreCluster.hold}. */
  release(index: number): void {
    this.#held.delete(index);
  }

  /** A client connects to a server that is up. */
  client(index: number): FakeClient {
    const party = new FakeClient();
    party.connected(this.#connect(party, this.servers[index]!, this.#addresses[index]!));
    return party;
  }

  /** Delivers until nothing is under way. */
  settle(): void {
    while (this.deliver((ends) => ends[0]!));
  }

  /** Delivers to one of the ends with something due. Returns `false` if there is none. */
  deliver(choose: (ends: readonly End[]) => End, count?: number): boolean {
    this.#answerDials();
    this.#ends = this.#ends.filter((end) => !end.told);
    const due = this.#ends.filter((end) => end.due && !this.#isHeld(end));
    if (due.length === 0) return false;
    choose(due).deliver(count);
    return true;
  }

  /** One tick of all servers, or of one. */
  tick(ms: number, only?: number): void {
    this.now += ms;
    for (const [index, server] of this.servers.entries()) {
      if (only === undefined || only === index) server?.engine.tick(this.now);
    }
  }

  /** Time passes in small steps; everything is delivered at once. */
  pass(ms: number): void {
    this.settle();
    for (const end = this.now + ms; this.now < end;) {
      this.tick(tickMs);
      this.settle();
    }
  }

  /** The table of a server, as `a=1@7` in the order of the keys. */
  table(index: number): string[] {
    return tableOf(this.servers[index]!.engine);
  }

  /** The frames on their way from the leader to a follower, as short lines. */
  underWay(index: number): string[] {
    const server = this.servers[index];
    return this.#peering(index).filter((end) => end.party === server)
      .flatMap((end) => end.inbox.map(brief));
  }

  /** One random event: something is delivered, or a little time passes. */
  step(random: Random): void {
    const choose = (ends: readonly End[]) => random.pick(ends);
    if (random.chance(0.2) || !this.deliver(choose, random.between(1, 4))) {
      this.tick(random.between(1, 60), random.below(this.servers.length));
    }
  }

  #answerDials(): void {
    for (const [index, server] of this.servers.entries()) {
      const dialler = server?.dialler;
      if (server === undefined || dialler === undefined || this.#held.has(index)) continue;
      server.dialler = undefined;
      const lead = this.servers[0];
      if (lead === undefined) dialler.dialFailed("connection refused");
      else dialler.dialled(this.#connect(server, lead, leader));
    }
  }

  #connect(caller: Party, server: Server, address: string): End {
    const index = this.servers.indexOf(caller as Server);
    const host = index < 0 ? "10.0.9.1" : this.#addresses[index]!.split(":")[0];
    const near = new End(caller, address);
    const far = new End(server, `${host}:${this.#nextPort++}`);
    near.other = far;
    far.other = near;
    this.#ends.push(near, far);
    return near;
  }

  /** Both ends of the connections between the leader and a follower. */
  #peering(index: number): End[] {
    const [lead, server] = [this.servers[0], this.servers[index]];
    return this.#ends.filter(({ party, other }) =>
      (party === server && other.party === lead) || (party === lead && other.party === server)
    );
  }

  #isHeld(end: End): boolean {
    return [...this.#held].some((index) => this.#peering(index).includes(end));
  }
}
