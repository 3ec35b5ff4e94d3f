/**
 * Servers whose consoles are not read, and programs on a real terminal.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertGreater, assertMatch } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import type { Address } from "../../../lib/wire/address.ts";
import { linesOf } from "../../support/lines.ts";
import { freePorts } from "../../support/ports.ts";
import { Process } from "../../../bench/process.ts";
import { commandOf } from "../../support/tasks.ts";
import { eventually, within } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

const unix = Deno.build.os !== "windows";
const project = new URL("../../../", import.meta.url);

/** A server stops within a second, and waits one more for the readers of its output. */
const stopMsMax = 8_000;

type Stream = "out" | "err";

/** A server process whose streams are read only on request. */
class UnreadServer implements AsyncDisposable {
  readonly address: Address;
  /** What was read of the streams. */
  readonly text: Record<Stream, string> = { out: "", err: "" };
  readonly #child: Deno.ChildProcess;
  readonly #reading: Partial<Record<Stream, Promise<void>>> = {};

  private constructor(child: Deno.ChildProcess, address: Address) {
    this.#child = child;
    this.address = address;
  }

  /** @param wrapper A program that starts Deno, and its arguments before Deno's path. */
  static async start(
    port: number,
    leaderPort: number,
    flags: readonly string[],
    wrapper: readonly string[] = [],
  ): Promise<UnreadServer> {
    const { env, args } = await commandOf("server");
    const addresses = [`--port=${port}`, "--leader-ip=127.0.0.1", `--leader-port=${leaderPort}`];
    const [program, ...before] = [...wrapper, Deno.execPath()];
    const child = new Deno.Command(program!, {
      args: [...before, ...args, "--ip=127.0.0.1", ...addresses, ...flags],
      cwd: project,
      env: { NO_COLOR: "1", ...env },
      stdin: "null",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    return new UnreadServer(child, { hostname: "127.0.0.1", port });
  }

  /** Reads a stream from now on. */
  read(stream: Stream): void {
    const bytes = stream === "out" ? this.#child.stdout : this.#child.stderr;
    this.#reading[stream] ??= (async () => {
      for await (const text of bytes.pipeThrough(new TextDecoderStream())) {
        this.text[stream] += text;
      }
    })();
  }

  /** How many lines of standard output were read. */
  get lines(): number {
    return this.text.out.split("\n").length - 1;
  }

  async reports(text: string): Promise<void> {
    await eventually(text, () => this.text.err.includes(text));
  }

