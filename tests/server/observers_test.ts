import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertStringIncludes,
} from "@std/assert";
import { Secret } from "../../lib/auth/secret.ts";
import { ServerConsole } from "../../lib/cli/server_console.ts";
import type { ServerEvent } from "../../lib/wire/events.ts";
import { KvServer } from "../../lib/server/kv_server.ts";
import { type EventSink, eventsMax, eventsReserved } from "../../lib/server/event_recorder.ts";
import {
  eventsIntervalMs,
  type ObserverLink,
  Observers,
  observersInAllMax,
  observersMax,
  observerUnsentCharsMax,
  tableEventsMax,
} from "../../lib/server/observers.ts";
import { eventTextCharsMax } from "../../lib/limits.ts";
import {
  type Events,
  eventsProtocol,
  Mensagem,
  Observe,
  WriteRequest,
} from "../../lib/mensagem.ts";
import type { ServerPrints } from "../../lib/replication/environment.ts";
import { Store } from "../../lib/replication/store.ts";
import { Cluster } from "../support/cluster.ts";
import { anyPort } from "../support/ports.ts";
import { openWithTwo } from "../support/scripted_follower.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually, waitMsMax as patienceMs } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";

const pure = { permissions: "none" } as const;
const self = "10.0.0.1:10097";
const client = "10.0.9.1:5001";
const tickMs = 50;

/** The connection of an observer. The test sets how much of it is unsent. */
class Link implements ObserverLink {
  constructor(readonly ip = "10.0.9.1") {}

  unsentChars = 0;
  /** Frames sent as answers, and frames pushed without a request. */
  readonly answers: string[] = [];
  readonly pushed: string[] = [];

  send(frame: string): void {
    this.answers.push(frame);
  }

  push(frame: string): void {
    this.pushed.push(frame);
  }

  /** The EVENTS since the last look. */
  heard(): Events[] {
    const frames = [...this.answers.splice(0), ...this.pushed.splice(0)];
    return frames.map((frame) => Mensagem.decode(frame) as Events);
  }
}

/** The host of a fake server, with real observers. */
class FakeHost {
  readonly store = new Store();
  readonly printed: string[] = [];
  readonly observers: Observers;
  /** The permanent sink for prints. */
  readonly prints: ServerPrints = {
    put: (...of) => this.printed.push(`put ${of}`),
    forwarding: (...of) => this.printed.push(`forwarding ${of}`),
    replication: (...of) => this.printed.push(`replication ${of}`),
    putOk: (...of) => this.printed.push(`putOk ${of}`),
    get: (...of) => this.printed.push(`get ${of}`),
  };
  /** `undefined` if there is no observer. */
  sink: EventSink | undefined;
  now = 0;

  constructor() {
    const describe = (watch: Pick<EventSink, "members">) =>
      watch.members(["10.0.0.2:1"], [self], true);
    const observed = { table: this.store, describe };
    this.observers = new Observers(self, observed, this, (to) => this.sink = to);
  }

  /** Adds an observer and drops its first EVENTS. */
  observer(ip?: string, protocol?: number): Link {
    const link = new Link(ip);
    this.observers.add(link, new Observe(7, protocol));
    this.tick();
    link.heard();
    return link;
  }

  tick(ms = tickMs): void {
    this.now += ms;
    this.observers.tick(this.now);
  }

  /** The server answers GETs. */
  gets(count: number): void {
    for (let n = 0; n < count; n++) this.sink?.get(client, `k${n}`, 0, 0, null);
  }
}

/** The events without their times. */
function told(...all: Events[]): Message[] {
  return all.flatMap(({ events }) => events).map(({ at: _, ...rest }) => rest);
}

// Coming and going

Deno.test("without observers nothing is recorded", pure, () => {
  const host = new FakeHost();
  assertEquals(host.sink, undefined);
  const first = host.observer();
  const second = host.observer();
  first.heard();
  assert(host.sink !== undefined);
  host.observers.closed(first);
  assert(host.sink !== undefined);
  host.gets(1);
  host.observers.closed(second);
  assertEquals(host.sink, undefined);
  host.observers.closed(new Link());
  host.tick(eventsIntervalMs);
  assertEquals([first.heard(), second.heard()], [[], []]);

  const third = new Link();
  host.observers.add(third, new Observe(7));
  host.tick();
  assertEquals(told(...third.heard()).map(({ kind }) => kind), ["members"]); // and no older events
});

