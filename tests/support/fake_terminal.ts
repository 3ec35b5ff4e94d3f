/**
 * A terminal made of text.
 *
 * @module
 */

import { Interrupted, Keyboard, type KeyboardOptions } from "../../lib/cli/keyboard.ts";
import type { CaughtSignals, Screen } from "../../lib/cli/terminal.ts";
import { eventually } from "./waiting.ts";
import { type Frames, textOf } from "../../lib/wire/frames.ts";

/** The terminal of a role: a test types the input and reads what the role has written. */
export class FakeTerminal implements Screen {
  readonly keyboard: Keyboard;
  outIsTerminal = false;
  colors = false;
  outClosed = false;
  /** Aborted by {@linkcode FakeTerminal.interrupt}. */
  #caught = new AbortController();
  #out = "";
  #err = "";
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;

  /** A pipe with all of `input`, or a keyboard for {@linkcode FakeTerminal.type} if there is none. */
  constructor(
    input?: string,
    interactive = input === undefined,
    hideTyping: KeyboardOptions["hideTyping"] = () => () => {},
  ) {
    const bytes = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (controller) => {
        this.#controller = controller;
      },
    });
    this.keyboard = new Keyboard(bytes, {
      write: this.write,
      complain: this.err,
      interactive,
      flushed: this.flushed,
      hideTyping,
    });
    if (input !== undefined) {
      if (input !== "") this.type(input);
      this.#controller.close();
    }
  }

  /** Everything on standard output so far. */
  get screen(): string {
    return this.#out;
  }

  /** Everything on standard error so far. */
  get errors(): string {
    return this.#err;
  }

  readonly write = (text: string): void => {
    this.#out += text;
  };
  readonly out: (text: Frames) => void = (text) => this.write(textOf(text));
  readonly err = (text: string): void => {
    this.#err += text;
  };
  readonly flushed = (): Promise<void> => Promise.resolve();

  readonly catchSignals = (): CaughtSignals => (
    { signal: this.#caught.signal, passTo: () => {}, [Symbol.dispose]: () => {} }
  );

  /** Ends the program as a signal with this exit code does. */
  interrupt(code: number): void {
    this.#caught.abort(new Interrupted(code));
  }

  /** Types on the keyboard. */
  type(text: string): void {
    this.typeBytes(new TextEncoder().encode(text));
  }

  /** Types bytes that need not be text. */
  typeBytes(bytes: Uint8Array<ArrayBuffer>): void {
    this.#controller.enqueue(bytes);
  }

  /** Ends the input. */
  endInput(): void {
    this.#controller.close();
  }

  /** Resolves when standard error ends with this text. */
  async complains(end: string): Promise<void> {
    await eventually(
      `standard error ends with ${JSON.stringify(end)}`,
      () => this.#err.endsWith(end) || undefined,
    );
  }

  /** Resolves when standard output ends with this text. */
  async shows(end: string): Promise<void> {
    await eventually(
      `the screen ends with ${JSON.stringify(end)}`,
      () => this.#out.endsWith(end) || undefined,
    );
  }
}
