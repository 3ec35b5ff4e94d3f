/**
 * The client's commands for operators and lessons: `observe`, `fault` and `send`.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import type { Access } from "../client/access.ts";
import { dialFailure } from "../client/classify.ts";
import { clusterStatus, type ServerDown, type ServerUp } from "../client/cluster_status.ts";
import { within } from "../client/deadlines.ts";
import {
  AccessError,
  ForbiddenError,
  InvalidArgumentError,
  type KvError,
  type KvErrorCode,
  PermissionError,
  ProtocolError,
  TlsError,
  UnavailableError,
} from "../client/errors.ts";
import type { KvClient } from "../client/kv_client.ts";
import { ServerConnection } from "../client/server_connection.ts";
import { type Events, Fault, type FaultAction } from "../mensagem.ts";
import { dial, tlsError } from "../net/dial.ts";
import { type Address, formatAddress, parseAddress } from "../wire/address.ts";
import type { CommandTexts } from "./command_texts.ts";
import { escapeControls } from "./escape.ts";
import { exitCodes } from "./exit_codes.ts";
import { UsageError } from "./flags.ts";
import type { Keyboard } from "./keyboard.ts";
import { LineExchange } from "./line_exchange.ts";
import type { CaughtSignals, Screen } from "./terminal.ts";
import { writeJson } from "./write_json.ts";

/** How commands reach the servers, and how they show what they get. */
export interface CommandContext {
  /** Where the output goes. */
  readonly screen: Screen;
  /** The servers to ask. */
  readonly servers: readonly Address[];
  /** The password and the certificates. */
  readonly access: Access;
  /** How long a request may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Whether the output is JSON, one object on each line. */
  readonly json: boolean;
  /** The path of the session file, `undefined` if there is none. */
  readonly session?: string | undefined;
  /** The texts of the chosen language. */
  readonly texts: CommandTexts;
  /** Aborted by a signal that ends the program; `undefined` if signals end it at once. */
  readonly signal?: AbortSignal | undefined;
  /** Passes signals on to a program; `undefined` where `signal` is. */
  readonly passTo?: CaughtSignals["passTo"] | undefined;
}

/** The message of an error; `reasons.ts` translates it. */
const noLeader = "no server that answers is the leader";

/** Why `send` fails if the server closes the connection before the last answer. */
const lostTooEarly = "the connection was lost before all answers came";

/** The pause before a lost server is observed again. */
const observePauseMs = 1_000;

/** The longest text of all lines that `send` takes from the input, in UTF-16 units. */
export const sendCharsMax = 8 * 1024 * 1024;

/**
 * Shows the events of the servers until `count` of them were shown or the output is closed. A server
 * that is lost is observed again.
 *
 * @returns The exit code: "access" or "usage" as soon as no server can be observed by a mistake of
 * the caller or the operator, "unavailable" if no server was there within the time of a request.
 */
export async function observe(context: CommandContext, count: number): Promise<number> {
  const { screen, servers, timeoutMs } = context;
  const done = Promise.withResolvers<"shown" | "not observed">();
  let shown = 0;
  let observed = false;
  /** Why servers are not observed. Servers that are, or that are dialled first, are not in it. */
  const failures = new Map<Address, KvError>();
  const watch: ServerWatch = {
    take: (address, events) => {
      observed = true;
      failures.delete(address);
      const server = formatAddress(address);
      const { missed } = events;
      if (missed > 0) screen.err(`${context.texts.missed(server, missed)}\n`);
      for (const event of events.events) {
        if (shown++ >= count) break;
        showEvent(context, server, event);
      }
      if (shown >= count || screen.outClosed) done.resolve("shown");
    },
    lost: (address, failure) => {
      failures.set(address, failure);
      const mistaken = servers.every((server) => isMistake(failures.get(server)));
      if (mistaken) done.resolve("not observed");
    },
  };
  const stopped = new AbortController();
  const nothingYet = setTimeout(() => {
    if (!observed) done.resolve("not observed");
  }, timeoutMs);
  const all = servers.map((address) => observeServer(context, address, watch, stopped.signal));
  try {
    const outcome = await done.promise;
    return outcome === "shown" ? exitCodes.ok : showNotObserved(context, failures);
  } finally {
    clearTimeout(nothingYet);
    stopped.abort();
    await Promise.all(all);
  }
}

