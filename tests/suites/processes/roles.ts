/**
 * The roles as real processes: keyboards, consoles, signals and exit codes.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertMatch,
  assertStringIncludes,
} from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { ServerCluster } from "../../../bench/server_cluster.ts";
import { UnavailableError, UnknownOutcomeError } from "../../../lib/client/errors.ts";
import { type GetResult, KvClient } from "../../../lib/client/kv_client.ts";
import { recoverySkip } from "../../../lib/replication/recovery.ts";
import { linesOf } from "../../support/lines.ts";
import { anyPort, freePorts } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { commandOf, startCommand, startTask, taskCommands } from "../../support/tasks.ts";
import { eventually } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";
import { ClientConsole, Transcript } from "./support/five_consoles.ts";

const unix = Deno.build.os !== "windows";

/** Starts three servers whose consoles and reports are kept. */
async function startServers(): Promise<ServerCluster> {
  return await ServerCluster.start({ process: { out: "keep", group: false, flags: [] } });
}

Deno.test("three server tasks and two client tasks: every character of their consoles", async () => {
  const ports = freePorts(3);
  const [leader] = ports;
  await using stack = new AsyncDisposableStack();
  const servers = ports.map(() => stack.use(startTask("server")));
  for (const [index, port] of ports.entries()) {
    await servers[index]!.type(`\n${port}\n127.0.0.1\n${leader}\n`);
    if (index === 1) await servers[index]!.endInput(); // as with a file; the other inputs stay open
  }
  await servers[0]!.reports("(3 of 3 in sync)\nopen");
  const clients = ["A", "B"].map(() => new ClientConsole(stack.use(startTask("client"))));
  const [a, b] = clients as [ClientConsole, ClientConsole];
  await a.init(ports);
  await b.init(ports.toReversed());

  const transcript = new Transcript(ports);
  transcript.get("A", await a.get("cor", "NULL", 0, 0), "cor", 0, 0, "NULL");
  const values = ["azul", "verde é 🙂", 'dito "sim"', "rosa", "preto"];
  for (const [index, value] of values.entries()) {
    const ts = index + 1;
    transcript.put("A", await a.put("cor", value, ts), "cor", value, ts);
    transcript.get("A", await a.get("cor", value, ts, ts), "cor", ts, ts, value);
    const seen = index; // the timestamp that B saw before
    transcript.get("B", await b.get("cor", value, seen, ts), "cor", seen, ts, value);
  }
  transcript.put("B", await b.put("nome", "Zé", 6), "nome", "Zé", 6);
  transcript.get("A", await a.get("nome", "Zé", 0, 6), "nome", 0, 6, "Zé");
  await a.end();
  await b.end();

  for (const [index, port] of ports.entries()) {
    const server = servers[index]!;
    assertEquals(await server.stop(index === 0 || !unix ? "SIGINT" : "SIGTERM"), 0);
    const questions = `IP [127.0.0.1]: \nPorta [10097]: ${port}\n` +
      `IP do líder [127.0.0.1]: 127.0.0.1\nPorta do líder [10097]: ${leader}\n`;
    assert(server.screen.startsWith(questions), server.screen);
    transcript.check(port, server.screen.slice(questions.length));
  }
});

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  Deno.test({
    name: `${signal}: a server answers, closes and ends with code 0; its port is free at once`,
    ignore: !unix && signal !== "SIGINT",
    fn: async () => {
      const [port] = freePorts(1) as [number];
      const flags = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
      const start = () =>
        startTask("server", ...flags, `--leader-port=${port}`, "--cluster-size=1");
      for (let life = 0; life < 2; life++) {
        await using server = start();
        await server.reports("serving on");
        using wire = await Wire.connect({ hostname: "127.0.0.1", port });
        const answer = await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" });
        assertEquals(answer.type, "PUT_OK");
        server.signal(signal);
        assertEquals((await wire.message()).code, "UNAVAILABLE"); // it answers, and stops
        assertEquals(await wire.line(), undefined); // the server closes first
        wire.close();
        assertEquals(await server.end(), 0);
        assertMatch(server.errors, /\nstopping\n$/);
      }
    },
  });
}

