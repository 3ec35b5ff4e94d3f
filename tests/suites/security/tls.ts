/**
 * Attacks on TLS: weak versions and ciphers, and wrong certificates in both directions.
 *
 * @module
 */

import { assert, assertEquals, assertMatch, assertNotMatch, assertRejects } from "@std/assert";
import { Dashboard } from "../../../dashboard/server/dashboard.ts";
import { Secret } from "../../../lib/auth/secret.ts";
import { ServerConsole } from "../../../lib/cli/server_console.ts";
import { KvError, TlsError } from "../../../lib/client/errors.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { TlsAcceptor } from "../../../lib/net/tls.ts";
import { KvServer, type KvServerOptions } from "../../../lib/server/kv_server.ts";
import type { Address } from "../../../lib/wire/address.ts";
import { anyPort } from "../../support/ports.ts";
import { runDeno } from "../../support/tasks.ts";
import * as fixture from "../../support/tls_fixture.ts";
import { eventually } from "../../support/waiting.ts";
import { badKinds, goodKinds, makeKind } from "./support/bad_certificates.ts";
import { Certificates, hasOpenssl, rsaKey } from "./support/certificates.ts";
import { cipherSuites, helloAnswer } from "./support/client_hello.ts";
import { opensslClient, OpensslServer, showing } from "./support/openssl_peer.ts";

/** Without OpenSSL most tests here are skipped. */
const ignore = !await hasOpenssl();

const processMsMax = 30_000;
const join = `${
  JSON.stringify({ type: "JOIN", server: "127.0.0.1:9", cluster: "", timestamp: 0 })
}\n`;

/** A server with TLS, and what it reports. */
class Server implements AsyncDisposable {
  readonly reports: string[] = [];
  readonly kv: KvServer;

  constructor(options: Partial<KvServerOptions> = {}) {
    this.kv = KvServer.start({
      listen: anyPort,
      prints: new ServerConsole(() => {}),
      report: (line) => this.reports.push(line),
      tls: new TlsAcceptor(fixture.server),
      ...options,
      tuning: { clusterSize: 2, redialFirstMs: 10, redialLongestMs: 100, ...options.tuning },
    });
  }

  async reported(pattern: RegExp): Promise<string> {
    const found = () => this.reports.find((line) => pattern.test(line));
    return await eventually(`${pattern} among ${this.reports}`, found, processMsMax);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kv.close();
  }
}

/** Why the library cannot use a server. */
async function libraryError(address: Address, ca: string): Promise<Error> {
  await using client = new KvClient([address], { tls: { ca }, once: true, timeoutMs: 1_000 });
  return await assertRejects(() => client.get("cor"), KvError);
}

/** Why the dashboard has no connection to a server; "" if TLS is no reason. */
async function dashboardReason(address: Address, ca: string): Promise<string> {
  await using dashboard = new Dashboard({ listen: anyPort, servers: [address], tls: { ca } });
  const [server] = dashboard.feed.state.servers;
  return await eventually("a reason", () => server!.reason || undefined, processMsMax);
}

/** Why a follower cannot join. Its own certificate is good. */
async function followerReport(address: Address, ca: string): Promise<string> {
  const tls = new TlsAcceptor({ ...fixture.server, ca });
  await using follower = new Server({ leader: address, tls });
  return await follower.reported(/leader/);
}

/** What a leader answers to a JOIN that comes with the certificate of a folder; "" for nothing. */
async function joinAnswer(folder: string, leader: Server): Promise<string> {
  const options = ["-quiet", "-tls1_2", ...showing(folder)];
  const client = await opensslClient(folder, leader.kv.address, options, join);
  await eventually("an answer", () => client.screen.includes("\n") || client.ended, processMsMax);
  await client.kill();
  return client.screen;
}

/** Runs a test with the files of a kind, if this machine has OpenSSL. */
function test(name: string, run: (certificates: Certificates) => Promise<void>): void {
  Deno.test({
    name,
    ignore,
    async fn() {
      using certificates = await Certificates.make();
      await run(certificates);
    },
  });
}

for (const kind of goodKinds) {
  test(`control: a certificate ${kind.what} is accepted in both directions`, async (certificates) => {
    await makeKind(certificates, kind);
    const { folder } = certificates;
    const ca = certificates.read("ca.pem");
    await using server = await OpensslServer.start(folder, ...showing(folder));
    const error = await libraryError(server.address, ca);
    assert(!(error instanceof TlsError), error.message);
    await using leader = new Server({ tls: new TlsAcceptor({ ...fixture.server, ca }) });
    assertMatch(await joinAnswer(folder, leader), /"JOIN_OK"/);
  });
}

