/**
 * The cost of many idle connections for one server process, and its limits.
 *
 * Not named like a test, because it needs more than the network: `deno task test:connections` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertStringIncludes } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { Process } from "../../../bench/process.ts";
import { ServerProcess } from "../../../bench/server_process.ts";
import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import { freePorts } from "../../support/ports.ts";
import { eventually } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";

const idleConnections = 10_000;
const batchConnections = 500;
const measuredRequests = 2_000;
/** The most memory that an idle connection may cost; 10 to 15 KiB were measured. */
const idleConnectionBytesMax = 40 * 1024;
/** The same for one that was busy once; 40 KiB were measured, garbage included. */
const busyConnectionBytesMax = 64 * 1024;

/** Starts a leader that is the whole cluster. */
async function serve(...flags: string[]): Promise<ServerProcess> {
  return await ServerProcess.start({ flags: ["--cluster-size=1", "--quiet", ...flags] });
}

/** PUTs and GETs per second of one client with one request at a time. */
async function rate(address: Address): Promise<number> {
  await using client = new KvClient([address]);
  const from = performance.now();
  for (let n = 0; n < measuredRequests / 2; n++) {
    const { timestamp } = await client.put("k", `${n}`);
    const result = await client.get("k");
    assertEquals([result.value, result.timestamp], [`${n}`, timestamp]);
  }
  return Math.round(measuredRequests / ((performance.now() - from) / 1000));
}

/** Opens idle connections in batches, because the system queues only some of them for the server. */
async function open(address: Address, count: number): Promise<Wire[]> {
  const wires: Wire[] = [];
  while (wires.length < count) {
    const batch = Math.min(batchConnections, count - wires.length);
    wires.push(
      ...await Promise.all(Array.from({ length: batch }, () => Wire.connect(address))),
    );
  }
  return wires;
}

Deno.test(`${idleConnections} idle connections on one server slow down one active connection little`, async () => {
  await using server = await serve();
  await rate(server.address); // warm
  const [rateBefore, bytesBefore] = [await rate(server.address), await server.residentBytes()];
  const from = performance.now();
  const wires = await open(server.address, idleConnections);
  try {
    // The last one is answered, so all before it were accepted.
    const status = await wires.at(-1)!.ask({ type: "STATUS", id: 1 });
    assertEquals(status.type, "STATUS_OK");
    const ms = Math.round(performance.now() - from);
    const rateDuring = await rate(server.address);
    const bytesEach = (await server.residentBytes() - bytesBefore) / idleConnections;
    // deno-lint-ignore no-console
    console.log(
      `${idleConnections} idle connections made in ${ms} ms; ${
        (bytesEach / 1024).toFixed(1)
      } KiB each; one client: ${rateBefore} requests/s before, ${rateDuring} during`,
    );
    assertGreater(idleConnectionBytesMax, bytesEach);
    assertGreater(rateDuring, rateBefore / 4);
    const answer = await wires[0]!.ask({ type: "GET", id: 2, key: "k", timestamp: 0 });
    assertEquals(answer.type, "GET_OK");
  } finally {
    for (const wire of wires) wire.close();
  }
});

Deno.test("a connection that has sent one long line costs little when it is idle", async () => {
  const line = `{"type":"STATUS","id":1,"x":"${"x".repeat(70_000)}"}\n`;
  const count = 4_000; // with this number the garbage of a heap weighs little for each
  await using server = await serve();
  await rate(server.address); // warm
  const before = await server.residentBytes();
  const wires = await open(server.address, count);
  try {
    for (const wire of wires) {
      await wire.write(line);
      await wire.message();
    }
    const bytesEach = (await server.residentBytes() - before) / count;
    // deno-lint-ignore no-console
    console.log(`${(bytesEach / 1024).toFixed(1)} KiB for a connection that has sent a long line`);
    assertGreater(busyConnectionBytesMax, bytesEach);
  } finally {
    for (const wire of wires) wire.close();
  }
});

