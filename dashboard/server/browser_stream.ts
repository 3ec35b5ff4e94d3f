/**
 * The stream of one browser.
 *
 * @module
 */

import { browserBytesMax } from "../page/limits.js";

const encoder = new TextEncoder();

/** A bounded text/event-stream for one browser. */
export class BrowserStream {
  /** What the browser reads. */
  readonly stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  #controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>> | undefined;
  /** Items that the browser has lost since its last keyframe. */
  #lost = 0;

  /**
   * Starts with a keyframe.
   *
   * @param keyframe makes an event of the whole state, given the number of items lost before it.
   * @param onCancel is called when the browser closes the stream.
   */
  constructor(keyframe: (lost: number) => Uint8Array<ArrayBuffer>, onCancel: () => void) {
    this.stream = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
        controller.enqueue(keyframe(0));
      },
      pull: (controller) => {
        if (this.#lost === 0) return;
        controller.enqueue(keyframe(this.#lost));
        this.#lost = 0;
      },
      cancel: onCancel,
    }, { highWaterMark: browserBytesMax, size: (chunk) => chunk?.byteLength ?? 0 });
  }

  /** Sends an event with this number of items, or counts them as lost if the stream is full. */
  send(event: Uint8Array<ArrayBuffer>, items: number): void {
    const room = this.#controller?.desiredSize ?? 0;
    if (this.#lost > 0 || room < event.byteLength) this.#lost += items;
    else this.#controller?.enqueue(event);
  }

  /** Ends the stream, with a last event if one is given. */
  end(last?: Uint8Array<ArrayBuffer>): void {
    if (last !== undefined) this.#controller?.enqueue(last);
    this.#controller?.close();
  }
}

/** An event of a text/event-stream. `data` must have no line end; JSON has none. */
export function eventBytes(name: string, data: string): Uint8Array<ArrayBuffer> {
  return encoder.encode(`event: ${name}\ndata: ${data}\n\n`);
}
