/**
 * How rates depend on the size of values, the number of connections, and the number of servers.
 *
 * @module
 */

import { grouped } from "../drawing.ts";
import type { Chart, Style } from "./plot.ts";
import { Shape } from "./shape.ts";
import type { Column, Figures } from "./tables.ts";

/** One value on the horizontal axis. */
export interface SweepPoint {
  /** The value. */
  readonly x: number;
  /** What the systems are started with. */
  readonly shape: Shape;
  /** The connections, and the requests in flight on each. */
  readonly column: Column;
}

/** A series of measurements. */
export interface Sweep {
  /** The flag that asks for it. */
  readonly name: "sizes" | "connections" | "cluster-sizes";
  /** What is on the horizontal axis. */
  readonly axis: string;
  /** The operations that depend on it. */
  readonly kinds: readonly ("GET" | "PUT")[];
  /** The points, in their order. */
  readonly points: readonly SweepPoint[];
}

/** The figures at one point. */
export interface Measured {
  /** The point. */
  readonly x: number;
  /** The figures of all systems. */
  readonly figures: readonly Figures[];
}

const busy: Column = [64, 1];
const usual = new Shape();

/** All sweeps. */
export const sweeps: readonly Sweep[] = [
  {
    name: "sizes",
    axis: "size of the value in bytes; 64 connections, 8 with 1 MiB",
    kinds: ["GET", "PUT"],
    points: [100, 1_000, 10_000, 60_000, 1024 * 1024].map((x) => ({
      x,
      shape: new Shape(x),
      column: x < 1024 * 1024 ? busy : [8, 1],
    })),
  },
  {
    name: "connections",
    axis: "connections with one request in flight, values of 100 bytes",
    kinds: ["GET", "PUT"],
    points: [1, 8, 64, 256, 1_000, 4_000].map((x) => ({
      x,
      shape: usual,
      column: [x, 1],
    })),
  },
  {
    name: "cluster-sizes",
    axis: "servers, all of which hold each write; 64 connections, values of 100 bytes",
    kinds: ["PUT"],
    points: [3, 5, 7].map((x) => ({ x, shape: new Shape(100, x), column: busy })),
  },
];

/** The systems of a sweep, by the names that `--only` takes. */
export const sweepSystems = [
  "echoes",
  "replication",
  "replication-lines",
  "redis",
  "these",
  "silent",
] as const;

/** The rows and lines, in their order. Other targets are not measured. */
const shown: readonly { kind: "GET" | "PUT"; name: string; style: Style }[] = [
  { kind: "GET", name: "Redis GET", style: "redis" },
  { kind: "GET", name: "JSON echo", style: "floor" },
  { kind: "GET", name: "JSON echo with lines", style: "floor dashed" },
  { kind: "GET", name: "these without lines", style: "ours" },
  { kind: "GET", name: "these servers", style: "ours dashed" },
  { kind: "PUT", name: "Redis SET + WAIT", style: "redis" },
  { kind: "PUT", name: "bare replication", style: "floor" },
  { kind: "PUT", name: "bare replication with lines", style: "floor dashed" },
  { kind: "PUT", name: "these without lines", style: "ours" },
  { kind: "PUT", name: "these servers", style: "ours dashed" },
];

/** The ratios below the rates. */
const ratios: readonly { kind: "GET" | "PUT"; of: string; to: string }[] = [
  { kind: "GET", of: "these servers", to: "JSON echo" },
  { kind: "GET", of: "these without lines", to: "JSON echo" },
  { kind: "GET", of: "JSON echo with lines", to: "JSON echo" },
  { kind: "GET", of: "these servers", to: "JSON echo with lines" },
  { kind: "GET", of: "these servers", to: "Redis GET" },
  { kind: "PUT", of: "these servers", to: "bare replication" },
  { kind: "PUT", of: "these without lines", to: "bare replication" },
  { kind: "PUT", of: "bare replication with lines", to: "bare replication" },
  { kind: "PUT", of: "these servers", to: "bare replication with lines" },
  { kind: "PUT", of: "these servers", to: "Redis SET + WAIT" },
];

/** The name without the number of replicas, which is another one at each point. */
function plainName(name: string): string {
  return name.replace(/(?<=WAIT) \d+$/, "");
}

/** Whether a sweep measures a target. */
export function takesPart({ kinds }: Sweep, kind: "GET" | "PUT", name: string): boolean {
  return kinds.includes(kind) &&
    shown.some((one) => one.kind === kind && one.name === plainName(name));
}

/** The rate of a system at a point; `undefined` if it was not measured, or too short for a reply. */
function rateOf({ figures }: Measured, kind: "GET" | "PUT", name: string): number | undefined {
  return figures.find((one) => one.kind === kind && plainName(one.name) === name)?.rate ||
    undefined;
}

/** A Markdown table of the rates and their ratios for each operation. */
export function sweepTables(sweep: Sweep, measured: readonly Measured[]): string {
  const rowOf = (cells: readonly string[]) => `| ${cells.join(" | ")} |\n`;
  return sweep.kinds.map((kind) => {
    const rates = shown.filter((one) => one.kind === kind).map(({ name }) => [
      name,
      ...measured.map((at) => textOf(rateOf(at, kind, name), grouped)),
    ]);
    const shares = ratios.filter((one) => one.kind === kind).map(({ of, to }) => [
      `${of} / ${to}`,
      ...measured.map((at) => {
        const [rate, other] = [rateOf(at, kind, of), rateOf(at, kind, to)];
        return textOf(rate === undefined || other === undefined ? undefined : rate / other, (
          ratio,
        ) => ratio.toFixed(2));
      }),
    ]);
    const rows = [...rates, ...shares].filter((row) => row.slice(1).some((cell) => cell !== ""));
    const head = [`${kind}/s by ${sweep.name}`, ...measured.map(({ x }) => grouped(x))];
    return rowOf(head) + rowOf(head.map((_, index) => index === 0 ? "---" : "--:")) +
      rows.map(rowOf).join("");
  }).join("\n");
}

function textOf(value: number | undefined, format: (value: number) => string): string {
  return value === undefined ? "" : format(value);
}

/** A chart for each operation, by the name of its file. */
export function sweepCharts(
  sweep: Sweep,
  measured: readonly Measured[],
): { readonly file: string; readonly chart: Chart }[] {
  return sweep.kinds.map((kind) => ({
    file: `${kind.toLowerCase()}-by-${sweep.name}.svg`,
    chart: {
      title: `${kind}s by ${sweep.name.replace("-", " ")}`,
      xLabel: sweep.axis,
      yLabel: "requests per second",
      xTicks: measured.map(({ x }) => ({ x, label: grouped(x) })),
      series: shown.filter((one) => one.kind === kind).map(({ name, style }) => ({
        name,
        style,
        points: measured.flatMap((at) => {
          const rate = rateOf(at, kind, name);
          return rate === undefined ? [] : [[at.x, rate] as const];
        }),
      })).filter(({ points }) => points.length > 0),
    },
  }));
}