Deno.test("connections over the limits are refused with OVERLOADED; the others are served", async () => {
  for (const flag of ["--max-connections=8", "--max-connections-per-ip=8"]) {
    await using server = await serve(flag);
    const { address } = server;
    const wires = await eventually("the connections of the start are gone", async () => {
      const opened = await open(address, 8);
      const statuses = await Promise.all(
        opened.map((wire) => wire.ask({ type: "STATUS", id: 1 }).catch(() => undefined)),
      );
      if (statuses.every((status) => status?.type === "STATUS_OK")) return opened;
      for (const wire of opened) wire.close();
      return undefined;
    });
    using over = await Wire.connect(address);
    assertEquals((await over.message()).code, "OVERLOADED", flag);
    assertEquals(await over.line(), undefined, "it ends");
    for (const wire of wires) {
      assertEquals((await wire.ask({ type: "STATUS", id: 2 })).type, "STATUS_OK");
    }
    wires.pop()!.close();
    await eventually(`${formatAddress(address)} has room again`, async () => {
      using wire = await Wire.connect(address);
      return (await wire.ask({ type: "STATUS", id: 3 })).type === "STATUS_OK";
    });
    for (const wire of wires) wire.close();
  }
});

Deno.test("a client that sends requests and reads no answers costs a bounded amount of memory", async () => {
  await using server = await serve("--write-timeout=1");
  await using client = new KvClient([server.address]);
  await client.put("big", "x".repeat(1024 * 1024));
  const before = await server.residentBytes();
  using greedy = await Wire.connect(server.address);
  const get = { type: "GET", id: 1, key: "big", timestamp: 0 };
  await greedy.send(...Array.from({ length: 500 }, () => get)); // half a GiB, if all answers were made
  assertEquals((await client.get("big")).value?.length, 1024 * 1024, "others are served meanwhile");
  const grown = await server.residentBytes() - before;
  assert(grown < 100 * 1024 * 1024, `${grown} bytes for one client that does not read`);
});

/** Flags of a leader that waits for a follower: a PUT has no answer until its timeout. */
const waiting = ["--cluster-size=2", "--put-timeout=2"];
const put = { type: "PUT", id: 1, key: "k", value: "v" };
const get = { type: "GET", id: 2, key: "k", timestamp: 0 };
const MiB = 1024 * 1024;

/** The types and ids of answers, in order. */
function typesOf(answers: Message[]): unknown[] {
  return answers.map(({ type, code, id }) => [code ?? type, id]);
}

Deno.test("--max-in-flight: at the limit a connection is not read until one request is answered", async () => {
  await using server = await serve(...waiting, "--max-in-flight=3");
  using busy = await Wire.connect(server.address);
  using other = await Wire.connect(server.address);
  await busy.send(...[1, 2, 3].map((id) => ({ ...put, id })), { ...get, id: 4 });
  const before = await server.residentBytes();
  const filler = "x".repeat(MiB);
  const more = Array.from({ length: 200 }, (_, n) => ({ ...get, id: 5 + n, filler }));
  let sent = 0;
  const sending = (async () => {
    for (const message of more) {
      await busy.send(message);
      sent++;
    }
  })();
  assertEquals(typesOf([await other.ask(get)]), [["TRY_OTHER_SERVER_OR_LATER", 2]]);
  const first = await busy.messages(4);
  assertEquals(typesOf(first).slice(0, 3), [1, 2, 3].map((id) => ["UNAVAILABLE", id]));
  assertEquals(first[3]!.id, 4, "the fourth request waited for these answers");
  assert(sent < more.length, "the rest could not be sent");
  const grown = await server.residentBytes() - before;
  assert(grown < 100 * MiB, `${grown} bytes for a client that was not read`);
  const answers = await busy.messages(more.length);
  await sending;
  assertEquals(answers.map(({ id }) => id), more.map(({ id }) => id), "then all are answered");
});

