/**
 * The upper bound for the rate of replicated PUTs in Deno: a leader numbers writes, sends them to two
 * followers, and answers when both have confirmed.
 *
 * `replication.ts follower PORT`, then `replication.ts leader PORT FOLLOWER_PORT FOLLOWER_PORT`. With
 * the further argument `lines` they print the lines of the assignment.
 *
 * @module
 */

import { BareConsole } from "./bare_console.ts";
import { LinePeer } from "./line_peer.ts";

interface Pending {
  readonly client: LinePeer;
  readonly id: number;
  readonly key: string;
}

const [role, port, ...rest] = Deno.args;
const followerPorts = rest.filter((arg) => arg !== "lines");
const output = rest.includes("lines") ? new BareConsole() : undefined;
const table = new Map<string, { value: string; number: number }>();

async function accept(serve: (peer: LinePeer) => Promise<void>): Promise<void> {
  for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
    serve(new LinePeer(conn));
  }
}

async function follow(): Promise<void> {
  await accept((leader) =>
    leader.run((lines) => {
      let last = 0;
      for (const line of lines) {
        const { key, value, number } = JSON.parse(line);
        output?.print(`REPLICATION key:${key} value:${value} ts:${number}.\n`);
        table.set(key, { value, number });
        last = number;
      }
      leader.send(`{"confirmed":${last}}\n`);
    })
  );
}

async function lead(): Promise<void> {
  let number = 0;
  let answered = 0;
  /** The writes from `answered + 1` to `number`, the oldest at `first`. */
  let pending: Pending[] = [];
  let first = 0;
  const confirmed = followerPorts.map(() => 0);
  const followers = await Promise.all(
    followerPorts.map(async (one) =>
      new LinePeer(await Deno.connect({ hostname: "127.0.0.1", port: Number(one) }))
    ),
  );
  for (const [index, follower] of followers.entries()) {
    follower.run((lines) => {
      confirmed[index] = JSON.parse(lines.at(-1)!).confirmed; // the last line confirms all before
      for (const both = Math.min(...confirmed); answered < both; answered++) {
        const { client, id, key } = pending[first++]!;
        output?.print(
          `Enviando PUT_OK ao Cliente ${client.name} da key:${key} ts:${answered + 1}.\n`,
        );
        client.send(`{"type":"PUT_OK","id":${id}}\n`);
      }
      if (first > 4096) {
        pending = pending.slice(first);
        first = 0;
      }
    });
  }
  await accept((client) =>
    client.run((lines) => {
      let writes = "";
      for (const line of lines) {
        const { id, key, value } = JSON.parse(line);
        output?.print(`Cliente ${client.name} PUT key:${key} value:${value}.\n`);
        table.set(key, { value, number: ++number });
        pending.push({ client, id, key });
        writes += `${JSON.stringify({ key, value, number })}\n`;
      }
      for (const follower of followers) follower.send(writes);
    })
  );
}

await (role === "follower" ? follow() : lead());
