/**
 * What a page of another site can make a browser send, as plain requests over TCP, to the dashboard,
 * to the port for metrics and to a server's own port. `tests/dashboard/` has tests of the handler by
 * itself, and `tests/suites/dashboard/` a real browser.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertNotMatch,
  assertStringIncludes,
} from "@std/assert";
import { Dashboard } from "../../../dashboard/server/dashboard.ts";
import { serveMetrics } from "../../../lib/metrics/http.ts";
import { type Address, formatAddress } from "../../../lib/wire/address.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { eventually } from "../../support/waiting.ts";
import { type Answer, ask, type RawRequest, send } from "./support/raw_http.ts";

const evil = "http://evil.example";
const command = JSON.stringify({ client: 1, key: "forged", value: "by a web page" });
const commands = ["/put", "/get", "/fault", "/demo"];
const reads = ["/", "/page.js", "/base.css", "/events"];

/** A dashboard with one server. A PUT of a web page would be seen in the server's table. */
class Target implements AsyncDisposable {
  readonly dashboard: Dashboard;
  readonly server: TestServer;

  private constructor(server: TestServer) {
    this.server = server;
    const servers = [server.address];
    this.dashboard = new Dashboard({ listen: anyPort, servers, demoStepMs: 10 });
  }

  static async start(): Promise<Target> {
    return new Target(await TestServer.alone());
  }

  get address(): Address {
    return this.dashboard.address;
  }

  /** The page's own origin. */
  get origin(): string {
    return `http://${formatAddress(this.address)}`;
  }

  async ask(request: RawRequest): Promise<Answer> {
    return await ask(this.address, request);
  }

  /** Sends a request that must be refused: no success, nothing allowed to the other site, no effect. */
  async refuses(request: RawRequest): Promise<void> {
    const answer = await this.ask(request);
    const what = `${JSON.stringify(request)} → ${answer.head}`;
    assert(answer.status === 0 || answer.status >= 400, what);
    assertNotMatch(answer.head, /access-control-/, what);
    assertEquals(this.server.holds("forged"), undefined, what);
  }

  /** Sends what the page itself sends, which must be accepted. */
  async accepts(more: RawRequest = {}): Promise<void> {
    const headers = {
      origin: this.origin,
      "content-type": "application/json",
      "sec-fetch-site": "same-origin",
      "sec-fetch-mode": "cors",
      "sec-fetch-dest": "empty",
    };
    const answer = await this.ask({
      method: "POST",
      target: "/put",
      headers,
      body: command,
      ...more,
    });
    assertEquals(answer.status, 200, `${answer.head}\n${answer.body}`);
    assertEquals(this.server.holds("forged")?.value, "by a web page");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dashboard[Symbol.asyncDispose]();
    await this.server.close();
  }
}

/** A test with a dashboard that has to take the command of its own page after all attacks. */
function test(name: string, run: (target: Target) => Promise<void>): void {
  Deno.test(name, async () => {
    await using target = await Target.start();
    await run(target);
    await target.accepts();
  });
}

