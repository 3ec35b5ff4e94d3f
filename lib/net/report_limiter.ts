/**
 * A limit on the lines that peers can cause on standard error.
 *
 * @module
 */

/** Lines on one topic that are written in one period. The others are counted. */
export const linesMax = 30;

/** The same for a topic whose lines servers of the cluster cause, or clients that may hold them up. */
export const serverLinesMax = 1_000;

/** The length of a period. */
export const periodMs = 60_000;

/** A count is written earlier if for this time nothing came on its topic: its last line may matter. */
export const quietMs = 1_000;

/** A longer line is cut, in UTF-16 units. */
export const lineCharsMax = 4_096;

/** What was reported on one topic in the present period. */
interface Topic {
  sinceMs: number;
  /** When `last` came. */
  lastMs: number;
  written: number;
  /** Lines that were only counted, since `moreSinceMs`. */
  more: number;
  moreSinceMs: number;
  /** The last line, written or counted. */
  last: string;
  /** How many lines before `last` in this period were equal to it, and itself. */
  equal: number;
}

/** The settings of a limiter. */
export interface ReportLimits<Name extends string = string> {
  /** By topic, where it is not {@linkcode linesMax}. */
  readonly linesMax?: Readonly<Partial<Record<Name, number>>>;
  /** See {@linkcode periodMs}. */
  readonly periodMs?: number;
  /** The time in milliseconds. */
  readonly now?: () => number;
}

/**
 * Passes lines on, and counts those of a topic that are too many in a minute.
 *
 * - A topic is a kind of line, whatever addresses and texts of peers are in it. So lines that all
 *   differ are limited too, and topics do not crowd each other out.
 * - A line that is equal to the one before on its topic is only counted.
 * - The count is written once the topic is quiet, or at the end of the period:
 *   `refused: 1970 more lines in the last 60 s, the last one: …`.
 * - Memory is bounded by the number of topics, which the program chooses and no peer does.
 */
export class ReportLimiter<Name extends string> {
  readonly #write: (line: string) => void;
  readonly #linesMax: ReportLimits<Name>["linesMax"];
  readonly #periodMs: number;
  readonly #now: () => number;
  readonly #topics = new Map<Name, Topic>();

  /** A limiter that passes lines on to `write`. */
  constructor(write: (line: string) => void, limits: ReportLimits<Name> = {}) {
    this.#write = write;
    this.#linesMax = limits.linesMax;
    this.#periodMs = limits.periodMs ?? periodMs;
    this.#now = limits.now ?? (() => performance.now());
  }

  /** The function that reports lines on one topic. `equalMax` equal ones in a row are written. */
  about(name: Name, equalMax = 1): (line: string) => void {
    return (line) => this.report(line, name, equalMax);
  }

  /** Writes a line, or counts it. */
  report(line: string, name: Name, equalMax = 1): void {
    this.#endPeriod(name);
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      const sinceMs = this.#now();
      const none = { written: 0, more: 0, moreSinceMs: 0, last: "", equal: 0 };
      topic = { sinceMs, lastMs: sinceMs, ...none };
      this.#topics.set(name, topic);
    }
    const text = line.length <= lineCharsMax ? line : `${line.slice(0, lineCharsMax)}…`;
    topic.equal = text === topic.last ? topic.equal + 1 : 1;
    topic.last = text;
    topic.lastMs = this.#now();
    const max = this.#linesMax?.[name] ?? linesMax;
    if (topic.written >= max || topic.equal > equalMax) {
      if (topic.more++ === 0) topic.moreSinceMs = topic.lastMs;
    } else {
      topic.written++;
      this.#write(text);
    }
  }

  /** Writes the counts that are due. To be called about once a second. */
  tick(): void {
    for (const [name, topic] of this.#topics) {
      if (this.#now() - topic.lastMs >= quietMs) this.#writeCount(name, topic);
      this.#endPeriod(name);
    }
  }

  /** Writes all counts. */
  close(): void {
    for (const name of this.#topics.keys()) this.#endPeriod(name, 0);
  }

  #endPeriod(name: Name, afterMs = this.#periodMs): void {
    const topic = this.#topics.get(name);
    if (topic === undefined || this.#now() - topic.sinceMs < afterMs) return;
    this.#topics.delete(name);
    this.#writeCount(name, topic);
  }

  #writeCount(name: Name, topic: Topic): void {
    const { more, moreSinceMs, last } = topic;
    if (more === 0) return;
    topic.more = 0;
    const seconds = Math.max(1, Math.round((this.#now() - moreSinceMs) / 1_000));
    const lines = more === 1 ? "line" : "lines";
    this.#write(`${name}: ${more} more ${lines} in the last ${seconds} s, the last one: ${last}`);
  }
}
