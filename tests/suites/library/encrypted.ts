/** Conditional writes, lists, watches and locks over TLS, at servers that ask for a password. */

import { assertEquals, assertGreater, assertRejects } from "@std/assert";
import { Secret } from "../../../lib/auth/secret.ts";
import { ConflictError, ForbiddenError } from "../../../lib/client/errors.ts";
import { KvClient, type KvClientOptions, type WatchEvent } from "../../../lib/client/kv_client.ts";
import { lock } from "../../../lib/client/recipes.ts";
import { valueBytesMax } from "../../../lib/limits.ts";
import { TlsAcceptor } from "../../../lib/net/tls.ts";
import type { Address } from "../../../lib/wire/address.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { ca, otherCa, server as certificate } from "../../support/tls_fixture.ts";
import { eventually, within } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";

const password = "a password of clients, for this test";

/** Three servers in sync that speak TLS and ask clients for a password. The first one leads. */
async function start(stack: AsyncDisposableStack): Promise<TestServer[]> {
  const more = { secrets: { client: Secret.from(password) }, tls: new TlsAcceptor(certificate) };
  const leader = new TestServer(anyPort, undefined, {}, {}, more);
  const followers = [1, 2].map(() => new TestServer(anyPort, leader.address, {}, {}, more));
  const servers = [leader, ...followers];
  for (const server of servers) stack.use(server);
  await Promise.all(servers.map((server) => server.ready()));
  return servers;
}

function clientOf(addresses: readonly Address[], options: KvClientOptions = {}): KvClient {
  return new KvClient(addresses, { tls: { ca }, password, ...options });
}

type Told = [type: string, key?: string, value?: string | null, timestamp?: number];

/** The next events of a watch, without those about its connection. */
async function take(watch: AsyncIterator<WatchEvent, undefined>, count: number): Promise<Told[]> {
  const told: Told[] = [];
  while (told.length < count) {
    const { value: event, done } = await within("an event", watch.next());
    if (done) throw new Error(`the watch ended after ${told.length} events`);
    if (event.type === "put") told.push(["put", event.key, event.value, event.timestamp]);
    else if (event.type === "delete") told.push(["delete", event.key, null, event.timestamp]);
    else if (event.type === "ready" || event.type === "reset") told.push([event.type]);
  }
  return told;
}

Deno.test("over TLS: conditions, deletions, times to live, LIST and WATCH, at each server", async () => {
  await using stack = new AsyncDisposableStack();
  const servers = await start(stack);
  const clients = servers.map(({ address }) => stack.use(clientOf([address])));
  const [one, other] = clients as [KvClient, KvClient];
  const watches = clients.map((client) => client.watch({ prefix: "p/" }));
  for (const watch of watches) assertEquals(await take(watch, 1), [["ready"]]);
  const expected: unknown[] = [];
  for (const [n, client] of clients.entries()) {
    const key = `p/${n}`;
    const { timestamp: created } = await client.create(key, "azul");
    const conflict = await assertRejects(() => one.create(key, "x"), ConflictError);
    assertEquals([conflict.value, conflict.timestamp], ["azul", created]);
    const latest = await other.get(key, { latest: true });
    assertEquals([latest.value, latest.timestamp], ["azul", created]);
    const { timestamp: changed } = await client.put(key, "verde", { ifTimestamp: created });
    expected.push(["put", key, "azul", created], ["put", key, "verde", changed]);
  }
  const { timestamp: deleted } = await other.delete("p/1");
  expected.push(["delete", "p/1", null, deleted]);
  await Promise.all(clients.map(async (client) => {
    for (let n = 0; n < 5; n++) await client.update("n", (value) => `${Number(value) + 1}`);
  }));
  assertEquals((await one.get("n", { latest: true })).value, "15");
  const { timestamp: lasting } = await one.put("p/short", "v", { ttlMs: 1_000 });
  expected.push(["put", "p/short", "v", lasting]);
  for (const watch of watches) {
    const told = await take(watch, expected.length + 1);
    assertEquals(told.slice(0, -1), expected);
    assertEquals(told.at(-1)!.slice(0, 2), ["delete", "p/short"]);
    await watch.return?.();
  }
  for (const client of clients) {
    assertEquals(await Array.fromAsync(client.keys("p/", { pageSize: 1 })), ["p/0", "p/2"]);
  }
});

