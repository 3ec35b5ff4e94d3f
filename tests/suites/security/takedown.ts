/**
 * Attempts to take servers down: to keep them busy, to fill their memory, or to hold their places.
 * The servers are processes, because their CPU time and memory count.
 *
 * Not named like a test, because `deno task test:security` runs it. Floods of a server without a
 * password, each limit by itself, and the end of descriptors are in `tests/suites/connections/`.
 *
 * @module
 */

import { assertEquals, assertGreater, assertLess } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { alone, ServerProcess, type ServerProcessOptions } from "../../../bench/server_process.ts";
import { KvClient, type KvClientOptions } from "../../../lib/client/kv_client.ts";
import { valueBytesMax } from "../../../lib/limits.ts";
import type { Address } from "../../../lib/wire/address.ts";
import { attacks, clientAttacks, httpAttacks } from "../../support/attacker.ts";
import { password, passwordText, secretText } from "../../support/guarded.ts";
import { complete, dialled } from "../../support/handshakes.ts";
import { freePorts } from "../../support/ports.ts";
import { eventually, within } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

/** How a server process learns its secret and password. */
const guarded: ServerProcessOptions = {
  deno: ["run", "--no-prompt", "--allow-net", "--allow-env=KV_SECRET,KV_PASSWORD", "server.ts"],
  env: { KV_SECRET: secretText, KV_PASSWORD: passwordText },
};

/** Servers that know a secret, whose clients need no password. */
const open: ServerProcessOptions = { ...guarded, env: { KV_SECRET: secretText } };

/** The options of each kind of server, and those of its clients. */
const kinds = {
  "servers with a secret and a password": [guarded, { password: passwordText }],
  "servers without a secret": [{}, {}],
} as const;

/** Three server processes in sync, the leader first. */
class Servers implements AsyncDisposable {
  readonly all: ServerProcess[] = [];

  static async start(options: ServerProcessOptions): Promise<Servers> {
    const servers = new Servers();
    const [leaderPort, ...others] = freePorts(3) as [number, number, number];
    for (const port of [leaderPort, ...others]) {
      servers.all.push(await ServerProcess.start({ ...options, port, leaderPort }));
    }
    await servers.leader.reports("3 of 3 in sync");
    return servers;
  }

  get leader(): ServerProcess {
    return this.all[0]!;
  }

  /** The CPU time of all of them, in milliseconds. */
  async cpuMs(): Promise<number> {
    let ms = 0;
    for (const { pid } of this.all) ms += await cpuMs(pid);
    return ms;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.all.map((server) => server.stop()));
  }
}

/** The CPU time of a process so far, in milliseconds. Linux counts it in hundredths of a second. */
async function cpuMs(pid: number): Promise<number> {
  await using cat = new Process("sh", ["-c", `cat /proc/${pid}/stat`], { out: "keep" });
  await cat.end();
  const fields = cat.screen.slice(cat.screen.lastIndexOf(")") + 2).split(" ");
  const [user, system] = [Number(fields[11]), Number(fields[12])];
  return 10 * (user + system);
}

/** CPU time is read from /proc. */
function linuxTest(name: string, run: () => Promise<void>): void {
  Deno.test({ name, ignore: Deno.build.os !== "linux", fn: run });
}

// Busy

/** What four connections with three lines each may cost all three servers. */
const linesMsMax = 2_500;
const flatLines = Object.keys(attacks).filter((name) => /\d{3},000/.test(name));

for (const [kind, [options, clientOptions]] of Object.entries(kinds)) {
  linuxTest(`lines of 8 MiB with many elements keep ${kind} busy for a short time`, async () => {
    await using servers = await Servers.start(options);
    await using client = new KvClient([servers.leader.address], clientOptions);
    const usual = await spent(servers, async () => {
      for (let n = 0; n < 12; n++) await client.put("cor", "v".repeat(valueBytesMax));
    });
    for (const name of flatLines) {
      const line = new TextEncoder().encode(attacks[name]!(0));
      const ms = await spent(servers, async () => {
        await Promise.all(
          servers.all.flatMap(({ address }) =>
            Array.from({ length: 4 }, () => sendLines(address, line))
          ),
        );
        await client.put("cor", "azul");
      });
      // deno-lint-ignore no-console
      console.log(`${name}: ${ms} ms of CPU; 12 values of 1 MiB: ${usual} ms`);
      assertLess(ms, usual + linesMsMax, name);
    }
    assertEquals(servers.leader.errors.includes(" left"), false, servers.leader.errors);
  });
}

