/** The HTTP handler: which requests it accepts, and how it answers the others. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import {
  type Backend,
  commandBytesMax,
  commandsMax,
  commandsPerIpMax,
  dashboardHandler,
} from "../../dashboard/server/http.ts";
import { pageFiles } from "../../dashboard/server/page_files.ts";
import { UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";

const pure = { permissions: "none" } as const;
const host = "127.0.0.1:10090";
const answer = { server: "127.0.0.1:10097", timestamp: 7, seen: 3 };
/** The methods of a path of the page. */
const reads = "GET, HEAD, OPTIONS";

/** A backend that records its calls. */
class FakeBackend implements Backend {
  readonly calls: unknown[][] = [];
  /** Every call fails with this, if it is set. */
  failure: Error | undefined;
  /** Every call waits for this. */
  done: Promise<void> = Promise.resolve();
  readonly feed = {
    subscribed: 0,
    subscribe(_ip: string) {
      this.subscribed++;
      return new ReadableStream<Uint8Array<ArrayBuffer>>();
    },
  };
  readonly clients = {
    put: (...args: unknown[]) => this.#call("put", args, answer),
    get: (...args: unknown[]) => this.#call("get", args, { ...answer, value: "azul" }),
  };

  fault = (...args: unknown[]) => this.#call("fault", args, undefined);
  demo = (...args: unknown[]) => this.#call("demo", args, undefined);

  async #call<T>(name: string, args: unknown[], result: T): Promise<T> {
    this.calls.push([name, ...args]);
    await this.done;
    if (this.failure !== undefined) throw this.failure;
    return result;
  }
}

const show = (path: string, headers: Record<string, string> = {}) =>
  new Request(`http://${host}${path}`, { headers: { host, ...headers } });

const post = (path: string, body: unknown, headers: Record<string, string> = {}) =>
  new Request(`http://${host}${path}`, {
    method: "POST",
    headers: { host, origin: `http://${host}`, "content-type": "application/json", ...headers },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });

const put = { client: 1, key: "cor", value: "azul" };

async function statusOf(request: Request, backend = new FakeBackend()): Promise<number> {
  const response = await dashboardHandler(backend)(request);
  await response.body?.cancel();
  return response.status;
}

