import {
  assert,
  assertEquals,
  assertGreater,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { EtcdClient } from "../../lib/etcd/client.ts";
import { EtcdEngine } from "../../lib/etcd/engine.ts";
import { errorOf, EtcdError, explain } from "../../lib/etcd/errors.ts";
import type { EtcdOptions } from "../../lib/etcd/options.ts";
import type { KvServerOptions } from "../../lib/server/kv_server.ts";
import { Metrics } from "../../lib/metrics/metrics.ts";
import { prometheusText } from "../../lib/metrics/prometheus.ts";
import type { Tuning } from "../../lib/replication/tuning.ts";
import { bytes, id, int, message } from "../../lib/etcd/protobuf.ts";
import {
  type EtcdAnswer,
  etcdError,
  eventOf,
  FakeEtcd,
  type FakeMember,
  type Interfere,
  memberOf,
} from "../support/fake_etcd.ts";
import { anyPort, deadAddress } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";
import { silentPrints } from "../../bench/silent_prints.ts";

/** Short limits, each of them different. */
const quick: Partial<Tuning> = { silenceMs: 200, putTimeoutMs: 400 };
/** Longer than any of these limits, even on a busy machine. */
const soonMs = 5_000;

/** One server on a fake etcd. */
class Stage implements AsyncDisposable {
  readonly etcd = new FakeEtcd();
  readonly server: TestServer;

  private constructor(
    prepare: (etcd: FakeEtcd) => void,
    options: Partial<EtcdOptions>,
    pace: { pollMs?: number; watchIdleMs?: number },
    tuning: Partial<Tuning>,
    more: Partial<KvServerOptions>,
  ) {
    prepare(this.etcd);
    const engine = EtcdEngine.at({ url: this.etcd.url, prefix: "kv/", ...options }, {
      pollMs: 20,
      ...pace,
    });
    this.server = new TestServer(anyPort, undefined, { ...quick, ...tuning }, {}, {
      ...more,
      engine,
    });
  }

  /** Resolves when the server has found etcd. */
  static async start({ prepare = () => {}, options = {}, pace = {}, tuning = {}, more = {} }: {
    prepare?: (etcd: FakeEtcd) => void;
    options?: Partial<EtcdOptions>;
    pace?: { pollMs?: number; watchIdleMs?: number };
    tuning?: Partial<Tuning>;
    more?: Partial<KvServerOptions>;
  } = {}): Promise<Stage> {
    const stage = new Stage(prepare, options, pace, tuning, more);
    await stage.server.reported("answers, cluster");
    return stage;
  }

  get member() {
    return this.etcd.members[0]!;
  }

  async ask(message: Message): Promise<Message> {
    using wire = await Wire.connect(this.server.address);
    return await wire.ask({ id: 1, ...message });
  }

  put(key: string, value: string): Promise<Message> {
    return this.ask({ type: "PUT", key, value });
  }

  get(key: string, timestamp = 0): Promise<Message> {
    return this.ask({ type: "GET", key, timestamp });
  }

  /** Waits for `count` REPLICATION lines. Returns their timestamps. */
  async replications(count: number): Promise<number[]> {
    await eventually(
      `${count} REPLICATION lines`,
      () => this.server.printsOf("REPLICATION").length >= count,
    );
    return this.server.printsOf("REPLICATION").map((line) => Number(/ts:(\d+)/.exec(line)![1]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.close();
    await this.etcd[Symbol.asyncDispose]();
  }
}

const only =
  (path: string, answer: () => EtcdAnswer | undefined | Promise<EtcdAnswer>): Interfere =>
  (request) => request.path === path ? answer() : undefined;

/** An id as etcd's tools show it. */
const hex = (id: bigint) => id.toString(16);

/** An answer whose header has these fields. */
const headed = (...fields: Uint8Array[]): EtcdAnswer => ({
  message: message(bytes(1, message(...fields))),
});
const [cluster, someMember] = [id(1, 1234567890123456789n), id(2, 1_000n)];
const text = new TextEncoder();

// Outcomes of a PUT

const refusals: readonly (readonly [what: string, answer: () => EtcdAnswer, code: string])[] = [
  ["no leader", () => etcdError("etcdserver: no leader"), "UNAVAILABLE"],
  ["no permission", () => etcdError("etcdserver: permission denied", 7), "UNAVAILABLE"],
  [
    "an invalid token",
    () => etcdError("etcdserver: invalid auth token", 16),
    "UNAVAILABLE",
  ],
  ["too many requests", () => etcdError("etcdserver: too many requests", 8), "OVERLOADED"],
  [
    "a request that is too large",
    () => etcdError("etcdserver: request is too large", 3),
    "TOO_LARGE",
  ],
];

for (const [what, answer, code] of refusals) {
  Deno.test(`a PUT that etcd refuses for ${what} is ${code}: not applied`, async () => {
    await using stage = await Stage.start();
    stage.member.interfere = only("KV/Put", answer);
    const reply = await stage.put("cor", "azul");
    assertEquals([reply.type, reply.code], ["ERROR", code]);
    assertStringIncludes(`${reply.message}`, "not applied: ");
  });
}

const uncertain: readonly (readonly [what: string, answer: () => EtcdAnswer])[] = [
  ["no space", () => etcdError("etcdserver: mvcc: database space exceeded", 8)],
  ["its own time-out", () => etcdError("etcdserver: request timed out")],
  [
    "a lost leader",
    () => etcdError("etcdserver: request timed out, possibly due to previous leader failure"),
  ],
  ["'server stopped'", () => etcdError("etcdserver: server stopped")],
  ["an unknown error", () => etcdError("etcdserver: something new", 2)],
  ["a known error within a longer text", () => etcdError("was it etcdserver: no leader or not")],
  ["no message", () => ({ raw: new Uint8Array() })],
  ["no frame", () => ({ raw: text.encode("<html></html>") })],
  ["another message", () => ({ message: int(7, 1) })],
  ["half a message", () => ({ message: Uint8Array.of(10, 99, 1) })],
  ["two messages", () => ({ raw: new Uint8Array(10) })],
  ["no revision", () => headed(cluster, someMember)],
  ["a revision that is not a number", () => headed(cluster, someMember, bytes(3, "x"))],
  ["a revision that is too high", () => headed(cluster, someMember, id(3, 2n ** 60n))],
  ["an error of a proxy", () => ({ raw: new Uint8Array(), http: 502 })],
  ["a redirect", () => ({ raw: new Uint8Array(), http: 307 })],
  ["the id of another cluster", () => headed(id(1, 5n), id(2, 6n), int(3, 7))],
];

for (const [what, answer] of uncertain) {
  Deno.test(`a PUT that etcd answers with ${what} is UNKNOWN_OUTCOME`, async () => {
    await using stage = await Stage.start();
    stage.member.interfere = only("KV/Put", answer);
    const reply = await stage.put("cor", "azul");
    assertEquals([reply.type, reply.code], ["ERROR", "UNKNOWN_OUTCOME"]);
    assertStringIncludes(`${reply.message}`, "may or may not be applied: ");
    assertEquals(stage.member.asked("KV/Put"), 1, "the PUT is sent once");
  });
}

Deno.test("a PUT that etcd never answers is UNKNOWN_OUTCOME within its time, and the server goes on", async () => {
  await using stage = await Stage.start();
  stage.member.interfere = only("KV/Put", stage.member.hang);
  const startMs = performance.now();
  const reply = await stage.put("cor", "azul");
  assertEquals(reply.code, "UNKNOWN_OUTCOME");
  assertStringIncludes(`${reply.message}`, "etcd did not answer within");
  assertLess(performance.now() - startMs, soonMs);
  stage.member.interfere = () => undefined;
  assertEquals((await stage.put("cor", "azul")).type, "PUT_OK");
});

Deno.test("a PUT without a connection is not applied; with a connection but no answer, its outcome is unknown", async () => {
  const { port } = deadAddress();
  for (
    const url of [`http://127.0.0.1:${port}`, `https://127.0.0.1:${port}`, "http://127.0.0.1:1"]
  ) {
    using client = new EtcdClient({ url, prefix: "kv/" });
    const error = await assertRejects(
      () => client.write({ key: "k", value: "v" }, soonMs),
      EtcdError,
    );
    assertEquals([error.kind, error.notApplied], ["unreachable", true], error.message);
  }
  await using etcd = new FakeEtcd();
  using client = new EtcdClient({ url: etcd.url, prefix: "kv/" });
  await client.status(soonMs);
  etcd.members[0]!.interfere = only("KV/Put", etcd.members[0]!.hang);
  const error = await assertRejects(() => client.write({ key: "k", value: "v" }, 20), EtcdError);
  assertEquals([error.kind, error.notApplied], ["no answer", false]);
});

for (const [what, ends] of [["", false], [" and etcd stops listening", true]] as const) {
  Deno.test(`a PUT whose connection breaks after it was sent${what} is UNKNOWN_OUTCOME, and is not sent again`, async () => {
    // A proxy in front of etcd. It cuts a connection once a whole PUT has come on it.
    let puts = 0;
    const listener = Deno.listen({ ...anyPort });
    await using etcd = new FakeEtcd();
    const { hostname, port } = new URL(etcd.url);
    const tasks: Promise<void>[] = [];
    const pass = async (from: Deno.Conn, to: Deno.Conn, mayPass: (text: string) => boolean) => {
      try {
        const bytes = new Uint8Array(64 * 1024);
        for (let n = await from.read(bytes); n !== null; n = await from.read(bytes)) {
          const read = bytes.subarray(0, n);
          if (!mayPass(new TextDecoder().decode(read))) break;
          for (let sent = 0; sent < n;) sent += await to.write(read.subarray(sent));
        }
      } catch {
        // One of the two connections was cut.
      }
      for (const conn of [from, to]) {
        try {
          conn.close();
        } catch {
          // Closed by the other direction.
        }
      }
    };
    const accepting = (async () => {
      for await (const near of listener) {
        const far = await Deno.connect({ hostname, port: Number(port) });
        tasks.push(
          pass(near, far, (text) => {
            if (!text.includes("azul")) return true;
            puts++;
            if (ends) listener.close();
            return false;
          }),
          pass(far, near, () => true),
        );
      }
    })().catch(() => {});
    {
      const url = `http://127.0.0.1:${listener.addr.port}`;
      const engine = EtcdEngine.at({ url, prefix: "kv/" });
      await using server = new TestServer(anyPort, undefined, quick, {}, { engine });
      await server.reported("answers, cluster");
      using wire = await Wire.connect(server.address);
      // After a connection has broken an HTTP client may repeat a request by itself.
      await wire.ask({ type: "GET", id: 0, key: "cor", timestamp: 0 });
      const reply = await wire.ask({ type: "PUT", id: 1, key: "cor", value: "azul" });
      assertEquals(reply.code, "UNKNOWN_OUTCOME");
      assertStringIncludes(`${reply.message}`, "the connection broke");
      assertEquals(puts, 1);
    }
    if (!ends) listener.close();
    await accepting;
    await Promise.all(tasks);
  });
}

Deno.test("when etcd stops, PUTs are UNAVAILABLE at once and GETs go on; when it is back, PUTs succeed", async () => {
  await using stage = await Stage.start();
  const { timestamp } = await stage.put("k", "v");
  await stage.member.stop();
  const line = await stage.server.reported("is lost, trying again");
  await eventually(
    "etcd is unreachable",
    async () =>
      `${(await stage.put("cor", "azul")).message}`.includes(
        "etcd cannot be reached: no connection",
      ),
  );
  const refused = await stage.put("cor", "azul");
  assertEquals([refused.type, refused.code], ["ERROR", "UNAVAILABLE"]);
  const { value } = await stage.get("k", timestamp as number);
  assertEquals(value, "v");
  assertStringIncludes(line, stage.etcd.url);
  assertStringIncludes(line, `GETs are answered as of revision ${timestamp}`);
  assertGreater((await stage.ask({ type: "STATUS" })).cutOffMs as number, 0);
  assert(!stage.server.prints.some((line) => line.includes("cor")), "no PUT was accepted");
  stage.member.start();
  assertMatch(await stage.server.reported(", after "), / answers, cluster .*, after \d+\.\d s$/);
  assertEquals((await stage.put("cor", "azul")).type, "PUT_OK");
  assertEquals((await stage.ask({ type: "STATUS" })).cutOffMs, undefined);
  assertEquals(stage.server.reports.filter((line) => line.includes("is lost")).length, 1);
});

Deno.test("a server that starts before etcd refuses PUT and GET, and its STATUS names no cluster or leader", async () => {
  const url = `http://127.0.0.1:${deadAddress().port}`;
  await using server = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url, prefix: "kv/" }),
  });
  await server.reported("etcd cannot be reached");
  using wire = await Wire.connect(server.address);
  const reply = await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" });
  assertEquals([reply.code, server.readable], ["UNAVAILABLE", false]);
  const got = await wire.ask({ type: "GET", id: 3, key: "k", timestamp: 0 });
  assertEquals(got.type, "TRY_OTHER_SERVER_OR_LATER");
  const status = await wire.ask({ type: "STATUS", id: 2 });
  assertEquals([status.cluster, status.leader], ["", "0.0.0.0:1"]);
});