  /** Sends SIGTERM. Resolves with the exit code. */
  async stop(): Promise<number> {
    this.#child.kill(unix ? "SIGTERM" : "SIGINT");
    return (await within("the server ends", this.#child.status, stopMsMax)).code;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      this.#child.kill("SIGKILL");
    } catch (error) {
      if (!(error instanceof TypeError)) throw error; // it has ended
    }
    await this.#child.status;
    for (const stream of ["out", "err"] as const) this.read(stream);
    await Promise.all(Object.values(this.#reading));
  }
}

/** Writes many large values, so that more is printed than pipes and buffers hold. */
async function putMany(client: KvClient, puts: number): Promise<void> {
  const value = "v".repeat(2_000);
  let next = 0;
  await Promise.all(Array.from({ length: 50 }, async () => {
    while (next < puts) await client.put(`key${next++ % 1_000}`, value);
  }));
}

/** Makes the leader report more than pipes hold, and more than it writes in a minute. */
async function faultMany(leader: Address, follower: Address, times: number): Promise<void> {
  using wire = await Wire.connect(leader);
  const fault = { type: "FAULT", follower: `127.0.0.1:${follower.port}` };
  for (let id = 0; id < times;) {
    const faults = Array.from({ length: 400 }, () => ({
      ...fault,
      id: id++,
      ...(id % 2 === 0 ? { action: "resume" } : { action: "delay", delayMs: 1 }),
    }));
    await wire.send(...faults);
    for (const { type } of await wire.messages(faults.length)) assertEquals(type, "FAULT_OK");
  }
}

const gap = (name: string) =>
  new RegExp(`^(\\d+) lines of standard ${name} were dropped from \\S+Z to \\S+Z: `, "m");

for (const stuck of [["out"], ["err"], ["out", "err"]] as const) {
  const name = `standard ${stuck.join(" and ")} not read: three servers go on, stop, and count`;
  Deno.test(name, async () => {
    const puts = 5_000;
    const faults = 2_000;
    await using stack = new AsyncDisposableStack();
    const ports = freePorts(3);
    const servers = await Promise.all(
      ports.map((port) => UnreadServer.start(port, ports[0]!, ["--allow-faults"])),
    );
    for (const server of servers) stack.use(server);
    const [leader, follower] = servers as [UnreadServer, UnreadServer];
    const read = (["out", "err"] as const).filter((stream) =>
      !(stuck as readonly Stream[]).includes(stream)
    );
    for (const server of servers) read.forEach((stream) => server.read(stream));
    const addresses = servers.map(({ address }) => address);
    await using client = new KvClient(addresses);
    await eventually("the cluster is open", () => client.put("k", "v").catch(() => undefined));
    await putMany(client, puts);
    await faultMany(leader.address, follower.address, faults);
    await putMany(client, 100);

    using wire = await Wire.connect(leader.address);
    const { inSync } = await wire.ask({ type: "STATUS", id: 1 });
    assertEquals((inSync as string[]).length, 3);
    wire.close();
    for (const server of servers.slice(1)) assertEquals(await server.stop(), 0);

    // It is read again, standard output first: what was dropped there is told when both are.
    for (const stream of stuck) leader.read(stream);
    const printed = 2 * (1 + puts + 100);
    if ((stuck as readonly Stream[]).includes("out")) {
      await leader.reports("lines of standard output were dropped");
      const dropped = Number(gap("output").exec(leader.text.err)![1]);
      await eventually("all of it", () => leader.lines + dropped === printed);
      assertGreater(dropped, 0);
      for (const line of linesOf(leader.text.out)) assertMatch(line, /^(Cliente|Enviando) .*\.$/);
    }
    if ((stuck as readonly Stream[]).includes("err")) {
      // What waited for its reader is complete; what was too much to report is counted.
      const count = /^faults: (\d+) more lines in the last /m;
      await leader.reports("faults: ");
      const counted = Number(count.exec(leader.text.err)![1]);
      assertEquals(leader.text.err.match(/^fault: /gm)!.length + counted, faults);
    }
    assert(!/left|lost/.test(leader.text.err.slice(0, leader.text.err.indexOf("fault:"))));
    assertEquals(await leader.stop(), 0);
  });
}

/** Makes its standard output and error non-blocking, and becomes another program. */
const nonBlocking = `use Fcntl;
for (*STDOUT, *STDERR) { fcntl($_, F_SETFL, fcntl($_, F_GETFL, 0) | O_NONBLOCK) or die; }
exec @ARGV;`;
const hasPerl = unix &&
  await new Deno.Command("perl", { args: ["-e", "use Fcntl"], stdout: "null", stderr: "null" })
    .output().then(({ success }) => success, () => false);

Deno.test({
  name: `a non-blocking console prints each line once${hasPerl ? "" : " (needs perl)"}`,
  ignore: !hasPerl,
  fn: async () => {
    const [port] = freePorts(1) as [number];
    const wrapper = ["perl", "-e", nonBlocking];
    await using server = await UnreadServer.start(port, port, ["--cluster-size=1"], wrapper);
    await using client = new KvClient([server.address]);
    await eventually("it serves", () => client.put("k", "v").catch(() => undefined));
    await putMany(client, 1_000);
    server.read("out");
    server.read("err");
    await putMany(client, 1_000);
    await eventually("all lines", () => server.lines === 2 * 2_001);
    assertEquals(server.text.out.match(/^Cliente .* PUT key:\w+ value:v+\.$/gm)?.length, 2_001);
    const timestamps = server.text.out.matchAll(/^Enviando .* ts:(\d+)\.$/gm);
    assertEquals(new Set([...timestamps].map(([, timestamp]) => timestamp)).size, 2_001);
    assertEquals(await server.stop(), 0);
    assert(!/dropped|written/.test(server.text.err), server.text.err);
  },
});

// A real terminal, from the program `script` of util-linux, which every Debian has.

/** A program on a terminal. `process` is what a person sees and types. */
interface OnTerminal extends AsyncDisposable {
  readonly process: Process;
  /** The process id of the program itself. */
  readonly pid: number;
  /** Waits for the program's end. Resolves with its exit code, and whether the terminal is as before. */
  end(): Promise<{ code: number; restored: boolean }>;
}

const hasScript = Deno.build.os === "linux" &&
  await new Deno.Command("script", { args: ["--version"] }).output()
    .then(({ stdout }) => new TextDecoder().decode(stdout).includes("util-linux"), () => false);

/** Starts the program of a task on a terminal. */
async function onTerminal(task: string, ...flags: string[]): Promise<OnTerminal> {
  const { env, args } = await commandOf(task);
  const program = [Deno.execPath(), ...args, ...flags].map((word) => `'${word}'`).join(" ");
  // The shell outlives Ctrl-C, to tell the exit code and the terminal's mode.
  const shell =
    `trap : INT; sh -c 'echo "pid $$"; exec "$@"' sh ${program}; echo "code $?"; stty -a`;
  const process = new Process("script", ["-qefc", shell, "/dev/null"], {
    keyboard: true,
    out: "keep",
    env: { ...env, SHELL: "/bin/sh" },
  });
  await process.shows("\n");
  return {
    process,
    pid: Number(/pid (\d+)/.exec(process.screen)![1]),
    async end() {
      await process.end();
      const [, code, mode] = /code (\d+)\r?\n([^]*)$/.exec(process.screen) ?? [];
      const restored = /[^-]icanon/.test(mode!) && /[^-]echo /.test(mode!);
      return { code: Number(code), restored };
    },
    [Symbol.asyncDispose]: () => process[Symbol.asyncDispose](),
  };
}

/** Sends a signal to a process that is not a child. Returns whether there is one. */
async function kill(pid: number, signal: "TERM" | "CONT"): Promise<boolean> {
  const args = [`-${signal}`, `${pid}`];
  return (await new Deno.Command("kill", { args, stderr: "null" }).output()).success;
}

function testOnTerminal(name: string, fn: () => Promise<void>): void {
  const ignore = !hasScript;
  Deno.test({ name: ignore ? `${name} (needs "script" of util-linux)` : name, ignore, fn });
}

const [deadPort] = freePorts(1) as [number];
const command = [`--servers=127.0.0.1:${deadPort}`, "--timeout=0.1", "get", "cor"];

testOnTerminal(
  "a password is not shown while it is typed, and the terminal is as before",
  async () => {
    await using client = await onTerminal("client", "--lang=pt", "--password-stdin", ...command);
    await client.process.shows("Senha dos clientes: ");
    await client.process.type("errada\x15s3nh\u00e7\x7fa\r");
    assertEquals(await client.end(), { code: 4, restored: true });
    assert(!/errada|s3nh/.test(client.process.screen), client.process.screen);
  },
);

const secrets: readonly [task: string, flags: string[], question: string, code?: number][] = [
  ["client", ["--lang=pt", "--password-stdin", ...command], "Senha dos clientes: "],
  ["client", ["--password-stdin"], "Senha dos clientes: "],
  ["server", ["--secret-stdin"], "Segredo dos servidores: ", 0],
  ["dashboard", ["--password-stdin"], "Senha dos clientes: ", 0],
];

for (const [task, flags, question, code] of secrets) {
  testOnTerminal(`${task} ${flags[0]}: Ctrl-C and SIGTERM end the question`, async () => {
    for (const [signal, signalCode] of [["SIGINT", 130], ["SIGTERM", 143]] as const) {
      await using program = await onTerminal(task, ...flags);
      await program.process.shows(question);
      // What is typed takes longer than a signal: after the end the terminal would show it.
      if (signal === "SIGINT") await program.process.type("s3gr\x03");
      else await kill(program.pid, "TERM");
      assertEquals(await program.end(), { code: code ?? signalCode, restored: true });
      assert(!program.process.screen.includes("s3gr"));
    }
  });
}

for (
  const [task, question] of [["server", "IP ["], ["client", "Escolha"], [
    "start",
    "Escolha",
  ]] as const
) {
  testOnTerminal(`${task}: Ctrl-C ends a question that is shown`, async () => {
    const flags = task === "start" ? [`--ports=${freePorts(3)}`] : [];
    await using program = await onTerminal(task, ...flags);
    await program.process.shows(question);
    await program.process.type("abc\x03");
    assertEquals(await program.end(), { code: task === "server" ? 0 : 130, restored: true });
  });
}

testOnTerminal("what a terminal cuts, and what is not UTF-8, is asked for again", async () => {
  await using client = await onTerminal("client");
  const { process } = client;
  await process.shows("Escolha");
  await process.type(`1\r${"\r".repeat(6)}2\r`);
  await process.shows("Key: ");
  await process.type(Uint8Array.of(0x70, 0xe1, 13));
  await process.shows("não é UTF-8");
  await process.shows("Key: ", process.screen.indexOf("não é UTF-8"));
  await process.type("pá\r");
  await process.shows("Value: ");
  await process.type(`${"x".repeat(9_000)}\r`);
  await process.shows("put KEY - <");
  const from = process.screen.indexOf("put KEY - <");
  await process.shows("Value: ", from);
  await process.type("curto\r");
  await process.shows("ERRO no PUT", from); // no server listens
  await process.type("\x04");
  assertEquals(await client.end(), { code: 0, restored: true });
});

testOnTerminal("Ctrl-S on a server's terminal stops neither its PUTs nor SIGTERM", async () => {
  const [port] = freePorts(1) as [number];
  const address = [`--port=${port}`, "--leader-ip=127.0.0.1", `--leader-port=${port}`];
  await using server = await onTerminal("server", "--ip=127.0.0.1", ...address, "--cluster-size=1");
  await server.process.shows("open, cluster");
  await server.process.type("\x13");
  await using client = new KvClient([{ hostname: "127.0.0.1", port }]);
  await putMany(client, 1_000);
  await kill(server.pid, "TERM");
  await eventually("it ends", async () => !await kill(server.pid, "CONT"), stopMsMax);
  await server.process.type("\x11");
  assertEquals(await server.end(), { code: 0, restored: true });
});
