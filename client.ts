/**
 * A client of the cluster: the menu with INIT, PUT and GET, or one command.
 *
 * @module
 */

import { type Address, parseAddress } from "./lib/wire/address.ts";
import { exitCodes, readCommand, runCommand, writeJson } from "./lib/cli/commands.ts";
import { clientTexts, commandTexts, passwordText, type Write } from "./lib/cli/console.ts";
import {
  ClusterResetError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "./lib/client/errors.ts";
import { MensagemError } from "./lib/mensagem.ts";
import {
  type CommandLine,
  type Flags,
  numberFlag,
  parseCommandLine,
  UsageError,
} from "./lib/cli/flags.ts";
import { KvClient, type KvClientOptions } from "./lib/client/kv_client.ts";
import { ipDefault, portsDefault, requestTimeoutMs } from "./lib/limits.ts";
import { SessionFile } from "./lib/cli/session_file.ts";
import {
  askIp,
  askPort,
  askSecret,
  EndOfInput,
  exitCode,
  notNoted,
  processTerminal,
  readTls,
  type Screen,
  type Terminal,
  tlsFlags,
} from "./lib/cli/terminal.ts";

/** Pause between two looks at how a cluster is. */
export const watchPauseMs = 2_000;

const seconds = 1000;

const usage =
  `A client of the replicated key-value store: a menu with INIT, PUT and GET, or one command.

deno task client [FLAGS]                  the menu
deno task client [FLAGS] put KEY VALUE    writes; "-" as VALUE: all of the input, byte for byte
deno task client [FLAGS] get KEY          reads: to a pipe the value and nothing else
deno task client [FLAGS] status           how each server is
deno task client [FLAGS] watch-status     the same again and again

For the commands:

  --servers=A,B,C   "ip:port" of the servers (${
    portsDefault.map((port) => `${ipDefault}:${port}`).join(",")
  })
  --timeout=S       seconds that a request may take (${requestTimeoutMs / seconds})
  --json            one JSON object per line
  --session=FILE    reads nothing older than what the commands before it with this file have seen
  --interval=S      watch-status: seconds between two looks (${watchPauseMs / seconds})
  --count=N         watch-status: so many looks, then it ends
  --                what follows is no flag, and "-" no input: for keys that begin with a dash

For all:

  --password-stdin  the password of clients: the first line of the input
  --tls-ca=FILE     the CA of the servers' certificates, in PEM: all is encrypted then
  --tls-cert=FILE   a certificate of this client's own, where one is wanted, in PEM
  --tls-key=FILE    its private key
  --help            this text

Exit codes of commands:

  0  done; status: all servers answer
  1  get: the key does not exist
  2  wrong usage, an invalid key or value, or a session that does not fit
  3  get: every server that answered is behind the session (TRY_OTHER_SERVER_OR_LATER)
  4  not done, trying again is safe; status: a server does not answer, or is of another cluster
  5  put: it may or may not be written
  6  done, but the output could not be written or the session not kept

Examples:

  deno task client put cor azul
  deno task client get cor
  deno task client put foto - < foto.txt
  deno task client --servers=10.0.0.1:10097,10.0.0.2:10097 --json status
  deno task client put -- -chave- -valor-

"deno task client:session" may use the folder .session, and keeps what it has seen there. For
another file, F in the folder D: deno run --allow-net --allow-read=D --allow-write=D client.ts
--session=D/F get cor

"deno task client:secret" takes the password from the environment variable KV_PASSWORD.
"deno task client:tls" takes tls/ca.pem, and may read that, tls/cert.pem and tls/key.pem. For files
of other names:

  DENO_TLS_CA_STORE= deno run --allow-net --allow-read=A client.ts --tls-ca=A

The menu reads lines from the keyboard or from a pipe, and ends at the end of the input.
`;

const choices = new Map([["1", "INIT"], ["2", "PUT"], ["3", "GET"]]);

type Switch = "password-stdin" | "json" | "help";

/** Flags that only a command has. */
const commandFlags = ["servers", "timeout", "session", "interval", "count"] as const;

/** Runs the menu until the end of the input, or one command. Returns the exit code. */
export async function main(args: readonly string[], screen: Screen): Promise<number> {
  const line = parseCommandLine(
    args,
    [...tlsFlags, ...commandFlags],
    ["password-stdin", "json", "help"],
  );
  const { values, switches, operands } = line;
  if (switches.help) {
    screen.out(usage);
    return 0;
  }
  const presets = portsDefault.map((port) => ({ hostname: ipDefault, port }));
  if (operands.length > 0) {
    try {
      return await runOne(line, presets, screen);
    } catch (error) {
      if (switches.json && error instanceof UsageError) {
        writeJson(screen, { error: "USAGE", message: error.message });
      }
      throw error;
    }
  }
  const stray = commandFlags.find((flag) => values[flag] !== undefined) ??
    (switches.json ? "json" : undefined);
  if (stray !== undefined || args.includes("--")) {
    throw new UsageError(`--${stray ?? ""} belongs to a command: see --help`);
  }
  await menu(screen, presets, await readAccess(screen, line));
  return 0;
}

/** One command. Returns the exit code. */
async function runOne(
  line: CommandLine<typeof tlsFlags[number] | typeof commandFlags[number], Switch>,
  presets: readonly Address[],
  screen: Screen,
): Promise<number> {
  const { values, switches, operands, afterDashes } = line;
  const pauseMs = secondsFlag("interval", values.interval, watchPauseMs);
  const count = numberFlag("count", values.count, Infinity, { min: 1, max: 1e9, whole: true });
  const timeoutMs = secondsFlag("timeout", values.timeout, requestTimeoutMs);
  if (operands[0] !== "watch-status" && (values.interval ?? values.count) !== undefined) {
    throw new UsageError("--interval and --count belong to watch-status: see --help");
  }
  const command = readCommand(operands, afterDashes, { count, pauseMs });
  const servers = values.servers === undefined ? presets : readServers(values.servers);
  if (command.name === "put" && command.value === undefined && switches["password-stdin"]) {
    throw new UsageError("the input cannot be both the password and the value");
  }
  const file = values.session === undefined ? undefined : new SessionFile(values.session);
  const session = await file?.read();
  const access = await readAccess(screen, line, screen.err);
  await using client = new KvClient(servers, { ...access, timeoutMs, session });
  const code = await runCommand(screen, client, command, { json: switches.json });
  return file === undefined ? code : await keepSession(screen, client, file, values.session!, code);
}

/** The password and the certificates, where there are any. */
async function readAccess(
  screen: Screen,
  { values, switches }: Flags<typeof tlsFlags[number], "password-stdin">,
  write?: Write,
): Promise<KvClientOptions> {
  const fromInput = switches["password-stdin"];
  const tls = readTls("client", values);
  const password = await askSecret(screen, passwordText, fromInput, "KV_PASSWORD", write);
  return {
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function secondsFlag(name: string, text: string | undefined, presetMs: number): number {
  const limits = { min: 0.01, max: 3_600, whole: false };
  return numberFlag(name, text, presetMs / seconds, limits) * seconds;
}

function readServers(text: string): Address[] {
  return text.split(",").map((server) => {
    const address = parseAddress(server.trim());
    if (address !== undefined) return address;
    throw new UsageError(
      `--servers must be a list such as 127.0.0.1:10097,127.0.0.1:10098, not ${
        JSON.stringify(text)
      }`,
    );
  });
}

/** What was done is done: that it could not be noted is told all the same. */
async function keepSession(
  screen: Screen,
  client: KvClient,
  file: SessionFile,
  path: string,
  code: number,
): Promise<number> {
  try {
    await file.write(client.exportSession());
    return code;
  } catch (error) {
    screen.err(`${commandTexts.sessionNotKept(path, (error as Error).message)}\n`);
    return code === exitCodes.ok ? notNoted : code;
  }
}

/** The menu. `presets` are the servers that INIT proposes. */
export async function menu(
  terminal: Terminal,
  presets: readonly Address[],
  options: KvClientOptions = {},
): Promise<void> {
  let client: KvClient | undefined;
  try {
    while (true) {
      const answer = (await terminal.keyboard.ask(clientTexts.menu)).trim();
      const choice = choices.get(answer) ?? answer.toUpperCase();
      if (choice === "") continue;
      if (choice === "INIT") {
        const servers = await askServers(terminal, presets);
        await client?.close();
        client = new KvClient(servers, { ...options, once: true });
      } else if (choice !== "PUT" && choice !== "GET") {
        terminal.err(`${clientTexts.badChoice(answer)}\n`);
      } else if (client === undefined) {
        terminal.err(`${clientTexts.initFirst(choice)}\n`);
      } else {
        await request(terminal, client, choice);
      }
    }
  } catch (error) {
    if (!(error instanceof EndOfInput)) throw error;
  } finally {
    await client?.close();
  }
}

/** enunciado 4.a: the three servers. Which of them leads is not asked. */
async function askServers(terminal: Terminal, presets: readonly Address[]): Promise<Address[]> {
  const servers: Address[] = [];
  for (const [index, preset] of presets.entries()) {
    const ipQuestion = clientTexts.serverIp(index + 1, preset.hostname);
    const portQuestion = clientTexts.serverPort(index + 1, preset.port);
    const hostname = await askIp(terminal, ipQuestion, preset.hostname);
    servers.push({ hostname, port: await askPort(terminal, portQuestion, preset.port) });
  }
  return servers;
}

/** enunciado 4.b and 4.c: one request, and the line for its answer. */
async function request(terminal: Terminal, client: KvClient, choice: "PUT" | "GET"): Promise<void> {
  const { keyboard, out, err } = terminal;
  const key = await keyboard.ask(clientTexts.key);
  try {
    if (choice === "PUT") {
      const value = await keyboard.ask(clientTexts.value);
      const { timestamp, server } = await client.put(key, value);
      out(`${clientTexts.putOk(key, value, timestamp, server)}\n`);
    } else {
      const { value, server, seen, timestamp } = await client.get(key);
      out(`${clientTexts.get(key, value, server, seen, timestamp)}\n`);
    }
  } catch (error) {
    if (error instanceof StaleError) {
      // enunciado 5.f: the server may not show its value.
      for (const { server, timestamp } of error.answers) {
        out(`${clientTexts.get(key, undefined, server, error.seen, timestamp)}\n`);
      }
    } else err(`${explain(choice, error)}\n`);
  }
}

function explain(choice: string, error: unknown): string {
  if (error instanceof MensagemError) return clientTexts.invalid(choice, error.message);
  if (error instanceof UnavailableError) {
    return clientTexts.unavailable(choice, error.server, error.message);
  }
  if (error instanceof ClusterResetError) return clientTexts.clusterReset(choice, error.server);
  if (error instanceof UnknownOutcomeError) {
    return clientTexts.unknownOutcome(choice, error.server, error.message);
  }
  throw error;
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
