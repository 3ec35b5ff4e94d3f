import { assert, assertEquals, assertMatch, assertStringIncludes, assertThrows } from "@std/assert";
import { exitCode } from "../../lib/cli/exit_codes.ts";
import { listenAt, StartError } from "../../lib/cli/serving.ts";
import { main } from "../../server.ts";
import { FakeEtcd } from "../support/fake_etcd.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { Names } from "../support/names.ts";
import { anyPort, deadAddress, freePorts } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";

const put = { type: "PUT", id: 1, key: "cor", value: "azul" };
const get = { type: "GET", id: 2, key: "cor", timestamp: 0 };

/** A server, run as its process would run it. It stops at the end of the test. */
class ServerRole implements AsyncDisposable {
  readonly terminal: FakeTerminal;
  readonly ended: Promise<number>;
  readonly #stopped = Promise.withResolvers<void>();

  constructor(args: string[], terminal = new FakeTerminal("")) {
    this.terminal = terminal;
    this.ended = exitCode(terminal, () => main(args, terminal, this.#stopped.promise));
  }

  /** Stops it, as a signal does. Resolves with the exit code. */
  async stop(): Promise<number> {
    this.#stopped.resolve();
    return await this.end();
  }

  async end(): Promise<number> {
    return await within("the server ends", this.ended);
  }

  async reported(text: string): Promise<void> {
    await eventually(text, () => this.terminal.errors.includes(text) || undefined);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
  }
}

/** Runs a server that ends by itself. */
async function run(args: string[], terminal = new FakeTerminal("")) {
  const role = new ServerRole(args, terminal);
  const code = await role.end();
  return { code, screen: terminal.screen, errors: terminal.errors };
}

function localhost(port: number) {
  return { hostname: "127.0.0.1", port };
}

Deno.test("three servers that ask for their addresses: each console, character by character", async () => {
  const [a, b, c] = freePorts(3) as [number, number, number];
  await using leader = new ServerRole([], new FakeTerminal(`127.0.0.1\n${a}\n127.0.0.1\n${a}\n`));
  await using near = new ServerRole([], new FakeTerminal(`\r\n ${b} \r\n\r\n${a}\r\n`));
  await using far = new ServerRole([], new FakeTerminal(`localhost\n${c}\n\n${a}`));
  await leader.reported("open, cluster");
  await near.reported("synchronised");
  await far.reported("synchronised");

  using client = await Wire.connect(localhost(b));
  assertEquals((await client.ask(get)).value, null);
  assertEquals((await client.ask({ ...put, value: 'o "azul" é 🙂' })).timestamp, 1);
  using reader = await Wire.connect(localhost(c));
  await reader.ask({ ...get, timestamp: 1 });
  await reader.ask({ ...get, timestamp: 2 });
  // After a write the console buffers its lines for a moment.
  await eventually("the leader's lines", () => leader.terminal.screen.includes("Enviando"));
  await eventually("the reader's lines", () => far.terminal.screen.includes("TRY_OTHER"));

  const questions = (ip: string, port: number, leaderIp: string) =>
    `IP [127.0.0.1]: ${ip}\nPorta [10097]: ${ip === "" ? ` ${port} ` : port}\n` +
    `IP do líder [127.0.0.1]: ${leaderIp}\nPorta do líder [10097]: ${a}\n`;
  assertEquals(
    leader.terminal.screen,
    questions("127.0.0.1", a, "127.0.0.1") +
      `Cliente ${client.local} PUT key:cor value:o "azul" é 🙂.\n` +
      `Enviando PUT_OK ao Cliente ${client.local} da key:cor ts:1.\n`,
  );
  assertEquals(
    near.terminal.screen,
    questions("", b, "") +
      `Cliente ${client.local} GET key:cor ts:0. Meu ts é 0, portanto devolvendo NULL\n` +
      `Encaminhando PUT key:cor value:o "azul" é 🙂\n` +
      `REPLICATION key:cor value:o "azul" é 🙂 ts:1.\n`,
  );
  assertEquals(
    far.terminal.screen,
    questions("localhost", c, "") +
      `REPLICATION key:cor value:o "azul" é 🙂 ts:1.\n` +
      `Cliente ${reader.local} GET key:cor ts:1. Meu ts é 1, portanto devolvendo o "azul" é 🙂\n` +
      `Cliente ${reader.local} GET key:cor ts:2. Meu ts é 1, portanto devolvendo TRY_OTHER_SERVER_OR_LATER\n`,
  );
});

Deno.test("a given flag is not asked for", async () => {
  const [port] = freePorts(1);
  const all = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
  await using role = new ServerRole(all, new FakeTerminal(`${port}\n`));
  await role.reported("serving on");
  assertEquals(role.terminal.screen, `Porta do líder [10097]: ${port}\n`);
  assertEquals(
    linesOf(role.terminal.errors)[0],
    `serving on 127.0.0.1:${port}, leader 127.0.0.1:${port}`,
  );
});

Deno.test("with all flags nothing is asked, and the keyboard is not read", async () => {
  const [port] = freePorts(1);
  const flags = ["--ip", "127.0.0.1", "--port", `${port}`];
  const leader = ["--leader-ip", "127.0.0.1", "--leader-port", `${port}`];
  await using role = new ServerRole(
    [...flags, ...leader, "--cluster-size=1"],
    new FakeTerminal(undefined, true),
  );
  await role.reported("open, cluster");
  using wire = await Wire.connect(localhost(port!));
  assertEquals((await wire.ask(put)).type, "PUT_OK");
  assertEquals(linesOf(role.terminal.screen).length, 2);
});

for (
  const [question, args] of [
    ["Segredo dos servidores: ", ["--secret-stdin"]],
    ["Senha dos clientes: ", ["--secret-stdin", "--password-stdin"]],
    ["IP [127.0.0.1]: ", []],
  ] as const
) {
  Deno.test(`a server that asks "${question}" ends with code 0 when it is stopped`, async () => {
    const role = new ServerRole([...args], new FakeTerminal());
    if (args.length > 1) role.terminal.type("s3cret\n");
    await eventually("the question", () => role.terminal.screen.endsWith(question) || undefined);
    assertEquals(await role.stop(), 0);
  });
}

Deno.test("--quiet: nothing on standard error, and the lines of the assignment on standard output", async () => {
  const [port] = freePorts(1);
  const flags = [`--port=${port}`, `--leader-port=${port}`, "--cluster-size=1", "--quiet"];
  const role = new ServerRole(flags, new FakeTerminal("\n\n"));
  using wire = await eventually(
    "it listens",
    () => Wire.connect(localhost(port!)).catch(() => null),
  );
  assertEquals((await wire.ask(put)).type, "PUT_OK");
  wire.close();
  assertEquals(await role.stop(), 0);
  assertEquals(role.terminal.errors, "");
  assertStringIncludes(role.terminal.screen, "PUT key:cor value:azul.\nEnviando PUT_OK");
});

Deno.test("FAULT holds a PUT at a server with --allow-faults, which warns, and is refused at others", async () => {
  const [a, b] = freePorts(2) as [number, number];
  const common = ["--ip=127.0.0.1", "--leader-ip=127.0.0.1", `--leader-port=${a}`];
  const two = [...common, "--cluster-size=2", "--allow-faults"];
  await using leader = new ServerRole([...two, `--port=${a}`]);
  await leader.reported("warning: FAULT is accepted");
  await using follower = new ServerRole([...common, "--cluster-size=2", `--port=${b}`]);
  await leader.reported("open, cluster");
  assert(!follower.terminal.errors.includes("FAULT"), follower.terminal.errors);
  using atLeader = await Wire.connect(localhost(a));
  using atFollower = await Wire.connect(localhost(b));
  const fault = { type: "FAULT", id: 7, follower: `127.0.0.1:${b}`, action: "pause" };
  assertEquals((await atFollower.ask(fault)).code, "FORBIDDEN");
  assertEquals(await atLeader.ask(fault), { type: "FAULT_OK", id: 7 });
  const { faults } = await atLeader.ask({ type: "STATUS", id: 8 });
  assertEquals(faults, true);

  await atLeader.send(put);
  await eventually("the leader has it", async () => {
    using other = await Wire.connect(localhost(a));
    return (await other.ask(get)).value === "azul";
  });
  assertEquals((await atFollower.ask(get)).value, null);
  assertEquals((await atFollower.ask({ ...get, timestamp: 1 })).type, "TRY_OTHER_SERVER_OR_LATER");
  await atLeader.send({ ...fault, action: "resume" });
  assertEquals((await atLeader.messages(2)).map(({ type }) => type), ["FAULT_OK", "PUT_OK"]);
  assertEquals((await atFollower.ask({ ...get, timestamp: 1 })).value, "azul");
});

Deno.test("reports go to standard error, one line each", async () => {
  const [a, b] = freePorts(2) as [number, number];
  const common = ["--ip=127.0.0.1", "--leader-ip=127.0.0.1", `--leader-port=${a}`];
  await using follower = new ServerRole([...common, `--port=${b}`]);
  await follower.reported(`cannot reach the leader 127.0.0.1:${a}, trying again`);
  const leader = new ServerRole([...common, `--port=${a}`, "--cluster-size=2"]);
  await leader.reported("open, cluster");
  await follower.reported(`joined the leader 127.0.0.1:${a}`);
  await leader.stop();
  await follower.reported(`lost the leader 127.0.0.1:${a}`);
  assertMatch(linesOf(leader.terminal.errors).at(-1)!, /^stopping$|left/);
  assertEquals(leader.terminal.screen + follower.terminal.screen, "");
});

Deno.test("a stopped server closes its connections, frees its port and ends with code 0", async () => {
  const [port] = freePorts(1);
  const flags = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
  const role = new ServerRole([...flags, `--leader-port=${port}`, "--cluster-size=1"]);
  await role.reported("open");
  using wire = await Wire.connect(localhost(port!));
  await wire.ask(put);
  const code = role.stop();
  assertEquals((await wire.message()).code, "UNAVAILABLE");
  assertEquals(await wire.line(), undefined);
  wire.close();
  assertEquals(await code, 0);
  Deno.listen(localhost(port!)).close();
});

Deno.test("--put-timeout and --min-in-sync reach the server", async () => {
  const [port] = freePorts(1);
  const flags = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
  await using role = new ServerRole(
    [...flags, `--leader-port=${port}`, "--put-timeout=0.2", "--cluster-size=2", "--min-in-sync=2"],
  );
  await role.reported("serving");
  using wire = await Wire.connect(localhost(port!));
  assertEquals(
    (await wire.ask(put)).message,
    "not applied: the leader waits for all 2 servers, 1 have joined",
  );
});

// What is wrong

const nameHint =
  " Aqui só vale um IP desta máquina; nomes valem em --leader-ip, --advertise e --servers";

for (
  const [input, complaint] of [
    ["999.0.0.1\n", "IP inválido: 999.0.0.1"],
    ["casa\n", `IP inválido: casa.${nameHint}`],
    ["fe80::1%eth0\n", "IP inválido: fe80::1%eth0. Endereços com zona (%eth0) não são aceitos"],
    ["\nporta\n", "Porta inválida: porta"],
    ["\n0\n", "Porta inválida: 0"],
    ["\n65536\n", "Porta inválida: 65536"],
    ["\n1\n1.2.3\n", "IP inválido: 1.2.3"],
    ["\n1\n\n-1\n", "Porta inválida: -1"],
    ["\u001b[2J\n", "IP inválido: \\u001b[2J"],
  ] as const
) {
  Deno.test(`${JSON.stringify(input)} in a pipe is an error, code 2`, async () => {
    const { code, errors } = await run([], new FakeTerminal(input));
    assertEquals([code, errors], [2, `${complaint}\n`]);
  });
}

for (const input of ["", "\n", "\n1\n", "\n1\n\n"]) {
  Deno.test(`the end of the input after ${JSON.stringify(input)} is an error, code 2`, async () => {
    const { code, errors } = await run([], new FakeTerminal(input));
    assertEquals([code, errors], [2, "A entrada terminou antes da resposta.\n"]);
  });
}

Deno.test("a terminal asks again after a wrong answer", async () => {
  const [port] = freePorts(1);
  const terminal = new FakeTerminal();
  await using role = new ServerRole(["--leader-ip=127.0.0.1", `--leader-port=${port}`], terminal);
  await terminal.shows("IP [127.0.0.1]: ");
  terminal.type("300.1.1.1\n");
  await eventually("it complains", () => terminal.errors === "IP inválido: 300.1.1.1\n");
  terminal.type("127.0.0.1\n");
  await terminal.shows("Porta [10097]: ");
  terminal.type("muitas\n");
  await eventually("it complains", () => terminal.errors.endsWith("Porta inválida: muitas\n"));
  terminal.type(`${port}\n`);
  await role.reported(`serving on 127.0.0.1:${port}`);
  // The terminal itself shows what is typed.
  assertEquals(terminal.screen, "IP [127.0.0.1]: IP [127.0.0.1]: Porta [10097]: Porta [10097]: ");
});

for (
  const [flags, complaint] of [
    [["--ip=casa"], "IP inválido: casa"],
    [["--ip="], "--ip needs a value"],
    [["--port"], "--port needs a value"],
    [["--leader-port=x"], "Porta inválida: x"],
    [["--leader-ip=1.2.3"], "IP inválido: 1.2.3"],
    [["--leader-ip=fe80::1%1"], "IP inválido: fe80::1%1. Endereços com zona"],
    [["--metrics-port=0"], "Porta inválida: 0"],
    [["--advertise="], "--advertise needs a value"],
    [["--advertise=a..b"], "--advertise must be a host or host:port, such as kv-0"],
    [["--advertise=kv-0:0"], "--advertise must be a host or host:port, such as kv-0"],
    [["--advertise=0.0.0.0"], "--advertise must not be 0.0.0.0"],
    [["--advertise=[ff02::1]:1"], "--advertise: ff02::1 cannot be dialled: it is a multicast"],
    [["--ip=127.0.0.1", "--port=x"], "Porta inválida: x"],
    [["--porta=1"], "unknown argument"],
    [["10097"], "unknown argument"],
    [["--cluster-size=0"], "--cluster-size must be a whole number from 1 to 99"],
    [["--cluster-size=2.5"], "--cluster-size must be a whole number"],
    [["--min-in-sync=4"], "--min-in-sync=4 is more than --cluster-size=3"],
    [["--put-timeout=0"], "--put-timeout must be a number from 0.1 to 3600"],
    [["--put-timeout=já"], "--put-timeout must be a number"],
  ] as const
) {
  Deno.test(`${flags.join(" ")} is an error, code 2, even at a terminal`, async () => {
    const { code, errors, screen } = await run([...flags], new FakeTerminal());
    assertEquals(code, 2);
    assertStringIncludes(errors, complaint);
    assertEquals([linesOf(errors).length, screen], [1, ""]);
  });
}

/** Flags of a server that would be the leader of a cluster at this address. */
function at(ip: string, port: number): string[] {
  return [`--ip=${ip}`, `--port=${port}`, "--leader-ip=127.0.0.1", `--leader-port=${port}`];
}

Deno.test("a port in use: one sentence and code 1, with --quiet too", async () => {
  using listener = Deno.listen({ ...anyPort });
  const { port } = listener.addr;
  const sentence = (flag: string) =>
    `Cannot listen on 127.0.0.1:${port}: the port is in use by another program. ` +
    `Stop that program, or use another port (${flag}).\n`;
  for (const quiet of [[], ["--quiet"]]) {
    const { code, errors, screen } = await run([...at("127.0.0.1", port), ...quiet]);
    assertEquals([code, errors, screen], [1, sentence("--port"), ""]);
  }
  const own = freePorts(1)[0]!;
  const metrics = await run([...at("127.0.0.1", own), `--metrics-port=${port}`, "--quiet"]);
  assertEquals([metrics.code, metrics.errors], [1, sentence("--metrics-port")]);
});

for (
  const [ip, reason] of [
    ["192.0.2.1", "the address is not one of this machine"],
    ["fe80::1", "a link-local address needs a zone, such as %eth0, and zones are not supported"],
    ["ff02::1", "it is a multicast address"],
    ["224.0.0.1", "it is a multicast address"],
    ["255.255.255.255", "the address is reserved, or for broadcasts"],
  ] as const
) {
  Deno.test(`--ip=${ip}: one sentence and code 1`, async () => {
    const { port } = deadAddress();
    const { code, errors } = await run([...at(ip, port), "--insecure"]);
    const address = ip.includes(":") ? `[${ip}]:${port}` : `${ip}:${port}`;
    const remedy = "Use an IP address of this machine (--ip)";
    assertEquals([code, errors], [1, `Cannot listen on ${address}: ${reason}. ${remedy}.\n`]);
  });
}

Deno.test("every error of the operating system at listening is one sentence", () => {
  const address = { hostname: "::1", port: 80 };
  const listen = (error: Error, code?: string) => () =>
    listenAt(address, () => {
      throw code === undefined ? error : Object.assign(error, { code });
    });
  const { PermissionDenied } = Deno.errors;
  for (
    const [error, code, reason] of [
      [new PermissionDenied("x"), "EACCES", "this user may not use that port. Use a port above"],
      [new Error("Address family not supported"), "EAFNOSUPPORT", "Address family not supported."],
      [new TypeError("Invalid argument"), "EINVAL", "Invalid argument."],
      [new Error("Too many open files"), "EMFILE", "Too many open files."],
    ] as const
  ) {
    assertThrows(listen(error, code), StartError, `Cannot listen on [::1]:80: ${reason}`);
  }
  // An error of this program keeps its stack.
  assertThrows(listen(new TypeError("undefined is not a function")), TypeError, "undefined");
});

/** Deno gives these tests only part of --allow-net. */
const net = ["127.0.0.1:65001"];

Deno.test("a port that --allow-net does not name: one sentence and code 1", {
  permissions: { net },
}, async () => {
  const missing = (what: string, address: string) =>
    `Cannot ${what} ${address}: the permission --allow-net=${address} is missing. ` +
    "Add it, or use --allow-net alone.\n";
  const own = await run(at("127.0.0.1", 65_000));
  assertEquals([own.code, own.errors], [1, missing("listen on", "127.0.0.1:65000")]);
  const follower = ["--ip=127.0.0.1", "--port=65001"];
  for (
    const [host, name] of [["KV-0", "kv-0:1"], ["127.0.0.1", "127.0.0.1:1"], ["::1", "[::1]:1"]]
  ) {
    const { code, errors } = await run([...follower, `--leader-ip=${host}`, "--leader-port=1"]);
    assertEquals([code, errors], [1, missing("dial", name!)]);
  }
  const etcd = await run([...follower, "--engine=etcd"]);
  assertEquals(etcd.code, 2);
  assertStringIncludes(etcd.errors, "Allow it: --allow-net or --allow-net=127.0.0.1:2379");
});

Deno.test("a leader that no server can dial is refused", async () => {
  for (const ip of ["0.0.0.0", "::", "::ffff:0.0.0.0"]) {
    const { code, errors } = await run(
      ["--ip=127.0.0.1", "--port=1", `--leader-ip=${ip}`],
      preset(),
    );
    assertEquals(code, 2);
    assertStringIncludes(errors, "--leader-ip must not be ");
  }
  for (const ip of ["fe80::1", "ff02::1", "224.0.0.1", "255.255.255.255"]) {
    const { code, errors } = await run(
      ["--ip=127.0.0.1", "--port=1", `--leader-ip=${ip}`],
      preset(),
    );
    assertEquals(code, 2);
    assertStringIncludes(errors, `--leader-ip: ${ip} cannot be dialled: `);
  }
});

/** A terminal that takes the presets of up to two questions. */
function preset(): FakeTerminal {
  return new FakeTerminal("\n\n");
}

Deno.test("a server on every address of its machine must say how others know it", async () => {
  for (const ip of ["0.0.0.0", "::", "::ffff:0.0.0.0"]) {
    const flags = [`--ip=${ip}`, "--port=10097", "--leader-ip=192.0.2.1", "--leader-port=10097"];
    for (
      const engine of [[...flags, "--insecure"], [...flags.slice(0, 2), "--engine=etcd"]]
    ) {
      const { code, errors } = await run(engine);
      assertEquals(code, 2);
      assertStringIncludes(errors, "is every address of this machine. Say by which one");
      assertStringIncludes(errors, "--advertise=HOST");
    }
  }
});

Deno.test("a server outside loopback does not start without a secret or --insecure", async () => {
  const { port } = deadAddress();
  for (const ip of ["0.0.0.0", "::", "192.0.2.1"]) {
    // The leader is not asked for.
    const { code, errors, screen } = await run([
      `--ip=${ip}`,
      `--port=${port}`,
      "--advertise=kv-0",
    ]);
    assertEquals([code, screen], [2, ""]);
    assertMatch(errors, /^Other machines can reach .* without a secret .* --insecure .*\n$/);
  }
});

Deno.test("a server warns of what is missing outside loopback, and of what can be guessed", async () => {
  const everywhere = ["--ip=0.0.0.0", "--advertise=127.0.0.1"];
  const noSecret =
    "warning: 0.0.0.0 can be reached from outside and there is no secret (--insecure): any program may join, PUT and GET\n";
  const noPassword =
    "warning: 0.0.0.0 can be reached from outside and there is no password for clients: any program may PUT and GET\n";
  const short = (name: string) =>
    `warning: the ${name} has fewer than 16 characters, and any program that reaches this server can guess it offline. Take a long random one, such as openssl rand -hex 32 makes\n`;
  const [secret, password] = ["segredo de servo\n", "senha dos clientes\n"];
  const both = ["--secret-stdin", "--password-stdin"];
  for (
    const [flags, input, warning] of [
      [[...everywhere, "--insecure"], "", noSecret],
      [[...everywhere, "--secret-stdin"], secret, noPassword],
      [[...everywhere, ...both], `${secret}${password}`, ""],
      [["--ip=127.0.0.1"], "", ""],
      [["--ip=127.0.0.1", "--secret-stdin"], "segredo de serv\n", short("secret")],
      [["--ip=127.0.0.1", ...both], `${secret}senha\n`, short("password")],
      [["--ip=127.0.0.1", ...both], "🔑🔑🔑🔑🔑🔑🔑🔑\nx\n", short("secret") + short("password")],
    ] as const
  ) {
    const [port] = freePorts(1);
    const addresses = [`--port=${port}`, "--leader-ip=127.0.0.1", `--leader-port=${port}`];
    const role = new ServerRole([...flags, ...addresses], new FakeTerminal(input));
    await role.reported("serving");
    assertEquals(await role.stop(), 0);
    const warnings = linesOf(role.terminal.errors).filter((line) => line.startsWith("warning"));
    assertEquals(warnings.map((line) => `${line}\n`).join(""), warning);
  }
});

Deno.test("--advertise: the address by which a server is known, and by which it may be the leader", async () => {
  const [port] = freePorts(1) as [number];
  using _names = new Names({});
  const alone = ["--ip=127.0.0.1", `--port=${port}`, "--cluster-size=1", "--leader-ip=kv-0"];
  for (
    const [advertise, name] of [["KV-0", `kv-0:${port}`], ["kv-0.:7", "kv-0:7"]] as const
  ) {
    const leaderPort = name.split(":")[1];
    await using role = new ServerRole(
      [...alone, `--leader-port=${leaderPort}`, `--advertise=${advertise}`],
    );
    await role.reported(`serving on 127.0.0.1:${port} as ${name}, leader ${name}`);
    await role.reported("open, cluster");
    using client = await Wire.connect(localhost(port));
    const { server, leader, inSync } = await client.ask({ type: "STATUS", id: 1 });
    assertEquals([server, leader, inSync], [name, name, [name]]);
  }
});

Deno.test("the leader may be given by name, also at the keyboard, and is dialled by it", async () => {
  const [port] = freePorts(1) as [number];
  using names = new Names({});
  await using follower = new ServerRole([], new FakeTerminal(`\n${port}\nKV-0.\n7\n`));
  await follower.reported(`serving on 127.0.0.1:${port}, leader kv-0:7`);
  await follower.reported("cannot reach the leader kv-0:7, trying again: failed to lookup address");
  assertEquals(names.dialled[0], "kv-0");
});

Deno.test("a leader that is named in another way than it advertises ends, with the reason", async () => {
  const [port] = freePorts(1) as [number];
  using names = new Names({ "kv-0": "127.0.0.1" });
  const secret = ["--secret-stdin"];
  for (
    const [flags, self, leader] of [
      [["--leader-ip=kv-0"], `127.0.0.1:${port}`, `kv-0:${port}`],
      [["--leader-ip=127.0.0.1", "--advertise=kv-0"], `kv-0:${port}`, `127.0.0.1:${port}`],
      [["--leader-ip=kv-0", ...secret], `127.0.0.1:${port}`, `kv-0:${port}`],
    ] as const
  ) {
    const listen = ["--ip=127.0.0.1", `--port=${port}`, `--leader-port=${port}`];
    const { code, errors } = await run([...listen, ...flags], new FakeTerminal("segredo\n"));
    assertEquals(code, 1);
    assertStringIncludes(
      errors,
      `The leader's address ${leader} leads to this server itself, ${self}. ` +
        "Give the leader the same --advertise and --leader-ip\n",
    );
  }
  assert(names.dialled.length >= 3);
});

/** Every flag, by the page of help that explains it. */
// deno-fmt-ignore
const pages = {
  "--help": [
    "ip", "port", "leader-ip", "leader-port", "advertise", "insecure", "cluster-size", "min-in-sync", "data-dir", "metrics-port",
    "secret-stdin", "password-stdin", "tls-cert", "tls-key", "tls-ca", "engine", "etcd", "etcd-prefix",
    "etcd-user", "etcd-password-stdin", "etcd-ca", "etcd-cert", "etcd-key", "allow-faults", "quiet", "help",
  ],
  "--help=limits": [
    "put-timeout", "silence-timeout", "log-size", "max-outstanding-puts", "max-waiting", "max-key",
    "max-expiring-keys", "max-tombstones", "max-watches", "max-watches-per-connection", "max-unsent-changes",
    "max-value", "max-connections", "max-connections-per-ip", "max-in-flight", "max-frame",
    "max-buffered", "pause-unsent", "max-unsent", "write-timeout", "frame-timeout", "proof-timeout",
    "idle-timeout", "tls-timeout",
  ],
};

for (const [page, flags] of Object.entries(pages)) {
  Deno.test(`${page} explains its flags on one screen and asks nothing`, async () => {
    const { code, errors, screen } = await run([page], new FakeTerminal());
    assertEquals([code, errors], [0, ""]);
    for (const flag of flags) assertMatch(screen, new RegExp(`^  .*--${flag}[=, ]`, "m"));
    const lines = linesOf(screen);
    assert(lines.length <= 40, `${lines.length} lines`);
    for (const line of lines) assert(line.length <= 100, line);
  });
}

Deno.test("--engine=etcd asks for no leader, and stores a PUT in etcd under the prefix", async () => {
  await using etcd = new FakeEtcd();
  const [port] = freePorts(1) as [number];
  const flags = ["--engine=etcd", `--etcd=${etcd.url}`, "--etcd-prefix=app/"];
  await using server = new ServerRole(flags, new FakeTerminal(`\n${port}\n`));
  await server.reported(
    `serving on 127.0.0.1:${port}, etcd at ${etcd.url}, keys begin with "app/"`,
  );
  await server.reported("answers, cluster");
  using client = await Wire.connect(localhost(port));
  assertEquals((await client.ask(put)).type, "PUT_OK");
  assertEquals(etcd.find("app/cor")?.value, new TextEncoder().encode("azul"));
  assertEquals(
    server.terminal.screen.split("\n").slice(0, 2),
    ["IP [127.0.0.1]: ", `Porta [10097]: ${port}`],
  );
});

Deno.test("user and password of etcd come from a flag and the input; they are not shown", async () => {
  await using etcd = new FakeEtcd();
  etcd.login = { user: "app", password: "sesame-42" };
  const [port] = freePorts(1) as [number];
  const flags = ["--engine=etcd", `--etcd=${etcd.url}`, "--etcd-user=app", "--etcd-password-stdin"];
  await using server = new ServerRole(
    [...flags, "--ip=127.0.0.1", `--port=${port}`],
    new FakeTerminal("sesame-42\n"),
  );
  await server.reported("answers, cluster");
  assertEquals(server.terminal.screen, ""); // a pipe is not asked
  assert(!server.terminal.errors.includes("sesame"));
});

Deno.test("with a password, clients of a server on etcd must know it; no secret is needed", async () => {
  await using etcd = new FakeEtcd();
  const [port] = freePorts(1) as [number];
  await using server = new ServerRole(
    ["--engine=etcd", `--etcd=${etcd.url}`, "--password-stdin", "--ip=127.0.0.1", `--port=${port}`],
    new FakeTerminal("abra-cadabra\n"),
  );
  await server.reported("answers, cluster");
  using client = await Wire.connect(localhost(port));
  assertEquals((await client.ask(put)).code, "FORBIDDEN");
});

for (
  const [flags, text] of [
    [["--engine=redis"], "--engine must be embedded or etcd"],
    [["--etcd=http://127.0.0.1:2379"], "--etcd means nothing without --engine=etcd"],
    [["--etcd-password-stdin"], "--etcd-password-stdin means nothing without --engine=etcd"],
    [["--engine=etcd", "--etcd=127.0.0.1:2379"], "--etcd must be http://host:port"],
    [["--engine=etcd", "--etcd=http://u:p@127.0.0.1:2379"], "--etcd must be http://host:port"],
    [["--engine=etcd", "--etcd=http://127.0.0.1:2379/v3"], "--etcd must be http://host:port"],
    [["--engine=etcd", `--etcd-prefix=${"é".repeat(129)}`], "--etcd-prefix must be at most 256"],
    [["--engine=etcd", "--leader-port=1"], "--leader-port means nothing with --engine=etcd"],
    [["--engine=etcd", "--min-in-sync=1"], "--min-in-sync means nothing with --engine=etcd"],
    [["--engine=etcd", "--insecure"], "--insecure means nothing with --engine=etcd"],
    [["--engine=etcd", "--allow-faults"], "--allow-faults means nothing with --engine=etcd"],
    [["--engine=etcd", "--secret-stdin"], "--secret-stdin means nothing with --engine=etcd"],
    [["--engine=etcd", "--etcd-user=a"], "etcd wants a user and a password"],
    [["--engine=etcd", "--etcd-ca=ca.pem"], "--etcd-ca means nothing unless --etcd begins"],
    [
      ["--engine=etcd", "--etcd=https://[::1]:1", "--etcd-key=k"],
      "--etcd-cert and --etcd-key belong",
    ],
    [["--engine=etcd", "--etcd=https://[::1]:1", "--etcd-ca=ca.pem"], "no permission to read it"],
  ] as const
) {
  Deno.test(`${flags.join(" ").slice(0, 70)} is an error, code 2`, async () => {
    const { code, errors } = await run([...flags]);
    assertEquals(code, 2);
    assertStringIncludes(errors, text);
  });
}