/** Takes what happens to an observed server. */
interface ServerWatch {
  /** Takes its events. */
  take(address: Address, events: Events): void;
  /** Takes why it is not observed. The reason was shown. */
  lost(address: Address, failure: KvError): void;
}

async function observeServer(
  context: CommandContext,
  address: Address,
  watch: ServerWatch,
  stopped: AbortSignal,
): Promise<void> {
  let told = "";
  while (!stopped.aborted) {
    const connection: ServerConnection = new ServerConnection(address, {
      ...context.access,
      connectTimeoutMs: context.timeoutMs,
      onEvents: (events) => {
        told = "";
        watch.take(address, events);
      },
    });
    const close = () => connection.close();
    stopped.addEventListener("abort", close);
    const failure = await connection.ended;
    stopped.removeEventListener("abort", close);
    if (stopped.aborted) return;
    // The same reason again is not news.
    if (failure.message !== told) tellNotObserved(context, address, failure);
    told = failure.message;
    watch.lost(address, failure);
    await delay(observePauseMs, { signal: stopped }).catch(() => {});
  }
}

function tellNotObserved(
  { screen, texts }: CommandContext,
  address: Address,
  { message, code }: KvError,
): void {
  const reason = texts.reason(message, code ?? "UNAVAILABLE");
  screen.err(`${texts.notObserved(formatAddress(address), reason)}\n`);
}

/** Tells why no server is observed, as far as it was not told. Returns the exit code. */
function showNotObserved(
  context: CommandContext,
  known: ReadonlyMap<Address, KvError>,
): number {
  const { screen, servers, timeoutMs, json } = context;
  const failures = servers.map((address) => {
    const failure = known.get(address);
    if (failure !== undefined) return failure;
    const silent = new UnavailableError(formatAddress(address), `no answer within ${timeoutMs} ms`);
    tellNotObserved(context, address, silent);
    return silent;
  });
  const mistaken = failures.every(isMistake);
  if (json) {
    const message = failures.map(({ message }, index) =>
      `${formatAddress(servers[index]!)}: ${message}`
    ).join("; ");
    const codes = new Set(failures.map(({ code }) => code ?? "UNAVAILABLE"));
    const [error] = codes.size === 1 || mistaken ? codes : ["UNAVAILABLE"];
    writeJson(screen, { error, message });
  }
  if (!mistaken) return exitCodes.unavailable;
  const access = failures.some((failure) => failure instanceof AccessError);
  return access ? exitCodes.access : exitCodes.usage;
}

/** Whether trying again fails again, until the caller or the operator has changed something. */
function isMistake(failure: KvError | undefined): boolean {
  return failure instanceof AccessError || failure instanceof InvalidArgumentError;
}

function showEvent(
  { screen, json }: CommandContext,
  server: string,
  event: Events["events"][number],
): void {
  if (json) return writeJson(screen, { server, ...event });
  const { kind, at, ...fields } = event;
  const details = Object.entries(fields).map(([name, value]) => `${name}=${JSON.stringify(value)}`);
  const line = [new Date(at).toISOString(), server, kind, ...details].join(" ");
  screen.out(`${escapeControls(line)}\n`);
}

/** What `fault` does to the replication to a follower. */
export interface FaultCommand {
  /** What the leader does with the replication: holds, delays or resumes it. */
  readonly action: FaultAction;
  /** "ip:port" of the follower. */
  readonly follower: string;
  /** The delay of "delay", in milliseconds. */
  readonly delayMs: number | undefined;
}

/**
 * Sends a FAULT to the leader, which is looked up in the status of the servers.
 *
 * @throws {AccessError} if this client cannot use the leader, or any server that is not reachable
 * and may be the leader.
 * @throws {InvalidArgumentError} if the leader does not take it, or a server's address is wrong.
 * @throws {UnavailableError} if no leader answers.
 */