Deno.test("a follower dies by SIGKILL: PUTs go on; restarted on its port it prints the missed writes", async () => {
  await using cluster = await startServers();
  const { addresses, processes: servers } = cluster;
  await using client = new KvClient(addresses.slice(0, 2));
  await client.put("cor", "azul");
  await servers[2]!.kill();
  assertEquals((await client.put("cor", "verde")).timestamp, 2);
  const leader = servers[0]!;
  await leader.reports(`127.0.0.1:${addresses[2]!.port} left`);

  const from = leader.errors.length;
  const restarted = cluster.restart(2);
  await leader.reports(`127.0.0.1:${addresses[2]!.port} is in sync (3 of 3 in sync)`, from);
  await using its = new KvClient([addresses[2]!]);
  assertEquals((await its.get("cor")).value, "verde");
  assertEquals((await its.put("nome", "Zé")).timestamp, 3);
  const expected = [
    "REPLICATION key:cor value:azul ts:1.",
    "REPLICATION key:cor value:verde ts:2.",
  ];
  await restarted.shows("REPLICATION key:nome value:Zé ts:3.\n");
  assertEquals(linesOf(restarted.screen).slice(0, 2), expected);
});

Deno.test("the leader dies by SIGKILL during writes: restarted empty, it recovers every acknowledged PUT", async () => {
  await using cluster = await startServers();
  const { addresses, processes: servers } = cluster;
  await using client = new KvClient(addresses);
  const acknowledged = new Map<string, Pick<GetResult, "value" | "timestamp">>();
  let writing = true;
  const writers = Array.from({ length: 8 }, async (_, writer) => {
    for (let n = 0; writing && n < 1_000_000; n++) {
      const key = `${writer}/${n}`;
      try {
        const { timestamp } = await client.put(key, `v${n}`);
        acknowledged.set(key, { value: `v${n}`, timestamp });
      } catch (error) {
        assert(error instanceof UnavailableError || error instanceof UnknownOutcomeError);
        return; // the leader is gone
      }
    }
  });
  await eventually("some hundred writes", () => acknowledged.size > 300);
  await servers[0]!.kill();
  await Promise.all(writers);
  writing = false;

  const leader = cluster.restart(0);
  await leader.reports("open, cluster");
  assertStringIncludes(leader.errors, "recovering from 127.0.0.1:");
  for (const address of addresses) {
    await using reader = new KvClient([address]);
    const read = await Promise.all([...acknowledged.keys()].map(async (key) => {
      const { value, timestamp } = await reader.get(key);
      return [key, { value, timestamp }] as const;
    }));
    assertEquals(new Map(read), acknowledged);
  }
  const { timestamp } = await client.put("nova", "sim");
  assertGreater(timestamp, recoverySkip / 2);
  assertEquals(linesOf(leader.screen).filter((line) => line.startsWith("REPLICATION")), []);
});

Deno.test("deno task start < script: servers and client in one process, code 0", async () => {
  const ports = freePorts(3);
  await using start = startTask("start", `--ports=${ports}`);
  await start.type(`INIT${"\n".repeat(7)}PUT\ncor\nazul\nGET\ncor\n`);
  await start.endInput();
  assertEquals(await start.end(), 0);
  assertMatch(
    start.screen,
    new RegExp(
      `\nPUT_OK key: cor value azul timestamp 1 realizada no servidor 127\\.0\\.0\\.1:(${
        ports.join("|")
      })\n`,
    ),
  );
  assertMatch(
    start.screen,
    /\nGET key: cor value: azul obtido do servidor 127\.0\.0\.1:\d+, meu timestamp 1 e do servidor 1\n/,
  );
  for (const port of ports.slice(1)) {
    assertStringIncludes(start.screen, `\n[${port}] REPLICATION key:cor value:azul ts:1.\n`);
  }
});

Deno.test("a client whose servers are down reports each request and ends with code 0", async () => {
  const [port] = freePorts(1);
  await using client = startTask("client");
  await client.type(`1${`\n\n${port}`.repeat(3)}\n2\ncor\nazul\n`);
  await client.endInput();
  assertEquals(await client.end(), 0);
  assertStringIncludes(
    client.errors,
    `\nERRO no PUT: não realizado pelo servidor 127.0.0.1:${port}: conexão recusada`,
  );
});

