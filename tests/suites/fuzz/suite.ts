/**
 * Fuzz: more than 100,000 inputs for the decoder, the line reader and servers on loopback.
 *
 * Not named like a test, because it takes long: `deno task test:fuzz` runs it. A failure says how to repeat it.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { fuzz } from "./check.ts";
import { decoding, reading, readingLong } from "./decoding.ts";
import { inputsPerRun, serving } from "./serving.ts";

// The heap is small, so that a server that keeps its input runs out of memory.
const command = "test --no-prompt --v8-flags=--expose-gc,--max-old-space-size=256 " +
  "--allow-net=127.0.0.1 tests/suites/fuzz/suite.ts";

fuzz("60,000 lines are decoded or refused as the contract says", 60_000, command, decoding);
fuzz("20,000 streams give the same lines however they are cut", 20_000, command, reading);
fuzz(
  "200 streams with a frame of the maximum length give the right lines",
  200,
  command,
  readingLong,
);

for (
  const [kind, inputs, name] of [
    ["alone", 12_000, "12,000 clients with bad input at a server do no harm"],
    ["cluster", 6_000, "6,000 clients with bad input at a cluster do no harm"],
    [
      "guarded",
      6_000,
      "6,000 clients without the secret at a cluster that lacks a server do no harm",
    ],
  ] as const
) {
  fuzz(name, inputs / inputsPerRun, command, () => serving(kind, console.log));
}
