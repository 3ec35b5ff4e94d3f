/** Counters of replies, tables of figures, and figures with targets. */

import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { lineOf, meets } from "../../bench/limits/finding.ts";
import {
  HttpReplies,
  LineReplies,
  PacketReplies,
  type Replies,
} from "../../bench/peers/replies.ts";
import { type Figures, medianOf, tables } from "../../bench/peers/tables.ts";
import { seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const bytes = (text: string) => new TextEncoder().encode(text);
const http = (body: string) =>
  `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`;

/** Packets of ZooKeeper as text: the session, and a reply for each error. All bytes are below 128. */
const packets = (...errors: number[]) =>
  [0, ...errors].map((error) => `\0\0\0\x14${"\0".repeat(15)}${String.fromCharCode(error)}rest`)
    .join("");

const streams: Readonly<Record<string, [() => Replies, string, number]>> = {
  "one line each": [() => new LineReplies(["GET_OK"]), "GET_OK 1\nGET_OK 2\nGET_OK 3\n", 3],
  "two lines each": [() => new LineReplies(["+OK", ":2"]), "+OK\r\n:2\r\n+OK\r\n:2\r\n", 2],
  "packets": [() => new PacketReplies([0]), packets(0, 0, 0), 3],
  "HTTP": [() => new HttpReplies(), http(`{"a":1}`) + http("") + http("{}"), 3],
};

for (const [name, [start, text, count]] of Object.entries(streams)) {
  Deno.test(
    `each reply is counted once, for any cut into chunks: ${name}`,
    pure,
    seeded((random) => {
      for (let round = 0; round < 200; round++) {
        const replies = start();
        const all = bytes(text);
        let counted = 0;
        for (let from = 0; from < all.length;) {
          const end = Math.min(all.length, from + random.between(1, 20));
          counted += replies.count(all.subarray(from, end));
          from = end;
        }
        assertEquals(counted, count);
      }
    }),
  );
}

Deno.test("an error is not counted as a reply", pure, () => {
  const redis = () => new LineReplies(["+OK", ":2"]);
  assertThrows(() => redis().count(bytes("-ERR no\r\n")), Error, "-ERR no");
  assertThrows(() => redis().count(bytes("+OK\r\n:1\r\n")), Error, ":1");
  const refused = http("{}").replace("200 OK", "503 Service Unavailable");
  assertThrows(() => new PacketReplies([0]).count(bytes(packets(0, 5))), Error, "error 5");
  assertThrows(() => new HttpReplies().count(bytes(refused)), Error, "503");
});

Deno.test("the median of an odd and of an even number of values", pure, () => {
  assertEquals(medianOf([5, 1, 9]), 5);
  assertEquals(medianOf([10, 2, 4, 1]), 3);
});

Deno.test(
  "the tables show ratios with their targets, and no row for a system that was not measured",
  pure,
  () => {
    const figures: Figures[] = ([
      ["these servers", "GET", 90],
      ["JSON echo", "GET", 100],
      ["these servers", "PUT", 33],
      ["Redis SET + WAIT 2", "PUT", 10],
    ] as const).flatMap(([name, kind, rate]) => [
      { name, kind, column: [64, 1], rate, p50Us: 1, p99Us: 2 * rate },
      ...(name.startsWith("Redis")
        ? []
        : [{ name, kind, column: [8, 16] as const, rate, p50Us: 1, p99Us: 1 }]),
    ]);
    const text = tables(figures);
    assertStringIncludes(text, "| these servers / JSON echo | 0.90 (0.95) | 0.90 |");
    assertStringIncludes(
      text,
      "| these servers / Redis SET + WAIT 2 | 3.30 (1.1) | 3.30 (3 × its best) |",
    );
    assertStringIncludes(
      text,
      "| p99: these servers / Redis SET + WAIT 2 | 3.30 (at most 1.25) |  |",
    );
    assertEquals(text.includes("etcd"), false);
  },
);

Deno.test(
  "a line shows a figure, its target if there is one, and MISSED if it misses the target",
  pure,
  () => {
    const memory = { what: "memory", figure: 500, unit: "MB" };
    assertEquals(meets(memory), true);
    assertEquals(lineOf(memory).trimEnd().endsWith("500 MB"), true);
    assertEquals(meets({ ...memory, atMost: 490 }), false);
    assertStringIncludes(lineOf({ ...memory, atMost: 490 }), "target: at most 490 MB, MISSED");
    assertEquals(meets({ ...memory, atLeast: 490 }), true);
    assertStringIncludes(lineOf({ ...memory, atLeast: 490 }), "target: at least 490 MB\n");
  },
);