Deno.test("PUTs over the limit are OVERLOADED, and other PUTs are not affected", async () => {
  await using stage = await Stage.start({ tuning: { outstandingPutsMax: 2 } });
  stage.member.interfere = only("KV/Put", stage.member.hang);
  using wire = await Wire.connect(stage.server.address);
  await wire.send(...[1, 2, 3].map((id) => ({ type: "PUT", id, key: "k", value: "v" })));
  const [first, ...others] = await wire.messages(3);
  assertEquals([first!.id, first!.code], [3, "OVERLOADED"]);
  assertEquals(others.map(({ code }) => code), ["UNKNOWN_OUTCOME", "UNKNOWN_OUTCOME"]);
});

// GETs

Deno.test("a GET is answered from the table, without a request to etcd", async () => {
  await using stage = await Stage.start();
  const { timestamp } = await stage.put("cor", "azul");
  const asked = stage.member.asked("KV/Range");
  for (const seen of [0, timestamp as number]) {
    assertEquals((await stage.get("cor", seen)).value, "azul");
  }
  assertEquals((await stage.get("cor", timestamp as number + 1)).type, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals(stage.member.asked("KV/Range"), asked);
});

Deno.test("PUT_OK comes once the watch has shown the write, and at the latest in its time", async () => {
  await using stage = await Stage.start({ tuning: { putTimeoutMs: 700 } });
  stage.member.holdsWatches = true;
  const late = await stage.put("cor", "azul");
  assertEquals(late.type, "PUT_OK"); // etcd has it
  const before = await stage.get("cor");
  assert((before.timestamp as number) < (late.timestamp as number), "the watch is held");
  let answered = false;
  const reply = stage.put("cor", "verde").finally(() => answered = true);
  await eventually("etcd has it", () => stage.etcd.revision > (late.timestamp as number));
  // Two more answers of etcd have come, so that of the PUT has too.
  const asked = stage.member.asked("Maintenance/Status");
  await eventually("two more", () => stage.member.asked("Maintenance/Status") > asked + 2);
  assertEquals(answered, false);
  stage.member.holdsWatches = false;
  stage.member.tell();
  const { timestamp } = await reply;
  assertEquals((await stage.get("cor", timestamp as number)).value, "verde");
});

Deno.test("the table is read in pages at one revision, with progress, and writes of that time follow", async () => {
  const entries = 2_500;
  await using stage = await Stage.start({
    tuning: { silenceMs: soonMs },
    prepare: (etcd) => {
      for (let n = 0; n < entries; n++) etcd.write(`kv/k${n}`, `${n}`);
      let pages = 0;
      etcd.members[0]!.interfere = ({ path, body }) => {
        if (path !== "KV/Range" || body.int(3) === 0) return undefined;
        if (++pages === 2) {
          etcd.write("kv/k2499", "later");
          etcd.remove("kv/k0");
        }
        return undefined;
      };
    },
  });
  const loads = stage.member.requests.filter(({ path, body }) =>
    path === "KV/Range" && body.int(3) > 0
  );
  const [first, ...later] = loads.map(({ body }) => body.int(4));
  assertEquals(first, 0);
  assertEquals(later, later.map(() => entries + 2)); // the store's name is one more
  assert(later.length > 0);
  assertStringIncludes(await stage.server.reported("read the store"), `${entries} keys`);
  assertEquals(await stage.replications(2), [entries + 3, entries + 4]);
  assertEquals((await stage.get("k2499")).value, "later");
  assertEquals((await stage.get("k7")).value, "7");
  assertEquals((await stage.get("k0", 3)).value, null);
  assertEquals((await stage.ask({ type: "STATUS" })).keys, entries - 1);
});

Deno.test("what was removed before the table was read is NULL at its revision, so that no value from before follows", async () => {
  let [written, removed] = [0, 0];
  await using stage = await Stage.start({
    prepare: (etcd) => {
      written = etcd.write("kv/cor", "azul");
      removed = etcd.remove("kv/cor");
    },
  });
  for (const seen of [0, written]) {
    const { type, value, timestamp } = await stage.get("cor", seen);
    assertEquals([type, value], ["GET_OK", null]);
    // A server that still has the value at `written` refuses it to this client now.
    assertGreater(timestamp as number, removed);
  }
});

Deno.test("values of other programs that are not text are UNAVAILABLE, and do not end the watch", async () => {
  await using stage = await Stage.start();
  stage.etcd.put(text.encode("kv/bytes"), Uint8Array.of(0xff, 0xfe));
  stage.etcd.put(Uint8Array.of(...text.encode("kv/"), 0xff), text.encode("x"));
  stage.etcd.write("kv/cor", "azul");
  assertEquals(await stage.replications(1), [stage.etcd.revision]);
  const reply = await stage.get("bytes");
  assertEquals([reply.type, reply.code], ["ERROR", "UNAVAILABLE"]);
  await stage.server.reported("a value that is not text or is too long");
  assertEquals((await stage.get("cor")).value, "azul");
  const { timestamp } = await stage.put("bytes", "text");
  assertEquals((await stage.get("bytes", timestamp as number)).value, "text");
});

Deno.test("a key removed in etcd is NULL with the removal's revision, also for a client that has seen it", async () => {
  await using stage = await Stage.start();
  const { timestamp } = await stage.put("cor", "azul");
  const removed = stage.etcd.remove("kv/cor");
  assertEquals(await stage.replications(1), [removed]);
  assertEquals(stage.server.printsOf("REPLICATION"), [
    `REPLICATION key:cor value:NULL ts:${removed}.`,
  ]);
  for (const seen of [0, timestamp as number, removed]) {
    const { type, value, timestamp } = await stage.get("cor", seen);
    assertEquals([type, value, timestamp], ["GET_OK", null, removed]);
  }
  assertEquals((await stage.get("cor", removed + 1)).type, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals((await stage.ask({ type: "STATUS" })).keys, 0);
});

Deno.test("a client that has seen a revision of other data is answered soon, with one write of the store's name", async () => {
  await using stage = await Stage.start({ tuning: { silenceMs: soonMs } });
  for (let n = 0; n < 5; n++) stage.etcd.write("other", "x");
  const seen = stage.etcd.revision;
  const reply = await eventually("the table has caught up", async () => {
    const reply = await stage.get("absent", seen);
    return reply.type === "GET_OK" && reply;
  });
  assertEquals(reply.value, null);
  assertEquals([stage.etcd.revision, stage.server.prints.length > 0], [seen + 1, true]);
  // More than the member has is no reason to write.
  await stage.get("absent", seen + 1_000_000);
  const moreStatus = async () => {
    const asked = stage.member.asked("Maintenance/Status");
    await eventually("more status", () => stage.member.asked("Maintenance/Status") > asked + 15);
  };
  await moreStatus();
  assertEquals(stage.etcd.revision, seen + 1);
  // Once the member has more, there is one write. A client that no longer asks is the reason for no other.
  stage.etcd.write("other", "x");
  await eventually("one write", () => stage.etcd.revision === seen + 3);
  stage.etcd.write("other", "x");
  await moreStatus();
  assertEquals(stage.etcd.revision, seen + 4);
});

// REPLICATION

Deno.test("after a watch breaks off, the next one shows no write twice and leaves none out", async () => {
  await using stage = await Stage.start();
  const written: number[] = [];
  for (let round = 0; round < 5; round++) {
    written.push(stage.etcd.write("kv/a", `${round}`));
    await stage.replications(written.length);
    stage.member.holdsWatches = true;
    written.push(stage.etcd.write("kv/b", `${round}`));
    stage.member.breakWatches();
    written.push(stage.etcd.write("kv/c", `${round}`));
    stage.member.holdsWatches = false;
    stage.member.tell();
    await stage.replications(written.length);
  }
  assertEquals(await stage.replications(written.length), written);
});

Deno.test("after a watch breaks off within a revision, the next one shows only the rest of it", async () => {
  await using stage = await Stage.start();
  const revision = ++stage.etcd.revision;
  const event = (key: string) =>
    bytes(11, eventOf({ key: `kv/${key}`, value: text.encode("v"), revision }));
  // A part of a transaction of three writes, as etcd sends one that is too long for one message.
  stage.member.holdsWatches = true;
  for (const key of ["a", "b", "c"]) stage.etcd.write(`kv/${key}`, "v", revision);
  const header = stage.member.header();
  stage.member.sendRaw(message(header, int(7, 1), event("a"), event("b")));
  await stage.replications(2);
  // The revision is not complete.
  assertEquals((await stage.ask({ type: "STATUS" })).timestamp, revision - 1);
  stage.member.breakWatches();
  stage.member.holdsWatches = false;
  await stage.replications(3);
  const later = stage.etcd.write("kv/d", "v");
  await stage.replications(4);
  assertEquals(stage.server.printsOf("REPLICATION"), [
    ...["a", "b", "c"].map((key) => `REPLICATION key:${key} value:v ts:${revision}.`),
    `REPLICATION key:d value:v ts:${later}.`,
  ]);
});

Deno.test("what etcd has compacted is read again: nothing goes back, and what was removed is gone", async () => {
  await using stage = await Stage.start();
  const first = stage.etcd.write("kv/a", "1");
  const gone = stage.etcd.write("kv/gone", "1");
  await stage.replications(2);
  stage.member.holdsWatches = true;
  stage.member.interfere = only("Watch/Watch", () => etcdError("etcdserver: not now", 14));
  stage.member.breakWatches();
  stage.etcd.write("kv/a", "2");
  stage.etcd.remove("kv/gone");
  stage.etcd.write("kv/b", "1");
  stage.etcd.compact();
  const lost = stage.etcd.revision;
  stage.member.holdsWatches = false;
  stage.member.interfere = () => undefined;
  const line = await stage.server.reported("etcd has compacted its history");
  assertStringIncludes(line, `writes from revision ${gone + 1} to ${lost} are not shown`);
  await eventually("the watch is open", () => stage.member.watching === 1);
  const next = stage.etcd.write("kv/c", "1");
  assertEquals(await stage.replications(3), [first, gone, next]);
  assertEquals((await stage.get("a")).value, "2");
  const absent = await stage.get("gone", gone);
  assertEquals([absent.type, absent.value, absent.timestamp], ["GET_OK", null, lost]);
  assertEquals((await stage.ask({ type: "STATUS" })).keys, 3);
});

Deno.test("progress without writes advances the watch, so that a compaction of other data is not reported", async () => {
  await using stage = await Stage.start();
  stage.etcd.revision = 500; // writes to other prefixes
  stage.member.sendRaw(message(stage.member.header()));
  await eventually(
    "the progress is in STATUS",
    async () => (await stage.ask({ type: "STATUS" })).timestamp === 500,
  );
  stage.etcd.compact();
  stage.member.breakWatches();
  await eventually("the watch is open again", () => stage.member.watching === 1);
  const last = stage.member.requests.findLast(({ path }) => path === "Watch/Watch")!;
  assertEquals(last.body.message(1).int(3), 501);
  assert(!stage.server.reports.some((line) => line.includes("compacted")));
});

Deno.test("an idle watch is opened again without a report", async () => {
  await using stage = await Stage.start({ pace: { watchIdleMs: 40 } });
  await eventually("the watch was opened again", () => stage.member.asked("Watch/Watch") >= 3);
  const revision = stage.etcd.write("kv/a", "1");
  assertEquals(await stage.replications(1), [revision]);
  assertEquals(stage.server.reports.filter((line) => line.includes("lost")), []);
});

Deno.test("garbage ends a watch, and the next one leaves no write out", async () => {
  await using stage = await Stage.start();
  for (
    const garbage of [
      text.encode("not a message"),
      message(int(11, 5)),
      message(bytes(1, "x"), bytes(11, bytes(2, int(1, 1)))),
      message(stage.member.header(), int(4, 1), bytes(6, "x")),
    ]
  ) {
    const before = stage.member.asked("Watch/Watch");
    stage.member.sendRaw(garbage);
    await eventually(
      "a new watch",
      () => stage.member.asked("Watch/Watch") > before && stage.member.watching === 1,
    );
  }
  const revision = stage.etcd.write("kv/a", "1");
  assertEquals(await stage.replications(1), [revision]);
});

Deno.test("the leader prints no REPLICATION for its own write, even if the watch is faster than the answer", async () => {
  await using stage = await Stage.start();
  const held = Promise.withResolvers<void>();
  stage.member.interfere = async ({ path, body }) => {
    if (path !== "KV/Put") return undefined;
    const revision = stage.etcd.put(body.bytes(1), body.bytes(2));
    await held.promise;
    return { message: message(stage.member.header(revision)) };
  };
  const reply = stage.put("cor", "azul");
  await eventually("the PUT is applied", () => stage.etcd.find("kv/cor"));
  const theirs = stage.etcd.write("kv/cor", "verde");
  held.resolve();
  const { timestamp } = await reply;
  assertEquals(await stage.replications(1), [theirs]);
  assertEquals(timestamp, theirs - 1);
  assertEquals(stage.server.printsOf("REPLICATION"), [
    `REPLICATION key:cor value:verde ts:${theirs}.`,
  ]);
});

Deno.test("a PUT of unknown outcome that was applied is printed as a REPLICATION", async () => {
  await using stage = await Stage.start();
  stage.member.interfere = ({ path, body }) => {
    if (path !== "KV/Put") return undefined;
    stage.etcd.put(body.bytes(1), body.bytes(2));
    return etcdError("etcdserver: request timed out");
  };
  assertEquals((await stage.put("cor", "azul")).code, "UNKNOWN_OUTCOME");
  assertEquals(await stage.replications(1), [stage.etcd.revision]);
});

Deno.test("the deletion of an absent key is no write: it hides no REPLICATION, and is not counted", async () => {
  const metrics = new Metrics(silentPrints);
  await using stage = await Stage.start({ more: { watch: metrics } });
  stage.member.holdsWatches = true;
  const theirs = stage.etcd.write("kv/cor", "azul");
  const { type, timestamp } = await stage.ask({ type: "WRITE", key: "never", value: null });
  assertEquals([type, timestamp], ["WRITE_OK", theirs]);
  stage.member.holdsWatches = false;
  stage.member.tell();
  assertEquals(await stage.replications(1), [theirs]);
  const status = await stage.ask({ type: "STATUS" });
  const text = prometheusText(metrics.read(status as never, true, stage.server.counts));
  assertStringIncludes(text, "\nkv_writes_total 0\n");
});

// Users

const login = { user: "app", password: "p" };
const locked = (etcd: FakeEtcd) => void (etcd.login = login);

Deno.test("a token is fetched once, sent with every request, and renewed when etcd refuses it", async () => {
  await using stage = await Stage.start({ prepare: locked, options: { login } });
  for (let n = 0; n < 5; n++) assertEquals((await stage.put(`k${n}`, "v")).type, "PUT_OK");
  assertEquals(stage.etcd.tokensGiven, 1);
  stage.etcd.tokens.clear();
  const replies = await Promise.all(Array.from({ length: 8 }, (_, n) => stage.put(`k${n}`, "w")));
  assertEquals(replies.map(({ type }) => type), replies.map(() => "PUT_OK"));
  assert(stage.etcd.tokensGiven <= 3, `${stage.etcd.tokensGiven} tokens`);
  stage.etcd.tokens.clear();
  stage.member.breakWatches();
  const revision = stage.etcd.write("kv/theirs", "x");
  await eventually(
    "the watch has a new token",
    () => stage.server.printsOf("REPLICATION").some((line) => line.endsWith(`ts:${revision}.`)),
  );
});

for (
  const [how, answer] of [
    ["with an error", () => etcdError("etcdserver: invalid auth token", 16)],
    ["in its first message", (stage: Stage) => {
      const created = [id(2, 0n), int(3, true), int(4, true)];
      const reason = bytes(
        6,
        "rpc error: code = Unauthenticated desc = etcdserver: invalid auth token",
      );
      return { message: message(stage.member.header(), ...created, reason) };
    }],
  ] as const
) {
  Deno.test(`an idle watch is opened again with its token, and with a new one if etcd refuses it ${how}`, async () => {
    const pace = { watchIdleMs: 50 };
    await using stage = await Stage.start({ prepare: locked, options: { login }, pace });
    const { etcd, member, server } = stage;
    const openedAgain = async () => {
      const before = member.asked("Watch/Watch");
      await eventually("it is opened again", () => member.asked("Watch/Watch") >= before + 2);
    };
    await openedAgain();
    assertEquals(etcd.tokensGiven, 1);
    member.interfere = ({ path, token }) =>
      path === "Watch/Watch" && !etcd.tokens.has(token!) ? answer(stage) : undefined;
    member.holdsWatches = true; // what comes now is shown by the next watch
    etcd.tokens.clear();
    const revisions = ["x", "y"].map((value) => etcd.write("kv/theirs", value));
    member.holdsWatches = false;
    await openedAgain();
    revisions.push(etcd.write("kv/theirs", "z"));
    assertEquals(await stage.replications(3), revisions);
    assertEquals(etcd.tokensGiven, 2);
    assertEquals(server.reports.filter((line) => line.includes("is lost")), []);
  });
}

Deno.test("a wrong password is reported, PUTs are UNAVAILABLE, and no message contains the password", async () => {
  const wrong = { user: "app", password: "sesame-42" };
  await using etcd = new FakeEtcd();
  locked(etcd);
  await using server = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url: etcd.url, prefix: "kv/", login: wrong }),
  });
  assertStringIncludes(await server.reported("is lost"), "authentication failed");
  using wire = await Wire.connect(server.address);
  const reply = await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" });
  assertEquals(reply.code, "UNAVAILABLE");
  assert(!JSON.stringify([reply, server.reports]).includes("sesame"));
});