async function spent(servers: Servers, work: () => Promise<void>): Promise<number> {
  const before = await servers.cpuMs();
  await work();
  return await servers.cpuMs() - before;
}

/** Sends a line three times. The server may end the connection at the first one. */
async function sendLines(address: Address, line: Uint8Array): Promise<void> {
  using wire = await Wire.connect(address);
  const drained = wire.drain();
  for (let n = 0; n < 3; n++) if (await wire.write(line).then(() => false, () => true)) break;
  await within("the server ends the connection", drained);
}

// Busy with HTTP

linuxTest(
  "requests behind the first one on a connection to the metrics cost little and delay no client",
  async () => {
    const [port] = freePorts(1) as [number];
    await using server = await ServerProcess.start({ flags: [...alone, `--metrics-port=${port}`] });
    const requests = new TextEncoder().encode(
      "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".repeat(50_000),
    );
    const before = await cpuMs(server.pid);
    using wire = await Wire.connect({ hostname: "127.0.0.1", port });
    const drained = wire.drain();
    await wire.write(requests).catch(() => {}); // it ends after the first answer
    await within("it ends", drained);
    await using client = new KvClient([server.address]);
    await client.put("cor", "azul");
    assertLess(await cpuMs(server.pid) - before, 1_500);
  },
);

// Places

/** What strangers do until the time for their proof is over. */
const strangers: Readonly<Record<string, (wire: Wire) => Promise<unknown>>> = {
  "say nothing": async () => {},
  "send one byte after the other": async (wire) => {
    for (const byte of `{"type":"HELLO","role":"client"`) await wire.write(byte);
  },
  "begin the handshake again and again": async (wire) => {
    const hello = { type: "HELLO", role: "client", nonce: "0".repeat(32) };
    for (let n = 0; n < 20; n++) await wire.send(hello);
  },
  "send requests": async (wire) => {
    for (let id = 0; id < 20; id++) await wire.send({ type: "STATUS", id });
  },
  "send a line that does not end": async (wire) => {
    await wire.write(`{"type":"STATUS","id":1,"x":"${"x".repeat(1024 * 1024)}`);
  },
  "send the longest line": async (wire) => {
    const line = JSON.stringify({ type: "STATUS", id: 1, x: "" });
    await wire.write(`${line.slice(0, -2)}${"x".repeat(4_095 - line.length)}"}\n`);
  },
};
const strangersEach = 200;
const strangersAll = strangersEach * Object.keys(strangers).length;
/** The most memory that one of them may cost. */
const strangerBytesMax = 64 * 1024;

Deno.test(`${strangersAll} strangers that prove nothing cost little memory, and end in the time of --proof-timeout`, async () => {
  await using server = await ServerProcess.start({
    ...guarded,
    flags: [...alone, "--proof-timeout=3"],
  });
  await using client = new KvClient([server.address], { password: passwordText });
  await client.put("cor", "azul");
  const before = await server.residentBytes();
  await using stack = new AsyncDisposableStack();
  const from = performance.now();
  const ended: Promise<void>[] = [];
  const acted: Promise<unknown>[] = [];
  for (const act of Object.values(strangers)) {
    for (let n = 0; n < strangersEach; n++) {
      const wire = stack.use(await Wire.connect(server.address));
      ended.push(wire.drain());
      acted.push(act(wire).catch(() => {})); // its time may be over
    }
    await Promise.all(acted);
  }
  const bytesEach = (await server.residentBytes() - before) / ended.length;
  assertLess(bytesEach, strangerBytesMax);
  await within("all have ended", Promise.all(ended), 30_000);
  // deno-lint-ignore no-console
  console.log(
    `${Math.round(bytesEach / 1024)} KiB each; all ended ${
      Math.round(performance.now() - from)
    } ms after the first`,
  );
  using honest = await dialled(server.address, password, "client");
  await complete(honest);
  const { connections } = await honest.wire.ask({ type: "STATUS", id: 1 });
  assertEquals(connections, 2, "the client and this one");
});

