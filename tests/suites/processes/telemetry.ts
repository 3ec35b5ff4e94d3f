/**
 * What a real server process sends to an OpenTelemetry collector, with and without `OTEL_DENO`.
 *
 * Not named like a test, because it needs more than the network: `deno task test:processes` runs it.
 *
 * @module
 */

import { assert, assertEquals } from "@std/assert";
import { ServerProcess } from "../../../bench/server_process.ts";
import { eventually } from "../../support/waiting.ts";
import { Wire } from "../../support/wire_client.ts";

/** A data point of OTLP in JSON. */
interface Point {
  readonly asInt?: string;
  readonly asDouble?: number;
}

/** The fields of an export that the tests read. */
interface Export {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly {
      readonly scope: { readonly name: string };
      readonly metrics: readonly {
        readonly name: string;
        readonly sum?: { readonly dataPoints: readonly Point[] };
        readonly gauge?: { readonly dataPoints: readonly Point[] };
      }[];
    }[];
  }[];
}

/** Runs a server until `seen` is true of its exports; returns all of them by path. */
async function exportsOf(
  env: Record<string, string>,
  seen: (exports: ReadonlyMap<string, string[]>) => unknown,
): Promise<ReadonlyMap<string, string[]>> {
  const exports = new Map<string, string[]>();
  await using collector = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    async (request) => {
      const { pathname } = new URL(request.url);
      exports.set(pathname, [...exports.get(pathname) ?? [], await request.text()]);
      return Response.json({});
    },
  );
  const server = await ServerProcess.start({
    flags: ["--cluster-size=1"],
    env: {
      ...env,
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collector.addr.port}`,
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_METRIC_EXPORT_INTERVAL: "100",
    },
  });
  try {
    using client = await Wire.connect(server.address);
    const get = await client.ask({ type: "GET", id: 1, key: "k", timestamp: 0 });
    assertEquals(get.value, null);
    await eventually("it has exported enough", () => seen(exports) || undefined);
  } finally {
    assertEquals(await server.stop(), 0);
  }
  return exports;
}

/** The newest value of a server's metric. The last export of a process has none. */
function newest(exports: ReadonlyMap<string, string[]>, name: string): number | undefined {
  const points = (exports.get("/v1/metrics") ?? [])
    .flatMap((text) => (JSON.parse(text) as Export).resourceMetrics)
    .flatMap(({ scopeMetrics }) => scopeMetrics)
    .filter(({ scope }) => scope.name === "kv")
    .flatMap(({ metrics }) => metrics)
    .filter((metric) => metric.name === name)
    .flatMap(({ sum, gauge }) => (sum ?? gauge)!.dataPoints);
  const point = points.at(-1);
  return point && Number(point.asInt ?? point.asDouble);
}

Deno.test("with OTEL_DENO=true a server's metrics reach the collector", async () => {
  const exports = await exportsOf(
    { OTEL_DENO: "true" },
    (exports) => newest(exports, "kv_gets_total") === 1,
  );
  assertEquals(newest(exports, "kv_leader"), 1);
  assert(newest(exports, "process_resident_memory_bytes")! > 1024 * 1024);
});

Deno.test("without OTEL_DENO a server exports nothing, even with the other variables set", async () => {
  const startedAt = performance.now();
  const exports = await exportsOf({}, () => performance.now() - startedAt > 500);
  assertEquals([...exports.keys()], []);
});