// Clusters

Deno.test("an etcd that lost its data under the same cluster id is not asked again", async () => {
  await using stage = await Stage.start();
  await stage.put("cor", "azul");
  const before = await stage.ask({ type: "STATUS" });
  await stage.member.stop();
  stage.etcd.wipe();
  stage.member.start();
  await stage.server.reported("etcd has other data than before, restart this server");
  const reply = await stage.put("cor", "verde");
  assertEquals(reply.code, "UNAVAILABLE");
  assertEquals((await stage.get("cor")).type, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals(stage.etcd.find("kv/cor"), undefined);
  assertEquals((await stage.ask({ type: "STATUS" })).cluster, before.cluster);
  await using other = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url: stage.etcd.url, prefix: "kv/" }),
  });
  await other.reported("answers, cluster");
  using wire = await Wire.connect(other.address);
  assert((await wire.ask({ type: "STATUS", id: 1 })).cluster !== before.cluster);
});

Deno.test("an etcd that was set back is not asked again; one that only lags is", async () => {
  await using stage = await Stage.start();
  const first = (await stage.put("cor", "azul")).timestamp as number;
  await stage.put("cor", "verde");
  // A lagging member says a lower revision than the majority has.
  const lagging: Interfere = ({ path }) =>
    path === "Maintenance/Status"
      ? { message: message(stage.member.header(first), id(4, stage.member.id)) }
      : undefined;
  stage.member.interfere = lagging;
  stage.member.breakWatches();
  await eventually("the watch is open again", () => stage.member.asked("Watch/Watch") === 2);
  const { timestamp } = await eventually("it is taken", async () => {
    const reply = await stage.put("cor", "rosa");
    return reply.type === "PUT_OK" && reply;
  });
  stage.member.interfere = () => undefined;
  await stage.member.stop();
  stage.etcd.restore(first);
  stage.member.start();
  const line = await stage.server.reported("etcd has other data than before, restart this server");
  assertStringIncludes(line, `${first}, this server has ${timestamp}: was a backup restored?`);
  assertEquals((await stage.get("cor")).type, "TRY_OTHER_SERVER_OR_LATER");
  assertEquals((await stage.put("cor", "x")).code, "UNAVAILABLE");
});

