/**
 * An etcd whose database is full: `deno task test:etcd` runs it. Ignored if etcd is not installed.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { valueBytesMax } from "../../../lib/limits.ts";
import { eventually } from "../../support/waiting.ts";
import { type Message, Wire } from "../../support/wire_client.ts";
import { etcdProgram, type RealEtcd } from "./real_etcd.ts";
import { ask, get, put, type Scene, start } from "./scene.ts";

const ignore = etcdProgram === undefined;
const outOfSpace = "etcd is out of space (alarm NOSPACE), until it is compacted";
/** Values of 1 MiB that fill the database, and as many again. */
const fillsMax = 20;

/** Overwrites a key until etcd has no room. Returns the refusal, and the number of the last PUT_OK. */
async function fill({ servers }: Scene): Promise<{ refused: Message; last: number }> {
  let last = 0;
  for (let n = 0; n < fillsMax; n++) {
    const reply = await put(servers[n % 3]!, "k", `${n}`.padEnd(valueBytesMax, "x"));
    if (reply.type !== "PUT_OK") return { refused: reply, last };
    last = n;
  }
  throw new Error(`${fillsMax} values have fitted`);
}

/** Makes room as an operator does: compaction, defragmentation of each member, the alarm switched off. */
async function makeRoom({ members }: RealEtcd): Promise<void> {
  const [one] = members;
  const { header } = await one!.ask("kv/range", { key: btoa("kv/") });
  const { revision } = header as { revision: string };
  await one!.ask("kv/compaction", { revision, physical: true });
  for (const member of members) await member.ask("maintenance/defragment", {});
  const { alarms } = await one!.ask("maintenance/alarm", { action: "GET" });
  for (const { memberID, alarm } of alarms as { memberID: string; alarm: string }[]) {
    await one!.ask("maintenance/alarm", { action: "DEACTIVATE", memberID, alarm });
  }
}

Deno.test({
  name:
    "etcd is out of space: writes say so, reads and deletions go on, and with room writes are taken again",
  ignore,
  fn: async () => {
    await using scene = await start({ flags: ["--quota-backend-bytes", "4000000"] });
    const { etcd, servers } = scene;
    const [one, other] = servers;
    const before = (await put(one!, "small", "azul")).timestamp as number;
    using watch = await Wire.connect(other!.address);
    await watch.send({ type: "WATCH", id: 1, key: "small", after: 0 });
    await watch.messageOf("CHANGES");
    const { refused, last } = await fill(scene);
    // The write that exceeds the quota may be applied although it failed.
    assertEquals(refused.code, "UNKNOWN_OUTCOME");
    assertStringIncludes(`${refused.message}`, `may or may not be applied: ${outOfSpace}`);
    for (const server of servers) await server.reported(outOfSpace);

    // What needs room fails with the reason. Without a lease nothing was sent but the request for it.
    const writes: [fields: Message, code: string][] = [
      [{ value: "v", expected: 0 }, "UNKNOWN_OUTCOME"],
      [{ value: "v", ttlMs: 5_000 }, "UNAVAILABLE"],
    ];
    for (const [fields, code] of writes) {
      const reply = await ask(other!, { type: "WRITE", key: "new", ...fields });
      assertEquals(reply.code, code, JSON.stringify(reply));
      assertStringIncludes(`${reply.message}`, outOfSpace);
    }
    // Reads go on at every server.
    for (const server of servers) {
      const held = parseInt(`${(await get(server, "k")).value}`);
      assert([last, last + 1].includes(held), `${held} after ${last}`);
      assertEquals((await get(server, "small", before)).value, "azul");
      const list = await ask(server, { type: "LIST", prefix: "s" });
      assertEquals(list.entries, [["small", "azul", before]]);
      const latest = await ask(server, { type: "GET_LATEST", key: "small" });
      assertEquals([latest.value, latest.timestamp], ["azul", before]);
      assert(server.readable);
    }
    // A deletion needs no room, and the watch shows it.
    const { type, timestamp } = await ask(one!, { type: "WRITE", key: "small", value: null });
    assertEquals(type, "WRITE_OK");
    const shown = await eventually("the watch shows it", async () => {
      const { changes } = await watch.messageOf("CHANGES");
      return (changes as unknown[]).length > 0 && changes;
    });
    assertEquals(shown, [["small", null, timestamp]]);

    await makeRoom(etcd);
    for (const server of servers) await server.reported("etcd reports no more errors");
    for (const [n, server] of servers.entries()) {
      const reply = await put(server, `again${n}`, "verde");
      assertEquals(reply.type, "PUT_OK", `${reply.message}`);
      assertEquals((await get(server, `again${n}`, reply.timestamp as number)).value, "verde");
    }
    // Nothing that was refused has come later, and no server had to look for etcd again.
    assertEquals((await get(one!, "new")).value, null);
    for (const server of servers) {
      assert(!server.reports.some((line) => line.includes("is lost")), server.reports.join("\n"));
    }
  },
});
