/** The rules of `tools/lint_plugin.ts`: a text that breaks each of them, and the plugin's complaint. */

import { assertEquals } from "@std/assert";
import plugin from "../../tools/lint_plugin.ts";

const pure = { permissions: "none" } as const;

/** The plugin's complaints about a file with this path and this text. */
function complaints(path: string, text: string): string[] {
  const root = import.meta.dirname!.replaceAll("\\", "/").replace(/\/tests\/tools$/, "");
  return Deno.lint.runPlugin(plugin, `${root}/${path}`, text).map(({ message }) => message);
}

const broken: readonly [rule: string, path: string, text: string, complaint: string][] = [
  [
    "wire does not import mensagem",
    "lib/wire/parse.ts",
    `import { Mensagem } from "../mensagem.ts"; Mensagem;`,
    "wire may not import lib/mensagem.ts",
  ],
  [
    "replication does not import the server",
    "lib/replication/leader.ts",
    `import type { KvServer } from "../server/kv_server.ts"; export type X = KvServer;`,
    "replication may not import lib/server/kv_server.ts",
  ],
  [
    "the client library does not re-export the server",
    "lib/client/kv_client.ts",
    `export { KvServer } from "../server/kv_server.ts";`,
    "client may not import lib/server/kv_server.ts",
  ],
  [
    "the client library does not re-export a whole module of replication",
    "lib/client/kv_client.ts",
    `export * from "../replication/store.ts";`,
    "client may not import lib/replication/store.ts",
  ],
  [
    "replication does not import etcd at run time",
    "lib/replication/node.ts",
    `export const engine = () => import("../etcd/engine.ts");`,
    "replication may not import lib/etcd/engine.ts",
  ],
  [
    "net, which the client library uses, imports no package",
    "lib/net/dial.ts",
    `import { delay } from "@std/async/delay"; delay;`,
    `net may not import "@std/async/delay"`,
  ],
  [
    "only version.ts imports deno.json",
    "lib/limits.ts",
    `import project from "../deno.json" with { type: "json" }; project;`,
    "limits may not import deno.json",
  ],
  [
    "a tool does not import a role",
    "tools/start.ts",
    `import { main } from "../server.ts"; main;`,
    "tools may not import server.ts",
  ],
  [
    "a tool imports the stories, and nothing else of the dashboard",
    "tools/demo.ts",
    `import { play } from "../dashboard/stories/play.ts"; import "../dashboard/main.ts"; play;`,
    "tools may not import dashboard/main.ts",
  ],
  [
    "the stories need no page and no dashboard",
    "dashboard/stories/stories.js",
    `import { readable } from "../page/format.js"; readable;`,
    "dashboard/stories may not import dashboard/page/format.js",
  ],
  [
    "a role does not import a tool",
    "server.ts",
    `import { main } from "./tools/start.ts"; main;`,
    "server.ts may not import tools/start.ts",
  ],
  [
    "a new folder must be added to the plugin",
    "lib/utils/x.ts",
    `import { a } from "../limits.ts"; a;`,
    "lib/utils is not a part that tools/lint_plugin.ts knows",
  ],
  [
    "replication reads no clock",
    "lib/replication/leader.ts",
    `export const now = Date.now();`,
    "replication is pure: it may not use Date.now",
  ],
  [
    "wire makes no date",
    "lib/wire/parse.ts",
    `export const now = new Date();`,
    "wire is pure: it may not use Date",
  ],
  [
    "replication does not read the clock of the process",
    "lib/replication/leader.ts",
    `export const now = performance.now();`,
    "replication is pure: it may not use performance.now",
  ],
  [
    "replication sets no timer",
    "lib/replication/follower.ts",
    `setTimeout(() => {}, 1);`,
    "replication is pure: it may not use setTimeout",
  ],
  [
    "replication draws no random number",
    "lib/replication/recovery.ts",
    `export const x = Math.random();`,
    "replication is pure: it may not use Math.random",
  ],
  [
    "mensagem does not use Deno",
    "lib/mensagem.ts",
    `export const x = Deno.version;`,
    "mensagem is pure: it may not use Deno.version",
  ],
  [
    "replication does not use crypto",
    "lib/replication/recovery.ts",
    `export const x = crypto.randomUUID();`,
    "replication is pure: it may not use crypto.randomUUID",
  ],
  [
    "only lib/net connects",
    "lib/client/kv_client.ts",
    `export const x = () => Deno.connect({ port: 1 });`,
    "client may not use Deno.connect: see tools/lint_plugin.ts",
  ],
  [
    "only lib/net listens",
    "lib/server/kv_server.ts",
    `export const x = Deno.listen({ port: 1 });`,
    "server may not use Deno.listen: see tools/lint_plugin.ts",
  ],
  [
    "lib uses no fetch, which may go to a proxy",
    "lib/etcd/grpc.ts",
    `export const x = fetch("http://127.0.0.1");`,
    "lib may not use fetch: it obeys proxies of the environment",
  ],
  [
    "only lib/journal writes files",
    "lib/server/kv_server.ts",
    `Deno.writeTextFileSync("x", "y");`,
    "server may not use Deno.writeTextFileSync: see tools/lint_plugin.ts",
  ],
  [
    "the server changes no permissions of files",
    "lib/server/kv_server.ts",
    `Deno.chmod("x", 0);`,
    "server may not use Deno.chmod: see tools/lint_plugin.ts",
  ],
  [
    "Deno is not taken apart, which would hide what is used",
    "lib/server/kv_server.ts",
    `const { open } = Deno; open("x");`,
    "lib may not use Deno as a value: it hides what is used",
  ],
  [
    "globalThis is not used, which would hide what is used",
    "lib/server/kv_server.ts",
    `globalThis.Deno.open("x");`,
    "lib may not use globalThis: it hides what is used",
  ],
  [
    "the server imports no files of Node.js",
    "lib/server/kv_server.ts",
    `import { open } from "node:fs"; open;`,
    `server may not import "node:fs"`,
  ],
  [
    "the journal imports no sockets of Node.js",
    "lib/journal/disk.ts",
    `import net from "node:net"; net.connect;`,
    `journal may not import "node:net"`,
  ],
  [
    "a role does not import the other role",
    "client.ts",
    `import { main } from "./server.ts"; main;`,
    "client.ts may not import server.ts",
  ],
  [
    "lib imports no test fixture",
    "lib/replication/store.ts",
    `import { Random } from "../../tests/support/random.ts"; Random;`,
    "replication may not import tests/support/random.ts",
  ],
  [
    "lib imports no configuration",
    "lib/client/kv_client.ts",
    `import config from "../../deno.json" with { type: "json" }; config;`,
    "client may not import deno.json",
  ],
  [
    "bench imports no tests",
    "bench/main.ts",
    `import { Random } from "../tests/support/random.ts"; Random;`,
    "bench may not import tests/support/random.ts",
  ],
  [
    "a type is imported like a value",
    "lib/replication/store.ts",
    `export type X = import("../server/kv_server.ts").KvServer;`,
    "replication may not import lib/server/kv_server.ts",
  ],
  [
    "back-ticks are no way around the rule",
    "lib/replication/store.ts",
    "export const x = () => import(`../server/kv_server.ts`);",
    "replication may not import lib/server/kv_server.ts",
  ],
  [
    "lib computes no module name",
    "lib/server/kv_server.ts",
    "export const x = (name: string) => import(name);",
    "an import in lib names its module with a constant text",
  ],
  [
    "replication sets no timer by AbortSignal",
    "lib/replication/leader.ts",
    "export const x = AbortSignal.timeout(1);",
    "replication is pure: it may not use AbortSignal.timeout",
  ],
  [
    "replication does not take Math apart",
    "lib/replication/leader.ts",
    "const { random } = Math; random();",
    "replication is pure: it may not use Math",
  ],
  [
    "replication does not compute a member of Math",
    "lib/replication/leader.ts",
    `export const x = Math["random"]();`,
    "replication is pure: it may not use Math",
  ],
  [
    "replication hides nothing behind globalThis",
    "lib/replication/leader.ts",
    "export const x = globalThis.Date.now();",
    "replication is pure: it may not use globalThis.Date",
  ],
  [
    "replication writes no console",
    "lib/replication/leader.ts",
    "console.log(1);",
    "replication is pure: it may not use console.log",
  ],
  [
    "the server computes no member of Deno",
    "lib/server/kv_server.ts",
    `export const x = Deno["connect"];`,
    "lib may not use Deno as a value: it hides what is used",
  ],
  [
    "the server opens no other kind of store",
    "lib/server/kv_server.ts",
    "export const x = Deno.openKv();",
    "server may not use Deno.openKv: see tools/lint_plugin.ts",
  ],
  [
    "the server opens no stream of sockets",
    "lib/server/kv_server.ts",
    `export const x = new WebSocketStream("ws://127.0.0.1");`,
    "lib may not use WebSocketStream: only lib/net opens sockets",
  ],
  [
    "the path of a file is not the pathname of its URL",
    "tests/x_test.ts",
    `const x = new URL("x.ts", import.meta.url).pathname; x;`,
    "a pathname has %20 for a blank: use href, or import.meta.dirname",
  ],
];

