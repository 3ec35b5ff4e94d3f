/**
 * The dashboard over HTTP: the page, its stream and its commands.
 *
 * @module
 */

import { type Address, parseIp } from "../../lib/wire/address.ts";
import { MensagemError } from "../../lib/mensagem.ts";
import { UnavailableError, UnknownOutcomeError } from "../../lib/client/errors.ts";
import type { FaultAction } from "../../lib/wire/events.ts";
import type { Answer } from "./clients.ts";
import page from "../page/page.html" with { type: "text" };
import style from "../page/page.css" with { type: "text" };
import diagramScript from "../page/diagram.js" with { type: "text" };
import geometryScript from "../page/geometry.js" with { type: "text" };
import handsScript from "../page/hands.js" with { type: "text" };
import pageScript from "../page/page.js" with { type: "text" };
import plotsScript from "../page/plots.js" with { type: "text" };
import readingsScript from "../page/readings.js" with { type: "text" };
import recordingScript from "../page/recording.js" with { type: "text" };
import stateScript from "../page/state.js" with { type: "text" };
import textsScript from "../page/texts.js" with { type: "text" };
import viewsScript from "../page/views.js" with { type: "text" };

/** Browsers that watch one dashboard at once. */
export const browsersMax = 32;

/** The body of a command that a browser sends to the dashboard. */
export const commandBytesMax = 64 * 1024;

/** Commands of browsers that are being carried out. */
export const commandsMax = 64;

/** What a browser may ask for. */
export interface Commands {
  /** Browsers that watch. */
  readonly browsers: number;
  /** The stream for one more. */
  subscribe(): ReadableStream<Uint8Array<ArrayBuffer>>;
  /** Writes as one of the clients, at a server or at one drawn at random. */
  put(client: number, key: string, value: string, server?: string): Promise<Answer>;
  /** Reads as one of the clients, at a server or at one drawn at random. */
  get(client: number, key: string, server?: string): Promise<Answer>;
  /** Disturbs the replication towards a follower. */
  fault(follower: string, action: FaultAction, delayMs?: number): Promise<void>;
  /** Plays the demonstration. */
  demo(): Promise<void>;
}

const javascript = "text/javascript; charset=utf-8";

const files: ReadonlyMap<string, readonly [type: string, text: string]> = new Map([
  ["/", ["text/html; charset=utf-8", page]],
  ["/page.css", ["text/css; charset=utf-8", style]],
  ["/page.js", [javascript, pageScript]],
  ["/diagram.js", [javascript, diagramScript]],
  ["/plots.js", [javascript, plotsScript]],
  ["/geometry.js", [javascript, geometryScript]],
  ["/hands.js", [javascript, handsScript]],
  ["/readings.js", [javascript, readingsScript]],
  ["/recording.js", [javascript, recordingScript]],
  ["/state.js", [javascript, stateScript]],
  ["/texts.js", [javascript, textsScript]],
  ["/views.js", [javascript, viewsScript]],
]);

const headers: Readonly<Record<string, string>> = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; " +
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; " +
    "require-trusted-types-for 'script'; trusted-types 'none'",
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
  "cache-control": "no-store, no-transform",
};

/** A request is refused, with a status of HTTP. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.name = "Refusal";
    this.status = status;
  }
}

/**
 * Listens, and answers the browsers, until the signal ends it at once.
 *
 * @throws {Deno.errors.AddrInUse} where the port is taken.
 * @throws {Deno.errors.AddrNotAvailable} where the address is not this machine's.
 */
export function serveHttp(
  { hostname, port }: Address,
  commands: Commands,
  signal: AbortSignal,
): Deno.HttpServer {
  return Deno.serve({ hostname, port, signal, onListen: () => {} }, dashboardHandler(commands));
}

/** What answers the browsers' requests. */
export function dashboardHandler(commands: Commands): (request: Request) => Promise<Response> {
  let working = 0;
  return async (request) => {
    try {
      checkOrigin(request);
      const { pathname } = new URL(request.url);
      if (request.method === "GET" || request.method === "HEAD") return show(pathname, commands);
      if (request.method !== "POST") throw new Refusal(405, `no ${request.method} here`);
      if (working >= commandsMax) throw new Refusal(503, "too many commands at once");
      working++;
      try {
        return json(200, await carryOut(pathname, await readBody(request), commands));
      } finally {
        working--;
      }
    } catch (error) {
      return explain(error);
    }
  };
}

