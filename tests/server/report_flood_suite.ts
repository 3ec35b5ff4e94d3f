/** What strangers can write on a server's standard error: a bounded number of lines. */

import { assertGreater, assertLessOrEqual, assertStringIncludes } from "@std/assert";
import { linesMax, serverLinesMax } from "../../lib/net/report_limiter.ts";
import { TlsAcceptor } from "../../lib/net/tls.ts";
import { anyPort } from "../support/ports.ts";
import { TestServer } from "../support/test_server.ts";
import { server as certificates } from "../support/tls_fixture.ts";
import { eventually } from "../support/waiting.ts";
import { Wire } from "../support/wire_client.ts";

/** Has `attempt` made more than `max` times, and checks the lines on one topic. */
async function flood(
  server: TestServer,
  topic: string,
  attempt: (n: number) => Promise<void>,
  max = linesMax,
): Promise<void> {
  await using _server = server;
  for (let n = 0; n < max + 20; n++) await attempt(n);
  await eventually(`lines about ${topic}`, () => server.reports.length > 0);
  await server.close(); // what was not written is counted
  const count = server.reports.find((line) => line.startsWith(`${topic}: `));
  assertStringIncludes(count ?? "no count", " more lines in the last ");
  assertGreater(Number(count!.match(/\d+/)![0]), 0);
  assertLessOrEqual(server.reports.length, max + 12); // with counts, and what the start reports
}

/** Opens a connection, sends a line, and waits for the end. */
async function sayAndEnd(server: TestServer, line: string): Promise<void> {
  using wire = await Wire.connect(server.address);
  await wire.write(`${line}\n`);
  await wire.rest();
}

Deno.test("wrong proofs from ever new ports are counted", async () => {
  const server = await TestServer.alone();
  await flood(server, "refused", () => sayAndEnd(server, `{"type":"PROOF_OK"}`));
});

Deno.test("refused JOINs with ever new addresses are counted", async () => {
  const server = await TestServer.alone();
  await flood(server, "refused", (n) => {
    const name = `10.0.${n}.1:1`;
    return sayAndEnd(server, `{"type":"JOIN","server":"${name}","cluster":"","timestamp":0}`);
  });
});

Deno.test("servers that join and leave again and again are counted", async () => {
  const server = new TestServer(anyPort, undefined, { clusterSize: 3 });
  const join = (n: number) => ({ type: "JOIN", server: `kv-${n}:1`, cluster: "", timestamp: 0 });
  await flood(server, "members", async (n) => {
    using wire = await Wire.connect(server.address);
    await wire.ask(join(n));
  }, serverLinesMax);
});

Deno.test("refused connections are counted", async () => {
  const server = await TestServer.alone({}, { connectionsMax: 1, connectionsPerIpMax: 1 });
  using _held = await Wire.connect(server.address);
  await flood(server, "connections", async () => {
    using wire = await Wire.connect(server.address);
    await wire.rest();
  });
});

Deno.test("connections that do not speak TLS to a TLS port are counted", async () => {
  const tuning = { clusterSize: 1, minInSync: 1 };
  const tls = new TlsAcceptor(certificates);
  const server = new TestServer(anyPort, undefined, tuning, {}, { tls });
  await flood(server, "TLS", () => sayAndEnd(server, `{"type":"STATUS","id":1}`));
});
