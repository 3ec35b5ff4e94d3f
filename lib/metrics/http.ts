/**
 * Metrics and health checks over HTTP. The entry module of this folder: a server imports it only if
 * it has a port for monitoring.
 *
 * @module
 */

import { HttpServer } from "../net/http_server.ts";
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

/** Connections to the port for monitoring. Prometheus needs one at a time. */
export const metricsConnectionsMax = 64;

/** Connections to it from one IP address, so that one address cannot take all. */
export const metricsConnectionsPerIpMax = 32;

/**
 * Serves `/metrics`, `/healthz` and `/readyz` until it is disposed of. Then it cuts off open requests.
 *
 * @param report takes a line for the operator, such as that a connection cannot be accepted.
 * @throws {Deno.errors.AddrInUse} if the port is in use.
 * @throws {Deno.errors.AddrNotAvailable} if the address is not one of this machine.
 */
export function serveMetrics(
  listen: Address,
  monitored: Monitored,
  report: (line: string) => void = () => {},
): AsyncDisposable & { readonly address: Address } {
  return new HttpServer(listen, {
    connectionsMax: metricsConnectionsMax,
    connectionsPerIpMax: metricsConnectionsPerIpMax,
    handle: (request) => answer(request, monitored),
    report,
  });
}

function answer(request: Request, monitored: Monitored): Response {
  // An invalid Host header makes the URL invalid.
  const pathname = URL.parse(request.url)?.pathname;
  const found = pathname === "/metrics" || pathname === "/healthz" || pathname === "/readyz";
  if (!found) return text(404, "not found. The paths are /metrics, /healthz and /readyz\n");
  const allow = "GET, HEAD, OPTIONS";
  if (request.method === "OPTIONS") return new Response(null, { status: 204, headers: { allow } });
  // The runtime sends the answer to a HEAD without its body.
  if (request.method !== "GET" && request.method !== "HEAD") {
    return text(405, `method not allowed. Use one of ${allow}\n`, { allow });
  }
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
