/** The dashboard with real servers, and its entry script. */

import {
  assert,
  assertEquals,
  assertLess,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { main } from "../../dashboard/main.ts";
import { Secret } from "../../lib/auth/secret.ts";
import { UsageError } from "../../lib/cli/flags.ts";
import { Dashboard } from "../../dashboard/server/dashboard.ts";
import type { Item } from "../../dashboard/server/item.ts";
import type { State } from "../../dashboard/server/state.ts";
import { cellOf } from "../../dashboard/page/selectors.js";
import { apply, decode } from "../../dashboard/page/state.js";
import { storyDefault } from "../../dashboard/stories/stories.js";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import type { KvServer } from "../../lib/server/kv_server.ts";
import { dashboardServersMax } from "../../dashboard/main.ts";
import { observerSilenceMs } from "../../dashboard/server/observer.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { anyPort, deadAddress, freePorts } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import { startSilentServer } from "../support/silent_server.ts";

/** Starts a server in this process: a leader, or a follower if `leader` is given. */
function startServer(listen: Address, leader?: Address, secret?: Secret): KvServer {
  return startSilentServer({
    listen,
    ...(leader === undefined ? {} : { leader }),
    ...(secret === undefined ? {} : { secrets: { server: secret, client: secret } }),
  });
}

/** A browser without a screen. It keeps the state as the page does. */
class Browser implements AsyncDisposable {
  readonly items: Item[] = [];
  state: State | undefined;
  readonly #url: string;
  /** It connects to the dashboard itself, not to a proxy of the environment. */
  readonly #client: Deno.HttpClient;
  readonly #opened: Promise<ReadableStreamDefaultReader<string>>;
  readonly #reading: Promise<void>;

  constructor({ hostname, port }: Address) {
    this.#url = `http://${hostname}:${port}`;
    this.#client = Deno.createHttpClient({ proxy: { transport: "tcp", hostname, port } });
    this.#opened = this.#open();
    this.#reading = this.#read();
  }

  async command(path: string, body: unknown): Promise<Record<string, unknown>> {
    const response = await fetch(this.#url + path, {
      method: "POST",
      headers: { origin: this.#url, "content-type": "application/json" },
      body: JSON.stringify(body),
      client: this.#client,
    });
    return await response.json();
  }

  /** Resolves with the state once it meets the condition. */
  async sees(what: string, condition: (state: State) => boolean): Promise<State> {
    return await eventually(
      what,
      () => this.state !== undefined && condition(this.state) && this.state,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await (await this.#opened).cancel();
    await this.#reading;
    this.#client.close();
  }

  async #open(): Promise<ReadableStreamDefaultReader<string>> {
    const { body } = await fetch(`${this.#url}/events`, { client: this.#client });
    return body!.pipeThrough(new TextDecoderStream()).getReader();
  }

  async #read(): Promise<void> {
    const reader = await this.#opened;
    let text = "";
    for (let read = await reader.read(); !read.done; read = await reader.read()) {
      text += read.value;
      for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
        const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(text.slice(0, end))!;
        text = text.slice(end + 2);
        if (event === "keyframe") this.state = decode(data!).state;
        else for (const item of decode(data!)) this.#take(item);
      }
    }
  }

  #take(item: Item): void {
    this.items.push(item);
    apply(this.state!, item);
  }
}

const allUp = (state: State) => state.open && state.servers.every(({ up, status }) => up && status);
const cells = (state: State, key: string) =>
  state.servers.map((server) => {
    const { is, cell } = cellOf(state, key, server);
    return `${is} ${cell?.value ?? ""}`.trim();
  });

Deno.test("a PUT shows on all servers, a paused follower is stale, and a story gets a refusal", async () => {
  await using servers = new AsyncDisposableStack();
  const leader = servers.use(startServer(anyPort));
  const others = [1, 2].map(() => servers.use(startServer(anyPort, leader.address)));
  const addresses = [leader, ...others].map(({ address }) => address);
  await using dashboard = new Dashboard({ listen: anyPort, servers: addresses, demoStepMs: 60 });
  await using browser = new Browser(dashboard.address);
  await browser.sees("three servers", allUp);

  const follower = formatAddress(addresses[2]!);
  const wrote = await browser.command("/put", { client: 1, key: "cor", value: "azul" });
  assertEquals(wrote.timestamp, 1);
  await browser.sees(
    "azul everywhere",
    (state) => cells(state, "cor").every((cell) => cell === "current azul"),
  );

  await browser.command("/fault", { follower, action: "pause" });
  const held = browser.command("/put", { client: 2, key: "cor", value: "verde" });
  const stale = await browser.sees(
    "verde on two servers, and the stale copy",
    (state) => cells(state, "cor").join() === "current verde,current verde,stale azul",
  );
  assertEquals(stale.servers[2]!.fault?.action, "pause");
  await browser.command("/fault", { follower, action: "resume" });
  assertEquals((await held).timestamp, 2);
  await browser.sees(
    "verde everywhere",
    (state) => cells(state, "cor").every((cell) => cell === "current verde"),
  );

  assertEquals(await browser.command("/demo", {}), {});
  const shown = await browser.sees(
    "the end of the story",
    ({ demoSteps }) => demoSteps.at(-1)?.name === "done",
  );
  const names = storyDefault.steps.map(({ name }) => name);
  assertEquals(shown.demoSteps.map(({ name }) => name), [...names, "done"]);
  const { client, ...refusal } = shown.refusals.at(-1)!;
  assertEquals(shown.clientNumbers.get(client), 2);
  assert("seen" in refusal);
  assertEquals([refusal.server, refusal.key, refusal.seen, refusal.own], [follower, "cor", 4, 3]);
  assertEquals(shown.servers.map(({ fault }) => fault), [undefined, undefined, undefined]);
  await browser.sees(
    "what client 1 has seen",
    ({ clients }) => clients.get(1)?.seen.get("cor")?.timestamp === 4,
  );
});

Deno.test("a server that stops is shown as down, and as up after its restart", async () => {
  await using servers = new AsyncDisposableStack();
  const leader = servers.use(startServer(anyPort));
  const near = servers.use(startServer(anyPort, leader.address));
  const far = startServer(anyPort, leader.address);
  const addresses = [leader, near, far].map(({ address }) => address);
  await using dashboard = new Dashboard({ listen: anyPort, servers: addresses });
  await using browser = new Browser(dashboard.address);
  await browser.sees("three servers", allUp);
  for (const value of ["verde", "roxo", "preto", "azul"]) {
    await browser.command("/put", { client: 1, key: "cor", value });
    await browser.sees(value, (state) => cells(state, "cor")[2] === `current ${value}`);
  }
  await within("the server stops", far.close());
  const stoppedAt = performance.now();
  const without = await browser.sees("the server is down", ({ servers }) => !servers[2]!.up);
  assertLess(
    performance.now() - stoppedAt,
    observerSilenceMs / 2,
    "the observer waited for silence",
  );
  assertEquals(cells(without, "cor")[2], "unknown");
  const asked = { client: 1, key: "cor", server: formatAddress(far.address) };
  assertEquals((await browser.command("/get", asked)).error, "UNAVAILABLE");

  servers.use(startServer(far.address, leader.address));
  await browser.sees(
    "the server is back, with its table",
    (state) => allUp(state) && cells(state, "cor")[2] === "current azul",
  );
  assertEquals((await browser.command("/get", asked)).value, "azul");
});

Deno.test("servers with a password are observed only with the right password", async () => {
  const secret = await Secret.from("segredo");
  await using servers = new AsyncDisposableStack();
  const leader = servers.use(startServer(anyPort, undefined, secret));
  const options = { listen: anyPort, servers: [leader.address] };
  await using without = new Dashboard(options);
  await using wrong = new Dashboard({ ...options, password: await Secret.from("outro") });
  await using right = new Dashboard({ ...options, password: secret });
  for (const dashboard of [without, wrong]) {
    await using browser = new Browser(dashboard.address);
    await browser.sees("the reason", ({ servers }) => servers[0]!.reason !== "");
    assert(!browser.state!.servers[0]!.up);
  }
  await using browser = new Browser(right.address);
  await browser.sees("the server", ({ servers }) => servers[0]!.status !== undefined);
});

Deno.test("after all servers have lost their data, the clients forget their timestamps", async () => {
  const listen = { hostname: "127.0.0.1", port: freePorts(1)[0]! };
  const alone = { listen, tuning: { clusterSize: 1, minInSync: 1 } };
  const before = startSilentServer(alone);
  await using dashboard = new Dashboard({ listen: anyPort, servers: [listen] });
  await using browser = new Browser(dashboard.address);
  await browser.sees("the server", allUp);
  await browser.command("/put", { client: 1, key: "cor", value: "azul" });
  await browser.sees(
    "what it has seen",
    ({ clients }) => clients.get(1)?.seen.get("cor")?.timestamp === 1,
  );
  await within("the server stops", before.close());
  await using _after = await eventually("the port is free", () => {
    try {
      return startSilentServer(alone);
    } catch {
      return undefined;
    }
  });
  await browser.sees("nothing seen", ({ clients }) => clients.size === 0);
  const got = await browser.command("/get", { client: 1, key: "cor" });
  assertEquals([got.value, got.seen], [null, 0]);
});

Deno.test("a browser that never reads does not keep the dashboard from closing", async () => {
  const dashboard = new Dashboard({ listen: anyPort, servers: [deadAddress()] });
  // More bytes than the connection buffers.
  dashboard.feed.subscribe = () =>
    new ReadableStream({
      start(controller) {
        for (let n = 0; n < 32; n++) controller.enqueue(new Uint8Array(1024 * 1024));
        controller.close();
      },
    });
  using conn = await Deno.connect({ ...dashboard.address });
  const request = `GET /events HTTP/1.1\r\nHost: ${formatAddress(dashboard.address)}\r\n\r\n`;
  await conn.write(new TextEncoder().encode(request));
  await within("the dashboard answers", conn.read(new Uint8Array(1)));
  await within("the dashboard closes", dashboard[Symbol.asyncDispose]());
});

Deno.test("--start starts servers and dashboard with one command", async () => {
  const [port, ...ports] = freePorts(4);
  const stopped = Promise.withResolvers<void>();
  const terminal = new FakeTerminal("");
  const servers = ports.map((one) => `127.0.0.1:${one}`).join(",");
  const args = ["--start", `--servers=${servers}`, `--port=${port}`];
  const running = main(args, terminal, stopped.promise);
  try {
    await eventually(
      "the dashboard prints its address",
      () => terminal.errors.includes(`http://127.0.0.1:${port}/`),
    );
    await using browser = new Browser({ hostname: "127.0.0.1", port: port! });
    const state = await browser.sees("three servers", allUp);
    assertEquals(state.leader, `127.0.0.1:${ports[0]}`);
    assert(state.servers.every(({ status }) => status?.faults));
    await browser.command("/put", { client: 1, key: "cor", value: "azul" });
    assertStringIncludes(terminal.screen, `[${ports[0]}] Cliente `);
  } finally {
    stopped.resolve();
  }
  assertEquals(await within("the dashboard stops", running), 0);
});

Deno.test("--help explains the flags, and a wrong flag is named", async () => {
  const run = async (...args: string[]) => {
    const terminal = new FakeTerminal("");
    const code = await main(args, terminal, Promise.resolve()).catch(({ message }) => message);
    return { code, output: terminal.screen, errors: terminal.errors };
  };
  assertMatch((await run("--help")).output, /--start/);
  for (const servers of ["", "127.0.0.1", "a..b:1", "[ff02::1]:1", "127.0.0.1:1,127.0.0.1:1"]) {
    assertMatch((await run(`--servers=${servers}`)).code, /--servers/);
  }
  const many = Array.from({ length: dashboardServersMax + 1 }, (_, n) => `127.0.0.1:${n + 1}`);
  assertMatch((await run(`--servers=${many}`)).code, /servers/);
  using taken = Deno.listen({ ...anyPort });
  const { port } = taken.addr;
  const servers = `--servers=${formatAddress(deadAddress())}`;
  for (
    const [flags, reason] of [
      [[], `127.0.0.1:${port}: the port is in use by another program`],
      [["--ip=ff02::1"], `[ff02::1]:${port}: it is a multicast address`],
      [["--ip=fe80::1"], `[fe80::1]:${port}: a link-local address needs a zone`],
    ] as const
  ) {
    const { code, errors } = await run(servers, `--port=${port}`, ...flags);
    assertEquals(code, 1);
    assertMatch(errors, /^Cannot listen on [^\n]*\.\n$/);
    assertStringIncludes(errors, reason);
  }
});

Deno.test("outside loopback the dashboard warns, and names an address that a browser may use", async () => {
  const [port, dead] = freePorts(2);
  const listen = Deno.listen;
  const asked: string[] = [];
  Deno.listen = ((options: Deno.TcpListenOptions) => {
    asked.push(options.hostname!);
    return listen({ ...options, hostname: "127.0.0.1" }); // tests stay on loopback
  }) as typeof Deno.listen;
  const ips = { "0.0.0.0": "127.0.0.1", "192.0.2.1": "192.0.2.1" };
  try {
    for (const [ip, shown] of Object.entries(ips)) {
      const terminal = new FakeTerminal("");
      const stopped = Promise.withResolvers<void>();
      const flags = [`--servers=127.0.0.1:${dead}`, `--ip=${ip}`, `--port=${port}`];
      const running = main(flags, terminal, stopped.promise);
      const warning = `Atenção: ${ip} não é só desta máquina`;
      await eventually("it warns", () => terminal.errors.includes(warning));
      assertStringIncludes(terminal.errors, `http://${shown}:${port}/`);
      stopped.resolve();
      assertEquals(await within("the dashboard stops", running), 0);
    }
    assertEquals(asked, Object.keys(ips));
  } finally {
    Deno.listen = listen;
  }
});

Deno.test("--start outside loopback is refused: its servers have no secret", async () => {
  for (const host of ["0.0.0.0", "192.0.2.1", "kv-0"]) {
    const flags = ["--start", `--servers=${host}:10097`];
    await assertRejects(
      () => main(flags, new FakeTerminal(""), Promise.resolve()),
      UsageError,
      "only on loopback addresses",
    );
  }
});