Deno.test(
  "OBSERVE is answered with the table and the members; later EVENTS are pushed",
  pure,
  () => {
    const host = new FakeHost();
    host.store.put("a", "1", 7);
    host.store.put("b", "2", 8);
    const link = new Link();
    host.observers.add(link, new Observe(7));
    host.tick();
    assertEquals([link.answers.length, link.pushed.length], [1, 0]);
    const [first] = link.heard();
    assertEquals([first!.id, first!.server, first!.missed], [7, self, 0]);
    assertEquals(
      told(first!),
      [
        { kind: "members", joined: ["10.0.0.2:1"], inSync: [self], open: true },
        { kind: "table", key: "a", value: "1", timestamp: 7 },
        { kind: "table", key: "b", value: "2", timestamp: 8 },
      ],
    );
    host.gets(1);
    host.tick();
    assertEquals([link.answers.length, link.pushed.length], [0, 1]);
  },
);

Deno.test("a second OBSERVE on a connection, and one observer too many, are refused", pure, () => {
  const host = new FakeHost();
  const first = host.observer();
  host.observers.add(first, new Observe(8));
  const [again] = first.answers.splice(0).map((frame) => JSON.parse(frame));
  assertEquals([again.code, again.id], ["FORBIDDEN", 8]);
  for (let n = 1; n < observersMax; n++) host.observer();
  const late = new Link();
  host.observers.add(late, new Observe(8));
  const [refusal] = late.answers.map((frame) => JSON.parse(frame));
  assertEquals([refusal.code, refusal.id], ["OVERLOADED", 8]);
  host.observers.closed(first);
  host.observers.add(late, new Observe(9));
  host.tick();
  assertEquals(late.heard().at(-1)!.id, 9);
});

Deno.test(
  "one address cannot take all places, and the refusal says which limit it was",
  pure,
  () => {
    const host = new FakeHost();
    const refusal = (ip: string) => {
      const late = new Link(ip);
      host.observers.add(late, new Observe(8));
      return late.answers.map((frame) => JSON.parse(frame)).map(({ code, message }) =>
        `${code}: ${message}`
      )[0];
    };
    for (let n = 0; n < observersMax; n++) host.observer("127.0.0.1");
    assertEquals(
      refusal("127.0.0.1"),
      "OVERLOADED: this server has 16 observers from 127.0.0.1 already, its limit for one address",
    );
    for (let n = observersMax; n < observersInAllMax; n++) host.observer(`10.0.0.${n}`);
    assertEquals(
      refusal("10.0.8.1"),
      "OVERLOADED: this server has 32 observers already, which is its limit",
    );
  },
);

// The events

