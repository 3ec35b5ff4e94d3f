/**
 * How TRY_OTHER_SERVER_OR_LATER comes about, step by step, on three real servers.
 *
 * Nothing is faked: the leader's REPLICATIONs towards one follower are held for a while, as
 * `--allow-faults` permits, and the rest is the protocol.
 *
 * @module
 */

import { formatAddress } from "../lib/wire/address.ts";
import { clientTexts, ServerConsole, tryOther } from "../lib/cli/console.ts";
import { demoTexts, type Step } from "./demo_texts.ts";
import { UnavailableError, UnknownOutcomeError } from "../lib/client/errors.ts";
import { KvServer } from "../lib/server/kv_server.ts";
import { ipDefault, requestTimeoutMs } from "../lib/limits.ts";
import { tuningDefault } from "../lib/replication/tuning.ts";
import { Fault, Get, Put } from "../lib/mensagem.ts";
import { within } from "../lib/client/deadlines.ts";
import { ServerConnection } from "../lib/client/server_connection.ts";
import { Session } from "../lib/client/session.ts";
import {
  EndOfInput,
  exitCode,
  parseFlags,
  processTerminal,
  type Terminal,
  UsageError,
} from "../lib/cli/terminal.ts";

const { putTimeoutMs } = tuningDefault;

const usage = `Shows how TRY_OTHER_SERVER_OR_LATER comes about, on three real servers.

deno task demo [FLAGS]

  --lang=pt|en  language of the narration (pt)
  --help        this text

On a terminal each step waits for Enter. The exit code is 1 where a step does not give what the
narration says.

  deno task demo --lang=en < /dev/null
`;

const key = "cor";
const pollMs = 5;
/** Stands for an answer that has not come. */
const waiting = "…";

/** A person who reads at a terminal may take so long, and the PUT that is held must not run out. */
const readingMs = 3_600_000;

/** A step gave something else than the narration says. */
class WrongStep extends Error {
  constructor(readonly expected: string, readonly got: string) {
    super(`expected ${expected}, got ${got}`);
    this.name = "WrongStep";
  }
}

/** A client with a letter for a name, which chooses its servers. */
class Client implements AsyncDisposable {
  readonly #letter: string;
  readonly #terminal: Terminal;
  readonly #timeoutMs: number;
  readonly #session = new Session();
  readonly #connections = new Map<KvServer, ServerConnection>();

  constructor(letter: string, terminal: Terminal, timeoutMs: number) {
    this.#letter = letter;
    this.#terminal = terminal;
    this.#timeoutMs = timeoutMs;
  }

  /** PUT, shown once it is answered. Returns "PUT_OK" and the timestamp. */
  async put(server: KvServer, value: string): Promise<string> {
    const { timestamp } = await this.#at(server).request(
      (id) => new Put(id, key, value),
      within(this.#timeoutMs),
    );
    this.#say(clientTexts.putOk(key, value, timestamp, formatAddress(server.address)));
    return `PUT_OK ${timestamp}`;
  }

  /** GET, shown. Returns the value, or that it was refused, and the server's timestamp. */
  async get(server: KvServer): Promise<string> {
    const seen = this.#session.timestamp(key);
    const reply = await this.#at(server).request(
      (id) => new Get(id, key, seen),
      within(this.#timeoutMs),
    );
    this.#session.learn(reply);
    const value = reply.type === "GET_OK" ? reply.value : undefined;
    const own = reply.timestamp;
    this.#say(clientTexts.get(key, value, formatAddress(server.address), seen, own));
    return `${value === undefined ? tryOther : value} ${own}`;
  }

  /** Tells the leader to hold the REPLICATIONs towards a follower, or to let them go. */
  async fault(leader: KvServer, held: KvServer, action: "pause" | "resume"): Promise<void> {
    const follower = formatAddress(held.address);
    await this.#at(leader).request(
      (id) => new Fault(id, follower, action),
      within(this.#timeoutMs),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const connections = [...this.#connections.values()];
    for (const connection of connections) connection.close();
    await Promise.all(connections.map(({ ended }) => ended));
  }

  #at(server: KvServer): ServerConnection {
    let connection = this.#connections.get(server);
    if (connection === undefined) {
      connection = new ServerConnection(server.address);
      this.#connections.set(server, connection);
    }
    return connection;
  }

  #say(line: string): void {
    this.#terminal.out(`[${this.#letter}] ${line}\n`);
  }
}

