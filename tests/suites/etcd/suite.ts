/**
 * Three servers on three real members of etcd: the conformance suite, faults of etcd, and a load during which etcd's
 * leader is killed.
 *
 * Not named like a test, because it needs more than the network: `deno task test:etcd` runs it. All tests are ignored
 * if etcd is not installed.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the reason for skipped tests and the figures belong on the console

import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { formatAddress } from "../../../lib/wire/address.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { tuningDefault } from "../../../lib/replication/tuning.ts";
import { History } from "../faults/history.ts";
import { Load } from "../faults/load.ts";
import { ServerProcess } from "../../../bench/server_process.ts";
import type { TestServer } from "../../support/test_server.ts";
import { eventually, within } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";
import { givenSeed, Random } from "../../support/random.ts";
import { server as certificate } from "../../support/tls_fixture.ts";
import { conformance } from "../../support/engine_conformance.ts";
import { etcdProgram, RealEtcd, type RealMember } from "./real_etcd.ts";
import { ask, get, put, type Scene, serverAt, start } from "./scene.ts";

const { putTimeoutMs, silenceMs } = tuningDefault;

/** How long PUTs may pause after etcd's leader was killed: an election, and the timeout of one PUT. */
const resumeMs = 8_000;
/** The slack of a busy machine above the time in which a server answers every request. */
const answerSlackMs = 2_000;
/** A number of requests that shows that work goes on. */
const some = 100;
const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);

const ignore = etcdProgram === undefined;
if (ignore) console.log("skipped: etcd not found");

/** The member that leads, with its server, and the others. */
async function leaderOf({ etcd, servers }: Pick<Scene, "etcd" | "servers">): Promise<{
  leader: number;
  member: RealMember;
  others: [number, number];
}> {
  return await eventually("a member leads", async () => {
    for (const [leader, server] of servers.entries()) {
      if (!etcd.members[leader]!.alive) continue;
      if ((await ask(server, { type: "STATUS" })).leader !== server.name) continue;
      const others = [0, 1, 2].filter((index) => index !== leader) as [number, number];
      return { leader, member: etcd.members[leader]!, others };
    }
    return undefined;
  });
}

function timestampsOf(lines: readonly string[]): number[] {
  return lines.map((line) => Number(/ts:(\d+)\.$/.exec(line)?.[1]));
}

conformance({
  name: "etcd",
  ignore,
  start,
  expiresWithinMs: 8_000,
  leaderShows: ({ key, value, timestamp }) => [
    `REPLICATION key:${key} value:${value} ts:${timestamp}.`,
  ],
});

const test = (name: string, fn: () => Promise<void>) => Deno.test({ name, ignore, fn });

/**
 * Nothing is deleted under this load. So a key that does not exist was never written, and to the rules it
 * is read at timestamp 0, not at the floor of a table.
 */
class EtcdHistory extends History {
  override record(event: Parameters<History["record"]>[0]): void {
    const absent = event.kind === "got" && event.value === null;
    super.record(absent ? { ...event, timestamp: 0 } : event);
  }
}

