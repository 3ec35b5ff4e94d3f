/**
 * Servers on etcd as real processes: what the environment must not change.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { Process } from "../../../bench/process.ts";
import { FakeEtcd } from "../../support/fake_etcd.ts";
import { anyPort, freePorts } from "../../support/ports.ts";
import { Scratch } from "../../support/scratch.ts";
import { commandOf, finish } from "../../support/tasks.ts";
import { ca, server as certificate, stranger } from "../../support/tls_fixture.ts";
import { eventually } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

/** A listener that counts its connections and keeps what comes on them. It answers nothing. */
class Trap implements AsyncDisposable {
  connections = 0;
  received = "";
  readonly port: number;
  readonly #listener: Deno.Listener<Deno.Conn>;
  readonly #conns: Deno.Conn[] = [];
  readonly #tasks: Promise<void>[] = [];

  constructor(tls?: { readonly cert: string; readonly key: string }) {
    const listener = tls === undefined
      ? Deno.listen({ ...anyPort })
      : Deno.listenTls({ ...anyPort, cert: tls.cert, key: tls.key });
    this.#listener = listener;
    this.port = (listener.addr as Deno.NetAddr).port;
    this.#tasks.push(this.#accept());
  }

  async #accept(): Promise<void> {
    try {
      for await (const conn of this.#listener) {
        this.connections++;
        this.#conns.push(conn);
        this.#tasks.push(this.#read(conn));
      }
    } catch {
      // The listener is closed.
    }
  }

  async #read(conn: Deno.Conn): Promise<void> {
    const bytes = new Uint8Array(4_096);
    try {
      for (let n = await conn.read(bytes); n !== null; n = await conn.read(bytes)) {
        this.received += new TextDecoder().decode(bytes.subarray(0, n));
      }
    } catch {
      // The other end did not like the certificate, or the connection was cut.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
    await Promise.all(this.#tasks);
  }
}

/** Every variable that sends the requests of some program to a proxy. */
function proxies({ port }: Trap): Record<string, string> {
  const url = `http://proxy:pass@127.0.0.1:${port}`;
  const names = ["http_proxy", "https_proxy", "all_proxy"];
  return {
    ...Object.fromEntries(
      [...names, ...names.map((one) => one.toUpperCase())].map((one) => [one, url]),
    ),
    no_proxy: "",
    NO_PROXY: "",
    NODE_USE_ENV_PROXY: "1",
    NODE_TLS_REJECT_UNAUTHORIZED: "0",
    DENO_NO_UPDATE_CHECK: "1", // Deno itself asks through the proxy whether it is the newest
  };
}

const variables = { KV_ETCD_USER: "app", KV_ETCD_PASSWORD: "sesame-42" };

/** Starts what `deno task server:etcd` runs, but with these permissions for the network and files. */
async function start(
  net: readonly number[],
  env: Record<string, string>,
  read: readonly string[],
  ...flags: string[]
): Promise<Process> {
  const task = await commandOf("server:etcd");
  const allowed = net.map((port) => `127.0.0.1:${port}`).join(",");
  const args = task.args.flatMap((arg) =>
    arg === "--allow-net"
      ? [`--allow-net=${allowed}`, ...read.map((path) => `--allow-read=${path}`)]
      : [arg]
  );
  return Process.deno([...args, "--ip=127.0.0.1", `--port=${net[0]}`, ...flags], {
    env: { ...task.env, ...env },
    out: "keep",
    keyboard: true,
  });
}

Deno.test("no proxy of the environment sees a request to etcd, and only etcd need be allowed", async () => {
  await using proxy = new Trap();
  await using etcd = new FakeEtcd();
  etcd.login = { user: "app", password: "sesame-42" };
  const [port] = freePorts(1) as [number];
  await using server = await start(
    [port, Number(new URL(etcd.url).port)],
    { ...variables, ...proxies(proxy) },
    [],
    `--etcd=${etcd.url}`,
  );
  await server.reports("answers, cluster");
  using wire = await Wire.connect({ hostname: "127.0.0.1", port });
  const reply = await wire.ask({ type: "PUT", id: 1, key: "cor", value: "azul" });
  assertEquals([reply.type, proxy.connections], ["PUT_OK", 0], server.errors);
  assertEquals(await server.stop(), 0, server.errors);
  assert(!server.errors.includes("sesame"), server.errors);
});

Deno.test("over https neither a proxy nor a stranger gets anything, whatever the environment says", async () => {
  using scratch = new Scratch();
  const path = `${scratch.path}/ca.pem`;
  Deno.writeTextFileSync(path, ca);
  await using proxy = new Trap();
  await using impostor = new Trap(stranger);
  await using member = new Trap(certificate);
  const env = { ...variables, ...proxies(proxy) };
  const flags = (trap: Trap) => [`--etcd=https://127.0.0.1:${trap.port}`, `--etcd-ca=${path}`];
  const [first, second] = freePorts(2) as [number, number];
  await using _good = await start([first, member.port], env, [path], ...flags(member));
  await using bad = await start([second, impostor.port], env, [path], ...flags(impostor));
  await eventually("the member is asked", () => member.received.includes("PRI * HTTP/2.0"));
  await bad.reports("etcd's certificate is not valid: the CA in --etcd-ca must have signed it");
  assertEquals([proxy.connections, impostor.received], [0, ""]);
});

Deno.test("the task for etcd trusts no public CA; an etcd that may not be asked is a wrong flag", async () => {
  const { env } = await commandOf("server:etcd");
  assertEquals(env.DENO_TLS_CA_STORE, "");
  const [port] = freePorts(1) as [number];
  const { code, err } = await finish(
    await start([port], {}, [], "--etcd=http://127.0.0.1:2379"),
  );
  assertEquals(code, 2, err);
  assertStringIncludes(err, "This process may not connect to etcd at 127.0.0.1:2379");
});