Deno.test(
  "everything that is printed or reported to a listener is an event too",
  pure,
  () => {
    const host = new FakeHost();
    const link = host.observer(undefined, eventsProtocol);
    const before = Date.now();
    const sink = host.sink!;
    sink.put(client, "k", "v");
    sink.written("k", "v", 7, 0);
    sink.acknowledged("10.0.0.2:1", 7);
    sink.putOk(client, "k", 7);
    sink.write(client, new WriteRequest(3, "k", "w", 7, 1_000));
    sink.written("k", "w", 8, 0);
    sink.writeOk(client, "k", 8, true);
    sink.written("k", null, 9, 0, true);
    sink.write(client, new WriteRequest(4, "k", null));
    sink.writeOk(client, "k", 9, false);
    sink.conflict(client, "k", 8, null, 9);
    sink.forwardingWrite(new WriteRequest(5, "k", null, 8));
    sink.forwarding("k", "v");
    sink.replication("k", "v", 7);
    sink.get(client, "k", 3, 7, "v");
    sink.get(client, "no", 0, 0, null);
    sink.get(client, "k", 9, 7, undefined);
    sink.members(["10.0.0.2:1"], [self], false);
    sink.fault("10.0.0.2:1", "pause");
    sink.fault("10.0.0.2:1", "delay", 5);
    host.tick();
    const heard = link.heard();
    const follower = "10.0.0.2:1";
    const events = told(...heard);
    const msOf = (ok: string) => (events.find(({ kind }) => kind === ok) as { ms: number }).ms;
    const [ms, writeMs] = [msOf("put_ok"), msOf("write_ok")];
    assertLessOrEqual(writeMs, patienceMs);
    assertEquals(events, [
      { kind: "put", client, key: "k", value: "v" },
      { kind: "written", key: "k", value: "v", timestamp: 7 },
      { kind: "acknowledged", follower, timestamp: 7 },
      { kind: "put_ok", client, key: "k", timestamp: 7, ms },
      { kind: "write", client, key: "k", value: "w", expected: 7, ttlMs: 1_000 },
      { kind: "written", key: "k", value: "w", timestamp: 8 },
      { kind: "write_ok", client, key: "k", timestamp: 8, ms: writeMs },
      { kind: "written", key: "k", value: null, timestamp: 9, expired: true },
      { kind: "write", client, key: "k", value: null },
      { kind: "write_ok", client, key: "k", timestamp: 9 },
      { kind: "conflict", client, key: "k", expected: 8, value: null, timestamp: 9 },
      { kind: "forwarding_write", key: "k", value: null },
      { kind: "forwarding", key: "k", value: "v" },
      { kind: "replication", key: "k", value: "v", timestamp: 7 },
      { kind: "get", client, key: "k", seen: 3, own: 7, value: "v" },
      { kind: "get", client, key: "no", seen: 0, own: 0, value: null },
      { kind: "get", client, key: "k", seen: 9, own: 7, refused: true },
      { kind: "members", joined: [follower], inSync: [self], open: false },
      { kind: "fault", follower, action: "pause" },
      { kind: "fault", follower, action: "delay", delayMs: 5 },
    ]);
    for (const { at } of [...heard, ...heard[0]!.events]) {
      assert(at >= before && at <= Date.now(), `${at} is not now`);
    }
    assertEquals(heard[0]!.counts, {
      ...{ puts: 1, putOks: 1, gets: 3, refused: 1, replications: 1 },
      ...{ writes: 2, writeOks: 2, conflicts: 1 },
    });
    assertEquals(host.printed, [
      `put ${client},k,v`,
      `putOk ${client},k,7`,
      "forwarding k,v",
      "replication k,v,7",
      `get ${client},k,3,7,v`,
      `get ${client},no,0,0,`,
      `get ${client},k,9,7,`,
    ]);
  },
);

Deno.test(
  "an older observer is not sent the events of WRITEs, which it would refuse, and misses none",
  pure,
  () => {
    const host = new FakeHost();
    const [older, newer] = [host.observer(), host.observer(undefined, eventsProtocol)];
    older.heard(); // that another one has come
    host.sink!.write(client, new WriteRequest(3, "k", null));
    host.sink!.forwardingWrite(new WriteRequest(3, "k", null));
    host.sink!.written("k", null, 7, 0);
    host.sink!.writeOk(client, "k", 7, true);
    host.sink!.conflict(client, "k", 6, null, 7);
    host.tick();
    const [[seen], [all]] = [older.heard(), newer.heard()];
    assertEquals(told(seen!).map(({ kind }) => kind), ["written"]);
    assertEquals([seen!.missed, all!.missed, seen!.counts.conflicts], [0, 0, 1]);
    assertEquals(
      told(all!).map(({ kind }) => kind),
      ["write", "forwarding_write", "written", "write_ok", "conflict"],
    );
  },
);

Deno.test("put_ok has the time since the PUT came, its waiting included", pure, () => {
  const host = new FakeHost();
  const link = host.observer();
  host.sink!.written("k", "v", 5, 0);
  host.sink!.written("k", "v", 6, 1_500); // write 5 gets no PUT_OK
  host.sink!.putOk(client, "k", 6);
  host.sink!.written("k", "v", 9, 0);
  host.sink!.putOk(client, "k", 9);
  host.tick();
  const oks = link.heard().flatMap(({ events }) => events).filter(({ kind }) => kind === "put_ok");
  const [late, quick] = oks.map((event) => (event as ServerEvent & { kind: "put_ok" }).ms);
  assert(late! >= 1_500 && late! < 1_500 + patienceMs, `${late}`);
  assertLessOrEqual(quick!, 1_500);
});

