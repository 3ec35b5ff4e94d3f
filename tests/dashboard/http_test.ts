/** Who may see the page and give commands, and what a wrong command is told. */

import { assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { type Commands, dashboardHandler } from "../../dashboard/server/http.ts";
import { UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import { browsersMax, commandBytesMax, commandsMax } from "../../dashboard/server/http.ts";

const pure = { permissions: "none" } as const;
const host = "127.0.0.1:10090";
const answer = { server: "127.0.0.1:10097", timestamp: 7, seen: 3 };

/** A dashboard that takes notes. */
class FakeCommands implements Commands {
  readonly calls: unknown[][] = [];
  browsers = 0;
  failure: Error | undefined;
  done: Promise<void> = Promise.resolve();

  subscribe = () => new ReadableStream<Uint8Array<ArrayBuffer>>();
  put = (...args: unknown[]) => this.#call("put", args, answer);
  get = (...args: unknown[]) => this.#call("get", args, { ...answer, value: "azul" });
  fault = (...args: unknown[]) => this.#call("fault", args, undefined);
  demo = () => this.#call("demo", [], undefined);

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

async function statusOf(request: Request, commands = new FakeCommands()): Promise<number> {
  const response = await dashboardHandler(commands)(request);
  await response.body?.cancel();
  return response.status;
}

Deno.test("the page and its parts are there, and load nothing from elsewhere", pure, async () => {
  const handler = dashboardHandler(new FakeCommands());
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
    for (const [, part] of text.matchAll(/from "\.(\/[^"]+\.js)"/g)) seen.add(part!);
  }
  assertEquals(seen.size, 12);
});

Deno.test("a Host that is a name is refused, whatever it resolves to", pure, async () => {
  for (
    const name of ["evil.example", "evil.example:10090", "127.0.0.1.evil.example", "", "a:1:2"]
  ) {
    assertEquals(await statusOf(show("/", { host: name })), 403, name);
    const commands = new FakeCommands();
    const command = post("/put", put, { host: name, origin: `http://${name}` });
    assertEquals(await statusOf(command, commands), 403, name);
    assertEquals(commands.calls, []);
  }
  for (const name of ["localhost:10090", "192.168.0.7:10090", "[::1]:10090", "127.0.0.1"]) {
    assertEquals(await statusOf(show("/", { host: name })), 200, name);
  }
});

Deno.test(
  "pages of other sites are refused, and so is a command of unknown origin",
  pure,
  async () => {
    const commands = new FakeCommands();
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
      assertEquals(await statusOf(post("/put", put, sent), commands), 403, JSON.stringify(sent));
      assertEquals(await statusOf(show("/events", sent), commands), 403, JSON.stringify(sent));
    }
    const unknown = post("/put", put);
    unknown.headers.delete("origin");
    assertEquals(await statusOf(unknown, commands), 403);
    assertEquals(
      await statusOf(post("/put", put, { "content-type": "text/plain" }), commands),
      415,
    );
    assertEquals(commands.calls, []);
  },
);

Deno.test("a link from anywhere opens the page", pure, async () => {
  const link = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate" };
  assertEquals(await statusOf(show("/", link)), 200);
  const embedded = { "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors" };
  assertEquals(await statusOf(show("/", embedded)), 403);
});

Deno.test("commands reach the dashboard, and their results the page", pure, async () => {
  const commands = new FakeCommands();
  const handler = dashboardHandler(commands);
  const server = "127.0.0.1:10098";
  const said = async (path: string, body: unknown) => (await handler(post(path, body))).json();
  assertEquals(await said("/put", put), answer);
  assertEquals(await said("/get", { client: 2, key: "cor", server }), { ...answer, value: "azul" });
  assertEquals(await said("/fault", { follower: server, action: "delay", delayMs: 50 }), {});
  assertEquals(await said("/fault", { follower: server, action: "pause" }), {});
  assertEquals(await said("/demo", {}), {});
  assertEquals(commands.calls, [
    ["put", 1, "cor", "azul", undefined],
    ["get", 2, "cor", server],
    ["fault", server, "delay", 50],
    ["fault", server, "pause", undefined],
    ["demo"],
  ]);
});

Deno.test("a command that is none is told what is wrong with it", pure, async () => {
  const commands = new FakeCommands();
  const cases: [string, unknown, number, RegExp][] = [
    ["/put", "{", 400, /not JSON/],
    ["/put", "[]", 400, /"client"/],
    ["/put", "null", 400, /not a JSON object/],
    ["/put", { ...put, key: 7 }, 400, /"key" must be a string/],
    ["/put", { ...put, client: -1 }, 400, /"client" must be a whole number/],
    ["/put", { ...put, server: 7 }, 400, /"server" must be a string/],
    ["/fault", { follower: "x", action: "kill" }, 400, /"action"/],
    ["/fault", { follower: "x", action: "delay" }, 400, /"delayMs"/],
    ["/nothing", {}, 404, /nothing here/],
    ["/put", { ...put, value: "v".repeat(commandBytesMax) }, 413, /bytes/],
  ];
  for (const [path, body, status, message] of cases) {
    const response = await dashboardHandler(commands)(post(path, body));
    assertEquals(response.status, status, path);
    assertMatch((await response.json()).message, message);
  }
  assertEquals(commands.calls, []);
  assertEquals(
    await statusOf(new Request(`http://${host}/`, { method: "PUT", headers: { host } })),
    405,
  );
});

Deno.test("the page is told what became of a write", pure, async () => {
  const commands = new FakeCommands();
  const server = answer.server;
  for (
    const [failure, error, status] of [
      [new UnavailableError(server, "no"), "UNAVAILABLE", 502],
      [new UnknownOutcomeError(server, "no"), "UNKNOWN_OUTCOME", 504],
    ] as const
  ) {
    commands.failure = failure;
    const response = await dashboardHandler(commands)(post("/put", put));
    assertEquals(response.status, status);
    assertEquals(await response.json(), { error, message: "no", server });
  }
});

Deno.test("no more commands and browsers at once than may be", pure, async () => {
  const commands = new FakeCommands();
  const { promise, resolve } = Promise.withResolvers<void>();
  commands.done = promise;
  const handler = dashboardHandler(commands);
  const waiting = Array.from({ length: commandsMax }, () => handler(post("/put", put)));
  assertEquals((await handler(post("/put", put))).status, 503);
  resolve();
  for (const response of await Promise.all(waiting)) assertEquals(response.status, 200);
  assertEquals((await handler(post("/put", put))).status, 200);
  commands.browsers = browsersMax;
  assertEquals(await statusOf(show("/events"), commands), 503);
});
