/**
 * The client's command `watch`: the changes of a key, or of the keys with a prefix.
 *
 * @module
 */

import { checkEntry } from "../client/arguments.ts";
import type { KvClient, WatchEvent } from "../client/kv_client.ts";
import type { Command } from "./command_line.ts";
import { escapeControls } from "./escape.ts";
import { exitCodes } from "./exit_codes.ts";
import type { CommandContext } from "./operator_commands.ts";
import { PacedOutput } from "./paced_output.ts";

/**
 * Shows changes until `count` of them were shown, a signal ends the program, or the output is
 * closed. What is no change is on standard error, or an object like the others with `--json`.
 */
export async function watch(
  { screen, json, texts, signal }: CommandContext,
  client: KvClient,
  { target, since, count }: Command & { readonly name: "watch" },
): Promise<number> {
  if (typeof target === "string") checkEntry(target);
  const out = new PacedOutput(screen, signal);
  let shown = 0;
  for await (const event of client.watch(target, { since, signal })) {
    const isChange = event.type === "put" || event.type === "delete";
    if (json) await out.write(`${escapeControls(JSON.stringify(event))}\n`);
    else if (isChange) await out.write(`${lineOf(event)}\n`);
    else screen.err(`${stateOf(event)}\n`);
    if (isChange && ++shown >= count || out.ended) break;
  }
  return exitCodes.ok;

  function stateOf(event: WatchEvent & { type: "ready" | "reset" | "disconnected" | "connected" }) {
    switch (event.type) {
      case "ready":
        return texts.watchReady(event.timestamp);
      case "reset":
        return texts.watchReset;
      case "disconnected":
        return texts.watchCutOff(event.since, texts.reason(event.reason, "UNAVAILABLE"));
      case "connected":
        return texts.watchConnected(event.server);
    }
  }
}

/** A change as a line. Its names are those of the wire, in every language. */
function lineOf(event: WatchEvent & { type: "put" | "delete" }): string {
  const { key, timestamp } = event;
  if (event.type === "delete") return `DELETE key: ${escapeControls(key)} timestamp ${timestamp}`;
  const value = escapeControls(event.value);
  return `PUT key: ${escapeControls(key)} value: ${value} timestamp ${timestamp}`;
}