Deno.test("a bad IP in a pipe: one line and exit code 2", async () => {
  for (const task of ["server", "client"] as const) {
    await using bad = startTask(task);
    await bad.type(task === "client" ? "INIT\n999.1.1.1\n" : "999.1.1.1\n");
    assertEquals(await bad.end(), 2); // although the pipe is still open
    assertEquals(linesOf(bad.errors).at(-1), "IP inválido: 999.1.1.1");
  }
});

Deno.test("the end of the input during a server's questions: one line and exit code 2", async () => {
  await using server = await startCommand("server");
  await server.type("\n");
  await server.endInput();
  assertEquals(await server.end(), 2);
  assertEquals(server.errors, "A entrada terminou antes da resposta.\n");
});

Deno.test("a port in use, and an address of another machine: one sentence and exit code 1", async () => {
  using listener = Deno.listen({ ...anyPort });
  const { port } = listener.addr;
  const sentences = {
    "127.0.0.1": "the port is in use by another program. " +
      "Stop that program, or use another port (--port).",
    "192.0.2.1": "the address is not one of this machine. " +
      "Use an IP address of this machine (--ip).",
  };
  for (const [ip, sentence] of Object.entries(sentences)) {
    const flags = [`--port=${port}`, "--leader-ip=127.0.0.1", `--leader-port=${port}`, "--quiet"];
    await using server = await startCommand("server", `--ip=${ip}`, "--insecure", ...flags);
    assertEquals(await server.end(), 1);
    assertEquals(server.errors, `Cannot listen on ${ip}:${port}: ${sentence}\n`);
    assertEquals(server.screen, "");
  }
});

Deno.test("an address that cannot be used: one line without a stack, for every program", async () => {
  const [port, other] = freePorts(2);
  const server = ["server.ts", `--port=${port}`, "--leader-ip=127.0.0.1", "--insecure"];
  const addressOf = (ip: string) => ip.includes(":") ? `[${ip}]` : ip;
  const all = ["fe80::1", "ff02::1", "224.0.0.1", "255.255.255.255", "2001:db8::1"].flatMap((
    ip,
  ) => [
    { address: addressOf(ip), args: ["--allow-net", ...server, `--ip=${ip}`, "--leader-port=1"] },
    { address: addressOf(ip), args: ["--allow-net", "dashboard/main.ts", `--ip=${ip}`] },
  ]);
  // Permissions of a process: the dashboard's, the metrics' and the other servers' ports lack one.
  const some =
    `--allow-net=127.0.0.1:${port},127.0.0.1:${other},127.0.0.1:10097,127.0.0.1:10098,127.0.0.1:10099`;
  all.push(
    { address: "127.0.0.1:10090", args: [some, "dashboard/main.ts"] },
    { address: "127.0.0.1:1", args: [some, "tools/start.ts", `--ports=${other},1,2`] },
    { address: "127.0.0.1:0", args: [some, "tools/demo.ts"] },
    {
      address: "127.0.0.1:1",
      args: [some, ...server, "--ip=127.0.0.1", `--leader-port=${port}`, "--metrics-port=1"],
    },
  );
  await Promise.all(all.map(async ({ address, args }) => {
    await using process = Process.deno(["run", "--no-prompt", ...args, ...quiet(args)]);
    assertEquals(await process.end(), 1, args.join(" "));
    assertMatch(process.errors, /^Cannot listen on [^\n]*\. (Use|Add) [^\n]*\.\n$/);
    assertStringIncludes(process.errors, ` ${address}`);
  }));
});

/** Server and start report what they do before an address fails, the others do not. */
function quiet(args: readonly string[]): string[] {
  return args.some((arg) => /dashboard|demo/.test(arg)) ? [] : ["--quiet"];
}

/** A process may have its own file of host names here. */
async function mayMount(): Promise<boolean> {
  if (Deno.build.os !== "linux") return false;
  const test = new Process("unshare", ["-m", "true"], { err: "discard" });
  return await test.code === 0;
}