for (const kind of badKinds) {
  if (kind.by !== "leader") {
    test(`a server's certificate ${kind.what} is refused by library, follower and dashboard`, async (certificates) => {
      await makeKind(certificates, kind);
      const { folder } = certificates;
      const ca = certificates.read("ca.pem");
      await using server = await OpensslServer.start(folder, ...showing(folder));
      const { address } = server;
      const [error, report, reason] = await Promise.all([
        libraryError(address, ca),
        followerReport(address, ca),
        dashboardReason(address, ca),
      ]);
      assert(error instanceof TlsError, `${error}`);
      assertMatch(report, /TLS handshake failed/);
      assertMatch(reason, /TLS handshake failed/);
    });
  }
  if (kind.by !== "dialler") {
    test(`a follower's certificate ${kind.what} is refused by the leader`, async (certificates) => {
      await makeKind(certificates, kind);
      const ca = certificates.read("ca.pem");
      await using leader = new Server({ tls: new TlsAcceptor({ ...fixture.server, ca }) });
      assertNotMatch(await joinAnswer(certificates.folder, leader), /JOIN_OK/);
      await leader.reported(/does not count as a server|was cut off/);
      assertEquals(leader.kv.status.followers, []);
    });
  }
}

test("the CA's own certificate is refused as a server's, and as a follower's", async (certificates) => {
  const ca = certificates.read("ca.pem");
  certificates.write("leaf.pem", ca);
  certificates.write("leaf.key", certificates.read("ca.key"));
  certificates.write("chain.pem", "");
  const { folder } = certificates;
  await using server = await OpensslServer.start(folder, ...showing(folder));
  assert(await libraryError(server.address, ca) instanceof TlsError);
  assertMatch(await followerReport(server.address, ca), /the server shows the certificate of a CA/);
  await using leader = new Server({ tls: new TlsAcceptor({ ...fixture.server, ca }) });
  assertNotMatch(await joinAnswer(folder, leader), /JOIN_OK/);
  await leader.reported(/does not count as a server: its certificate is that of a CA/);
});

for (const role of ["a leader", "the library"] as const) {
  for (const [version, flag] of [["1.0", "-tls1"], ["1.1", "-tls1_1"]] as const) {
    test(`TLS ${version} is refused by ${role}`, async (certificates) => {
      await makeKind(certificates, goodKinds[0]!);
      const { folder } = certificates;
      const options = [flag, ...showing(folder)];
      if (role === "the library") {
        await using server = await OpensslServer.start(folder, ...options);
        const error = await libraryError(server.address, certificates.read("ca.pem"));
        assert(error instanceof TlsError, `${error}`);
        return;
      }
      await using leader = new Server();
      await using client = await opensslClient(folder, leader.kv.address, options);
      await client.endInput();
      assertEquals(await client.end(), 1);
      assertMatch(client.screen, /Cipher is \(NONE\)/);
      await leader.reported(/was cut off/);
    });
  }
}

const { good, ...bad } = cipherSuites;
for (const [what, ciphers] of Object.entries(bad)) {
  test(`a cipher suite ${what} is refused`, async (certificates) => {
    // Some suites need an RSA key, others one on an elliptic curve.
    await certificates.sign("rsa", { key: rsaKey(2048) });
    await certificates.sign("ec");
    for (const name of ["rsa", "ec"]) {
      const [ca, cert, key] = ["ca.pem", `${name}.pem`, `${name}.key`]
        .map((file) => certificates.read(file)) as [string, string, string];
      await using leader = new Server({ tls: new TlsAcceptor({ ca, cert, key }) });
      const { address } = leader.kv;
      assertEquals((await helloAnswer(address, { ciphers: good })).kind, "accepted");
      for (const cipher of ciphers) {
        const answer = await helloAnswer(address, { ciphers: [cipher] });
        assertEquals(answer, { kind: "refused" }, cipher.toString(16));
      }
    }
  });
}

Deno.test("versions before TLS 1.2 in a ClientHello are refused", async () => {
  await using leader = new Server();
  for (const version of [0x0300, 0x0301, 0x0302]) {
    const answer = await helloAnswer(leader.kv.address, { version, ciphers: good });
    assertEquals(answer, { kind: "refused" });
  }
});

