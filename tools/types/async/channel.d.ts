/** Types for `@std/async/channel`. Used only if `vendor/` was filled from npm (tools/setup.ts). */

/** Thrown by `send` and `receive` if the channel is closed. */
export class ChannelClosedError extends Error {
  /** The value that `send` did not send; absent if `receive` threw. */
  readonly value?: unknown;
  constructor(message: string, ...rest: [value: unknown] | []);
}

/** The result of {@linkcode Channel.tryReceive}. */
export type ChannelReceiveResult<T> =
  | { state: "ok"; value: T }
  | { state: "empty" }
  | { state: "closed" };

/** Options of the {@linkcode Channel} constructor. */
export interface ChannelOptions {
  /** Values that the buffer takes. With 0, the default, `send` waits for a receiver. */
  capacity?: number;
}

/** Options of {@linkcode Channel.send}. */
export interface ChannelSendOptions {
  /** Ends a `send` that waits. */
  signal?: AbortSignal;
}

/** Options of {@linkcode Channel.receive}. */
export interface ChannelReceiveOptions {
  /** Ends a `receive` that waits. */
  signal?: AbortSignal;
}

/** A FIFO queue between async tasks. Each value reaches exactly one receiver. */
export class Channel<T> implements AsyncIterable<T>, Disposable, AsyncDisposable {
  /** @throws {RangeError} if the capacity is not an integer from 0 on */
  constructor(options?: ChannelOptions);
  /** Whether {@linkcode Channel.close} was called. */
  get closed(): boolean;
  /** The number of values in the buffer. */
  get size(): number;
  /** The number of values that the buffer takes. */
  get capacity(): number;
  /** Resolves once the value is in the buffer or with a receiver. */
  send(value: T, options?: ChannelSendOptions): Promise<void>;
  /** Resolves with the oldest value. */
  receive(options?: ChannelReceiveOptions): Promise<T>;
  /** Sends a value if that is possible without waiting. Returns whether it was. */
  trySend(value: T): boolean;
  /** Receives a value if that is possible without waiting. */
  tryReceive(): ChannelReceiveResult<T>;
  /** Closes the channel. Values in the buffer can still be received. */
  close(): void;
  /** Closes the channel. Once the buffer is empty, receivers fail with `reason`. */
  close(reason: unknown): void;
  /** A stream of the values. Cancelling it closes the channel. */
  toReadableStream(): ReadableStream<T>;
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}
