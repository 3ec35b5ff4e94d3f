/**
 * The writing half of a connection: frames in, as few writes as possible out.
 *
 * @module
 */

import { deferred } from "../deferred.ts";
import { FrameQueue, type Frames } from "../wire/frames.ts";
import { isDisconnection, type Socket } from "./socket.ts";

/** Bytes in one write. Longer frames take several writes. */
export const writeBytesMax = 256 * 1024;

/** How much larger than the frames, in UTF-16 units, the buffer of a write is if they are long. */
const spareBytes = 4 * 1024;

/** A write buffer longer than this is given back when there is nothing more to write. */
export const writeBytesKept = 64 * 1024;

/** The number of long write buffers that wait for the next long write of any connection: 4 MiB. */
export const spareBuffersMax = 16;

/** Those buffers, of writeBytesMax each. New memory costs more than what is written into it. */
const spareBuffers: Uint8Array<ArrayBuffer>[] = [];

const noBytes = new Uint8Array(0);

/**
 * Queues frames, encodes them and writes them.
 *
 * - Frames that are queued in one turn of the event loop leave in one write, if they are not too long.
 * - At most one write is under way. Its result comes by callback instead of `await`, which saves a
 *   promise for each write.
 *
 * ```text
 * queue ─▶ #unsent ─▶ #taken ─▶ #buffer ─▶ socket
 *          frames     frames    bytes
 * ```
 *
 * Its other fields hold the position in each stage and the state of the write loop.
 */
export class FrameWriter {
  readonly #socket: Pick<Socket, "write" | "closeWrite">;
  readonly #onWritten: () => void;
  readonly #onFailed: () => void;
  /** Frames that the write loop has not taken yet. */
  #unsent = new FrameQueue();
  /** The frames that are being written, without what is encoded already. */
  #taken = new FrameQueue();
  #buffer: Uint8Array<ArrayBuffer> = noBytes;
  /** Invariant: `#bufferFrom <= #bufferTo`; the bytes between them are still to be written. */
  #bufferFrom = 0;
  #bufferTo = 0;
  /** Whether the write loop runs. Invariant: true if there is anything to write. */
  #writing = false;
  #writes = 0;
  /** Whether the sending side ends once everything is written. */
  #ending = false;
  #error: unknown;
  readonly #done = deferred<void>();
  /** Set while {@linkcode FrameWriter.stopped} waits. */
  #onStop: (() => void) | undefined;

  /**
   * A writer with nothing to write. `onWritten` is called each time all encoded bytes are written.
   * `onFailed` is called when nothing more can be written. It must close the socket.
   */
  constructor(
    socket: Pick<Socket, "write" | "closeWrite">,
    onWritten: () => void,
    onFailed: () => void,
  ) {
    this.#socket = socket;
    this.#onWritten = onWritten;
    this.#onFailed = onFailed;
  }

  /** Queued frames that the write loop has not taken yet: UTF-16 units, and bytes of long values. */
  get unsentChars(): number {
    return this.#unsent.size;
  }

  /** An upper bound of the memory that unsent frames and unwritten bytes take, in bytes. */
  get heldBytes(): number {
    return this.#unsent.heldBytes + this.#taken.heldBytes + this.#bufferTo - this.#bufferFrom;
  }

  /** Whether a write is under way or about to begin. */
  get writing(): boolean {
    return this.#writing;
  }

  /** How many writes have finished. */
  get writes(): number {
    return this.#writes;
  }

  /** The error of a write; `undefined` if none failed, or if only the connection was lost. */
  get error(): unknown {
    return this.#error;
  }

  /** Resolves once the sending side has ended, or everything was dropped. */
  get done(): Promise<void> {
    return this.#done.promise;
  }

  /** Gives back the buffer if nothing is being written. */
  release(): void {
    if (!this.#writing) this.#buffer = noBytes;
  }

  /** Queues one or more frames. Not to be called after `end` or `drop`. */
  queue(frames: Frames): void {
    this.#unsent.push(frames);
    if (this.#writing) return;
    this.#writing = true;
    // Frames that this turn queues later go into the same write.
    queueMicrotask(this.#writeNext);
  }

  /** Ends the sending side once everything queued is written. To be called once. */
  end(): void {
    this.#ending = true;
    if (!this.#writing) this.#endSending();
  }

  /** Drops what is queued. What the write loop has taken is still written. */
  drop(): void {
    this.#unsent.clear();
    this.#ending = false;
    this.#done.resolve();
  }

  /** Resolves when no write is under way. */
  async stopped(): Promise<void> {
    if (this.#writing) await new Promise<void>((resolve) => this.#onStop = resolve);
  }

  readonly #writeNext = (): void => {
    if (this.#bufferFrom === this.#bufferTo) {
      if (this.#taken.size === 0) {
        if (this.#unsent.size === 0) return this.#stop();
        [this.#taken, this.#unsent] = [this.#unsent, this.#taken];
      }
      this.#encode();
    }
    this.#socket.write(this.#buffer.subarray(this.#bufferFrom, this.#bufferTo))
      .then(this.#written, this.#writeFailed);
  };

  readonly #written = (bytes: number): void => {
    this.#writes++;
    this.#bufferFrom += bytes;
    if (this.#bufferFrom === this.#bufferTo) this.#onWritten();
    this.#writeNext();
  };

  readonly #writeFailed = (error: unknown): void => {
    if (!isDisconnection(error)) this.#error = error;
    this.#onFailed();
    this.#taken.clear();
    this.#stop();
  };

  /** Encodes as much of the taken frames as one write may hold. */
  #encode(): void {
    // Most long texts are ASCII. What does not fit goes into the next write.
    const { size, bytesMax } = this.#taken;
    const bytes = Math.min(bytesMax, size + spareBytes, writeBytesMax);
    if (this.#buffer.length < bytes) this.#buffer = bufferOf(bytes);
    this.#bufferFrom = 0;
    this.#bufferTo = this.#taken.fill(this.#buffer);
  }

  #stop(): void {
    this.#writing = false;
    if (this.#buffer.length > writeBytesKept) {
      if (spareBuffers.length < spareBuffersMax) spareBuffers.push(this.#buffer);
      this.#buffer = noBytes;
    }
    if (this.#ending) this.#endSending();
    this.#onStop?.();
  }

  #endSending(): void {
    this.#socket.closeWrite()
      .catch(() => this.#onFailed())
      .finally(() => this.#done.resolve());
  }
}

/** A buffer of at least this many bytes, at most writeBytesMax. */
function bufferOf(bytes: number): Uint8Array<ArrayBuffer> {
  if (bytes <= writeBytesKept) return new Uint8Array(bytes);
  return spareBuffers.pop() ?? new Uint8Array(writeBytesMax);
}
