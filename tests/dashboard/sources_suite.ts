/** Requests that pages of other sites can make a browser send, and those that are no honest HTTP. */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Backend, commandBytesMax, dashboardHandler } from "../../dashboard/server/http.ts";
import { Dashboard } from "../../dashboard/server/dashboard.ts";
import { formatAddress } from "../../lib/wire/address.ts";
import { anyPort, deadAddress } from "../support/ports.ts";
import { within } from "../support/waiting.ts";

const pure = { permissions: "none" } as const;
const own = "127.0.0.1:10090";
type Headers = Readonly<Record<string, string>>;

/** A handler whose backend counts the streams and commands that it is asked for. */
function handler() {
  const reached: string[] = [];
  const call = (name: string) => () => {
    reached.push(name);
    return Promise.resolve({ server: own, timestamp: 1, seen: 0 });
  };
  const backend: Backend = {
    feed: {
      subscribe: () => {
        reached.push("events");
        return new ReadableStream();
      },
    },
    clients: { put: call("put"), get: call("get") },
    fault: async () => void await call("fault")(),
    demo: async () => void await call("demo")(),
  };
  const handle = dashboardHandler(backend);
  const ask = async (method: string, path: string, headers: Headers, body?: string) => {
    const sent = { host: own, ...headers };
    const response = await handle(
      new Request(`http://${own}${path}`, { method, headers: sent, body: body ?? null }),
    );
    const text = response.headers.get("content-type") === "text/event-stream"
      ? await response.body?.cancel()
      : await response.text();
    return { status: response.status, text: `${text ?? ""}`, headers: response.headers };
  };
  return { reached, ask };
}

const fetched = (site: string, mode: string, dest: string): Headers => ({
  "sec-fetch-site": site,
  "sec-fetch-mode": mode,
  "sec-fetch-dest": dest,
});

/** What a page of another site can send with the browser's help, besides its Origin. */
const foreign: readonly Headers[] = ["cross-site", "same-site", "none", "new-word"].flatMap(
  (site) => [
    fetched(site, "navigate", "document"),
    { ...fetched(site, "navigate", "document"), "sec-fetch-user": "?1" },
    fetched(site, "navigate", "iframe"),
    fetched(site, "navigate", "object"),
    fetched(site, "nested-navigate", "frame"),
    fetched(site, "no-cors", "empty"),
    fetched(site, "no-cors", "image"),
    fetched(site, "no-cors", "script"),
    fetched(site, "no-cors", "style"),
    fetched(site, "cors", "empty"),
    fetched(site, "websocket", "websocket"),
    { "sec-fetch-site": site },
  ],
);

const paths = [
  "/",
  "/page.js",
  "/base.css",
  "/events",
  "/put",
  "/get",
  "/fault",
  "/demo",
  "/nothing",
];
const methods = ["GET", "HEAD", "OPTIONS", "POST"];

Deno.test("of all that other sites can ask for, only a link to / is answered", pure, async () => {
  const { reached, ask } = handler();
  for (const headers of foreign) {
    for (const path of paths) {
      for (const method of methods) {
        const what = `${method} ${path} ${JSON.stringify(headers)}`;
        const { status } = await ask(method, path, headers);
        const site = headers["sec-fetch-site"];
        const isLink = method === "GET" && path === "/" &&
          headers["sec-fetch-mode"] === "navigate" && headers["sec-fetch-dest"] === "document";
        const isTyped = site === "none" &&
          !["/events", "/put", "/get", "/fault", "/demo"].includes(path);
        if (isTyped) assert([200, 204, 404, 405].includes(status), what);
        else assertEquals(status, isLink ? 200 : 403, what);
      }
    }
  }
  assertEquals(reached, []);
});

Deno.test("the page itself may ask for all", pure, async () => {
  const { reached, ask } = handler();
  const script = fetched("same-origin", "cors", "empty");
  assertEquals((await ask("GET", "/events", script)).status, 200);
  assertEquals(
    (await ask("GET", "/state.js", fetched("same-origin", "cors", "script"))).status,
    200,
  );
  assertEquals(
    (await ask("GET", "/base.css", fetched("same-origin", "no-cors", "style"))).status,
    200,
  );
  const command = { ...script, origin: `http://${own}`, "content-type": "application/json" };
  for (const path of ["/put", "/get"]) {
    const body = JSON.stringify({ client: 1, key: "cor", value: "azul" });
    assertEquals((await ask("POST", path, command, body)).status, 200, path);
  }
  assertEquals(reached, ["events", "put", "get"]);
});

Deno.test(
  "a stream or a command is never a navigation, not even one of the page",
  pure,
  async () => {
    const { reached, ask } = handler();
    const link = fetched("same-origin", "navigate", "document");
    assertEquals((await ask("GET", "/events", link)).status, 403);
    assertEquals(
      (await ask("GET", "/events", fetched("same-origin", "no-cors", "image"))).status,
      403,
    );
    const form = { ...link, origin: `http://${own}`, "content-type": "application/json" };
    assertEquals((await ask("POST", "/demo", form, "{}")).status, 403);
    // Outside loopback a browser says nothing but what it accepts.
    const accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8";
    assertEquals((await ask("GET", "/events", { accept })).status, 403);
    assertEquals(reached, []);
    assertEquals((await ask("GET", "/events", { accept: "text/event-stream" })).status, 200);
  },
);

