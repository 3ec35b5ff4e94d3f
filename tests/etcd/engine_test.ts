import { assert, assertEquals, assertLess, assertRejects, assertStringIncludes } from "@std/assert";
import { EtcdClient } from "../../lib/etcd/client.ts";
import { EtcdEngine } from "../../lib/etcd/engine.ts";
import { errorOf, EtcdError, explain } from "../../lib/etcd/errors.ts";
import type { EtcdOptions } from "../../lib/etcd/options.ts";
import type { KvServerOptions } from "../../lib/server/kv_server.ts";
import { Metrics } from "../../lib/metrics/metrics.ts";
import { prometheusText } from "../../lib/metrics/prometheus.ts";
import type { Tuning } from "../../lib/replication/tuning.ts";
import { etcdError, FakeEtcd, type FakeMember, type Interfere } from "../support/fake_etcd.ts";
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
    await eventually("the server has found etcd", () => stage.server.readable);
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

const only = (path: string, answer: () => Response | Promise<Response>): Interfere => (request) =>
  request.path === path ? answer() : undefined;

/** An id as etcd's tools show it. */
const hex = (id: string) => BigInt(id).toString(16);

// Outcomes of a PUT

const refusals: readonly (readonly [what: string, answer: () => Response, code: string])[] = [
  ["no leader", () => etcdError("etcdserver: no leader"), "UNAVAILABLE"],
  ["no permission", () => etcdError("etcdserver: permission denied", 403, 7), "UNAVAILABLE"],
  [
    "an invalid token",
    () => etcdError("etcdserver: invalid auth token", 401, 16),
    "UNAVAILABLE",
  ],
  ["too many requests", () => etcdError("etcdserver: too many requests", 429, 8), "OVERLOADED"],
  [
    "a request that is too large",
    () => etcdError("etcdserver: request is too large", 400, 3),
    "TOO_LARGE",
  ],
];

for (const [what, answer, code] of refusals) {
  Deno.test(`a PUT that etcd refuses for ${what} is ${code}: not applied`, async () => {
    await using stage = await Stage.start();
    stage.member.interfere = only("kv/put", answer);
    const reply = await stage.put("cor", "azul");
    assertEquals([reply.type, reply.code], ["ERROR", code]);
    assertStringIncludes(`${reply.message}`, "not applied: ");
  });
}

const uncertain: readonly (readonly [what: string, answer: () => Response])[] = [
  ["no space", () => etcdError("etcdserver: mvcc: database space exceeded", 429, 8)],
  ["its own time-out", () => etcdError("etcdserver: request timed out")],
  [
    "a lost leader",
    () => etcdError("etcdserver: request timed out, possibly due to previous leader failure"),
  ],
  ["'server stopped'", () => etcdError("etcdserver: server stopped")],
  ["an unknown error", () => etcdError("etcdserver: something new", 500, 2)],
  ["a known error within a longer text", () => etcdError("was it etcdserver: no leader or not")],
  ["no JSON", () => new Response("<html>", { status: 200 })],
  ["other JSON", () => Response.json({ ok: true })],
  [
    "no revision",
    () => Response.json({ header: { cluster_id: "1234567890123456789", member_id: "1000" } }),
  ],
  [
    "a revision that is not a number",
    () =>
      Response.json({
        header: { cluster_id: "1234567890123456789", member_id: "1000", revision: "x" },
      }),
  ],
  ["an error of a proxy", () => new Response("Bad Gateway", { status: 502 })],
  [
    "a redirect",
    () => new Response(null, { status: 307, headers: { Location: "/v3/kv/put" } }),
  ],
  [
    "the id of another cluster",
    () => Response.json({ header: { cluster_id: "5", member_id: "6", revision: "7" } }),
  ],
];

for (const [what, answer] of uncertain) {
  Deno.test(`a PUT that etcd answers with ${what} is UNKNOWN_OUTCOME`, async () => {
    await using stage = await Stage.start();
    stage.member.interfere = only("kv/put", answer);
    const reply = await stage.put("cor", "azul");
    assertEquals([reply.type, reply.code], ["ERROR", "UNKNOWN_OUTCOME"]);
    assertStringIncludes(`${reply.message}`, "may or may not be applied: ");
    assertEquals(stage.member.asked("kv/put"), 1, "the PUT is sent once");
  });
}

