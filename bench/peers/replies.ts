/**
 * Counts replies in a stream of bytes, in the protocols of the peers.
 *
 * @module
 */

const LF = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Counts the replies that one connection has got. */
export interface Replies {
  /**
   * How many replies end in this chunk.
   *
   * @throws {Error} where one is not what was asked for.
   */
  count(chunk: Uint8Array): number;
}

/** Replies of a fixed number of lines, each of which must begin in its own way. */
export class LineReplies implements Replies {
  readonly #starts: readonly Uint8Array[];
  /** Which line of its reply comes next. */
  #line = 0;
  /** The chunk before ended within a line, which was looked at then. */
  #within = false;

  /** `starts` are the beginnings of a reply's lines. */
  constructor(starts: readonly string[]) {
    this.#starts = starts.map((start) => encoder.encode(start));
  }

  count(chunk: Uint8Array): number {
    let replies = 0;
    let from = 0;
    for (let lf = chunk.indexOf(LF); lf >= 0; lf = chunk.indexOf(LF, from)) {
      if (!this.#within) this.#check(chunk, from);
      this.#within = false;
      from = lf + 1;
      if (++this.#line < this.#starts.length) continue;
      this.#line = 0;
      replies++;
    }
    if (from < chunk.length && !this.#within) {
      this.#check(chunk, from);
      this.#within = true;
    }
    return replies;
  }

  #check(chunk: Uint8Array, from: number): void {
    const start = this.#starts[this.#line]!;
    const length = Math.min(start.length, chunk.length - from);
    for (let at = 0; at < length; at++) {
      if (chunk[from + at] === start[at]) continue;
      const text = decoder.decode(chunk.subarray(from, from + 200));
      throw new Error(`not a reply to what was asked: ${JSON.stringify(text)}`);
    }
  }
}

/** Replies of HTTP/1.1 with a Content-Length. */
export class HttpReplies implements Replies {
  #text = "";

  count(chunk: Uint8Array): number {
    this.#text += decoder.decode(chunk);
    let replies = 0;
    while (true) {
      const head = this.#text.indexOf("\r\n\r\n");
      if (head < 0) return replies;
      const length = /\r\ncontent-length: *(\d+)/i.exec(this.#text.slice(0, head + 2))?.[1];
      if (!this.#text.startsWith("HTTP/1.1 200") || length === undefined) {
        throw new Error(
          `not a reply to what was asked: ${JSON.stringify(this.#text.slice(0, 300))}`,
        );
      }
      const end = head + 4 + Number(length);
      if (this.#text.length < end) return replies;
      this.#text = this.#text.slice(end);
      replies++;
    }
  }
}

const headBytes = 20;

/**
 * Replies of ZooKeeper: a length of four bytes, and in as many bytes after it the request's number (4),
 * a transaction's (8), an error (4), and the rest. The first is the session's, and does not count.
 */
export class PacketReplies implements Replies {
  readonly #errors: readonly number[];
  readonly #head = new Uint8Array(headBytes);
  readonly #view = new DataView(this.#head.buffer);
  /** Bytes of the packet that have come, its length included. */
  #bytes = 0;
  #opened = false;

  /** `errors` are those that a reply may have; 0 is none. */
  constructor(errors: readonly number[]) {
    this.#errors = errors;
  }

  count(chunk: Uint8Array): number {
    let replies = 0;
    for (let from = 0; from < chunk.length;) {
      // Nobody knows how long it is before its head is there.
      const end = this.#bytes < headBytes ? headBytes : 4 + this.#view.getInt32(0);
      const part = chunk.subarray(from, from + end - this.#bytes);
      if (this.#bytes < headBytes) this.#head.set(part, this.#bytes);
      this.#bytes += part.length;
      from += part.length;
      if (this.#bytes < headBytes || this.#bytes < 4 + this.#view.getInt32(0)) continue;
      this.#bytes = 0;
      if (!this.#opened) {
        this.#opened = true;
        continue;
      }
      const error = this.#view.getInt32(headBytes - 4);
      if (!this.#errors.includes(error)) {
        throw new Error(`not a reply to what was asked: error ${error}`);
      }
      replies++;
    }
    return replies;
  }
}
