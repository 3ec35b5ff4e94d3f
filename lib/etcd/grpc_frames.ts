/**
 * The frames of gRPC: a head of five bytes, and a message.
 *
 * @module
 */

import { EtcdError, unexpected } from "./errors.ts";

/** The length of a frame's head: whether it is compressed, and the length of the message. */
const headBytes = 5;

/** Cuts what comes on a stream into messages. */
export class Frames {
  readonly #bytesMax: number;
  #chunks: Uint8Array[] = [];
  /** Invariant: the length of all #chunks. */
  #length = 0;

  /** Messages over `bytesMax` are errors. */
  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  /**
   * Takes what has come. All messages should be taken before the next call.
   *
   * @throws {EtcdError} if a message is too long or compressed.
   */
  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    this.#next(); // a length over the limit is refused before its bytes have come
  }

  /** The next message; `undefined` if it is not complete. */
  take(): Uint8Array | undefined {
    const length = this.#next();
    if (length === undefined || this.#length < headBytes + length) return undefined;
    const all = this.#joined(this.#length);
    const end = headBytes + length;
    this.#chunks = end === all.length ? [] : [all.subarray(end)];
    this.#length -= end;
    return all.subarray(headBytes, end);
  }

  /** The length of the next message. */
  #next(): number | undefined {
    if (this.#length < headBytes) return undefined;
    const head = this.#joined(headBytes);
    if (head[0] !== 0) throw unexpected("a compressed message, which was not asked for");
    const length = new DataView(head.buffer, head.byteOffset).getUint32(1);
    if (length > this.#bytesMax) throw this.#tooLong();
    return length;
  }

  /** Joins chunks until the first has at least this many bytes. Returns it. */
  #joined(atLeast: number): Uint8Array {
    if (this.#chunks[0]!.length < atLeast) {
      const all = new Uint8Array(this.#length);
      let at = 0;
      for (const chunk of this.#chunks) {
        all.set(chunk, at);
        at += chunk.length;
      }
      this.#chunks = [all];
    }
    return this.#chunks[0]!;
  }

  #tooLong(): EtcdError {
    return new EtcdError("long answer", `etcd's answer is longer than ${this.#bytesMax} bytes`);
  }
}

/** A message as a frame. */
export function framed(request: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headBytes + request.length);
  new DataView(frame.buffer).setUint32(1, request.length);
  frame.set(request, headBytes);
  return frame;
}