/** Plays the demonstration. Returns the exit code. */
export async function main(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values, switches } = parseFlags(args, ["lang"], ["help"]);
  if (switches.help) {
    terminal.out(usage);
    return 0;
  }
  const lang = values.lang ?? "pt";
  if (lang !== "pt" && lang !== "en") {
    throw new UsageError(`--lang must be pt or en, not ${JSON.stringify(lang)}`);
  }
  const texts = demoTexts[lang];
  try {
    await play(terminal, lang);
  } catch (error) {
    if (error instanceof WrongStep) {
      terminal.err(`${texts.wrong(error.expected, error.got)}\n`);
    } else if (error instanceof UnavailableError || error instanceof UnknownOutcomeError) {
      terminal.err(`${error.message}\n`);
    } else throw error;
    return 1;
  }
  terminal.out(`\n${texts.end}\n`);
  return 0;
}

async function play(terminal: Terminal, lang: keyof typeof demoTexts): Promise<void> {
  const texts = demoTexts[lang];
  const { interactive } = terminal.keyboard;
  const timeoutMs = interactive ? readingMs : putTimeoutMs;
  await using open = new AsyncDisposableStack();
  const leader = open.use(start(terminal, timeoutMs));
  const quick = open.use(start(terminal, timeoutMs, leader));
  const held = open.use(start(terminal, timeoutMs, leader));
  await Promise.all([leader, quick, held].map(({ ready }) => ready));
  const [a, b, c] = [..."ABC"].map((letter) =>
    open.use(new Client(letter, terminal, interactive ? readingMs : requestTimeoutMs))
  ) as [Client, Client, Client];

  const narration = texts.steps(quick.address.port, held.address.port);
  const step = narrator(terminal, narration, texts.next);
  terminal.out(
    `${texts.servers(leader.address.port, quick.address.port, held.address.port)}\n`,
  );

  await step("write");
  check("PUT_OK 1", await a.put(leader, "azul"));

  await step("pause");
  await a.fault(leader, held, "pause");

  await step("heldWrite");
  let answer = waiting;
  const answered = a.put(leader, "verde").then((ok) => answer = ok, (error) => {
    throw new WrongStep("PUT_OK 2", error.message);
  });
  answered.catch(() => {}); // told where it is waited for
  await until(() => holds(quick) === 2);
  check("1", `${holds(held)}`);

  await step("newRead");
  check("verde 2", await b.get(quick));

  await step("refusedRead");
  check(`${tryOther} 1`, await b.get(held));

  await step("firstRead");
  check("azul 1", await c.get(held));
  check(waiting, answer);

  await step("resume");
  await a.fault(leader, held, "resume");
  check("PUT_OK 2", await answered);

  await step("lastRead");
  check("verde 2", await b.get(held));
}

/** A server on a free port, which stands before each of its lines. */
function start(terminal: Terminal, timeoutMs: number, leader?: KvServer): KvServer {
  let mark = "";
  const server = KvServer.start({
    listen: { hostname: ipDefault, port: 0 },
    ...(leader === undefined ? {} : { leader: leader.address }),
    prints: new ServerConsole((lines) => terminal.out(lines.replaceAll(/^(?=.)/gm, mark))),
    report: () => {},
    allowFaults: leader === undefined,
    tuning: { putTimeoutMs: timeoutMs },
  });
  mark = `[${server.address.port}] `;
  return server;
}

/** Announces one step after the other, on a terminal when the reader wants it. */
function narrator(
  { keyboard, out }: Terminal,
  narration: Readonly<Record<Step, string>>,
  next: string,
): (step: Step) => Promise<void> {
  let waits = keyboard.interactive;
  let number = 0;
  return async (step) => {
    out("\n");
    if (waits) {
      try {
        await keyboard.ask(next);
      } catch (error) {
        if (!(error instanceof EndOfInput)) throw error;
        waits = false; // the reader has seen enough: the rest runs through
      }
    }
    out(`${++number}. ${narration[step]}\n`);
  };
}

function check(expected: string, got: string): void {
  if (got !== expected) throw new WrongStep(expected, got);
}

/** The timestamp that a server has for the key. */
function holds(server: KvServer): number {
  return server.table.get(key)?.timestamp ?? 0;
}

/** Waits until the condition holds, as long as a PUT may take. */
async function until(condition: () => boolean): Promise<void> {
  const end = performance.now() + putTimeoutMs;
  while (!condition()) {
    if (performance.now() > end) throw new WrongStep("REPLICATION", waiting);
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
