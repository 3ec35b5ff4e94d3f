/**
 * The conformance suite for engines, over TCP and on the consoles. It runs on the embedded engine,
 * on a fake etcd, and on three real members of etcd.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertNotEquals,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { formatAddress } from "../../lib/wire/address.ts";
import { ClusterResetError } from "../../lib/client/errors.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { keyBytesMax, valueBytesMax } from "../../lib/limits.ts";
import type { TestServer } from "./test_server.ts";
import { eventually } from "./waiting.ts";
import { type Message, Wire } from "./wire_client.ts";

/** The time from a write to its answer that is left out of what a key must live after the answer. */
const answerMs = 100;

/** Three servers on an engine. Their data is separate from other clusters and empty at first. */
export interface EngineCluster extends AsyncDisposable {
  /** The servers. Any of them may be the leader. */
  readonly servers: readonly TestServer[];
}

/** An engine under test. */
export interface Engine {
  /** The prefix of each test name. */
  readonly name: string;
  /** Whether the tests are ignored, because the engine is not installed. */
  readonly ignore?: boolean;
  /** Starts three servers and waits until all of them are ready. */
  start(): Promise<EngineCluster>;
  /** How long after its time to live a key ends at the latest. Left out if keys do not end by themselves. */
  readonly expiresWithinMs?: number;
  /** The lines that the leader prints for a PUT that came to another server. */
  readonly leaderShows: (
    write: { client: string; key: string; value: string; timestamp: number },
  ) => string[];
}

/** The servers by role. */
interface Roles {
  readonly leader: TestServer;
  readonly others: readonly [TestServer, TestServer];
}

async function statusOf({ address }: TestServer): Promise<Message> {
  using wire = await Wire.connect(address);
  return await wire.ask({ type: "STATUS", id: 1 });
}

async function rolesOf({ servers }: EngineCluster): Promise<Roles> {
  return await eventually("one server leads", async () => {
    const leads = await Promise.all(servers.map(async (server) => {
      const { leader } = await statusOf(server);
      return leader === server.name;
    }));
    if (leads.filter((one) => one).length !== 1) return undefined;
    const [other, another] = servers.filter((_, index) => !leads[index]);
    return { leader: servers[leads.indexOf(true)]!, others: [other!, another!] as const };
  });
}

async function ask(server: TestServer, message: Message): Promise<Message> {
  using wire = await Wire.connect(server.address);
  return await wire.ask({ id: 1, ...message });
}

async function put(server: TestServer, key: string, value: string): Promise<number> {
  const { type, timestamp, message } = await ask(server, { type: "PUT", key, value });
  assertEquals([type, message], ["PUT_OK", undefined]);
  return timestamp as number;
}

/** Waits until a server answers a GET at `timestamp`. Returns its answer. */
async function getAt(server: TestServer, key: string, timestamp: number): Promise<Message> {
  return await eventually(`${server.name} holds ${key} at ${timestamp}`, async () => {
    const reply = await ask(server, { type: "GET", key, timestamp });
    return reply.type === "GET_OK" && reply;
  });
}

/** A leader adds `lost` to the refusal of a timestamp that it has never given. */
function assertRefused({ lost: _, ...refused }: Message, fields: Message): void {
  assertEquals(refused, { type: "TRY_OTHER_SERVER_OR_LATER", ...fields });
}

async function prints(server: TestServer, lines: readonly string[]): Promise<void> {
  await eventually(
    `${lines.length} lines of ${server.name}`,
    () => server.prints.length >= lines.length,
  );
  assertEquals(server.prints, lines);
}