test("etcd's leader is killed, stopped, emptied and compacted under load: nothing is lost or stale, and GETs go on", async () => {
  await using scene = await start();
  const { etcd, servers } = scene;
  const history = new EtcdHistory();
  const notes: string[] = [];
  const target = {
    servers: servers.map((server) => ({
      address: server.address,
      name: server.name,
      process: server.name,
      startFloors: new Map(),
      get ownMs() {
        return performance.now();
      },
    })),
    note: (text: string) => void notes.push(`${Math.round(performance.now())} ms: ${text}`),
  };
  await using load = await Load.start(target, history, new Random(seed), {
    witnesses: 6,
    workersPerServer: 2,
    libraryClients: 4,
    workersPerLibraryClient: 2,
  });
  const resumed: number[] = [];
  const back = () =>
    Promise.all(servers.map(async (server) => {
      await eventually(`${server.name} is back`, async () => {
        return (await ask(server, { type: "STATUS" })).cutOffMs === undefined;
      });
    }));
  /** Kills the leader. */
  const killLeader = async () => {
    const { leader, member } = await leaderOf(scene);
    target.note(`SIGKILL ${member.url}`);
    const killedMs = performance.now();
    await member.kill();
    await load.gets(some); // at once, from all tables
    resumed.push(await load.resumes("after etcd's leader was killed", killedMs, resumeMs));
    await load.puts(some);
    return leader;
  };
  for (let round = 0; round < 2; round++) {
    etcd.members[await killLeader()]!.start();
    await etcd.ready();
    await load.puts(some);
    await back();
  }
  target.note("a member comes back with an empty disk");
  await etcd.replace(await killLeader());
  await etcd.ready();
  await load.puts(some);
  await back();
  const { leader: stoppedIndex, member: stopped } = await leaderOf(scene);
  target.note(`SIGSTOP ${stopped.url}`);
  const stoppedMs = performance.now();
  stopped.signal("SIGSTOP");
  resumed.push(await load.resumes("after etcd's leader stood still", stoppedMs, resumeMs));
  await servers[stoppedIndex]!.reported("is lost");
  await load.gets(some);
  const helper = etcd.members.find((member) => member !== stopped)!;
  const { header } = await helper.ask("kv/range", { key: btoa("kv/") });
  await load.puts(some);
  // What the stopped member's server needs next is compacted before it can get it.
  target.note("compaction");
  const { revision } = header as { revision: string };
  await helper.ask("kv/compaction", { revision, physical: true });
  stopped.signal("SIGCONT");
  await back();
  await load.puts(some);
  // Of a member that lost its disk and one that lost its history the whole table is read once more.
  const compacted: TestServer[] = [];
  for (const [index, server] of servers.entries()) {
    await etcd.members[index]!.kill();
    await server.reported("is lost");
    const at = history.puts;
    await load.puts(some);
    if (index === 0) {
      const others = etcd.members.filter((member) => member.alive);
      const { header } = await others[0]!.ask("kv/range", { key: btoa("kv/") });
      await others[0]!.ask("kv/compaction", {
        revision: (header as { revision: string }).revision,
        physical: true,
      });
      compacted.push(server);
    }
    assertGreater(history.puts, at);
    etcd.members[index]!.start();
    await back();
  }
  await compacted[0]!.reported("etcd has compacted its history");
  await load.puts(some);
  await load.stop();
  const { figures, violations } = history.judge({
    ...await load.lastRequests(),
    tables: await load.readTables(),
    clients: load.clients,
    calmUntilMs: 0, // a majority of etcd is enough for an acknowledgement: the third member may be behind
    loadEndMs: load.endMs,
    answerMs: putTimeoutMs + answerSlackMs,
  });
  console.log(
    `seed ${seed}; ${load.rate} requests/s before; PUTs resumed after ${resumed.join(", ")} ms; ` +
      JSON.stringify(figures),
  );
  assertEquals(violations, [], notes.join("\n"));
  assertEquals([figures.lost, figures.stale], [0, 0]);
  assertGreater(figures.acknowledged, 4 * some);
  // The watches continued from their revisions: every write is shown once and in order.
  for (const server of servers) {
    const shown = [...timestampsOf(server.printsOf("REPLICATION"))];
    assertEquals(shown, shown.toSorted((a, b) => a - b));
    assertEquals(new Set(shown).size, shown.length);
    if (server.reports.some((line) => line.includes("compacted its history"))) continue;
    const own = new Set(timestampsOf(server.printsOf("Enviando")));
    const all = new Set([...shown, ...own]);
    const missing = [...history.acknowledged.values()].filter((timestamp) => !all.has(timestamp));
    assertEquals(missing, [], `${server.name} has not shown these`);
  }
});

