/**
 * The figures of two client libraries as Markdown tables.
 *
 * @module
 */

import { grouped } from "../drawing.ts";
import { medianOf } from "../peers/tables.ts";
import type { Kind, Outcome } from "./library.ts";

/** The figures of one library in one column: medians of its turns. */
export interface Figures {
  /** The library. */
  readonly name: string;
  /** The table that shows them. */
  readonly kind: Kind;
  /** The number of calls in flight. */
  readonly inFlight: number;
  /** Calls per second. */
  readonly rate: number;
  /** The processor time of the client for each call, in microseconds. */
  readonly cpuUs: number;
}

/** The medians of several turns. */
export function figuresOf(
  name: string,
  kind: Kind,
  inFlight: number,
  outcomes: readonly Outcome[],
): Figures {
  return {
    name,
    kind,
    inFlight,
    rate: medianOf(outcomes.map(({ calls, ms }) => calls / ms * 1000)),
    cpuUs: medianOf(outcomes.map(({ calls, cpuUs }) => cpuUs / calls)),
  };
}

/** Tables of rates, processor times and ratios, one for GET and one for PUT. */
export function tables(figures: readonly Figures[]): string {
  const texts: string[] = [];
  for (const kind of ["GET", "PUT"] as const) {
    const of = figures.filter((one) => one.kind === kind);
    if (of.length === 0) continue;
    const columns = [...new Set(of.map(({ inFlight }) => inFlight))];
    const names = [...new Set(of.map(({ name }) => name))];
    const row = (title: string, cell: (inFlight: number) => string) =>
      `| ${[title, ...columns.map(cell)].join(" | ")} |\n`;
    const find = (name: string, inFlight: number) =>
      of.find((one) => one.name === name && one.inFlight === inFlight);
    let text = row(`${kind}, calls in flight`, grouped) +
      `| --- | ${columns.map(() => "--:").join(" | ")} |\n`;
    for (const name of names) {
      text += row(`${name}, calls/s`, (n) => show(find(name, n)?.rate, grouped));
    }
    for (const name of names) {
      text += row(
        `${name}, processor time, µs`,
        (n) => show(find(name, n)?.cpuUs, (us) => us.toFixed(1)),
      );
    }
    const [first, ...others] = names;
    for (const other of others) {
      text += row(`${first} / ${other}, calls/s`, (n) => {
        const [one, two] = [find(first!, n), find(other, n)];
        return one === undefined || two === undefined ? "" : (one.rate / two.rate).toFixed(2);
      });
    }
    texts.push(text);
  }
  return texts.join("\n");
}

function show(figure: number | undefined, text: (figure: number) => string): string {
  return figure === undefined ? "" : text(figure);
}
