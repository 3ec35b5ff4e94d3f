/**
 * An etcd with users and passwords: `deno task test:etcd` runs it. Ignored if etcd is not installed.
 *
 * @module
 */

import { assertEquals } from "@std/assert";
import { delay } from "@std/async/delay";
import { eventually } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";
import { etcdProgram, RealEtcd, type RealMember } from "./real_etcd.ts";
import { get, put, serverAt, start } from "./scene.ts";

const test = (name: string, fn: () => Promise<void>) =>
  Deno.test({ name, ignore: etcdProgram === undefined, fn });

const login = { user: "app", password: "p" };
/** Tokens live for a second after their last use. Making one is cheap. */
const flags = ["--auth-token-ttl", "1", "--bcrypt-cost", "4"];

/** Sets etcd up with the user of {@linkcode login}, who may use the prefix and nothing else. */
async function prepare({ members: [member] }: RealEtcd): Promise<void> {
  const ask = (path: string, body: Record<string, unknown>) => member!.ask(`auth/${path}`, body);
  for (const [name, password] of [["root", "r"], ["app", "p"]]) {
    await ask("user/add", { name, password });
  }
  for (const name of ["root", "app"]) await ask("role/add", { name });
  const range = { key: btoa("kv/"), range_end: btoa("kv0") };
  await ask("role/grant", { name: "app", perm: { permType: "READWRITE", ...range } });
  for (const user of ["root", "app"]) await ask("user/grant", { user, role: user });
  await ask("enable", {});
}

/** A member looks for old tokens once a second. So one expires one to two seconds after its last use. */
const probeMs = 250;
const probesMax = 40;

/** Resolves when every token that was used before at any of the members has expired there. */
async function tokensExpire(members: readonly RealMember[]): Promise<void> {
  // To try a token is to use it, so each is tried once. All members know a token, and each its last use.
  const user = { name: login.user, password: login.password };
  const tokens: string[] = [];
  while (tokens.length < probesMax) {
    tokens.push((await members[0]!.ask("auth/authenticate", user)).token as string);
  }
  await Promise.all(members.map(async (member) => {
    for (const token of tokens) {
      const tried = member.ask("kv/range", { key: btoa("kv/"), serializable: true }, token);
      const reason = await tried.then(() => "", ({ message }) => `${message}`);
      if (reason.includes("invalid auth token")) return;
      assertEquals(reason, "");
      await delay(probeMs);
    }
    throw new Error(`no token has expired in ${probesMax * probeMs} ms`);
  }));
}

test("user and password of etcd: without them a clear error, with them it works even after a token has expired", async () => {
  await using scene = await start({ flags }, { login }, prepare);
  const { etcd, servers } = scene;
  const { timestamp } = await put(servers[0]!, "cor", "azul");
  for (const server of servers) {
    await eventually(
      "it is there",
      async () => (await get(server, "cor", timestamp as number)).value === "azul",
    );
  }
  // Each use extends the life of a token, so the members are restarted to forget them all.
  for (const member of etcd.members) await member.kill();
  for (const member of etcd.members) member.start();
  await etcd.ready();
  await eventually(
    "it goes on",
    async () => (await put(servers[1]!, "cor", "verde")).type === "PUT_OK",
  );
  for (
    const [options, text] of [
      [{}, "etcd does not let this server do that: etcdserver: user name is empty"],
      [
        { login: { ...login, password: "wrong" } },
        "authentication failed, invalid user ID or password",
      ],
      [
        { login, prefix: "other/" },
        "etcd does not let this server do that: etcdserver: permission denied",
      ],
    ] as const
  ) {
    await using server = serverAt(etcd.members[0]!.url, options);
    await server.reported(text); // perhaps after another reason: a login is slow on a busy machine
    const refused = await put(server, "cor", "x");
    assertEquals([refused.code, `${refused.message}`.includes(text)], ["UNAVAILABLE", true]);
  }
});

test("tokens expire while watches are live: writes log in again, and no watch is lost or has a gap", async () => {
  await using scene = await start({ flags }, { login }, prepare);
  const { etcd, servers } = scene;
  const writes: [key: string, value: string, timestamp: number][] = [];
  const watchers = await Promise.all(servers.map(({ address }) => Wire.connect(address)));
  using stack = new DisposableStack();
  for (const watcher of watchers) {
    stack.use(watcher);
    await watcher.send({ type: "WATCH", id: 1, prefix: "", after: 0 });
  }
  for (let round = 0; round < 3; round++) {
    if (round > 0) await tokensExpire(etcd.members);
    // Several at once: they share one login.
    for (const [n, server] of servers.entries()) {
      const keys = [`${round}.${n}.a`, `${round}.${n}.b`];
      const replies = await Promise.all(keys.map((key) => put(server, key, `v${round}`)));
      for (const { type, key, timestamp, message } of replies) {
        assertEquals([type, message], ["PUT_OK", undefined]);
        writes.push([key as string, `v${round}`, timestamp as number]);
      }
    }
  }
  writes.sort(([, , a], [, , b]) => a - b);
  for (const watcher of watchers) {
    const told: unknown[] = [];
    while (told.length < writes.length) {
      told.push(...(await watcher.messageOf("CHANGES")).changes as unknown[]);
    }
    assertEquals(told, writes);
  }
  for (const server of servers) {
    assertEquals(server.reports.filter((line) => line.includes("is lost")), []);
  }
});

test("a watch that is opened again with a token that has expired shows what came meanwhile", async () => {
  await using etcd = await RealEtcd.start({ flags });
  await prepare(etcd);
  const [member, another] = etcd.members;
  // The watch is opened again after 3 s without a message, when its token has expired.
  await using idle = serverAt(member!.url, { login }, { watchIdleMs: 3_000 });
  await using busy = serverAt(another!.url, { login });
  await Promise.all([idle.ready(), busy.ready()]);
  const { timestamp: first } = await put(busy, "cor", "azul");
  await eventually("it is shown", () => idle.holds("cor")?.timestamp === first);
  const opened = await watchesOpened(member!);
  // With the token refused the server opens it twice.
  await eventually("it is opened again", async () => await watchesOpened(member!) >= opened + 2);
  const { timestamp: second } = await put(busy, "cor", "verde");
  await eventually("it is shown", () => idle.holds("cor")?.timestamp === second);
  assertEquals(idle.printsOf("REPLICATION"), [
    `REPLICATION key:cor value:azul ts:${first}.`,
    `REPLICATION key:cor value:verde ts:${second}.`,
  ]);
  assertEquals(idle.reports.filter((line) => line.includes("is lost")), []);
});

/** How many watches clients have opened at a member, by its metrics. */
async function watchesOpened({ url }: RealMember): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = /^grpc_server_started_total\{.*grpc_method="Watch".*\} (\d+)$/m.exec(text);
  return Number(found?.[1]);
}