test("without a majority PUTs fail at once with the reason and GETs are answered; it recovers", async () => {
  await using scene = await start();
  const { etcd, servers } = scene;
  const { timestamp } = await put(servers[0]!, "cor", "azul");
  await eventually(
    "server 0 holds it",
    async () => (await get(servers[0]!, "cor", timestamp as number)).type === "GET_OK",
  );
  await Promise.all([etcd.members[1]!.kill(), etcd.members[2]!.kill()]);
  await servers[0]!.reported("etcd has no leader");
  const sinceMs = performance.now();
  const refused = await put(servers[0]!, "cor", "verde");
  assert(performance.now() - sinceMs < 1_000, "at once");
  assertEquals([refused.type, refused.code], ["ERROR", "UNAVAILABLE"]);
  assertStringIncludes(`${refused.message}`, "not applied: etcd has no leader");
  assertEquals((await get(servers[0]!, "cor")).value, "azul");
  etcd.members[1]!.start();
  const again = await eventually("PUTs are taken again", async () => {
    const reply = await put(servers[0]!, "cor", "rosa");
    return reply.type === "PUT_OK" && reply;
  });
  assertGreater(again.timestamp as number, timestamp as number);
  assertEquals(
    servers[0]!.prints.filter((line) => line.includes("ts:") && line.includes("verde")),
    [],
  );
});

