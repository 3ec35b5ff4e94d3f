import { assertEquals, assertStringIncludes } from "@std/assert";
import {
  Admission,
  admissionLimitsDefault,
  type Counted,
  raiseMs,
  refusedMax,
  reservedMax,
} from "../../lib/server/admission.ts";

const pure = { permissions: "none" } as const;

class FakeConnection implements Counted {
  aborted = false;
  constructor(
    readonly ip: string,
    readonly heldBytes = 0,
    readonly betweenServers = false,
  ) {}
  abort(): void {
    this.aborted = true;
  }
}

const limits = { connectionsMax: 3, connectionsPerIpMax: 2, heldBytesMax: 100 };

Deno.test(
  "a connection over one of the two limits is refused with a reason that names the flag",
  pure,
  () => {
    const admission = new Admission(limits);
    const [one, two, three] = ["a", "a", "b"].map((ip) => new FakeConnection(ip));
    assertEquals(admission.admit(one!), undefined);
    assertEquals(admission.admit(two!), undefined);
    const third = new FakeConnection("a");
    assertEquals(
      admission.admit(third),
      "this server has 2 connections from a already (--max-connections-per-ip)",
    );
    assertEquals(admission.admit(three!), undefined);
    const full = "this server has 3 connections already (--max-connections)";
    const fourth = new FakeConnection("c");
    assertEquals(admission.admit(fourth), full);

    // Refused connections do not count, whether they stay open or end.
    admission.remove(third);
    admission.remove(fourth);
    assertEquals(admission.admit(new FakeConnection("c")), full);
    admission.remove(one!);
    assertEquals(admission.admit(new FakeConnection("a")), undefined);
    assertEquals(admission.admit(new FakeConnection("c")), full);
  },
);

Deno.test("a dialled connection counts, and is never refused", pure, () => {
  const admission = new Admission({ ...limits, connectionsMax: 1 });
  for (let n = 0; n < 2; n++) admission.add(new FakeConnection("leader"));
  assertEquals(typeof admission.admit(new FakeConnection("a")), "string");
});

Deno.test("only a few refused connections may stay open", pure, () => {
  const admission = new Admission({ ...limits, connectionsMax: 0 });
  const refused = Array.from({ length: refusedMax + 1 }, () => new FakeConnection("a"));
  for (const connection of refused.slice(1)) admission.admit(connection);
  assertEquals(admission.tooManyRefused, false);
  admission.admit(refused[0]!);
  assertEquals(admission.tooManyRefused, true);
  admission.remove(refused[1]!);
  assertEquals(admission.tooManyRefused, false);
});

Deno.test("one address has half of the places for refused connections", pure, () => {
  const admission = new Admission({ ...limits, connectionsMax: 0 });
  const refuse = (ip: string) => {
    const connection = new FakeConnection(ip);
    admission.admit(connection);
    return admission.mayLinger(connection);
  };
  for (let n = 0; n < refusedMax / 2; n++) assertEquals(refuse("a"), true, `${n}`);
  assertEquals([refuse("a"), refuse("b")], [false, true]);
});

Deno.test("the clients that hold most are cut off, as few as possible, and no server", pure, () => {
  const admission = new Admission(limits);
  const held = [40, 10, 60, 30].map((bytes) => new FakeConnection("a", bytes));
  const server = new FakeConnection("b", 1_000, true);
  assertEquals(admission.freeMemory([server, ...held.slice(0, 2)]), 0);
  assertEquals(admission.freeMemory([server, ...held].values()), 1);
  assertEquals(held.map(({ aborted }) => aborted), [false, false, true, false]);
  assertEquals(server.aborted, false);
});

Deno.test(
  "a process that can open no more keeps some descriptors, and the flood pays for it",
  pure,
  () => {
    const admission = new Admission({
      connectionsMax: 1_000,
      connectionsPerIpMax: 900,
      heldBytesMax: 1,
    });
    const admitted = (ip: string, count: number) =>
      Array.from({ length: count }, () => {
        const connection = new FakeConnection(ip);
        assertEquals(admission.admit(connection), undefined);
        return connection;
      });
    const early = admitted("b", 20);
    const leader = new FakeConnection("a", 0, true);
    admission.add(leader);
    const flood = admitted("a", 200);
    const late = admitted("c", 10);
    const all = [...early, leader, ...flood, ...late];
    const line = admission.makeRoom(all);
    const cut = all.filter((one) => one.aborted);
    assertEquals(cut, flood.slice(-reservedMax), "the newest of the address with the most");
    assertStringIncludes(
      line,
      `it takes ${231 - reservedMax} connections for now, and 32 clients`,
    );
    for (const one of cut) admission.remove(one);
    assertEquals(
      admission.admit(new FakeConnection("a")),
      "this server has 199 connections already (its process can open no more files)",
    );
    for (const one of flood.slice(0, 100)) admission.remove(one);
    admitted("a", 80);
    assertEquals(
      admission.admit(new FakeConnection("a")),
      "this server has 149 connections from a already (its process can open no more files)",
    );
    admitted("d", 19);
  },
);

