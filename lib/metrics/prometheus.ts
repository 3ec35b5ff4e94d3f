/**
 * Metrics in the Prometheus text format.
 *
 * @module
 */

/** A metric with its current samples. */
export interface Metric {
  /** Its name, with the unit and `_total` as Prometheus prescribes. */
  readonly name: string;
  /** A counter only rises. The samples of a histogram are all of its parts. */
  readonly kind: "counter" | "gauge" | "histogram";
  /** Its description, in one line. */
  readonly help: string;
  /** Empty if the metric does not apply: a follower has no metrics of the leader. */
  readonly samples: readonly Sample[];
}

/** A value of a metric. */
export interface Sample {
  /** The number, in the metric's unit. */
  readonly value: number;
  /** The labels that distinguish it from the metric's other samples. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Which part of a histogram it is. */
  readonly suffix?: "_bucket" | "_sum" | "_count";
}

/** Metrics in the Prometheus text format, version 0.0.4. Leaves out metrics without samples. */
export function prometheusText(metrics: readonly Metric[]): string {
  return metrics.filter(({ samples }) => samples.length > 0)
    .map(({ name, kind, help, samples }) => {
      const lines = samples.map(({ suffix = "", labels = {}, value }) =>
        `${name}${suffix}${labelsText(labels)} ${numberText(value)}\n`
      );
      return `# HELP ${name} ${escape(help)}\n# TYPE ${name} ${kind}\n${lines.join("")}`;
    })
    .join("");
}

function labelsText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) =>
    `${name}="${escape(value).replaceAll('"', '\\"')}"`
  );
  return pairs.length === 0 ? "" : `{${pairs.join(",")}}`;
}

function escape(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll("\n", "\\n");
}

function numberText(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
