import {
  assert,
  assertEquals,
  assertGreater,
  assertGreaterOrEqual,
  assertLess,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import type { Address } from "../../lib/wire/address.ts";
import { StaleError, UnavailableError } from "../../lib/client/errors.ts";
import { KvClient, type PutResult } from "../../lib/client/kv_client.ts";
import { recoverySkip } from "../../lib/replication/recovery.ts";
import { Cluster } from "../support/cluster.ts";
import type { TestServer } from "../support/test_server.ts";
import { eventually } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";

/** A client of one server. */
function clientOf({ address }: TestServer): KvClient {
  return new KvClient([address], { once: true });
}

/** The answer of one server to one request. */
async function ask(address: Address, request: Message): Promise<Message> {
  using wire = await Wire.connect(address);
  return await wire.ask({ id: 1, ...request });
}

/** Writes through any server. Returns the timestamp of each value. */
async function write(servers: Address[], entries: [key: string, value: string][]) {
  await using client = new KvClient(servers);
  return await Promise.all(
    entries.map(async ([key, value]) => ({ key, value, ...await client.put(key, value) })),
  );
}

/** Writes one value through one server. Returns its timestamp. */
async function writeOne(server: TestServer, key: string, value: string): Promise<number> {
  await using client = clientOf(server);
  return (await client.put(key, value)).timestamp;
}

function timestampsOf(lines: string[]): number[] {
  return lines.map((line) => Number(/ts:(\d+)\.$/.exec(line)?.[1]));
}

// All servers in sync

Deno.test("a PUT through a follower: every console shows its part, with the client's own address", async () => {
  await using cluster = await Cluster.start();
  const [near, far] = cluster.followers;
  using client = await Wire.connect(near.address);
  const answer = await client.ask({ type: "PUT", id: 3, key: "cor", value: "azul é 🙂" });
  assertEquals(answer, { type: "PUT_OK", id: 3, key: "cor", timestamp: 1 });
  assertEquals(near.prints, [
    "Encaminhando PUT key:cor value:azul é 🙂",
    "REPLICATION key:cor value:azul é 🙂 ts:1.",
  ]);
  assertEquals(far.prints, ["REPLICATION key:cor value:azul é 🙂 ts:1."]);
  assertEquals(cluster.leader.prints, [
    `Cliente ${client.local} PUT key:cor value:azul é 🙂.`,
    `Enviando PUT_OK ao Cliente ${client.local} da key:cor ts:1.`,
  ]);
});

Deno.test("PUT_OK comes only when all three servers hold the write", async () => {
  await using cluster = await Cluster.start();
  for (const [n, server] of cluster.servers.entries()) {
    using client = await Wire.connect(server.address);
    for (let round = 0; round < 20; round++) {
      const value = `${n}/${round}`;
      const { timestamp } = await client.ask({ type: "PUT", id: 1, key: "k", value });
      for (const holder of cluster.servers) {
        assertEquals(holder.holds("k"), { value, timestamp: timestamp as number });
      }
    }
  }
});

Deno.test("any server answers a GET, with the value and its timestamp", async () => {
  await using cluster = await Cluster.start();
  await write(cluster.addresses, [["cor", "azul"]]);
  for (const address of cluster.addresses) {
    assertEquals(await ask(address, { type: "GET", key: "cor", timestamp: 1 }), {
      type: "GET_OK",
      id: 1,
      key: "cor",
      value: "azul",
      timestamp: 1,
    });
    const early = await ask(address, { type: "GET", key: "cor", timestamp: 2 });
    assertEquals(early.type, "TRY_OTHER_SERVER_OR_LATER");
  }
});

Deno.test("timestamps rise over all keys, and every server applies the writes in that order", async () => {
  await using cluster = await Cluster.start();
  const entries = Array.from({ length: 60 }, (_, n): [string, string] => [`k${n % 7}`, `v${n}`]);
  await write(cluster.addresses, entries);
  const [one, other] = cluster.followers;
  const replications = one.printsOf("REPLICATION");
  assertEquals(timestampsOf(replications), entries.map((_, n) => n + 1));
  assertEquals(other.printsOf("REPLICATION"), replications);
  assertEquals(timestampsOf(cluster.leader.printsOf("Enviando")), entries.map((_, n) => n + 1));
});

Deno.test("PUTs pipelined on one connection are applied in the order in which they were sent", async () => {
  await using cluster = await Cluster.start();
  const [follower] = cluster.followers;
  using client = await Wire.connect(follower.address);
  const puts = Array.from({ length: 300 }, (_, id) => ({
    type: "PUT",
    id,
    key: "k",
    value: `v${id}`,
  }));
  await client.send(...puts);
  const replies = await client.messages(puts.length);
  assertEquals(
    replies,
    puts.map(({ id }) => ({ type: "PUT_OK", id, key: "k", timestamp: id + 1 })),
  );
  assertEquals(cluster.leader.holds("k"), { value: "v299", timestamp: 300 });
});

Deno.test("8 clients × 100 simultaneous PUTs on one key: one order, no timestamp twice, one value at the end", async () => {
  await using cluster = await Cluster.start();
  await using clients = new AsyncDisposableStack();
  const puts: Promise<PutResult & { value: string }>[] = [];
  for (let n = 0; n < 8; n++) {
    const client = clients.use(new KvClient(cluster.addresses));
    for (let round = 0; round < 100; round++) {
      const value = `cliente ${n}, volta ${round}`;
      puts.push(client.put("disputada", value).then((result) => ({ ...result, value })));
    }
  }
  const results = await Promise.all(puts);
  const timestamps = results.map(({ timestamp }) => timestamp).sort((a, b) => a - b);
  assertEquals(timestamps, Array.from({ length: 800 }, (_, n) => n + 1));
  const last = results.find(({ timestamp }) => timestamp === 800)!;
  for (const server of cluster.servers) {
    assertEquals(server.holds("disputada"), { value: last.value, timestamp: 800 });
  }
  const [one, other] = cluster.followers;
  assertEquals(one.printsOf("REPLICATION"), other.printsOf("REPLICATION"));
  const values = new Map(results.map(({ timestamp, value }) => [timestamp, value]));
  assertEquals(
    one.printsOf("REPLICATION"),
    timestamps.map((ts) => `REPLICATION key:disputada value:${values.get(ts)} ts:${ts}.`),
  );
});

Deno.test("reads never go back, whichever server answers, while another client writes", async () => {
  await using cluster = await Cluster.start();
  await using writer = new KvClient(cluster.addresses);
  await using reader = new KvClient(cluster.addresses);
  let writing = true;
  const writes = (async () => {
    for (let n = 1; n <= 150; n++) await writer.put("contador", String(n));
    writing = false;
  })();
  let newest = 0;
  let reads = 0;
  while (writing) {
    const { value } = await reader.get("contador");
    reads++;
    if (typeof value !== "string") continue;
    assertGreaterOrEqual(Number(value), newest);
    newest = Number(value);
  }
  await writes;
  assertGreater(reads, 10);
});

Deno.test("the servers may start in any order", async () => {
  await using cluster = await Cluster.start();
  await cluster.kill(1, 2);
  await cluster.kill(0);
  for (const index of [2, 1, 0]) await cluster.restart(index);
  await Promise.all(cluster.servers.map((server) => server.ready()));
  await using client = new KvClient(cluster.addresses);
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
});

// One follower dead

Deno.test("PUTs go on while one follower is dead", async () => {
  await using cluster = await Cluster.start();
  await cluster.kill(2);
  await using client = new KvClient(cluster.addresses.slice(0, 2));
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
  assertEquals(cluster.followers[0].holds("cor"), { value: "azul", timestamp: 1 });
});

Deno.test("a PUT under way when a follower dies is acknowledged by the others", async () => {
  await using cluster = await Cluster.start();
  await using client = clientOf(cluster.leader);
  const puts = Array.from({ length: 200 }, (_, n) => client.put(`k${n}`, "v"));
  await cluster.kill(1);
  const results = await Promise.all(puts);
  for (const n of results.keys()) {
    const expected = { value: "v", timestamp: results[n]!.timestamp };
    assertEquals(cluster.leader.holds(`k${n}`), expected);
    assertEquals(cluster.followers[1].holds(`k${n}`), expected);
  }
});

Deno.test("a restarted follower gets what it missed from the log, prints it, and takes part again", async () => {
  await using cluster = await Cluster.start();
  await write(cluster.addresses, [["cor", "azul"]]);
  await cluster.kill(2);
  await write([cluster.leader.address], [["cor", "verde"], ["nome", "Zé"]]);
  const restarted = await cluster.restart(2);
  const early = await ask(restarted.address, { type: "GET", key: "cor", timestamp: 0 });
  assert(early.type === "TRY_OTHER_SERVER_OR_LATER" || early.value === "verde");
  await restarted.ready();
  await cluster.leader.reported(`${restarted.name} is in sync (3 of 3 in sync)`);
  assertEquals(restarted.printsOf("REPLICATION"), [
    "REPLICATION key:cor value:azul ts:1.",
    "REPLICATION key:cor value:verde ts:2.",
    "REPLICATION key:nome value:Zé ts:3.",
  ]);
  assertEquals(await writeOne(restarted, "nova", "sim"), 4);
  assertEquals(restarted.holds("nova"), { value: "sim", timestamp: 4 });
});

Deno.test("a follower that missed more than the log holds gets a snapshot, and prints nothing", async () => {
  await using cluster = await Cluster.start({ logBytesMax: 300 });
  await cluster.kill(2);
  const entries = Array.from({ length: 40 }, (_, n): [string, string] => [`k${n}`, `v${n}`]);
  const written = await write([cluster.leader.address], entries);
  const restarted = await cluster.restart(2);
  await cluster.leader.reported(`${restarted.name} is in sync (3 of 3 in sync)`);
  assertEquals(restarted.printsOf("REPLICATION"), []);
  for (const { key, value, timestamp } of written) {
    assertEquals(restarted.holds(key), { value, timestamp });
  }
});

Deno.test("a follower catches up while writing goes on", async () => {
  await using cluster = await Cluster.start({ logBytesMax: 2_000 });
  await cluster.kill(2);
  await write([cluster.leader.address], [["antes", "sim"]]);
  await using client = clientOf(cluster.leader);
  let latest: PutResult | undefined;
  let writing = true;
  const writes = (async () => {
    for (let n = 0; writing && n < 100_000; n++) latest = await client.put(`k${n % 50}`, `v${n}`);
  })();
  await eventually("more writes than the log holds", () => (latest?.timestamp ?? 0) > 200);
  const restarted = await cluster.restart(2);
  await cluster.leader.reported(`${restarted.name} is in sync (3 of 3 in sync)`);
  const since = latest!.timestamp;
  await eventually("writes after that", () => latest!.timestamp > since + 20);
  writing = false;
  await writes;
  for (let n = 0; n < 50; n++) {
    assertEquals(restarted.holds(`k${n}`), cluster.leader.holds(`k${n}`));
  }
  assertEquals(restarted.holds("antes")?.value, "sim");
});

Deno.test("a server that lags answers TRY_OTHER, not the old value, to a client that has seen the new one", async () => {
  await using cluster = await Cluster.start();
  await write(cluster.addresses, [["cor", "azul"]]);
  const lagging = cluster.followers[1];
  using client = await Wire.connect(lagging.address);
  const seen = 2; // as from a PUT_OK of a write that this server does not have
  assertEquals(await client.ask({ type: "GET", id: 1, key: "cor", timestamp: seen }), {
    type: "TRY_OTHER_SERVER_OR_LATER",
    id: 1,
    key: "cor",
    timestamp: 1,
  });
  assertEquals(
    lagging.prints.at(-1),
    `Cliente ${client.local} GET key:cor ts:2. Meu ts é 1, portanto devolvendo TRY_OTHER_SERVER_OR_LATER`,
  );
});

// Both followers dead

Deno.test("with both followers dead a PUT ends in UNAVAILABLE within the limit, and is not applied", async () => {
  await using cluster = await Cluster.start({ putTimeoutMs: 100 });
  await cluster.kill(1, 2);
  await using client = clientOf(cluster.leader);
  const from = performance.now();
  const error = await assertRejects(() => client.put("cor", "azul"), UnavailableError);
  assertLess(performance.now() - from, 1_500);
  assertStringIncludes(error.message, "1 of 3 servers are in sync, and 2 must be");
  assertEquals(cluster.leader.holds("cor"), undefined);
  assertEquals((await client.get("cor")).value, null); // reading goes on
});

Deno.test("a PUT that waits for a follower is applied when one comes back", async () => {
  await using cluster = await Cluster.start();
  await cluster.kill(1, 2);
  await using client = clientOf(cluster.leader);
  const waiting = client.put("cor", "azul");
  await eventually("it waits", () => cluster.leader.printsOf("Cliente").length === 1);
  const restarted = await cluster.restart(1);
  assertEquals((await waiting).timestamp, 1);
  assertEquals(restarted.holds("cor"), { value: "azul", timestamp: 1 });
});

Deno.test("--min-in-sync 3: one dead follower stops the PUTs", async () => {
  await using cluster = await Cluster.start({ putTimeoutMs: 100, minInSync: 3 });
  await cluster.kill(2);
  await using client = clientOf(cluster.leader);
  await assertRejects(() => client.put("cor", "azul"), UnavailableError, "and 3 must be");
});

// The leader dead

Deno.test("without the leader followers answer GETs and refuse PUTs at once", async () => {
  await using cluster = await Cluster.start();
  await write(cluster.addresses, [["cor", "azul"]]);
  await cluster.kill(0);
  for (const follower of cluster.followers) {
    await follower.reported("lost the leader");
    await using client = clientOf(follower);
    assertEquals((await client.get("cor")).value, "azul");
    await assertRejects(() => client.put("cor", "verde"), UnavailableError, "no connection");
  }
});

Deno.test("a leader restarted with empty memory serves every acknowledged PUT, and timestamps only rise", async () => {
  await using cluster = await Cluster.start();
  const entries = Array.from({ length: 200 }, (_, n): [string, string] => [`k${n % 90}`, `v${n}`]);
  const written = await write(cluster.addresses, entries);
  await cluster.kill(0);
  await (await cluster.restart(0)).ready();

  const newest = new Map<string, { value: string; timestamp: number }>();
  for (const { key, value, timestamp } of written) {
    if (timestamp > (newest.get(key)?.timestamp ?? 0)) newest.set(key, { value, timestamp });
  }
  for (const server of cluster.servers) {
    for (const [key, entry] of newest) assertEquals(server.holds(key), entry);
  }
  await using client = new KvClient(cluster.addresses);
  const { timestamp } = await client.put("nova", "sim");
  assertGreater(timestamp, 200 + recoverySkip / 2);
  for (const server of cluster.servers) {
    assertEquals(server.holds("nova"), { value: "sim", timestamp });
  }
});

Deno.test("a restarted leader answers no request before all servers have joined", async () => {
  await using cluster = await Cluster.start({ putTimeoutMs: 300 });
  await write(cluster.addresses, [["cor", "azul"]]);
  await cluster.kill(2);
  await write([cluster.leader.address], [["cor", "verde"]]);
  await cluster.kill(0);
  const leader = await cluster.restart(0);
  await leader.reported("joined");
  await using client = new KvClient([leader.address], { once: true });
  await assertRejects(() => client.get("cor"), StaleError);
  await assertRejects(() => client.put("cor", "rosa"), UnavailableError, "waits for all 3 servers");
  await cluster.restart(2);
  await leader.ready();
  for (const server of cluster.servers) {
    assertEquals(server.holds("cor"), { value: "verde", timestamp: 2 });
  }
});

Deno.test("an acknowledged PUT survives the leader and one follower, both restarted empty", async () => {
  await using cluster = await Cluster.start();
  const written = await write(cluster.addresses, [["cor", "azul"], ["nome", "Zé"]]);
  await cluster.kill(0, 1);
  await cluster.restart(1);
  await (await cluster.restart(0)).ready();
  await cluster.leader.reported("(3 of 3 in sync)");
  for (const server of cluster.servers) {
    for (const { key, value, timestamp } of written) {
      assertEquals(server.holds(key), { value, timestamp });
    }
  }
});

Deno.test("the leader may be restarted many times: no timestamp is used twice", async () => {
  await using cluster = await Cluster.start();
  const timestamps: number[] = [];
  for (let life = 0; life < 3; life++) {
    for (let n = 0; n < 3; n++) {
      timestamps.push(await writeOne(cluster.servers[n]!, "k", `${life}/${n}`));
    }
    await cluster.kill(0);
    await (await cluster.restart(0)).ready();
  }
  assertEquals(timestamps, timestamps.toSorted((a, b) => a - b));
  assertEquals(new Set(timestamps).size, timestamps.length);
  for (const server of cluster.servers) assertEquals(server.holds("k")?.value, "2/2");
});

Deno.test("a client keeps its timestamps over a restart of the leader and still reads its writes", async () => {
  await using cluster = await Cluster.start();
  await using client = new KvClient(cluster.addresses);
  await client.put("cor", "azul");
  await cluster.kill(0);
  await (await cluster.restart(0)).ready();
  for (let n = 0; n < 12; n++) assertEquals((await client.get("cor")).value, "azul");
});

Deno.test("while every server dies and returns, no acknowledged write is lost", async () => {
  await using cluster = await Cluster.start({ putTimeoutMs: 500 });
  const acknowledged = new Map<string, { value: string; timestamp: number }>();
  let running = true;
  const writers = [0, 1, 2].map(async (writer) => {
    for (let n = 0; running && n < 100_000; n++) {
      const key = `${writer}/${n}`;
      await using client = new KvClient(cluster.addresses, { timeoutMs: 1_000 });
      try {
        const { timestamp } = await client.put(key, `v${n}`);
        acknowledged.set(key, { value: `v${n}`, timestamp });
      } catch (error) {
        assert(error instanceof Error && /Unavailable|UnknownOutcome/.test(error.name), `${error}`);
      }
    }
  });
  for (const index of [2, 0, 1, 0]) {
    const before = acknowledged.size;
    await eventually("some writes", () => acknowledged.size >= before + 20);
    await cluster.kill(index);
    await cluster.restart(index);
    await Promise.all(cluster.servers.map((server) => server.ready()));
    if (index !== 0) await cluster.leader.reported(`${cluster.servers[index]!.name} is in sync`);
  }
  running = false;
  await Promise.all(writers);
  await eventually("all three hold the same", () => {
    const tables = cluster.servers.map((server) =>
      JSON.stringify([...acknowledged.keys()].map((key) => server.holds(key)))
    );
    return tables.every((table) => table === tables[0]);
  });
  for (const [key, entry] of acknowledged) assertEquals(cluster.leader.holds(key), entry);
});
