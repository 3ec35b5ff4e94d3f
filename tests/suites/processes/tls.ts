/**
 * The tasks that speak TLS as real processes, and a client that is not Deno: OpenSSL.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { formatAddress } from "../../../lib/wire/address.ts";
import { ServerConsole } from "../../../lib/cli/server_console.ts";
import { Secret } from "../../../lib/auth/secret.ts";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { TlsAcceptor } from "../../../lib/net/tls.ts";
import { KvServer } from "../../../lib/server/kv_server.ts";
import { Process } from "../../../bench/process.ts";
import { anyPort, freePorts } from "../../support/ports.ts";
import { TestCa } from "../../support/certificates.ts";
import { Scratch } from "../../support/scratch.ts";
import { commandOf, finish } from "../../support/tasks.ts";
import { TestServer } from "../../support/test_server.ts";
import { ca, otherCa, selfSigned, server } from "../../support/tls_fixture.ts";
import { eventually, within } from "../../support/waiting.ts";

const project = new URL("../../../", import.meta.url);
/** How long a process may take to answer. */
const processMsMax = 20_000;
const join = JSON.stringify({ type: "JOIN", server: "127.0.0.1:9", cluster: "", timestamp: 0 });

/** A folder with these files in its folder `tls`. */
function folderWith(files: Record<string, string>): Scratch {
  const scratch = new Scratch();
  Deno.mkdirSync(`${scratch.path}/tls`);
  for (const [name, text] of Object.entries(files)) {
    Deno.writeTextFileSync(`${scratch.path}/tls/${name}`, text);
  }
  return scratch;
}

/** Starts what a task runs, with the files of another folder than the project's. */
async function start(task: string, folder: string, ...flags: string[]): Promise<Process> {
  const { env, args } = await commandOf(task);
  assertEquals(env.DENO_TLS_CA_STORE, task.endsWith(":tls") ? "" : undefined);
  const [run, ...rest] = args.map((arg) => arg.endsWith(".ts") ? new URL(arg, project).href : arg);
  assertEquals(run, "run");
  const config = `--config=${import.meta.dirname}/../../../deno.json`;
  return Process.deno(["run", config, ...rest, ...flags], {
    cwd: folder,
    env,
    keyboard: true,
    out: "keep",
  });
}

Deno.test("deno task server:tls and client:tls read the files in tls/ and no other files", async () => {
  using folder = folderWith({
    "cert.pem": server.cert,
    "key.pem": server.key,
    "ca.pem": server.ca,
  });
  const [port] = freePorts(1);
  const flags = [
    `--ip=127.0.0.1`,
    `--port=${port}`,
    `--leader-ip=127.0.0.1`,
    `--leader-port=${port}`,
    "--cluster-size=1",
    "--quiet",
  ];
  await using serving = await start("server:tls", folder.path, ...flags);
  const address = { hostname: "127.0.0.1", port: port! };
  await serving.listensOn(port!);
  await eventually("the server serves", async () => {
    await using client = new KvClient([address], { tls: { ca } });
    return await client.put("cor", "azul").catch(() => undefined);
  });

  const init = `INIT\n${`\n${port}\n`.repeat(3)}`;
  const client = await finish(await start("client:tls", folder.path), `${init}GET\ncor\n`);
  assertEquals(client.code, 0, client.err);
  assertStringIncludes(client.out, `value: azul obtido do servidor ${formatAddress(address)}`);
  for (const task of ["client:tls", "server:tls"]) {
    const other = await finish(await start(task, folder.path, "--tls-ca=tls/other.pem"));
    assertEquals(other.code, 2);
    assertMatch(other.err, /^--tls-ca=tls\/other\.pem: no permission to read it;.*\n$/);
  }
});

