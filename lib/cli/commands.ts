/**
 * The one-shot commands of the client: a request, its answer on standard output, an exit code.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { checkEntry } from "../client/arguments.ts";
import { type ClusterStatus, clusterStatus, type ServerDown } from "../client/cluster_status.ts";
import {
  AccessError,
  ClusterResetError,
  InvalidArgumentError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../client/errors.ts";
import type { KvClient } from "../client/kv_client.ts";
import { valueBytesMax } from "../limits.ts";
import { completionWords } from "./client_flags.ts";
import type { Command } from "./command_line.ts";
import { completionScript } from "./completion.ts";
import { escapeControls } from "./escape.ts";
import { exitCodes } from "./exit_codes.ts";
import { type CommandContext, fault, observe, send } from "./operator_commands.ts";
import { statusTable } from "./status_table.ts";
import { writeJson } from "./write_json.ts";

/** Runs a command. Returns its exit code; failures are on standard error. */
export async function runCommand(
  context: CommandContext,
  client: KvClient,
  command: Command,
): Promise<number> {
  switch (command.name) {
    case "put":
    case "get":
      return await explained(
        context,
        command.name,
        command.key,
        async () =>
          command.name === "put"
            ? await put(context, client, command)
            : await get(context, client, command.key),
      );
    case "status":
      return showStatus(context, clusterStatus(await client.status()));
    case "watch-status":
      return await watchStatus(context, client, command);
    case "observe":
      return await observe(context, command.count);
    case "fault":
      return await explained(context, "fault", undefined, () => fault(context, client, command));
    case "send":
      return await explained(context, "send", undefined, () => send(context, command.lines));
    case "completion":
      context.screen.out(completionScript(command.shell, completionWords));
      return exitCodes.ok;
  }
}

async function put(
  { screen, json, texts }: CommandContext,
  client: KvClient,
  command: Command & { readonly name: "put" },
): Promise<number> {
  const { key } = command;
  checkEntry(key); // before the value is read
  const value = command.value ?? await screen.keyboard.all(valueBytesMax);
  const { server, timestamp } = await client.put(key, value);
  if (json) writeJson(screen, { key, timestamp, server });
  else screen.out(`${texts.putOk(key, timestamp, server)}\n`);
  return exitCodes.ok;
}

async function get(
  { screen, json, texts }: CommandContext,
  client: KvClient,
  key: string,
): Promise<number> {
  const { value, server, timestamp } = await client.get(key);
  if (json) writeJson(screen, { key, value, timestamp, server });
  else if (value === null) screen.err(`${texts.notFound(key)}\n`);
  // A pipe gets the value and nothing else, so that another program can read it.
  else screen.out(screen.outIsTerminal ? `${escapeControls(value)}\n` : value);
  return value === null ? exitCodes.notFound : exitCodes.ok;
}

/** Runs a command, and tells the failures that {@linkcode explain} knows. */
async function explained(
  context: CommandContext,
  name: string,
  key: string | undefined,
  run: () => Promise<number>,
): Promise<number> {
  try {
    return await run();
  } catch (error) {
    const failure = explain(context, name.toUpperCase(), error);
    const { message } = error as Error;
    if (context.json) writeJson(context.screen, { key, error: failure.error, message });
    context.screen.err(`${failure.text}\n`);
    return failure.code;
  }
}

/** A failed request: its name for programs, its text for people, its exit code. */
function explain(
  { texts, session }: CommandContext,
  choice: string,
  error: unknown,
): { readonly error: string; readonly text: string; readonly code: number } {
  if (error instanceof InvalidArgumentError) {
    const text = texts.invalid(choice, texts.reason(error.message, error.code));
    return { error: error.code, text, code: exitCodes.usage };
  }
  if (error instanceof AccessError) {
    const { server, message } = error;
    const named = message.includes(server) ? message : `${server}: ${message}`;
    const reason = texts.reason(named, error.code);
    return { error: error.code, text: texts.unavailable(choice, reason), code: exitCodes.access };
  }
  if (error instanceof ClusterResetError) {
    const text = texts.otherCluster(choice, error.server, session);
    return { error: error.code, text, code: exitCodes.usage };
  }
  if (error instanceof StaleError) {
    const list = error.answers.map(({ server, timestamp }) => `${server} ${timestamp}`).join(", ");
    const lost = error.allAnswered && error.seen > 0;
    const text = texts.stale(error.key, error.seen, list) +
      (lost ? `\n${texts.maybeLost(session)}` : "");
    return { error: error.code, text, code: exitCodes.stale };
  }
  if (error instanceof UnavailableError) {
    const code = error.code ?? "UNAVAILABLE";
    const text = texts.unavailable(choice, texts.reason(error.message, code));
    return { error: code, text, code: exitCodes.unavailable };
  }
  if (error instanceof UnknownOutcomeError) {
    const reason = texts.reason(error.message, error.code);
    const text = texts.unknownOutcome(choice, error.server, reason);
    return { error: error.code, text, code: exitCodes.unknownOutcome };
  }
  throw error;
}

/** Shows the status again and again. The exit code is that of the last time. */
async function watchStatus(
  context: CommandContext,
  client: KvClient,
  { count, pauseMs }: { readonly count: number; readonly pauseMs: number },
): Promise<number> {
  const { screen, json } = context;
  let code: number = exitCodes.ok;
  for (let shown = 0; shown < count && !screen.outClosed; shown++) {
    if (shown > 0) await delay(pauseMs);
    await screen.flushed(); // a slow reader delays the next table
    if (screen.outClosed) break;
    const status = clusterStatus(await client.status());
    if (screen.outIsTerminal && !json) screen.out("\x1b[H\x1b[2J");
    code = showStatus(context, status);
  }
  return code;
}

function showStatus({ screen, json, texts }: CommandContext, status: ClusterStatus): number {
  if (json) writeJson(screen, status);
  else screen.out(statusTable(status, texts, screen.colors));
  if (status.ok) return exitCodes.ok;
  const down = status.servers.filter(({ reachable }) => !reachable) as ServerDown[];
  const mistakes = down.every(({ code }) => code !== undefined && code in texts.mistakes);
  return down.length > 0 && mistakes ? exitCodes.access : exitCodes.unavailable;
}