Deno.test("TLS compression is never chosen, and a client that wants nothing else is refused", async () => {
  await using leader = new Server();
  const { address } = leader.kv;
  const answer = await helloAnswer(address, { ciphers: good, compressions: [1, 0] });
  assert(answer.kind === "accepted");
  assertEquals(answer.compression, 0);
  const only = await helloAnswer(address, { ciphers: good, compressions: [1] });
  assertEquals(only, { kind: "refused" });
});

test("renegotiation by the client is refused", async (certificates) => {
  await makeKind(certificates, goodKinds[0]!);
  const { folder } = certificates;
  await using leader = new Server({ tuning: { clusterSize: 1, minInSync: 1 } });
  await using client = await opensslClient(folder, leader.kv.address, ["-tls1_2"]);
  await client.shows("Verify return code"); // the end of what it says about the handshake
  await client.type("R\n");
  await client.reports("RENEGOTIATING");
  await eventually("it is refused", () => /no.renegotiation/i.test(client.errors) || client.ended);
  assertNotMatch(client.errors.split("RENEGOTIATING")[1]!, /depth=0/, "no second handshake");
  await client.kill();
});

Deno.test("a client's certificate of the CA is enough to join, but not where there is a secret", async () => {
  const dial = async (secrets: KvServerOptions["secrets"]) => {
    await using leader = new Server({ ...(secrets && { secrets }) });
    const { cert, key } = fixture.server;
    const { hostname, port } = leader.kv.address;
    const options = { hostname, port, caCerts: [fixture.ca], cert, key };
    using conn = await Deno.connectTls(options);
    await conn.write(new TextEncoder().encode(join));
    const answer = new Uint8Array(1024);
    const count = await conn.read(answer);
    return new TextDecoder().decode(answer.subarray(0, count ?? 0));
  };
  assertMatch(await dial(undefined), /"JOIN_OK"/);
  assertMatch(await dial({ server: await Secret.from("segredo") }), /"FORBIDDEN"/);
});

test("a server's own key that has a password, or is not that of its certificate, and garbage: one line, and exit code 2", async (certificates) => {
  await makeKind(certificates, goodKinds[0]!);
  const { folder } = certificates;
  certificates.write("other.key", fixture.stranger.key);
  const encrypt = [
    "pkcs8",
    "-topk8",
    "-in",
    "leaf.key",
    "-passout",
    "pass:x",
    "-out",
    "locked.key",
  ];
  await new Deno.Command("openssl", { args: encrypt, cwd: folder }).output();
  const block = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  certificates.write("garbage.pem", block);
  const cases: [string, string, string, RegExp][] = [
    ["leaf.pem", "locked.key", "ca.pem", /locked\.key: the key is encrypted with a password/],
    ["leaf.pem", "other.key", "ca.pem", /key does not belong to the TLS certificate/],
    ["garbage.pem", "leaf.key", "ca.pem", /TLS certificate cannot be read/],
    ["leaf.pem", "leaf.key", "garbage.pem", /TLS CA cannot be read/],
    ["leaf.pem", "leaf.key", "leaf.pem", /TLS CA is not a CA certificate/],
  ];
  for (const [cert, key, ca, reason] of cases) {
    const { code, out, err } = await runDeno([
      ...["run", "--no-prompt", "--allow-net", `--allow-read=${folder}`, "server.ts"],
      ...["--ip=127.0.0.1", "--port=10097", "--leader-ip=127.0.0.1", "--leader-port=10097"],
      ...[`--tls-cert=${folder}/${cert}`, `--tls-key=${folder}/${key}`, `--tls-ca=${folder}/${ca}`],
    ]);
    assertEquals([code, out], [2, ""], err);
    assertMatch(err, /^[^\n]+\n$/);
    assertMatch(err, reason);
  }
  for (
    const script of [["client.ts", "--servers=127.0.0.1:1", "get", "cor"], ["dashboard/main.ts"]]
  ) {
    const { code, err } = await runDeno([
      ...["run", "--no-prompt", "--allow-net", `--allow-read=${folder}`, ...script.slice(0, 1)],
      ...[`--tls-cert=${folder}/leaf.pem`, `--tls-key=${folder}/locked.key`],
      ...[`--tls-ca=${folder}/ca.pem`, ...script.slice(1)],
    ]);
    assertEquals(code, 2);
    assertMatch(err, /locked\.key: the key is encrypted with a password/);
  }
});
