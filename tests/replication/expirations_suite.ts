/** Times to live under load that takes long to simulate. */

import { assertLessOrEqual } from "@std/assert";
import { WriteRequest } from "../../lib/mensagem.ts";
import { ack, openLeader, pure } from "../support/core_fixture.ts";

Deno.test("keys that come as fast as they expire do not pile up", pure, () => {
  const { stage, f1, f2, client: someone } = openLeader();
  const sizes: number[] = [];
  let id = 0;
  for (let tick = 0; tick < 200; tick++) {
    for (let turn = 0; turn < 5; turn++) { // writes in each turn, so that no slice is a full one
      someone.say(
        ...Array.from(
          { length: 40 },
          () => new WriteRequest(++id, `k${id}`, "v", undefined, 1_000),
        ),
      );
      for (const link of [f1, f2]) link.say(ack(stage.engine.timestamp));
    }
    stage.jump(50);
    for (const link of [someone, f1, f2]) link.heard();
    stage.prints.length = stage.events.length = 0;
    if (tick % 20 === 19) sizes.push(stage.engine.table.size);
  }
  // 4,000 a second live for a second, and may be 2 s late
  assertLessOrEqual(Math.max(...sizes), 12_500, `${sizes}`);
  assertLessOrEqual(sizes.at(-1)!, sizes.at(-3)! * 1.05, `${sizes}`);
});
