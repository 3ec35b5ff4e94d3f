/**
 * A short fuzz run with every run of the tests. `deno task test:fuzz` runs much longer.
 *
 * @module
 */

import { fuzz } from "../suites/fuzz/check.ts";
import { decoding, reading, readingLong } from "../suites/fuzz/decoding.ts";
import { inputsPerRun, serving } from "../suites/fuzz/serving.ts";

const command = "test --allow-net tests/wire/fuzz_test.ts";

fuzz("3,000 random lines are decoded or refused as the contract says", 3_000, command, decoding);
fuzz("990 random streams give the same lines wherever they are cut", 990, command, reading);
fuzz(
  "10 random streams with a frame of the largest size give the right lines",
  10,
  command,
  readingLong,
);

for (
  const [kind, inputs, name] of [
    ["alone", 600, "600 random sessions do no harm to one server"],
    ["cluster", 200, "200 random sessions do no harm to a cluster"],
    ["guarded", 200, "200 random sessions without the secret do no harm to a cluster that has one"],
  ] as const
) {
  fuzz(name, inputs / inputsPerRun, command, () => serving(kind, () => {}));
}