Deno.test("a store whose name is removed with its keys gets it back; another name is another store", async () => {
  await using stage = await Stage.start();
  await stage.put("cor", "azul");
  const before = await stage.ask({ type: "STATUS" });
  for (const key of ["kv/cor", "kv/"]) stage.etcd.remove(key);
  await stage.server.reported("another program has changed the name under the bare prefix");
  await stage.server.reported(", after ");
  assertEquals((await stage.get("cor")).value, null);
  assertEquals((await stage.put("cor", "verde")).type, "PUT_OK");
  assertEquals((await stage.ask({ type: "STATUS" })).cluster, before.cluster);
  stage.etcd.write("kv/", "another-name");
  await stage.server.reported("etcd has other data than before, restart this server");
});

Deno.test("a removal of the whole prefix that comes in parts ends one watch, not each one", async () => {
  await using stage = await Stage.start();
  await stage.put("cor", "azul");
  const { timestamp } = await stage.put("k", "v");
  stage.member.eventsMax = 1;
  stage.member.holdsWatches = true;
  const removed = stage.etcd.remove("kv/");
  for (const key of ["kv/cor", "kv/k"]) stage.etcd.remove(key, removed);
  stage.member.holdsWatches = false;
  stage.member.tell();
  await eventually("all keys are gone", async () => {
    const { value, timestamp: at } = await stage.get("k", timestamp as number);
    return value === null && at === removed;
  });
  await stage.server.reported(", after ");
  assertEquals((await stage.put("cor", "verde")).type, "PUT_OK");
  assertEquals(stage.member.asked("Watch/Watch"), 2);
});

