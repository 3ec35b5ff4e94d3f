/**
 * Upgrades from version 0.1.0 to this one and back, one server at a time, under load: `deno task test:rolling`.
 *
 * @module
 */

import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { freePorts } from "../../../bench/free_ports.ts";
import { alone, ServerProcess } from "../../../bench/server_process.ts";
import { ProtocolError, UnavailableError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import { Scratch } from "../../support/scratch.ts";
import { runDeno } from "../../support/tasks.ts";
import { eventually } from "../../support/waiting.ts";
import { checkOutEarlierVersion, copyFolder, hasEarlierVersion } from "./earlier_version.ts";
import { RollingCluster, type ServerIndex } from "./rolling_cluster.ts";
import type { Start } from "./rolling_server.ts";

const ip = "127.0.0.1";
const orders: readonly (readonly [string, readonly ServerIndex[]])[] = [
  ["followers first, then the leader", [1, 2, 0]],
  ["the leader first, then the followers", [0, 1, 2]],
];
const ignore = !await hasEarlierVersion();
/** How long a server may take to notice another one. */
const noticeMsMax = 30_000;
/** What a server of this version says about one of the earlier version. */
const outdated =
  /runs a version (?:that knows only PUT and GET|without deletions and times to live)/;

for (const durable of [false, true]) {
  for (const [title, order] of orders) {
    const secret = durable && order[0] !== 0 ? "a secret of the three servers" : undefined;
    const memory = durable ? "with data directories" : "in memory";
    const where = secret === undefined ? memory : `${memory} and a secret`;
    Deno.test({
      name: `${where}, ${title}: an upgrade under load and the way back, with 0 lost and 0 stale`,
      ignore,
      fn: () => upgradeAndBack(order, durable, secret),
    });
  }
}

Deno.test({
  name: "after the first deletion the earlier version can neither join nor lead",
  ignore,
  fn: async () => {
    using program = new Scratch();
    await checkOutEarlierVersion(program.path);
    await using cluster = new RollingCluster(threeAddresses());
    const earlier: Start = { program: program.path, ip };
    try {
      await cluster.start([{ ip }, { ip }, { ip }]);
      await using client = new KvClient(cluster.servers.map(({ address }) => address));
      await client.put("apagada", "1");
      await client.put("guardada", "2");
      await client.delete("apagada");
      const [leader, ...followers] = cluster.servers;
      const [follower] = followers;
      await follower!.stop();
      await follower!.start(earlier, new Map());
      await reported(cluster, 0, `${follower!.name} runs a version without deletions`);
      await reported(
        cluster,
        1,
        `lost the leader ${leader.name}: UNAVAILABLE: ${follower!.name} runs`,
      );
      await follower!.stop();
      await follower!.start({ ip }, new Map());
      await cluster.inSync();
      await checkCopy(cluster, program.path);
      await leader.stop();
      await leader.start(earlier, new Map());
      await reported(cluster, 2, `${leader.name} runs a version without deletions`);
    } catch (cause) {
      throw new Error(`what happened:\n${cluster.story}`, { cause });
    }
  },
});

async function upgradeAndBack(
  order: readonly ServerIndex[],
  durable: boolean,
  secret: string | undefined,
): Promise<void> {
  using program = new Scratch();
  using data = new Scratch();
  await checkOutEarlierVersion(program.path);
  await using cluster = new RollingCluster(threeAddresses());
  const dir = (index: ServerIndex, way: string) =>
    durable ? `${data.path}/${way}-${index}` : undefined;
  const start = (index: ServerIndex, way: string): Start => (
    { ip, dataDir: dir(index, way), secret }
  );
  const earlier = (index: ServerIndex, way = "there"): Start => (
    { ...start(index, way), program: program.path }
  );
  const isEarlier = [true, true, true];
  try {
    await cluster.start([earlier(0), earlier(1), earlier(2)]);
    for (const index of order) {
      await cluster.restart(index, start(index, "there"), async () => {
        if (durable && index === 1) await copyFolder(dir(1, "there")!, dir(1, "back")!);
      });
      isEarlier[index] = false;
      await checkRefusals(cluster, isEarlier);
    }
    for (const index of order) {
      // With data directories follower 1 begins with a copy from before its upgrade, the others with empty ones.
      await cluster.restart(index, earlier(index, "back"), async () => {
        if (durable && index === order[0]) await checkFormat(cluster, index, earlier(index));
      });
      isEarlier[index] = true;
      await checkRefusals(cluster, isEarlier);
    }
    await cluster.check();
  } catch (cause) {
    throw new Error(`what happened:\n${cluster.story}`, { cause });
  }
}

/** The keys can be copied to a new cluster of the earlier version. */
async function checkCopy(cluster: RollingCluster, program: string): Promise<void> {
  const client = ["run", "--no-prompt", "--allow-net", "client.ts"];
  const servers = cluster.servers.map(({ name }) => name).join();
  const exported = await runDeno([...client, `--servers=${servers}`, "export"]);
  assertEquals(exported.code, 0, exported.err);
  await using server = await ServerProcess.start({ cwd: program, flags: alone });
  const target = formatAddress(server.address);
  const imported = await runDeno([...client, `--servers=${target}`, "import"], exported.out);
  assertEquals(imported.code, 0, imported.err);
  await using reader = new KvClient([target]);
  assertEquals((await reader.get("guardada")).value, "2");
  assertEquals((await reader.get("apagada")).value, null);
}

/** While there is an earlier server, what it does not know is an error that says what to do. */
async function checkRefusals(cluster: RollingCluster, isEarlier: readonly boolean[]) {
  if (!isEarlier.includes(true)) return;
  for (const [index, { address }] of cluster.servers.entries()) {
    await using client = new KvClient([address], { once: true });
    const writes = [
      () => client.delete("chave 0"),
      () => client.create("chave 0", "1"),
      () => client.put("chave 0", "1", { ttlMs: 60_000 }),
    ];
    const reads = [() => client.list("chave").next(), () => client.watch("chave 0").next()];
    const latest = () => client.get("chave 0", { latest: true });
    if (isEarlier[index]) {
      for (const request of [...writes, ...reads, latest]) {
        const { message } = await assertRejects<Error>(request, ProtocolError);
        assertMatch(message, /the server has an older version.*: upgrade the servers/);
      }
      continue;
    }
    for (const request of isEarlier[0] ? [...writes, latest] : writes) {
      const { message } = await assertRejects<Error>(request, UnavailableError);
      assertMatch(message, outdated);
    }
    for (const request of reads) assertEquals((await request()).done, false);
  }
}

/** The earlier version does not read what this one has written, and says so. */
async function checkFormat(cluster: RollingCluster, index: ServerIndex, start: Start) {
  const { code, said } = await cluster.servers[index].fails(start);
  assertEquals(code, 1);
  assertMatch(said, /has format 2, and this program reads format 1/);
}

async function reported(cluster: RollingCluster, index: ServerIndex, text: string): Promise<void> {
  const server = cluster.servers[index];
  await eventually(
    `${server.name} reports "${text}"`,
    () => server.reports.some(({ line }) => line.includes(text)),
    noticeMsMax,
  );
}

function threeAddresses(): [Address, Address, Address] {
  const [a, b, c] = freePorts(3).map((port): Address => ({ hostname: ip, port }));
  return [a!, b!, c!];
}