test("another site cannot POST a command, whatever its content type", async (target) => {
  const types = [
    ...["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "text/json"],
    ...["text/plain", "text/plain; application/json", "multipart/form-data; boundary=x"],
    ...["application/x-www-form-urlencoded", "application/octet-stream", "*/*", "", ","],
  ];
  for (const type of types) {
    for (const path of commands) {
      const headers = { origin: evil, "content-type": type };
      await target.refuses({ method: "POST", target: path, headers, body: command });
    }
  }
});

test("a form of another site cannot send a command, nor can a beacon or a request without CORS", async (target) => {
  const forms: [string, string][] = [
    ["application/x-www-form-urlencoded", `${encodeURIComponent(command)}=`],
    ["text/plain", `${command}=\r\n`],
    ["multipart/form-data; boundary=x", `--x\r\n\r\n${command}\r\n--x--\r\n`],
  ];
  const kinds = [["navigate", "document"], ["no-cors", "empty"], ["no-cors", "image"]] as const;
  for (const [type, body] of forms) {
    for (const [mode, dest] of kinds) {
      for (const origin of [evil, "null"]) {
        const headers = {
          ...{ origin, "content-type": type, "sec-fetch-site": "cross-site" },
          ...{ "sec-fetch-mode": mode, "sec-fetch-dest": dest, "sec-fetch-user": "?1" },
        };
        await target.refuses({ method: "POST", target: "/put", headers, body });
      }
    }
  }
});

test("a command needs the page's own content type, also with the right Origin", async (target) => {
  for (const type of ["text/plain", "application/x-www-form-urlencoded", "", "application/jsonx"]) {
    const headers = { origin: target.origin, "content-type": type };
    await target.refuses({ method: "POST", target: "/put", headers, body: command });
  }
});

test("a command without an Origin, with null or with one that only looks like the page's is refused", async (target) => {
  const own = formatAddress(target.address);
  const origins = [
    ...[[], "", "null", evil, `https://${own}`, `http://${own}/`, `http://${own}.evil.example`],
    ...[`http://evil@${own}`, "http://127.0.0.1", `http://localhost:${target.address.port}`],
    ...[`http://127.0.0.1:${target.address.port + 1}`, "file://", [target.origin, evil]],
    ...[`${target.origin} ${evil}`, `${target.origin}, ${evil}`, "http://[::1]:80"],
  ];
  for (const origin of origins) {
    const headers = { origin, "content-type": "application/json" };
    await target.refuses({ method: "POST", target: "/put", headers, body: command });
  }
});

test("a preflight is never allowed", async (target) => {
  for (const path of [...commands, ...reads, "/nothing"]) {
    for (const method of ["POST", "GET", "PUT"]) {
      for (const origin of [evil, "null", target.origin]) {
        const headers = {
          origin,
          "access-control-request-method": method,
          "access-control-request-headers": "content-type",
          "access-control-request-private-network": "true",
        };
        const { head } = await target.ask({ method: "OPTIONS", target: path, headers });
        assertNotMatch(head, /access-control-/, `${path} ${origin}`);
      }
    }
  }
});

test("a command with any Sec-Fetch-Site but same-origin is refused", async (target) => {
  for (const site of ["cross-site", "same-site", "none", "", "SAME-ORIGIN", "new-word"]) {
    const headers = {
      origin: target.origin,
      "content-type": "application/json",
      "sec-fetch-site": site,
    };
    await target.refuses({ method: "POST", target: "/put", headers, body: command });
  }
});

test("another site cannot open the stream of events, as EventSource, fetch, navigation, frame or image", async (target) => {
  const ways: [string, string][] = [
    ["cors", "empty"],
    ["no-cors", "empty"],
    ["no-cors", "image"],
    ["no-cors", "script"],
    ["navigate", "document"],
    ["navigate", "iframe"],
    ["navigate", "object"],
  ];
  for (const site of ["cross-site", "same-site"]) {
    for (const [mode, dest] of ways) {
      for (const accept of ["text/event-stream", "*/*", "text/html"]) {
        const headers = {
          ...{ accept, "sec-fetch-site": site, "sec-fetch-mode": mode, "sec-fetch-dest": dest },
          ...(mode === "cors" ? { origin: evil } : {}),
        };
        await target.refuses({ target: "/events", headers });
      }
    }
  }
  await target.refuses({ target: "/events", headers: { origin: evil } });
  await target.refuses({ target: "/events", headers: { origin: "null" } });
  const headers = { accept: "text/event-stream", "sec-fetch-site": "same-origin" };
  const { head } = await target.ask({ target: "/events", headers });
  assertMatch(head, /^http\/1.1 200 /);
});

test("a link on another site leads to the page and to nothing else", async (target) => {
  const headers = {
    "sec-fetch-site": "cross-site",
    "sec-fetch-mode": "navigate",
    "sec-fetch-dest": "document",
    "sec-fetch-user": "?1",
  };
  assertEquals((await target.ask({ headers })).status, 200);
  for (const path of [...reads.slice(1), ...commands, "/nothing"]) {
    await target.refuses({ target: path, headers });
  }
  for (const dest of ["iframe", "frame", "object", "embed"]) {
    const { status, head } = await target.ask({ headers: { ...headers, "sec-fetch-dest": dest } });
    assert(status === 403 || /frame-ancestors 'none'/.test(head), dest);
  }
});

test("another site cannot load scripts and styles, so it does not learn that a dashboard is here", async (target) => {
  for (const path of reads) {
    for (
      const [mode, dest] of [["no-cors", "script"], ["no-cors", "style"], ["no-cors", "image"]]
    ) {
      const headers = {
        ...{ "sec-fetch-site": "cross-site", "sec-fetch-mode": mode!, "sec-fetch-dest": dest! },
      };
      await target.refuses({ target: path, headers });
    }
  }
});

test("a WebSocket is never opened", async (target) => {
  const upgrade = {
    connection: "Upgrade",
    upgrade: "websocket",
    "sec-websocket-version": "13",
    "sec-websocket-key": "dGhlIHNhbXBsZSBub25jZQ==",
  };
  for (const path of [...reads, ...commands]) {
    for (const origin of [evil, "null", target.origin]) {
      const { status } = await target.ask({ target: path, headers: { ...upgrade, origin } });
      assertNotEquals(status, 101, path);
    }
  }
});

test("DNS rebinding: every Host that can be another site's name is refused", async (target) => {
  const { port } = target.address;
  const hosts = [
    ...[
      "evil.example",
      `evil.example:${port}`,
      "127.0.0.1.nip.io",
      `localhost.evil.example:${port}`,
    ],
    ...[`127.0.0.1.:${port}`, `127.0.0.1@evil.example`, `evil.example@127.0.0.1`, "local%68ost"],
    ...["localhosts", "xlocalhost", "evil.localhost.example", "ⓛocalhost", "１２７.0.0.1"],
    ...["127.0.0.1 evil.example", "127.0.0.1,evil.example", "127.0.0.1/evil.example", "a:1:2", ""],
    ...["127.0.0.1#.evil.example", "127.0.0.1?.evil.example", "127.0.0.1\\.evil.example"],
    ...["[::1].evil.example", "[::1", "::1", "[evil.example]", "*", "_", "evil", "127.0.0.1:evil"],
  ];
  for (const host of hosts) {
    for (const path of reads) await target.refuses({ target: path, headers: { host } });
    const headers = { host, origin: `http://${host}`, "content-type": "application/json" };
    await target.refuses({ method: "POST", target: "/put", headers, body: command });
  }
});

test("DNS rebinding: no Host, two of them, or another one in the first line", async (target) => {
  const own = formatAddress(target.address);
  await target.refuses({ headers: { host: [] } });
  await target.refuses({ version: "1.0", headers: { host: [] } });
  await target.refuses({ headers: { host: ["evil.example", own] } });
  await target.refuses({ headers: { host: [own, "evil.example"] } });
  await target.refuses({ target: "http://evil.example/" });
  await target.refuses({ target: "http://evil.example/events" });
  await target.refuses({ method: "CONNECT", target: "evil.example:80" });
});

test("keys and values with markup or line ends stay data in answers and events", async (target) => {
  const key = `"><script>alert(1)</script>\n\nevent: keyframe\ndata: {}\n\n`;
  const value = `\r\n\r\nHTTP/1.1 200 OK\r\n\r\n<img src=x onerror=alert(1)>\u2028\u2029\0`;
  const headers = { origin: target.origin, "content-type": "application/json" };
  for (const path of ["/put", "/get"]) {
    const body = JSON.stringify({ client: 1, key, value });
    const answer = await target.ask({ method: "POST", target: path, headers, body });
    assertEquals(answer.status, 200, answer.body);
    assertMatch(answer.head, /content-type: application\/json/);
    assertMatch(answer.head, /x-content-type-options: nosniff/);
    if (path === "/get") assertEquals(JSON.parse(answer.body).value, value);
  }
  await eventually("the page is told", async () => {
    const { head, body } = await target.ask({ target: "/events" });
    assertMatch(head, /content-type: text\/event-stream/);
    assertMatch(head, /x-content-type-options: nosniff/);
    const events = body.replaceAll(/^[\da-f]+\r$/gm, "").replaceAll("\r", "").split("\n\n")
      .map((one) => one.trim()).filter((one) => one.startsWith("event:"));
    assert(events.every((one) => one.split("\n").length === 2), "an event is two lines");
    assertEquals(events.filter((one) => one.startsWith("event: keyframe")).length, 1);
    assertNotMatch(body, /^(?:<|HTTP|data: \{\}$)/m);
    return body.includes(JSON.stringify(key).slice(1, -1));
  });
});

test("every answer forbids scripts from elsewhere, framing and guessing of types", async (target) => {
  const requests: RawRequest[] = [
    ...[...reads, "/nothing"].map((path) => ({ target: path })),
    { headers: { host: "evil.example" } },
    { method: "OPTIONS" },
    { method: "DELETE" },
    { method: "POST", target: "/put", headers: { origin: evil } },
  ];
  for (const request of requests) {
    const { head } = await target.ask(request);
    const what = JSON.stringify(request);
    assertStringIncludes(head, "content-security-policy: default-src 'none'", what);
    assertStringIncludes(head, "frame-ancestors 'none'", what);
    assertStringIncludes(head, "require-trusted-types-for 'script'", what);
    assertNotMatch(head, /unsafe-inline|unsafe-eval/, what);
    assertStringIncludes(head, "x-content-type-options: nosniff", what);
    assertStringIncludes(head, "cross-origin-resource-policy: same-origin", what);
    assertStringIncludes(head, "cross-origin-opener-policy: same-origin", what);
    assertStringIncludes(head, "referrer-policy: no-referrer", what);
    assertStringIncludes(head, "cache-control: no-store", what);
    assertNotMatch(head, /access-control-|set-cookie/, what);
  }
});

test("a text of the request cannot become a header or markup of the answer", async (target) => {
  for (const path of ["/%0d%0ax-forged:%201", "/<script>alert(1)</script>", "/%00", "/\u0001"]) {
    const { head, body } = await target.ask({ target: path });
    assertNotMatch(head, /^x-forged/m);
    if (body.includes("<script>")) assertMatch(head, /content-type: application\/json/);
  }
});

Deno.test("a web page can change nothing through the port for metrics, and is allowed to read nothing", async () => {
  const monitored = { metrics: () => [], ready: () => true };
  await using server = serveMetrics(anyPort, monitored);
  for (const path of ["/metrics", "/healthz", "/readyz", "/"]) {
    for (const method of ["GET", "POST", "OPTIONS", "PUT", "DELETE", "CONNECT"]) {
      const headers = {
        ...{ origin: evil, "access-control-request-method": "POST" },
        ...{ connection: "Upgrade", upgrade: "websocket" },
      };
      const answer = await ask(server.address, { method, target: path, headers });
      assertNotMatch(answer.head, /access-control-/, `${method} ${path}`);
      assertNotEquals(answer.status, 101);
      if (method !== "GET" && method !== "OPTIONS") {
        assert(answer.status === 0 || answer.status >= 400, `${method} ${path}: ${answer.head}`);
      }
    }
  }
});

Deno.test("a web page cannot make a browser write through a server's own port", async () => {
  await using server = await TestServer.alone();
  const put = JSON.stringify({ type: "PUT", id: 1, key: "forged", value: "by a web page" });
  const attacks = [
    `POST / HTTP/1.1\r\nhost: x\r\ncontent-type: text/plain\r\ncontent-length: 99\r\n\r\n${put}\n`,
    `POST / HTTP/1.1\r\nhost: x\r\n\r\n\n${put}\n${put}\n`,
    `GET /\n${put}\n HTTP/1.1\r\nhost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nx: y\n${put}\n\r\n`,
    `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${put}\n`,
    `GET / HTTP/1.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n${put}\n`,
    `\x16\x03\x01\n${put}\n`,
    `[${put}]\n${put}\n`,
    `"x"\n${put}\n`,
    `\n${put}\n`,
    ` \n${put}\n`,
  ];
  for (const attack of attacks) {
    await send(server.address, attack);
    assertEquals(server.holds("forged"), undefined, JSON.stringify(attack));
  }
  await send(server.address, `${put}\n`);
  assertEquals(server.holds("forged")?.value, "by a web page", "control");
});