Deno.test("--max-outstanding-puts: one more is OVERLOADED at once, and GETs are answered", async () => {
  await using server = await serve(...waiting, "--max-outstanding-puts=3");
  using wire = await Wire.connect(server.address);
  await wire.send(...[1, 2, 3, 4].map((id) => ({ ...put, id })));
  assertEquals(typesOf([await wire.message()]), [["OVERLOADED", 4]]);
  assertEquals(typesOf([await wire.ask(get)]), [["TRY_OTHER_SERVER_OR_LATER", 2]]);
  const late = [1, 2, 3].map((id) => ["UNAVAILABLE", id]);
  assertEquals(typesOf(await wire.messages(3)), late);
  await wire.send({ ...put, id: 5 });
  assertEquals(typesOf([await wire.message()]), [["UNAVAILABLE", 5]], "there is room again");
});

Deno.test("--max-waiting: the text of PUTs that wait for servers is bounded", async () => {
  await using server = await serve(...waiting, "--max-waiting=1");
  using wire = await Wire.connect(server.address);
  await wire.send(...[1, 2].map((id) => ({ ...put, id, value: "v".repeat(MiB) })));
  assertEquals(typesOf([await wire.message()]), [["OVERLOADED", 2]]);
});

Deno.test("--frame-timeout: a client that sends half a frame is cut off, an idle one is not", async () => {
  await using server = await serve("--frame-timeout=1");
  using idle = await Wire.connect(server.address);
  using half = await Wire.connect(server.address);
  using late = await Wire.connect(server.address);
  await Promise.all([half, late].map((wire) => wire.write(`{"type":"GET",`)));
  await late.write(`"id":3,"key":"k","timestamp":0}\n`);
  assertEquals(await half.line(), undefined, "it has ended");
  assertEquals(typesOf([await late.message()]), [["GET_OK", 3]]);
  assertEquals(typesOf([await idle.ask(get)]), [["GET_OK", 2]]);
});

Deno.test("--write-timeout: a client that never reads its answers is cut off", async () => {
  await using server = await serve("--write-timeout=1");
  using greedy = await Wire.connect(server.address);
  await greedy.ask({ ...put, value: "x".repeat(MiB) });
  await greedy.send(...Array.from({ length: 200 }, (_, id) => ({ ...get, id })));
  await eventually("it is cut off", async () => {
    try {
      await greedy.send(get);
    } catch (error) {
      return error instanceof Deno.errors.BrokenPipe ||
        error instanceof Deno.errors.ConnectionReset;
    }
    return false;
  });
});

Deno.test("--max-buffered: many half-sent frames cost a bounded amount of memory", async () => {
  await using server = await serve("--max-buffered=64");
  await using client = new KvClient([server.address]);
  await client.put("k", "v");
  const before = await server.residentBytes();
  const half = "x".repeat(6 * MiB);
  let most = 0;
  let cut = 0;
  await using wires = new AsyncDisposableStack();
  for (let n = 0; n < 200; n++) { // 1.2 GiB, if the server kept all
    const wire = wires.use(await Wire.connect(server.address));
    await wire.write(half).catch(() => cut++);
    assertEquals((await client.get("k")).value, "v");
    most = Math.max(most, await server.residentBytes() - before);
  }
  assert(most < 400 * MiB, `${most} bytes for half-sent frames, ${cut} of them cut while sending`);
});

Deno.test("--max-frame, --max-key and --max-value: anything larger is TOO_LARGE", async () => {
  await using server = await serve("--max-frame=65536", "--max-key=3", "--max-value=5");
  using wire = await Wire.connect(server.address);
  assertEquals(typesOf([await wire.ask({ ...put, key: "kkkk" })]), [["TOO_LARGE", 1]]);
  assertEquals(typesOf([await wire.ask({ ...put, value: "vvvvvv" })]), [["TOO_LARGE", 1]]);
  assertEquals(typesOf([await wire.ask({ ...put, key: "kkk", value: "vvvvv" })]), [["PUT_OK", 1]]);
  await wire.send({ ...get, filler: "x".repeat(65_536) });
  assertEquals(typesOf(await wire.rest()), [["TOO_LARGE", undefined]]);
});

/** Deno with at most this number of open files and sockets. Its own take some 20 of them. */
function limitedTo(files: number) {
  return ["sh", "-c", `ulimit -n ${files}; exec "$0" "$@"`] as const;
}