Deno.test("values that are not text are reported once a second, and forgotten when they are removed unseen", async () => {
  await using stage = await Stage.start();
  for (let n = 0; n < 50; n++) stage.etcd.put(text.encode(`kv/${n}`), Uint8Array.of(0xff));
  const last = stage.etcd.write("kv/last", "x");
  await stage.replications(1);
  assertEquals((await stage.get("7")).code, "UNAVAILABLE");
  assertLess(stage.server.reports.filter((line) => line.includes("not text")).length, 25);
  stage.member.holdsWatches = true;
  stage.member.interfere = only("Watch/Watch", () => etcdError("etcdserver: not now", 14));
  stage.member.breakWatches();
  stage.etcd.remove("kv/7");
  stage.etcd.write("kv/last", "y");
  stage.etcd.compact();
  stage.member.holdsWatches = false;
  stage.member.interfere = () => undefined;
  await stage.server.reported("etcd has compacted its history");
  const { type, value, timestamp } = await stage.get("7", last);
  assertEquals([type, value], ["GET_OK", null]);
  assertGreater(timestamp as number, last);
  assertEquals((await stage.get("8")).code, "UNAVAILABLE");
});

Deno.test("a learner is named as such, and is asked again until it is promoted", async () => {
  let learner = true;
  await using etcd = new FakeEtcd();
  etcd.members[0]!.interfere = ({ path }) =>
    learner && path === "Watch/Watch"
      ? etcdError("etcdserver: rpc not supported for learner")
      : undefined;
  await using server = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url: etcd.url, prefix: "kv/" }),
  });
  await server.reported("this member of etcd is a learner, which shows no writes: promote it");
  learner = false;
  await server.reported(", after ");
});

