import { assert, assertEquals } from "@std/assert";
import { Turns } from "../../lib/etcd/turns.ts";
import { within } from "../support/helpers.ts";

Deno.test("so many at once, then one for each that ends, in their order", async () => {
  const turns = new Turns(2, 10);
  const order: number[] = [];
  const begun = await Promise.all([turns.take(1_000), turns.take(1_000)]);
  const later = [1, 2, 3].map(async (number) => {
    const turn = await turns.take(5_000);
    assert(typeof turn === "object");
    order.push(number);
    return turn;
  });
  assertEquals(order, []);
  for (const turn of begun) (turn as Disposable)[Symbol.dispose]();
  const [first] = await Promise.all(later.slice(0, 2));
  assertEquals(order, [1, 2]);
  first![Symbol.dispose]();
  first![Symbol.dispose](); // a turn ends once
  await within("the third", later[2]!);
  assertEquals(order, [1, 2, 3]);
});

Deno.test("who waits too long is late, and takes no turn from those behind", async () => {
  const turns = new Turns(1, 10);
  const first = await turns.take(0) as Disposable;
  const [late, behind] = [turns.take(1), turns.take(5_000)];
  assertEquals(await late, "late");
  first[Symbol.dispose]();
  (await behind as Disposable)[Symbol.dispose]();
  (await turns.take(0) as Disposable)[Symbol.dispose]();
});

Deno.test("with so many waiting the next one is told at once", async () => {
  const turns = new Turns(1, 2);
  const first = await turns.take(0) as Disposable;
  const waiting = [turns.take(1), turns.take(5_000)];
  assertEquals(await turns.take(5_000), "full");
  assertEquals(await waiting[0], "late");
  const another = turns.take(5_000); // there is room again
  first[Symbol.dispose]();
  (await waiting[1] as Disposable)[Symbol.dispose]();
  (await another as Disposable)[Symbol.dispose]();
});
