/**
 * An output stream of the process whose reader cannot hold up the program.
 *
 * @module
 */

import { FrameQueue, type Frames, sizeOf } from "../wire/frames.ts";

/** How long a text waits for an earlier one on the other stream, in milliseconds. */
const orderMsMax = 50;

/**
 * The first and the largest size of the buffer through which text is written, in bytes. One buffer
 * is written in a turn of the event loop: much text needs a large one.
 */
const bufferBytes: Readonly<Record<"first" | "max", number>> = { first: 128 * 1024, max: 1 << 20 };

const LF = 10;
const encoder = new TextEncoder();

/**
 * Encodes text as `TextEncoder.encodeInto` does, faster for the lines of a server.
 *
 * Those lines are ASCII, except the "é" in each line of a GET. V8 takes 680 ns for a line with a
 * letter outside ASCII; this function takes 220 ns.
 */
export function encodeLines(
  text: string,
  bytes: Uint8Array<ArrayBuffer>,
): TextEncoderEncodeIntoResult {
  const ascii = text.replaceAll("é", "\0\0"); // as many characters as its UTF-8 has bytes
  if (ascii.length > bytes.length || text.includes("\0")) return encoder.encodeInto(text, bytes);
  const { read, written } = encoder.encodeInto(ascii, bytes);
  if (read !== ascii.length || written !== read) return encoder.encodeInto(text, bytes);
  for (let at = ascii.indexOf("\0"); at >= 0; at = ascii.indexOf("\0", at + 2)) {
    bytes[at] = 0xc3;
    bytes[at + 1] = 0xa9;
  }
  return { read: text.length, written };
}

/** A stream of bytes. */
export interface ByteSink {
  /** Writes all bytes. Resolves with `false` if it is not known which of them were written. */
  write(bytes: Uint8Array): Promise<boolean>;
  /** Writes all bytes before it returns. Set once the stream is known to be a file. */
  readonly writeSync?: ((bytes: Uint8Array) => void) | undefined;
}

/** Lines that were dropped. */
export interface DroppedLines {
  /** The number of lines. */
  lines: number;
  /** When the first one was dropped. */
  readonly from: Date;
  /** When the last one was dropped. */
  to: Date;
}

/** How an output treats its reader. */
export interface OutputOptions {
  /** Most text that waits to be written: UTF-16 units, and bytes of long values. */
  readonly unsentCharsMax: number;
  /** Called when the stream fails, unless its reader closed it. */
  readonly onFailure?: (error: Error) => void;
  /** Called when the reader has taken everything after lines were dropped. */
  readonly onResume?: () => void;
}

/**
 * One output stream of the process.
 *
 * - `write` returns at once. The texts are written in their order, in the background.
 * - A reader that stops costs at most `unsentCharsMax` of memory. Texts that do not fit are dropped
 *   whole, and their lines counted. After the first of them all texts are dropped until everything
 *   that waits is written. So the missing lines are one gap.
 * - A text of any length is accepted if none waits.
 * - A file has no reader. Its texts are written at once, and none is dropped.
 */
export class Output {
  /** Whether nothing more can be written. */
  closed = false;
  /** Why writing failed; `undefined` if it did not, or if the reader closed the pipe. */
  failure: Error | undefined;
  readonly #stream: ByteSink;
  readonly #options: OutputOptions;
  #buffer = new Uint8Array(bufferBytes.first);
  /** What the background task has not taken yet. */
  #waiting = new FrameQueue(encodeLines);
  /** What the task writes now, without what is in the buffer. */
  #taken = new FrameQueue(encodeLines);
  /** The size of `#waiting`, and of what the task has taken and not written. */
  #unsentSize = 0;
  /** Whether the background task runs. */
  #running = false;
  /** What the task writes now, which never fails; `undefined` if all is written. */
  #batch: Promise<void> | undefined;
  #dropping = false;
  #dropped: DroppedLines | undefined;
  #beside: Output | undefined;

  /** Writes to `stream`, in which only this object writes. */
  constructor(stream: ByteSink, options: OutputOptions) {
    this.#stream = stream;
    this.#options = options;
  }

  /** Keeps the order of texts on two outputs that may share a screen, while both are read. */
  static inOrder(one: Output, other: Output): void {
    one.#beside = other;
    other.#beside = one;
  }

  /** Whether texts are dropped now. */
  get dropping(): boolean {
    return this.#dropping;
  }