Deno.test("stores with different prefixes in one etcd are different clusters with separate keys", async () => {
  await using stage = await Stage.start();
  await using other = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url: stage.etcd.url, prefix: "é/" }),
  });
  await other.reported("answers, cluster");
  await stage.put("cor", "azul");
  using wire = await Wire.connect(other.address);
  assertEquals((await wire.ask({ type: "GET", id: 1, key: "cor", timestamp: 0 })).value, null);
  assertEquals((await wire.ask({ type: "PUT", id: 1, key: "cor", value: "x" })).type, "PUT_OK");
  assertEquals((await stage.get("cor")).value, "azul");
  const { cluster } = await wire.ask({ type: "STATUS", id: 1 });
  assert(cluster !== (await stage.ask({ type: "STATUS" })).cluster);
  assertEquals([...other.printsOf("REPLICATION"), ...stage.server.printsOf("REPLICATION")], []);
});

Deno.test("STATUS names the leader: this server if its member leads, else 0.0.0.0:1 without a leader", async () => {
  await using stage = await Stage.start({ prepare: (etcd) => void (etcd.leader = 0) });
  assertEquals((await stage.ask({ type: "STATUS" })).leader, stage.server.name);
  stage.etcd.leader = undefined;
  await stage.server.reported("etcd has no leader, fewer than a majority");
  const { leader, inSync } = await stage.ask({ type: "STATUS" });
  assertEquals([leader, inSync], ["0.0.0.0:1", []]);
  stage.etcd.leader = 0;
  await eventually(
    "the server leads again",
    async () => (await stage.ask({ type: "STATUS" })).leader === stage.server.name,
  );
});

