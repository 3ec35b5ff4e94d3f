/**
 * Metrics and health over HTTP, for monitoring.
 *
 * @module
 */

import type { Address } from "../wire/address.ts";
import { type Metric, prometheusText } from "./metrics.ts";

/** A server that is monitored. */
export interface Monitored {
  /** What is measured, now. */
  metrics(): readonly Metric[];
  /** It answers GETs from its table. */
  ready(): boolean;
}

/**
 * Serves `/metrics`, `/healthz` and `/readyz` until it is disposed of. What is under way then is
 * cut off.
 *
 * @throws {Deno.errors.AddrInUse} where the port is taken.
 * @throws {Deno.errors.AddrNotAvailable} where the address is not this machine's.
 */
export function serveMetrics(
  { hostname, port }: Address,
  monitored: Monitored,
): AsyncDisposable & { readonly address: Address } {
  const stop = new AbortController();
  const server = Deno.serve({
    hostname,
    port,
    signal: stop.signal,
    onListen: () => {}, // or Deno prints a line
  }, (request) => answer(request, monitored));
  return {
    address: { hostname, port: server.addr.port },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await server.finished;
    },
  };
}

function answer(request: Request, monitored: Monitored): Response {
  // A Host that is none makes no URL.
  const pathname = URL.parse(request.url)?.pathname;
  const found = pathname === "/metrics" || pathname === "/healthz" || pathname === "/readyz";
  if (!found) return text(404, "not found: there are /metrics, /healthz and /readyz\n");
  if (request.method !== "GET") return text(405, "only GET\n", { allow: "GET" });
  if (pathname === "/metrics") {
    const version = "text/plain; version=0.0.4; charset=utf-8";
    return text(200, prometheusText(monitored.metrics()), { "content-type": version });
  }
  if (pathname === "/healthz") return text(200, "ok\n");
  return monitored.ready() ? text(200, "ready\n") : text(503, "not synchronised yet\n");
}

function text(status: number, body: string, headers: Record<string, string> = {}): Response {
  const plain = { "content-type": "text/plain; charset=utf-8" };
  return new Response(body, { status, headers: { ...plain, ...headers } });
}
