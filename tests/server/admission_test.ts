import { assertEquals } from "@std/assert";
import { Admission, type Counted, refusedMax } from "../../lib/server/admission.ts";

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

Deno.test("the clients that hold most are cut off, as few as possible, and no server", pure, () => {
  const admission = new Admission(limits);
  const held = [40, 10, 60, 30].map((bytes) => new FakeConnection("a", bytes));
  const server = new FakeConnection("b", 1_000, true);
  assertEquals(admission.freeMemory([server, ...held.slice(0, 2)]), 0);
  assertEquals(admission.freeMemory([server, ...held].values()), 1);
  assertEquals(held.map(({ aborted }) => aborted), [false, false, true, false]);
  assertEquals(server.aborted, false);
});
