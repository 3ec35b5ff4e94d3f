/**
 * Metrics through the OpenTelemetry that is built into Deno.
 *
 * @module
 */

import type { Metric } from "./metrics.ts";

/** The little of OpenTelemetry's API that is used here. Deno has no types for it. */
export interface Meter {
  /** A counter that is asked for its value. */
  createObservableCounter(name: string, options: InstrumentOptions): Instrument;
  /** The same for what also falls. */
  createObservableGauge(name: string, options: InstrumentOptions): Instrument;
  /** Calls back before each export. */
  addBatchObservableCallback(callback: Observation, instruments: readonly Instrument[]): void;
}

/** What describes an instrument. */
export interface InstrumentOptions {
  /** What it says, in one line. */
  readonly description: string;
  /** Its unit, "" for none. */
  readonly unit: string;
}

/** What OpenTelemetry knows a metric by. */
export type Instrument = object;

/** Takes values. */
export type Observation = (result: {
  observe(of: Instrument, value: number, attributes: Readonly<Record<string, string>>): void;
}) => void;

/** Deno's meter; `undefined` where the process was not started with `OTEL_DENO=true`. */
export function otelMeter(): Meter | undefined {
  try {
    return Deno.telemetry.meterProvider.getMeter("kv");
  } catch {
    return undefined; // to look at the variable would need a permission
  }
}

/**
 * Gives a meter what `read` returns, at each export while the process runs. Histograms are left
 * out: OpenTelemetry takes those value by value, and not from who has counted already.
 */
export function exportMetrics(meter: Meter, read: () => readonly Metric[]): void {
  const instruments = new Map<string, Instrument>();
  for (const { name, kind, help, unit } of read()) {
    const options = { description: help, unit };
    if (kind === "counter") instruments.set(name, meter.createObservableCounter(name, options));
    if (kind === "gauge") instruments.set(name, meter.createObservableGauge(name, options));
  }
  meter.addBatchObservableCallback((result) => {
    for (const { name, samples } of read()) {
      const instrument = instruments.get(name);
      if (instrument === undefined) continue;
      for (const { value, labels = {} } of samples) result.observe(instrument, value, labels);
    }
  }, [...instruments.values()]);
}
