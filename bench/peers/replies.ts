/**
 * Counters of replies in streams of bytes, for each protocol.
 *
 * @module
 */

const LF = 10;
const encoder = new TextEncoder();
const decoder = new TextDecoder("latin1");

/** Counts the replies on one connection. */
export interface Replies {
  /**
   * The number of replies that end in this chunk.
   *
   * @throws {Error} if one is wrong.
   */
  count(chunk: Uint8Array): number;
}

/** Replies with a fixed number of lines. Each line must have the given start. */
export class LineReplies implements Replies {
  readonly #starts: readonly Uint8Array[];
  readonly #bytesMin: number;
  /** The index of the next line in its reply. */
  #line = 0;
  /** The bytes of this line that earlier chunks had. */
  #before = 0;

  /**
   * `starts` are the starts of the lines of a reply. `bytesMin` is the least length of the last one,
   * which has a value.
   */
  constructor(starts: readonly string[], bytesMin = 0) {
    this.#starts = starts.map((start) => encoder.encode(start));
    this.#bytesMin = bytesMin;
  }

  count(chunk: Uint8Array): number {
    let replies = 0;
    for (let from = 0; from < chunk.length;) {
      this.#check(chunk, from);
      const lf = chunk.indexOf(LF, from + this.#bytesLeft());
      const end = lf < 0 ? chunk.length : lf + 1;
      this.#before = lf < 0 ? this.#before + end - from : 0;
      from = end;
      if (lf < 0 || ++this.#line < this.#starts.length) continue;
      this.#line = 0;
      replies++;
    }
    return replies;
  }

  /** Bytes of this line in which no line end is looked for. What comes at the wrong place is found. */
  #bytesLeft(): number {
    const isLast = this.#line === this.#starts.length - 1;
    return isLast ? Math.max(0, this.#bytesMin - this.#before) : 0;
  }

  /** Checks what a chunk has of the start of a line. */
  #check(chunk: Uint8Array, from: number): void {
    const start = this.#starts[this.#line]!;
    const length = Math.min(start.length - this.#before, chunk.length - from);
    for (let at = 0; at < length; at++) {
      if (chunk[from + at] === start[this.#before + at]) continue;
      const text = decoder.decode(chunk.subarray(from, from + 200));
      throw new Error(`wrong reply: ${JSON.stringify(text)}`);
    }
  }
}

/** Replies in HTTP/1.1 with a Content-Length. */
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
          `wrong reply: ${JSON.stringify(this.#text.slice(0, 300))}`,
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
 * Replies of ZooKeeper: the length (4 bytes), then the number of the request (4), of the transaction
 * (8), an error (4) and the rest. The first one opens the session and does not count.
 */
export class PacketReplies implements Replies {
  readonly #errors: readonly number[];
  readonly #head = new Uint8Array(headBytes);
  readonly #view = new DataView(this.#head.buffer);
  /** The received bytes of the packet, including its length. */
  #bytes = 0;
  #opened = false;

  /** `errors` are the allowed errors; 0 is none. */
  constructor(errors: readonly number[]) {
    this.#errors = errors;
  }

  count(chunk: Uint8Array): number {
    let replies = 0;
    for (let from = 0; from < chunk.length;) {
      // The length is known when the head is complete.
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
        throw new Error(`wrong reply: error ${error}`);
      }
      replies++;
    }
    return replies;
  }
}
