/** `lock`: what it shows, and when it ends. The programs that it runs are in `tests/suites/processes/`. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { commandTexts } from "../../lib/cli/command_texts.ts";
import { type HeldLock, holdLock } from "../../lib/cli/lock_command.ts";
import { FakeClient } from "../support/fake_client.ts";
import { FakeTerminal } from "../support/fake_terminal.ts";
import { within } from "../support/waiting.ts";

/** A lock that a test loses. */
class FakeLock implements HeldLock {
  readonly timestamp = 42;
  readonly losing = new AbortController();
  readonly lost = this.losing.signal;
  released = 0;

  release(): Promise<void> {
    this.released++;
    return Promise.resolve();
  }
}

function hold(
  terminal: FakeTerminal,
  take: Parameters<typeof holdLock>[3],
  { json = false, waitMs }: { json?: boolean; waitMs?: number } = {},
) {
  const context = {
    ...{ screen: terminal, servers: [], access: {}, timeoutMs: 1_000, json },
    ...{ texts: commandTexts.en, signal: terminal.catchSignals().signal },
  };
  const command = { lock: "job", command: [], ttlMs: 5_000, waitMs };
  return within("the command ends", holdLock(context, new FakeClient().client, command, take));
}

Deno.test("lock: the token is on standard output; a signal releases the lock", async () => {
  const lock = new FakeLock();
  const terminal = new FakeTerminal("");
  const asked: unknown[] = [];
  const done = hold(terminal, (_, name, { ttlMs }) => {
    asked.push(name, ttlMs);
    return Promise.resolve(lock);
  });
  await terminal.shows("42\n");
  assertEquals([lock.released, asked], [0, ["job", 5_000]]);
  terminal.interrupt(130);
  await done;
  assertEquals([lock.released, terminal.screen], [1, "42\n"]);
  assertEquals(terminal.errors, "Holding the lock job. Ctrl-C releases it.\n");
});

for (const json of [false, true]) {
  Deno.test(`lock${json ? " --json" : ""}: a lost lock is exit code 9, and the reason`, async () => {
    const lock = new FakeLock();
    const terminal = new FakeTerminal("");
    const done = hold(terminal, () => Promise.resolve(lock), { json });
    await terminal.shows("\n");
    lock.losing.abort(new Error("not renewed in time"));
    assertEquals([await done, lock.released], [9, 1]);
    assertStringIncludes(
      terminal.errors,
      "LOCK failed: not renewed in time. Another client",
    );
    if (!json) return;
    assertEquals(terminal.screen.trim().split("\n").map((line) => JSON.parse(line)), [
      { lock: "job", timestamp: 42 },
      { lock: "job", error: "LOCK_LOST", message: "not renewed in time" },
    ]);
  });
}

/** A lock that is never free. */
function never(_: unknown, __: string, { signal }: { signal?: AbortSignal | undefined }) {
  return new Promise<HeldLock>((_, reject) => {
    signal!.addEventListener("abort", () => reject(signal!.reason));
  });
}

Deno.test("lock --wait: a lock that is not free in time is exit code 8", async () => {
  for (const json of [false, true]) {
    const terminal = new FakeTerminal("");
    assertEquals(await hold(terminal, never, { waitMs: 20, json }), 8);
    assertStringIncludes(terminal.errors, "job could not be taken within 0.02 s (--wait)");
    if (json) assertEquals(JSON.parse(terminal.screen).error, "CONFLICT");
  }
});

Deno.test("lock: a wait without a limit is told, and a signal ends it", async () => {
  const terminal = new FakeTerminal("");
  const done = hold(terminal, never).catch((error) => error.code);
  await terminal.complains(
    "Waiting for the lock job: another client holds it, or no server answers.\n",
  );
  terminal.interrupt(143);
  assertEquals(await done, 143);
});