Deno.test(
  "a PUT_OK for a PUT that came before the first observer is counted as missed",
  pure,
  () => {
    const host = new FakeHost();
    const link = host.observer();
    host.sink!.putOk(client, "k", 3);
    host.sink!.written("k", "v", 4, 0);
    host.sink!.putOk(client, "k", 4);
    host.tick();
    const [heard] = link.heard();
    assertEquals(told(heard!).map(({ kind }) => kind), ["written", "put_ok"]);
    assertEquals([heard!.missed, heard!.counts.putOks], [1, 2]);
  },
);

Deno.test("long keys and values are cut, also within a pair of surrogates", pure, () => {
  const host = new FakeHost();
  const long = "é".repeat(eventTextCharsMax);
  host.store.put(`${long}x`, "😀".repeat(eventTextCharsMax), 1);
  const link = host.observer();
  host.sink!.put(client, long, `x${"😀".repeat(eventTextCharsMax)}`);
  host.sink!.get(client, `${long}!`, 0, 1, `${long}!`);
  host.sink!.table();
  host.tick();
  const texts = told(...link.heard()).map(({ key, value }) => [key, value]);
  const smiles = (count: number) => "😀".repeat(count);
  assertEquals(texts, [
    [long, `x${smiles(eventTextCharsMax / 2 - 1)}\ufffd…`],
    [`${long}…`, `${long}…`],
    [`${long}…`, `${smiles(eventTextCharsMax / 2)}…`],
  ]);
});

Deno.test(
  "of a table too large for one message a part is sent, and the number of missing entries",
  pure,
  () => {
    const host = new FakeHost();
    for (let n = 0; n < tableEventsMax + 3; n++) host.store.put(`k${n}`, "v", n);
    const link = new Link();
    host.observers.add(link, new Observe(7));
    host.tick();
    const [heard] = link.heard();
    assertEquals(told(heard!).filter(({ kind }) => kind === "table").length, tableEventsMax);
    assertEquals(heard!.missed, 3);
  },
);

Deno.test(
  "a new observer gets what exists last, and deletions as null where there is room",
  pure,
  () => {
    const host = new FakeHost();
    host.store.put("a", "1", 7);
    host.store.put("b", null, 8);
    const link = new Link();
    host.observers.add(link, new Observe(7));
    host.tick();
    const events = told(...link.heard()).filter(({ kind }) => kind === "table");
    assertEquals(events.map(({ key, value, timestamp }) => [key, value, timestamp]), [
      ["b", null, 8],
      ["a", "1", 7],
    ]);
    for (let n = 0; n < tableEventsMax; n++) host.store.put(`k${n}`, null, 9 + n);
    const late = new Link();
    host.observers.add(late, new Observe(8));
    host.tick();
    const [frame] = late.heard();
    const all = told(frame!).filter(({ kind }) => kind === "table");
    assertEquals([all.length, all.at(-1)!.key], [tableEventsMax, "a"]);
    assertEquals(frame!.missed, 2);
  },
);

Deno.test("the table is sent again after it changed by other means than writes", pure, () => {
  const host = new FakeHost();
  const link = host.observer();
  host.store.put("a", "1", 7);
  host.sink!.table();
  host.tick();
  assertEquals(told(...link.heard()), [{ kind: "table", key: "a", value: "1", timestamp: 7 }]);
  host.tick();
  assertEquals(link.heard(), []);
});

// The limits

Deno.test(
  "an observer is sent EVENTS once per tick, and once a second if nothing happens",
  pure,
  () => {
    const host = new FakeHost();
    const link = host.observer();
    host.gets(3);
    host.tick();
    assertEquals(link.heard().length, 1);
    for (let ms = tickMs; ms < eventsIntervalMs; ms += tickMs) host.tick();
    assertEquals(link.heard(), []);
    host.tick();
    assertEquals(told(...link.heard()), []);
    host.tick();
    assertEquals(link.heard(), []);
  },
);