test("servers that start before etcd get to know the leader's address, and the next leader's", async () => {
  await using etcd = await RealEtcd.start();
  for (const member of etcd.members) await member.kill();
  const servers = etcd.members.map(({ url }) => serverAt(url));
  try {
    const unknown = "0.0.0.0:1";
    const leaderAt = async (index: number) =>
      (await ask(servers[index]!, { type: "STATUS" })).leader;
    for (const server of servers) await server.reported("is lost, trying again");
    for (const index of [0, 1, 2]) assertEquals(await leaderAt(index), unknown);
    for (const member of etcd.members) member.start();
    const { leader, member, others } = await leaderOf({ etcd, servers });
    for (const index of others) {
      await eventually("it knows", async () => await leaderAt(index) === member.address);
    }
    await member.kill();
    await eventually("no status", async () => await leaderAt(leader) === unknown);
    const [one, other] = others;
    const next = await eventually("one of the others leads", async () => {
      const named = [await leaderAt(one), await leaderAt(other)];
      if (named[0] === servers[one]!.name) return named[1] === etcd.members[one]!.address;
      return named[1] === servers[other]!.name && named[0] === etcd.members[other]!.address;
    });
    assert(next);
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
});

test("a server that loses its member says so; clients go on, and it shows the missed writes later", async () => {
  await using scene = await start();
  const { etcd, servers } = scene;
  const { leader, others: [away, other] } = await leaderOf(scene);
  const { timestamp } = await put(servers[leader]!, "k0", "before");
  await eventually("it is shown", () => servers[away]!.printsOf("REPLICATION").length === 1);
  await etcd.members[away]!.kill();
  await servers[away]!.reported("is lost, trying again: ");
  const { code, message: reason } = await put(servers[away]!, "k0", "x");
  assertEquals(code, "UNAVAILABLE");
  assert(!`${reason}`.includes("undefined"), `${reason}`);
  // It answers from its table, and says since when it is cut off.
  assertEquals((await get(servers[away]!, "k0", timestamp as number)).value, "before");
  assertGreater((await ask(servers[away]!, { type: "STATUS" })).cutOffMs as number, 0);
  await using client = new KvClient(servers.map(({ address }) => address));
  for (let n = 1; n <= 30; n++) await client.put(`k${n % 5}`, `v${n}`);
  assertEquals((await client.get("k0")).value, "v30");
  etcd.members[away]!.start();
  const complete = () => servers[away]!.printsOf("REPLICATION").length === 31;
  await eventually("all of them are shown", complete);
  const order = (index: number) =>
    timestampsOf(servers[index]!.prints.filter((line) => /^(REPL|Env)/.test(line)));
  assertEquals(order(away).toSorted((a, b) => a - b), order(away));
  await eventually("so at the other", () => servers[other]!.printsOf("REPLICATION").length === 31);
  assertEquals(servers[away]!.printsOf("REPLICATION"), servers[other]!.printsOf("REPLICATION"));
  assertEquals(
    (await get(servers[away]!, "k0", timestampsOf(servers[away]!.prints).at(-1)!)).value,
    "v30",
  );
});

test("a revision that a watch needs is compacted: it is reported, and later writes are shown", async () => {
  await using scene = await start();
  const { etcd, servers } = scene;
  const { leader, others: [away] } = await leaderOf(scene);
  await etcd.members[away]!.kill();
  await servers[away]!.reported("is lost");
  let revision = 0;
  for (let n = 0; n < 5; n++) {
    revision = (await put(servers[leader]!, `k${n}`, "v")).timestamp as number;
  }
  await etcd.members[leader]!.ask("kv/compaction", { revision: `${revision}`, physical: true });
  etcd.members[away]!.start();
  const line = await servers[away]!.reported("etcd has compacted its history up to revision");
  assertStringIncludes(line, `to revision ${revision}: writes from revision`);
  const { timestamp } = await put(servers[leader]!, "k0", "later");
  const shown = await eventually(
    "the later one is shown",
    () => servers[away]!.printsOf("REPLICATION").at(-1),
  );
  assertEquals(shown, `REPLICATION key:k0 value:later ts:${timestamp}.`);
  assertEquals((await get(servers[away]!, "k4", revision)).value, "v");
  await eventually(
    "its keys are counted",
    async () => (await ask(servers[away]!, { type: "STATUS" })).keys === 5,
  );
});

test("a request that is too long for etcd is TOO_LARGE; one that fits is written", async () => {
  await using scene = await start({ flags: ["--max-request-bytes", "100000"] });
  const [server] = scene.servers;
  const refused = await put(server!, "k", "x".repeat(200_000));
  assertEquals([refused.type, refused.code], ["ERROR", "TOO_LARGE"]);
  assertStringIncludes(`${refused.message}`, "--max-request-bytes");
  assertEquals((await put(server!, "k", "x".repeat(90_000))).type, "PUT_OK");
});

test("keys that one transaction or one lease removes are all told to watchers, and they share a timestamp", async () => {
  await using scene = await start();
  const { etcd, servers } = scene;
  const watches = servers.map(({ address }) => {
    const client = new KvClient([address]);
    return { client, watch: client.watch({ prefix: "" }) };
  });
  const keys = Array.from({ length: 2_000 }, (_, n) => `p/${n}`);
  await using writer = new KvClient(servers.map(({ address }) => address));
  await Promise.all(keys.map((key) => writer.put(key, "v")));
  const lasting = ["l/1", "l/2", "l/3"];
  await Promise.all(lasting.map((key) => writer.put(key, "v", { ttlMs: 1_000 })));
  const range = { key: btoa("kv/p/"), range_end: btoa("kv/p0") };
  await etcd.members[0]!.ask("kv/deleterange", range);
  for (const { client, watch } of watches) {
    const deleted = new Map<string, number>();
    let last = 0;
    const all = keys.length + lasting.length;
    while (deleted.size < all) {
      const { value } = await within(`${all} deletions, not ${deleted.size}`, watch.next());
      if (value?.type !== "delete") continue;
      assert(value.timestamp >= last && !deleted.has(value.key), value.key);
      last = value.timestamp;
      deleted.set(value.key, last);
    }
    assertEquals(new Set(keys.map((key) => deleted.get(key))).size, 1);
    await client.close();
  }
});

test("other data in etcd is neither changed nor shown", async () => {
  await using scene = await start();
  const { etcd, servers } = scene;
  const other = { key: btoa("kw/cor"), value: btoa("theirs") };
  await etcd.members[0]!.ask("kv/put", other);
  await etcd.members[0]!.ask("kv/put", { key: btoa("ku/cor"), value: btoa("theirs") });
  for (const server of servers) assertEquals((await put(server, "cor", "ours")).type, "PUT_OK");
  const { kvs } = await etcd.members[0]!.ask("kv/range", { key: btoa("kw/cor") });
  assertEquals((kvs as Message[])[0]!.value, other.value);
  for (const server of servers) {
    await eventually(
      "it has shown all",
      () => server.prints.filter((line) => /^(REPL|Env)/.test(line)).length === 3,
    );
    assert(!server.prints.some((line) => line.includes("theirs")));
    assertEquals((await ask(server, { type: "STATUS" })).keys, 1);
  }
});

test("https with a CA and a certificate for etcd; without them no request is sent", async () => {
  const folder = await Deno.makeTempDir({ prefix: "kv-etcd-tls-" });
  const tls = { ca: `${folder}/ca.pem`, cert: `${folder}/cert.pem`, key: `${folder}/key.pem` };
  try {
    for (const name of ["ca", "cert", "key"] as const) {
      await Deno.writeTextFile(tls[name], certificate[name]);
    }
    await using scene = await start({ tls }, { tls: certificate });
    const { etcd, servers } = scene;
    assertEquals((await put(servers[0]!, "cor", "azul")).type, "PUT_OK");
    assertEquals((await put(servers[1]!, "cor", "verde")).type, "PUT_OK");
    for (const options of [{}, { tls: { ca: certificate.ca } }]) {
      await using server = serverAt(etcd.members[0]!.url, options);
      await server.reported("is lost");
      assertEquals((await put(server, "cor", "x")).code, "UNAVAILABLE");
    }
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

test("a member is stopped: every request is answered in time, and each PUT says whether it was sent", async () => {
  await using scene = await start();
  const { etcd, servers } = scene;
  const { others: [index] } = await leaderOf(scene);
  const [server, member] = [servers[index]!, etcd.members[index]!];
  await put(server, "cor", "azul");
  await member.standStill();
  try {
    const sinceMs = performance.now();
    const replies = await Promise.all([put(server, "cor", "verde"), get(server, "cor")]);
    assert(performance.now() - sinceMs < putTimeoutMs + answerSlackMs);
    assertEquals(replies.map(({ code, value }) => code ?? value), ["UNKNOWN_OUTCOME", "azul"]);
    await server.reported(`etcd did not answer within ${silenceMs} ms`);
    const later = performance.now();
    assertEquals((await put(server, "cor", "rosa")).code, "UNAVAILABLE");
    assert(performance.now() - later < 1_000, "at once: it was not sent");
  } finally {
    member.signal("SIGCONT");
  }
  await eventually("it goes on", async () => (await put(server, "cor", "lilás")).type === "PUT_OK");
  assertEquals(formatAddress(server.address), server.name);
  assert(!server.prints.some((line) => line.includes("ts:") && line.includes("rosa")));
});

test("a server process needs only the network, and ends on SIGTERM with code 0", async () => {
  await using etcd = await RealEtcd.start();
  await using server = await ServerProcess.start({
    leaderPort: null,
    flags: ["--engine=etcd", `--etcd=${etcd.members[0]!.url}`],
    out: "keep",
  });
  await eventually("a PUT is acknowledged", async () => {
    using wire = await Wire.connect(server.address);
    return (await wire.ask({ type: "PUT", id: 1, key: "cor", value: "azul" })).type === "PUT_OK";
  });
  assertEquals(await server.stop(), 0, server.errors);
  assertStringIncludes(server.screen, "PUT key:cor value:azul");
  assertStringIncludes(server.errors, "answers, cluster");
});
