/**
 * Coordination at three servers on three real members of etcd, which are killed and stopped: `deno task test:etcd`
 * runs it. Ignored if etcd is not installed.
 *
 * @module
 */

// deno-lint-ignore-file no-console -- the figures belong on the console

import { assertEquals, assertGreater } from "@std/assert";
import { delay } from "@std/async/delay";
import { EtcdEngine } from "../../../lib/etcd/engine.ts";
import { anyPort } from "../../support/ports.ts";
import { givenSeed, Random } from "../../support/random.ts";
import { TestServer } from "../../support/test_server.ts";
import { CountersLoad } from "../faults/counters.ts";
import { fencingRounds } from "../faults/fencing.ts";
import { etcdProgram, RealEtcd } from "./real_etcd.ts";

const kills = 20;
const lockRounds = 20;
/** In these rounds a member is stopped in place of killed. */
const stopEvery = 5;
const stoppedMs = 1_500;
/** Increments that show that work goes on. */
const some = 10;
const ignore = etcdProgram === undefined;
const seed = givenSeed(Deno.args) ?? Math.floor(Math.random() * 2 ** 32);

/** Runs a test with three servers, each at its own member. */
async function withServers(
  run: (etcd: RealEtcd, servers: readonly TestServer[]) => Promise<void>,
): Promise<void> {
  await using etcd = await RealEtcd.start();
  const servers = etcd.members.map(({ url }) =>
    new TestServer(anyPort, undefined, {}, {}, {
      engine: EtcdEngine.at({ url, prefix: "kv/" }),
    })
  );
  try {
    await Promise.all(servers.map((server) => server.ready()));
    await run(etcd, servers);
  } catch (cause) {
    throw new Error(`seed ${seed}`, { cause });
  } finally {
    await Promise.all(servers.map((server) => server.close()));
  }
}

Deno.test({
  name: `8 clients increment 10 counters and watchers watch through ${kills} kills of members`,
  ignore,
  fn: () =>
    withServers(async (etcd, servers) => {
      const random = new Random(seed);
      await using load = new CountersLoad(servers.map(({ address }) => address), random);
      await load.goesOn(some);
      let killed = 0;
      for (let round = 1; killed < kills; round++) {
        const member = etcd.members[random.below(etcd.members.length)]!;
        if (round % stopEvery === 0) {
          member.signal("SIGSTOP");
          await delay(stoppedMs);
          member.signal("SIGCONT");
        } else {
          killed++;
          await member.kill();
          await delay(random.between(0, 300));
          member.start();
        }
        await etcd.ready();
        await load.goesOn(some);
      }
      const { increments, unknown, writes, changes, cutOffs, ...broken } = await load.judge();
      const { lost, doubled, stale, missed } = broken;
      console.log(
        `etcd, ${kills} kills: ${increments} increments, ${unknown} of them unknown for a while; ` +
          `${writes} other writes; watchers: ${changes} changes, cut off ${cutOffs} times; ` +
          `lost ${lost}, doubled ${doubled}, stale ${stale}, missed ${missed}`,
      );
      assertEquals(broken, { lost: 0, doubled: 0, stale: 0, missed: 0 });
      assertGreater(changes, 0);
    }),
});

Deno.test({
  name: `${lockRounds} rounds of a lock with fencing on etcd: a stale holder never writes`,
  ignore,
  fn: () =>
    withServers(async (_etcd, servers) => {
      const addresses = servers.map(({ address }) => address);
      const all = await Promise.all(
        ["lock 1", "lock 2"].map((name) => fencingRounds(addresses, name, lockRounds / 2)),
      );
      const stale = all.reduce((sum, { stale }) => sum + stale, 0);
      console.log(`etcd, ${lockRounds} rounds of a lock: stale writes ${stale}`);
      assertEquals(stale, 0);
    }),
});
