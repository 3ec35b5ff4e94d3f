/** The dashboard's clients at scripted servers. */

import { assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { Clients, dashboardClients } from "../../dashboard/server/clients.ts";
import type { Item } from "../../dashboard/server/item.ts";
import { Dashboard } from "../../dashboard/server/dashboard.ts";
import { Observer } from "../../dashboard/server/observer.ts";
import { AccessError, UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import { tlsExpected } from "../../lib/wire/errors.ts";
import { FakeServer } from "../support/fake_server.ts";
import { anyPort } from "../support/ports.ts";
import { eventually } from "../support/waiting.ts";

Deno.test("an answer that does not fit the request is refused", async () => {
  await using server = FakeServer.answering(({ type, id }) =>
    type === "PUT"
      ? { type: "PUT_OK", id, key: "outra", timestamp: 5 }
      : { type: "GET_OK", id, key: "outra", value: "azul", timestamp: 5 }
  );
  const items: Item[] = [];
  await using clients = new Clients([server.address], {}, (item) => items.push(item));
  const reason = "the server broke the protocol";
  await assertRejects(() => clients.get(1, "cor"), UnavailableError, reason);
  await assertRejects(() => clients.put(1, "cor", "azul"), UnknownOutcomeError, reason);
  assertEquals(items.filter(({ kind }) => kind === "seen"), []);
});

Deno.test("each client has a connection and a session of its own", async () => {
  await using server = FakeServer.answering(({ type, id, key }) =>
    type === "PUT"
      ? { type: "PUT_OK", id, key, timestamp: 5 }
      : { type: "GET_OK", id, key, value: "azul", timestamp: 5 }
  );
  const items: Item[] = [];
  await using clients = new Clients([server.address], {}, (item) => items.push(item));
  await clients.put(1, "cor", "azul");
  assertEquals((await clients.get(1, "cor")).seen, 5);
  assertEquals((await clients.get(2, "cor")).seen, 0);
  assertEquals(server.accepted, 2);
  const known = items.filter((item) => item.kind === "client");
  assertEquals(known.map(({ client }) => client), [1, 2]);
  assertEquals(new Set(known.map(({ address }) => address)).size, 2);
});

Deno.test("a follower with data of another cluster does not make the clients forget", async () => {
  const answered = Promise.withResolvers<void>();
  /** A server that leads or follows `leader`. */
  const serverOf = (cluster: string, leader?: FakeServer): FakeServer => {
    const fake: FakeServer = new FakeServer(async (wire) => {
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        const { type, id, key } = JSON.parse(line);
        if (type === "PUT") await wire.send({ type: "PUT_OK", id, key, timestamp: 5 });
        if (type !== "STATUS") continue;
        if (leader !== undefined) await answered.promise;
        await wire.send({
          ...{ type: "STATUS_OK", id, server: fake.name, leader: (leader ?? fake).name, cluster },
          ...{ timestamp: 5, keys: 1, connections: 1, uptimeMs: 1, memoryBytes: 1, faults: false },
          ...{ inSync: [], followers: [] },
        });
      }
    }, { answersStatus: false });
    return fake;
  };
  await using leader = serverOf("new");
  await using follower = serverOf("old", leader);
  await using dashboard = new Dashboard({
    listen: anyPort,
    servers: [leader.address, follower.address],
  });
  const { state } = dashboard.feed;
  await dashboard.clients.put(1, "cor", "azul", leader.name);
  await eventually("the leader's status", () => state.servers[0]!.status);
  answered.resolve();
  await eventually("the follower's status", () => state.servers[1]!.status?.cluster === "old");
  await eventually(
    "what the client has seen",
    () => state.clients.get(1)?.seen.get("cor")?.timestamp === 5,
  );
});

Deno.test("a server that the dashboard cannot use: its clients and its observer say why", async () => {
  const refusal = (message: string, id?: unknown) =>
    `${JSON.stringify({ type: "ERROR", id, code: "FORBIDDEN", message })}\n`;
  const cases: [answer: (id: unknown) => string, reason: string][] = [
    [(id) => refusal("requests need the password", id), "requests need the password"],
    [() => refusal(tlsExpected), "the server speaks TLS, and this client does not"],
    [() => "HTTP/1.1 400 Bad Request\r\n", "no server of this store"],
  ];
  for (const [answer, reason] of cases) {
    await using server = new FakeServer(async (wire) => {
      for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
        await wire.write(answer(JSON.parse(line).id));
      }
    }, { answersStatus: false });
    await using clients = new Clients([server.address], {}, () => {});
    await assertRejects(() => clients.get(1, "cor"), AccessError, reason);
    const items: Item[] = [];
    await using _observer = new Observer(server.address, {}, (item) => items.push(item));
    const down = await eventually("it is down", () => items.find(({ kind }) => kind === "down"));
    assertStringIncludes((down as { reason: string }).reason, reason);
  }
});

Deno.test("unknown clients and servers are refused, and so is every request after the close", async () => {
  await using server = FakeServer.answering(() => undefined);
  const clients = new Clients([server.address], {}, () => {});
  await assertRejects(() => clients.get(0, "cor"), RangeError, "there is no client 0");
  const beyond = dashboardClients + 1;
  await assertRejects(() => clients.get(beyond, "cor"), RangeError, `there is no client ${beyond}`);
  await assertRejects(
    () => clients.get(1, "cor", "127.0.0.1:1"),
    RangeError,
    `there is no server 127.0.0.1:1: --servers names ${server.name}`,
  );
  await clients[Symbol.asyncDispose]();
  await assertRejects(() => clients.get(1, "cor"), UnavailableError, "the dashboard was closed");
  assertEquals(server.accepted, 0);
});
