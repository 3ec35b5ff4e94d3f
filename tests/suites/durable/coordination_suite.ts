/**
 * Coordination at three servers with data directories, which may all die at once: `deno task test:durable` runs it.
 *
 * @module
 */

import { givenSeed, Random } from "../../support/random.ts";
import { Scratch } from "../../support/scratch.ts";
import { countersUnderFaults } from "../faults/coordination.ts";
import { FaultyCluster } from "../faults/faulty_cluster.ts";
import { History } from "../faults/history.ts";

const kills = 12;
const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);

Deno.test({
  name:
    `8 clients increment 10 counters and watchers watch through ${kills} kills, also of all servers at once`,
  ignore: Deno.build.os === "windows",
  fn: async () => {
    using scratch = new Scratch();
    await using cluster = await FaultyCluster.start(new History(), scratch.path);
    try {
      await countersUnderFaults(cluster, new Random(seed), kills, true);
    } catch (cause) {
      throw new Error(`seed ${seed}; what happened:\n${cluster.story}`, { cause });
    }
  },
});
