/**
 * The client's commands for single keys and lists of keys: `put`, `get`, `delete`, `list`, `keys`.
 *
 * @module
 */

import { checkEntry } from "../client/arguments.ts";
import type { KvClient } from "../client/kv_client.ts";
import { valueBytesMax } from "../limits.ts";
import type { Command } from "./command_line.ts";
import { escapeControls } from "./escape.ts";
import { exitCodes } from "./exit_codes.ts";
import type { CommandContext } from "./operator_commands.ts";
import { PacedOutput } from "./paced_output.ts";
import { writeJson } from "./write_json.ts";

/** Writes a value, on the conditions of the flags. */
export async function put(
  { screen, json, texts }: CommandContext,
  client: KvClient,
  command: Command & { readonly name: "put" },
): Promise<number> {
  const { key, ifTimestamp, ttlMs } = command;
  checkEntry(key); // before the value is read
  const value = command.value ?? await screen.keyboard.all(valueBytesMax);
  const { server, timestamp } = await client.put(key, value, { ifTimestamp, ttlMs });
  if (json) writeJson(screen, { key, timestamp, server });
  else screen.out(`${texts.putOk(key, timestamp, server)}\n`);
  return exitCodes.ok;
}

/** Shows a value. */
export async function get(
  { screen, json, texts }: CommandContext,
  client: KvClient,
  { key, latest }: Command & { readonly name: "get" },
): Promise<number> {
  const { value, server, timestamp } = await client.get(key, { latest });
  if (json) writeJson(screen, { key, value, timestamp, server });
  else if (value === null) screen.err(`${texts.notFound(key)}\n`);
  // A pipe gets the value and nothing else, so that another program can read it.
  else screen.out(screen.outIsTerminal ? `${escapeControls(value)}\n` : value);
  return value === null ? exitCodes.notFound : exitCodes.ok;
}

/** Deletes a key, on the condition of the flag. It need not exist. */
export async function deleteKey(
  { screen, json, texts }: CommandContext,
  client: KvClient,
  { key, ifTimestamp }: Command & { readonly name: "delete" },
): Promise<number> {
  const { server, timestamp } = await client.delete(key, { ifTimestamp });
  if (json) writeJson(screen, { key, timestamp, server });
  else screen.out(`${texts.deleteOk(key, timestamp, server)}\n`);
  return exitCodes.ok;
}

/** Shows the keys with a prefix, one a line: with timestamps and values, or alone. */
export async function list(
  { screen, json, signal }: CommandContext,
  client: KvClient,
  { name, prefix }: Command & { readonly name: "list" | "keys" },
): Promise<number> {
  const out = new PacedOutput(screen, signal);
  if (name === "keys") {
    for await (const key of client.keys(prefix, { signal })) {
      await out.write(`${escapeControls(json ? JSON.stringify({ key }) : key)}\n`);
      if (out.ended) break;
    }
  } else {
    for await (const { key, value, timestamp } of client.list(prefix, { signal })) {
      // No key has a tab after it is escaped.
      const line = json
        ? escapeControls(JSON.stringify({ key, value, timestamp }))
        : `${escapeControls(key)}\t${timestamp}\t${escapeControls(value)}`;
      await out.write(`${line}\n`);
      if (out.ended) break;
    }
  }
  return exitCodes.ok;
}
