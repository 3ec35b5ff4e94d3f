/**
 * The upper bound for the rate of a server in Deno.
 *
 * - `echo.ts bare PORT` sends every chunk back.
 * - `echo.ts json PORT VALUE_BYTES` parses each line, looks up a key and replies, with one write for
 *   each chunk.
 * - `echo.ts lines PORT VALUE_BYTES` prints the line of each GET too.
 *
 * @module
 */

import { BareConsole } from "./bare_console.ts";
import { LinePeer } from "./line_peer.ts";

/** The table with the keys that are requested. */
function table(valueBytes: number): Map<string, string> {
  const value = "x".repeat(valueBytes);
  return new Map(
    Array.from({ length: 10_000 }, (_, n) => [`key:${`${n}`.padStart(12, "0")}`, value]),
  );
}

async function echoChunks(conn: Deno.TcpConn): Promise<void> {
  conn.setNoDelay(true);
  const bytes = new Uint8Array(64 * 1024);
  try {
    for (let count = await conn.read(bytes); count !== null; count = await conn.read(bytes)) {
      for (let sent = 0; sent < count;) sent += await conn.write(bytes.subarray(sent, count));
    }
  } catch {
    // The other end has closed the connection.
  }
  conn.close();
}

async function echoJson(
  conn: Deno.TcpConn,
  values: Map<string, string>,
  output?: BareConsole,
): Promise<void> {
  const peer = new LinePeer(conn);
  await peer.run((lines) => {
    let replies = "";
    for (const line of lines) {
      const { id, key, timestamp } = JSON.parse(line);
      const value = values.get(key);
      replies += `${JSON.stringify({ type: "GET_OK", id, key, value })}\n`;
      output?.print(
        `Cliente ${peer.name} GET key:${key} ts:${timestamp}. Meu ts é ${id}, portanto devolvendo ${value}\n`,
      );
    }
    peer.send(replies);
  });
}

const [kind, port, valueBytes] = Deno.args;
const values = table(Number(valueBytes));
const output = kind === "lines" ? new BareConsole() : undefined;
for await (const conn of Deno.listen({ hostname: "127.0.0.1", port: Number(port) })) {
  if (kind === "bare") echoChunks(conn);
  else echoJson(conn, values, output);
}
