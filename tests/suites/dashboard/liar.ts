/**
 * A server that lies to its observers: `deno run --allow-net liar.ts KIND`.
 *
 * It prints its port, and sends each observer a flood of well-formed EVENTS until it is killed.
 *
 * @module
 */

import { frameBytesMax } from "../../../lib/limits.ts";
import { eventsPerFrameMax } from "../../../lib/wire/events.ts";

/** What a server can lie about. */
export const lies = [
  ...["large texts", "many keys", "long lists", "junk", "odd numbers", "refusals"] as const,
];

/** One of {@linkcode lies}. */
export type Lie = typeof lies[number];

/** ANSI escapes, direction marks, invisible characters, markup and combining marks. */
export const oddText = `\u001b[31m\u202e\u200b<img src=x onerror=alert(1)>${"\u0301".repeat(40)}`;

const encoder = new TextEncoder();
const counts = { puts: 0, putOks: 0, gets: 0, refused: 0, replications: 0 };
const huge = Number.MAX_SAFE_INTEGER;

/** The events of a frame, and other fields of it. `n` is the number of the frame. */
function frameOf(lie: Lie, self: string, n: number): Record<string, unknown> {
  const at = Date.now();
  const timestamp = n + 1;
  switch (lie) {
    case "large texts": {
      const [key, value] = ["k".repeat(1_000), "v".repeat(1_000_000)];
      return {
        events: Array.from({ length: 7 }, (_, i) => (
          { kind: "written", at, key: `${n % 200} ${i} ${key}`, value, timestamp }
        )),
      };
    }
    case "many keys":
      return {
        events: Array.from({ length: eventsPerFrameMax }, (_, i) => (
          i % 2 === 0
            ? { kind: "written", at, key: `${n}-${i}`, value: "v", timestamp: n * 4_096 + i }
            : {
              ...{
                kind: "get",
                at,
                client: `10.${i % 200}.${n % 200}.1:${1 + i}`,
                key: `${n}-${i}`,
              },
              ...{ seen: timestamp, own: 0, refused: true },
            }
        )),
      };
    case "long lists": {
      const list = Array.from({ length: 256 }, (_, i) => `${"n".repeat(60)}.${n}-${i}:1`);
      return {
        events: Array.from({ length: 100 }, () => (
          { kind: "members", at, joined: list, inSync: list, open: true }
        )),
      };
    }
    case "refusals": // sent in place of events
      return { type: "ERROR", code: "UNAVAILABLE", message: oddText.repeat(70) };
    case "junk":
      return { junk: "\u0100".repeat(frameBytesMax / 2 - 1_000), events: [] };
    case "odd numbers": {
      const entry = { key: `${oddText} ${n}`, value: oddText, timestamp: huge };
      const client = "127.0.0.1:1";
      return {
        at: n % 2 === 0 ? 0 : huge,
        missed: huge,
        counts: n % 2 === 0
          ? counts
          : { puts: huge, putOks: huge, gets: huge, refused: huge, replications: huge },
        events: [
          { kind: "written", at: huge, ...entry },
          { kind: "put_ok", at: 0, client, key: oddText, timestamp: huge, ms: 1e308 },
          { kind: "get", at: 0, client, key: oddText, seen: huge, own: huge, refused: true },
          { kind: "fault", at: 0, follower: self, action: "delay", delayMs: huge },
        ],
      };
    }
  }
}

function statusOf(self: string, lie: Lie, id: unknown): Record<string, unknown> {
  const names = Array.from({ length: lie === "long lists" ? 256 : 0 }, (_, i) => `n${i}:1`);
  return {
    ...{ type: "STATUS_OK", id, server: self, leader: self, cluster: "c", timestamp: 0 },
    ...{ inSync: [self, ...names].slice(0, 256) },
    followers: names.map((server) => ({ server, timestamp: huge, inSync: true })),
    ...{ keys: huge, connections: huge, uptimeMs: huge, memoryBytes: huge, faults: true },
  };
}

async function write(conn: Deno.Conn, message: Record<string, unknown>): Promise<void> {
  const bytes = encoder.encode(`${JSON.stringify(message)}\n`);
  for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
}

async function serve(conn: Deno.Conn, lie: Lie): Promise<void> {
  const { hostname, port } = conn.localAddr as Deno.NetAddr;
  const self = `${hostname}:${port}`;
  let writing = Promise.resolve();
  const flood = async (id: number) => {
    for (let n = 0;; n++) {
      const frame = frameOf(lie, self, n);
      const head = { type: "EVENTS", id, server: self, at: Date.now(), missed: 0, counts };
      writing = writing.then(() => write(conn, { ...head, ...frame }));
      await writing;
    }
  };
  let text = "";
  for await (const chunk of conn.readable.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const lines = text.split("\n");
    text = lines.pop()!;
    for (const line of lines) {
      const { type, id } = JSON.parse(line);
      if (type === "STATUS") {
        writing = writing.then(() => write(conn, statusOf(self, lie, id)));
      } else if (type === "OBSERVE") flood(id).catch(() => {}); // the observer has gone
    }
  }
}

if (import.meta.main) {
  const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const lie = Deno.args[0] as Lie;
  await Deno.stdout.write(encoder.encode(`${listener.addr.port}\n`));
  for await (const conn of listener) serve(conn, lie).catch(() => {}); // the observer has gone
}
