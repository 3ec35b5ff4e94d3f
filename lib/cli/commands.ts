/**
 * The one-shot commands of the client: one request, its answer on standard output, an exit code.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import {
  type ClusterStatus,
  clusterStatus,
  type ServerDown,
  type ServerUp,
} from "../client/cluster_status.ts";
import { clientTexts, commandTexts, escapeControls } from "./console.ts";
import {
  ClusterResetError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../client/errors.ts";
import { MensagemError } from "../mensagem.ts";
import { UsageError } from "./flags.ts";
import type { KvClient } from "../client/kv_client.ts";
import { valueBytesMax } from "../limits.ts";
import type { Screen } from "./terminal.ts";

/** What a command ends with. */
export const exitCodes = {
  ok: 0,
  notFound: 1,
  usage: 2,
  stale: 3,
  unavailable: 4,
  unknownOutcome: 5,
} as const;

/** What to do. */
export type Command =
  /** `value` is `undefined` where all of the input is the value. */
  | { readonly name: "put"; readonly key: string; readonly value: string | undefined }
  | { readonly name: "get"; readonly key: string }
  | { readonly name: "status" }
  /** So many looks, with a pause in between. */
  | { readonly name: "watch-status"; readonly count: number; readonly pauseMs: number };

const usages: Readonly<Record<Command["name"], string>> = {
  put: "put KEY VALUE",
  get: "get KEY",
  status: "status",
  "watch-status": "watch-status",
};

/**
 * The command that the words name. Of the operands the last `afterDashes` came after `--`: there a
 * `-` is a value like others.
 *
 * @throws {UsageError} where they name none.
 */
export function readCommand(
  operands: readonly string[],
  afterDashes: number,
  watch: { readonly count: number; readonly pauseMs: number },
): Command {
  const [name = "", key = "", value = ""] = operands;
  if (!Object.hasOwn(usages, name)) {
    throw new UsageError(`unknown command ${JSON.stringify(name)}: see --help`);
  }
  const usage = usages[name as Command["name"]];
  if (operands.length !== usage.split(" ").length) {
    throw new UsageError(`"${usage}" is expected, not ${operands.length - 1} words: see --help`);
  }
  switch (name as Command["name"]) {
    case "put":
      return { name: "put", key, value: value === "-" && afterDashes === 0 ? undefined : value };
    case "get":
      return { name: "get", key };
    case "status":
      return { name: "status" };
    case "watch-status":
      return { name: "watch-status", ...watch };
  }
}

/** Carries a command out. Returns the exit code; what went wrong is on standard error. */
export async function runCommand(
  screen: Screen,
  client: KvClient,
  command: Command,
  { json }: { readonly json: boolean },
): Promise<number> {
  switch (command.name) {
    case "put":
    case "get":
      return await request(screen, client, command, json);
    case "status":
      return showStatus(screen, clusterStatus(await client.status()), json);
    case "watch-status":
      return await watch(screen, client, command, json);
  }
}

async function request(
  screen: Screen,
  client: KvClient,
  command: Command & { readonly name: "put" | "get" },
  json: boolean,
): Promise<number> {
  const { key } = command;
  try {
    if (command.name === "put") {
      const value = command.value ?? await screen.keyboard.all(valueBytesMax);
      const { server, timestamp } = await client.put(key, value);
      if (json) writeJson(screen, { key, timestamp, server });
      else screen.out(`${commandTexts.putOk(key, timestamp, server)}\n`);
      return exitCodes.ok;
    }
    const { value, server, timestamp } = await client.get(key);
    if (json) writeJson(screen, { key, value, timestamp, server });
    else if (value === null) screen.err(`${commandTexts.notFound(key)}\n`);
    // Nothing is added for a program: what goes into a pipe is the value itself.
    else screen.out(screen.outIsTerminal ? `${escapeControls(value)}\n` : value);
    return value === null ? exitCodes.notFound : exitCodes.ok;
  } catch (error) {
    const failure = explain(command.name.toUpperCase(), key, error);
    const { message } = error as Error;
    if (json) writeJson(screen, { key, error: failure.error, message });
    screen.err(`${failure.text}\n`);
    return failure.code;
  }
}

