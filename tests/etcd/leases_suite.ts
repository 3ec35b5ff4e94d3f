import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { EtcdClient } from "../../lib/etcd/client.ts";
import { EtcdEngine } from "../../lib/etcd/engine.ts";
import { EtcdError } from "../../lib/etcd/errors.ts";
import { Leases } from "../../lib/etcd/leases.ts";
import { etcdError, FakeEtcd } from "../support/fake_etcd.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { eventually } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";

const soonMs = 5_000;
const ttlMs = 5_000;

/** A server on a fake etcd, with a connection to it. */
async function setUp(stack: AsyncDisposableStack) {
  const etcd = stack.use(new FakeEtcd());
  const engine = EtcdEngine.at({ url: etcd.url, prefix: "kv/" }, { pollMs: 20 });
  const server = stack.use(
    new TestServer(anyPort, undefined, { putTimeoutMs: 1_000 }, {}, { engine }),
  );
  await server.reported("answers, cluster");
  const wire = stack.use(await Wire.connect(server.address));
  let id = 0;
  const write = (key: string, more: Message) => wire.ask({ type: "WRITE", id: ++id, key, ...more });
  return { etcd, member: etcd.members[0]!, server, wire, write };
}

Deno.test("a write with a time to live has a lease that lives longer; one without it detaches the key", async () => {
  await using stack = new AsyncDisposableStack();
  const { etcd, write } = await setUp(stack);
  await write("cor", { value: "azul", ttlMs });
  const { lease } = etcd.find("kv/cor")!;
  assertEquals(etcd.leases.get(lease), ttlMs / 1_000 + 1);
  await write("cor", { value: "verde" });
  assertEquals(etcd.find("kv/cor")!.lease, 0n);
  await eventually("the lease is revoked", () => etcd.leases.size === 0);
  assert(etcd.find("kv/cor") !== undefined, "the key stays");
});

Deno.test("a lease has whole seconds: the time to live and one more, rounded up", async () => {
  await using stack = new AsyncDisposableStack();
  const { etcd, write } = await setUp(stack);
  for (
    const [ttlMs, seconds] of [[1_000, 2], [1_001, 3], [1_999, 3], [2_000, 3], [2_001, 4]] as const
  ) {
    await write("cor", { value: `${ttlMs}`, ttlMs });
    assertEquals(etcd.leases.get(etcd.find("kv/cor")!.lease), seconds, `${ttlMs} ms`);
  }
});

Deno.test("a key whose lease ends is a deletion like any other", async () => {
  await using stack = new AsyncDisposableStack();
  const { etcd, server, wire, write } = await setUp(stack);
  await write("cor", { value: "azul", ttlMs });
  etcd.endLease(etcd.find("kv/cor")!.lease);
  const revision = etcd.revision;
  await eventually("it is shown", () => server.printsOf("REPLICATION").length === 1);
  assertEquals(server.printsOf("REPLICATION"), [
    `REPLICATION key:cor value:NULL ts:${revision}.`,
  ]);
  const reply = await wire.ask({ type: "GET", id: 99, key: "cor", timestamp: revision });
  assertEquals([reply.value, reply.timestamp], [null, revision]);
  assertEquals(server.counts.expired, 0, "its time was not over");
});

Deno.test("a key that is removed after its time counts as expired, and one that is removed before does not", async () => {
  await using etcd = new FakeEtcd();
  using client = new EtcdClient({ url: etcd.url, prefix: "kv/" });
  const leases = new Leases(client, soonMs);
  for (const key of ["early", "late", "written"]) {
    using lease = await leases.take(ttlMs, soonMs);
    await lease.keep(key, 5, soonMs);
  }
  leases.written("early", 6, true);
  const now = performance.now.bind(performance);
  const real = performance.now;
  performance.now = () => now() + ttlMs + 1_000;
  try {
    leases.written("late", 7, true);
    leases.written("written", 8, false);
    leases.written("other", 9, true);
  } finally {
    performance.now = real;
  }
  assertEquals(leases.expired, 1);
  await leases.close();
});

