import { assertEquals, assertStrictEquals } from "@std/assert";
import {
  budgetFor,
  shortReadBytesMax,
  TurnBudget,
  turnCharsMax,
} from "../../lib/net/turn_budget.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "a budget is spent by the text of all together, and is whole again in the next turn",
  pure,
  async () => {
    const budget = new TurnBudget();
    budget.spend(turnCharsMax - 100);
    assertStrictEquals(budget.spent, false);
    budget.spend(1);
    assertStrictEquals(budget.spent, true);
    await budget.nextTurn();
    assertStrictEquals(budget.spent, false);
  },
);

Deno.test(
  "who waits longest goes first, and spends the new budget alone if it needs it",
  pure,
  async () => {
    const budget = new TurnBudget();
    const done: string[] = [];
    let turn = 0;
    const work = async (name: string, chars: number) => {
      while (budget.spent) await budget.nextTurn();
      done.push(`${name} in turn ${turn}`);
      budget.spend(chars);
    };
    const counter = setInterval(() => turn++);
    budget.spend(10 * turnCharsMax);
    await Promise.all([
      work("long", 10 * turnCharsMax),
      work("a", 1),
      work("b", turnCharsMax),
      work("c", 1),
    ]);
    clearInterval(counter);
    const turns = done.map((one) => Number(one.split(" ").at(-1)));
    assertEquals(done.map((one) => one.split(" ")[0]), ["long", "a", "b", "c"]);
    assertStrictEquals(turns[0]! < turns[1]!, true, "a long work has its turn alone");
    assertStrictEquals(turns[1], turns[2]);
    assertStrictEquals(turns[2]! < turns[3]!, true);
  },
);

Deno.test("short reads do not wait for long ones", pure, () => {
  assertStrictEquals(budgetFor(1), budgetFor(shortReadBytesMax));
  assertStrictEquals(budgetFor(shortReadBytesMax + 1), budgetFor(1e6));
  assertStrictEquals(budgetFor(1) === budgetFor(1e6), false);
});
