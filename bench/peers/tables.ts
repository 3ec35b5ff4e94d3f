/**
 * The figures as Markdown tables, with targets beside the ratios.
 *
 * @module
 */

import { duration, grouped } from "../drawing.ts";

/** The connections, and the requests in flight on each. */
export type Column = readonly [connections: number, inFlight: number];

/** The figures of a system in one column. */
export interface Figures {
  /** The name in the table. */
  readonly name: string;
  /** The table that shows them. */
  readonly kind: "GET" | "PUT";
  /** The column. */
  readonly column: Column;
  /** Replies per second. */
  readonly rate: number;
  /** The median latency, in microseconds. */
  readonly p50Us: number;
  /** The 99th percentile of latencies, in microseconds. */
  readonly p99Us: number;
}

/** A ratio of two systems, and its target in each column. */
interface Ratio {
  readonly kind: "GET" | "PUT";
  readonly of: string;
  readonly to: string;
  readonly what: "rate" | "p99Us";
  readonly targets: Readonly<Record<string, string>>;
}

const ratios: readonly Ratio[] = [
  {
    kind: "GET",
    of: "these servers",
    to: "JSON echo",
    what: "rate",
    targets: { "1": "0.95", "8": "0.95", "64": "0.95", "64 × 16": "1.2" },
  },
  { kind: "GET", of: "these servers", to: "JSON echo with lines", what: "rate", targets: {} },
  {
    kind: "GET",
    of: "these servers",
    to: "these without lines",
    what: "rate",
    targets: inEachColumn("0.85", "64 × 16"),
  },
  { kind: "GET", of: "these servers", to: "bare echo", what: "rate", targets: {} },
  { kind: "GET", of: "these servers", to: "Redis GET", what: "rate", targets: {} },
  {
    kind: "GET",
    of: "these servers",
    to: "etcd serializable GET",
    what: "rate",
    targets: { "8": "5", "64": "5" },
  },
  {
    kind: "GET",
    of: "these servers",
    to: "ZooKeeper getData",
    what: "rate",
    targets: { "8": "1.5", "64": "1.5" },
  },
  {
    kind: "GET",
    of: "these servers",
    to: "Redis GET",
    what: "p99Us",
    targets: { "64": "at most 1.25" },
  },
  {
    kind: "PUT",
    of: "these servers",
    to: "bare replication",
    what: "rate",
    targets: inEachColumn("0.95", "8 × 16"),
  },
  {
    kind: "PUT",
    of: "these servers",
    to: "bare replication with lines",
    what: "rate",
    targets: {},
  },
  {
    kind: "PUT",
    of: "these servers",
    to: "these without lines",
    what: "rate",
    targets: inEachColumn("0.85", "8 × 16"),
  },
  {
    kind: "PUT",
    of: "these servers",
    to: "Redis SET + WAIT 2",
    what: "rate",
    targets: { "1": "0.75", "8": "0.85", "64": "1.1", "8 × 16": "3 × its best" },
  },
  {
    kind: "PUT",
    of: "these servers",
    to: "etcd PUT",
    what: "rate",
    targets: { "1": "2", "8": "3.5", "64": "4" },
  },
  {
    kind: "PUT",
    of: "these servers",
    to: "ZooKeeper setData",
    what: "rate",
    targets: { "1": "1.7", "8": "2", "64": "2.2" },
  },
  { kind: "PUT", of: "durable", to: "these servers", what: "rate", targets: { "64": "0.6" } },
  { kind: "GET", of: "on etcd", to: "these servers", what: "rate", targets: {} },
  { kind: "GET", of: "on etcd", to: "etcd serializable GET", what: "rate", targets: {} },
  { kind: "PUT", of: "on etcd", to: "these servers", what: "rate", targets: {} },
  { kind: "PUT", of: "on etcd", to: "etcd PUT", what: "rate", targets: {} },
  {
    kind: "PUT",
    of: "these, via a follower",
    to: "these servers",
    what: "rate",
    targets: inEachColumn("0.7", "8 × 16"),
  },
  {
    kind: "PUT",
    of: "these servers",
    to: "Redis SET + WAIT 2",
    what: "p99Us",
    targets: { "64": "at most 1.25" },
  },
];

function inEachColumn(target: string, last: string): Readonly<Record<string, string>> {
  return Object.fromEntries(["1", "8", "64", "256", last].map((column) => [column, target]));
}

/** The median: the middle value, or the mean of the two in the middle. */
export function medianOf(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** The tables of rates, 99th percentiles and ratios, for GET and PUT. */
export function tables(figures: readonly Figures[]): string {
  const texts: string[] = [];
  for (const kind of ["GET", "PUT"] as const) {
    const of = figures.filter((one) => one.kind === kind);
    if (of.length === 0) continue;
    const columns = [...new Set(of.map(({ column }) => columnName(column)))];
    const names = [...new Set(of.map(({ name }) => name))];
    const cells = (show: (figures: Figures) => string) =>
      names.map((name) => [
        name,
        ...columns.map((column) => {
          const one = find(of, name, column);
          return one === undefined ? "" : show(one);
        }),
      ]);
    const head = (title: string) => [title, ...columns];
    texts.push(
      table(head(`${kind}, requests/s`), cells(({ rate }) => grouped(rate))),
      table(head(`${kind}, p99 (target)`), cells(p99Of)),
      table(
        head(`${kind}, ratio (target)`),
        ratios.filter((ratio) => ratio.kind === kind).flatMap((ratio) =>
          ratioRow(ratio, of, columns)
        ),
      ),
    );
  }
  return texts.join("\n") + "\n";
}

function p99Of({ name, column, p99Us }: Figures): string {
  const target = name === "these servers" && columnName(column) === "256" ? " (at most 15 ms)" : "";
  return duration(p99Us) + target;
}

/** The row of a ratio. No row if one of the two systems was not measured. */
function ratioRow(
  { of, to, what, targets }: Ratio,
  figures: readonly Figures[],
  columns: readonly string[],
): string[][] {
  const peer = figures.filter(({ name }) => name === to);
  if (peer.length === 0 || !figures.some(({ name }) => name === of)) return [];
  const cells = columns.map((column) => {
    const target = targets[column];
    const one = find(figures, of, column);
    const best = target?.endsWith("its best");
    const other = best
      ? Math.max(...peer.map(({ rate }) => rate))
      : find(figures, to, column)?.[what];
    if (one === undefined || other === undefined) return "";
    const ratio = (one[what] / other).toFixed(2);
    return target === undefined ? ratio : `${ratio} (${target})`;
  });
  return [[`${what === "rate" ? "" : "p99: "}${of} / ${to}`, ...cells]];
}

function find(figures: readonly Figures[], name: string, column: string): Figures | undefined {
  return figures.find((one) => one.name === name && columnName(one.column) === column);
}

function columnName([connections, inFlight]: Column): string {
  return inFlight === 1 ? `${connections}` : `${connections} × ${inFlight}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return line(head) + line(head.map((_, index) => index === 0 ? "---" : "--:")) +
    rows.map(line).join("");
}