/** What a failure is called for programs, in words, and as an exit code. */
function explain(
  choice: string,
  key: string,
  error: unknown,
): { readonly error: string; readonly text: string; readonly code: number } {
  if (error instanceof MensagemError) {
    const text = clientTexts.invalid(choice, error.message);
    return { error: error.code, text, code: exitCodes.usage };
  }
  if (error instanceof ClusterResetError) {
    const text = commandTexts.otherCluster(choice, error.server);
    return { error: "CLUSTER_RESET", text, code: exitCodes.usage };
  }
  if (error instanceof StaleError) {
    const list = error.answers.map(({ server, timestamp }) => `${server} ${timestamp}`).join(", ");
    const text = commandTexts.stale(key, error.seen, list);
    return { error: "STALE", text, code: exitCodes.stale };
  }
  if (error instanceof UnavailableError) {
    const text = commandTexts.unavailable(choice, error.message);
    return { error: error.code ?? "UNAVAILABLE", text, code: exitCodes.unavailable };
  }
  if (error instanceof UnknownOutcomeError) {
    const text = clientTexts.unknownOutcome(choice, error.server, error.message);
    return { error: "UNKNOWN_OUTCOME", text, code: exitCodes.unknownOutcome };
  }
  throw error;
}

/** Shows how the cluster is again and again; the exit code is that of the last look. */
async function watch(
  screen: Screen,
  client: KvClient,
  { count, pauseMs }: { readonly count: number; readonly pauseMs: number },
  json: boolean,
): Promise<number> {
  let code: number = exitCodes.ok;
  for (let look = 0; look < count && !screen.outClosed; look++) {
    if (look > 0) await delay(pauseMs);
    const status = clusterStatus(await client.status());
    if (screen.outIsTerminal && !json) screen.out("\x1b[H\x1b[2J");
    code = showStatus(screen, status, json);
  }
  return code;
}

function showStatus(screen: Screen, status: ClusterStatus, json: boolean): number {
  if (json) writeJson(screen, status);
  else screen.out(statusTable(status, screen.colors));
  return status.ok ? exitCodes.ok : exitCodes.unavailable;
}

/** One line of JSON, control characters spelled out. */
export function writeJson(screen: Screen, value: unknown): void {
  screen.out(`${escapeControls(JSON.stringify(value))}\n`);
}

const green = 32;
const red = 31;
const yellow = 33;

/** A piece of text, and its colour on a terminal. */
type Cell = readonly [text: string, color?: number];

/** How a cluster is, a line for each server. */
export function statusTable({ servers }: ClusterStatus, colors: boolean): string {
  const rows = servers.map((server) => server.reachable ? rowOf(server) : rowOfDown(server));
  const table: Cell[][] = [commandTexts.columns.map((title): Cell => [title]), ...rows];
  // The reason in a row of a server that is down has all the rest of the line.
  const full = table.filter((row) => row.length === commandTexts.columns.length);
  const widths = commandTexts.columns.map((_, column) =>
    Math.max(...full.map((row) => row[column]![0].length))
  );
  widths[0] = Math.max(...table.map((row) => row[0]![0].length));
  const paint = ([text, color]: Cell, width: number, last: boolean) => {
    const padded = last ? text : text.padEnd(width);
    return colors && color !== undefined ? `\x1b[${color}m${padded}\x1b[0m` : padded;
  };
  return table.map((row) =>
    `${row.map((cell, n) => paint(cell, widths[n]!, n === row.length - 1)).join("  ")}\n`
  ).join("");
}

function rowOf(up: ServerUp): Cell[] {
  const { inSync, lag } = up;
  const synced: Cell = inSync === null
    ? [commandTexts.unknown, yellow]
    : inSync
    ? [commandTexts.yes, green]
    : [commandTexts.no, yellow];
  return [
    [up.server],
    [up.role === "leader" ? commandTexts.leader : commandTexts.follower],
    synced,
    [`${up.timestamp}`],
    lag === null ? [commandTexts.unknown, yellow] : lag === 0 ? ["0"] : [`${lag}`, yellow],
    [`${up.keys}`],
    [`${up.connections}`],
    [commandTexts.duration(up.uptimeMs)],
    [commandTexts.memory(up.memoryBytes)],
  ];
}

function rowOfDown({ server, reason }: ServerDown): Cell[] {
  return [[server], [`${commandTexts.down} (${escapeControls(reason)})`, red]];
}
