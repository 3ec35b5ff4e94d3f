/** The arguments of the comparison of client libraries, its load, and its tables. */

import { assertEquals, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { argumentsOf } from "../../bench/clients/arguments.ts";
import { type Library, measure } from "../../bench/clients/library.ts";
import { figuresOf, tables } from "../../bench/clients/tables.ts";
import { eventually } from "../../bench/waiting.ts";
import { UsageError } from "../../lib/cli/flags.ts";

const pure = { permissions: "none" } as const;

Deno.test("the arguments have defaults, and wrong ones are refused with their flag", pure, () => {
  assertEquals(argumentsOf([]), {
    rounds: 5,
    ms: 1_000,
    inFlight: [1, 16, 256, 5_000, 50_000],
    kinds: ["GET", "PUT"],
    beside: undefined,
    json: false,
    help: false,
  });
  const { ms, inFlight, kinds } = argumentsOf(["--seconds=0.5", "--in-flight=1,64", "--only=PUT"]);
  assertEquals([ms, inFlight, kinds], [500, [1, 64], ["PUT"]]);
  for (const wrong of ["--rounds=0", "--in-flight=1,,2", "--in-flight=0", "--only=SET", "--x"]) {
    const flag = wrong.split("=")[0]!;
    assertThrows(() => argumentsOf([wrong]), UsageError, flag, wrong);
  }
});

/** A library whose calls end at once. It notes how many are in flight. */
class FakeLibrary implements Library {
  inFlight = 0;
  inFlightMax = 0;
  calls = 0;

  get(): Promise<unknown> {
    return this.#call();
  }

  put(): Promise<unknown> {
    return this.#call();
  }

  read(answer: unknown): boolean {
    return answer !== 500;
  }

  written(answer: unknown): boolean {
    return answer !== 500;
  }

  async #call(): Promise<number> {
    this.inFlightMax = Math.max(this.inFlightMax, ++this.inFlight);
    await new Promise((resolve) => setTimeout(resolve));
    this.inFlight--;
    return ++this.calls;
  }
}

Deno.test("a load keeps its calls in flight, and a wrong answer ends it", async () => {
  for (const kind of ["GET", "PUT"] as const) {
    const library = new FakeLibrary();
    const { calls } = await measure(library, { kind, inFlight: 7, ms: 10 });
    assertEquals([library.calls, library.inFlight, library.inFlightMax], [calls, 0, 7]);
    const wrong = new FakeLibrary();
    const load = { kind, inFlight: 100, ms: 60_000 };
    await assertRejects(() => measure(wrong, load), Error, `wrong answer to a ${kind}: 500`);
    await eventually("no call follows", () => wrong.inFlight === 0);
  }
});

Deno.test("the table has medians of the turns, and ratios to each other library", pure, () => {
  const outcomes = (...rates: number[]) =>
    rates.map((rate) => ({ calls: rate, ms: 1_000, cpuUs: rate * 10 }));
  const text = tables([
    figuresOf("a", "GET", 1, outcomes(300, 100, 200)),
    figuresOf("b", "GET", 1, outcomes(400)),
    figuresOf("a", "GET", 5_000, outcomes(6_000, 8_000)),
    figuresOf("b", "GET", 5_000, outcomes(3_500)),
  ]);
  assertStringIncludes(text, "| GET, calls in flight | 1 | 5,000 |");
  assertStringIncludes(text, "| a, calls/s | 200 | 7,000 |");
  assertStringIncludes(text, "| a, processor time, µs | 10.0 | 10.0 |");
  assertStringIncludes(text, "| a / b, calls/s | 0.50 | 2.00 |");
  assertEquals(text.includes("PUT"), false);
});
