import { assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { HttpServer, type HttpServerOptions } from "../../lib/net/http_server.ts";
import { periodMs } from "../../lib/net/report_limiter.ts";
import { anyPort } from "../support/ports.ts";
import { eventually, within } from "../support/waiting.ts";

const encoder = new TextEncoder();

/** A server that answers with what it was asked, and what it reported. */
function start(options: Partial<HttpServerOptions> = {}) {
  const reports: string[] = [];
  const server = new HttpServer(anyPort, {
    connectionsMax: 8,
    connectionsPerIpMax: 8,
    handle: async (request) =>
      new Response(`${request.method} ${new URL(request.url).pathname} ${await request.text()}`),
    report: (line) => reports.push(line),
    ...options,
  });
  return { server, reports, port: server.address.port };
}

/** Everything that a connection sends until it ends. */
async function rest(conn: Deno.Conn): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  const buffer = new Uint8Array(64 * 1024);
  const read = () => within("an answer", conn.read(buffer)).catch(() => null); // or cut off
  for (let count = await read(); count !== null; count = await read()) {
    text += decoder.decode(buffer.subarray(0, count));
  }
  return text;
}

async function send(port: number, text = ""): Promise<Deno.Conn> {
  const conn = await Deno.connect({ hostname: "127.0.0.1", port });
  await conn.write(encoder.encode(text));
  return conn;
}

async function ask(port: number, text: string): Promise<string> {
  using conn = await send(port, text);
  return await rest(conn);
}

const get = "GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

Deno.test("a request is answered, with its length, and its connection ends", async () => {
  const { server, port } = start();
  await using _server = server;
  assertMatch(
    await ask(port, get),
    /^HTTP\/1.1 200 [^]*content-length: 7\r\n[^]*\r\nGET \/a $/i,
  );
  const post = "POST /b HTTP/1.1\r\nHost: h\r\ncontent-length: 2\r\n\r\nhi";
  assertMatch(await ask(port, post), /\r\n\r\nPOST \/b hi$/);
  assertMatch(await ask(port, get.replace("GET", "HEAD")), /^HTTP\/1.1 200 [^]*\r\n\r\n$/);
  assertMatch(await ask(port, "hello\r\n\r\n"), /^HTTP\/1.1 400 /);
  assertMatch(await ask(port, get.replace("GET", "TRACE")), /^HTTP\/1.1 501 /);
  assertMatch(await ask(port, get.repeat(3)), /^HTTP\/1.1 200 [^]*GET \/a $/, "one answer");
});

for (const limit of ["connectionsMax", "connectionsPerIpMax"] as const) {
  Deno.test(`above ${limit} a connection is refused with 503, reported once, until one ends`, async () => {
    const { server, reports, port } = start({ [limit]: 3 });
    await using _server = server;
    const idle = await Promise.all([1, 2, 3].map(() => send(port)));
    const told = limit === "connectionsMax" ? "3 connections" : "3 connections from 127.0.0.1";
    await eventually("they are accepted", async () => (await ask(port, get)).includes(" 503 "));
    for (let n = 0; n < 5; n++) {
      const answer = await ask(port, get);
      assertMatch(answer, /^HTTP\/1.1 503 /);
      assertStringIncludes(answer, `this port has ${told} already`);
    }
    assertEquals(reports, [
      `HTTP on 127.0.0.1:${port}: refused a connection: this port has ${told} already`,
    ]);
    idle[0]!.close();
    await eventually("there is room", async () => (await ask(port, get)).includes(" 200 "));
    for (const conn of idle.slice(1)) conn.close();
  });
}

Deno.test("refused connections that were only counted are reported when their time is over", async () => {
  let now = 0;
  const { server, reports, port } = start({ connectionsMax: 0, reports: { now: () => now } });
  await using _server = server;
  for (let n = 0; n < 3; n++) await ask(port, get);
  assertEquals(reports.length, 1);
  now = periodMs;
  await eventually("the count", () => reports.length === 2);
  assertStringIncludes(reports[1]!, ": connections: 2 more lines in the last 60 s");
});

