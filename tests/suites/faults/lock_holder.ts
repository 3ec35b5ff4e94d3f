/**
 * A program that takes a lock and writes with its fencing token, as the lines of its input say.
 *
 * `acquire` takes the lock and writes; `write` writes again with the same token; `release` gives the
 * lock back. Each is answered with one line: `held N`, `written N`, `refused N`, `released`. `lost N` comes by itself.
 *
 * Arguments: the lock's name, the key to write, the time to live in milliseconds, the servers' ports.
 *
 * @module
 */

import { KvClient } from "../../../lib/client/kv_client.ts";
import { type Lock, lock } from "../../../lib/client/recipes.ts";
import { type Fenced, parseFenced } from "./fenced.ts";

const [name, resource, ttlMs, ...ports] = Deno.args as [string, string, string, ...string[]];
await using client = new KvClient(
  ports.map((port) => ({ hostname: "127.0.0.1", port: Number(port) })),
  { timeoutMs: 10_000 },
);
let held: Lock | undefined;
let written = 0;

for await (const command of lines(Deno.stdin.readable)) {
  if (command === "acquire") {
    const mine = held = await lock(client, name, { ttlMs: Number(ttlMs) });
    mine.lost.addEventListener("abort", () => say(`lost ${mine.timestamp}`));
    await write(mine.timestamp);
    say(`held ${mine.timestamp}`);
  } else if (command === "write") {
    const token = held!.timestamp;
    say(`${await write(token) ? "written" : "refused"} ${token}`);
  } else if (command === "release") {
    await held!.release();
    held = undefined;
    say("released");
  }
}

/** Writes, unless a holder with a higher token has written before. Returns whether it wrote. */
async function write(token: number): Promise<boolean> {
  const mine: Fenced = { token, by: `${Deno.pid} ${++written}` };
  const { value } = await client.update(resource, (old) => {
    if (old !== null && parseFenced(old).token > token) return undefined;
    return JSON.stringify(mine);
  });
  return value !== null && parseFenced(value).by === mine.by;
}

function say(line: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
}

async function* lines(input: ReadableStream<Uint8Array>): AsyncIterableIterator<string> {
  let rest = "";
  for await (const text of input.pipeThrough(new TextDecoderStream() as TransformStream)) {
    const parts = (rest + text).split("\n");
    rest = parts.pop()!;
    yield* parts;
  }
}