Deno.test("a PUT that etcd never answers is UNKNOWN_OUTCOME within its time, and the server goes on", async () => {
  await using stage = await Stage.start();
  stage.member.interfere = only("kv/put", stage.member.hang);
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
    const error = await assertRejects(() => client.put("k", "v", soonMs), EtcdError);
    assertEquals([error.kind, error.notApplied], ["unreachable", true], error.message);
  }
  await using etcd = new FakeEtcd();
  using client = new EtcdClient({ url: etcd.url, prefix: "kv/" });
  await client.status(soonMs);
  etcd.members[0]!.interfere = only("kv/put", etcd.members[0]!.hang);
  const error = await assertRejects(() => client.put("k", "v", 20), EtcdError);
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
            if (!text.includes(btoa("azul"))) return true;
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
      await eventually("the server has found etcd", () => server.readable);
      using wire = await Wire.connect(server.address);
      // On a reused connection an HTTP client may repeat a request by itself.
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

Deno.test("when etcd stops, PUT and GET are UNAVAILABLE at once; when it is back, they succeed", async () => {
  await using stage = await Stage.start();
  await stage.member.stop();
  const line = await stage.server.reported("is lost, trying again");
  await eventually(
    "etcd is unreachable",
    async () =>
      `${(await stage.put("cor", "azul")).message}`.includes(
        "etcd cannot be reached: no connection",
      ),
  );
  for (const reply of [await stage.put("cor", "azul"), await stage.get("cor")]) {
    assertEquals([reply.type, reply.code], ["ERROR", "UNAVAILABLE"]);
  }
  assertStringIncludes(line, stage.etcd.url);
  assertEquals(stage.server.prints, [], "no request was accepted");
  stage.member.start();
  await eventually(
    "PUTs succeed again",
    async () => (await stage.put("cor", "azul")).type === "PUT_OK",
  );
  assertEquals(stage.server.reports.filter((line) => line.includes("is lost")).length, 1);
});

Deno.test("a server that starts before etcd is UNAVAILABLE, and its STATUS names no cluster or leader", async () => {
  const url = `http://127.0.0.1:${deadAddress().port}`;
  await using server = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url, prefix: "kv/" }),
  });
  await server.reported("etcd cannot be reached");
  using wire = await Wire.connect(server.address);
  const reply = await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" });
  assertEquals([reply.code, server.readable], ["UNAVAILABLE", false]);
  const status = await wire.ask({ type: "STATUS", id: 2 });
  assertEquals([status.cluster, status.leader], ["", "0.0.0.0:1"]);
});

Deno.test("PUTs over the limit are OVERLOADED, and other PUTs are not affected", async () => {
  await using stage = await Stage.start({ tuning: { outstandingPutsMax: 2 } });
  stage.member.interfere = only("kv/put", stage.member.hang);
  using wire = await Wire.connect(stage.server.address);
  await wire.send(...[1, 2, 3].map((id) => ({ type: "PUT", id, key: "k", value: "v" })));
  const [first, ...others] = await wire.messages(3);
  assertEquals([first!.id, first!.code], [3, "OVERLOADED"]);
  assertEquals(others.map(({ code }) => code), ["UNKNOWN_OUTCOME", "UNKNOWN_OUTCOME"]);
});

// GETs

Deno.test("a GET asks only this member, and is answered in time even if etcd's answer is wrong or missing", async () => {
  await using stage = await Stage.start();
  await stage.put("cor", "azul");
  await stage.get("cor");
  const range = stage.member.requests.findLast(({ path }) => path === "kv/range")!;
  assertEquals(range.body, { key: btoa("kv/cor"), serializable: true });
  const header = stage.member.header;
  for (
    const answer of [
      stage.member.hang,
      () => new Response("garbage"),
      () => Response.json({ header, kvs: [{ key: "=", mod_revision: "3" }] }),
      () => Response.json({ header, kvs: "not a list" }),
      () => etcdError("etcdserver: something new", 500, 2),
    ]
  ) {
    stage.member.interfere = only("kv/range", answer);
    const startMs = performance.now();
    const reply = await stage.get("cor");
    assertEquals([reply.type, reply.code], ["ERROR", "UNAVAILABLE"]);
    assertLess(performance.now() - startMs, soonMs);
  }
});

Deno.test("an endless answer is aborted", async () => {
  await using stage = await Stage.start({ tuning: { silenceMs: soonMs } });
  stage.member.interfere = only("kv/range", () =>
    new Response(
      new ReadableStream<Uint8Array>({
        pull: (controller) => controller.enqueue(new Uint8Array(64 * 1024).fill(0x20)),
      }),
    ));
  const reply = await stage.get("cor");
  assertEquals(reply.code, "UNAVAILABLE");
  assertStringIncludes(`${reply.message}`, "is longer than");
});

