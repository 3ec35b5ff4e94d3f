/** Which call is begun next, where it goes, and when it is given up. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import {
  awaitedFirst,
  awaitedMax,
  ConnectionRoom,
  pendingCharsMax,
} from "../../lib/client/connection_room.ts";
import { type AccessError, ForbiddenError, UnavailableError } from "../../lib/client/errors.ts";
import { loopClock } from "../../lib/client/loop_clock.ts";
import { PendingRequest, PendingRequests } from "../../lib/client/pending_requests.ts";
import { type Call, RequestQueue } from "../../lib/client/request_queue.ts";
import type { PooledServer, Refused, ServerPool } from "../../lib/client/server_pool.ts";
import { Get } from "../../lib/mensagem.ts";

const [a, b] = ["a", "b"].map((name) => ({ name, address: { hostname: name, port: 1 } }));

/** A pool of two servers whose room the test decides, and the calls that were begun. */
class Fixture implements Disposable {
  readonly room = new Map<PooledServer, number>([[a!, 0], [b!, 0]]);
  avoided = false;
  failure: string | undefined;
  readonly refused = new Map<PooledServer, Refused>();
  refusals: Map<PooledServer, AccessError> | undefined;
  readonly begun: string[] = [];
  readonly queue: RequestQueue;

  constructor() {
    const left = () => [...this.room].filter(([, room]) => room > 0).map(([server]) => server);
    const pool = {
      servers: [a, b],
      hasRoom: false,
      draw: (asked: ReadonlySet<PooledServer>) =>
        this.avoided ? "avoided" : left().find((server) => !asked.has(server)) ?? "full",
      retireSilent: () => {},
      refusals: () => this.refusals,
      refused: () => this.refused,
    };
    Object.defineProperty(pool, "hasRoom", { get: () => left().length > 0 });
    Object.defineProperty(pool, "failure", { get: () => this.failure });
    this.queue = new RequestQueue(pool as unknown as ServerPool);
  }

  call(name: string, options: Partial<Call> & { again?: boolean; asked?: PooledServer[] } = {}) {
    const { again = false, asked = [], ...rest } = options;
    const since = loopClock.now();
    const call = { since, deadline: since + 1_000, write: false, chars: 3, signal: undefined };
    const start = (server: PooledServer) => {
      this.room.set(server, this.room.get(server)! - 1);
      this.begun.push(`${name}@${server.name}`);
      return Promise.resolve(name);
    };
    const all = { ...call, ...rest };
    const begun = again || asked.length > 0
      ? this.queue.begin(all, new Set(asked), again, start)
      : this.#enter(all, start);
    begun?.catch(() => {});
    return begun;
  }

  #enter(call: Call, start: (server: PooledServer) => Promise<string>): Promise<string> {
    return new Promise((resolve, reject) =>
      this.queue.enter({
        ...{ call, asked: new Set<PooledServer>(), previous: undefined, next: undefined },
        start: (server) => resolve(start(server)),
        fail: reject,
      })
    );
  }

  /** Gives servers room, and returns which calls were begun for that. */
  free(...servers: PooledServer[]): string[] {
    for (const server of servers) this.room.set(server, this.room.get(server)! + 1);
    const before = this.begun.length;
    this.queue.dispatch();
    return this.begun.slice(before);
  }

  [Symbol.dispose](): void {
    this.queue.close(new Error("closed"));
  }
}

Deno.test("calls are begun in their order, and none overtakes those that wait", async () => {
  using fixture = new Fixture();
  const calls = ["1", "2", "3"].map((name) => fixture.call(name));
  assertEquals(fixture.begun, []);
  assertEquals(fixture.free(b!), ["1@b"]);
  fixture.room.set(a!, 1); // not dispatched yet
  calls.push(fixture.call("4"));
  assertEquals(fixture.begun, ["1@b"]);
  assertEquals(fixture.free(b!), ["2@a", "3@b"]);
  assertEquals(fixture.free(b!), ["4@b"]);
  assertEquals(await Promise.all(calls), ["1", "2", "3", "4"]);
});

Deno.test("a call that tries again goes first, but holds up no other while its servers are full", () => {
  using fixture = new Fixture();
  fixture.call("1");
  fixture.call("2");
  fixture.call("old", { again: true, asked: [a!] });
  assertEquals(fixture.free(a!), ["1@a"]);
  assertEquals(fixture.free(b!), ["old@b"]);
  assertEquals(fixture.free(b!), ["2@b"]);
});

Deno.test("if all servers are avoided, a call waits, and one that was sent in this round does not", () => {
  using fixture = new Fixture();
  fixture.avoided = true;
  assert(fixture.call("1") instanceof Promise);
  assertEquals(fixture.call("old", { again: true, asked: [a!] }), undefined);
  fixture.avoided = false;
  fixture.room.set(a!, 1);
  assert(fixture.queue.tick(loopClock.now()) === false, "nothing waits any longer");
  assertEquals(fixture.begun, ["1@a"]);
});

Deno.test("a call that is not begun in time was not sent: the message says why", async () => {
  for (const failure of [undefined, "Connection refused"]) {
    using fixture = new Fixture();
    fixture.failure = failure;
    const call = fixture.call("1");
    fixture.call("2", { deadline: loopClock.now() + 60_000 });
    assert(fixture.queue.tick(loopClock.now() + 2_000), "the second one still waits");
    const why = failure ?? "other requests of this client were before it";
    const error = await assertRejects(() => call!, UnavailableError, why);
    assert(error.message.startsWith("not sent within 1000 ms: "), error.message);
  }
});

