/**
 * The client's command line: its flags, its help, and the settings of a command.
 *
 * @module
 */

import type { KvClientOptions } from "../client/kv_client.ts";
import { ipDefault, portsDefault, requestTimeoutMs } from "../limits.ts";
import { type Address, formatAddress, parseAddress } from "../wire/address.ts";
import { type Command, readCommand } from "./commands.ts";
import { type CommandLine, numberFlag, parseCommandLine, UsageError } from "./flags.ts";
import { askSecret } from "./prompts.ts";
import type { Screen, Write } from "./terminal.ts";
import { passwordText } from "./texts.ts";
import { readClientTls, tlsFlags } from "./tls_flags.ts";

/** The servers that INIT proposes, and that commands ask without `--servers`. */
export const serversDefault: readonly Address[] = portsDefault.map((port) => ({
  hostname: ipDefault,
  port,
}));

/** Pause of `watch-status` between two tables, without `--interval`. */
const watchPauseMsDefault = 2_000;

const msPerSecond = 1_000;

/** The flags that only commands take. */
export const commandFlags = ["servers", "timeout", "session", "interval", "count"] as const;

/** The client's arguments, not yet checked against each other. */
export type ClientLine = CommandLine<
  typeof tlsFlags[number] | typeof commandFlags[number],
  "password-stdin" | "json" | "help"
>;

/** The text of `--help`. */
export const clientUsage =
  `A client of the replicated key-value store: a menu with INIT, PUT and GET, or one command.

deno task client [FLAGS]                  the menu, until the end of the input
deno task client [FLAGS] put KEY VALUE    writes; "-" as VALUE is the whole input, byte for byte
deno task client [FLAGS] get KEY          reads; a pipe gets the value and nothing else
deno task client [FLAGS] status           the state of each server
deno task client [FLAGS] watch-status     the same, again and again

Flags of commands:
  --servers=A,B,C   the servers, each as ip:port (${serversDefault.map(formatAddress).join(",")})
  --timeout=S       seconds that a request may take (${requestTimeoutMs / msPerSecond})
  --json            one JSON object on one line
  --session=FILE    read nothing older than earlier commands with this file have seen
  --interval=S      watch-status: seconds between two tables (${watchPauseMsDefault / msPerSecond})
  --count=N         watch-status: end after this many tables
  --                what follows is no flag, and "-" is a value
Flags of commands and menu:
  --password-stdin  the password of clients is the first line of the input
  --tls-ca=FILE     the CA of the servers' certificates, in PEM: encrypts the connections
  --tls-cert=FILE   a certificate of this client, in PEM, for servers that want one
  --tls-key=FILE    its private key
  --help            this text

Exit codes: 0 done; 1 get: no such key; 2 wrong usage, or a session of another cluster;
  3 get: all servers are behind the session; 4 not done, trying again is safe; 5 put: it may or may
  not be written; 6 done, but the output or the session could not be written.
  status: 0 if all servers answer and belong to one cluster, else 4

Examples:
  deno task client put cor azul
  deno task client put foto - < foto.txt
  deno task client --servers=10.0.0.1:10097,10.0.0.2:10097 --json status
  deno task client put -- -key- -value-

The task client:session keeps a session in the folder .session. client:secret takes KV_PASSWORD from
the environment, client:tls takes the files in tls/. For other files give the permission yourself:
  DENO_TLS_CA_STORE= deno run --allow-net --allow-read=A client.ts --tls-ca=A
  deno run --allow-net --allow-read=D --allow-write=D client.ts --session=D/FILE get cor
`;

/**
 * Parses the client's arguments.
 *
 * @throws {UsageError} if a flag is unknown, or a flag of commands is given to the menu.
 */
export function parseClientLine(args: readonly string[]): ClientLine {
  const names = [...tlsFlags, ...commandFlags];
  const line = parseCommandLine(args, names, ["password-stdin", "json", "help"]);
  const { values, switches, operands } = line;
  if (switches.help || operands.length > 0) return line;
  const stray = commandFlags.find((flag) => values[flag] !== undefined) ??
    (switches.json ? "json" : undefined);
  if (stray !== undefined || args.includes("--")) {
    throw new UsageError(`--${stray ?? ""} belongs to a command: see --help`);
  }
  return line;
}

/** A command, and how to run it. */
export interface CommandSettings {
  /** What to do. */
  readonly command: Command;
  /** The servers to ask. */
  readonly servers: readonly Address[];
  /** How long a request may take. */
  readonly timeoutMs: number;
  /** The path of the session file; `undefined` if there is none. */
  readonly session: string | undefined;
}

/**
 * Checks the flags of a command.
 *
 * @throws {UsageError} if one of them is wrong, or does not belong to the command.
 */
export function commandSettings(line: ClientLine): CommandSettings {
  const { values, switches, operands, afterDashes } = line;
  const pauseMs = secondsFlag("interval", values.interval, watchPauseMsDefault);
  const count = numberFlag("count", values.count, Infinity, { min: 1, max: 1e9, whole: true });
  const timeoutMs = secondsFlag("timeout", values.timeout, requestTimeoutMs);
  if (operands[0] !== "watch-status" && (values.interval ?? values.count) !== undefined) {
    throw new UsageError("--interval and --count belong to watch-status: see --help");
  }
  const command = readCommand(operands, afterDashes, { count, pauseMs });
  const servers = values.servers === undefined ? serversDefault : parseServers(values.servers);
  if (command.name === "put" && command.value === undefined && switches["password-stdin"]) {
    throw new UsageError("the input cannot be both the password and the value");
  }
  return { command, servers, timeoutMs, session: values.session };
}

/**
 * Reads the password and the certificates. The question for the password goes to `write`, else to
 * standard output.
 *
 * @throws {UsageError} if one of them is wrong or cannot be read.
 */
export async function readAccess(
  screen: Screen,
  { values, switches }: ClientLine,
  write?: Write,
): Promise<KvClientOptions> {
  const tls = readClientTls(values);
  const question = switches["password-stdin"] ? passwordText : undefined;
  const password = await askSecret(screen, { question, variable: "KV_PASSWORD", write });
  return {
    ...(password === undefined ? {} : { password }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function secondsFlag(name: string, text: string | undefined, presetMs: number): number {
  const range = { min: 0.01, max: 3_600, whole: false };
  return numberFlag(name, text, presetMs / msPerSecond, range) * msPerSecond;
}

function parseServers(text: string): Address[] {
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