/**
 * Lets only this page's own requests in.
 *
 * - A site that resolves its own name to this address (DNS rebinding) sends that name as the Host.
 *   An IP address, or localhost, is nobody's name.
 * - Another site's page sends its own Origin, or none and what it is to this one. It cannot forge
 *   them, so no token is needed; and it cannot send JSON without asking first.
 *
 * @throws {Refusal} where the request comes from elsewhere.
 */
function checkOrigin(request: Request): void {
  const host = request.headers.get("host") ?? "";
  if (parseIp(host.replace(/:\d{1,5}$/, "")) === undefined) {
    throw new Refusal(403, `the Host must be an IP address or localhost, not "${host}"`);
  }
  const origin = request.headers.get("origin");
  const site = request.headers.get("sec-fetch-site") ?? "same-origin";
  if (origin !== null && origin !== `http://${host}`) {
    throw new Refusal(403, `this is not for pages of ${origin}`);
  }
  // A person may follow a link to the page, or type its address.
  const opens = request.method === "GET" && request.headers.get("sec-fetch-mode") === "navigate";
  if (site !== "same-origin" && !opens) {
    throw new Refusal(403, "this is not for pages of other sites");
  }
  if (request.method !== "POST") return;
  if (origin === null) throw new Refusal(403, "a command must have an Origin");
  if (request.headers.get("content-type") !== "application/json") {
    throw new Refusal(415, "a command must be application/json");
  }
}

function show(pathname: string, commands: Commands): Response {
  if (pathname === "/events") {
    if (commands.browsers >= browsersMax) throw new Refusal(503, "too many browsers");
    return new Response(commands.subscribe(), {
      headers: { ...headers, "content-type": "text/event-stream" },
    });
  }
  const file = files.get(pathname);
  if (file === undefined) throw new Refusal(404, "there is nothing here");
  return new Response(file[1], { headers: { ...headers, "content-type": file[0] } });
}

/** The object that a request carries. Its length is checked before it is stored. */
async function readBody(request: Request): Promise<Readonly<Record<string, unknown>>> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > commandBytesMax) {
      throw new Refusal(413, `a command may have ${commandBytesMax} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  let body: unknown;
  try {
    body = JSON.parse(text + decoder.decode());
  } catch (cause) {
    throw new Refusal(400, `not JSON: ${(cause as Error).message}`);
  }
  if (typeof body !== "object" || body === null) throw new Refusal(400, "not a JSON object");
  return body as Record<string, unknown>;
}

async function carryOut(
  pathname: string,
  body: Readonly<Record<string, unknown>>,
  commands: Commands,
): Promise<unknown> {
  const text = (name: string) => {
    const field = body[name];
    if (typeof field !== "string") throw new Refusal(400, `"${name}" must be a string`);
    return field;
  };
  const number = (name: string) => {
    const field = body[name];
    if (typeof field !== "number" || !Number.isSafeInteger(field) || field < 0) {
      throw new Refusal(400, `"${name}" must be a whole number`);
    }
    return field;
  };
  const server = body.server === undefined ? undefined : text("server");
  switch (pathname) {
    case "/put":
      return await commands.put(number("client"), text("key"), text("value"), server);
    case "/get":
      return await commands.get(number("client"), text("key"), server);
    case "/fault": {
      const action = (["pause", "delay", "resume"] as const).find((one) => one === body.action);
      if (action === undefined) throw new Refusal(400, `"action" must be pause, delay or resume`);
      const delayMs = action === "delay" ? number("delayMs") : undefined;
      await commands.fault(text("follower"), action, delayMs);
      return {};
    }
    case "/demo":
      await commands.demo();
      return {};
    default:
      throw new Refusal(404, "there is nothing here");
  }
}

/** What went wrong, for the page: `error` says what became of a write. */
function explain(error: unknown): Response {
  const { message } = error as Error;
  if (error instanceof Refusal) return json(error.status, { error: "REFUSED", message });
  if (error instanceof MensagemError || error instanceof RangeError) {
    return json(400, { error: "BAD_MESSAGE", message });
  }
  if (error instanceof UnknownOutcomeError) {
    return json(504, { error: "UNKNOWN_OUTCOME", message, server: error.server });
  }
  const server = error instanceof UnavailableError ? { server: error.server } : {};
  return json(502, { error: "UNAVAILABLE", message, ...server });
}

function json(status: number, body: unknown): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, "content-type": "application/json" },
  });
}