Deno.test("deno task client:tls: the commands of coordination, with a password from the input", async () => {
  using folder = folderWith({ "ca.pem": server.ca });
  const password = "a password of clients, for this test";
  await using alone = new TestServer(anyPort, undefined, { clusterSize: 1, minInSync: 1 }, {}, {
    secrets: { client: Secret.from(password) },
    tls: new TlsAcceptor(server),
  });
  await alone.ready();
  const flags = [`--servers=${alone.name}`, "--lang=en", "--password-stdin"];
  const run = async (...command: string[]) =>
    await finish(await start("client:tls", folder.path, ...flags, ...command), `${password}\n`);
  await using lock = await start("client:tls", folder.path, ...flags, "lock", "job");
  await lock.type(`${password}\n`);
  await lock.shows("1\n");
  assertEquals((await run("lock", "job", "--wait=0.1")).code, 8);
  const created = await run("put", "--if-absent", "cor", "azul");
  assertEquals([created.code, created.err], [0, ""]);
  assertEquals((await run("put", "--if-absent", "cor", "verde")).code, 8);
  assertEquals((await run("get", "--latest", "cor")).out, "azul");
  assertEquals((await run("keys", "c")).out, "cor\n");
  const watched = await run("--json", "watch", "cor", "--count=1");
  assertStringIncludes(watched.out, '"value":"azul"');
  lock.signal("SIGTERM");
  assertEquals(await lock.end(), 143);
  assertEquals(alone.holds("job")?.value, undefined, "it is released");
});

Deno.test("files that are missing or no PEM: one sentence and exit code 2", async () => {
  using folder = folderWith({
    "cert.pem": server.cert,
    "key.pem": "none",
    "ca.pem": "",
  });
  const noPem = await finish(await start("server:tls", folder.path));
  assertEquals(noPem, {
    code: 2,
    out: "",
    err: "--tls-key=tls/key.pem: no PEM in that file\n",
  });
  await Deno.writeTextFile(`${folder.path}/tls/ca.pem`, server.key);
  const key = await finish(await start("client:tls", folder.path, "get", "cor"));
  assertEquals([key.code, key.out], [2, ""]);
  assertStringIncludes(key.err, "(--tls-ca) must be a text in PEM");
  await Deno.remove(`${folder.path}/tls/ca.pem`);
  const none = await finish(await start("client:tls", folder.path));
  assertEquals(none, {
    code: 2,
    out: "",
    err: "--tls-ca=tls/ca.pem: there is no such file\n",
  });
});

Deno.test("a certificate with a name is good for that name, and not for the IP address", async () => {
  using scratch = new Scratch();
  const file = (name: string) => `${scratch.path}/${name}`;
  const openssl = async (args: string) => {
    const { code, stderr } = await new Deno.Command("openssl", {
      args: args.split(" "),
      cwd: scratch.path,
    }).output();
    assertEquals(code, 0, new TextDecoder().decode(stderr));
  };
  const key = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes";
  await openssl(`req -x509 ${key} -subj /CN=kv -keyout ca.key -out ca.pem -days 2`);
  await openssl(`req -new ${key} -subj /CN=x -keyout key.pem -out x.csr`);
  const extensions = "subjectAltName=DNS:localhost\nextendedKeyUsage=serverAuth,clientAuth\n";
  await Deno.writeTextFile(file("x.ext"), extensions);
  await openssl(
    "x509 -req -in x.csr -CA ca.pem -CAkey ca.key -CAcreateserial -extfile x.ext -out cert.pem -days 2",
  );
  const [ca, cert, secretKey] = await Promise.all(
    ["ca.pem", "cert.pem", "key.pem"].map((name) => Deno.readTextFile(file(name))),
  ) as [string, string, string];
  const tls = { ca, cert, key: secretKey };
  await using named = KvServer.start({
    listen: anyPort,
    prints: new ServerConsole(() => {}),
    report: () => {},
    tuning: { clusterSize: 1, minInSync: 1 },
    tls: new TlsAcceptor(tls),
  });
  const { port } = named.address;
  for (const access of [{ ca }, tls]) {
    await using client = new KvClient([{ hostname: "localhost", port }], { tls: access });
    assertEquals((await client.put("cor", "azul")).server, `localhost:${port}`);
    await using other = new KvClient([named.address], { tls: access, timeoutMs: 500 });
    await assertRejects(() => other.put("cor", "azul"), Error, "not valid for name");
  }
});

