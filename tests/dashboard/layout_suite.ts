import { assert, assertEquals } from "@std/assert";
import { labelPlace } from "../../dashboard/page/label_place.js";
import { Layout } from "../../dashboard/page/layout.js";
import { dashboardServersMax } from "../../dashboard/main.ts";
import { dashboardClients } from "../../dashboard/server/clients.ts";
import { seeded } from "../support/random.ts";

const shapes = ["wide", "wall", "narrow"] as const;

/** Every layout that the page can show. */
function* layouts() {
  for (const shape of shapes) {
    for (let clients = 1; clients <= dashboardClients + 1; clients++) {
      for (let servers = 1; servers <= dashboardServersMax; servers++) {
        const names = Array.from({ length: servers }, (_, n) => `127.0.0.1:${10097 + n}`);
        const numbers = Array.from({ length: clients }, (_, n) => n);
        const layout = new Layout(names, names[0]!, numbers, shape);
        yield { layout, names, numbers, about: `${shape}, ${clients} clients, ${servers} servers` };
      }
    }
  }
}

Deno.test("no box covers another one or leaves the diagram", { permissions: "none" }, () => {
  for (const { layout, about } of layouts()) {
    const { boxes, width, height } = layout;
    boxes.forEach((one, index) => {
      const inside = one.x - one.width / 2 >= 0 && one.x + one.width / 2 <= width &&
        one.y - one.height / 2 >= 0 && one.y + one.height / 2 <= height;
      assert(inside, `${about}: ${JSON.stringify(one)} leaves the diagram`);
      for (const other of boxes.slice(index + 1)) {
        const apart = Math.abs(one.x - other.x) >= (one.width + other.width) / 2 ||
          Math.abs(one.y - other.y) >= (one.height + other.height) / 2;
        assert(apart, `${about}: ${JSON.stringify([one, other])} overlap`);
      }
    });
  }
});

Deno.test("a message moves from the box of its client to its server, and back", {
  permissions: "none",
}, () => {
  for (const { layout, names, numbers, about } of layouts()) {
    for (const client of numbers) {
      for (const server of names) {
        const there = layout.curve({ from: "10.0.0.1:5", to: server, client });
        const back = layout.curve({ from: server, to: "10.0.0.1:5", client });
        assert(there !== undefined && back !== undefined, about);
        assertEquals([back.from, back.to], [there.to, there.from], about);
        for (
          const [point, box] of [[there.from, layout.clients.get(client)], [
            there.to,
            layout.server(server),
          ]] as const
        ) {
          const atBorder = Math.abs(point.x - box!.x) <= box!.width / 2 + 1e-9 &&
            Math.abs(point.y - box!.y) <= box!.height / 2 + 1e-9;
          assert(atBorder, `${about}: ${JSON.stringify([point, box])}`);
        }
      }
    }
  }
});

Deno.test(
  "a label is never over a box where there is a free place",
  { permissions: "none" },
  seeded((random) => {
    for (const { layout, about } of layouts()) {
      for (let n = 0; n < 50; n++) {
        const label = {
          x: random.next() * layout.width,
          y: random.next() * layout.height,
          width: 130,
          height: 36,
        };
        const { boxes } = layout;
        const { x, y } = labelPlace(label, boxes, layout);
        const covered = boxes.filter((box) =>
          Math.abs(box.x - x) < (box.width + label.width) / 2 &&
          Math.abs(box.y - y) < (box.height + label.height) / 2
        );
        assertEquals(covered, [], `${about}: label of ${JSON.stringify(label)} at ${x}, ${y}`);
        assert(x >= 65 && x <= layout.width - 65, about);
      }
    }
  }),
);

Deno.test("without boxes a label stays where it is, but within the diagram", {
  permissions: "none",
}, () => {
  const area = { width: 100, height: 100 };
  assertEquals(labelPlace({ x: 50, y: 50, width: 20, height: 10 }, [], area), { x: 50, y: 50 });
  assertEquals(labelPlace({ x: 1, y: 99, width: 20, height: 10 }, [], area), { x: 10, y: 95 });
});
