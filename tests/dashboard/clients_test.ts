/** The dashboard's clients at scripted servers. */

import { assertEquals, assertRejects } from "@std/assert";
import { Clients, dashboardClients } from "../../dashboard/server/clients.ts";
import type { Item } from "../../dashboard/server/item.ts";
import { UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import { FakeServer } from "../support/fake_server.ts";

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
