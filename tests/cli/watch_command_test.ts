/** `watch`: what it shows, and when it ends. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { commandTexts } from "../../lib/cli/command_texts.ts";
import { runCommand } from "../../lib/cli/commands.ts";
import type { WatchEvent } from "../../lib/client/kv_client.ts";
import { FakeClient } from "../support/fake_client.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { linesOf } from "../support/lines.ts";
import { within } from "../support/waiting.ts";

const since = new Date(0);
const events: WatchEvent[] = [
  { type: "put", key: "cor", value: "azul\u001b[2J\n", timestamp: 1 },
  { type: "ready", timestamp: 1 },
  { type: "delete", key: "cor\u009b", timestamp: 2 },
  { type: "disconnected", since, reason: "the connection was lost" },
  { type: "connected", server: "127.0.0.1:10098" },
  { type: "reset", timestamp: 5 },
];

function watch(
  terminal: FakeTerminal,
  { json = false, lang = "en", count = Infinity }: {
    json?: boolean;
    lang?: "en" | "pt";
    count?: number;
  } = {},
) {
  const store = new FakeClient();
  store.events = events;
  const context = {
    ...{ screen: terminal, servers: [], access: {}, timeoutMs: 1_000, json },
    ...{ texts: commandTexts[lang], signal: terminal.catchSignals().signal },
  };
  const command = { name: "watch", target: { prefix: "" }, since: undefined, count } as const;
  return within("the command ends", runCommand(context, store.client, command));
}

Deno.test("watch: changes on standard output, escaped; the state of the watch on standard error", async () => {
  const terminal = new FakeTerminal("");
  const done = watch(terminal);
  await terminal.shows("timestamp 2\n");
  terminal.interrupt(130);
  assertEquals(await done, 130);
  assertEquals(linesOf(terminal.screen), [
    "PUT key: cor value: azul\\u001b[2J\\n timestamp 1",
    "DELETE key: cor\\u009b timestamp 2",
  ]);
  assertEquals(linesOf(terminal.errors), [
    "All shown up to timestamp 1. Changes follow.",
    "Cut off since 1970-01-01T00:00:00.000Z, trying again: the connection was lost",
    "Connected to 127.0.0.1:10098.",
    "Start over: what was shown does not count any more. All keys follow.",
  ]);
});

Deno.test("watch --json: each event is one object on standard output", async () => {
  const terminal = new FakeTerminal("");
  const done = watch(terminal, { json: true });
  await terminal.shows('"timestamp":5}\n');
  terminal.interrupt(143);
  assertEquals([await done, terminal.errors], [143, ""]);
  assertEquals(
    linesOf(terminal.screen).map((line) => JSON.parse(line)),
    JSON.parse(JSON.stringify(events)),
  );
});

Deno.test("watch speaks Portuguese", async () => {
  const terminal = new FakeTerminal("");
  const done = watch(terminal, { lang: "pt" });
  await terminal.shows("timestamp 2\n");
  terminal.interrupt(130);
  await done;
  assertStringIncludes(terminal.errors, "tentando de novo: a conexão caiu [UNAVAILABLE]\n");
});

Deno.test("watch ends after --count changes, and when its output is closed", async () => {
  for (const count of [1, 2]) {
    const terminal = new FakeTerminal("");
    assertEquals(await watch(terminal, { count }), 0);
    assertEquals(linesOf(terminal.screen).length, count);
  }
  const terminal = new FakeTerminal("");
  terminal.outClosed = true;
  assertEquals(await watch(terminal), 0);
});
