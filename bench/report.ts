/**
 * The result of a load, as text and as JSON.
 *
 * @module
 */

import { drawHistogram, duration, grouped, type Paint } from "./drawing.ts";
import type { Histogram } from "./histogram.ts";
import { escapeControls } from "../lib/cli/escape.ts";
import { describeErrors, type LoadResult, type Progress, ratePerSecond } from "./load.ts";

/** The latencies of one kind of request, in microseconds. */
export interface Latencies {
  /** The number of requests. */
  readonly count: number;
  /** The median. */
  readonly p50Us: number;
  /** The 99th percentile. */
  readonly p99Us: number;
  /** The 99.9th percentile. */
  readonly p999Us: number;
  /** The maximum. */
  readonly maxUs: number;
}

/** The latencies in a histogram. */
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

/** A result as text. */
export function textOf(result: LoadResult, openLoop: boolean, paint: Paint): string {
  const { elapsedMs, gets, puts, tryOther, errors, unsent, violation } = result;
  const lines = [
    `${grouped(ratePerSecond(result))} requests/s for ${(elapsedMs / 1000).toFixed(1)} s, latency ${
      openLoop ? "from the time each was due" : "from the sending of each"
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
  if (errors.size > 0) lines.push(`errors: ${escapeControls(describeErrors(errors))}`);
  if (unsent > 0) {
    lines.push(`due but never sent: ${grouped(unsent)}, which are not in the latencies`);
  }
  lines.push(
    violation === undefined
      ? "every answer checked: no older timestamp, no value that was not written"
      : `VIOLATION: ${escapeControls(violation)}`,
  );
  return `${lines.join("\n")}\n`;
}

/** The progress as a line. */
export function progressLine({ answers, elapsedMs, durationMs }: Progress): string {
  if (elapsedMs < 0) return "warming up";
  const share = Math.min(1, elapsedMs / durationMs);
  return `${Math.round(share * 100)} % ${grouped(answers)} answers, ${
    grouped(answers / Math.max(1, elapsedMs) * 1000)
  } requests/s`;
}