Deno.test("all files of the page are served, and load nothing from other sites", pure, async () => {
  const handler = dashboardHandler(new FakeBackend());
  const seen = new Set(["/"]);
  for (const path of seen) {
    const response = await handler(show(path));
    assertEquals(response.status, 200, path);
    const policy = response.headers.get("content-security-policy")!;
    assertStringIncludes(policy, "default-src 'none'");
    assertStringIncludes(policy, "frame-ancestors 'none'");
    assertEquals(response.headers.get("x-content-type-options"), "nosniff");
    const text = await response.text();
    const addresses = text.match(/https?:\/\/[^\s"']*/g) ?? [];
    assertEquals(addresses.filter((one) => one !== "http://www.w3.org/2000/svg"), [], path);
    for (const [, part] of text.matchAll(/(?:src|href)="(\/[^"]+)"/g)) seen.add(part!);
    for (const [, part] of text.matchAll(/from "(\.[^"]+\.js)"/g)) {
      seen.add(new URL(part!, `http://${host}${path}`).pathname);
    }
  }
  assertEquals(seen.size, pageFiles.size);
});

Deno.test("a Host that is a domain name is refused", pure, async () => {
  for (
    const name of ["evil.example", "evil.example:10090", "127.0.0.1.evil.example", "", "a:1:2"]
  ) {
    assertEquals(await statusOf(show("/", { host: name })), 403, name);
    const backend = new FakeBackend();
    const command = post("/put", put, { host: name, origin: `http://${name}` });
    assertEquals(await statusOf(command, backend), 403, name);
    assertEquals(backend.calls, []);
  }
  for (const name of ["localhost:10090", "192.168.0.7:10090", "[::1]:10090", "127.0.0.1"]) {
    assertEquals(await statusOf(show("/", { host: name })), 200, name);
  }
});

Deno.test(
  "requests of other sites are refused, and so are commands without an Origin",
  pure,
  async () => {
    const backend = new FakeBackend();
    for (
      const headers of [
        { origin: "http://evil.example" },
        { origin: "http://127.0.0.1:8000" },
        { origin: `https://${host}` },
        { origin: "null" },
        { "sec-fetch-site": "cross-site" },
        { "sec-fetch-site": "same-site" },
      ]
    ) {
      const sent: Record<string, string> = { ...headers };
      assertEquals(await statusOf(post("/put", put, sent), backend), 403, JSON.stringify(sent));
      assertEquals(await statusOf(show("/events", sent), backend), 403, JSON.stringify(sent));
    }
    const unknown = post("/put", put);
    unknown.headers.delete("origin");
    assertEquals(await statusOf(unknown, backend), 403);
    assertEquals(
      await statusOf(post("/put", put, { "content-type": "text/plain" }), backend),
      415,
    );
    assertEquals(backend.calls, []);
  },
);

Deno.test("a link on another site may open the page", pure, async () => {
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  assertEquals(await statusOf(show("/", link)), 200);
  const embedded = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
  assertEquals(await statusOf(show("/", embedded)), 403);
});

Deno.test("commands reach the backend, and their results reach the page", pure, async () => {
  const backend = new FakeBackend();
  const handler = dashboardHandler(backend);
  const server = "127.0.0.1:10098";
  const answerTo = async (path: string, body: unknown) => (await handler(post(path, body))).json();
  assertEquals(await answerTo("/put", put), answer);
  assertEquals(await answerTo("/get", { client: 2, key: "cor", server }), {
    ...answer,
    value: "azul",
  });
  assertEquals(await answerTo("/fault", { follower: server, action: "delay", delayMs: 50 }), {});
  assertEquals(await answerTo("/fault", { follower: server, action: "pause" }), {});
  assertEquals(await answerTo("/demo", {}), {});
  assertEquals(await answerTo("/demo", { story: "lock-expires" }), {});
  assertEquals(backend.calls, [
    ["put", 1, "cor", "azul", undefined],
    ["get", 2, "cor", server],
    ["fault", server, "delay", 50],
    ["fault", server, "pause", undefined],
    ["demo", undefined],
    ["demo", "lock-expires"],
  ]);
});

Deno.test("an invalid command is refused with the reason", pure, async () => {
  const backend = new FakeBackend();
  const cases: [string, unknown, number, RegExp][] = [
    ["/put", "{", 400, /not JSON/],
    ["/put", "[]", 400, /"client"/],
    ["/put", "null", 400, /not a JSON object/],
    ["/put", { ...put, key: 7 }, 400, /"key" must be a string/],
    ["/put", { ...put, client: -1 }, 400, /"client" must be a whole number/],
    ["/put", { ...put, server: 7 }, 400, /"server" must be a string/],
    ["/demo", { story: 7 }, 400, /"story" must be a string/],
    ["/fault", { follower: "x", action: "kill" }, 400, /"action"/],
    ["/fault", { follower: "x", action: "delay" }, 400, /"delayMs"/],
    ["/nothing", {}, 404, /\/nothing does not exist/],
    ["/put", { ...put, value: "v".repeat(commandBytesMax) }, 413, /bytes/],
  ];
  for (const [path, body, status, message] of cases) {
    const response = await dashboardHandler(backend)(post(path, body));
    assertEquals(response.status, status, path);
    assertMatch((await response.json()).message, message);
  }
  assertEquals(backend.calls, []);
});

Deno.test(
  "each path has its methods: HEAD is like GET, OPTIONS names them, others are 405",
  pure,
  async () => {
    const backend = new FakeBackend();
    const ask = (method: string, path: string) => {
      const sent = { host, origin: `http://${host}`, "content-type": "application/json" };
      return dashboardHandler(backend)(
        new Request(`http://${host}${path}`, { method, headers: sent }),
      );
    };
    for (const [path, allow] of [["/", reads], ["/events", reads], ["/put", "POST, OPTIONS"]]) {
      const options = await ask("OPTIONS", path!);
      assertEquals([options.status, options.headers.get("allow")], [204, allow], path);
      for (const method of ["PUT", "DELETE", path === "/put" ? "GET" : "POST"]) {
        const refused = await ask(method, path!);
        assertEquals([refused.status, refused.headers.get("allow")], [405, allow], path);
        await refused.body?.cancel();
      }
    }
    for (const method of ["GET", "HEAD", "OPTIONS", "PUT", "POST"]) {
      const response = await ask(method, "/nothing");
      assertEquals(response.status, 404, method);
      await response.body?.cancel();
    }
    const head = await ask("HEAD", "/events");
    assertEquals([head.status, head.headers.get("content-type")], [200, "text/event-stream"]);
    assertEquals([backend.feed.subscribed, backend.calls], [0, []], "a HEAD is no browser");
  },
);

Deno.test(
  "the answer to a failed PUT says whether the value may have been written",
  pure,
  async () => {
    const backend = new FakeBackend();
    const server = answer.server;
    for (
      const [failure, error, status] of [
        [new UnavailableError(server, "no"), "UNAVAILABLE", 502],
        [new UnknownOutcomeError(server, "no"), "UNKNOWN_OUTCOME", 504],
      ] as const
    ) {
      backend.failure = failure;
      const response = await dashboardHandler(backend)(post("/put", put));
      assertEquals(response.status, status);
      assertEquals(await response.json(), { error, message: "no", server });
    }
  },
);

Deno.test(
  "the number of commands at the same time is limited, for one address and for all",
  pure,
  async () => {
    const backend = new FakeBackend();
    const { promise, resolve } = Promise.withResolvers<void>();
    backend.done = promise;
    const handler = dashboardHandler(backend);
    const ask = (ip: string) => handler(post("/put", put), ip);
    const waiting = Array.from({ length: commandsPerIpMax }, () => ask("127.0.0.1"));
    assertEquals((await ask("127.0.0.1")).status, 503);
    for (let n = commandsPerIpMax; n < commandsMax; n++) waiting.push(ask("10.0.0.7"));
    assertEquals((await ask("10.0.0.8")).status, 503);
    resolve();
    for (const response of await Promise.all(waiting)) assertEquals(response.status, 200);
    for (const ip of ["127.0.0.1", "10.0.0.8"]) assertEquals((await ask(ip)).status, 200);
  },
);
