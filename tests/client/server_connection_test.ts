/** One connection of a client: the first messages, events, and answers that do not fit. */

import { assert, assertEquals, assertFalse, assertRejects } from "@std/assert";
import { within as deadlinesWithin } from "../../lib/client/deadlines.ts";
import { ForbiddenError, UnavailableError } from "../../lib/client/errors.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { type Events, Get, Status } from "../../lib/mensagem.ts";
import { FakeServer } from "../support/fake_server.ts";
import { deadAddress } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import type { Message } from "../support/wire_client.ts";

const counts = { puts: 0, putOks: 0, gets: 0, refused: 0, replications: 0 };

function eventsMessage(id: unknown, at: number): Message {
  return { type: "EVENTS", id, server: "127.0.0.1:1", at, missed: 0, counts, events: [] };
}

const get = (id: number) => new Get(id, "cor", 0);

Deno.test("a connection with onEvents observes the server, and carries requests too", async () => {
  await using server = new FakeServer(async (wire) => {
    const observe = await wire.messageOf("OBSERVE");
    await wire.send(eventsMessage(observe.id, 1));
    const { id, key } = await wire.messageOf("GET");
    await wire.send(
      eventsMessage(observe.id, 2),
      { type: "GET_OK", id, key, value: "azul", timestamp: 5 },
      eventsMessage(observe.id, 3),
    );
  });
  const received: Events[] = [];
  const connection = new ServerConnection(server.address, {
    onEvents: (events) => received.push(events),
  });
  await connection.opened;
  assert(connection.alive);
  assert(connection.local?.startsWith("127.0.0.1:"));
  assertEquals((await connection.request(get, deadlinesWithin(5_000))).timestamp, 5);
  await eventually("all events are there", () => received.length === 3);
  assertEquals(received.map(({ at }) => at), [1, 2, 3]);
  connection.close("enough");
  assertEquals((await within("it ends", connection.ended)).message, "enough");
});

Deno.test("EVENTS that were not asked for break the protocol", async () => {
  for (const observing of [false, true]) {
    await using server = new FakeServer(async (wire) => {
      const { id } = await wire.messageOf(observing ? "OBSERVE" : "GET");
      await wire.send(eventsMessage(observing ? Number(id) + 1 : 99, 1));
    });
    const connection = new ServerConnection(server.address, {
      ...(observing ? { onEvents: () => {} } : {}),
    });
    const failure = assertRejects(
      () => connection.request(get, deadlinesWithin(5_000)),
      UnavailableError,
      "the server broke the protocol: EVENTS answers no request",
    );
    await failure;
    await within("it ends", connection.ended);
  }
});

Deno.test("an ERROR that answers no request becomes the reason of the end", async () => {
  await using server = new FakeServer(async (wire) => {
    await wire.messageOf("GET");
    await wire.send({ type: "ERROR", code: "OVERLOADED", message: "hoje não" });
  });
  const connection = new ServerConnection(server.address);
  const reason = "the server ended the connection: OVERLOADED: hoje não";
  const request = () => connection.request(get, deadlinesWithin(5_000));
  await assertRejects(request, UnavailableError, reason);
  assertEquals((await within("it ends", connection.ended)).message, reason);
  // A later request fails for the same reason.
  await assertRejects(request, UnavailableError, reason);
});

Deno.test("an ERROR that answers the OBSERVE ends the connection with the error of its code", async () => {
  for (
    const [code, kind] of [["FORBIDDEN", ForbiddenError], ["OVERLOADED", UnavailableError]] as const
  ) {
    await using server = new FakeServer(async (wire) => {
      const { id } = await wire.messageOf("OBSERVE");
      await wire.send({ type: "ERROR", id, code, message: "não" });
    });
    const connection = new ServerConnection(server.address, { onEvents: () => {} });
    const failure = await within("it ends", connection.ended);
    assert(failure instanceof kind, failure.name);
    assertEquals([failure.code, failure.message], [
      code,
      `the server ended the connection: ${code}: não`,
    ]);
  }
});

Deno.test("a connection that cannot be made ends with the reason", async () => {
  const connection = new ServerConnection(deadAddress());
  await within("it gives up", connection.opened);
  assertFalse(connection.alive);
  assertFalse(connection.usable);
  assert((await connection.ended).message.length > 0);
});

Deno.test("a connection that is not open in time ends", async () => {
  await using server = new FakeServer(() => {}); // it does not answer the STATUS
  const connection = new ServerConnection(server.address, { connectTimeoutMs: 50 });
  const failure = await within("it ends", connection.ended);
  assert(failure instanceof UnavailableError);
  assertEquals(failure.message, "no connection within 50 ms");
});

Deno.test("`belongs` gets the cluster before the first GET is sent, and may refuse it", async () => {
  const types: unknown[] = [];
  await using server = new FakeServer(async (wire) => {
    for (let line = await wire.line(); line !== undefined; line = await wire.line()) {
      types.push(JSON.parse(line).type);
    }
  });
  const clusters: string[] = [];
  const belongs = (cluster: string) => {
    clusters.push(cluster);
    return false;
  };
  const connection = new ServerConnection(server.address, { belongs });
  const failure = await assertRejects(() => connection.request(get, deadlinesWithin(5_000)));
  assertEquals((failure as Error).name, "ClusterResetError");
  // STATUS goes to any cluster.
  await connection.request((id) => new Status(id), deadlinesWithin(5_000));
  assertEquals([clusters, types], [[""], []]); // the fake server answers STATUS by itself
  connection.close();
  await connection.ended;
});