Deno.test(
  "events over the limit of a tick are counted, and rare events have room of their own",
  pure,
  () => {
    const host = new FakeHost();
    const link = host.observer();
    host.gets(1_000);
    host.sink!.fault("10.0.0.2:1", "pause");
    host.sink!.get(client, "k", 9, 7, undefined);
    host.tick();
    host.gets(1);
    host.tick();
    const [full, next] = link.heard();
    const usual = eventsMax - eventsReserved;
    assertEquals(full!.events.length, usual + 2);
    assertEquals(full!.events.slice(-2).map(({ kind }) => kind), ["fault", "get"]);
    assertEquals([full!.missed, full!.counts.gets], [1_000 - usual, 1_001]);
    assertEquals([next!.missed, next!.counts.gets], [0, 1_002]);

    for (let n = 0; n < 1_000; n++) host.sink!.get(client, "k", 9, 7, undefined);
    host.tick();
    const [refused] = link.heard();
    assertEquals([refused!.events.length, refused!.missed], [eventsMax, 1_000 - eventsMax]);
  },
);

Deno.test(
  "an observer that does not read loses events and is told how many; others lose none",
  pure,
  () => {
    const host = new FakeHost();
    const slow = host.observer();
    const quick = host.observer();
    slow.heard();
    slow.unsentChars = observerUnsentCharsMax + 1;
    for (let n = 0; n < 30; n++) {
      host.gets(2);
      host.tick();
    }
    assertEquals(slow.heard(), []);
    assertEquals(
      quick.heard().map(({ missed, events }) => [missed, events.length]),
      Array(30).fill([0, 2]),
    );
    host.sink!.table();
    host.store.put("a", "1", 7);
    host.tick();
    slow.unsentChars = observerUnsentCharsMax;
    host.gets(1);
    host.tick();
    const [heard] = slow.heard();
    assertEquals([heard!.missed, told(heard!).map(({ kind }) => kind)], [60, ["get", "table"]]);
    assertEquals(heard!.counts.gets, 61);
  },
);

// Over TCP

/** An observer that keeps all EVENTS until it is disposed of. */
class Watcher implements AsyncDisposable {
  readonly all: Message[] = [];
  readonly #wire: Wire;
  readonly #reading: Promise<void>;

  private constructor(wire: Wire) {
    this.#wire = wire;
    this.#reading = this.#read();
  }

  static async of(server: TestServer): Promise<Watcher> {
    const wire = await Wire.connect(server.address);
    await wire.send({ type: "OBSERVE", id: 1 });
    const watcher = new Watcher(wire);
    await eventually("the observer is answered", () => watcher.all.length > 0);
    return watcher;
  }

  /** All events of a kind so far. */
  events(kind: string): Message[] {
    return this.all.flatMap(({ events }) => events as Message[]).filter((one) => one.kind === kind);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#wire.close();
    await this.#reading;
  }

  async #read(): Promise<void> {
    try {
      for (let line = await this.#wire.line(); line !== undefined; line = await this.#wire.line()) {
        this.all.push(JSON.parse(line));
      }
    } catch {
      // It was closed from here.
    }
  }
}

Deno.test("observers of three servers see one PUT on its whole way", async () => {
  await using cluster = await Cluster.start();
  const [f1, f2] = cluster.followers;
  await using atLeader = await Watcher.of(cluster.leader);
  await using atFirst = await Watcher.of(f1);
  await using atSecond = await Watcher.of(f2);
  using client = await Wire.connect(f1.address);
  const { timestamp } = await client.ask({ type: "PUT", id: 7, key: "cor", value: "azul" });
  await client.ask({ type: "GET", id: 8, key: "cor", timestamp: 99 });
  const write = { key: "cor", value: "azul", timestamp };
  const strip = (all: Message[]) => all.map(({ at: _, ...rest }) => rest);
  await eventually(
    "all is told",
    () =>
      atLeader.events("put_ok").length > 0 && atFirst.events("get").length > 0 &&
      atSecond.events("replication").length > 0,
  );
  const { local } = client;
  assertEquals(strip(atLeader.events("put")), [
    { kind: "put", client: local, key: "cor", value: "azul" },
  ]);
  assertEquals(strip(atLeader.events("written")), [{ kind: "written", ...write }]);
  const [{ ms, ...ok }] = strip(atLeader.events("put_ok")) as [Message];
  assertEquals(ok, { kind: "put_ok", client: local, key: "cor", timestamp });
  assertGreater(ms, 0);
  const acknowledged = atLeader.events("acknowledged").map(({ follower }) => follower);
  assertEquals(acknowledged.sort(), [f1.name, f2.name].sort());
  assertEquals(strip(atFirst.events("forwarding")), [
    { kind: "forwarding", key: "cor", value: "azul" },
  ]);
  for (const watcher of [atFirst, atSecond]) {
    assertEquals(strip(watcher.events("replication")), [{ kind: "replication", ...write }]);
  }
  assertEquals(strip(atFirst.events("get")), [
    { kind: "get", client: local, key: "cor", seen: 99, own: timestamp, refused: true },
  ]);
  const [members] = strip(atLeader.events("members"));
  const { joined, inSync, open } = members as { joined: string[]; inSync: string[]; open: boolean };
  assertEquals(joined.sort(), [f1.name, f2.name].sort());
  assertEquals([inSync.length, open], [3, true]);
});