Deno.test(
  "a page that another site has opened without a click waits until it is used",
  pure,
  async () => {
    const { ask } = handler();
    const waits = /<html data-waits="true" lang=/;
    for (const site of ["cross-site", "same-site"]) {
      const link = fetched(site, "navigate", "document");
      assertMatch((await ask("GET", "/", link)).text, waits);
      const clicked = await ask("GET", "/", { ...link, "sec-fetch-user": "?1" });
      assert(!waits.test(clicked.text));
    }
    for (
      const headers of [
        {},
        fetched("none", "navigate", "document"),
        fetched("same-origin", "navigate", "document"),
      ]
    ) {
      assert(!waits.test((await ask("GET", "/", headers)).text));
    }
  },
);

Deno.test("every spelling of a Host that is no address of a machine is refused", pure, async () => {
  const { reached, ask } = handler();
  const refused = [
    ...["evil.example", "evil.example:10090", "127.0.0.1.evil.example", "localhost.evil.example"],
    ...["localhost.", "localhost.:10090", "127.0.0.1.", "127.1", "0x7f.0.0.1", "0177.0.0.1"],
    ...["2130706433", "127.0.0.1:", "127.0.0.1:123456", "127.0.0.1:10090:1", "127.0.0.256"],
    ...["user@127.0.0.1:10090", "127.0.0.1:10090@evil.example", "127.0.0.1,evil.example"],
    ...["127.0.0.1:10090/x", "127.0.0.1 evil", "[127.0.0.1]:1", "::1", "::1:10090", "[::1", "[]:1"],
    ...["[::1%25lo]", "[fe80::1%eth0]:1", "[::1].evil.example", "", ":10090", "-", "kv-0"],
    ...["0.0.0.0", "0.0.0.0:10090", "[::]", "[::]:10090", "[::ffff:0.0.0.0]:10090"],
  ];
  const command = { "content-type": "application/json" };
  for (const host of refused) {
    assertEquals((await ask("GET", "/", { host })).status, 403, host);
    assertEquals((await ask("GET", "/events", { host })).status, 403, host);
    const sent = { ...command, host, origin: `http://${host}` };
    assertEquals((await ask("POST", "/demo", sent, "{}")).status, 403, host);
  }
  assertEquals(reached, []);
  const accepted = [
    ...["127.0.0.1", "127.0.0.1:10090", "127.9.9.9:1", "192.168.0.7:10090", "localhost"],
    ...["LocalHost:10090", "[::1]", "[::1]:10090", "[::ffff:127.0.0.1]:10090", "[2001:db8::7]:80"],
  ];
  for (const host of accepted) assertEquals((await ask("GET", "/", { host })).status, 200, host);
});

Deno.test("an Origin of another site, port or scheme is refused for every path", pure, async () => {
  const { reached, ask } = handler();
  const origins = [
    ...[
      "null",
      "http://evil.example",
      "http://127.0.0.1",
      "http://127.0.0.1:8000",
      `https://${own}`,
    ],
    ...[`http://${own}.evil.example`, `http://${own}/`, `HTTP://${own}`, `http://x@${own}`, own],
    ...["http://localhost:10090", "", `http://${own}, http://evil.example`, "file://"],
  ];
  for (const origin of origins) {
    for (const path of paths) {
      for (const method of ["GET", "OPTIONS", "POST"]) {
        const sent = { origin, "content-type": "application/json" };
        assertEquals((await ask(method, path, sent)).status, 403, `${method} ${path} ${origin}`);
      }
    }
  }
  assertEquals(reached, []);
});

Deno.test("what a form or a simple request can send is no command", pure, async () => {
  const { reached, ask } = handler();
  const types = [
    ...["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", ""],
    ...[
      "text/plain; application/json",
      "application/json, text/plain",
      "application/json;x",
      "text/json",
    ],
  ];
  for (const type of types) {
    const sent = { origin: `http://${own}`, ...(type === "" ? {} : { "content-type": type }) };
    assertEquals((await ask("POST", "/demo", sent, "{}")).status, 415, type);
  }
  assertEquals(reached, []);
});

