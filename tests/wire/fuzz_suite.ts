/**
 * A small part of the fuzz suite (`deno task test:fuzz`) in each run of the tests.
 *
 * @module
 */

import { fuzz } from "../suites/fuzz/check.ts";
import { decoding, reading, readingLong } from "../suites/fuzz/decoding.ts";
import { inputsPerRun, serving } from "../suites/fuzz/serving.ts";

const command = "test --allow-net tests/wire/fuzz_suite.ts";

fuzz("400 lines are decoded or refused as the contract says", 400, command, decoding);
fuzz("400 streams give the same lines wherever they are cut", 400, command, reading);
fuzz(
  "4 streams with a frame of the maximum length give the right lines",
  4,
  command,
  readingLong,
);

for (
  const [kind, inputs, name] of [
    ["alone", 40, "40 clients that send bad input to a server do no harm"],
    ["cluster", 40, "40 clients that send bad input to a cluster do no harm"],
    ["guarded", 40, "40 clients without the secret at a cluster that lacks a server do no harm"],
  ] as const
) {
  fuzz(name, inputs / inputsPerRun, command, () => serving(kind, () => {}));
}