Deno.test("few of the requests behind the first one are parsed", async () => {
  // The end of a connection makes an error with its stack for each request that was parsed.
  const usual = Error.prepareStackTrace;
  let parsed = 0;
  Error.prepareStackTrace = ({ message }) => {
    if (message === "aborted") parsed++;
    return message;
  };
  try {
    const { server, port } = start();
    await using _server = server;
    await ask(port, get.repeat(400));
  } finally {
    Error.prepareStackTrace = usual!;
  }
  assertLess(parsed, 32);
});

Deno.test("a connection without a complete request, or whose answer is not read, is cut off", async () => {
  const cancelled = Promise.withResolvers<void>();
  const big = new Uint8Array(64 * 1024);
  const endless = () =>
    new ReadableStream({
      pull: (controller) => controller.enqueue(big),
      cancel: () => cancelled.resolve(),
    });
  const headers = { "content-type": "text/event-stream" };
  const { server, port } = start({
    requestMs: 50,
    unreadMs: 50,
    handle: async (request) => {
      await new Promise((resolve) => setTimeout(resolve, 100)); // may take longer than a request
      return new URL(request.url).pathname === "/a"
        ? new Response("late")
        : new Response(endless(), { headers });
    },
  });
  await using _server = server;
  const silent = [
    "",
    "GET /a HTTP/1.1\r\nHo",
    get.replace("GET", "POST").replace("h\r", "h\r\ncontent-length: 9\r"),
  ];
  await Promise.all(
    silent.slice(0, 2).map(async (text) => assertEquals(await ask(port, text), "")),
  );
  assertMatch(await ask(port, silent[2]!), /^(|HTTP\/1.1 200 [^]*late)$/);
  assertMatch(await ask(port, get), /late$/);
  using _deaf = await send(port, get.replace("/a", "/endless"));
  await within("the endless answer is given up", cancelled.promise);
});

Deno.test("a request that comes a byte at a time, or waits for 100 Continue, is cut off and not reported", async () => {
  const { server, reports, port } = start({ requestMs: 100 });
  await using _server = server;
  const half = get.replace("GET", "POST").replace("h\r", "h\r\ncontent-length: 9\r");
  assertEquals(await ask(port, half), "");
  const expecting = half.replace("h\r", "h\r\nexpect: 100-continue\r");
  assertEquals(await ask(port, expecting), "HTTP/1.1 100 Continue\r\n\r\n");
  using slow = await send(port);
  const ended = rest(slow);
  let over = false;
  ended.then(() => over = true);
  await eventually("it is cut off", async () => {
    await slow.write(encoder.encode("G")).catch(() => {});
    return over;
  });
  assertEquals(reports, []);
});

Deno.test("the body of an endless answer to HEAD is given up at once", async () => {
  const cancelled = Promise.withResolvers<void>();
  const headers = { "content-type": "text/event-stream" };
  const body = () => new ReadableStream({ cancel: () => cancelled.resolve() });
  const { server, port } = start({ handle: () => new Response(body(), { headers }) });
  await using _server = server;
  assertMatch(await ask(port, get.replace("GET", "HEAD")), /^HTTP\/1.1 200 [^]*\r\n\r\n$/);
  await within("it is given up", cancelled.promise);
});

Deno.test("a handler that fails is a 500 and a report, and the server goes on", async () => {
  const { server, reports, port } = start({ handle: () => Promise.reject(new Error("oh")) });
  await using _server = server;
  for (let n = 0; n < 2; n++) assertMatch(await ask(port, get), /^HTTP\/1.1 500 /);
  assertEquals(reports.length, 2);
  assertStringIncludes(reports[0]!, "a request failed: Error: oh");
});

Deno.test("closing cuts off every connection, and the port is free", async () => {
  const { server, port } = start();
  const conns = await Promise.all(["", get.slice(0, 9), get].map((text) => send(port, text)));
  await within("it closes", Promise.resolve(server[Symbol.asyncDispose]()));
  for (const conn of conns) {
    await rest(conn);
    conn.close();
  }
  const again = new HttpServer({ hostname: "127.0.0.1", port }, {
    connectionsMax: 1,
    connectionsPerIpMax: 1,
    handle: () => new Response("again"),
    report: () => {},
  });
  assertMatch(await ask(port, get), /again$/);
  await again[Symbol.asyncDispose]();
});
