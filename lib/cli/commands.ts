/**
 * The one-shot commands of the client: a request, its answer on standard output, an exit code.
 *
 * @module
 */

import { delay } from "@std/async/delay";
import { type ClusterStatus, clusterStatus, type ServerDown } from "../client/cluster_status.ts";
import type { KvClient } from "../client/kv_client.ts";
import { completionWords } from "./client_flags.ts";
import type { Command } from "./command_line.ts";
import { completionScript } from "./completion.ts";
import { exitCodes } from "./exit_codes.ts";
import { exportEntries } from "./export_command.ts";
import { explained } from "./failures.ts";
import { importEntries } from "./import_command.ts";
import type { Interrupted } from "./keyboard.ts";
import { holdLock } from "./lock_command.ts";
import { type CommandContext, fault, observe, send } from "./operator_commands.ts";
import { statusTable } from "./status_table.ts";
import { deleteKey, get, list, put } from "./store_commands.ts";
import { watch } from "./watch_command.ts";
import { writeJson } from "./write_json.ts";

/**
 * The commands that a signal ends in good order: they release what they hold, say how far they are,
 * and store their session. A signal ends any other command at once.
 */
export const commandsUntilSignal: ReadonlySet<Command["name"]> = new Set(
  ["watch", "lock", "export", "import"] as const,
);

/** Runs a command. Returns its exit code; failures are on standard error. */
export async function runCommand(
  context: CommandContext,
  client: KvClient,
  command: Command,
): Promise<number> {
  const fields = fieldsOf(command);
  const run = () => runOne(context, client, command);
  if (fields === undefined) return await run();
  const { signal } = context;
  return await explained(context, command.name, fields, async () => {
    let code: number | undefined;
    try {
      code = await run();
    } catch (error) {
      // Whatever a signal has broken off ends with the code of the signal.
      if (signal?.aborted !== true) throw error;
    }
    // The program that `lock` runs has an exit code of its own.
    const passedOn = command.name === "lock" && command.command.length > 0;
    if (signal?.aborted !== true || code === exitCodes.lockLost) return code!;
    return passedOn && code !== undefined ? code : (signal.reason as Interrupted).code;
  });
}

/** What names a failed command for programs; `undefined` if it tells its failures itself. */
function fieldsOf(command: Command): Readonly<Record<string, unknown>> | undefined {
  switch (command.name) {
    case "put":
    case "get":
    case "delete":
      return { key: command.key };
    case "list":
    case "keys":
      return { prefix: command.prefix };
    case "watch":
      return typeof command.target === "string" ? { key: command.target } : command.target;
    case "lock":
      return { lock: command.lock };
    case "export":
    case "import":
    case "fault":
    case "send":
      return {};
    default:
      return undefined;
  }
}

async function runOne(
  context: CommandContext,
  client: KvClient,
  command: Command,
): Promise<number> {
  switch (command.name) {
    case "put":
      return await put(context, client, command);
    case "get":
      return await get(context, client, command);
    case "delete":
      return await deleteKey(context, client, command);
    case "list":
    case "keys":
      return await list(context, client, command);
    case "watch":
      return await watch(context, client, command);
    case "lock":
      return await holdLock(context, client, command);
    case "export":
      return await exportEntries(context, client, command);
    case "import":
      return await importEntries(context, client, command);
    case "status":
      return showStatus(context, clusterStatus(await client.status()));
    case "watch-status":
      return await watchStatus(context, client, command);
    case "observe":
      return await observe(context, command.count);
    case "fault":
      return await fault(context, client, command);
    case "send":
      return await send(context, command.lines);
    case "completion":
      context.screen.out(completionScript(command.shell, completionWords));
      return exitCodes.ok;
  }
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
