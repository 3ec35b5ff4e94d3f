/**
 * How a message looks in a file, and how it is found again among damage.
 *
 * A file begins with a line that names the format. Each line after it is a record: eight hexadecimal
 * digits, a space, and a frame of the wire. The digits are the CRC-32 of the frame, its LF included.
 *
 * @module
 */

// deno-lint-ignore no-external-import -- it is of the runtime itself
import { crc32 } from "node:zlib";
import { frameBytesMax } from "../limits.ts";

/** The version of the format. Files of another one are not read. */
export const formatVersion = 1;

/** What the first line of each file begins with; the version follows. */
const formatName = "replicated-kv journal ";

/** The first line of each file. */
export const headerLine = `${formatName}${formatVersion}\n`;

/** Digits and space before a frame. */
const prefixChars = 9;
const recordBytesMax = frameBytesMax + prefixChars;
const LF = 10;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The record of a frame, which ends with LF. */
export function recordOf(frame: string): string {
  return `${crc32(frame).toString(16).padStart(8, "0")} ${frame}`;
}

/** "Everything before this was on the disk when it was written." Nothing else is written so. */
export const sealFrame = `{"type":"HEARTBEAT"}\n`;

const seal = recordOf(sealFrame);

/**
 * The version that a first line names, 0 where it is no first line of such a file.
 */
export function versionOf(line: string): number {
  return line.startsWith(formatName) ? Number(line.slice(formatName.length)) || 0 : 0;
}

/** A line of a file. */
export interface RecordLine {
  /** Where it begins, in bytes from the start of the file. */
  readonly offset: number;
  /** The frame in it, without LF; `undefined` where it is damaged. */
  readonly frame: string | undefined;
}

/** Cuts the bytes of a file into records, and says of each whether it is whole. */
export class RecordReader {
  /** Bytes [0, #length) are of a line whose LF has not come. */
  #bytes = new Uint8Array(64 * 1024);
  #length = 0;
  /** Where in the file that line begins. */
  #offset = 0;
  /** The line is longer than any record, so its bytes are not kept. */
  #skipped = 0;
  #header: string | undefined;

  /** The first line, without LF, once it was read whole. */
  get header(): string | undefined {
    return this.#header;
  }

  /** Where the line begins that has no LF yet; the end of the file where there is none. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes at the end that are no whole line. */
  get partialBytes(): number {
    return this.#length + this.#skipped;
  }

  /** The lines that these bytes complete, the first line of the file left out. */
  push(bytes: Uint8Array): RecordLine[] {
    const lines: RecordLine[] = [];
    let start = 0;
    for (let lf = bytes.indexOf(LF); lf >= 0; lf = bytes.indexOf(LF, start)) {
      const end = lf + 1;
      const line = this.#length === 0
        ? bytes.subarray(start, end)
        : this.#joined(bytes, start, end);
      if (this.#offset === 0 && this.#header === undefined) this.#header = textOf(line) ?? "";
      else this.#take(line, lines);
      this.#offset += line.length + this.#skipped;
      this.#length = this.#skipped = 0;
      start = end;
    }
    this.#keep(bytes.subarray(start));
    return lines;
  }

  #take(line: Uint8Array, lines: RecordLine[]): void {
    const frame = this.#skipped > 0 ? undefined : read(line);
    lines.push({ offset: this.#offset, frame });
    if (frame !== undefined || line.length <= seal.length) return;
    // The LF before a seal may be what is damaged.
    const tail = read(line.subarray(-seal.length));
    if (tail === undefined) return;
    const end = this.#offset + this.#skipped + line.length;
    lines.push({ offset: end - seal.length, frame: tail });
  }

  #joined(bytes: Uint8Array, start: number, end: number): Uint8Array {
    this.#keep(bytes.subarray(start, end));
    return this.#bytes.subarray(0, this.#length);
  }

  #keep(bytes: Uint8Array): void {
    const length = this.#length + bytes.length;
    if (length > recordBytesMax) {
      this.#skipped += length;
      this.#length = 0;
      return;
    }
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(
        Math.min(recordBytesMax, Math.max(length, this.#bytes.length * 2)),
      );
      larger.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = larger;
    }
    this.#bytes.set(bytes, this.#length);
    this.#length = length;
  }
}

/** The frame of a whole record, `undefined` where its bytes are not what they were. */
function read(line: Uint8Array): string | undefined {
  if (line.length <= prefixChars || line[prefixChars - 1] !== 32) return undefined;
  const digits = textOf(line.subarray(0, prefixChars));
  if (digits === undefined || !/^[0-9a-f]{8}$/.test(digits)) return undefined;
  const frame = line.subarray(prefixChars);
  return crc32(frame) === parseInt(digits, 16) ? textOf(frame) : undefined;
}

/** Without its last byte, which is an LF or a space. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes.subarray(0, -1));
  } catch {
    return undefined;
  }
}