Deno.test("half a frame that grows by a byte at a time is cut off at the time of --frame-timeout", async () => {
  await using server = await ServerProcess.start({ flags: [...alone, "--frame-timeout=1"] });
  using slow = await Wire.connect(server.address);
  let over = false;
  const drained = slow.drain().then(() => over = true);
  await eventually("it is cut off", async () => {
    await slow.write("x").catch(() => {});
    return over;
  });
  await drained;
});

// The share of an honest client

const rounds = 6;
const roundMs = 700;
/** The least share of its usual rate that an honest client must get in one of the rounds. */
const shareMin = { store: 1 / 10, metrics: 1 / 4 };

for (const attack of Object.keys(attacks)) {
  Deno.test(`an attack with ${attack} leaves an honest client of servers with a secret its share`, async () => {
    await assertShare(attack, guarded, { password: passwordText });
  });
}

for (const attack of Object.keys(clientAttacks)) {
  Deno.test(`an attack with ${attack} leaves an honest client of servers without a password its share`, async () => {
    await assertShare(attack, open, {});
  });
}

for (const attack of Object.keys(httpAttacks)) {
  Deno.test(`an attack on the port for metrics with ${attack} leaves an honest client its share`, async () => {
    await assertShare(attack, {}, {}, "metrics");
  });
}

/**
 * Asserts that an honest client gets its share while its server is attacked. The same attack on another
 * server is the measure, because it takes as much of the machine.
 */
async function assertShare(
  attack: string,
  options: ServerProcessOptions,
  clientOptions: KvClientOptions,
  attacked: keyof typeof shareMin = "store",
): Promise<void> {
  const [targetMetrics, decoyMetrics] = freePorts(2) as [number, number];
  const start = (metricsPort: number) =>
    ServerProcess.start({
      ...options,
      flags: [
        ...alone,
        "--quiet",
        ...attacked === "metrics" ? [`--metrics-port=${metricsPort}`] : [],
      ],
    });
  await using target = await start(targetMetrics);
  await using decoy = await start(decoyMetrics);
  const ports = attacked === "metrics"
    ? [targetMetrics, decoyMetrics] as const
    : [target.address.port, decoy.address.port] as const;
  await using client = new KvClient([target.address], clientOptions);
  let best = 0;
  for (let round = 0; round < rounds && best < shareMin[attacked]; round++) {
    const usual = await rateDuring(attack, ports[1], client);
    best = Math.max(best, await rateDuring(attack, ports[0], client) / usual);
  }
  // deno-lint-ignore no-console
  console.log(`${Math.round(best * 100)} % of the usual rate`);
  assertGreater(best, shareMin[attacked]);
  assertEquals([target.ended, decoy.ended], [false, false]);
}

Deno.test("during an attack with HELLO without end, a new client and a new follower prove themselves in time", async () => {
  const flags = ["--cluster-size=2"];
  await using leader = await ServerProcess.start({ ...guarded, flags });
  const attacker = await attackOn(leader.address.port, "HELLO without end");
  try {
    const leaderPort = leader.address.port;
    const port = freePorts(1)[0]!;
    await using _follower = await ServerProcess.start({ ...guarded, flags, port, leaderPort });
    await leader.reports("2 of 2 in sync");
    await using client = new KvClient([leader.address], { password: passwordText });
    assertEquals((await client.put("cor", "azul")).timestamp, 1);
  } finally {
    await attacker.kill();
  }
});

/** Starts an attack, which the caller has to end. */
async function attackOn(port: number, attack: string): Promise<Process> {
  const program = ["run", "--no-prompt", "--allow-net=127.0.0.1", "tests/support/attacker.ts"];
  const attacker = Process.deno([...program, `${port}`, attack]);
  await attacker.reports("attacking");
  return attacker;
}

/** PUTs and GETs of the client per second while a port, of its server or of another one, is attacked. */
async function rateDuring(
  attack: string,
  port: number,
  client: KvClient,
): Promise<number> {
  const attacker = await attackOn(port, attack);
  try {
    const from = performance.now();
    let done = 0;
    for (; performance.now() < from + roundMs; done += 2) {
      const { timestamp } = await client.put("cor", `${done}`);
      assertEquals((await client.get("cor")).timestamp, timestamp);
    }
    return done * 1_000 / (performance.now() - from);
  } finally {
    await attacker.kill();
  }
}