Deno.test("keys and values of other programs that are not text do not end the watch", async () => {
  await using stage = await Stage.start();
  stage.etcd.put(btoa("kv/bytes"), btoa("\xff\xfe"));
  stage.etcd.put(btoa("kv/\xff"), btoa("x"));
  stage.etcd.write("kv/", "the bare prefix is not a key");
  stage.etcd.write("kv/cor", "azul");
  assertEquals(await stage.replications(1), [stage.etcd.revision]);
  const reply = await stage.get("bytes");
  assertEquals([reply.type, reply.code], ["ERROR", "UNAVAILABLE"]);
  assertEquals((await stage.get("cor")).value, "azul");
});

Deno.test("a GET of a key removed in etcd is null, or TRY_OTHER for a client that has seen the key", async () => {
  await using stage = await Stage.start();
  const { timestamp } = await stage.put("cor", "azul");
  stage.etcd.remove("kv/cor");
  assertEquals((await stage.get("cor")).value, null);
  assertEquals((await stage.get("cor", timestamp as number)).type, "TRY_OTHER_SERVER_OR_LATER");
  await eventually(
    "the key is no longer counted",
    async () => (await stage.ask({ type: "STATUS" })).keys === 0,
  );
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
  const event = (key: string) => ({
    kv: { key: btoa(`kv/${key}`), value: btoa("v"), mod_revision: `${revision}`, version: "1" },
  });
  // A part of a transaction of three writes, as etcd sends one that is too long for one line.
  stage.member.holdsWatches = true;
  for (const key of ["a", "b", "c"]) stage.etcd.write(`kv/${key}`, "v", revision);
  const { header } = stage.member;
  stage.member.sendRaw({ result: { header, fragment: true, events: [event("a"), event("b")] } });
  await stage.replications(2);
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

Deno.test("writes that etcd has compacted are reported, and the watch goes on with the newest revision", async () => {
  await using stage = await Stage.start();
  const first = stage.etcd.write("kv/a", "1");
  await stage.replications(1);
  stage.member.holdsWatches = true;
  stage.member.breakWatches();
  stage.member.interfere = only("watch", () => etcdError("etcdserver: not now", 503, 14));
  stage.etcd.write("kv/a", "2");
  stage.etcd.write("kv/b", "1");
  stage.etcd.compact();
  const lost = stage.etcd.revision;
  stage.member.holdsWatches = false;
  stage.member.interfere = () => undefined;
  const line = await stage.server.reported("etcd has compacted its history");
  assertStringIncludes(line, `writes from revision ${first + 1} to ${lost} are not shown`);
  await eventually("the watch is open", () => stage.member.watching === 1);
  const next = stage.etcd.write("kv/c", "1");
  assertEquals(await stage.replications(2), [first, next]);
  assertEquals((await stage.get("a")).value, "2");
  assertEquals((await stage.ask({ type: "STATUS" })).keys, 3);
});

Deno.test("progress without writes advances the watch, so that a compaction of other data is not reported", async () => {
  await using stage = await Stage.start();
  stage.etcd.revision = 500; // writes to other prefixes
  stage.member.sendRaw({ result: { header: stage.member.header } });
  await eventually(
    "the progress is in STATUS",
    async () => (await stage.ask({ type: "STATUS" })).timestamp === 500,
  );
  stage.etcd.compact();
  stage.member.breakWatches();
  await eventually("the watch is open again", () => stage.member.watching === 1);
  const last = stage.member.requests.findLast(({ path }) => path === "watch")!;
  assertEquals((last.body.create_request as Message).start_revision, "501");
  assert(!stage.server.reports.some((line) => line.includes("compacted")));
});

Deno.test("an idle watch is opened again without a report", async () => {
  await using stage = await Stage.start({ pace: { watchIdleMs: 40 } });
  await eventually("the watch was opened again", () => stage.member.asked("watch") >= 3);
  const revision = stage.etcd.write("kv/a", "1");
  assertEquals(await stage.replications(1), [revision]);
  assertEquals(stage.server.reports.filter((line) => line.includes("lost")), []);
});

Deno.test("garbage ends a watch, and the next one leaves no write out", async () => {
  await using stage = await Stage.start();
  for (
    const garbage of ["not an object", { result: 5 }, { result: { header: 1 } }, {
      error: { message: "x" },
    }]
  ) {
    const before = stage.member.asked("watch");
    stage.member.sendRaw(garbage);
    await eventually(
      "a new watch",
      () => stage.member.asked("watch") > before && stage.member.watching === 1,
    );
  }
  const revision = stage.etcd.write("kv/a", "1");
  assertEquals(await stage.replications(1), [revision]);
});

Deno.test("the leader prints no REPLICATION for its own write, even if the watch is faster than the answer", async () => {
  await using stage = await Stage.start();
  const held = Promise.withResolvers<void>();
  stage.member.interfere = async ({ path, body }) => {
    if (path !== "kv/put") return undefined;
    const revision = stage.etcd.put(`${body.key}`, `${body.value}`);
    await held.promise;
    return Response.json({ header: { ...stage.member.header, revision: `${revision}` } });
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
    if (path !== "kv/put") return undefined;
    stage.etcd.put(`${body.key}`, `${body.value}`);
    return etcdError("etcdserver: request timed out");
  };
  assertEquals((await stage.put("cor", "azul")).code, "UNKNOWN_OUTCOME");
  assertEquals(await stage.replications(1), [stage.etcd.revision]);
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
  assertEquals((await stage.get("cor")).code, "UNAVAILABLE");
  assertEquals(stage.etcd.find("kv/cor"), undefined);
  assertEquals((await stage.ask({ type: "STATUS" })).cluster, before.cluster);
  await using other = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url: stage.etcd.url, prefix: "kv/" }),
  });
  await eventually("the server has found etcd", () => other.readable);
  using wire = await Wire.connect(other.address);
  assert((await wire.ask({ type: "STATUS", id: 1 })).cluster !== before.cluster);
});

