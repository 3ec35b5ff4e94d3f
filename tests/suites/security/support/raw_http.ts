/**
 * HTTP requests byte by byte: `fetch` refuses to send what an attack needs.
 *
 * @module
 */

import type { Address } from "../../../../lib/wire/address.ts";

const answerCharsMax = 1024 * 1024;
/** An endless answer is cut off here. */
const answerMs = 1_000;

/** An answer. */
export interface Answer {
  /** The status; 0 if the connection ended without an answer. */
  readonly status: number;
  /** The head, in lower case. */
  readonly head: string;
  readonly body: string;
}

/** A request as its lines. The header `host` is the address, if it is not given. */
export interface RawRequest {
  readonly method?: string;
  /** What stands in the first line. */
  readonly target?: string;
  readonly version?: string;
  /** Names and values. A name with several values is sent as often; without one it is left out. */
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: string;
}

/** Sends a request, and reads the answer to its end. An endless one is cut off after a second. */
export async function ask(
  { hostname, port }: Address,
  { method = "GET", target = "/", version = "1.1", headers = {}, body = "" }: RawRequest = {},
): Promise<Answer> {
  const length = body === ""
    ? {}
    : { "content-length": `${new TextEncoder().encode(body).length}` };
  const all = { host: `${hostname}:${port}`, ...length, ...headers };
  const lines = Object.entries(all).flatMap(([name, values]) =>
    [values].flat().map((value) => `${name}: ${value}\r\n`)
  );
  return await send(
    { hostname, port },
    `${method} ${target} HTTP/${version}\r\n${lines.join("")}\r\n${body}`,
  );
}

/** Sends any text, and reads the answer. */
export async function send({ hostname, port }: Address, text: string): Promise<Answer> {
  const conn = await Deno.connect({ hostname, port });
  let open = true;
  const close = () => {
    if (open) conn.close();
    open = false;
  };
  const timer = setTimeout(close, answerMs);
  const decoder = new TextDecoder();
  const buffer = new Uint8Array(64 * 1024);
  let answer = "";
  try {
    await conn.write(new TextEncoder().encode(text));
    while (answer.length < answerCharsMax) {
      const count = await conn.read(buffer);
      if (count === null) break;
      answer += decoder.decode(buffer.subarray(0, count), { stream: true });
    }
  } catch { // cut off by one of the two ends
  } finally {
    clearTimeout(timer);
    close();
  }
  const [head = "", ...rest] = answer.split("\r\n\r\n");
  const status = Number(/^HTTP\/1\.[01] (\d{3})/.exec(head)?.[1] ?? 0);
  return { status, head: head.toLowerCase(), body: rest.join("\r\n\r\n") };
}