Deno.test("writes that come together share a lease, which ends with the last of them", async () => {
  await using stack = new AsyncDisposableStack();
  const { etcd, wire, write } = await setUp(stack);
  const keys = Array.from({ length: 20 }, (_, n) => `k${n}`);
  await wire.send(
    ...keys.map((key, n) => ({ type: "WRITE", id: 100 + n, key, value: "v", ttlMs })),
  );
  const replies = await wire.messages(keys.length);
  assertEquals(new Set(replies.map(({ type }) => type)), new Set(["WRITE_OK"]));
  assertEquals(etcd.leasesGranted, 1);
  for (const key of keys.slice(1)) await write(key, { value: null });
  await eventually("the table has all", () => etcd.find("kv/k1") === undefined);
  assertEquals(etcd.leases.size, 1, "one key needs it");
  await write("k0", { value: "w" });
  await eventually("the lease is revoked", () => etcd.leases.size === 0);
});

Deno.test("a write that is refused or fails leaves no lease", async () => {
  await using stack = new AsyncDisposableStack();
  const { etcd, member, write } = await setUp(stack);
  await write("cor", { value: "azul" });
  assertEquals((await write("cor", { value: "x", ttlMs, expected: 0 })).type, "CONFLICT");
  await eventually("the lease is revoked", () => etcd.leases.size === 0);
  member.interfere = ({ path }) =>
    path === "KV/Put" ? etcdError("etcdserver: no leader") : undefined;
  assertEquals((await write("cor", { value: "x", ttlMs })).code, "UNAVAILABLE");
  await eventually("the lease is revoked", () => etcd.leases.size === 0);
  assertEquals(etcd.leasesGranted, 2);
});

Deno.test("a write that may have been made keeps its lease: the key must not end early", async () => {
  await using stack = new AsyncDisposableStack();
  const { etcd, member, write } = await setUp(stack);
  member.interfere = ({ path, body }) => {
    if (path !== "KV/Put") return undefined;
    etcd.put(body.bytes(1), body.bytes(2), ++etcd.revision, body.id(3));
    return etcdError("etcdserver: request timed out");
  };
  assertEquals((await write("cor", { value: "azul", ttlMs })).code, "UNKNOWN_OUTCOME");
  member.interfere = () => undefined;
  // Another write's lease is revoked meanwhile.
  await write("other", { value: "x", ttlMs: ttlMs + 1 });
  await write("other", { value: "y" });
  await eventually("the other lease is revoked", () => etcd.leases.size === 1);
  assertEquals(etcd.leases.has(etcd.find("kv/cor")!.lease), true);
});

Deno.test("without a lease nothing is written, and the answer says so", async () => {
  await using stack = new AsyncDisposableStack();
  const { etcd, member, write } = await setUp(stack);
  member.interfere = ({ path }) => path === "Lease/LeaseGrant" ? member.hang() : undefined;
  const { code, message } = await write("cor", { value: "azul", ttlMs });
  assertEquals(code, "UNAVAILABLE");
  assert(`${message}`.startsWith("not applied: no lease: "), `${message}`);
  assertEquals(etcd.find("kv/cor"), undefined);
});

Deno.test("a lease is renewed if its write was made late, so that no key ends early", async () => {
  await using etcd = new FakeEtcd();
  using client = new EtcdClient({ url: etcd.url, prefix: "kv/" });
  const leases = new Leases(client, soonMs);
  const [member] = etcd.members;
  {
    using lease = await leases.take(ttlMs, soonMs);
    await lease.keep("cor", 5, soonMs);
  }
  assertEquals(member!.asked("Lease/LeaseKeepAlive"), 0);
  const late = leases.take(ttlMs, soonMs);
  const now = performance.now.bind(performance);
  const real = performance.now;
  performance.now = () => now() + 2_000;
  try {
    using lease = await late;
    await lease.keep("cor", 6, soonMs);
    // A lease that has ended is renewed to 0 seconds.
    for (const answer of [{ message: member!.header() }, etcdError("etcdserver: no leader")]) {
      member!.interfere = () => answer;
      const error = await assertRejects(() => lease.keep("cor", 7, soonMs), EtcdError);
      assertEquals(error.notApplied, false);
      assertStringIncludes(error.message, "written, but its time to live may end early");
    }
  } finally {
    performance.now = real;
  }
  assertEquals(member!.asked("Lease/LeaseKeepAlive"), 3);
  member!.interfere = () => etcdError("etcdserver: no leader");
  const error = await assertRejects(() => leases.take(7_000, soonMs), EtcdError);
  assertEquals([error.kind, error.notApplied], ["no leader", true]);
});