Deno.test("stores with different prefixes in one etcd are different clusters with separate keys", async () => {
  await using stage = await Stage.start();
  await using other = new TestServer(anyPort, undefined, quick, {}, {
    engine: EtcdEngine.at({ url: stage.etcd.url, prefix: "é/" }),
  });
  await eventually("the server has found etcd", () => other.readable);
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
  let answer: () => Response | Promise<Response> | undefined = () => undefined;
  member.interfere = ({ path }) => path === "cluster/member/list" ? answer() : undefined;
  const listOf = (...clientURLs: unknown[]) => () =>
    Response.json({ header: member.header, members: [{ ID: second.id, clientURLs }] });
  answer = () => etcdError("etcdserver: permission denied", 403, 7);
  await using server = new TestServer(
    anyPort,
    undefined,
    { silenceMs: soonMs, redialFirstMs: 1 },
    {},
    {
      engine: EtcdEngine.at({ url: etcd.url, prefix: "kv/" }, { pollMs: 5 }),
    },
  );
  await eventually("the server has found etcd", () => server.readable);
  using wire = await Wire.connect(server.address);
  const leader = async () => (await wire.ask({ type: "STATUS", id: 1 })).leader;
  const unknown = "0.0.0.0:1";
  // A member that has just started may not have told the others its URLs.
  for (
    const wrong of [answer, listOf(), listOf("http://a..b:1", 7), listOf("http://0.0.0.0:1", "x")]
  ) {
    answer = wrong;
    const asked = member.asked("cluster/member/list");
    await eventually("asked again", () => member.asked("cluster/member/list") > asked);
    assertEquals(await leader(), unknown);
  }
  const line = await server.reported(`etcd's leader is member ${hex(second.id)}`);
  assertStringIncludes(line, "its address is not known, asking again: etcd does not let");
  answer = listOf("http://a..b:1", second.url);
  const address = (member: FakeMember) => member.url.slice("http://".length);
  await eventually("the address is known", async () => await leader() === address(second));
  await server.reported(`member ${hex(second.id)}, ${address(second)}`);
  const asked = member.asked("cluster/member/list");
  // While the next leader's address is asked for, the former one's is not shown.
  const held = Promise.withResolvers<Response>();
  answer = () => Promise.race([held.promise, member.hang()]);
  etcd.leader = 2;
  await eventually("asked again", () => member.asked("cluster/member/list") > asked);
  assertEquals([await leader(), member.asked("cluster/member/list")], [unknown, asked + 1]);
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
  const text = prometheusText(metrics.read(status as never, true));
  assertStringIncludes(text, "\nkv_put_duration_seconds_count 1\n");
  assertStringIncludes(text, "\nkv_leader 1\n");
  assertStringIncludes(text, "\nkv_keys 1\n");
});

Deno.test("an answer that is not the gateway's is quoted in the error, cut if it is long", () => {
  const plain = errorOf(400, "Client sent an HTTP request to an HTTPS server.\n");
  assertEquals(
    explain(plain),
    "not an answer of etcd's gateway, but HTTP 400: Client sent an HTTP request to an HTTPS server.",
  );
  assertEquals(errorOf(502, "").message, "not an answer of etcd's gateway, but HTTP 502");
  assertEquals(errorOf(500, "x".repeat(1_000)).message.length < 400, true);
});
