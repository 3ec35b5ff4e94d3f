/**
 * The client's command line: its flags, its help, and the settings of a command.
 *
 * @module
 */

import { serversVariable } from "../client/environment.ts";
import type { KvClientOptions } from "../client/kv_client.ts";
import { faultActions } from "../mensagem.ts";
import { ipDefault, portsDefault, requestTimeoutMs } from "../limits.ts";
import { type Address, formatAddress } from "../wire/address.ts";
import { parseServers } from "./addresses.ts";
import {
  commandFlagIn,
  commandFlags,
  commandSwitches,
  readCommandOptions,
  secondsFlag,
  watchPauseMsDefault,
} from "./command_flags.ts";
import { type Command, commandName, commandNames, readCommand } from "./command_line.ts";
import { type CompletionWords, shells } from "./completion.ts";
import { type CommandLine, parseCommandLine, UsageError } from "./flags.ts";
import { chooseLanguage, type Language, languages } from "./language.ts";
import { askSecret, environmentText } from "./prompts.ts";
import type { Screen, Write } from "./terminal.ts";
import { passwordText, passwordTextEn } from "./texts.ts";
import { readClientTls, tlsFlags } from "./tls_flags.ts";

/** The servers that INIT proposes, and that commands ask without `--servers`. */
export const serversDefault: readonly Address[] = portsDefault.map((port) => ({
  hostname: ipDefault,
  port,
}));

const serversExample = serversDefault.map(formatAddress).join(",");

const msPerSecond = 1_000;

/** The client's arguments, not yet checked against each other. */
export type ClientLine = CommandLine<
  typeof tlsFlags[number] | typeof commandFlags[number],
  typeof clientSwitches[number]
>;

/** The flags without a value. */
export const clientSwitches = ["password-stdin", ...commandSwitches, "help", "version"] as const;

/** The words that a shell completes. */
export const completionWords: CompletionWords = {
  first: [
    ...commandNames,
    ...[...tlsFlags, ...commandFlags].map((flag) => `--${flag}=`),
    ...clientSwitches.map((name) => `--${name}`),
  ],
  after: { fault: faultActions, completion: shells },
};

