/**
 * Coordination at three servers in memory, under faults: `deno task test:faults` runs it.
 *
 * @module
 */

import { givenSeed, Random } from "../../support/random.ts";
import { countersUnderFaults, lockUnderStops } from "./coordination.ts";
import { FaultyCluster } from "./faulty_cluster.ts";
import { History } from "./history.ts";

const kills = 20;
const lockRounds = 20;
const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);

/** Defines a test with three servers in memory. */
function test(name: string, run: (cluster: FaultyCluster) => Promise<void>): void {
  Deno.test({
    name,
    ignore: Deno.build.os === "windows",
    fn: async () => {
      await using cluster = await FaultyCluster.start(new History());
      try {
        await run(cluster);
      } catch (cause) {
        throw new Error(`seed ${seed}; what happened:\n${cluster.story}`, { cause });
      }
    },
  });
}

test(
  `8 clients increment 10 counters and watchers watch through ${kills} kills`,
  (cluster) => countersUnderFaults(cluster, new Random(seed), kills, false),
);

test(
  `${lockRounds} rounds of a lock with fencing: a stale holder never writes`,
  (cluster) => lockUnderStops(cluster, lockRounds),
);
