/**
 * The dashboard over HTTP: the page, the event stream and the commands.
 *
 * @module
 */

import type { Address } from "../../lib/wire/address.ts";
import { HttpServer } from "../../lib/net/http_server.ts";
import { MensagemError } from "../../lib/mensagem.ts";
import {
  AccessError,
  InvalidArgumentError,
  UnavailableError,
  UnknownOutcomeError,
} from "../../lib/client/errors.ts";
import type { FaultAction } from "../../lib/wire/events.ts";
import type { Clients } from "./clients.ts";
import type { Feed } from "./feed.ts";
import { reasonCharsMax } from "../page/limits.js";
import { cut } from "./bounded_item.ts";
import { pageFiles, waitingPage } from "./page_files.ts";
import { checkSource, HttpError, isOpenedElsewhere, type PathKind } from "./request_policy.ts";

/** The longest body of a command. */
export const commandBytesMax = 64 * 1024;

/** Commands that may run at the same time. */
export const commandsMax = 96;

/** The same from one IP address. */
export const commandsPerIpMax = 64;

/** Connections to one dashboard: streams, commands, and files of the page. */
export const httpConnectionsMax = 256;

/** Connections to one dashboard from one IP address. */
export const httpConnectionsPerIpMax = 192;

/** What the HTTP handler needs from the dashboard. */
export interface Backend {
  /** The event stream. */
  readonly feed: Pick<Feed, "subscribe">;
  /** The clients that send PUTs and GETs. */
  readonly clients: Pick<Clients, "put" | "get">;
  /** Pauses, delays or resumes the replication to a follower. */
  fault(follower: string, action: FaultAction, delayMs?: number): Promise<void>;
  /** Plays a story to its end: the one with this id, or the default. */
  demo(story?: string): Promise<void>;
}

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

/** The paths of the commands. */
const commands: ReadonlySet<string> = new Set(["/put", "/get", "/fault", "/demo"]);

/** What a path is; a path that does not exist is a file. */
function kindOf(pathname: string): PathKind {
  if (pathname === "/") return "page";
  if (pathname === "/events") return "stream";
  return commands.has(pathname) ? "command" : "file";
}

/**
 * Listens and answers requests until it is disposed of. That closes all connections at once.
 *
 * @throws {Deno.errors.AddrInUse} if the port is in use.
 * @throws {Deno.errors.AddrNotAvailable} if the address is not one of this machine.
 */
export function serveHttp(
  listen: Address,
  backend: Backend,
  report: (line: string) => void,
): HttpServer {
  const handle = dashboardHandler(backend);
  return new HttpServer(listen, {
    connectionsMax: httpConnectionsMax,
    connectionsPerIpMax: httpConnectionsPerIpMax,
    handle,
    report,
  });
}

/** The handler of the browsers' requests. */
export function dashboardHandler(
  backend: Backend,
): (request: Request, ip?: string) => Promise<Response> {
  /** By IP address: the commands that are running. Has no entry for 0. */
  const running = new Map<string, number>();
  return async (request, ip = "") => {
    try {
      const { pathname } = new URL(request.url);
      const kind = kindOf(pathname);
      checkSource(request, kind);
      if (kind === "file" && !pageFiles.has(pathname)) throw notFound(pathname);
      const { method } = request;
      const allow = kind === "command" ? "POST, OPTIONS" : "GET, HEAD, OPTIONS";
      if (method === "OPTIONS") {
        return new Response(null, { status: 204, headers: { ...headers, allow } });
      }
      if (!allow.split(", ").includes(method)) {
        const reason = `${method} is not supported for ${pathname}, only ${allow}`;
        throw new HttpError(405, reason, { allow });
      }
      if (method !== "POST") return serve(request, pathname, backend, ip);
      const ofIp = running.get(ip) ?? 0;
      const all = running.values().reduce((sum, one) => sum + one, 0);
      if (all >= commandsMax || ofIp >= commandsPerIpMax) {
        throw new HttpError(
          503,
          `${all} commands are running, ${ofIp} of this address. The limits are ${commandsMax} ` +
            `and ${commandsPerIpMax}: try again later`,
        );
      }
      running.set(ip, ofIp + 1);
      try {
        return json(200, await runCommand(pathname, await readBody(request), backend));
      } finally {
        const left = running.get(ip)! - 1;
        if (left === 0) running.delete(ip);
        else running.set(ip, left);
      }
    } catch (error) {
      return errorResponse(error);
    }
  };
}