Deno.test({
  name: "names: each address of a name is tried, and --allow-net may name the name",
  ignore: !await mayMount().catch(() => false),
  fn: async () => {
    using scratch = new Scratch();
    const hosts = `${scratch.path}/hosts`;
    // A server that listens on one of them is found.
    await Deno.writeTextFile(hosts, "::1 kv-0\n127.0.0.9 kv-0\n127.0.0.1 kv-0\n");
    const start = (net: string, ...args: string[]) =>
      new Process("unshare", [
        ...["-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts],
        ...[Deno.execPath(), "run", "--no-prompt", `--allow-net=${net}`, ...args],
      ], { out: "keep" });
    const [port, other] = freePorts(2) as [number, number];
    const leaderAt = ["--leader-ip=kv-0", `--leader-port=${port}`, "--cluster-size=2"];
    const flags = ["server.ts", "--ip=127.0.0.1", ...leaderAt];
    // The leader dials no server, so it needs no permission for its own name.
    await using leader = start(`127.0.0.1:${port}`, ...flags, `--port=${port}`, "--advertise=kv-0");
    const net = `127.0.0.1:${other},kv-0:${port}`;
    await using follower = start(net, ...flags, `--port=${other}`);
    await follower.reports(`joined the leader kv-0:${port}`);
    await leader.reports(`127.0.0.1:${other} is in sync`);
    const servers = `--servers=kv-0:${port},localhost:${other}`;
    await using client = start(
      `kv-0:${port},127.0.0.1:${other}`,
      ...["client.ts", servers, "--json", "status"],
    );
    assertEquals(await client.end(), 0);
    const status = JSON.parse(client.screen);
    assertEquals([status.ok, status.leader], [true, `kv-0:${port}`]);
    assertEquals(
      status.servers.map(({ server, inSync }: { server: string; inSync: boolean }) => [
        ...[server, inSync],
      ]),
      [[`kv-0:${port}`, true], [`127.0.0.1:${other}`, true]],
    );
  },
});

Deno.test("--quiet: standard error stays empty from start to end", async () => {
  const [port] = freePorts(1) as [number];
  const flags = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1", "--quiet"];
  await using server = await startCommand("server", ...flags, "--cluster-size=1");
  await server.type(`${port}\n`);
  await server.listensOn(port);
  using wire = await Wire.connect({ hostname: "127.0.0.1", port });
  assertEquals((await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" })).type, "PUT_OK");
  wire.close();
  assertEquals(await server.stop(unix ? "SIGTERM" : "SIGINT"), 0);
  assertEquals(server.errors, "");
  assertEquals(
    server.screen,
    `Porta do líder [10097]: ${port}\n` +
      `Cliente ${wire.local} PUT key:k value:v.\n` +
      `Enviando PUT_OK ao Cliente ${wire.local} da key:k ts:1.\n`,
  );
});

Deno.test("tasks that run servers set DENO_TOKIO_MAX_IO_EVENTS_PER_TICK", async () => {
  const scripts = ["server.ts", "tools/start.ts", "dashboard/main.ts"];
  const serving = Object.entries(await taskCommands())
    .filter(([, { args }]) => args.some((arg) => scripts.includes(arg)));
  assert(serving.length >= 7, serving.join());
  for (const [name, { env }] of serving) {
    assertEquals(env.DENO_TOKIO_MAX_IO_EVENTS_PER_TICK, "64", name);
  }
});

Deno.test("without its permission a server fails with an error and does not prompt", async () => {
  const [port] = freePorts(1);
  const flags = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
  await using server = Process.deno(
    ["run", "--no-prompt", "server.ts", ...flags, `--leader-port=${port}`],
    { keyboard: true, out: "keep" },
  );
  assertEquals(await server.end(), 1); // its input is open, so it could have prompted
  assertEquals(
    server.errors,
    `Cannot listen on 127.0.0.1:${port}: the permission --allow-net=127.0.0.1:${port} is missing. ` +
      "Add it, or use --allow-net alone.\n",
  );
  assertEquals(server.screen, "");
  for (const task of ["server", "client", "start"] as const) {
    assert((await commandOf(task)).args.includes("--no-prompt"), task);
  }
});