Deno.test("no answer can be read, framed or kept by another site", pure, async () => {
  const { ask } = handler();
  const preflight = {
    ...{ origin: `http://${own}`, "access-control-request-method": "POST" },
    ...{
      "access-control-request-headers": "content-type",
      "access-control-request-private-network": "true",
    },
  };
  const foreignPreflight = { ...preflight, origin: "http://evil.example" };
  const answers = [
    await ask("GET", "/", {}),
    await ask("GET", "/", { host: "evil.example" }),
    await ask("GET", "/events", {}),
    await ask("GET", "/nothing", {}),
    await ask("POST", "/put", { origin: `http://${own}`, "content-type": "application/json" }, "{"),
    await ask("OPTIONS", "/put", preflight),
    await ask("OPTIONS", "/put", foreignPreflight),
    await ask("DELETE", "/", {}),
  ];
  assertEquals(answers.map(({ status }) => status), [200, 403, 200, 404, 400, 204, 403, 405]);
  for (const { headers } of answers) {
    const cors = [...headers.keys()].filter((name) => name.startsWith("access-control-"));
    assertEquals(cors, []);
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(headers.get("cross-origin-resource-policy"), "same-origin");
    assertEquals(headers.get("cross-origin-opener-policy"), "same-origin");
    assertEquals(headers.get("referrer-policy"), "no-referrer");
    assertStringIncludes(headers.get("cache-control")!, "no-store");
    const policy = headers.get("content-security-policy")!;
    for (
      const part of [
        "default-src 'none'",
        "frame-ancestors 'none'",
        "form-action 'none'",
        "base-uri 'none'",
      ]
    ) {
      assertStringIncludes(policy, part);
    }
    assert(!/unsafe|https?:|\*/.test(policy), policy);
  }
});

Deno.test("requests that two programs could read differently are refused, and each connection has one", async () => {
  await using dashboard = new Dashboard({ listen: anyPort, servers: [deadAddress()] });
  const host = formatAddress(dashboard.address);
  const body = JSON.stringify({ client: 1, key: "cor", value: "azul" });
  const get = (more: string, path = "/") => `GET ${path} HTTP/1.1\r\nHost: ${host}\r\n${more}\r\n`;
  const post = (more: string, sent = body) =>
    `POST /put HTTP/1.1\r\nHost: ${host}\r\nOrigin: http://${host}\r\n` +
    `Content-Type: application/json\r\n${more}\r\n${sent}`;
  const length = `Content-Length: ${body.length}\r\n`;
  const chunks = `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
  const websocket = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n" +
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
  const cases: [request: string, status: number][] = [
    [post(length), 502], // it is understood, and no server runs
    [post("Transfer-Encoding: chunked\r\n", chunks), 502],
    [post(`${length}Content-Length: 5\r\n`), 400],
    [post(length + length), 400],
    [post(`${length}Transfer-Encoding: chunked\r\n`, chunks), 400],
    [post("Transfer-Encoding: chunked\r\n", `zz\r\n${body}\r\n0\r\n\r\n`), 400],
    [post(`Content-Length: ${10 ** 9}\r\n`, "x".repeat(2 * commandBytesMax)), 413],
    [get(`X: ${"x".repeat(200_000)}\r\n`), 400],
    [get("X: x\r\n".repeat(20_000)), 400],
    [get("X: a\r\n b\r\n"), 400],
    [`GET / HTTP/1.1\r\nHost : ${host}\r\n\r\n`, 400],
    [`GET / HTTP/1.1\r\nHost: ${host}\0\r\n\r\n`, 400],
    [`GET / HTTP/1.1\r\n\r\n`, 400],
    [`GET / HTTP/1.0\r\n\r\n`, 403],
    [get(`Host: evil.example\r\n`), 403],
    [`GET / HTTP/1.1\r\nHost: evil.example\r\nHost: ${host}\r\n\r\n`, 403],
    [get("", "http://evil.example/"), 403],
    [get("", `http://x@${host}/`), 403],
    [get("", `http://${host}/`), 200],
    [`OPTIONS * HTTP/1.1\r\nHost: ${host}\r\n\r\n`, 403],
    [get("Sec-Fetch-Site: same-origin\r\nSec-Fetch-Site: cross-site\r\n", "/events"), 403],
    [get(`Origin: http://${host}\r\nOrigin: http://evil.example\r\n`), 403],
    [get(`${websocket}Origin: http://evil.example\r\n`, "/events"), 403],
    [get("Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\n", "/../events"), 403],
    [get("", "/%65vents"), 404],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400],
  ];
  for (const [request, status] of cases) {
    const answer = await answerTo(dashboard, request);
    assertMatch(answer, new RegExp(`^HTTP/1\\.1 ${status} `), request.slice(0, 200));
  }
  const two = await answerTo(dashboard, get("", "/nothing") + get(""));
  assertEquals(two.match(/HTTP\/1\.1 /g)?.length, 1);
  assertMatch(await answerTo(dashboard, get(websocket)), /^HTTP\/1\.1 200 [^]*<!DOCTYPE html>/);
});

/** What the dashboard answers on a connection until it ends the connection. */
async function answerTo({ address }: Dashboard, request: string): Promise<string> {
  using conn = await Deno.connect({ ...address });
  await conn.write(new TextEncoder().encode(request)).catch(() => {}); // it may be cut off
  const buffer = new Uint8Array(64 * 1024);
  let text = "";
  const read = () => within("an answer", conn.read(buffer)).catch(() => null);
  for (let count = await read(); count !== null; count = await read()) {
    text += new TextDecoder().decode(buffer.subarray(0, count));
  }
  return text;
}