/** Opens connections that never send anything. The system may queue some that are not accepted. */
async function openIdle(address: Address, count: number): Promise<Deno.Conn[]> {
  const conns: Deno.Conn[] = [];
  while (conns.length < count) conns.push(await Deno.connect(address));
  return conns;
}

/** The status of a GET over HTTP; 0 if there is no answer. */
async function httpStatus({ hostname, port }: Address, path: string): Promise<number> {
  try {
    const signal = AbortSignal.timeout(2_000);
    const response = await fetch(`http://${hostname}:${port}${path}`, { signal });
    await response.body?.cancel();
    return response.status;
  } catch {
    return 0;
  }
}

Deno.test("idle connections that take all descriptors end nothing: clients and metrics are served", async () => {
  const [metricsPort] = freePorts(1) as [number];
  const metrics = { hostname: "127.0.0.1", port: metricsPort };
  await using server = await ServerProcess.start({
    flags: ["--cluster-size=1", `--metrics-port=${metricsPort}`],
    wrapper: limitedTo(256),
  });
  const { address } = server;
  const flood = await openIdle(address, 400);
  try {
    await server.reports("cannot accept a connection: Too many open files");
    await server.reports("this process can open no more files: it takes ");
    await eventually("metrics", async () => await httpStatus(metrics, "/metrics") === 200);
    // One IP address has at most three quarters, but the flood comes from the same one.
    const refusal = await eventually("a refusal that says why", async () => {
      using over = await Wire.connect(address);
      return await over.message().catch(() => undefined);
    });
    assertEquals(refusal.code, "OVERLOADED");
    assertStringIncludes(`${refusal.message}`, "its process can open no more files");
    // The reserve suffices for those that are refused: the limit is lowered once.
    assertEquals(server.errors.split("this process can open no more files").length, 2);
  } finally {
    for (const conn of flood) conn.close();
  }
  await using client = new KvClient([address]);
  await eventually("a PUT", () => client.put("k", "v").catch(() => undefined));
  assertEquals(await httpStatus(metrics, "/readyz"), 200);
  assertEquals(server.ended, false, server.errors);
  const reports = server.errors.split("cannot accept a connection").length - 1;
  assertEquals(reports, 1, "reported once, not each time");
});

Deno.test("the port for metrics has limits of its own, and recovers when no connection can be accepted", async () => {
  for (const files of [256, 60]) {
    const [metricsPort] = freePorts(1) as [number];
    const metrics = { hostname: "127.0.0.1", port: metricsPort };
    await using server = await ServerProcess.start({
      flags: ["--cluster-size=1", `--metrics-port=${metricsPort}`],
      wrapper: limitedTo(files),
    });
    const flood = await openIdle(metrics, 200);
    if (files === 256) {
      await server.reports("this port has 32 connections from 127.0.0.1 already");
      // A few at a time are told why; the others are closed.
      await eventually("a refusal", async () => await httpStatus(metrics, "/metrics") === 503);
      await using client = new KvClient([server.address]);
      await client.put("k", "v");
    } else await server.reports("cannot accept a connection: Too many open files");
    for (const conn of flood) conn.close();
    await eventually("metrics", async () => await httpStatus(metrics, "/metrics") === 200);
    await using client = new KvClient([server.address]);
    await client.put("k", "w");
    assertEquals(server.ended, false, server.errors);
  }
});

Deno.test("idle connections that take all descriptors of the dashboard do not end it", async () => {
  const [port] = freePorts(1) as [number];
  const address = { hostname: "127.0.0.1", port };
  const [program, ...args] = [...limitedTo(100), Deno.execPath()];
  await using dashboard = new Process(
    program,
    [...args, "run", "--no-prompt", "--allow-net", "dashboard/main.ts", `--port=${port}`],
  );
  await dashboard.listensOn(port);
  const flood = await openIdle(address, 200);
  await dashboard.reports("cannot accept a connection: Too many open files");
  for (const conn of flood) conn.close();
  await eventually("the page", async () => await httpStatus(address, "/") === 200);
  assertEquals(dashboard.ended, false, dashboard.errors);
});
