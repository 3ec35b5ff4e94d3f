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
import type { Address } from "../../../lib/wire/address.ts";
import { UnavailableError, UnknownOutcomeError } from "../../../lib/client/errors.ts";
import { type GetResult, KvClient } from "../../../lib/client/kv_client.ts";
import { recoverySkip } from "../../../lib/replication/recovery.ts";
import { anyPort, eventually, freePorts, linesOf, Wire, within } from "../../support/helpers.ts";

const project = new URL("../../../", import.meta.url);
/** How long a process may take to start, or to end. */
const processMs = 20_000;
const unix = Deno.build.os !== "windows";
const menu = "Escolha a função (1 - INIT, 2 - PUT, 3 - GET): ";

/** What a task's command sets before it runs `deno`. */
const variables = /^(?:[A-Z_]+=\S* )*/;

/** The arguments of `deno` in a task's command, so that what is tested is what the task runs. */
async function commandOf(task: "server" | "client" | "start"): Promise<string[]> {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", project)));
  const [deno, ...args] = (tasks[task].command as string).replace(variables, "").split(" ");
  assertEquals(deno, "deno");
  return args;
}

/** The processes that a process has started; none where the system has no `pgrep` to tell. */
async function childrenOf(pid: number): Promise<number[]> {
  try {
    const { stdout } = await new Deno.Command("pgrep", { args: ["-P", `${pid}`] }).output();
    return new TextDecoder().decode(stdout).split("\n").filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

/** A process with its keyboard and its console. */
class Running implements AsyncDisposable {
  screen = "";
  errors = "";
  readonly #child: Deno.ChildProcess;
  readonly #keyboard: WritableStreamDefaultWriter<Uint8Array>;
  readonly #outputs: Promise<unknown>;
  readonly #code: Promise<number>;
  #ended = false;

  private constructor(args: string[]) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args,
      cwd: project,
      env: { NO_COLOR: "1" },
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#keyboard = this.#child.stdin.getWriter();
    const read = async (
      stream: ReadableStream<Uint8Array<ArrayBuffer>>,
      take: (text: string) => void,
    ) => {
      for await (const text of stream.pipeThrough(new TextDecoderStream())) take(text);
    };
    this.#outputs = Promise.all([
      read(this.#child.stdout, (text) => this.screen += text),
      read(this.#child.stderr, (text) => this.errors += text),
    ]);
    this.#code = this.#end();
  }

  /** `deno task NAME ARGS`, literally. It cannot be killed: SIGKILL would leave its child alone. */
  static task(name: string, ...args: string[]): Running {
    return new Running(["task", name, ...args]);
  }

  /** The same without the task around it. */
  static async role(name: "server" | "client" | "start", ...args: string[]): Promise<Running> {
    return new Running([...await commandOf(name), ...args]);
  }

  /** `deno ARGS` */
  static deno(...args: string[]): Running {
    return new Running(args);
  }

  /** Types on the keyboard. */
  async type(text: string): Promise<void> {
    await this.#keyboard.write(new TextEncoder().encode(text));
  }

  /** Ends the input. */
  async endInput(): Promise<void> {
    await this.#keyboard.close().catch(() => {}); // it may have ended already
  }

  /** Resolves when the console shows this, after what was there at `from`. */
  async shows(text: string, from = 0): Promise<void> {
    await this.#waitFor(() => this.screen.includes(text, from), text);
  }

  /** Resolves when standard error has this, after what was there at `from`. */
  async reports(text: string, from = 0): Promise<void> {
    await this.#waitFor(() => this.errors.includes(text, from), text);
  }

  signal(signal: Deno.Signal): void {
    this.#child.kill(signal);
  }

  /** Resolves with the exit code, after everything that was written has been read. */
  async ended(): Promise<number> {
    return await within("the process ends", this.#code, processMs);
  }

  /** Ends the process as the machine's power would. */
  async crash(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended();
  }

  /** Asks the process to end and takes its exit code. */
  async stop(signal: Deno.Signal = "SIGTERM"): Promise<number> {
    this.signal(signal);
    return await this.ended();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#ended) this.signal("SIGTERM");
    try {
      await this.ended();
    } catch (error) {
      await this.#killAll();
      throw error;
    }
  }

  /** The last resort: the process and, of a task, the process that does its work. */
  async #killAll(): Promise<void> {
    for (const pid of await childrenOf(this.#child.pid)) Deno.kill(pid, "SIGKILL");
    if (!this.#ended) this.signal("SIGKILL");
    await this.ended();
  }

  async #end(): Promise<number> {
    const { code } = await this.#child.status;
    this.#ended = true;
    await this.#outputs;
    await this.#keyboard.abort().catch(() => {});
    return code;
  }

  async #waitFor(condition: () => boolean, text: string): Promise<void> {
    const what = JSON.stringify(text);
    try {
      await eventually(what, () => condition() || this.#ended || undefined, processMs);
      assert(condition(), `the process ended without ${what}`);
    } catch (error) {
      throw new Error(`${what} in\n${this.screen}\n${this.errors}`, { cause: error });
    }
  }
}

/** Three servers as processes that can be killed, the leader first. */
class Processes implements AsyncDisposable {
  readonly servers: Running[] = [];
  readonly addresses: Address[];

  private constructor(ports: number[]) {
    this.addresses = ports.map((port) => ({ hostname: "127.0.0.1", port }));
  }

  static async start(): Promise<Processes> {
    const processes = new Processes(freePorts(3));
    for (const index of processes.addresses.keys()) await processes.restart(index);
    await processes.servers[0]!.reports("(3 of 3 in sync)\nopen");
    return processes;
  }

  async restart(index: number): Promise<Running> {
    const flags = ["--ip=127.0.0.1", `--port=${this.addresses[index]!.port}`];
    const leader = ["--leader-ip=127.0.0.1", `--leader-port=${this.addresses[0]!.port}`];
    return this.servers[index] = await Running.role("server", ...flags, ...leader);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.servers.map((server) => server[Symbol.asyncDispose]()));
  }
}

/** What the servers and clients of one session should show, written down step by step. */
class Transcript {
  /** By port: the lines of a server's console, with {A@1234} for client A's connection to that server. */
  readonly servers: Map<number, string[]>;
  /** The clients' connections as they turn out: "A@1234" to "ip:port". */
  readonly #connections = new Map<string, string>();

  constructor(readonly ports: readonly number[]) {
    this.servers = new Map(ports.map((port) => [port, []]));
  }

  put(client: string, asked: number, key: string, value: string, timestamp: number): void {
    const [leader] = this.ports;
    const who = `{${client}@${asked}}`;
    if (asked !== leader) this.#print(asked, `Encaminhando PUT key:${key} value:${value}`);
    for (const port of this.ports) {
      if (port === leader) this.#print(port, `Cliente ${who} PUT key:${key} value:${value}.`);
      else this.#print(port, `REPLICATION key:${key} value:${value} ts:${timestamp}.`);
    }
    this.#print(leader!, `Enviando PUT_OK ao Cliente ${who} da key:${key} ts:${timestamp}.`);
  }

  get(client: string, asked: number, key: string, seen: number, own: number, value: string): void {
    const who = `{${client}@${asked}}`;
    const answer = `Meu ts é ${own}, portanto devolvendo ${value}`;
    this.#print(asked, `Cliente ${who} GET key:${key} ts:${seen}. ${answer}`);
  }

  /** Compares a server's console with what it should be: one connection has one address, everywhere. */
  check(port: number, console: string): void {
    const expected = this.servers.get(port)!;
    const actual = linesOf(console);
    for (const [index, line] of expected.entries()) {
      const name = /\{(.+)\}/.exec(line)?.[1];
      const address = /Cliente (127\.0\.0\.1:\d+)/.exec(actual[index] ?? "")?.[1];
      if (name !== undefined && address !== undefined && !this.#connections.has(name)) {
        assert(![...this.#connections.values()].includes(address), `two connections: ${address}`);
        this.#connections.set(name, address);
      }
    }
    assertEquals(
      actual,
      expected.map((line) => line.replace(/\{(.+)\}/, (_, name) => this.#connections.get(name)!)),
    );
  }

  #print(port: number, line: string): void {
    this.servers.get(port)!.push(line);
  }
}

/** A client's process at work: each request waits for its line. */
class ClientProcess {
  /** What its console should show. */
  expected: string = menu;

  constructor(readonly name: string, readonly running: Running) {}

  async init(ports: readonly number[]): Promise<void> {
    await this.#enter("INIT", "");
    for (const [index, port] of ports.entries()) {
      await this.#enter("", `IP do servidor ${index + 1} [127.0.0.1]: `);
      await this.#enter(`${port}`, `Porta do servidor ${index + 1} [${10_097 + index}]: `);
    }
    this.expected += menu;
  }

  /** Returns the port of the server that was drawn. */
  async put(key: string, value: string, timestamp: number): Promise<number> {
    await this.#enter("put", "");
    await this.#enter(key, "Key: ");
    await this.#enter(value, "Value: ");
    const line = `PUT_OK key: ${key} value ${value} timestamp ${timestamp} realizada no servidor `;
    return await this.#answer(line, "");
  }

  /** Returns the port of the server that was drawn. */
  async get(key: string, value: string, seen: number, own: number): Promise<number> {
    await this.#enter("3", "");
    await this.#enter(key, "Key: ");
    const line = `GET key: ${key} value: ${value} obtido do servidor `;
    return await this.#answer(line, `, meu timestamp ${seen} e do servidor ${own}`);
  }

  /** Ends the input, and compares the whole console. */
  async end(): Promise<void> {
    await this.running.endInput();
    assertEquals(await this.running.ended(), 0);
    assertEquals(this.running.screen, `${this.expected}\n`);
  }

  async #enter(line: string, question: string): Promise<void> {
    await this.running.type(`${line}\n`);
    this.expected += `${question}${line}\n`;
  }

  async #answer(start: string, end: string): Promise<number> {
    const from = this.expected.length;
    await this.running.shows(`\n${menu}`, from);
    const server = /servidor (127\.0\.0\.1:(\d+))/.exec(this.running.screen.slice(from));
    this.expected += `${start}${server?.[1]}${end}\n${menu}`;
    assertEquals(this.running.screen, this.expected);
    return Number(server?.[2]);
  }
}

Deno.test("three server tasks and two client tasks, fed through their keyboards, character by character", async () => {
  const ports = freePorts(3);
  const [leader] = ports;
  await using stack = new AsyncDisposableStack();
  const servers = ports.map(() => stack.use(Running.task("server")));
  for (const [index, port] of ports.entries()) {
    await servers[index]!.type(`\n${port}\n127.0.0.1\n${leader}\n`);
    if (index === 1) await servers[index]!.endInput(); // as from a file; the others wait on
  }
  await servers[0]!.reports("(3 of 3 in sync)\nopen");
  const clients = ["A", "B"].map((name) =>
    new ClientProcess(name, stack.use(Running.task("client")))
  );
  const [a, b] = clients as [ClientProcess, ClientProcess];
  await a.init(ports);
  await b.init(ports.toReversed());

  const transcript = new Transcript(ports);
  transcript.get("A", await a.get("cor", "NULL", 0, 0), "cor", 0, 0, "NULL");
  const values = ["azul", "verde é 🙂", 'dito "sim"', "rosa", "preto"];
  for (const [index, value] of values.entries()) {
    const ts = index + 1;
    transcript.put("A", await a.put("cor", value, ts), "cor", value, ts);
    transcript.get("A", await a.get("cor", value, ts, ts), "cor", ts, ts, value);
    const seen = index; // what B saw the last time
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
        Running.task("server", ...flags, `--leader-port=${port}`, "--cluster-size=1");
      for (let life = 0; life < 2; life++) {
        await using server = start();
        await server.reports("serving on");
        using wire = await Wire.connect({ hostname: "127.0.0.1", port });
        const answer = await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" });
        assertEquals(answer.type, "PUT_OK");
        server.signal(signal);
        assertEquals(await wire.line(), undefined); // the server closes first
        wire.close();
        assertEquals(await server.ended(), 0);
        assertMatch(server.errors, /\nstopping\n$/);
      }
    },
  });
}

Deno.test("a follower dies by SIGKILL: PUTs go on; back on its port at once it prints what it missed", async () => {
  await using processes = await Processes.start();
  const { addresses, servers } = processes;
  await using client = new KvClient(addresses.slice(0, 2));
  await client.put("cor", "azul");
  await servers[2]!.crash();
  assertEquals((await client.put("cor", "verde")).timestamp, 2);
  const leader = servers[0]!;
  await leader.reports(`127.0.0.1:${addresses[2]!.port} left`);

  const from = leader.errors.length;
  const restarted = await processes.restart(2);
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

Deno.test("the leader dies by SIGKILL in the middle of writing: restarted empty, it has every acknowledged PUT", async () => {
  await using processes = await Processes.start();
  const { addresses, servers } = processes;
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
  await servers[0]!.crash();
  await Promise.all(writers);
  writing = false;

  const leader = await processes.restart(0);
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

Deno.test("deno task start < script: the whole system in one go, code 0", async () => {
  const ports = freePorts(3);
  await using start = Running.task("start", `--ports=${ports}`);
  await start.type(`INIT${"\n".repeat(7)}PUT\ncor\nazul\nGET\ncor\n`);
  await start.endInput();
  assertEquals(await start.ended(), 0);
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

Deno.test("a client without servers says so for each request and ends with code 0", async () => {
  const [port] = freePorts(1);
  await using client = Running.task("client");
  await client.type(`1${`\n\n${port}`.repeat(3)}\n2\ncor\nazul\n`);
  await client.endInput();
  assertEquals(await client.ended(), 0);
  assertStringIncludes(
    client.errors,
    `\nERRO no PUT: não realizado pelo servidor 127.0.0.1:${port} (`,
  );
});

Deno.test("a bad IP in a pipe: one line and exit code 2", async () => {
  for (const task of ["server", "client"] as const) {
    await using bad = Running.task(task);
    await bad.type(task === "client" ? "INIT\n999.1.1.1\n" : "999.1.1.1\n");
    assertEquals(await bad.ended(), 2); // though the pipe is still open
    assertEquals(linesOf(bad.errors).at(-1), "IP inválido: 999.1.1.1");
  }
});

Deno.test("the end of the input amid a server's questions: one line and exit code 2", async () => {
  await using server = await Running.role("server");
  await server.type("\n");
  await server.endInput();
  assertEquals(await server.ended(), 2);
  assertEquals(server.errors, "the input has ended\n");
});

Deno.test("a port in use, and an address of another machine: one sentence and exit code 1", async () => {
  using listener = Deno.listen({ ...anyPort });
  const { port } = listener.addr;
  const sentences = {
    "127.0.0.1": "the port is in use by another program.",
    "192.0.2.1": "the address is not one of this machine.",
  };
  for (const [ip, sentence] of Object.entries(sentences)) {
    const flags = [`--port=${port}`, "--leader-ip=127.0.0.1", `--leader-port=${port}`, "--quiet"];
    await using server = await Running.role("server", `--ip=${ip}`, ...flags);
    assertEquals(await server.ended(), 1);
    assertEquals(server.errors, `Cannot listen on ${ip}:${port}: ${sentence}\n`);
    assertEquals(server.screen, "");
  }
});

Deno.test("--quiet: standard error stays empty from start to end", async () => {
  const [port] = freePorts(1) as [number];
  const flags = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1", "--quiet"];
  await using server = await Running.role("server", ...flags, "--cluster-size=1");
  await server.type(`${port}\n`);
  const wire = await eventually(
    "it listens",
    () => Wire.connect({ hostname: "127.0.0.1", port }).catch(() => null),
    processMs,
  );
  using _wire = wire;
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

Deno.test("whatever serves clients asks the system for few events at a time", async () => {
  const { tasks } = JSON.parse(await Deno.readTextFile(new URL("deno.json", project)));
  const scripts = / (?:server|start|dashboard)\.ts(?: |$)/;
  const serving = Object.keys(tasks).filter((name) => scripts.test(tasks[name].command));
  assert(serving.length >= 7, serving.join());
  for (const name of serving) {
    const [set] = variables.exec(tasks[name].command)!;
    assertStringIncludes(set, "DENO_TOKIO_MAX_IO_EVENTS_PER_TICK=64 ", name);
  }
});

Deno.test("without its permission a server fails with an error and asks nobody", async () => {
  const [port] = freePorts(1);
  const flags = ["--ip=127.0.0.1", `--port=${port}`, "--leader-ip=127.0.0.1"];
  await using server = Running.deno(
    ...["run", "--no-prompt", "server.ts", ...flags, `--leader-port=${port}`],
  );
  assertEquals(await server.ended(), 1); // with the keyboard still there to be asked
  assertStringIncludes(server.errors, "Requires net access");
  assertEquals(server.screen, "");
  for (const task of ["server", "client", "start"] as const) {
    assertStringIncludes(` ${(await commandOf(task)).join(" ")} `, " --no-prompt ");
  }
});
