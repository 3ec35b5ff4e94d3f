/**
 * A program that attacks a server without end, in a process of its own: it must not share the thread
 * of the client that is measured meanwhile.
 *
 *     deno run --allow-net=127.0.0.1 attacker.ts PORT ATTACK
 *
 * @module
 */

/** How many connections attack at once. */
const connections = 8;

const encoder = new TextEncoder();
const MiB = 1024 * 1024;

/** A HELLO that the server at this port answers with CHALLENGE. */
function hello(role: string, port: number): string {
  const address = `127.0.0.1:${port}`;
  return `{"type":"HELLO","role":"${role}","nonce":"${"0".repeat(32)}","server":"${address}",` +
    `"peer":"${address}"}\n`;
}

const put = `{"type":"PUT","id":1,"key":"cor","value":"forjado"}\n`;

/** A line of almost 8 MiB, the longest frame, whose list has a great number of short elements. */
function flat(type: string, name: string, element: string): string {
  const count = Math.floor((8 * MiB - 100) / (element.length + 1)) - 1;
  return `{"type":"${type}","id":1,"${name}":[${`${element},`.repeat(count)}${element}]}\n`;
}

/** What each attack sends on a connection to a port, again and again, until the server ends it. */
type Attacks = Readonly<Record<string, (port: number) => string>>;

/** Attacks of strangers on a server with a password. */
export const attacks: Attacks = {
  "STATUS_OK with 838,000 addresses": () => flat("STATUS_OK", "inSync", '"[::1]:1"'),
  "SNAPSHOT of 650,000 entries": () => flat("SNAPSHOT", "entries", '["k","",1]'),
  "EVENTS with 100,000 members": () =>
    flat(
      "EVENTS",
      "events",
      '{"kind":"members","at":1,"joined":["[::1]:1"],"inSync":[],"open":true}',
    ),
  "a list of 4,000,000 numbers": () => flat("X", "x", "0"),
  "connections that are closed at once": () => "",
  "HELLO without end": (port) => hello("client", port).repeat(1_000),
  "a wrong proof": (port) =>
    `${hello("client", port)}{"type":"PROOF","proof":"${"0".repeat(64)}"}\n`,
  "PUTs without a proof": () => put.repeat(1_000),
  "lines that are no messages": () => "{}\n".repeat(10_000),
  "HTTP requests": () => `POST / HTTP/1.1\r\nContent-Length: ${put.length}\r\n\r\n${put}`,
};

/** Attacks of clients on a server that asks for the secret of servers, and for no password. */
export const clientAttacks: Attacks = {
  "HELLO of a server without end": (port) => hello("server", port).repeat(1_000),
  "STATUS without end": () => `{"type":"STATUS","id":1}\n`.repeat(1_000),
  "REPLICATION without end": () =>
    `{"type":"REPLICATION","key":"cor","value":"forjado","timestamp":1}\n`.repeat(1_000),
};

const host = "HTTP/1.1\r\nHost: 127.0.0.1\r\n";

/** The same for a port that speaks HTTP. */
export const httpAttacks: Attacks = {
  "headers without end": () => `GET / ${host}${"X: y\r\n".repeat(300_000)}`,
  "requests behind the first one": () => `GET /metrics ${host}\r\n`.repeat(50_000),
  "a body of small chunks": () =>
    `POST / ${host}Transfer-Encoding: chunked\r\n\r\n${"1\r\nx\r\n".repeat(300_000)}`,
};

/** Reads and drops what a server sends, until it ends the connection. */
async function drain(conn: Deno.Conn): Promise<void> {
  const buffer = new Uint8Array(64 * 1024);
  while (await conn.read(buffer).catch(() => null) !== null);
}

/** Attacks on one connection after the other. */
async function attack(port: number, bytes: Uint8Array): Promise<never> {
  while (true) {
    const conn = await Deno.connect({ hostname: "127.0.0.1", port });
    const drained = drain(conn);
    if (bytes.length > 0) {
      try {
        while (true) {
          for (let sent = 0; sent < bytes.length;) sent += await conn.write(bytes.subarray(sent));
        }
      } catch {
        await drained; // the server has ended the connection
      }
    }
    conn.close();
    await drained;
  }
}

if (import.meta.main) {
  const [port, name] = Deno.args as [string, string];
  const bytes = encoder.encode(
    { ...attacks, ...clientAttacks, ...httpAttacks }[name]!(Number(port)),
  );
  // deno-lint-ignore no-console
  console.error("attacking");
  await Promise.all(Array.from({ length: connections }, () => attack(Number(port), bytes)));
}
