/** Types for `@std/async/channel`, used only where `vendor/` was filled from npm (see setup.ts). */

/** A `send` or `receive` met a closed channel; a failed `send` carries its value. */
export class ChannelClosedError extends Error {
  /** The value that was not sent; absent on the receiving side. */
  readonly value?: unknown;
  constructor(message: string, ...rest: [value: unknown] | []);
}

/** Outcome of {@linkcode Channel.tryReceive}. */
export type ChannelReceiveResult<T> =
  | { state: "ok"; value: T }
  | { state: "empty" }
  | { state: "closed" };

/** Options of the {@linkcode Channel} constructor. */
export interface ChannelOptions {
  /** Values kept for later; 0, the default, makes every `send` wait for its receiver. */
  capacity?: number;
}

/** Options of {@linkcode Channel.send}. */
export interface ChannelSendOptions {
  /** Ends a `send` that is still waiting. */
  signal?: AbortSignal;
}

/** Options of {@linkcode Channel.receive}. */
export interface ChannelReceiveOptions {
  /** Ends a `receive` that is still waiting. */
  signal?: AbortSignal;
}

/** A first-in, first-out queue between tasks; each value reaches exactly one receiver. */
export class Channel<T> implements AsyncIterable<T>, Disposable, AsyncDisposable {
  /** Throws a `RangeError` where the capacity is no non-negative integer. */
  constructor(options?: ChannelOptions);
  /** Whether {@linkcode Channel.close} was called. */
  get closed(): boolean;
  /** Values in the buffer now. */
  get size(): number;
  /** The most values that the buffer takes. */
  get capacity(): number;
  /** Resolves once the value is in the buffer or with a receiver. */
  send(value: T, options?: ChannelSendOptions): Promise<void>;
  /** Resolves with the oldest value. */
  receive(options?: ChannelReceiveOptions): Promise<T>;
  /** Sends only where that needs no waiting; says whether it did. */
  trySend(value: T): boolean;
  /** Receives only where that needs no waiting. */
  tryReceive(): ChannelReceiveResult<T>;
  /** Takes no more values; those in the buffer can still be received. */
  close(): void;
  /** As `close()`, and receivers of the emptied channel fail with `reason`. */
  close(reason: unknown): void;
  /** A stream of the values; cancelling it closes the channel. */
  toReadableStream(): ReadableStream<T>;
  [Symbol.asyncIterator](): AsyncIterableIterator<T>;
  [Symbol.dispose](): void;
  [Symbol.asyncDispose](): Promise<void>;
}
