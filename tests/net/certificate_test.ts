/** The names in certificates, and certificates that expire while connections last. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { ServerConsole } from "../../lib/cli/server_console.ts";
import { KvClient } from "../../lib/client/kv_client.ts";
import { whyNotFor } from "../../lib/net/certificate.ts";
import { ownCertificate } from "../../lib/net/certificate_chain.ts";
import type { Tls } from "../../lib/net/dial.ts";
import { TlsAcceptor } from "../../lib/net/tls.ts";
import { CertificateWatch } from "../../lib/server/certificate_watch.ts";
import { KvServer, type KvServerOptions } from "../../lib/server/kv_server.ts";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { type CertificateOptions, TestCa } from "../support/certificates.ts";
import { anyPort } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";
import { type Message, Wire } from "../support/wire_client.ts";

const dayMs = 24 * 60 * 60 * 1_000;
const ca = await TestCa.make(1_000 * dayMs);
const here = { names: ["127.0.0.1"] };

/** A server that speaks TLS with a certificate of its own. */
async function serve(certificate: CertificateOptions, more: Partial<KvServerOptions> = {}) {
  const reports: string[] = [];
  const server = KvServer.start({
    listen: anyPort,
    prints: new ServerConsole(() => {}),
    report: (line) => reports.push(line),
    tls: new TlsAcceptor(await ca.issue(certificate)),
    ...more,
    tuning: { clusterSize: 2, redialFirstMs: 10, redialLongestMs: 100, ...more.tuning },
    limits: { tickMs: 10, sweepMs: 20, shutdownMs: 100 },
  });
  const reported = (text: string) =>
    eventually(text, () => reports.some((line) => line.includes(text)));
  return { server, reports, reported, [Symbol.asyncDispose]: () => server.close() };
}

async function wireTo({ hostname, port }: Address, { cert, key }: Required<Tls>): Promise<Wire> {
  return new Wire(await Deno.connectTls({ hostname, port, caCerts: [ca.pem], cert, key }));
}

function joinOf(server: string): Message {
  return { type: "JOIN", server, cluster: "", timestamp: 0, instance: 7, attempt: 1 };
}

/** Runs with the clock of the machine set to a later time. */
async function later(ms: number, run: () => Promise<void>): Promise<void> {
  const real = Date.now;
  Date.now = () => real() + ms;
  try {
    await run();
  } finally {
    Date.now = real;
  }
}

Deno.test("a certificate is for the hosts that its alternative names name", async () => {
  const cases: [string[], accepted: string[], refused: string[]][] = [
    [["10.0.0.1"], ["10.0.0.1:1", "[::ffff:10.0.0.1]:1"], ["10.0.0.2:1", "10.0.0.10:1", "kv-0:1"]],
    [["fd00::1"], ["[fd00::1]:1"], ["[fd00::2]:1", "[fd00::]:1"]],
    [["::1"], ["[::1]:1"], ["127.0.0.1:1", "[::2]:1"]],
    [["KV-0", "kv-1.example"], ["kv-0:1", "kv-1.example:1"], ["kv-1:1", "example:1", "a.kv-0:1"]],
    [["*.kv.example"], ["a.kv.example:1"], [
      "kv.example:1",
      "a.b.kv.example:1",
      "akv.example:1",
      "10.0.0.1:1",
    ]],
    [["localhost"], [], ["127.0.0.1:1"]], // an IP address to this program
    [["*"], [], ["kv-0:1", "10.0.0.1:1"]],
    [["10.0.0.1"], [], ["server:1"]], // the common name does not count
    [[], [], ["server:1", "10.0.0.1:1"]],
  ];
  for (const [names, accepted, refused] of cases) {
    const shown = ownCertificate((await ca.issue({ names })).cert, ca.pem);
    for (const server of accepted) assertEquals(whyNotFor(shown, server), undefined, server);
    for (const server of refused) {
      assertStringIncludes(`${whyNotFor(shown, server)}`, "its certificate names ", server);
    }
  }
  assertEquals(whyNotFor(undefined, "10.0.0.1:1"), undefined, "without TLS");
});

Deno.test("a JOIN must come with a certificate that names its server", async () => {
  await using leader = await serve(here);
  using other = await wireTo(
    leader.server.address,
    await ca.issue({ names: ["127.0.0.2", "kv-1"] }),
  );
  const { code, message } = await other.ask(joinOf("127.0.0.1:9"));
  const reason = "its certificate names IP Address:127.0.0.2, DNS:kv-1, and not 127.0.0.1";
  assertEquals([code, message], ["UNAVAILABLE", reason]);
  await leader.reported(`refused 127.0.0.1:9: ${reason}`);
  using right = await wireTo(
    leader.server.address,
    await ca.issue({ names: ["127.0.0.2", "kv-1"] }),
  );
  assertEquals((await right.ask(joinOf("kv-1:9"))).type, "JOIN_OK");
});

