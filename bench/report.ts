/**
 * What came of a load, as text and as JSON.
 *
 * @module
 */

import { drawHistogram, duration, grouped, type Paint } from "./drawing.ts";
import type { Histogram } from "./histogram.ts";
import { describeErrors, type LoadResult, type Progress, ratePerSecond } from "./load.ts";

/** The latencies of one kind of request, in microseconds. */
export interface Latencies {
  /** How many. */
  readonly count: number;
  /** Half of them took no longer. */
  readonly p50Us: number;
  /** 99 of 100 took no longer. */
  readonly p99Us: number;
  /** 999 of 1,000 took no longer. */
  readonly p999Us: number;
  /** The longest. */
  readonly maxUs: number;
}

/** The figures of a histogram. */
export function latenciesOf(histogram: Histogram): Latencies {
  return {
    count: histogram.count,
    p50Us: histogram.percentileUs(0.5),
    p99Us: histogram.percentileUs(0.99),
    p999Us: histogram.percentileUs(0.999),
    maxUs: histogram.maxUs,
  };
}

/** A result as one object for JSON. */
export function jsonOf(result: LoadResult): Record<string, unknown> {
  const { elapsedMs, gets, puts, tryOther, errors, unsent, violation } = result;
  return {
    seconds: elapsedMs / 1000,
    rate: ratePerSecond(result),
    get: latenciesOf(gets),
    put: latenciesOf(puts),
    tryOther,
    errors: Object.fromEntries(errors),
    unsent,
    violation: violation ?? null,
  };
}

/** A result as a person reads it. */
export function textOf(result: LoadResult, openLoop: boolean, paint: Paint): string {
  const { elapsedMs, gets, puts, tryOther, errors, unsent, violation } = result;
  const lines = [
    `${grouped(ratePerSecond(result))} requests/s for ${(elapsedMs / 1000).toFixed(1)} s, latency ${
      openLoop ? "from the time when each was due" : "from the sending of each"
    }`,
  ];
  for (const [name, histogram] of [["GET", gets], ["PUT", puts]] as const) {
    if (histogram.count === 0) continue;
    const { count, p50Us, p99Us, p999Us, maxUs } = latenciesOf(histogram);
    lines.push(
      "",
      `${name} ${grouped(count)}: p50 ${duration(p50Us)}, p99 ${duration(p99Us)}, p999 ${
        duration(p999Us)
      }, max ${duration(maxUs)}`,
      drawHistogram(histogram, paint).trimEnd(),
    );
  }
  lines.push("");
  if (tryOther > 0) lines.push(`TRY_OTHER_SERVER_OR_LATER: ${grouped(tryOther)} GETs`);
  if (errors.size > 0) lines.push(`errors: ${describeErrors(errors)}`);
  if (unsent > 0) lines.push(`due and never sent: ${grouped(unsent)}; the latencies lack these`);
  lines.push(
    violation === undefined
      ? "every answer checked: none older than seen, only values that were written"
      : `VIOLATION: ${violation}`,
  );
  return `${lines.join("\n")}\n`;
}

/** The line that shows how far a load is. */
export function progressLine({ answers, elapsedMs, durationMs }: Progress): string {
  if (elapsedMs < 0) return "warming up";
  const share = Math.min(1, elapsedMs / durationMs);
  return `${Math.round(share * 100)} % ${grouped(answers)} answers, ${
    grouped(answers / Math.max(1, elapsedMs) * 1000)
  } requests/s`;
}
