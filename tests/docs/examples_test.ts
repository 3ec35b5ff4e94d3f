/**
 * The examples of README.md, of docs/operations.md and of the library's doc comments, run against a
 * real cluster. They are read as text, so no permission is needed. `deno task doc` checks the types
 * of those in Markdown.
 */

import { assert, assertEquals } from "@std/assert";
import * as library from "../../lib/client/kv_client.ts";
import libraryText from "../../lib/client/kv_client.ts" with { type: "text" };
import readmeText from "../../README.md" with { type: "text" };
import operationsText from "../../docs/operations.md" with { type: "text" };
import { Cluster } from "../support/helpers.ts";

const AsyncFunction = (async () => {}).constructor as new (
  ...parameters: string[]
) => (...args: unknown[]) => Promise<void>;

/** The examples in a text, without the stars of a doc comment. */
function examplesOf(text: string): string[] {
  const plain = text.replaceAll(/^ *\* ?/gm, "");
  return Array.from(plain.matchAll(/```ts\n(.*?)```/gs), ([, code]) => code!);
}

/** Runs an example with these servers in the place of the usual ones. Returns what it logs. */
async function run(code: string, { addresses }: Cluster): Promise<string[]> {
  const here = code
    .replace(/^import (\{.*?\}) from "[^"]*\/kv_client\.ts";$/gm, "const $1 = library;")
    .replaceAll(/\b1009([789])\b/g, (_, digit) => `${addresses[Number(digit) - 7]!.port}`);
  const logged: string[] = [];
  const log = { log: (...args: unknown[]) => logged.push(args.map(String).join(" ")) };
  await new AsyncFunction("library", "console", here)(library, log);
  return logged;
}

for (
  const [where, text] of [
    ["README.md", readmeText],
    ["docs/operations.md", operationsText],
    ["lib/kv_client.ts", libraryText],
  ] as const
) {
  Deno.test(`the examples of ${where} log what they say`, async () => {
    const examples = examplesOf(text);
    assert(examples.length > 0);
    for (const code of examples) {
      await using cluster = await Cluster.start();
      const expected = Array.from(code.matchAll(/console\.log\(.*\); \/\/ (.*)$/gm), ([, s]) => s!);
      assertEquals(await run(code, cluster), expected, code);
    }
  });
}
