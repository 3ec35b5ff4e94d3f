/**
 * What many idle connections cost one server process, and that its limits hold.
 *
 * @module
 */

import { assert, assertEquals, assertGreater } from "@std/assert";
import { KvClient } from "../../lib/kv_client.ts";
import { type Address, formatAddress } from "../../lib/address.ts";
import { eventually, freePorts, Wire } from "../helpers.ts";

const project = new URL("../../", import.meta.url);
const idleConnections = 10_000;
const batchConnections = 500;
const measuredRequests = 2_000;
/** What an idle connection may cost at the most; 10 to 15 KiB were measured. */
const idleConnectionBytesMax = 40 * 1024;

/** A server that is a cluster of its own, in a process of its own. */
async function serve(
  ...flags: string[]
): Promise<{ address: Address; pid: number } & AsyncDisposable> {
  const address = { hostname: "127.0.0.1", port: freePorts(1)[0]! };
  const { hostname: ip, port } = address;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-prompt", "--allow-net", "server.ts", `--ip=${ip}`, `--port=${port}`].concat(
      [`--leader-ip=${ip}`, `--leader-port=${port}`, "--cluster-size=1", "--quiet"],
      flags,
    ),
    cwd: project,
    stdin: "null",
    stdout: "null",
    stderr: "inherit",
  }).spawn();
  await eventually("the server listens", async () => {
    try {
      using _wire = await Wire.connect(address);
      return true;
    } catch {
      return false;
    }
  });
  return {
    address,
    pid: child.pid,
    async [Symbol.asyncDispose]() {
      child.kill("SIGKILL");
      await child.status;
    },
  };
}

/** What a process holds in memory, as the system counts it. */
async function residentBytes(pid: number): Promise<number> {
  const { stdout } = await new Deno.Command("ps", { args: ["-o", "rss=", "-p", `${pid}`] })
    .output();
  return Number(new TextDecoder().decode(stdout)) * 1024;
}

/** PUTs and GETs per second of one client that works alone. */
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

/** Connections that say nothing, a batch at a time: half of a batch waits at the system anyway. */
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

Deno.test(`${idleConnections} idle connections on one server, and one that works`, async () => {
  await using server = await serve();
  await rate(server.address); // warm
  const [rateBefore, bytesBefore] = [await rate(server.address), await residentBytes(server.pid)];
  const from = performance.now();
  const wires = await open(server.address, idleConnections);
  try {
    // The last one is answered, so all before it were accepted.
    const status = await wires.at(-1)!.ask({ type: "STATUS", id: 1 });
    assertEquals(status.type, "STATUS_OK");
    const ms = Math.round(performance.now() - from);
    const rateDuring = await rate(server.address);
    const bytesEach = (await residentBytes(server.pid) - bytesBefore) / idleConnections;
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

Deno.test("connections over the limits are refused with OVERLOADED, and nobody else notices", async () => {
  for (const flag of ["--max-connections=8", "--max-connections-per-ip=8"]) {
    await using server = await serve(flag);
    const { address } = server;
    const wires = await eventually("the connection of the start is gone", async () => {
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

Deno.test("a client that asks without reading costs a bounded amount of memory", async () => {
  await using server = await serve("--write-timeout=1");
  await using client = new KvClient([server.address]);
  await client.put("big", "x".repeat(1024 * 1024));
  const before = await residentBytes(server.pid);
  using greedy = await Wire.connect(server.address);
  const get = { type: "GET", id: 1, key: "big", timestamp: 0 };
  await greedy.send(...Array.from({ length: 500 }, () => get)); // half a GiB, if it were all made
  assertEquals((await client.get("big")).value?.length, 1024 * 1024, "others are served meanwhile");
  const grown = await residentBytes(server.pid) - before;
  assert(grown < 100 * 1024 * 1024, `${grown} bytes for one client that does not read`);
});