Deno.test("an observer that has ended its sending side still gets a late answer", async () => {
  await using leader = new TestServer(anyPort, undefined, {});
  const [f1, f2] = await openWithTwo(leader);
  using wire = await Wire.connect(leader.address);
  await wire.send({ type: "OBSERVE", id: 1 });
  for (let n = 0; n < 3; n++) {
    await wire.messageOf("EVENTS");
    await f1.send({ type: "REPLICATION_OK", timestamp: 0 });
    await wire.ask({ type: "GET", id: 2, key: "a", timestamp: 0 });
  }
  await wire.send({ type: "PUT", id: 3, key: "a", value: "1" });
  await wire.closeWrite();
  for (const follower of [f1, f2]) {
    const { timestamp } = await follower.messageOf("REPLICATION");
    await follower.send({ type: "REPLICATION_OK", timestamp });
  }
  const answers = (await wire.rest()).filter(({ type }) => type !== "EVENTS");
  assertEquals(answers, [{ type: "PUT_OK", id: 3, key: "a", timestamp: 1 }]);
  for (const follower of [f1, f2]) follower.close();
});

Deno.test("an observer is told of a follower that leaves and returns", async () => {
  await using cluster = await Cluster.start();
  await using watcher = await Watcher.of(cluster.leader);
  await cluster.kill(2);
  await eventually(
    "it has left",
    () => (watcher.events("members").at(-1)!.joined as string[]).length === 1,
  );
  const again = await cluster.restart(2);
  await again.ready();
  await eventually(
    "it is back",
    () => (watcher.events("members").at(-1)!.inSync as string[]).length === 3,
  );
});

Deno.test("an observer that has left makes room for another one", async () => {
  await using server = await TestServer.alone();
  await using observers = new AsyncDisposableStack();
  await Promise.all(Array.from({ length: observersMax }, async () => {
    const wire = observers.use(await Wire.connect(server.address));
    assertEquals((await wire.ask({ type: "OBSERVE", id: 1 })).type, "EVENTS");
  }));
  using late = await Wire.connect(server.address);
  const { code, message } = await late.ask({ type: "OBSERVE", id: 1 });
  assertEquals(code, "OVERLOADED");
  assertStringIncludes(`${message}`, "observers from 127.0.0.1 already");
  await observers.disposeAsync();
  await eventually("there is room", async () => {
    using wire = await Wire.connect(server.address);
    return (await wire.ask({ type: "OBSERVE", id: 1 })).type === "EVENTS";
  });
});

Deno.test("OBSERVE needs the password", async () => {
  const secrets = { server: await Secret.from("segredo"), client: await Secret.from("senha") };
  await using server = KvServer.start({
    listen: anyPort,
    prints: new ServerConsole(() => {}),
    report: () => {},
    tuning: { clusterSize: 1, minInSync: 1 },
    secrets,
  });
  using wire = await Wire.connect(server.address);
  const { type, code, id } = await wire.ask({ type: "OBSERVE", id: 1 });
  assertEquals([type, code, id], ["ERROR", "FORBIDDEN", 1]);
});
