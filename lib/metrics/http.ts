/**
 * Metrics and health checks over HTTP. The entry module of this folder: a server imports it only if
 * it has a port for monitoring.
 *
 * @module
 */

import type { Address } from "../wire/address.ts";
import { type Metric, prometheusText } from "./prometheus.ts";

export { Metrics } from "./metrics.ts";

/** The server that the HTTP server monitors. */
export interface Monitored {
  /** The metrics with their current samples. */
  metrics(): readonly Metric[];
  /** Whether the server answers GETs from its table. */
  ready(): boolean;
}

/**
 * Serves `/metrics`, `/healthz` and `/readyz` until it is disposed of. Then it cuts off open requests.
 *
 * @throws {Deno.errors.AddrInUse} if the port is in use.
 * @throws {Deno.errors.AddrNotAvailable} if the address is not one of this machine.
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
    onListen: () => {}, // without it Deno prints a line
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
  // An invalid Host header makes the URL invalid.
  const pathname = URL.parse(request.url)?.pathname;
  const found = pathname === "/metrics" || pathname === "/healthz" || pathname === "/readyz";
  if (!found) return text(404, "not found. The paths are /metrics, /healthz and /readyz\n");
  if (request.method !== "GET") return text(405, "method not allowed. Use GET\n", { allow: "GET" });
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
