/**
 * Line charts as SVG, readable on a light and on a dark page.
 *
 * @module
 */

import { grouped } from "../drawing.ts";

/** One line of a chart. */
export interface Series {
  /** The label at the end of the line. */
  readonly name: string;
  /** The class of its colour, and whether it is dashed. */
  readonly style: Style;
  /** The points, in the order of x. Both numbers are above 0. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** The colours. Lines of the same colour differ by dashes. */
export type Style = "ours" | "ours dashed" | "floor" | "floor dashed" | "redis";

/** A chart. Both axes are logarithmic. */
export interface Chart {
  /** The text above it. */
  readonly title: string;
  /** What is on the horizontal axis. */
  readonly xLabel: string;
  /** What is on the vertical axis. */
  readonly yLabel: string;
  /** The values on the horizontal axis that have a label. */
  readonly xTicks: readonly { readonly x: number; readonly label: string }[];
  /** The lines. */
  readonly series: readonly Series[];
}

const [width, height] = [800, 440];
/** The area of the lines. Labels are to the right of it. */
const area = { left: 76, right: 590, top: 48, bottom: 384 } as const;
/** The least distance between two labels, in pixels. */
const labelGap = 17;

const css = `
  text { font: 13px system-ui, sans-serif; fill: #1f2328 }
  .title { font-size: 16px; font-weight: 600 }
  .page { fill: #ffffff }
  .grid { stroke: #d1d9e0; stroke-width: 1 }
  .line { fill: none; stroke-width: 2.5; stroke-linejoin: round }
  .dashed { stroke-dasharray: 6 4 }
  .ours { stroke: #0969da } .floor { stroke: #1a7f37 } .redis { stroke: #bc4c00 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 }
    .page { fill: #0d1117 }
    .grid { stroke: #3d444d }
    .ours { stroke: #58a6ff } .floor { stroke: #3fb950 } .redis { stroke: #f0883e }
  }
`;

/**
 * Draws a chart.
 *
 * @throws {RangeError} if it has no point, or one that has no logarithm.
 */
export function drawChart({ title, xLabel, yLabel, xTicks, series }: Chart): string {
  const points = series.flatMap((one) => one.points);
  if (points.length === 0) throw new RangeError(`Cannot draw "${title}": it has no points`);
  const bad = points.find(([x, y]) => !(x > 0 && y > 0 && x + y < Infinity));
  if (bad !== undefined) throw new RangeError(`Cannot draw "${title}": no logarithm of ${bad}`);
  const yTicks = ticksAround(points.map(([, y]) => y));
  const x = scale(points.map(([one]) => one), area.left, area.right);
  const y = scale(yTicks, area.bottom, area.top);
  const names = spread(series.map(({ points }) => y(points.at(-1)![1])));
  const parts = [
    `<rect class="page" width="${width}" height="${height}"/>`,
    text(area.left, 26, title, "title"),
    ...yTicks.flatMap((tick) => [
      line(area.left, y(tick), area.right, y(tick)),
      text(area.left - 8, y(tick) + 4, grouped(tick), "", "end"),
    ]),
    ...xTicks.flatMap((tick) => [
      line(x(tick.x), area.top, x(tick.x), area.bottom),
      text(x(tick.x), area.bottom + 20, tick.label, "", "middle"),
    ]),
    text((area.left + area.right) / 2, height - 12, xLabel, "", "middle"),
    text(area.left, 42, yLabel),
    ...series.flatMap(({ name, style, points }, index) => [
      `<polyline class="line ${style}" points="${
        points.map(([px, py]) => `${round(x(px))},${round(y(py))}`).join(" ")
      }"/>`,
      `<path class="line ${style}" d="M${area.right + 8} ${round(names[index]!)}h22"/>`,
      text(area.right + 36, names[index]! + 4, name),
    ]),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" ` +
    `aria-label="${escaped(title)}">\n<style>${css}</style>\n${parts.join("\n")}\n</svg>\n`;
}

/** Places values on a line of pixels by their logarithm. */
function scale(values: readonly number[], from: number, to: number): (value: number) => number {
  const [low, high] = [Math.log(Math.min(...values)), Math.log(Math.max(...values))];
  const span = high - low || 1;
  return (value) => from + (Math.log(value) - low) / span * (to - from);
}

/** The numbers 1, 2 and 5 times a power of ten, from the last one below the values to the first above. */
export function ticksAround(values: readonly number[]): number[] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const all: number[] = [];
  for (
    let exponent = Math.floor(Math.log10(low)) - 1;
    all.at(-1) === undefined || all.at(-1)! < high;
  ) {
    for (const digit of [1, 2, 5]) all.push(Number(`${digit}e${exponent}`));
    exponent++;
  }
  const first = all.findLastIndex((tick) => tick <= low);
  return all.slice(Math.max(0, first), all.findIndex((tick) => tick >= high) + 1);
}

/** Moves labels apart, up or down, as little as is needed. Keeps their order. */
export function spread(places: readonly number[]): number[] {
  const order = places.map((place, index) => ({ place, index })).sort((a, b) => a.place - b.place);
  const lowest = area.bottom - labelGap * (places.length - 1);
  let least = area.top;
  const moved: number[] = [];
  for (const [rank, { place, index }] of order.entries()) {
    const place2 = Math.min(Math.max(place, least), lowest + labelGap * rank);
    moved[index] = place2;
    least = place2 + labelGap;
  }
  return moved;
}

function line(x1: number, y1: number, x2: number, y2: number): string {
  const [a, b, c, d] = [x1, y1, x2, y2].map(round);
  return `<line class="grid" x1="${a}" y1="${b}" x2="${c}" y2="${d}"/>`;
}

function text(x: number, y: number, content: string, className = "", anchor = "start"): string {
  const kind = className === "" ? "" : ` class="${className}"`;
  return `<text x="${round(x)}" y="${round(y)}"${kind} text-anchor="${anchor}">${
    escaped(content)
  }</text>`;
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}

function escaped(content: string): string {
  const names: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", '"': "&quot;" };
  return content.replace(/[&<"]/g, (one) => names[one]!);
}
