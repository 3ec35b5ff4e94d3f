/**
 * The one-shot commands of the client: a request, its answer on standard output, an exit code.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type ClusterStatus, clusterStatus } from "../client/cluster_status.ts";
import {
  ClusterResetError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../client/errors.ts";
import type { KvClient } from "../client/kv_client.ts";
import { valueBytesMax } from "../limits.ts";
import { MensagemError } from "../mensagem.ts";
import { escapeControls } from "./escape.ts";
import { exitCodes } from "./exit_codes.ts";
import { UsageError } from "./flags.ts";
import { statusTable } from "./status_table.ts";
import type { Screen } from "./terminal.ts";
import { clientTexts, commandTexts } from "./texts.ts";

/** A command and its operands. */
export type Command =
  /** `value` is `undefined` if the whole input is the value. */
  | { readonly name: "put"; readonly key: string; readonly value: string | undefined }
  | { readonly name: "get"; readonly key: string }
  | { readonly name: "status" }
  /** Shows the status `count` times, with a pause in between. */
  | { readonly name: "watch-status"; readonly count: number; readonly pauseMs: number };

const usages: Readonly<Record<Command["name"], string>> = {
  put: "put KEY VALUE",
  get: "get KEY",
  status: "status",
  "watch-status": "watch-status",
};

/**
 * Parses the operands of the client as a command.
 *
 * @param afterDashes How many operands came after `--`. There `-` is a value, not the input.
 * @param watch The settings of `watch-status`.
 * @throws {UsageError} if the command is unknown, or has the wrong number of operands.
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
    throw new UsageError(
      `the command is "${usage}", but ${operands.length - 1} words follow ${name}`,
    );
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

/** Runs a command. Returns its exit code; failures are on standard error. */
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
      return await watchStatus(screen, client, command, json);
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
    // A pipe gets the value and nothing else, so that another program can read it.
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

/** A failed request: its name for programs, its text for people, its exit code. */
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

/** Shows the status again and again. The exit code is that of the last time. */
async function watchStatus(
  screen: Screen,
  client: KvClient,
  { count, pauseMs }: { readonly count: number; readonly pauseMs: number },
  json: boolean,
): Promise<number> {
  let code: number = exitCodes.ok;
  for (let shown = 0; shown < count && !screen.outClosed; shown++) {
    if (shown > 0) await delay(pauseMs);
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

/** Writes a value as one line of JSON, control characters spelled out. */
export function writeJson(screen: Screen, value: unknown): void {
  screen.out(`${escapeControls(JSON.stringify(value))}\n`);
}
