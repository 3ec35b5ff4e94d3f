/**
 * The process of one client library. It takes a load as a line of JSON on standard input, and writes
 * the outcome as a line on standard output.
 *
 * @module
 */

import { fill, type Library, type Load, measure } from "./library.ts";

/** Fills the table, then measures one load after another until the input ends. */
export async function work(library: Library): Promise<void> {
  await fill(library);
  await write({ filled: true });
  const lines = Deno.stdin.readable.pipeThrough(new TextDecoderStream());
  let rest = "";
  for await (const text of lines) {
    const whole = (rest + text).split("\n");
    rest = whole.pop()!;
    for (const line of whole) await write(await measure(library, JSON.parse(line) as Load));
  }
}

async function write(message: unknown): Promise<void> {
  const writer = Deno.stdout.writable.getWriter();
  await writer.write(new TextEncoder().encode(`${JSON.stringify(message)}\n`));
  writer.releaseLock();
}
