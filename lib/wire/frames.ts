/**
 * Text and bytes on their way out: what short values are sent as, and what long ones are.
 *
 * @module
 */

/** Text, or the bytes of a text in UTF-8. The bytes must not change any more. */
export type Part = string | Uint8Array<ArrayBuffer>;

/**
 * One or more frames, or lines of a console: a text, or parts in their order if they hold long values,
 * which are kept as bytes.
 */
export type Frames = string | readonly Part[];

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

/** A part of this length is not joined with its neighbours: that would copy it once more. */
const longPartChars = 1024;

/** Encodes as `TextEncoder.encodeInto` does. */
export type EncodeInto = (
  text: string,
  bytes: Uint8Array<ArrayBuffer>,
) => TextEncoderEncodeIntoResult;

const encodeInto: EncodeInto = (text, bytes) => encoder.encodeInto(text, bytes);

/** The text of frames. */
export function textOf(frames: Frames): string {
  if (typeof frames === "string") return frames;
  return frames.map((part) => typeof part === "string" ? part : decoder.decode(part)).join("");
}

/** How much frames count towards a limit: UTF-16 units of text, and bytes. */
export function sizeOf(frames: Frames): number {
  if (typeof frames === "string") return frames.length;
  let size = 0;
  for (const { length } of frames) size += length;
  return size;
}

/**
 * A queue of text and bytes that leaves as bytes.
 *
 * Text that comes after text is joined. One call then encodes many short frames.
 */
export class FrameQueue {
  readonly #encodeInto: EncodeInto;
  /** Parts before #text. The first #taken units of the first part, or of #text, have left. */
  #parts: Part[] = [];
  #text = "";
  #taken = 0;
  /** Invariant: the bytes in #parts that have not left. */
  #bytes = 0;
  /** Invariant: the UTF-16 units in #parts and #text that have not left. */
  #chars = 0;

  /** An empty queue. `encode` encodes its text. */
  constructor(encode: EncodeInto = encodeInto) {
    this.#encodeInto = encode;
  }

  /** UTF-16 units of text, and bytes. 0 only if the queue is empty. */
  get size(): number {
    return this.#chars + this.#bytes;
  }

  /** The most bytes that the queue can leave as. */
  get bytesMax(): number {
    return this.#chars * 3 + this.#bytes; // one UTF-16 unit is at most three bytes of UTF-8
  }

  /** An upper bound of the memory that the queue takes, in bytes. */
  get heldBytes(): number {
    return this.#chars * 2 + this.#bytes;
  }

  /** Adds frames at the end. */
  push(frames: Frames): void {
    if (typeof frames === "string") {
      this.#text += frames;
      this.#chars += frames.length;
    } else for (const part of frames) this.#add(part);
  }

  /** Discards everything. */
  clear(): void {
    this.#parts = [];
    this.#text = "";
    this.#taken = this.#bytes = this.#chars = 0;
  }

  /**
   * Takes as much as fits into `bytes`, which has room for a character at least. Returns how many of
   * them it has filled. A character is never cut.
   */
  fill(bytes: Uint8Array<ArrayBuffer>): number {
    let filled = 0;
    while (this.size > 0) {
      const room = filled === 0 ? bytes : bytes.subarray(filled);
      const part = this.#parts[0] ?? this.#text;
      const [taken, written] = typeof part === "string"
        ? this.#encode(part, room)
        : this.#copy(part, room);
      this.#taken += taken;
      filled += written;
      if (this.#taken < part.length) break;
      this.#taken = 0;
      if (this.#parts.length === 0) this.#text = "";
      else this.#parts.shift();
    }
    return filled;
  }

  #add(part: Part): void {
    const isText = typeof part === "string";
    if (isText && part.length < longPartChars) return this.push(part);
    if (this.#text !== "") this.#parts.push(this.#text);
    this.#text = "";
    if (part.length > 0) this.#parts.push(part);
    if (isText) this.#chars += part.length;
    else this.#bytes += part.length;
  }

  #encode(text: string, room: Uint8Array<ArrayBuffer>): [taken: number, written: number] {
    const { read, written } = this.#encodeInto(textFrom(text, this.#taken, room.length), room);
    this.#chars -= read;
    return [read, written];
  }

  #copy(part: Uint8Array, room: Uint8Array): [taken: number, written: number] {
    const rest = part.length - this.#taken;
    const piece = rest === part.length && rest <= room.length
      ? part
      : part.subarray(this.#taken, this.#taken + room.length);
    room.set(piece);
    this.#bytes -= piece.length;
    return [piece.length, piece.length];
  }
}

/** The text from `start` on, at most `units` long. Cuts no surrogate pair. */
function textFrom(text: string, start: number, units: number): string {
  const end = start + units;
  if (end >= text.length) return start === 0 ? text : text.slice(start);
  const last = text.charCodeAt(end - 1);
  return text.slice(start, last >= 0xd800 && last <= 0xdbff ? end - 1 : end);
}