for (const [rule, path, text, complaint] of broken) {
  Deno.test(`lint: ${rule}`, pure, () => assertEquals(complaints(path, text), [complaint]));
}

const allowed: readonly [path: string, text: string][] = [
  ["lib/mensagem.ts", `export * from "./wire/messages.ts";`],
  ["lib/client/kv_client.ts", `import { Mensagem } from "../mensagem.ts"; Mensagem;`],
  ["lib/server/kv_server.ts", `import { Channel } from "@std/async/channel"; Channel;`],
  ["lib/net/tls.ts", `import tls from "node:tls"; tls.connect;`],
  ["lib/net/dial.ts", `export const x = () => Deno.connect({ port: 1 });`],
  ["lib/server/admission.ts", `export const x = (conn: Deno.TcpConn) => conn;`],
  ["bench/histogram.ts", `import { performance } from "node:perf_hooks"; performance;`],
  ["lib/auth/secret.ts", `export const x = crypto.getRandomValues(new Uint8Array(16));`],
  ["lib/journal/disk.ts", `export const x = () => Deno.open("x");`],
  ["lib/cli/session_file.ts", `export const x = () => Deno.readFile("x");`],
  ["lib/replication/store.ts", `export const x = (f: { fetch: number; Date: 1 }) => f.fetch;`],
  ["server.ts", `import { KvServer } from "./lib/server/kv_server.ts"; KvServer;`],
  ["dashboard/main.ts", `import { KvServer } from "../lib/server/kv_server.ts"; KvServer;`],
  ["tests/x_test.ts", `import { main } from "../server.ts"; main(Deno.args, Date.now());`],
  ["lib/replication/store.ts", `export const x = Math.max(1, 2);`],
  ["bench/x.ts", `export const x = (url: string) => new URL(url).pathname;`],
  ["tools/setup.ts", `export const x = (name: string) => import(name);`],
];

for (const [path, text] of allowed) {
  Deno.test(`lint: ${path} may have ${text}`, pure, () => {
    assertEquals(complaints(path, text), []);
  });
}
