/**
 * What a client of large values costs the clients of small ones.
 *
 * @module
 */

import { within } from "../../lib/client/deadlines.ts";
import { ServerConnection } from "../../lib/client/server_connection.ts";
import { Get, Put } from "../../lib/mensagem.ts";
import { type Address, formatAddress } from "../../lib/wire/address.ts";
import { Process } from "../process.ts";
import { ServerCluster } from "../server_cluster.ts";
import type { Finding } from "./finding.ts";
import type { Bounds } from "./measures.ts";

const connections = 64;
const largeBytes = 1024 * 1024;
const largeKeys = 16;
const rounds = 5;
const requestMsMax = 10_000;

/** The figures of a load that "bench/main.ts" prints. */
interface LoadReport {
  readonly violation: string | null;
  readonly get: { readonly p99Us: number };
  readonly put: { readonly p99Us: number };
}

/**
 * The 99th percentile of 64 connections with values of 100 bytes, without and with one client that
 * writes and reads values of 1 MiB, in turns.
 */
export async function measureBeside({ signal, seconds }: Bounds): Promise<Finding[]> {
  await using servers = await ServerCluster.start();
  const leader = servers.addresses[0]!;
  const alone: LoadReport[] = [];
  const beside: LoadReport[] = [];
  let large = 0;
  for (let round = 0; round < rounds; round++) {
    signal.throwIfAborted();
    alone.push(await smallLoad(leader, seconds));
    const over = new AbortController();
    const writing = writeLarge(leader, over.signal);
    beside.push(await smallLoad(leader, seconds).finally(() => over.abort()));
    large += await writing;
  }
  const findings: Finding[] = [
    { what: "requests of 1 MiB beside 64 clients", figure: large / rounds / seconds, unit: "/s" },
  ];
  for (const kind of ["get", "put"] as const) {
    const [before, during] = [alone, beside].map((reports) =>
      reports.map((one) => one[kind].p99Us / 1000).sort((a, b) => a - b)[rounds >> 1]!
    ) as [number, number];
    findings.push(
      { what: `${kind.toUpperCase()} of 100 bytes, p99 of 64 clients`, figure: before, unit: "ms" },
      { what: "  beside one that uses 1 MiB", figure: during, unit: "ms" },
      { what: "  ratio", figure: during / before, unit: "", atMost: 2 },
    );
  }
  return findings;
}

/** The load of another process, so that large values cost its client nothing. */
async function smallLoad(leader: Address, seconds: number): Promise<LoadReport> {
  const client = Process.deno([
    ...["run", "--no-prompt", "--allow-net", "bench/main.ts", `--servers=${formatAddress(leader)}`],
    ...["--put-ratio=0.5", `--connections=${connections}`, "--keys=1000", "--json"],
    ...["--warm-up=0.5", `--duration=${seconds}`],
  ], { group: true, out: "keep" });
  try {
    await client.code;
    const report = JSON.parse(client.screen) as LoadReport;
    if (report.violation !== null) throw new Error(report.violation);
    return report;
  } finally {
    await client.stop();
  }
}

/** Writes and reads large values until the signal, and checks each. Returns the number of requests. */
async function writeLarge(leader: Address, signal: AbortSignal): Promise<number> {
  const connection = new ServerConnection(leader);
  let requests = 0;
  try {
    for (let n = 0; !signal.aborted; n++) {
      const key = `large:${n % largeKeys}`;
      const value = `${n}.`.padEnd(largeBytes, "x");
      const { timestamp } = await connection.request(
        (id) => new Put(id, key, value),
        within(requestMsMax),
      );
      const read = await connection.request(
        (id) => new Get(id, key, timestamp),
        within(requestMsMax),
      );
      if (read.type !== "GET_OK" || read.value !== value) {
        throw new Error(`wrong answer to a GET of ${key}: ${read.type}`);
      }
      requests += 2;
    }
  } finally {
    connection.close();
    await connection.ended;
  }
  return requests;
}
