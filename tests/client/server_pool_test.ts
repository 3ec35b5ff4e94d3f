/** Which server a client draws, and which connection it uses. */

import { UnavailableError } from "../../lib/client/errors.ts";
import { assert, assertEquals } from "@std/assert";
import type { ServerConnection } from "../../lib/client/server_connection.ts";
import { type PooledServer, ServerPool } from "../../lib/client/server_pool.ts";

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
function fixture(ports: number[]) {
  const made: FakeConnection[] = [];
  const connect = () => {
    const connection = new FakeConnection();
    made.push(connection);
    return connection as unknown as ServerConnection;
  };
  const addresses = ports.map((port) => ({ hostname: "127.0.0.1", port }));
  const pool = new ServerPool(addresses, connect, () => 0);
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

Deno.test("a server that has failed is avoided, and its reason is told once all have failed", () => {
  const { pool, servers: [first, second] } = fixture([1, 2]);
  const fail = (server: PooledServer) =>
    pool.failed(server, pool.connection(server), new UnavailableError(server.name, server.name));
  fail(first!);
  assertEquals([pool.draw(none, 3), pool.failure], [second, undefined]);
  fail(second!);
  assertEquals([pool.draw(none, 3), pool.failure], ["avoided", "127.0.0.1:2"]);
  pool.answered(first!);
  assertEquals([pool.draw(none, 3), pool.failure], [first, undefined]);
});

Deno.test("what a server refused last is known until it does what it is asked", () => {
  const { pool, servers: [first] } = fixture([1, 2]);
  const refused = { reason: "no leader", code: "UNAVAILABLE" } as const;
  pool.noteRefused(first!, refused);
  assertEquals([...pool.refused()], [[first!, refused]]);
  pool.noteRefused(first!, undefined);
  assertEquals(pool.refused().size, 0);
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
