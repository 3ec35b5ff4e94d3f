/**
 * The format of a file, and its reader, which finds valid records after damaged ones.
 *
 * The first line names the format. Every other line is a record: eight hexadecimal digits, a space,
 * and a frame of the wire. The digits are the CRC-32 of the frame, its LF included:
 *
 * ```text
 * replicated-kv journal 2
 * bc722962 {"type":"REPLICATION","key":"cor","value":"azul","timestamp":1}
 * ```
 *
 * @module
 */

// deno-lint-ignore no-external-import -- a module of the runtime
import { crc32 } from "node:zlib";
import { frameBytesMax } from "../limits.ts";

/**
 * The version of the format that is written. In files of version 1 no value is `null`, and there is no
 * time to live. They are read, and files of any other version are refused.
 */
export const formatVersion = 2;

/** The first version that is read. */
export const formatVersionMin = 1;

/** The start of the first line; the version follows. */
const formatName = "replicated-kv journal ";

/** The first line of each file. */
export const headerLine = `${formatName}${formatVersion}\n`;

/** The first lines of all files that are read. They have the same length. */
export const headerLines: readonly string[] = [`${formatName}${formatVersionMin}\n`, headerLine];

/** The digits and the space before a frame. */
const prefixChars = 9;
const recordBytesMax = frameBytesMax + prefixChars;
const LF = 10;
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** The record of a frame, which ends with LF. */
export function recordOf(frame: string): string {
  return `${crc32(frame).toString(16).padStart(8, "0")} ${frame}`;
}

/**
 * A seal: everything before it was on the disk when it was written. So damage before a seal is not a
 * torn write. No other record has this frame.
 */
export const sealFrame = `{"type":"HEARTBEAT"}\n`;

const seal = recordOf(sealFrame);

/** The version of the format in a first line; 0 if the line is not of this format. */
export function versionOf(line: string): number {
  return line.startsWith(formatName) ? Number(line.slice(formatName.length)) || 0 : 0;
}

/** A line of a file. */
export interface RecordLine {
  /** Its start, in bytes from the start of the file. */
  readonly offset: number;
  /** The frame, without LF; `undefined` if the record is damaged. */
  readonly frame: string | undefined;
}

/** Cuts the bytes of a file into records, and checks each of them. */
export class RecordReader {
  /** Invariant: bytes [0, #length) are the kept start of an incomplete line. */
  #bytes = new Uint8Array(64 * 1024);
  #length = 0;
  /** The start of that line, in bytes from the start of the file. */
  #offset = 0;
  /** Bytes of that line that were not kept, because it is longer than any record. */
  #skipped = 0;
  #header: string | undefined;

  /** The first line, without LF; `undefined` until it is complete. */
  get header(): string | undefined {
    return this.#header;
  }

  /** The start of an incomplete line. If there is none, the end of the bytes read so far. */
  get offset(): number {
    return this.#offset;
  }

  /** The bytes of an incomplete line; 0 if there is none. */
  get partialBytes(): number {
    return this.#length + this.#skipped;
  }

  /** The records that these bytes complete. The first line of the file is not one. */
  push(bytes: Uint8Array): RecordLine[] {
    const lines: RecordLine[] = [];
    let start = 0;
    for (let lf = bytes.indexOf(LF); lf >= 0; lf = bytes.indexOf(LF, start)) {
      const end = lf + 1;
      const line = this.#length === 0
        ? bytes.subarray(start, end)
        : this.#joined(bytes, start, end);
      if (this.#offset === 0 && this.#header === undefined) this.#header = textOf(line) ?? "";
      else this.#addRecord(line, lines);
      this.#offset += line.length + this.#skipped;
      this.#length = this.#skipped = 0;
      start = end;
    }
    this.#keep(bytes.subarray(start));
    return lines;
  }

  #addRecord(line: Uint8Array, lines: RecordLine[]): void {
    const frame = this.#skipped > 0 ? undefined : frameOf(line);
    lines.push({ offset: this.#offset, frame });
    if (frame !== undefined || line.length <= seal.length) return;
    // If the damaged byte is the LF before a seal, the seal is at the end of this line.
    const sealed = frameOf(line.subarray(-seal.length));
    if (sealed === undefined) return;
    const end = this.#offset + this.#skipped + line.length;
    lines.push({ offset: end - seal.length, frame: sealed });
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

/** The frame of a record; `undefined` if its checksum does not match. */
function frameOf(line: Uint8Array): string | undefined {
  if (line.length <= prefixChars || line[prefixChars - 1] !== 32) return undefined;
  const digits = textOf(line.subarray(0, prefixChars));
  if (digits === undefined || !/^[0-9a-f]{8}$/.test(digits)) return undefined;
  const frame = line.subarray(prefixChars);
  return crc32(frame) === parseInt(digits, 16) ? textOf(frame) : undefined;
}

/** The text without its last byte, an LF or a space; `undefined` if it is not UTF-8. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decoder.decode(bytes.subarray(0, -1));
  } catch {
    return undefined;
  }
}
