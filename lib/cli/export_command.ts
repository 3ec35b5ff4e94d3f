/**
 * The client's command `export`: all keys with a prefix as lines of JSON.
 *
 * @module
 */

import type { KvClient } from "../client/kv_client.ts";
import type { Command } from "./command_line.ts";
import { exitCodes } from "./exit_codes.ts";
import { exportedLine, parseExportedLine } from "./exported_line.ts";
import { explainWithInput } from "./failures.ts";
import { UsageError } from "./flags.ts";
import type { Keyboard } from "./keyboard.ts";
import type { CommandContext } from "./operator_commands.ts";
import { PacedOutput } from "./paced_output.ts";
import { Progress } from "./progress.ts";

/**
 * Writes the entries in the order of their keys. Standard output gets whole lines and nothing else,
 * with `--json` too, so that a later export can go on after the last one.
 */
export async function exportEntries(
  context: CommandContext,
  client: KvClient,
  { prefix, after }: Command & { readonly name: "export" },
): Promise<number> {
  const { screen, texts, signal } = context;
  const out = new PacedOutput(screen, signal);
  const progress = new Progress(screen.err);
  let count = 0;
  try {
    const first = after === "-" ? await keyOfLastLine(screen.keyboard) : after;
    for await (const entry of client.list(prefix, { after: first, signal })) {
      await out.write(exportedLine(entry, entry.timestamp));
      count++;
      if (out.ended) break;
      progress.report(() => texts.exported(count));
    }
  } catch (error) {
    if (signal?.aborted !== true) {
      const failure = explainWithInput(context, "EXPORT", error);
      screen.err(`${failure.text}\n`);
      if (count > 0) screen.err(`${texts.exportEnded(count)}\n`);
      return failure.code;
    }
  }
  if (signal?.aborted && count > 0) screen.err(`${texts.exportEnded(count)}\n`);
  else if (!screen.outClosed && !signal?.aborted) screen.err(`${texts.exported(count)}\n`);
  return exitCodes.ok;
}

/** The key of the last line of the input, which an earlier export has written. */
async function keyOfLastLine(keyboard: Keyboard): Promise<string> {
  let last: string | undefined;
  for (let line = await keyboard.next(); line !== undefined; line = await keyboard.next()) {
    last = line;
  }
  if (last === undefined) throw new UsageError("--after=-: the input has no line");
  return parseExportedLine(last).key;
}