Deno.test("over TLS: long values in lists and watches, and a watch that goes on at another server", async () => {
  await using stack = new AsyncDisposableStack();
  const servers = await start(stack);
  const [leader, ...followers] = servers;
  const writer = stack.use(clientOf([leader!.address]));
  const watcher = stack.use(clientOf(followers.map(({ address }) => address)));
  const watch = watcher.watch({ prefix: "" });
  await take(watch, 1);
  const values = ["", "é".repeat(valueBytesMax / 2), "x".repeat(100_000), "🙂".repeat(70_000)];
  for (const [n, value] of values.entries()) await writer.put(`k${n}`, value);
  for (const [type, key, value] of await take(watch, values.length)) {
    assertEquals([type, value === values[Number(key![1])]], ["put", true]);
  }
  const listed = await Array.fromAsync(watcher.list());
  assertEquals(listed.map(({ key, value }) => value === values[Number(key[1])]), [
    ...values.map(() => true),
  ]);
  // The server of the watch is stopped, whichever it is: the other one goes on after what was told.
  const serving = followers.find(({ counts }) => counts.watching.watches === 1)!;
  const rest = followers.find((server) => server !== serving)!;
  await serving.close();
  await eventually("the watch is at the other one", () => rest.counts.watching.watches === 1);
  const { timestamp } = await writer.put("later", values[1]!);
  const [[type, key, value, at]] = await take(watch, 1) as [Told];
  assertEquals([type, key, value === values[1], at], ["put", "later", true, timestamp]);
  await watch.return?.();
});

Deno.test("over TLS: a lock is handed on between clients of different servers, with a rising token", async () => {
  await using stack = new AsyncDisposableStack();
  const servers = await start(stack);
  const tokens: number[] = [];
  let holders = 0;
  await Promise.all(servers.map(async ({ address }) => {
    await using client = clientOf([address]);
    for (let round = 0; round < 3; round++) {
      await using held = await lock(client, "job", { ttlMs: 2_000 });
      assertEquals(++holders, 1);
      tokens.push(held.timestamp);
      await client.put("work", "done"); // other holders have their chance to come in between
      holders--;
    }
  }));
  assertEquals(tokens.length, 9);
  for (let n = 1; n < tokens.length; n++) assertGreater(tokens[n]!, tokens[n - 1]!);
});

Deno.test("over TLS: without the password no message is answered, nor with another CA", async () => {
  await using stack = new AsyncDisposableStack();
  const [leader, follower] = await start(stack);
  const messages: Message[] = [
    { type: "WRITE", key: "k", value: "v" },
    { type: "WRITE", key: "k", value: null },
    { type: "GET_LATEST", key: "k" },
    { type: "LIST", prefix: "" },
    { type: "WATCH", prefix: "", after: 0 },
    { type: "UNWATCH" },
  ];
  for (const { address } of [leader!, follower!]) {
    const { hostname, port } = address;
    using wire = new Wire(await Deno.connectTls({ hostname, port, caCerts: [ca] }));
    for (const [id, message] of messages.entries()) {
      const { type, code } = await wire.ask({ id, ...message });
      assertEquals([type, code], ["ERROR", "FORBIDDEN"], `${message.type}`);
    }
    await using wrong = clientOf([address], { password: "another one", once: true });
    await assertRejects(() => wrong.create("k", "v"), ForbiddenError);
    await using stranger = clientOf([address], { tls: { ca: otherCa }, once: true });
    await assertRejects(() => stranger.create("k", "v"));
  }
  assertEquals(leader!.holds("k"), undefined);
  assertEquals([leader!.counts.lists, leader!.counts.watching.watches], [0, 0]);
});