/** Registers the tests of an engine. */
export function conformance(engine: Engine): void {
  const { name, ignore = false, start, expiresWithinMs } = engine;
  const test = (behaviour: string, fn: (cluster: EngineCluster) => Promise<void>) =>
    Deno.test({
      name: `${name}: ${behaviour}`,
      ignore,
      fn: async () => {
        await using cluster = await start();
        await fn(cluster);
      },
    });

  test("a PUT at the leader: two lines there, a REPLICATION at the others", async (cluster) => {
    const { leader, others } = await rolesOf(cluster);
    using client = await Wire.connect(leader.address);
    const reply = await client.ask({ type: "PUT", id: 7, key: "cor", value: "azul é 🙂" });
    const { timestamp } = reply;
    assertEquals(reply, { type: "PUT_OK", id: 7, key: "cor", timestamp });
    for (const other of others) {
      await prints(other, [`REPLICATION key:cor value:azul é 🙂 ts:${timestamp}.`]);
    }
    const own = [
      `Cliente ${client.local} PUT key:cor value:azul é 🙂.`,
      `Enviando PUT_OK ao Cliente ${client.local} da key:cor ts:${timestamp}.`,
    ];
    assertEquals(leader.prints, own);
    // Later writes prove that no REPLICATION of the first one was still to come at the leader.
    const second = await put(leader, "cor", "verde");
    for (const other of others) await getAt(other, "cor", second);
    const third = await put(others[0], "cor", "rosa");
    await eventually(
      "the leader prints the third write",
      () => leader.prints.at(-1)!.includes(`ts:${third}.`),
    );
    assertEquals(
      leader.prints.filter((line) => line.includes(`REPLICATION`) && !line.includes("rosa")),
      [],
    );
  });

  test("a PUT at another server: it prints the forwarding, then the REPLICATION", async (cluster) => {
    const { leader, others: [near, far] } = await rolesOf(cluster);
    using client = await Wire.connect(near.address);
    const reply = await client.ask({ type: "PUT", id: 0, key: "cor", value: "azul" });
    const timestamp = reply.timestamp as number;
    assertEquals(reply, { type: "PUT_OK", id: 0, key: "cor", timestamp });
    const replication = `REPLICATION key:cor value:azul ts:${timestamp}.`;
    await prints(near, ["Encaminhando PUT key:cor value:azul", replication]);
    await prints(far, [replication]);
    const write = { client: client.local, key: "cor", value: "azul", timestamp };
    await prints(leader, engine.leaderShows(write));
  });

  test("a GET: a value at least as new as the client's timestamp, otherwise TRY_OTHER; each prints a line", async (cluster) => {
    const { leader, others } = await rolesOf(cluster);
    await put(leader, "other", "first");
    const timestamp = await put(leader, "cor", "azul");
    for (const server of [leader, ...others]) {
      await getAt(server, "cor", timestamp);
      using client = await Wire.connect(server.address);
      const before = server.prints.length;
      const ok = await client.ask({ type: "GET", id: 1, key: "cor", timestamp: timestamp - 1 });
      assertEquals(ok, { type: "GET_OK", id: 1, key: "cor", value: "azul", timestamp });
      const refused = await client.ask({
        type: "GET",
        id: 2,
        key: "cor",
        timestamp: timestamp + 1,
      });
      assertRefused(refused, { id: 2, key: "cor", timestamp });
      await eventually("both lines", () => server.prints.length >= before + 2);
      const start = `Cliente ${client.local} GET key:cor ts:`;
      assertEquals(server.prints.filter((line) => line.startsWith(start)), [
        `${start}${timestamp - 1}. Meu ts é ${timestamp}, portanto devolvendo azul`,
        `${start}${
          timestamp + 1
        }. Meu ts é ${timestamp}, portanto devolvendo TRY_OTHER_SERVER_OR_LATER`,
      ]);
    }
  });

  test("a key that does not exist is null at the table's floor, and TRY_OTHER above the table", async (cluster) => {
    for (const server of cluster.servers) {
      const applied = (await statusOf(server)).timestamp as number;
      const answer = await ask(server, { type: "GET", key: "k", timestamp: 0 });
      const timestamp = answer.timestamp as number;
      assertEquals(answer, { type: "GET_OK", id: 1, key: "k", value: null, timestamp });
      assert(timestamp <= applied, `the floor is ${timestamp}, applied is ${applied}`);
      const later = await ask(server, { type: "GET", key: "k", timestamp: applied });
      assertEquals([later.type, later.value], ["GET_OK", null]);
      const refused = await ask(server, { type: "GET", key: "k", timestamp: applied + 1 });
      assertRefused(refused, { id: 1, key: "k", timestamp });
    }
  });

  test("WRITE: a condition is decided in the order of all writes; a CONFLICT says what is there", async (cluster) => {
    const { leader, others: [near, far] } = await rolesOf(cluster);
    const write = (server: TestServer, fields: Message) =>
      ask(server, { type: "WRITE", key: "cor", ...fields });
    const created = await write(near, { value: "azul", expected: 0 });
    const first = created.timestamp as number;
    assertEquals(created, { type: "WRITE_OK", id: 1, key: "cor", timestamp: first });
    const there = { type: "CONFLICT", id: 1, key: "cor", value: "azul", timestamp: first };
    for (const [server, expected] of [[near, 0], [far, 0], [leader, first + 1]] as const) {
      assertEquals(await write(server, { value: "x", expected }), there);
      assertEquals(await write(server, { value: null, expected }), there);
    }
    const second = (await write(far, { value: "verde", expected: first })).timestamp as number;
    assertGreater(second, first);
    const third = (await write(leader, { value: null, expected: second })).timestamp as number;
    assertGreater(third, second);
    for (const expected of [first, second, third]) { // a tombstone is not there
      const { type, value, timestamp } = await write(near, { value: "x", expected });
      assertEquals([type, value], ["CONFLICT", null]);
      assert((timestamp as number) >= third, `the key was absent at ${timestamp}`);
    }
    assertEquals((await write(near, { value: "rosa", expected: 0 })).type, "WRITE_OK");
    // Nothing of it has a line, except the REPLICATIONs that a follower gets.
    for (const server of cluster.servers) {
      assertEquals(server.printsOf("Cliente"), []);
      assertEquals(server.printsOf("Encaminhando"), []);
      assertEquals(server.printsOf("Enviando"), []);
    }
    await eventually("the REPLICATIONs", () => far.printsOf("REPLICATION").length === 4);
    assertEquals(far.printsOf("REPLICATION")[2], `REPLICATION key:cor value:NULL ts:${third}.`);
    assert(!leader.printsOf("REPLICATION").some((line) => line.endsWith(`ts:${third}.`)));
  });

  test("a deletion is NULL at its timestamp on every server, and never comes back", async (cluster) => {
    const [one, other, third] = cluster.servers as [TestServer, TestServer, TestServer];
    const timestamp = await put(one, "cor", "azul");
    const deleted = await ask(other, { type: "WRITE", key: "cor", value: null });
    assertEquals(deleted.type, "WRITE_OK");
    const deletedAt = deleted.timestamp as number;
    assertGreater(deletedAt, timestamp);
    assertEquals((await ask(other, { type: "GET", key: "cor", timestamp: 0 })).value, null);
    for (const server of cluster.servers) {
      const answer = await getAt(server, "cor", deletedAt);
      assertEquals([answer.value, answer.timestamp], [null, deletedAt]);
    }
    // To delete what is not there is no error.
    const again = await ask(third, { type: "WRITE", key: "never", value: null });
    assertEquals(again.type, "WRITE_OK");
    assertEquals((await getAt(one, "never", again.timestamp as number)).value, null);
  });

  test("no update is lost: concurrent increments at all servers add up", async (cluster) => {
    const increments = 5;
    await Promise.all(cluster.servers.map(async ({ address }) => {
      using wire = await Wire.connect(address);
      let id = 1;
      for (let done = 0; done < increments;) {
        const { value, timestamp } = await wire.ask({ type: "GET_LATEST", id: id++, key: "n" });
        const expected = value === null ? 0 : timestamp;
        const next = `${Number(value ?? 0) + 1}`;
        const { type } = await wire.ask({
          type: "WRITE",
          id: id++,
          key: "n",
          value: next,
          expected,
        });
        assert(type === "WRITE_OK" || type === "CONFLICT", `${type}`);
        if (type === "WRITE_OK") done++;
      }
    }));
    const latest = await ask(cluster.servers[0]!, { type: "GET_LATEST", key: "n" });
    assertEquals(latest.value, `${increments * cluster.servers.length}`);
  });

  test("GET_LATEST shows every acknowledged write, whichever server is asked", async (cluster) => {
    for (let n = 0; n < 12; n++) {
      const timestamp = await put(cluster.servers[n % 3]!, "cor", `${n}`);
      const latest = await ask(cluster.servers[(n + 1) % 3]!, { type: "GET_LATEST", key: "cor" });
      assertEquals(latest, { type: "GET_OK", id: 1, key: "cor", value: `${n}`, timestamp });
    }
    const absent = await ask(cluster.servers[0]!, { type: "GET_LATEST", key: "absent" });
    assertEquals([absent.type, absent.value], ["GET_OK", null]);
    await ask(cluster.servers[0]!, { type: "WRITE", key: "cor", value: null });
    const after = await put(cluster.servers[1]!, "other", "x");
    const deleted = await ask(cluster.servers[2]!, { type: "GET_LATEST", key: "cor" });
    for (const server of cluster.servers) {
      await getAt(server, "other", after);
      assertEquals((await getAt(server, "cor", deleted.timestamp as number)).value, null);
    }
    // What it says of an absent key can be read back everywhere, soon.
    for (const server of cluster.servers) {
      assertEquals((await getAt(server, "absent", absent.timestamp as number)).value, null);
    }
  });

  test("LIST and WATCH are answered from the server's own table", async (cluster) => {
    const [one, other] = cluster.servers as [TestServer, TestServer];
    using watcher = await Wire.connect(other.address);
    const a = await put(one, "p/a", "1");
    await getAt(other, "p/a", a);
    await watcher.send({ type: "WATCH", id: 7, prefix: "p/", after: 0 });
    const begin = await watcher.messageOf("CHANGES");
    assertEquals(begin.changes, [["p/a", "1", a]]);
    const b = await put(one, "p/b", "2");
    await put(one, "q", "x");
    const gone = (await ask(one, { type: "WRITE", key: "p/a", value: null })).timestamp as number;
    const told: unknown[] = [];
    while (told.length < 2) told.push(...(await watcher.messageOf("CHANGES")).changes as unknown[]);
    assertEquals(told, [["p/b", "2", b], ["p/a", null, gone]]);
    const list = await ask(other, { type: "LIST", prefix: "p/", atLeast: gone });
    assertEquals([list.type, list.entries, list.more], ["LIST_OK", [["p/b", "2", b]], false]);
  });

  test("conflicts, GET_LATESTs, LISTs and watches are counted once in all servers", async (cluster) => {
    const [, other] = cluster.servers as [TestServer, TestServer, TestServer];
    await put(other, "cor", "azul");
    const refused = await ask(other, { type: "WRITE", key: "cor", value: "x", expected: 0 });
    assertEquals(refused.type, "CONFLICT");
    for (let n = 0; n < 2; n++) await ask(other, { type: "GET_LATEST", key: "cor" });
    using wire = await Wire.connect(other.address);
    await wire.ask({ type: "LIST", id: 1, prefix: "" });
    await wire.ask({ type: "LIST", id: 2, prefix: "", atLeast: Number.MAX_SAFE_INTEGER });
    await wire.send({ type: "WATCH", id: 3, key: "cor", after: 0 });
    await wire.messageOf("CHANGES");
    await wire.send({ type: "WATCH", id: 4, key: "cor", after: Number.MAX_SAFE_INTEGER });
    await wire.messageOf("TRY_OTHER_SERVER_OR_LATER");
    const total = (field: "conflicts" | "latest" | "expired") =>
      cluster.servers.reduce((sum, { counts }) => sum + counts[field], 0);
    assertEquals([total("conflicts"), total("latest"), total("expired")], [1, 2, 0]);
    const { lists, listsRefused, watching } = other.counts;
    assertEquals([lists, listsRefused], [1, 1]);
    assertEquals(watching, {
      watches: 1,
      changes: 1,
      refused: 1,
      interrupted: 0,
      restarted: 0,
      overloaded: 0,
    });
  });

  test("a time to live under a second, or in a fraction of a millisecond, is refused: nothing is written", async (cluster) => {
    for (const server of cluster.servers) {
      for (const ttlMs of [0, 1, 999, 1_000.5, 2 ** 31 + 1]) {
        const reply = await ask(server, { type: "WRITE", key: "k", value: "v", ttlMs });
        assertEquals([reply.type, reply.code], ["ERROR", "BAD_MESSAGE"], `${ttlMs}`);
        assertStringIncludes(`${reply.message}`, "ttlMs");
      }
      const latest = await ask(server, { type: "GET_LATEST", key: "k" });
      assertEquals(latest.value, null);
    }
  });

  if (expiresWithinMs !== undefined) {
    test("a time to live that is no whole number of seconds is never cut short", async (cluster) => {
      const [one] = cluster.servers as [TestServer];
      await Promise.all([1_000, 1_001, 1_500, 1_999].map(async (ttlMs) => {
        const key = `k${ttlMs}`;
        assertEquals((await ask(one, { type: "WRITE", key, value: "v", ttlMs })).type, "WRITE_OK");
        // It was written before. The table may lose the key only after all of its time.
        const writtenMs = performance.now();
        await eventually(`${key} ends`, () => one.holds(key) === undefined);
        assertGreater(performance.now() - writtenMs, ttlMs - answerMs);
      }));
    });

    test("a key with a time to live ends after it, and one written again without it stays", async (cluster) => {
      const [one, other] = cluster.servers as [TestServer, TestServer];
      const ttlMs = 1_000;
      for (const key of ["ends", "stays"]) {
        assertEquals((await ask(one, { type: "WRITE", key, value: "v", ttlMs })).type, "WRITE_OK");
      }
      const sinceMs = performance.now();
      const { timestamp } = await ask(other, { type: "WRITE", key: "stays", value: "w" });
      const gone = await eventually("it ends", async () => {
        const reply = await ask(one, { type: "GET", key: "ends", timestamp: 0 });
        return reply.value === null && reply;
      });
      const tookMs = performance.now() - sinceMs;
      assert(tookMs > ttlMs - 100 && tookMs < ttlMs + expiresWithinMs, `${tookMs} ms`);
      await getAt(other, "ends", gone.timestamp as number);
      assertEquals((await getAt(other, "stays", timestamp as number)).value, "w");
      assertEquals(cluster.servers.reduce((sum, { counts }) => sum + counts.expired, 0), 1);
    });
  }

  test("timestamps rise over all keys, and every server prints all writes in that order", async (cluster) => {
    const { leader, others } = await rolesOf(cluster);
    const written: [timestamp: number, key: string, value: string][] = [];
    let last = 0;
    for (let n = 0; n < 40; n++) {
      const [key, value] = [`k${n % 7}`, `v${n}`];
      const timestamp = await put(cluster.servers[n % 3]!, key, value);
      assertGreater(timestamp, last);
      last = timestamp;
      written.push([timestamp, key, value]);
    }
    // Concurrent PUTs at all servers.
    const wires = await Promise.all(cluster.servers.map(({ address }) => Wire.connect(address)));
    for (const [index, wire] of wires.entries()) {
      await wire.send(...Array.from({ length: 40 }, (_, id) => ({
        type: "PUT",
        id,
        key: `k${id % 7}`,
        value: `w${index}.${id}`,
      })));
    }
    for (const [index, wire] of wires.entries()) {
      for (const { id, key, timestamp } of await wire.messages(40)) {
        written.push([timestamp as number, `${key}`, `w${index}.${id}`]);
      }
      wire.close();
    }
    assertEquals(new Set(written.map(([timestamp]) => timestamp)).size, written.length);
    written.sort(([a], [b]) => a - b);
    const lines = written.map(([timestamp, key, value]) =>
      `REPLICATION key:${key} value:${value} ts:${timestamp}.`
    );
    for (const other of others) {
      await eventually("all writes", () => other.printsOf("REPLICATION").length >= lines.length);
      assertEquals(other.printsOf("REPLICATION"), lines);
    }
    const shown = [...leader.printsOf("REPLICATION"), ...leader.printsOf("Enviando")];
    assertEquals(shown.length, lines.length); // each write as REPLICATION or PUT_OK
  });

  test("keys and values come back unchanged: empty, with controls, and of the largest size", async (cluster) => {
    const values = [
      "",
      " ",
      "null",
      '"\\',
      "a\u0000b\r\n\u2028",
      "é🙂\u{10FFFF}",
      "x".repeat(70_000),
    ];
    for (const [n, value] of values.entries()) {
      const server = cluster.servers[n % 3]!;
      const key = n === 0 ? "__proto__" : `chave ${value.slice(0, 20)}/\u0000`;
      const timestamp = await put(server, key, value);
      for (const one of cluster.servers) {
        assertEquals((await getAt(one, key, timestamp)).value, value);
      }
    }
    const [key, value] = ["é".repeat(keyBytesMax / 2), "é".repeat(valueBytesMax / 2)];
    const timestamp = await put(cluster.servers[1]!, key, value);
    for (const one of cluster.servers) {
      const { value: got } = await getAt(one, key, timestamp);
      assert(got === value, `${(got as string).length} characters came back`);
    }
    const { type, code } = await ask(cluster.servers[1]!, {
      type: "PUT",
      key: "k",
      value: `${value}x`,
    });
    assertEquals([type, code], ["ERROR", "TOO_LARGE"]);
  });

  test("each of many requests on one connection is answered exactly once", async (cluster) => {
    for (const { address } of cluster.servers) {
      using wire = await Wire.connect(address);
      const requests = Array.from(
        { length: 90 },
        (_, id) =>
          id % 3 === 0
            ? { type: "PUT", id, key: `k${id % 9}`, value: `${id}` }
            : { type: "GET", id, key: `k${id % 9}`, timestamp: 0 },
      );
      await wire.send(...requests);
      await wire.closeWrite();
      const replies = await wire.rest();
      const ids = replies.map(({ id }) => id as number).sort((a, b) => a - b);
      assertEquals(ids, requests.map(({ id }) => id));
      for (const { id, type, key } of replies) {
        assertEquals([type, key], [`${requests[id as number]!.type}_OK`, `k${id as number % 9}`]);
      }
    }
  });

  test("clients of the library have monotonic reads, whichever server answers", async (cluster) => {
    const addresses = cluster.servers.map(({ address }) => address);
    await Promise.all([1, 2, 3].map(async (number) => {
      await using client = new KvClient(addresses);
      const seen = new Map<string, number>();
      for (let n = 0; n < 24; n++) {
        const key = `k${(n * number) % 3}`;
        const { timestamp } = n % 4 === 0
          ? await client.put(key, `${number}.${n}`)
          : await client.get(key);
        assert(timestamp >= (seen.get(key) ?? 0), `${key}: ${timestamp} after ${seen.get(key)}`);
        seen.set(key, timestamp);
      }
    }));
  });

  test("STATUS: one cluster id, one leader, the number of keys", async (cluster) => {
    const { leader, others } = await rolesOf(cluster);
    let timestamp = 0;
    for (const [n, server] of [leader, ...others, leader].entries()) {
      timestamp = await put(server, `k${n % 3}`, `${n}`);
    }
    const clusters = new Set<unknown>();
    for (const server of cluster.servers) {
      const status = await eventually(`${server.name} has all writes`, async () => {
        const status = await statusOf(server);
        return (status.timestamp as number) >= timestamp && status.keys === 3 && status;
      });
      assertEquals(status.server, server.name);
      assertEquals(status.leader === server.name, server === leader);
      clusters.add(status.cluster);
    }
    assertEquals(clusters.size, 1);
    assertNotEquals([...clusters], [""]);
  });

  test("a session of one cluster is refused by the client at another", async (cluster) => {
    await using another = await start();
    const addressesOf = ({ servers }: EngineCluster) => servers.map(({ address }) => address);
    await using before = new KvClient(addressesOf(cluster));
    await before.put("cor", "azul");
    const session = before.exportSession();
    await using after = new KvClient(addressesOf(another), { session });
    await assertRejects(() => after.get("cor"), ClusterResetError);
    await using same = new KvClient(addressesOf(cluster), { session });
    assertEquals((await same.get("cor")).value, "azul");
  });

  test("an observer gets the events of PUT, WRITE, GET and REPLICATION, and the table at first", async (cluster) => {
    const { leader, others: [other] } = await rolesOf(cluster);
    using atLeader = await Wire.connect(leader.address);
    using atOther = await Wire.connect(other.address);
    const received = new Map<Wire, Message[]>([[atLeader, []], [atOther, []]]);
    /** Waits for an event with these fields. */
    const hear = async (wire: Wire, fields: Message) => {
      for (let message = 0; message < 100; message++) {
        const event = received.get(wire)!.find((event) =>
          Object.entries(fields).every(([name, value]) => event[name] === value)
        );
        if (event !== undefined) return event;
        const { events } = await wire.messageOf("EVENTS");
        received.get(wire)!.push(...events as Message[]);
      }
      throw new Error(`no such event: ${JSON.stringify(fields)}`);
    };
    for (const wire of received.keys()) await wire.send({ type: "OBSERVE", id: 1, protocol: 2 });
    const { inSync } = await hear(atLeader, { kind: "members", open: true });
    assert((inSync as string[]).includes(leader.name));
    const first = await put(leader, "cor", "azul");
    await hear(atLeader, { kind: "put", key: "cor", value: "azul" });
    await hear(atLeader, { kind: "written", key: "cor", value: "azul", timestamp: first });
    const { ms } = await hear(atLeader, { kind: "put_ok", key: "cor", timestamp: first });
    assert((ms as number) >= 0 && (ms as number) < 10_000, `${ms} ms`);
    await hear(atOther, { kind: "replication", key: "cor", value: "azul", timestamp: first });
    const second = await put(other, "cor", "verde");
    await hear(atOther, { kind: "forwarding", key: "cor", value: "verde" });
    await hear(atOther, { kind: "replication", key: "cor", value: "verde", timestamp: second });
    await ask(other, { type: "GET", key: "cor", timestamp: second + 1 });
    await hear(atOther, { kind: "get", key: "cor", refused: true, own: second });
    const write = async (server: TestServer, fields: Message) => {
      const { type, timestamp } = await ask(server, { type: "WRITE", key: "cor", ...fields });
      assertEquals(type, "WRITE_OK");
      return timestamp as number;
    };
    const third = await write(leader, { value: "cinza", expected: second });
    await hear(atLeader, { kind: "write", key: "cor", value: "cinza", expected: second });
    await hear(atLeader, { kind: "written", key: "cor", value: "cinza", timestamp: third });
    await hear(atLeader, { kind: "write_ok", key: "cor", timestamp: third });
    await ask(leader, { type: "WRITE", key: "cor", value: null, expected: second });
    const found = { key: "cor", value: "cinza", timestamp: third };
    await hear(atLeader, { kind: "conflict", expected: second, ...found });
    await ask(leader, { type: "WRITE", key: "no such key", value: null });
    await hear(atLeader, { kind: "write_ok", key: "no such key", ms: undefined });
    const fourth = await write(other, { value: "verde" });
    await hear(atOther, { kind: "forwarding_write", key: "cor", value: "verde" });
    await hear(atOther, { kind: "replication", key: "cor", value: "verde", timestamp: fourth });
    using late = await Wire.connect(other.address);
    received.set(late, []);
    await late.send({ type: "OBSERVE", id: 1 });
    await hear(late, { kind: "table", key: "cor", value: "verde", timestamp: fourth });
  });

  test("a message that is not for this server is FORBIDDEN, and the connection goes on", async (cluster) => {
    for (const server of cluster.servers) {
      const { leader } = await statusOf(server);
      using wire = await Wire.connect(server.address);
      const messages: Message[] = [
        { type: "FAULT", id: 1, follower: "127.0.0.1:1", action: "pause" },
        { type: "REPLICATION", key: "k", value: "v", timestamp: 1 },
        { type: "PUT_OK", id: 3, key: "k", timestamp: 9 },
      ];
      if (leader !== server.name) {
        messages.push({ type: "JOIN", server: "127.0.0.1:1", cluster: "", timestamp: 0 });
      }
      for (const message of messages) {
        const { type, code } = await wire.ask(message);
        assertEquals([message.type, type, code], [message.type, "ERROR", "FORBIDDEN"]);
      }
      assertEquals((await wire.ask({ type: "GET", id: 9, key: "k", timestamp: 0 })).value, null);
      assertEquals(formatAddress(server.address), server.name);
    }
  });

  test("a server that closes answers the PUTs that it has accepted, and then says that it stops", async (cluster) => {
    const { leader, others } = await rolesOf(cluster);
    for (const server of [others[0], leader]) {
      using wire = await Wire.connect(server.address);
      await wire.send(...Array.from({ length: 50 }, (_, id) => ({
        type: "PUT",
        id,
        key: `k${id}`,
        value: "v",
      })));
      await wire.message(); // the first answer
      const closing = server.close();
      const replies = await wire.rest();
      wire.close();
      await closing;
      const last = replies.pop()!;
      assertEquals([last.type, last.code, last.id], ["ERROR", "UNAVAILABLE", undefined]);
      assertEquals(replies.length, 49);
      for (const { type } of replies) assertEquals(type, "PUT_OK");
    }
  });
}