Deno.test("TLS at one end only, or another CA: exit code 7 at once, and status says what is wrong", async () => {
  using right = folderWith({ "ca.pem": ca });
  using wrong = folderWith({ "ca.pem": otherCa });
  await using plain = await TestServer.alone();
  const alone = { clusterSize: 1, minInSync: 1 };
  await using encrypted = new TestServer(anyPort, undefined, alone, {}, {
    tls: new TlsAcceptor(server),
  });
  await encrypted.ready();
  for (
    const [task, folder, { name }, reason] of [
      ["client:tls", right, plain, "the server does not speak TLS"],
      ["client:tls", wrong, encrypted, "the given CA has not signed the server's certificate"],
      ["client", right, encrypted, "the server speaks TLS, and this client does not"],
    ] as const
  ) {
    for (const command of [["put", "cor", "azul"], ["status"]]) {
      const flags = [`--servers=${name}`, "--timeout=60", "--lang=en", ...command];
      const { code, out, err } = await finish(await start(task, folder.path, ...flags));
      assertEquals(code, 7, err);
      assertStringIncludes(out + err, `${name}`);
      assertStringIncludes(out + err, reason);
      if (command[0] === "status") assertStringIncludes(out, "TLS does not match (");
    }
  }
  assertEquals(encrypted.holds("cor") ?? plain.holds("cor"), undefined);
});

Deno.test("OpenSSL: with a resumed session a certificate of another CA still does not count", async () => {
  const found = await new Deno.Command("openssl", { args: ["version"] }).output()
    .then(({ success }) => success, () => false);
  if (!found) return;
  using folder = folderWith({
    "cert.pem": selfSigned.cert,
    "key.pem": selfSigned.key,
  });
  const reports: string[] = [];
  await using leader = KvServer.start({
    listen: anyPort,
    prints: new ServerConsole(() => {}),
    report: (line) => reports.push(line),
    tls: new TlsAcceptor(server),
  });
  for (const version of ["-tls1_2", "-tls1_3"]) {
    for (const session of ["-sess_out", "-sess_in"]) {
      const { stdin, stdout, status } = new Deno.Command("openssl", {
        args: ["s_client", "-quiet", "-connect", formatAddress(leader.address), version]
          .concat(["-cert", "tls/cert.pem", "-key", "tls/key.pem", session, `session${version}`]),
        cwd: folder.path,
        stdin: "piped",
        stdout: "piped",
        stderr: "null",
      }).spawn();
      const writer = stdin.getWriter();
      await writer.write(new TextEncoder().encode(`${join}\n`));
      const reader = stdout.pipeThrough(new TextDecoderStream()).getReader();
      const { value: answer } = await within("the answer", reader.read(), processMsMax);
      await writer.close(); // which ends OpenSSL
      while (!(await reader.read()).done);
      await status;
      assertStringIncludes(answer ?? "", "FORBIDDEN");
    }
  }
  const resumed = reports.filter((line) => line.endsWith("its session was resumed"));
  assert(resumed.length === 2, reports.join("\n"));
});

Deno.test("a follower whose certificate expires while it is connected is sent away, and both say why", async () => {
  const testCa = await TestCa.make();
  const folderOf = async (validMs: number) => {
    const { ca, cert, key } = await testCa.issue({ names: ["127.0.0.1"], validMs });
    return folderWith({ "cert.pem": cert, "key.pem": key, "ca.pem": ca });
  };
  const [port, followerPort] = freePorts(2);
  const flags = (own: number) => [
    `--port=${own}`,
    "--ip=127.0.0.1",
    "--leader-ip=127.0.0.1",
    `--leader-port=${port}`,
    "--cluster-size=2",
  ];
  using folder = await folderOf(60 * 60 * 1_000);
  await using leader = await start("server:tls", folder.path, ...flags(port!));
  await leader.reports("warning: the certificate of this server expires at ");
  await leader.listensOn(port!);
  using short = await folderOf(8_000);
  await using follower = await start("server:tls", short.path, ...flags(followerPort!));
  await follower.reports("joined the leader");
  await follower.reports("FORBIDDEN: the certificate of the server at 127.0.0.1:");
  await leader.reports("ended the connection of 127.0.0.1:");
  await leader.reports("does not count as a server: its certificate has expired");
});
