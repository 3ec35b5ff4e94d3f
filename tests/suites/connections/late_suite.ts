import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Secret } from "../../../lib/auth/secret.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { unprovenFrameBytesMax } from "../../../lib/net/connection.ts";
import type { ServerLimits } from "../../../lib/server/server_limits.ts";
import { FakeServer } from "../../support/fake_server.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually, within } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

const put = { type: "PUT", id: 1, key: "cor", value: "azul" };
const get = { type: "GET", id: 2, key: "cor", timestamp: 0 };
const alone = { clusterSize: 1, minInSync: 1 };
/** Looks for late clients so often that a test need not wait for long. */
const often = { sweepMs: 5, tickMs: 5 };

async function guarded(limits: Partial<ServerLimits> = {}): Promise<TestServer> {
  const secrets = { server: await Secret.from("segredo"), client: await Secret.from("senha") };
  return new TestServer(anyPort, undefined, alone, { ...often, ...limits }, { secrets });
}

// The proof of the password

Deno.test("a client that proves nothing is told so and disconnected; one that has proved it stays", async () => {
  await using server = await guarded({ proofMs: 100 });
  await using client = new KvClient([server.address], { password: "senha" });
  await client.put("cor", "azul");
  using silent = await Wire.connect(server.address);
  using asking = await Wire.connect(server.address);
  const asked = (async () => { // requests and a HELLO are no proof
    await asking.send({ type: "HELLO", role: "client", nonce: "0".repeat(32) });
    while (await asking.line() !== undefined) await asking.send(get).catch(() => {});
  })();
  const [error, ...more] = await silent.rest();
  assertEquals([error?.type, error?.code, more], ["ERROR", "FORBIDDEN", []]);
  assertStringIncludes(`${error?.message}`, "100 ms (--proof-timeout)");
  assertStringIncludes(`${error?.message}`, "KV_PASSWORD");
  await within("the other one ends", asked);
  assertEquals((await client.get("cor")).value, "azul");
});

Deno.test("without a password a client need not prove anything", async () => {
  await using server = await TestServer.alone({}, { ...often, proofMs: 1, halfFrameMs: 20 });
  using wire = await Wire.connect(server.address);
  using half = await Wire.connect(server.address);
  await half.write("{");
  assertEquals(await half.rest(), []); // it was cut off, long after the time for a proof
  assertEquals((await wire.ask(get)).type, "GET_OK");
});

Deno.test("before the proof a longer line than the handshake needs ends the connection", async () => {
  await using server = await guarded();
  const frameOf = (bytes: number) => {
    const frame = JSON.stringify({ ...get, filler: "" });
    return `${frame.slice(0, -2)}${"x".repeat(bytes - frame.length - 1)}"}\n`;
  };
  using wire = await Wire.connect(server.address);
  await wire.write(frameOf(unprovenFrameBytesMax));
  assertEquals((await wire.message()).code, "FORBIDDEN");
  await wire.write(frameOf(unprovenFrameBytesMax + 1));
  const [error] = await wire.rest();
  assertEquals(error?.code, "TOO_LARGE");
  assertStringIncludes(`${error?.message}`, `longer than ${unprovenFrameBytesMax} bytes`);
  assertStringIncludes(`${error?.message}`, "password");
});

Deno.test("after the proof long values are taken, from clients and through a follower", async () => {
  const secrets = { server: await Secret.from("segredo"), client: await Secret.from("senha") };
  const two = { clusterSize: 2, minInSync: 2 };
  await using leader = new TestServer(anyPort, undefined, two, often, { secrets });
  await using follower = new TestServer(anyPort, leader.address, two, often, { secrets });
  await Promise.all([leader.ready(), follower.ready()]);
  for (const server of [leader, follower]) {
    await using client = new KvClient([server.address], { password: "senha" });
    const value = "v".repeat(20 * unprovenFrameBytesMax);
    await client.put("cor", value);
    assertEquals((await client.get("cor")).value, value);
  }
  assertEquals(follower.holds("cor")?.timestamp, leader.holds("cor")?.timestamp);
});

Deno.test("a follower takes only short frames from a leader that has not proved the secret", async () => {
  const answers = Promise.withResolvers<unknown>();
  await using leader = new FakeServer(async (wire) => {
    await wire.messageOf("HELLO");
    await wire.write("x".repeat(unprovenFrameBytesMax));
    answers.resolve((await wire.rest()).map(({ code }) => code));
  });
  const secrets = { server: await Secret.from("segredo") };
  await using _follower = new TestServer(anyPort, leader.address, {}, often, { secrets });
  assertEquals(await within("it ends the connection", answers.promise), ["TOO_LARGE"]);
});

