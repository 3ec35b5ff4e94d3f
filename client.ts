/**
 * The client's role: the menu with INIT, PUT and GET, or one command.
 *
 * @module
 */

import {
  type ClientLine,
  clientUsage,
  commandSettings,
  parseClientLine,
  readAccess,
  serversDefault,
} from "./lib/cli/client_flags.ts";
import { commandTexts } from "./lib/cli/command_texts.ts";
import { commandsUntilSignal, runCommand } from "./lib/cli/commands.ts";
import { exitCode, exitCodes } from "./lib/cli/exit_codes.ts";
import { UsageError } from "./lib/cli/flags.ts";
import { menu } from "./lib/cli/menu.ts";
import { SessionFile } from "./lib/cli/session_file.ts";
import { processTerminal, type Screen } from "./lib/cli/terminal.ts";
import { writeJson } from "./lib/cli/write_json.ts";
import { Secret } from "./lib/auth/secret.ts";
import { InvalidArgumentError, KvClient } from "./lib/client/kv_client.ts";
import { version as programVersion } from "./lib/version.ts";

/** Runs the menu until the end of the input, or one command. Returns the exit code. */
export async function main(args: readonly string[], screen: Screen): Promise<number> {
  const line = parseClientLine(args);
  const { help, version } = line.switches;
  if (help || version) {
    screen.out(help ? clientUsage : `${programVersion}\n`);
    return exitCodes.ok;
  }
  if (line.operands.length === 0) {
    await menu(screen, serversDefault, await readAccess(screen, line));
    return exitCodes.ok;
  }
  try {
    return await oneCommand(screen, line);
  } catch (cause) {
    // The library refuses what the flags have given it.
    const error = cause instanceof InvalidArgumentError
      ? new UsageError(cause.message, { cause })
      : cause;
    if (line.switches.json && error instanceof UsageError) {
      writeJson(screen, { error: "USAGE", message: error.message });
    }
    throw error;
  }
}

async function oneCommand(screen: Screen, line: ClientLine): Promise<number> {
  const { command, servers, timeoutMs, language, session: path } = commandSettings(line);
  const texts = commandTexts[language];
  screen.keyboard.language = language;
  const file = path === undefined ? undefined : new SessionFile(path);
  const session = await file?.read();
  // Standard output is for the value alone, so the question goes to standard error.
  const access = await readAccess(screen, line, screen.err);
  await using client = new KvClient(servers, { ...access, timeoutMs, session });
  using signals = commandsUntilSignal.has(command.name) ? screen.catchSignals() : undefined;
  const { json } = line.switches;
  const password = access.password === undefined ? undefined : Secret.from(access.password);
  const context = {
    ...{ screen, servers, timeoutMs, json, texts, session: path },
    access: { ...access, password },
    ...{ signal: signals?.signal, passTo: signals?.passTo },
  };
  const code = await runCommand(context, client, command);
  try {
    await file?.write(client.exportSession());
    return code;
  } catch (error) {
    // The request itself is done, so this is an exit code of its own.
    screen.err(`${texts.sessionNotKept(path!, (error as Error).message)}\n`);
    return code === exitCodes.ok ? exitCodes.notRecorded : code;
  }
}

if (import.meta.main) {
  const terminal = processTerminal();
  Deno.exit(await exitCode(terminal, () => main(Deno.args, terminal)));
}