Deno.test("the leader's address is asked for until it is known, and is never a former leader's", async () => {
  await using etcd = new FakeEtcd(3);
  const [member, second, third] = etcd.members as [FakeMember, FakeMember, FakeMember];
  etcd.leader = 1;
  let answer: () => EtcdAnswer | Promise<EtcdAnswer> | undefined = () => undefined;
  member.interfere = ({ path }) => path === "Cluster/MemberList" ? answer() : undefined;
  const listOf = (...urls: string[]) => () => ({
    message: message(member.header(), memberOf(second.id, ...urls)),
  });
  answer = () => etcdError("etcdserver: permission denied", 7);
  await using server = new TestServer(
    anyPort,
    undefined,
    { silenceMs: soonMs, redialFirstMs: 1 },
    {},
    {
      engine: EtcdEngine.at({ url: etcd.url, prefix: "kv/" }, { pollMs: 5 }),
    },
  );
  await server.reported("answers, cluster");
  using wire = await Wire.connect(server.address);
  const leader = async () => (await wire.ask({ type: "STATUS", id: 1 })).leader;
  const unknown = "0.0.0.0:1";
  // A member that has just started may not have told the others its URLs.
  for (
    const wrong of [answer, listOf(), listOf("http://a..b:1", "7"), listOf("http://0.0.0.0:1", "x")]
  ) {
    answer = wrong;
    const asked = member.asked("Cluster/MemberList");
    await eventually("asked again", () => member.asked("Cluster/MemberList") > asked);
    assertEquals(await leader(), unknown);
  }
  const line = await server.reported(`etcd's leader is member ${hex(second.id)}`);
  assertStringIncludes(line, "its address is not known, asking again: etcd does not let");
  answer = listOf("http://a..b:1", second.url);
  const address = (member: FakeMember) => member.url.slice("http://".length);
  await eventually("the address is known", async () => await leader() === address(second));
  await server.reported(`member ${hex(second.id)}, ${address(second)}`);
  const asked = member.asked("Cluster/MemberList");
  // While the next leader's address is asked for, the former one's is not shown.
  const held = Promise.withResolvers<EtcdAnswer>();
  answer = () => Promise.race([held.promise, member.hang()]);
  etcd.leader = 2;
  await eventually("asked again", () => member.asked("Cluster/MemberList") > asked);
  assertEquals([await leader(), member.asked("Cluster/MemberList")], [unknown, asked + 1]);
  answer = () => undefined;
  held.resolve(etcdError("etcdserver: something new"));
  await eventually("the address is known", async () => await leader() === address(third));
  await member.stop();
  await eventually("no status, no leader", async () => await leader() === unknown);
  assertEquals(server.reports.filter((line) => line.includes("is not known")).length, 2);
});