Deno.test("a process that can open no more still takes a few connections", pure, () => {
  const admission = new Admission({ ...limits, connectionsMax: 100, connectionsPerIpMax: 100 });
  const all = Array.from({ length: 10 }, () => new FakeConnection("a"));
  for (const one of all) admission.admit(one);
  admission.makeRoom(all);
  assertEquals(all.filter((one) => one.aborted), all.slice(4));
  // Refused connections may not use up what was set free.
  for (let n = 0; n < reservedMax / 4; n++) admission.admit(new FakeConnection("b"));
  assertEquals(admission.tooManyRefused, false);
  admission.admit(new FakeConnection("b"));
  assertEquals(admission.tooManyRefused, true);
});

/** Connections of ten addresses that count in an admission, and leave it once they are cut off. */
class Crowd {
  readonly admission = new Admission(admissionLimitsDefault);
  connections: FakeConnection[] = [];

  /** Lets connections come until one is refused, or `count` are there. Returns how many there are. */
  fill(count: number, nowMs: number): number {
    while (this.connections.length < count) {
      const one = new FakeConnection(`10.0.0.${this.connections.length % 10}`);
      if (this.admission.admit(one, nowMs) !== undefined) {
        this.admission.remove(one);
        break;
      }
      this.connections.push(one);
    }
    return this.connections.length;
  }

  fails(nowMs: number): string {
    return this.admission.makeRoom(this.connections, nowMs);
  }

  /** Of the connections that were cut off, `atMost` end. Returns how many are left. */
  settle(atMost = Infinity): number {
    let ended = 0;
    this.connections = this.connections.filter((one) => {
      if (!one.aborted || ended === atMost) return true;
      ended++;
      this.admission.remove(one);
      return false;
    });
    return this.connections.length;
  }
}

Deno.test("a failure that repeats cuts off once for each number of connections", pure, () => {
  const crowd = new Crowd();
  crowd.fill(1_000, 0);
  const line = crowd.fails(0);
  for (let n = 1; n <= reservedMax; n++) {
    assertEquals(crowd.fails(n * 100), line);
    assertEquals(crowd.settle(1), 1_000 - n);
  }
  assertEquals(crowd.settle(), 1_000 - reservedMax);
  // The number that it was lowered to is still too high.
  crowd.fails(10_000);
  crowd.fails(10_100);
  assertEquals(crowd.settle(), 1_000 - 2 * reservedMax);
});

Deno.test("however often it fails, a process keeps a quarter of its connections", pure, () => {
  for (const [count, kept] of [[1_000, 250], [100, 25], [40, 10], [10, 4], [3, 3]] as const) {
    const crowd = new Crowd();
    crowd.fill(count, 0);
    for (let n = 0; n < 100; n++) {
      crowd.fails(n);
      crowd.settle();
    }
    assertEquals(crowd.connections.length, kept);
  }
});

Deno.test(
  "a limit that was lowered rises step by step after a minute without failure",
  pure,
  () => {
    const crowd = new Crowd();
    crowd.fill(100, 0);
    crowd.fails(0);
    assertEquals(crowd.settle(), 68);
    assertEquals(crowd.fill(1_000, raiseMs - 1), 68);
    crowd.fails(1); // lowers it once more, and the minute begins again
    assertEquals(crowd.settle(), 36);
    assertEquals(crowd.fill(1_000, raiseMs), 36);
    assertEquals(crowd.fill(1_000, raiseMs + 1), 36 + reservedMax);
    assertEquals(crowd.fill(1_000, 2 * raiseMs + 1), 68 + 34);
    assertEquals(crowd.fill(admissionLimitsDefault.connectionsMax, 60 * raiseMs), 16_384);
    assertEquals(
      crowd.admission.admit(new FakeConnection("b"), 60 * raiseMs),
      "this server has 16384 connections already (--max-connections)",
    );
  },
);