  /** Writes all of a text, or drops it. After a failure every text is dropped. */
  readonly write = (text: Frames): void => {
    const size = sizeOf(text);
    if (this.closed || size === 0) return;
    const fits = this.#unsentSize === 0 || this.#stream.writeSync !== undefined ||
      this.#unsentSize + size <= this.#options.unsentCharsMax;
    if (this.#dropping || !fits) return this.#drop(text);
    this.#waiting.push(text);
    this.#unsentSize += size;
    if (this.#running) return;
    const { writeSync } = this.#stream;
    const mustWait = this.#beside !== undefined && this.#beside.#batch !== undefined;
    if (writeSync === undefined || mustWait) void this.#run();
    else this.#sendNow(writeSync);
  };

  /** Resolves when all texts so far are written or lost, at the latest after `msMax`. */
  async flushed(msMax = Infinity): Promise<void> {
    if (this.#batch === undefined) return;
    const written = this.#written();
    await (msMax === Infinity ? written : settled(written, msMax));
  }

  /** The lines dropped since the last call; `undefined` if there are none, or if dropping goes on. */
  takeDropped(): DroppedLines | undefined {
    if (this.#dropping) return undefined;
    const dropped = this.#dropped;
    this.#dropped = undefined;
    return dropped;
  }

  #drop(text: Frames): void {
    this.#dropping = true;
    this.#count(linesIn(text));
  }

  /** Counts lines as dropped. A text that ends within a line counts as one too. */
  #count(lines: number): void {
    const now = new Date();
    this.#dropped ??= { lines: 0, from: now, to: now };
    this.#dropped.to = now;
    this.#dropped.lines += Math.max(lines, 1);
  }

  async #written(): Promise<void> {
    await this.#batch;
    await this.#batch; // the next one has all that waits now
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#waiting.size > 0) {
      [this.#taken, this.#waiting] = [this.#waiting, this.#taken];
      const earlier = this.#beside === undefined ? undefined : this.#beside.#batch;
      this.#batch = this.#send(earlier);
      await this.#batch;
    }
    this.#batch = undefined;
    this.#running = false;
    this.#dropping = false;
    if (this.#dropped !== undefined) this.#options.onResume?.();
  }

  /** Writes all that waits, in pieces that the caches of the processor hold. */
  #sendNow(writeSync: (bytes: Uint8Array) => void): void {
    const buffer = this.#buffer.subarray(0, bufferBytes.first);
    try {
      while (this.#waiting.size > 0) writeSync(buffer.subarray(0, this.#waiting.fill(buffer)));
      this.#unsentSize = 0;
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  /** Writes all that is taken. */
  async #send(earlier: Promise<void> | undefined): Promise<void> {
    if (earlier !== undefined) await settled(earlier, orderMsMax);
    try {
      for (let left = this.#taken.size; left > 0; left = this.#taken.size) {
        if (left > this.#buffer.length) this.#buffer = new Uint8Array(bufferBytes.max);
        const bytes = this.#buffer.subarray(0, this.#taken.fill(this.#buffer));
        const { writeSync } = this.#stream;
        if (writeSync !== undefined) writeSync(bytes);
        else if (!await this.#stream.write(bytes)) this.#count(linesIn([bytes]));
        this.#unsentSize -= left - this.#taken.size;
      }
    } catch (error) {
      this.#fail(error as Error);
    }
  }

  #fail(error: Error): void {
    this.closed = true;
    this.#waiting.clear();
    this.#taken.clear();
    if (error instanceof Deno.errors.BrokenPipe) return; // as with `| head`
    this.failure = error;
    this.#options.onFailure?.(error);
  }
}

/** How many line ends a text has. */
function linesIn(text: Frames): number {
  let lines = 0;
  for (const part of typeof text === "string" ? [text] : text) {
    if (typeof part === "string") {
      for (let at = part.indexOf("\n"); at >= 0; at = part.indexOf("\n", at + 1)) lines++;
    } else for (let at = part.indexOf(LF); at >= 0; at = part.indexOf(LF, at + 1)) lines++;
  }
  return lines;
}

/** Resolves when `promise` does, at the latest after `msMax`. */
async function settled(promise: Promise<void>, msMax: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const timeout = new Promise<void>((resolve) => timer = setTimeout(resolve, msMax));
  await Promise.race([promise, timeout]);
  clearTimeout(timer);
}
