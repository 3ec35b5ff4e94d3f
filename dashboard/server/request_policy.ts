/**
 * Which requests the dashboard answers, by where they come from.
 *
 * A browser gives every open site a way to loopback, so a request may come from a page of any site:
 *
 * - In DNS rebinding another site makes its own name resolve to this address, and its pages send that
 *   name as the Host. So the Host must be an IP address or localhost, which no site can own.
 * - A page of another site sends its Origin, or at least Sec-Fetch-Site. It cannot forge them, so no
 *   token is needed. It cannot send JSON either, unless this server allows it in a preflight.
 * - Browsers leave out Sec-Fetch-Site where they do not trust the address: plain HTTP outside
 *   loopback. Then the Origin alone protects commands, and Accept tells a navigation from a stream.
 *
 * @module
 */

import { isWildcard, parseIp, unmapped } from "../../lib/wire/address.ts";

/** A request is refused, with this HTTP status and headers. */
export class HttpError extends Error {
  /** The HTTP status of the answer. */
  readonly status: number;
  /** More headers of the answer. */
  readonly headers: Readonly<Record<string, string>>;

  /** An error with this message. */
  constructor(status: number, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "HttpError";
    this.status = status;
    this.headers = headers;
  }
}

/** What a path is. A command changes something, a stream keeps a connection. */
export type PathKind = "page" | "file" | "stream" | "command";

/**
 * Checks where a request comes from.
 *
 * @throws {HttpError} if it may come from another site, and is not a link that opens the page.
 */
export function checkSource(request: Request, kind: PathKind): void {
  const { headers, method } = request;
  const host = checkHost(request);
  const origin = headers.get("origin");
  if (origin !== null && origin !== `http://${host}`) {
    throw new HttpError(403, `pages of ${origin} may not use this dashboard`);
  }
  const site = headers.get("sec-fetch-site");
  const mode = headers.get("sec-fetch-mode");
  const dest = headers.get("sec-fetch-dest") ?? "";
  const opensPage = kind === "page" && method === "GET" && mode === "navigate" &&
    (dest === "document" || dest === "");
  // "none" is a user who has typed the address.
  const typed = site === "none" && (kind === "page" || kind === "file");
  if (site !== null && site !== "same-origin" && !typed && !opensPage) {
    throw new HttpError(403, "pages of other sites may not use this dashboard");
  }
  if (kind === "stream" || kind === "command") checkScript(kind, mode, dest, headers);
  if (kind === "command" && method === "POST") {
    if (origin === null) throw new HttpError(403, "a command needs an Origin header");
    if (headers.get("content-type") !== "application/json") {
      throw new HttpError(415, "a command needs the content type application/json");
    }
  }
}

/** Whether the page was opened by another site, and not by a click of the user. */
export function isOpenedElsewhere({ headers }: Request): boolean {
  const site = headers.get("sec-fetch-site");
  return site !== null && site !== "same-origin" && site !== "none" &&
    headers.get("sec-fetch-user") !== "?1";
}

/** Checks the Host, and returns it. */
function checkHost({ headers }: Request): string {
  const host = headers.get("host") ?? "";
  const name = /^(\[[^\]]*\]|[^:]*)(?::\d{1,5})?$/.exec(host)?.[1] ?? "";
  const ip = parseIp(name);
  if (ip === undefined) {
    throw new HttpError(403, `the Host must be an IP address or localhost, not "${host}"`);
  }
  // Browsers take it for this machine, but do not say where a request to it comes from.
  if (isWildcard(unmapped(ip))) {
    throw new HttpError(403, `${name} is no address of a machine: open 127.0.0.1 or localhost`);
  }
  return host;
}

/** Checks that a script of the page has sent the request, as far as the browser says so. */
function checkScript(kind: PathKind, mode: string | null, dest: string, headers: Headers): void {
  const isScript = (mode === null || mode === "cors" || mode === "same-origin") &&
    (dest === "" || dest === "empty");
  const accept = headers.get("accept") ?? "";
  if (!isScript || (kind === "stream" && accept.includes("text/html"))) {
    throw new HttpError(403, "only a script of the page may ask for this");
  }
}