// Idle clients

Deno.test("an idle client is told so and disconnected; by default never", async () => {
  await using server = await TestServer.alone({}, { ...often, idleMs: 50 });
  await using patient = await TestServer.alone({}, often);
  using waiting = await Wire.connect(patient.address);
  assertEquals((await waiting.ask(get)).type, "GET_OK");
  using wire = await Wire.connect(server.address);
  assertEquals((await wire.ask(get)).type, "GET_OK");
  const [error, ...more] = await wire.rest();
  assertEquals([error?.type, error?.code, error?.id, more], [
    "ERROR",
    "UNAVAILABLE",
    undefined,
    [],
  ]);
  assertStringIncludes(`${error?.message}`, "50 ms (--idle-timeout)");
  assertEquals((await waiting.ask(get)).type, "GET_OK");
});

Deno.test("a client that vanished without a word frees its place", async () => {
  const limits = { ...often, idleMs: 50, connectionsPerIpMax: 2, lingerMs: 20 };
  await using server = await TestServer.alone({}, limits);
  await using vanished = new AsyncDisposableStack(); // they neither read, send nor close
  for (let n = 0; n < 2; n++) vanished.use(await Wire.connect(server.address));
  await eventually("there is room", async () => {
    using wire = await Wire.connect(server.address);
    return (await wire.ask({ type: "STATUS", id: 1 }).catch(() => undefined))?.type === "STATUS_OK";
  });
});

Deno.test("a client whose PUT waits for other servers is not idle", async () => {
  const tuning = { clusterSize: 2, minInSync: 2, putTimeoutMs: 400 };
  await using server = new TestServer(anyPort, undefined, tuning, { ...often, idleMs: 50 });
  using wire = await Wire.connect(server.address);
  const { code, id } = await wire.ask(put);
  assertEquals([code, id], ["UNAVAILABLE", 1]);
});

Deno.test("an observer is not idle, and neither is a follower", async () => {
  const limits = { ...often, idleMs: 50 };
  const two = { clusterSize: 2, minInSync: 2 };
  await using leader = new TestServer(anyPort, undefined, two, limits);
  await using follower = new TestServer(anyPort, leader.address, two, limits);
  await Promise.all([leader.ready(), follower.ready()]);
  using observer = await Wire.connect(leader.address);
  await observer.send({ type: "OBSERVE", id: 3 });
  for (let n = 0; n < 3; n++) assertEquals((await observer.messageOf("EVENTS")).id, 3);
  assertEquals(leader.reports.filter((line) => line.includes("lost")), []);
  using wire = await Wire.connect(follower.address);
  assertEquals((await wire.ask(put)).type, "PUT_OK");
});

Deno.test("the library connects again after it was idle, and no request fails", async () => {
  await using server = await TestServer.alone({}, { ...often, idleMs: 1 });
  await using client = new KvClient([server.address]);
  for (let n = 1; n <= 40; n++) {
    // The pauses are about as long as the limit, so that requests cross the end of the connection.
    const { timestamp } = await client.put("cor", `${n}`);
    assertEquals(timestamp, n);
    await new Promise((resolve) => setTimeout(resolve, n % 12));
    assertEquals((await client.get("cor")).value, `${n}`);
  }
});

Deno.test("a PUT that crossed the end of an idle connection is sent once more, not lost", async () => {
  const puts: number[] = [];
  await using server = new FakeServer(async (wire, index) => {
    const { id } = await wire.messageOf("PUT");
    puts.push(index);
    if (index === 0) {
      await wire.send({ type: "ERROR", code: "UNAVAILABLE", message: "idle" });
      return wire.close();
    }
    await wire.send({ type: "PUT_OK", id, key: "cor", timestamp: 1 });
  });
  await using client = new KvClient([server.address]);
  assertEquals((await client.put("cor", "azul")).timestamp, 1);
  assertEquals(puts, [0, 1]);
});

Deno.test("an id-less ERROR of any other code leaves the outcome of a PUT unknown", async () => {
  await using server = new FakeServer(async (wire) => {
    await wire.messageOf("PUT");
    await wire.send({ type: "ERROR", code: "BAD_MESSAGE", message: "x" });
  });
  await using client = new KvClient([server.address]);
  const error = await client.put("cor", "azul").catch((error: Error) => error);
  assert(error instanceof Error);
  assertEquals(error.name, "UnknownOutcomeError");
});
