/**
 * A little fuzz with every run of the tests; `deno task test:fuzz` does much more of it.
 *
 * @module
 */

import { fuzz } from "../suites/fuzz/check.ts";
import { decoding, reading, readingLong } from "../suites/fuzz/decoding.ts";
import { inputsPerRun, serving } from "../suites/fuzz/serving.ts";

const command = "test --allow-net tests/fuzz_test.ts";

fuzz("3,000 lines are decoded, or refused, as the contract says", 3_000, command, decoding);
fuzz("990 streams give the same lines wherever they are cut", 990, command, reading);
fuzz("10 streams with a frame as long as it may be are cut right", 10, command, readingLong);

for (
  const [kind, inputs, name] of [
    ["alone", 600, "600 strangers at a server spoil nothing"],
    ["cluster", 200, "200 strangers at a cluster spoil nothing"],
    ["guarded", 200, "200 strangers without the secret at a cluster with room spoil nothing"],
  ] as const
) {
  fuzz(name, inputs / inputsPerRun, command, () => serving(kind, () => {}));
}