Deno.test("an alarm of etcd is reported once, and its end too", async () => {
  await using stage = await Stage.start();
  stage.etcd.errors = ["memberID:1 alarm:NOSPACE "];
  await stage.server.reported("etcd is out of space (alarm NOSPACE)");
  stage.etcd.errors = [];
  await stage.server.reported("etcd reports no more errors");
  assertEquals(stage.server.reports.filter((line) => line.includes("NOSPACE")).length, 1);
});

Deno.test("metrics count the PUTs of a server on etcd and measure their latency", async () => {
  const metrics = new Metrics(silentPrints);
  await using stage = await Stage.start({ more: { watch: metrics } });
  const { timestamp } = await stage.put("cor", "azul");
  // TestServer has its own prints, so the test passes the PUT_OK on.
  metrics.putOk("127.0.0.1:1", "cor", timestamp as number);
  const status = await stage.ask({ type: "STATUS" });
  const text = prometheusText(metrics.read(status as never, true, stage.server.counts));
  assertStringIncludes(text, "\nkv_put_duration_seconds_count 1\n");
  assertStringIncludes(text, "\nkv_leader 1\n");
  assertStringIncludes(text, "\nkv_keys 1\n");
});

Deno.test("the text of an unknown error is shown, cut if it is long", () => {
  assertEquals(explain(errorOf(2, "etcdserver: something new")), "etcdserver: something new");
  assertEquals(errorOf(5, "").message, "not an answer of etcd: status 5 of gRPC");
  assertEquals(errorOf(2, "x".repeat(1_000)).message.length < 400, true);
});
