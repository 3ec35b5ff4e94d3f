/**
 * A story on a terminal: three real servers in this process, clients, and the narration.
 *
 * @module
 */

import { LocalServers } from "../dashboard/stories/local_servers.ts";
import type { Answer, ConditionalWrite, Stage } from "../dashboard/stories/stage.ts";
import { stepText } from "../dashboard/stories/stories.js";
import type { Client, Copy, Lang, Role, ShownStep } from "../dashboard/stories/story.ts";
import { EndOfInput } from "../lib/cli/keyboard.ts";
import { ServerConsole } from "../lib/cli/server_console.ts";
import type { Terminal } from "../lib/cli/terminal.ts";
import { ipDefault, requestTimeoutMs } from "../lib/limits.ts";
import { textOfValue } from "../lib/mensagem.ts";
import { tuningDefault } from "../lib/replication/tuning.ts";
import { KvServer } from "../lib/server/kv_server.ts";
import { type Address, formatAddress } from "../lib/wire/address.ts";
import type { FaultAction } from "../lib/wire/events.ts";
import { textOf } from "../lib/wire/frames.ts";
import { DemoClient } from "./demo_client.ts";
import { demoTexts } from "./demo_texts.ts";

/** Time limit of requests on a terminal, where a held PUT waits for the reader's Enter. */
const readingMs = 3_600_000;

/** The stage of a story. It speaks one language. */
export class DemoStage implements Stage, AsyncDisposable {
  readonly servers: Readonly<Record<Role, string>>;
  readonly signal: AbortSignal = new AbortController().signal;
  readonly #terminal: Terminal;
  readonly #lang: Lang;
  readonly #stack: AsyncDisposableStack;
  readonly #local: LocalServers;
  readonly #clients: Readonly<Record<Client, DemoClient>>;
  /** Tells the leader of faults, and asks it who is in sync. */
  readonly #operator: DemoClient;
  #waits: boolean;

  private constructor(
    terminal: Terminal,
    lang: Lang,
    local: LocalServers,
    stack: AsyncDisposableStack,
  ) {
    this.#terminal = terminal;
    this.#lang = lang;
    this.#local = local;
    this.#waits = terminal.keyboard.interactive;
    const [leader, near, far] = local.addresses.map(formatAddress) as [string, string, string];
    this.servers = { leader, near, far };
    const timeoutMs = this.#waits ? readingMs : requestTimeoutMs;
    const client = (letter: string) => stack.use(new DemoClient(letter, terminal, timeoutMs));
    this.#clients = { A: client("A"), B: client("B"), C: client("C"), D: client("D") };
    this.#operator = client("");
    this.#stack = stack;
  }

  /**
   * Starts the servers on free ports.
   *
   * @throws {StartError} if a server cannot listen.
   */
  static async open(terminal: Terminal, lang: Lang): Promise<DemoStage> {
    await using stack = new AsyncDisposableStack();
    const putTimeoutMs = terminal.keyboard.interactive ? readingMs : tuningDefault.putTimeoutMs;
    const local = stack.use(
      new LocalServers((listen, leader) => start(terminal, putTimeoutMs, listen, leader)),
    );
    const servers = [0, 0, 0].map((port) => local.add({ hostname: ipDefault, port }));
    await Promise.all(servers.map(({ ready }) => ready));
    return new DemoStage(terminal, lang, local, stack.move());
  }

  /** Announces a step. On a terminal it waits for Enter first. */
  async show(step: ShownStep): Promise<void> {
    const { keyboard, out } = this.#terminal;
    const text = stepText(step, this.#lang, portOf, (client) => client);
    if (step.name === "failed") return; // its text is an error
    out("\n");
    if (step.name === "done") return out(`${text}\n`);
    if (this.#waits) {
      try {
        await keyboard.ask(demoTexts[this.#lang].next);
      } catch (error) {
        if (!(error instanceof EndOfInput)) throw error;
        this.#waits = false; // the remaining steps follow without a pause
      }
    }
    out(`${step.index + 1}. ${text}\n`);
  }

  put(client: Client, key: string, value: string, server: string): Promise<Answer> {
    return this.#clients[client].put(key, value, server);
  }

  get(client: Client, key: string, server: string): Promise<Answer> {
    return this.#clients[client].get(key, server);
  }

  write(client: Client, key: string, write: ConditionalWrite, server: string): Promise<Answer> {
    return this.#clients[client].write(key, write, server);
  }

  fault(follower: string, action: FaultAction): Promise<void> {
    return this.#operator.fault(this.servers.leader, follower, action);
  }

  stop(server: string): Promise<void> {
    return this.#local.stop(server);
  }

  start(server: string): Promise<void> {
    return this.#local.start(server);
  }

  isUp(server: string): boolean {
    return this.#local.running(server) !== undefined;
  }

  copy(server: string, key: string): Copy | undefined {
    const running = this.#local.running(server);
    if (running === undefined) return undefined;
    const { table } = running;
    const entry = table.get(key);
    if (entry === undefined) return { value: null, timestamp: table.absentSince(key) };
    return { value: textOfValue(entry.value!), timestamp: entry.timestamp };
  }

  inSync(): Promise<number> {
    return this.#operator.inSync(this.servers.leader);
  }

  seen(client: Client, key: string): number {
    return this.#clients[client].seen(key);
  }

  /** Closes the clients and stops the servers. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync();
  }
}

/** A server's port, by which the narration calls it. */
export function portOf(server: string): string {
  return server.slice(server.lastIndexOf(":") + 1);
}

/** Starts a server whose lines begin with its port. The leader obeys FAULT. */
function start(
  terminal: Terminal,
  putTimeoutMs: number,
  listen: Address,
  leader: Address | undefined,
): KvServer {
  let mark = ""; // not known before the server listens
  const server = KvServer.start({
    listen,
    ...(leader === undefined ? {} : { leader }),
    prints: new ServerConsole((lines) => terminal.out(textOf(lines).replaceAll(/^(?=.)/gm, mark))),
    report: () => {},
    allowFaults: leader === undefined,
    tuning: { putTimeoutMs },
  });
  mark = `[${server.address.port}] `;
  return server;
}
