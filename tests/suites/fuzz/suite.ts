/**
 * Fuzz: more than 100,000 inputs for the decoder, the reader of lines and servers on loopback.
 *
 * Not named like a test, because it takes its time: `deno task test:fuzz` runs it. A failure says how to run it again.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { fuzz } from "./check.ts";
import { decoding, reading, readingLong } from "./decoding.ts";
import { inputsPerRun, serving } from "./serving.ts";

// So large a heap is never needed: a server that held on to what it is sent would run out of it.
const command = "test --no-prompt --v8-flags=--expose-gc,--max-old-space-size=256 " +
  "--allow-net=127.0.0.1 tests/fuzz/suite.ts";

fuzz("60,000 lines are decoded, or refused, as the contract says", 60_000, command, decoding);
fuzz("20,000 streams give the same lines wherever they are cut", 20_000, command, reading);
fuzz("200 streams with a frame as long as it may be are cut right", 200, command, readingLong);

for (
  const [kind, inputs, name] of [
    ["alone", 12_000, "12,000 strangers at a server spoil nothing"],
    ["cluster", 6_000, "6,000 strangers at a cluster spoil nothing"],
    ["guarded", 6_000, "6,000 strangers without the secret at a cluster with room spoil nothing"],
  ] as const
) {
  fuzz(name, inputs / inputsPerRun, command, () => serving(kind, console.log));
}