Deno.test("if servers refuse what goes first, the calls behind it say so, with the code of all", async () => {
  for (const servers of [[a!], [a!, b!]]) {
    using fixture = new Fixture();
    for (const server of servers) {
      fixture.refused.set(server, { reason: "UNAVAILABLE: no leader", code: "UNAVAILABLE" });
    }
    const call = fixture.call("1");
    fixture.queue.tick(loopClock.now() + 2_000);
    const error = await assertRejects(() => call!, UnavailableError, "a: UNAVAILABLE: no leader");
    assert(error.message.startsWith("not sent within 1000 ms: other requests"), error.message);
    assertEquals(error.code, servers.length === 2 ? "UNAVAILABLE" : undefined);
  }
});

Deno.test("a signal ends the wait, and the call is never begun", async () => {
  using fixture = new Fixture();
  const controller = new AbortController();
  const call = fixture.call("1", { signal: controller.signal });
  fixture.call("2");
  controller.abort(new Error("chega"));
  await assertRejects(() => call!, Error, "chega");
  assertEquals(fixture.free(a!), ["2@a"]);
  const late = new AbortController();
  fixture.call("3", { signal: late.signal });
  fixture.call("4");
  assertEquals(fixture.free(a!), ["3@a"]);
  late.abort(); // it is begun already
  assert(fixture.queue.tick(loopClock.now()), "the fourth one still waits");
  assertEquals(fixture.free(a!), ["4@a"]);
  assert(!fixture.queue.tick(loopClock.now()));
});

Deno.test("a PUT is begun as long as there is time for its answer, as quickly as PUTs are answered", () => {
  using fixture = new Fixture();
  const { queue } = fixture;
  const now = 1_000_000 + loopClock.now();
  const call: Call = {
    since: now,
    deadline: now + 4_800,
    write: true,
    chars: 3,
    signal: undefined,
  };
  // No PUT was answered: an outage may last, so only the first half is safe.
  assertEquals(queue.beginBy(call, now), now + 2_400);
  queue.putAnswered(loopClock.now() - 200);
  const quick = queue.beginBy(call, loopClock.now()) - now;
  assert(quick > 4_800 - 650 && quick <= 4_800 - 600, `${quick}`);
  queue.putAnswered(loopClock.now());
  assertEquals(queue.beginBy(call, loopClock.now()), now + 4_500);
  // Nothing is answered any more.
  const [soon, later] = [600, 3_000].map((ms) => queue.beginBy(call, loopClock.now() + ms) - now);
  assert(soon! < 4_800 - 3 * 600 + 50 && soon! > 2_400, `${soon}`);
  assertEquals(later, 2_400);
  // A GET may be sent until its deadline.
  assertEquals(queue.beginBy({ ...call, write: false }, now), now + 4_800);
});

Deno.test("a PUT whose time to be begun is over is not begun, though a server has room", async () => {
  using fixture = new Fixture();
  const since = loopClock.now() - 600;
  const put = fixture.call("1", { since, deadline: since + 1_000, write: true });
  fixture.call("2");
  assertEquals(fixture.free(a!), ["2@a"]);
  fixture.queue.tick(loopClock.now());
  await assertRejects(() => put!, UnavailableError, "not sent within 1000 ms");
});

// The room of one connection

function pendingGet(id: number, key = "cor"): PendingRequest {
  const deadlines = { since: 0, sendBy: Infinity, answerBy: Infinity };
  return new PendingRequest(new Get(id, key, 0), deadlines, { answered() {}, failed() {} });
}

Deno.test("a connection has room for few requests at first, and for more with each answer", () => {
  const pending = new PendingRequests("a", () => {});
  const room = new ConnectionRoom(pending);
  let id = 0;
  const fill = () => {
    while (room.holds(3)) pending.add(pendingGet(id++));
    return pending.awaited;
  };
  assertEquals(fill(), awaitedFirst);
  for (let answers = 0; answers < 2 * awaitedMax; answers++) room.received(50);
  assertEquals(fill(), awaitedMax);
});

Deno.test("a connection has room for a bounded length of texts, and for one request of any length", () => {
  const pending = new PendingRequests("a", () => {});
  const room = new ConnectionRoom(pending);
  assert(room.holds(2 * pendingCharsMax));
  pending.add(pendingGet(1));
  assert(room.holds(pendingCharsMax - 3));
  assert(!room.holds(pendingCharsMax - 2));
  // Answers count too: a GET of a large value is short.
  for (let answers = 0; answers < 100; answers++) room.received(pendingCharsMax / 3);
  pending.add(pendingGet(2));
  assert(room.holds(3));
  pending.add(pendingGet(3));
  assert(!room.holds(3));
});

Deno.test("calls that wait end at once if this client can use no server", async () => {
  using fixture = new Fixture();
  const waiting = [fixture.call("x"), fixture.call("y", { again: true, asked: [a!] })];
  fixture.refusals = new Map([[a!, new ForbiddenError("a:1", "no password")]]);
  fixture.free();
  assertEquals(fixture.begun, [], "one server may be usable");
  fixture.refusals.set(b!, new ForbiddenError("b:1", "no password"));
  fixture.free();
  for (const call of waiting) await assertRejects(() => call!, ForbiddenError, "no password");
});
