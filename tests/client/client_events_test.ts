/** What a client tells the logger of its program. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { ConnectionTeller } from "../../lib/client/client_events.ts";
import { InvalidArgumentError, UnavailableError } from "../../lib/client/errors.ts";
import { KvClient, type KvEvent } from "../../lib/client/kv_client.ts";
import { formatAddress } from "../../lib/wire/address.ts";
import { rightAnswer, tryOther } from "../support/fake_answers.ts";
import { FakeServer } from "../support/fake_server.ts";
import { FakeStore } from "../support/fake_store.ts";
import { deadAddress } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";
import type { Message, Wire } from "../support/wire_client.ts";

const timeoutMs = 20_000;
/** Draws the first of all servers that may be drawn. */
const random = () => 0;

/** The events of a client, each without its reason. */
class Recorder {
  readonly events: KvEvent[] = [];
  readonly onEvent = (event: KvEvent) => void this.events.push(event);

  /** All events so far, each as its values, but for the reason and the code. */
  get told(): string[] {
    return this.events.map((event) =>
      Object.entries(event).filter(([name]) => !["reason", "code"].includes(name))
        .map(([, value]) => String(value)).join(" ")
    );
  }
}

Deno.test("a server dies: disconnected, the read goes on at another one; it comes back: connected again", async () => {
  await using one = FakeServer.answering((request, index) =>
    index === 0 ? undefined : rightAnswer(request)
  );
  await using two = FakeServer.answering(rightAnswer);
  const recorder = new Recorder();
  const { onEvent } = recorder;
  const servers = [one.address, two.address];
  await using client = new KvClient(servers, { timeoutMs, random, onEvent });
  assertEquals((await client.get("cor")).server, two.name);
  assertEquals(recorder.told, [
    `connected ${one.name} false`,
    `disconnected ${one.name}`,
    `retried ${one.name} ${two.name} read`,
    `connected ${two.name} false`,
  ]);
  const [, disconnected] = recorder.events;
  assert(disconnected?.type === "disconnected" && disconnected.code === undefined);
  assertEquals(disconnected.reason, "the connection was lost");
  await eventually("the first server is asked again", async () => {
    await client.get("cor");
    return recorder.told[4];
  });
  assertEquals(recorder.told.slice(4), [`connected ${one.name} true`]);
});

Deno.test("a server that does not listen is unreachable, and the write goes on at another one", async () => {
  const dead = deadAddress();
  await using server = FakeServer.answering(rightAnswer);
  const recorder = new Recorder();
  const { onEvent } = recorder;
  await using client = new KvClient([dead, server.address], { timeoutMs, random, onEvent });
  await client.put("cor", "azul");
  assertEquals(recorder.told, [
    `unreachable ${formatAddress(dead)}`,
    `retried ${formatAddress(dead)} ${server.name} write`,
    `connected ${server.name} false`,
  ]);
  for (const event of recorder.events.slice(0, 2)) {
    assertMatch("reason" in event ? event.reason : "", /refused/i);
  }
});

Deno.test("a follower that is behind: the read goes on elsewhere, with both timestamps", async () => {
  await using behind = FakeServer.answering((request) =>
    request.type === "GET" ? tryOther(request, 3) : rightAnswer(request)
  );
  await using server = FakeServer.answering(rightAnswer);
  const recorder = new Recorder();
  const { onEvent } = recorder;
  const servers = [behind.address, server.address];
  await using client = new KvClient(servers, { timeoutMs, random, onEvent });
  await client.put("cor", "azul");
  await client.get("cor");
  assertEquals(recorder.events[1], {
    type: "stale",
    server: behind.name,
    next: server.name,
    request: "read",
    key: "cor",
    timestamp: 3,
    seen: 5,
  });
});

Deno.test("a watch goes on at another server: after a lost one, and after one that is behind", async () => {
  await using store = new FakeStore();
  const [one, two] = [store.server(), store.server({ behind: true })];
  const three = store.server();
  const recorder = new Recorder();
  const { onEvent } = recorder;
  const servers = [one.server.address, two.server.address, three.server.address];
  await using client = new KvClient(servers, { timeoutMs, random, onEvent });
  await using events = client.watch("cor");
  assertEquals((await events.next()).value?.type, "ready");
  store.write("cor", "azul");
  assertEquals((await events.next()).value?.type, "put");
  one.cut();
  assertEquals((await events.next()).value?.type, "disconnected");
  assertEquals((await events.next()).value?.type, "connected");
  assertEquals(recorder.told, [
    `connected ${one.server.name} false`,
    `disconnected ${one.server.name}`,
    `retried ${one.server.name} ${two.server.name} watch`,
    `connected ${two.server.name} false`,
    `stale ${two.server.name} ${three.server.name} watch cor 1 1`,
    `connected ${three.server.name} false`,
  ]);
});

