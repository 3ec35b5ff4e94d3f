/**
 * Other protocols on the store's port. A web page can make a browser speak most of them, and choose a
 * part of their bytes. No frame in these bytes may be carried out.
 *
 * Not named like a test, because `deno task test:security` runs it.
 *
 * @module
 */

import { assertEquals, assertRejects } from "@std/assert";
import { KvClient } from "../../../lib/client/kv_client.ts";
import { both } from "../../support/guarded.ts";
import { anyPort } from "../../support/ports.ts";
import { TestServer } from "../../support/test_server.ts";
import { Wire } from "../../support/wire_client.ts";

/** What an attacker wants to be carried out. */
const put = `{"type":"PUT","id":1,"key":"cor","value":"forjado"}`;
const frames = `\n${put}\n{"type":"STATUS","id":2}\n{"type":"OBSERVE","id":3}\n`;

function http(start: string, body: string, ...headers: string[]): string {
  const lines = [`${start} HTTP/1.1`, "Host: 127.0.0.1", ...headers];
  return `${lines.join("\r\n")}\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
}

/** Bytes before, between and after which frames stand. */
function binary(head: number[], text: string, tail: number[] = []): Uint8Array {
  return Uint8Array.from([...head, ...new TextEncoder().encode(text), ...tail]);
}

const multipart = `--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n${frames}\r\n--x--\r\n`;
/** The magic number of STUN. */
const stunCookie = [0x21, 0x12, 0xa4, 0x42];
const stunUserName = [0x00, 0x06];

/** What other programs send, with frames in the part that a stranger can choose. */
const requests: Readonly<Record<string, string | Uint8Array>> = {
  "a GET of a browser": http("GET /", ""),
  "a GET with frames as its body": http("GET /", frames),
  "a GET with frames in its path": http(`GET /?${encodeURIComponent(frames)}`, frames),
  "a GET with frames in raw lines of its path": http(`GET /${frames}`, ""),
  "a POST of plain text": http("POST /", frames, "Content-Type: text/plain"),
  "a POST of JSON": http("POST /", `${put}\n`, "Content-Type: application/json"),
  "a POST of a form in plain text": http(
    "POST /",
    `${put.slice(0, -1)},"x":"="}\r\n`,
    "Content-Type: text/plain",
  ),
  "a POST of parts": http("POST /", multipart, "Content-Type: multipart/form-data; boundary=x"),
  "a POST in chunks": `POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n` +
    `${frames.length.toString(16)}\r\n${frames}\r\n0\r\n\r\n`,
  "a POST of HTTP/1.0": `POST / HTTP/1.0\r\n\r\n${frames}`,
  "a request of HTTP/0.9": `GET /\r\n${frames}`,
  "a request whose headers are frames": `GET / HTTP/1.1${frames}\r\n\r\n`,
  "a request with folded headers": `GET / HTTP/1.1\r\nX: a\r\n ${frames}\r\n\r\n`,
  "a PUT": http("PUT /cor", frames),
  "a DELETE": http("DELETE /cor", frames),
  "a HEAD": http("HEAD /", frames),
  "an OPTIONS before a cross-site request": http(
    "OPTIONS /",
    frames,
    "Origin: https://example.com",
    "Access-Control-Request-Method: PUT",
    "Access-Control-Request-Private-Network: true",
  ),
  "a TRACE": http("TRACE /", frames),
  "a CONNECT to a proxy": `CONNECT 127.0.0.1:10097 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n${frames}`,
  "a request to a proxy": http("GET http://127.0.0.1:10097/", frames),
  "a WebSocket upgrade": `GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n` +
    `Connection: Upgrade\r\nSec-WebSocket-Key: ${btoa("0".repeat(16))}\r\n` +
    `Sec-WebSocket-Version: 13\r\n\r\n${frames}`,
  "two requests in one piece": http("GET /", "") + http("POST /", frames),
  "the preface of HTTP/2": `PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n${frames}`,
  "a frame of HTTP/2 before it": binary([0, 0, 12, 4, 0, 0, 0, 0, 0], frames),
  "a ClientHello of TLS": binary([22, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3], frames),
  "an alert of TLS": binary([21, 3, 3, 0, 2], frames),
  "a ClientHello of SSL 2": binary([0x80, 0x2e, 1, 0, 2], frames),
  "a TURN allocation, with frames as its user name": binary(
    [0, 3, 0, frames.length + 4, ...stunCookie, ...new Array(12).fill(7), ...stunUserName, 0, 90],
    frames,
  ),
  "an FTP or SMTP client": `USER x\r\nPASS ${frames}`,
  "a Redis client": `*2\r\n$3\r\nGET\r\n$${frames.length}\r\n${frames}\r\n`,
  "a SOCKS client": binary([5, 1, 0], frames),
  "an SSH client": `SSH-2.0-x\r\n${frames}`,
  "a byte order mark": `\ufeff${put}\n${frames}`,
  "UTF-16": binary([0xff, 0xfe], [...frames].join("\0")),
  "a NUL": `\0${frames}`,
  "a guard that other JSON services send": `)]}',${frames}`,
  "a list of frames": `[${put}]${frames}`,
};

