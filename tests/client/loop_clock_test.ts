/** The clock of the library's deadlines: time in which the event loop is blocked does not count. */

import { assert, assertEquals } from "@std/assert";
import {
  calmMs,
  catchUpMsMax,
  debtMsMax,
  LoopClock,
  stepMsMax,
  tickMs,
} from "../../lib/client/loop_clock.ts";
import { onAbort } from "../../lib/client/on_abort.ts";

/** A clock whose time and ticks the test decides, and what it has reported. */
class Fixture implements Disposable {
  read = 1_000;
  readonly clock = new LoopClock(() => this.read);
  readonly due: number[] = [];
  watching = true;

  readonly watcher = {
    tick: (due: number) => {
      this.due.push(due);
      return this.watching;
    },
  };

  constructor() {
    this.clock.watch(this.watcher);
  }

  /** Lets time pass, then ticks. Returns by how much the clock has moved on. */
  pass(ms: number): number {
    const from = this.clock.now();
    this.read += ms;
    this.clock.tick();
    return this.clock.now() - from;
  }

  [Symbol.dispose](): void {
    this.clock.unwatch(this.watcher);
  }
}

Deno.test("the clock counts all time while ticks come in time", () => {
  using fixture = new Fixture();
  for (const ms of [tickMs, tickMs + 5, stepMsMax]) assertEquals(fixture.pass(ms), ms);
});

Deno.test("a blocked loop does not count, and then the clock waits until what came is read", () => {
  using fixture = new Fixture();
  assertEquals(fixture.pass(3_000), 0);
  let stoodMs = 0;
  while (fixture.pass(tickMs) === 0) stoodMs += tickMs;
  assertEquals(stoodMs, catchUpMsMax);
  assertEquals(fixture.pass(tickMs), tickMs);
});

Deno.test("in a loop that is blocked again and again most of the time counts", () => {
  for (const [blockedMs, freeMs] of [[stepMsMax + 20, 0], [stepMsMax + 20, tickMs]] as const) {
    using fixture = new Fixture();
    const from = fixture.read;
    const start = fixture.clock.now();
    for (let turn = 0; turn < 100; turn++) {
      fixture.pass(blockedMs);
      if (freeMs > 0) fixture.pass(freeMs);
    }
    assert(fixture.clock.now() - start > (fixture.read - from) / 2);
  }
});

Deno.test("the pauses after short blocks do not add up to more than a tick each", () => {
  using fixture = new Fixture();
  const from = fixture.read;
  const start = fixture.clock.now();
  for (let blocks = 0; blocks < 8; blocks++) {
    fixture.pass(stepMsMax + tickMs);
    for (let ticks = 0; ticks < 30; ticks++) fixture.pass(tickMs);
  }
  const stoodMs = fixture.read - from - (fixture.clock.now() - start);
  assert(stoodMs <= 8 * (stepMsMax + tickMs + tickMs), `${stoodMs}`);
});

Deno.test("except for one block the clock runs at least half as fast as that of the system", () => {
  for (const blockedMs of [stepMsMax + 1, 300, 600, 2_000]) {
    for (const freeMs of [0, tickMs, calmMs, calmMs + tickMs, 2_000]) {
      using fixture = new Fixture();
      fixture.pass(blockedMs);
      const from = fixture.read;
      const start = fixture.clock.now();
      for (let turn = 0; turn < 100; turn++) {
        for (let ms = 0; ms < freeMs; ms += tickMs) fixture.pass(tickMs);
        fixture.pass(blockedMs);
      }
      const leastMs = (fixture.read - from) / 2 - debtMsMax / 2 - blockedMs - catchUpMsMax;
      const label = `blocked ${blockedMs}, free ${freeMs}`;
      assert(fixture.clock.now() - start >= leastMs, label);
    }
  }
});

Deno.test("a deadline is reported at the tick after the one that saw it pass", () => {
  using fixture = new Fixture();
  const deadline = fixture.clock.now() + 2_000;
  fixture.pass(tickMs);
  for (let blocks = 0; blocks < 100 && !fixture.due.some((due) => due >= deadline); blocks++) {
    const over = fixture.clock.now() >= deadline;
    fixture.pass(50);
    assertEquals(fixture.due.at(-1)! >= deadline, over);
  }
  assert(fixture.due.at(-1)! >= deadline);
});

Deno.test("the clock never goes back, and never runs faster than that of the system", () => {
  using fixture = new Fixture();
  const from = fixture.read;
  const start = fixture.clock.now();
  let last = start;
  for (const ms of [0, 30, 30, 30, 400, 5, 70, 0, 101, 20, 3_000, 1, 120, 120, 120, 90]) {
    fixture.read += ms;
    assert(fixture.clock.now() >= last);
    fixture.clock.tick();
    assert(fixture.clock.now() >= last);
    last = fixture.clock.now();
    assert(last - start <= fixture.read - from);
  }
});

Deno.test("a call made late in a blocked turn gets no more time than one made after it", () => {
  using fixture = new Fixture();
  fixture.read += 3_000;
  const late = fixture.clock.now();
  fixture.clock.tick();
  assertEquals(fixture.clock.now(), late);
});

Deno.test("the clock counts all time while nothing watches it", () => {
  const fixture = new Fixture();
  fixture.watching = false;
  fixture.pass(tickMs); // the last one
  const from = fixture.clock.now();
  fixture.read += 60_000;
  assertEquals(fixture.clock.now() - from, 60_000);
});

Deno.test("any number of callbacks share one listener of a signal, and each is called once", () => {
  const controller = new AbortController();
  const { signal } = controller;
  let listeners = 0;
  const add = signal.addEventListener.bind(signal);
  const remove = signal.removeEventListener.bind(signal);
  signal.addEventListener = (...args: Parameters<typeof add>) => (listeners++, add(...args));
  signal.removeEventListener = (...args: Parameters<typeof remove>) => (
    listeners--, remove(...args)
  );
  const calls: number[] = [];
  const stops = Array.from({ length: 100 }, (_, n) => onAbort(signal, () => calls.push(n)));
  assertEquals(listeners, 1);
  for (const stop of stops) stop();
  assertEquals(listeners, 0);
  for (const n of [1, 2, 3]) stops[n] = onAbort(signal, () => calls.push(n));
  stops[2]!();
  controller.abort();
  assertEquals([calls, listeners], [[1, 3], 0]);
});