Deno.test("a server of a new cluster: reset, once for each connection", async () => {
  const clusters = ["one", "two", "two"];
  await using server = new FakeServer(async (wire: Wire, index) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      const request = JSON.parse(line) as Message;
      if (request.type === "GET") return wire.close();
      await wire.send(
        request.type === "STATUS"
          ? {
            ...{ type: "STATUS_OK", id: request.id, server: "127.0.0.1:1", leader: "127.0.0.1:1" },
            ...{ cluster: clusters[index], timestamp: 1, inSync: [], followers: [], keys: 0 },
            ...{ connections: 1, uptimeMs: 1, memoryBytes: 1, faults: false },
          }
          : rightAnswer(request),
      );
    }
  }, { answersStatus: false });
  const recorder = new Recorder();
  const { onEvent } = recorder;
  await using client = new KvClient([server.address], { timeoutMs, onEvent });
  await client.put("cor", "azul");
  const error = await client.get("cor").catch((error) => error);
  assertEquals(error.name, "ClusterResetError");
  assertEquals(recorder.told, [
    `connected ${server.name} false`,
    `disconnected ${server.name}`,
    `retried ${server.name} ${server.name} read`,
    `reset ${server.name}`,
    `connected ${server.name} true`,
  ]);
});

Deno.test("the end of a client is no event", async () => {
  await using server = FakeServer.answering(rightAnswer);
  const recorder = new Recorder();
  const { onEvent } = recorder;
  const client = new KvClient([server.address], { timeoutMs, onEvent });
  await client.get("cor");
  await client.close();
  assertEquals(recorder.told, [`connected ${server.name} false`]);
});

Deno.test("a mistake has its code", {
  permissions: { net: [] },
}, async () => {
  const recorder = new Recorder();
  const { onEvent } = recorder;
  const client = new KvClient("127.0.0.1:1", { timeoutMs, onEvent });
  assertEquals((await client.get("cor").catch((error) => error)).name, "PermissionError");
  await client.close();
  const [event, ...others] = recorder.events;
  assert(event?.type === "unreachable");
  assertEquals(event.code, "PERMISSION");
  assertEquals(others, []);
});

for (
  const [what, onEvent] of [
    ["throws", () => {
      throw new Error("no disk for the log");
    }],
    ["rejects", () => Promise.reject(new Error("no disk for the log"))],
  ] as const
) {
  Deno.test(`a function for events that ${what} harms no request`, async () => {
    await using server = FakeServer.answering(rightAnswer);
    let events = 0;
    await using client = new KvClient([deadAddress(), server.address], {
      ...{ timeoutMs, random },
      onEvent: () => {
        events++;
        return onEvent();
      },
    });
    assertEquals((await client.put("cor", "azul")).server, server.name);
    assertEquals((await client.get("cor")).value, "azul");
    assertEquals(events, 3);
  });
}

Deno.test("a function for events may use the client, and close it", async () => {
  await using server = FakeServer.answering(rightAnswer);
  let read: Promise<unknown> | undefined;
  let closed: Promise<void> | undefined;
  await using client = new KvClient([deadAddress(), server.address], {
    ...{ timeoutMs, random },
    onEvent: ({ type }) => {
      if (type === "unreachable") read ??= client.get("outra").catch((error) => error.name);
      if (type === "connected") closed = client.close();
    },
  });
  const put = await client.put("cor", "azul").catch((error) => error);
  assertEquals(put.name, "UnknownOutcomeError");
  assertEquals(await read, "ClientClosedError");
  assertEquals(await closed, undefined);
  assert(client.closed.aborted);
});

Deno.test("what is no function is refused", { permissions: "none" }, () => {
  const onEvent = "log" as unknown as () => void;
  const wrong = () => new KvClient("127.0.0.1:1", { onEvent });
  assertThrows(wrong, InvalidArgumentError, "onEvent must be a function");
});

Deno.test("a server is disconnected when its last open connection has ended", {
  permissions: "none",
}, () => {
  const told: string[] = [];
  const teller = new ConnectionTeller(({ type }) => told.push(type));
  const [silent, next] = [teller.options("10.0.0.1:1"), teller.options("10.0.0.1:1")];
  const failure = new UnavailableError("10.0.0.1:1", "the server was silent");
  silent.onOpen!();
  next.onOpen!();
  silent.onFailure!(failure, true);
  assertEquals(told, ["connected", "connected"]);
  next.onFailure!(failure, true);
  teller.options("10.0.0.1:1").onFailure!(failure, false);
  assertEquals(told.slice(2), ["disconnected", "unreachable"]);
});
