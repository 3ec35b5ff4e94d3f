/**
 * Signals that reach a server process while it stops, or while it asks its questions.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { alone, ServerProcess } from "../../../bench/server_process.ts";
import { startCommand } from "../../support/tasks.ts";
import { within } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

Deno.test("SIGINT twice, as Ctrl-C in a terminal sends it through deno task: graceful, code 0", async () => {
  await using server = await ServerProcess.start({ flags: alone });
  using wire = await Wire.connect(server.address); // a client that stays: stopping takes 1 s
  await wire.ask({ type: "PUT", id: 1, key: "k", value: "v" });
  server.signal("SIGINT");
  await server.reports("stopping");
  server.signal("SIGINT"); // the terminal signals the whole group, and deno task passes its own signal on
  assertEquals(await server.end(), 0);
});

Deno.test("SIGTERM during the questions ends the server", async () => {
  await using server = await startCommand("server");
  await server.shows("IP [");
  server.signal("SIGTERM");
  const code = await within("it ends", server.code, 3_000);
  assert(code === 0 || code === 143, `${code}`);
});
