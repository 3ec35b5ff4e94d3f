/**
 * The client's command `import`: writes the entries of an export.
 *
 * @module
 */

import { ConflictError, InvalidArgumentError } from "../client/errors.ts";
import type { KvClient } from "../client/kv_client.ts";
import type { Command } from "./command_line.ts";
import { exitCodes } from "./exit_codes.ts";
import { parseExportedLine } from "./exported_line.ts";
import { explainWithInput, tell } from "./failures.ts";
import type { Keyboard } from "./keyboard.ts";
import type { CommandContext } from "./operator_commands.ts";
import { orAborted } from "./or_aborted.ts";
import { PipelinedWrites, type Stop } from "./pipelined_writes.ts";
import { Progress } from "./progress.ts";
import { writeJson } from "./write_json.ts";

/**
 * Writes the entries of the input: key and value of each line. Ends at the first line that is broken
 * or cannot be written, and says with which line another import goes on.
 */
export async function importEntries(
  context: CommandContext,
  client: KvClient,
  { ifAbsent, fromLine }: Command & { readonly name: "import" },
): Promise<number> {
  const { screen, json, texts, signal } = context;
  const counts = { imported: 0, existed: 0 };
  const progress = new Progress(screen.err);
  const writes = new PipelinedWrites(async (key: string, value: string) => {
    try {
      await client.put(key, value, ifAbsent ? { ifTimestamp: 0 } : {});
      counts.imported++;
    } catch (error) {
      if (!(error instanceof ConflictError)) throw error;
      counts.existed++;
    }
    progress.report(() => texts.imported(counts.imported, counts.existed));
  });
  const read = await readLines(screen.keyboard, writes, fromLine, signal);
  const stop = await writes.finish() ?? read;
  if (stop === undefined) {
    if (json) writeJson(screen, counts);
    else screen.err(`${texts.imported(counts.imported, counts.existed)}\n`);
    return exitCodes.ok;
  }
  const { line, error } = stop;
  const ended = texts.importEnded(counts.imported, counts.existed, line);
  if (error === undefined) {
    if (json) writeJson(screen, { ...counts, line });
    screen.err(`${ended}\n`);
    return exitCodes.ok;
  }
  const failure = explainWithInput(context, "IMPORT", error);
  const told = { ...failure, text: `${failure.text}\n${ended}` };
  return tell(context, told, error as Error, { ...counts, line });
}

/** Starts a write for each line. Returns where and why it stopped; `undefined` at the end of the input. */
async function readLines(
  keyboard: Keyboard,
  writes: PipelinedWrites,
  fromLine: number,
  signal: AbortSignal | undefined,
): Promise<Stop | undefined> {
  const before = keyboard.line; // the password is a line of its own
  while (!writes.failed) {
    const line = keyboard.line - before + 1;
    if (signal?.aborted) return { line, error: undefined };
    try {
      const text = await orAborted(keyboard.next({ drop: line < fromLine }), signal);
      if (signal?.aborted) return { line, error: undefined };
      if (text === undefined) return undefined;
      if (text.trim() === "") continue;
      const { key, value } = parseExportedLine(text);
      await writes.start(line, key, value);
    } catch (cause) {
      if (!(cause instanceof InvalidArgumentError)) return { line, error: cause };
      const { message, code } = cause;
      const named = new InvalidArgumentError(`line ${line}: ${message}`, { cause, code });
      return { line, error: named };
    }
  }
  return undefined;
}