Deno.test("a follower that is known by a name joins with a certificate of that name", async () => {
  await using leader = await serve(here);
  const { address } = leader.server;
  const advertise = { hostname: "kv-1.kv.example", port: 10_097 };
  const names = { names: ["*.kv.example", "127.0.0.1"] };
  await using follower = await serve(names, { leader: address, advertise });
  await within("it is ready", follower.server.ready);
  assertEquals(follower.reports.filter((line) => line.startsWith("warning")), []);
});

Deno.test("a follower whose certificate expires is told so, and so is the leader's operator", async () => {
  await using leader = await serve({ ...here, validMs: 900 * dayMs });
  const tls = await ca.issue({ ...here, validMs: 100 * dayMs });
  using wire = await wireTo(leader.server.address, tls);
  assertEquals((await wire.ask(joinOf(wire.local))).type, "JOIN_OK");
  using client = await wireTo(leader.server.address, tls);
  assertEquals((await client.ask({ type: "STATUS", id: 1 })).type, "STATUS_OK");
  await later(101 * dayMs, async () => {
    const { code, message } = await wire.messageOf("ERROR");
    assertEquals(code, "FORBIDDEN");
    assertStringIncludes(
      `${message}`,
      `the certificate of the server at ${wire.local} expired at `,
    );
    wire.close();
    await leader.reported(`ended the connection of ${wire.local}: the certificate of the server`);
    await leader.reported(`${wire.local} left`);
    assertEquals((await client.ask({ type: "STATUS", id: 2 })).type, "STATUS_OK");
  });
});

Deno.test("a certificate expires with those that sign it, and not with others in its chain", async () => {
  const [short, old] = [await TestCa.make(5 * dayMs), await TestCa.make(-dayMs)];
  const [leaf, shortLeaf] = [await ca.issue(here), await short.issue(here)];
  const days = (chain: string, roots: string) =>
    Math.round((ownCertificate(chain, roots).expiresAtMs - Date.now()) / dayMs);
  assertEquals(days(leaf.cert, ca.pem), 365);
  assertEquals(days(shortLeaf.cert, short.pem), 5);
  assertEquals(days(shortLeaf.cert, old.pem + ca.pem + short.pem), 5);
  // A CA that was replaced by another one of the same name is left in the files.
  assertEquals(days(leaf.cert + old.pem, old.pem + ca.pem), 365);
  assertEquals(days(leaf.cert + ca.pem + old.pem, ca.pem), 365);

  await using leader = await serve(here);
  const more = { leader: leader.server.address };
  const tls = new TlsAcceptor({ ...leaf, cert: leaf.cert + ca.pem + old.pem });
  await using follower = await serve(here, { ...more, tls });
  await within("it is ready", follower.server.ready);
  await later(dayMs, async () => {
    const kv = new KvClient([leader.server.address], { tls: { ca: ca.pem } });
    await using _ = kv;
    await kv.put("cor", "azul");
  });
  assertEquals([...leader.reports, ...follower.reports].filter((line) => /expire/.test(line)), []);
});

Deno.test("a server whose own certificate expires ends its connections, and says so", async () => {
  await using leader = await serve({ ...here, validMs: 100 * dayMs });
  const { address } = leader.server;
  await using follower = await serve({ ...here, validMs: 900 * dayMs }, { leader: address });
  await within("it is ready", follower.server.ready);
  using client = await wireTo(address, await ca.issue(here));
  assertEquals((await client.ask({ type: "STATUS", id: 1 })).type, "STATUS_OK");
  await later(101 * dayMs, async () => {
    const reason = `the certificate of the server ${formatAddress(address)} expired at `;
    assertStringIncludes(`${(await client.messageOf("ERROR")).message}`, reason);
    await follower.reported(`lost the leader ${formatAddress(address)}: FORBIDDEN: ${reason}`);
    await leader.reported("warning: the certificate of this server expired at ");
  });
});

Deno.test("a certificate that expires soon, or is for another address, is a warning", () => {
  const expiresAtMs = Date.parse("2030-01-31T00:00:00Z");
  const warnings: string[] = [];
  const isFor = (host: string) => host === "10.0.0.1";
  const own = { names: "IP Address:10.0.0.1", expiresAtMs, isFor };
  const watch = new CertificateWatch("10.0.0.1:1", own, (line) => warnings.push(line));
  watch.sweep([], expiresAtMs - 31 * dayMs);
  assertEquals(warnings, []);
  watch.sweep([], expiresAtMs - 29 * dayMs);
  watch.sweep([], expiresAtMs - 28.5 * dayMs);
  assertEquals(warnings.length, 1, "once a day");
  assertStringIncludes(warnings[0]!, "expires at 2030-01-31T00:00:00Z, in 29 days");
  watch.sweep([], expiresAtMs + 60 * dayMs);
  assertStringIncludes(warnings[1]!, "expired at 2030-01-31T00:00:00Z");
  new CertificateWatch("10.0.0.2:1", own, (line) => warnings.push(line));
  assertStringIncludes(warnings[2]!, "names IP Address:10.0.0.1, and not 10.0.0.2");
  assert(warnings.every((line) => line.startsWith("warning: ")));
});