/**
 * Answers a GET or HEAD: a file of the page, or the event stream. The runtime sends the answer to a
 * HEAD without its body.
 */
function serve(request: Request, pathname: string, { feed }: Backend, ip: string): Response {
  if (pathname === "/events") {
    return new Response(request.method === "HEAD" ? null : feed.subscribe(ip), {
      headers: { ...headers, "content-type": "text/event-stream" },
    });
  }
  const waits = pathname === "/" && isOpenedElsewhere(request);
  const file = waits ? waitingPage : pageFiles.get(pathname);
  if (file === undefined) throw notFound(pathname);
  return new Response(file.text, { headers: { ...headers, "content-type": file.type } });
}

/** The JSON object in a request's body. Its length is checked before it is stored. */
async function readBody(request: Request): Promise<Readonly<Record<string, unknown>>> {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  let text = "";
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.byteLength;
    if (bytes > commandBytesMax) {
      throw new HttpError(413, `a command may have at most ${commandBytesMax} bytes`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  let body: unknown;
  try {
    body = JSON.parse(text + decoder.decode());
  } catch (cause) {
    throw new HttpError(400, `not JSON: ${(cause as Error).message}`);
  }
  if (typeof body !== "object" || body === null) throw new HttpError(400, "not a JSON object");
  return body as Record<string, unknown>;
}

/** Runs the command of a POST. Returns what the page gets as JSON. */
async function runCommand(
  pathname: string,
  body: Readonly<Record<string, unknown>>,
  backend: Backend,
): Promise<unknown> {
  const text = (name: string) => {
    const field = body[name];
    if (typeof field !== "string") throw new HttpError(400, `"${name}" must be a string`);
    return field;
  };
  const number = (name: string) => {
    const field = body[name];
    if (typeof field !== "number" || !Number.isSafeInteger(field) || field < 0) {
      throw new HttpError(400, `"${name}" must be a whole number, 0 or more`);
    }
    return field;
  };
  const server = body.server === undefined ? undefined : text("server");
  switch (pathname) {
    case "/put":
      return await backend.clients.put(number("client"), text("key"), text("value"), server);
    case "/get":
      return await backend.clients.get(number("client"), text("key"), server);
    case "/fault": {
      const action = (["pause", "delay", "resume"] as const).find((one) => one === body.action);
      if (action === undefined) {
        throw new HttpError(400, `"action" must be pause, delay or resume`);
      }
      const delayMs = action === "delay" ? number("delayMs") : undefined;
      await backend.fault(text("follower"), action, delayMs);
      return {};
    }
    case "/demo":
      await backend.demo(body.story === undefined ? undefined : text("story"));
      return {};
    default:
      throw notFound(pathname);
  }
}

function notFound(pathname: string): HttpError {
  return new HttpError(404, `${pathname} does not exist here`);
}

/** The response to a failed request. `error` tells the page whether a write may have happened. */
function errorResponse(error: unknown): Response {
  const message = cut((error as Error).message, reasonCharsMax);
  if (error instanceof HttpError) {
    return json(error.status, { error: "REFUSED", message }, error.headers);
  }
  const invalid = error instanceof MensagemError || error instanceof RangeError ||
    error instanceof InvalidArgumentError;
  if (invalid) {
    return json(400, { error: "BAD_MESSAGE", message });
  }
  if (error instanceof UnknownOutcomeError) {
    return json(504, { error: "UNKNOWN_OUTCOME", message, server: error.server });
  }
  const named = error instanceof UnavailableError || error instanceof AccessError;
  const server = named ? { server: error.server } : {};
  return json(502, { error: "UNAVAILABLE", message, ...server });
}

function json(
  status: number,
  body: unknown,
  more: Readonly<Record<string, string>> = {},
): Response {
  return new Response(JSON.stringify(body), {
    status,
    headers: { ...headers, "content-type": "application/json", ...more },
  });
}