/** The text of `--help`. */
export const clientUsage =
  `A client of the replicated key-value store: a menu with INIT, PUT and GET, or one command.

deno task client [FLAGS]                  the menu, until the end of the input
deno task client [FLAGS] put KEY VALUE    writes; "-" as VALUE is the whole input, byte for byte
deno task client [FLAGS] get KEY          reads; a pipe gets the value and nothing else
deno task client [FLAGS] delete KEY       deletes; the key need not exist
deno task client [FLAGS] list [PREFIX]    key, timestamp and value of each key; keys: the keys alone
deno task client [FLAGS] watch KEY        each change, until Ctrl-C; --prefix=P watches many keys
deno task client [FLAGS] lock NAME        holds a lock until Ctrl-C, and shows its token
deno task client:lock [FLAGS] NAME -- COMMAND   holds it while COMMAND runs, with KV_LOCK_TOKEN
deno task client [FLAGS] export [PREFIX]  all keys and values as lines of JSON
deno task client [FLAGS] import           writes the lines of an export, from the input
deno task client [FLAGS] status           the state of each server
deno task client [FLAGS] watch-status     the same, again and again
deno task client [FLAGS] observe          what the servers do, event by event, until Ctrl-C
deno task client fault pause|resume F     holds the replication to follower F, or goes on
deno task client fault delay F MS         delays the replication to follower F
deno task client send LINE...             sends lines as they are to the first server; "-": the input
deno task client completion bash|zsh      a script: eval "$(deno task -q client completion bash)"

Flags of commands:
  --servers=A,B,C   the servers, each as host:port (KV_SERVERS if this process may read it, else
                    ${serversExample})
  --timeout=S       seconds that a request may take (${requestTimeoutMs / msPerSecond})
  --json            one JSON object on one line
  --session=FILE    read nothing older than earlier commands with this file have seen
  --if-absent       put: only if there is no such key; import: leave existing keys as they are
  --if-timestamp=N  put, delete: only if the key has timestamp N
  --ttl=S           put, lock: the key is removed S seconds after its last write (lock: 10)
  --latest          get: the latest value of all servers, from the leader
  --prefix=P        watch: all keys that begin with P; --prefix= is every key
  --since=N         watch: begin after timestamp N (with what there is now)
  --wait=S          lock: seconds to wait for the lock (no limit)
  --after=KEY       export: begin after this key; "-": after the last line of the input
  --from-line=N     import: begin with line N (1)
  --interval=S      watch-status: seconds between two tables (${watchPauseMsDefault / msPerSecond})
  --count=N         watch-status, observe, watch: end after this many tables, events or changes
  --lang=LANG       ${languages.join(" or ")}: the language of the output (the system's)
  --                what follows is no flag, and "-" is a value
Flags of commands and menu:
  --password-stdin  the password of clients is the first line of the input
  --tls-ca=FILE     the CA of the servers' certificates, in PEM: encrypts the connections
  --tls-cert=FILE   a certificate of this client, in PEM, for servers that want one
  --tls-key=FILE    its private key
  --help, -h, help  this text
  --version         the version

Exit codes: 0 done; 1 get: no such key; 2 wrong usage, or a session of another cluster;
  3 get: all servers are behind the session; 4 not done, trying again is safe; 5 put: it may or may
  not be written; 6 done, but the output or the session could not be written; 7 not done, and
  trying again does not help: a wrong password, TLS at one end only, a certificate that is not
  accepted, no permission (--allow-net), or no server of this store; 8 conflict: the key is not as
  --if-… wants it, or another client holds the lock; 9 lock: lost before its end; 126, 127: COMMAND
  cannot be run; 130 ended by Ctrl-C, 143 by SIGTERM. client:lock passes on the code of COMMAND.
  status: 0 if all servers answer and belong to one cluster; 7 if all others cannot be used; else 4

Examples:
  deno task client put cor azul
  deno task client put foto - < foto.txt
  deno task client --servers=10.0.0.1:10097,10.0.0.2:10097 --json status
  deno task client export > backup.jsonl
  deno task client import --if-absent < backup.jsonl
  deno task client:lock nightly --wait=5 -- ./backup.sh
  deno task client put -- -key- -value-

The task client:session keeps a session in the folder .session. client:secret takes KV_PASSWORD and
KV_SERVERS from the environment, client:tls takes tls/ca.pem. For other files give the permission yourself:
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
  const line = parseCommandLine(args, names, clientSwitches, ["prefix"]);
  if (line.switches.help || line.switches.version || line.operands.length > 0) return line;
  const stray = commandFlagIn(line);
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
  /** The language of the output. */
  readonly language: Language;
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
  const timeoutMs = secondsFlag("timeout", values.timeout, requestTimeoutMs);
  const name = commandName(operands);
  const command = readCommand(name, operands, afterDashes, readCommandOptions(name, line));
  const language = chooseLanguage(values.lang);
  const servers = commandServers(values.servers);
  if (command.name === "put" && command.value === undefined && switches["password-stdin"]) {
    throw new UsageError("the input cannot be both the password and the value");
  }
  return { command, servers, timeoutMs, language, session: values.session };
}

/** The servers of the flag, else those of the environment, else the default ones. */
function commandServers(flag: string | undefined): readonly Address[] {
  if (flag !== undefined) return parseServers(flag, serversExample);
  const text = environmentText(serversVariable);
  return text === undefined ? serversDefault : parseServers(text, serversExample, serversVariable);
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
  const text = screen.keyboard.language === "pt" ? passwordText : passwordTextEn;
  const question = switches["password-stdin"] ? text : undefined;
  const password = await askSecret(screen, { question, variable: "KV_PASSWORD", write });
  return { password, tls };
}
