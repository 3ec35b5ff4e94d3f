/**
 * Rounds of a lock whose holders are stopped for longer than its time to live.
 *
 * @module
 */

import { assertEquals, assertGreater } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import type { Address } from "../../../lib/wire/address.ts";
import { eventually } from "../../support/waiting.ts";
import { parseFenced } from "./fenced.ts";

const ttlMs = 1_000;
/** How long a holder may take for one command: the time to live, its removal, and a busy machine. */
const commandMsMax = 20_000;

/** What happened in the rounds. */
export interface FencingFigures {
  /** Locks taken. */
  readonly taken: number;
  /** Writes with a token that was no longer the highest, and were made all the same. */
  readonly stale: number;
}

/**
 * Lets two processes take a lock in turns. In each round the holder is stopped until the other one has
 * taken the lock and written. Then it goes on and writes with its old token, which must be refused.
 */
export async function fencingRounds(
  servers: readonly Address[],
  name: string,
  rounds: number,
): Promise<FencingFigures> {
  const resource = `${name} resource`;
  const holders = [0, 1].map(() =>
    Process.deno([
      "run",
      "--no-prompt",
      "--no-check",
      "--allow-net=127.0.0.1",
      new URL("lock_holder.ts", import.meta.url).href,
      name,
      resource,
      `${ttlMs}`,
      ...servers.map(({ port }) => `${port}`),
    ], { keyboard: true, out: "keep" })
  ) as [Process, Process];
  await using _holders = {
    async [Symbol.asyncDispose]() {
      await Promise.all(holders.map((holder) => holder.kill()));
    },
  };
  await using client = new KvClient(servers, { timeoutMs: commandMsMax });
  const watched = new AbortController();
  const tokens: number[] = [];
  const watching = (async () => {
    for await (const event of client.watch(resource, { signal: watched.signal })) {
      if (event.type === "put") tokens.push(parseFenced(event.value).token);
    }
  })();
  let stale = 0;
  await command(holders[0], "acquire", "held");
  for (let round = 0; round < rounds; round++) {
    const [stopped, next] = round % 2 === 0 ? holders : [holders[1], holders[0]];
    stopped.signal("SIGSTOP");
    const taken = await command(next, "acquire", "held");
    stopped.signal("SIGCONT");
    const answer = await command(stopped, "write", "(?:written|refused)");
    if (answer.text.startsWith("written")) stale++;
    assertGreater(taken.token, answer.token);
    await eventually("the loss is told", () => stopped.screen.includes(`lost ${answer.token}\n`));
    await command(stopped, "release", "released");
  }
  const { value } = await client.get(resource, { latest: true });
  const last = parseFenced(value!).token;
  await eventually("the last write is watched", () => tokens.at(-1) === last, commandMsMax);
  watched.abort();
  await watching;
  for (let i = 1; i < tokens.length; i++) if (tokens[i]! < tokens[i - 1]!) stale++;
  assertEquals(new Set(tokens).size, rounds + 1);
  return { taken: rounds + 1, stale };
}

/** Types a command, and waits for its answer. */
async function command(
  holder: Process,
  text: string,
  answer: string,
): Promise<{ readonly text: string; readonly token: number }> {
  const from = holder.screen.length;
  await holder.type(`${text}\n`);
  const line = new RegExp(`^${answer}(?: (\\d+))?$`, "m");
  const match = await eventually(
    `a holder answers ${text}`,
    () => line.exec(holder.screen.slice(from)) ?? undefined,
    commandMsMax,
  );
  return { text: match[0], token: Number(match[1] ?? 0) };
}
