/** Which server a client draws, and which connection it uses. */

import { UnavailableError } from "../../lib/client/errors.ts";
import { assert, assertEquals } from "@std/assert";
import type { ServerConnection } from "../../lib/client/server_connection.ts";
import { GetOk, TryOther } from "../../lib/mensagem.ts";
import { burstMax, type PooledServer, ServerPool } from "../../lib/client/server_pool.ts";

/** A connection whose state the test decides. */
class FakeConnection {
  usable = true;
  alive = true;
  room = true;
  silent = 0;
  readonly ended = Promise.resolve("");

  hasRoom(): boolean {
    return this.room;
  }

  silentMs(): number {
    return this.silent;
  }

  retire(): void {
    this.usable = this.alive = false;
  }

  close(): void {}
}

/** A pool of servers, each with a connection, and all connections that it has made. */
function fixture(ports: number[], random = () => 0) {
  const made: FakeConnection[] = [];
  const connect = () => {
    const connection = new FakeConnection();
    made.push(connection);
    return connection as unknown as ServerConnection;
  };
  const addresses = ports.map((port) => ({ hostname: "127.0.0.1", port }));
  const pool = new ServerPool(addresses, connect, random);
  for (const server of pool.servers) pool.connection(server);
  return { pool, made, servers: pool.servers };
}

const none: ReadonlySet<PooledServer> = new Set();

Deno.test("a server without room is not drawn; if all are full, none is", () => {
  const { pool, made: [a, b], servers: [first, second] } = fixture([1, 2]);
  assertEquals(pool.draw(none, 3), first);
  a!.room = false;
  assertEquals(pool.draw(none, 3), second);
  assertEquals(pool.draw(new Set([second!]), 3), "full");
  b!.room = false;
  assertEquals([pool.draw(none, 3), pool.hasRoom], ["full", false]);
  a!.usable = false; // a new connection has room
  assertEquals([pool.draw(none, 3), pool.hasRoom], [first, true]);
});

Deno.test("calls of one turn go to one server up to a limit, later ones to the server drawn then", async () => {
  let number = 0;
  const { pool, made: [a], servers } = fixture([1, 2], () => number);
  const [first] = servers;
  /** The numbers of the servers that were drawn, with this random number. */
  const draw = (random: number, count = 1, asked = none) => {
    number = random;
    return Array.from({ length: count }, () => servers.findIndex((s) => s === pool.draw(asked, 3)));
  };
  assertEquals(new Set([...draw(0), ...draw(0.5, burstMax - 1)]), new Set([0]));
  assertEquals(draw(0.5), [1], "the limit");
  await Promise.resolve();
  assertEquals([...draw(0), ...draw(0.5)], [0, 0], "another turn");
  assertEquals(draw(0.5, 1, new Set([first!])), [1], "it has asked the first one");
  await Promise.resolve();
  assertEquals(draw(0), [0]);
  pool.failed(first!, pool.connection(first!), new UnavailableError("a", "no answer"));
  assertEquals(draw(0.5), [1], "the first one has failed");
  pool.answered(first!);
  await Promise.resolve();
  a!.alive = false;
  assertEquals([...draw(0), ...draw(0.5)], [0, 1], "it is not open yet");
});

Deno.test("a server that has failed is avoided, and its reason is told once all have failed", () => {
  const { pool, servers: [first, second] } = fixture([1, 2]);
  const fail = (server: PooledServer) =>
    pool.failed(server, pool.connection(server), new UnavailableError(server.name, server.name));
  fail(first!);
  assertEquals([pool.draw(none, 3), pool.failure], [second, undefined]);
  fail(second!);
  assertEquals([pool.draw(none, 3), pool.failure], ["avoided", "127.0.0.1:2"]);
  pool.noteAnswer(first!, new GetOk(1, "a", "x", 5));
  assertEquals([pool.draw(none, 3), pool.failure], [first, undefined]);
});

Deno.test("what a server refused last is known until it does what it is asked", () => {
  const { pool, servers: [first] } = fixture([1, 2]);
  const refused = { reason: "no leader", code: "UNAVAILABLE" } as const;
  pool.noteRefused(first!, refused);
  assertEquals([...pool.refused()], [[first!, refused]]);
  pool.noteAnswer(first!, new GetOk(1, "a", "x", 5));
  assertEquals(pool.refused().size, 0);
  pool.noteAnswer(first!, new TryOther(1, "a", 4));
  assertEquals(pool.refused().get(first!)?.reason, "the server is behind");
});

Deno.test("a failure on a connection that was replaced says nothing about the new one", () => {
  const { pool, made: [old], servers: [first] } = fixture([1]);
  const before = pool.connection(first!);
  old!.retire();
  const after = pool.connection(first!);
  assert(before !== after);
  const noAnswer = new UnavailableError(first!.name, "no answer");
  pool.failed(first!, before, noAnswer);
  assertEquals(pool.draw(none, 3), first);
  pool.failed(first!, after, noAnswer);
  assertEquals(pool.draw(none, 3), "avoided");
});

Deno.test("a connection that is full and silent is replaced, one that answers or has room is not", () => {
  const { pool, made: [full, slow, silent] } = fixture([1, 2, 3]);
  Object.assign(full!, { room: false, silent: 5_000 });
  Object.assign(slow!, { room: false, silent: 100 });
  Object.assign(silent!, { room: true, silent: 5_000 });
  pool.retireSilent(10_000);
  assertEquals([full!.usable, slow!.usable, silent!.usable], [false, true, true]);
});