export async function fault(
  context: CommandContext,
  client: Pick<KvClient, "status">,
  { action, follower, delayMs }: FaultCommand,
): Promise<number> {
  const { screen, access, timeoutMs, texts } = context;
  const { leader, servers } = clusterStatus(await client.status());
  if (leader === null) {
    throw mistakeOf(servers) ??
      new UnavailableError(formatAddress(context.servers[0]!), noLeader);
  }
  const connection = new ServerConnection(parseAddress(leader)!, access);
  try {
    await connection.request((id) => new Fault(id, follower, action, delayMs), within(timeoutMs));
  } finally {
    connection.close();
    await connection.ended;
  }
  if (context.json) writeJson(screen, { action, follower, delayMs, leader });
  else screen.out(`${texts.faultOk(action, follower, leader)}\n`);
  return exitCodes.ok;
}

/** The first server's mistake, if mistakes are why servers are not reachable; else `undefined`. */
function mistakeOf(servers: readonly (ServerUp | ServerDown)[]): KvError | undefined {
  const down = servers.filter((server): server is ServerDown => !server.reachable);
  const mistakes = down.map(({ server, reason, code }) => {
    if (code === "INVALID_ARGUMENT") return new InvalidArgumentError(reason, { server });
    const kind = accessErrors[code ?? "UNAVAILABLE"];
    return kind && new kind(server, reason);
  });
  return mistakes.includes(undefined) ? undefined : mistakes[0];
}

const accessErrors: Partial<
  Record<KvErrorCode, new (server: string, reason: string) => AccessError>
> = {
  FORBIDDEN: ForbiddenError,
  TLS: TlsError,
  PROTOCOL: ProtocolError,
  PERMISSION: PermissionError,
};

/**
 * Sends lines to the first server as they are, and shows the lines that come back. They need not be
 * messages, so this shows the protocol to the eye. If there is a password, it is proved before.
 *
 * @param texts One or more lines each. If `undefined`, the lines of the input are sent.
 * @throws {UnavailableError} if fewer lines came back than were sent.
 * @throws {AccessError} if this client cannot use the server.
 * @throws {InvalidArgumentError} if the server's address is wrong.
 * @throws {UsageError} if the input has no line, too much text, or is not UTF-8.
 */
export async function send(
  context: CommandContext,
  texts: readonly string[] | undefined,
): Promise<number> {
  const { screen, servers, access, timeoutMs } = context;
  const [address] = servers;
  const server = formatAddress(address!);
  const lines = texts?.flatMap(linesOf) ?? await linesOfInput(screen.keyboard);
  const ending = new AbortController();
  const timer = setTimeout(() => ending.abort(), timeoutMs);
  let exchange: LineExchange | undefined;
  try {
    const connection = await dial(address!, ending.signal, access.tls);
    ending.signal.addEventListener("abort", () => connection.abort());
    exchange = new LineExchange(connection, server, lines, (line) => {
      screen.out(`${escapeControls(line)}\n`);
    });
    exchange.start(access.password);
    await connection.run(exchange);
  } catch (cause) {
    if (!ending.signal.aborted) {
      // A server may refuse the client's certificate after the handshake.
      const refused = exchange?.answered ? undefined : tlsError(cause);
      throw dialFailure(server, refused ?? cause);
    }
  } finally {
    clearTimeout(timer);
  }
  if (exchange?.failure !== undefined) throw exchange.failure;
  if (exchange?.left === 0) return exitCodes.ok;
  const reason = ending.signal.aborted ? `no answer within ${timeoutMs} ms` : lostTooEarly;
  throw new UnavailableError(server, reason);
}

/** The lines of a text. The end of its last line may be left out. */
function linesOf(text: string): string[] {
  const lines = text.split("\n");
  if (lines.length > 1 && lines.at(-1) === "") lines.pop();
  return lines;
}

/** The lines of the input, also after a password. A byte order mark is no part of them. */
async function linesOfInput(keyboard: Keyboard): Promise<string[]> {
  const lines: string[] = [];
  let chars = 0;
  for (let line = await keyboard.next(); line !== undefined; line = await keyboard.next()) {
    chars += line.length + 1;
    if (chars > sendCharsMax) {
      throw new UsageError(`the input is longer than ${sendCharsMax} characters`);
    }
    lines.push(line);
  }
  if (lines.length === 0) throw new UsageError("the input has no line to send");
  return lines;
}