/** Asserts that nothing of what was sent was carried out, and that the peer learnt only that. */
async function assertNothingDone(server: TestServer, wire: Wire): Promise<void> {
  const answers = await wire.rest();
  assertEquals(answers.map(({ type, code }) => [type, code]), [["ERROR", "BAD_MESSAGE"]]);
  assertEquals(server.holds("cor"), undefined);
  assertEquals(server.prints, []);
}

for (const [what, bytes] of Object.entries(requests)) {
  Deno.test(`${what}: no frame in it is carried out`, async () => {
    const alone = { clusterSize: 1, minInSync: 1 };
    await using open = await TestServer.alone();
    await using guarded = new TestServer(anyPort, undefined, alone, {}, { secrets: both });
    await guarded.ready();
    for (const server of [open, guarded]) {
      using whole = await Wire.connect(server.address);
      await whole.write(bytes);
      await whole.closeWrite().catch(() => {}); // it has ended already
      await assertNothingDone(server, whole);
      using inPieces = await Wire.connect(server.address);
      await writeInPieces(inPieces, bytes);
      await assertNothingDone(server, inPieces);
    }
  });
}

/** Writes every line by itself. The server may end the connection meanwhile. */
async function writeInPieces(wire: Wire, bytes: string | Uint8Array): Promise<void> {
  const all = typeof bytes === "string" ? new TextEncoder().encode(bytes) : bytes;
  try {
    for (let from = 0; from < all.length;) {
      const lf = all.indexOf(10, from);
      const to = lf < 0 ? all.length : lf + 1;
      await wire.write(all.subarray(from, to));
      from = to;
    }
    await wire.closeWrite();
  } catch (error) {
    const gone = error instanceof Deno.errors.BrokenPipe ||
      error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.NotConnected;
    if (!gone) throw error;
  }
}

Deno.test("a real HTTP, WebSocket or TLS client gets no answer that it understands", async () => {
  await using server = await TestServer.alone();
  const { hostname, port } = server.address;
  for (const method of ["GET", "POST", "PUT", "DELETE"]) {
    const init = { method, ...(method === "GET" ? {} : { body: frames }) };
    await assertRejects(() => fetch(`http://${hostname}:${port}/`, init), TypeError);
  }
  const socket = new WebSocket(`ws://${hostname}:${port}/`);
  await new Promise<void>((resolve) => {
    socket.onerror = (event) => event.preventDefault();
    socket.onclose = () => resolve();
  });
  await assertRejects(async () => {
    using conn = await Deno.connectTls({ hostname, port });
    await conn.handshake();
  });
  assertEquals([server.holds("cor"), server.prints], [undefined, []]);
  await using client = new KvClient([server.address]);
  await client.put("cor", "azul");
});

Deno.test("what a client sent before another protocol is carried out, and nothing after it", async () => {
  await using server = await TestServer.alone();
  using wire = await Wire.connect(server.address);
  await wire.write(`{"type":"STATUS","id":1}\n${http("POST /", frames)}`);
  const answers = await wire.rest();
  assertEquals(answers.map(({ type }) => type), ["STATUS_OK", "ERROR"]);
  assertEquals(server.holds("cor"), undefined);
});
