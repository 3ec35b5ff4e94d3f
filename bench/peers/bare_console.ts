/**
 * A minimal console for the bare programs.
 *
 * @module
 */

const encoder = new TextEncoder();
/** How much is buffered at most, in UTF-16 units, and for how long. */
const charsMax = 64 * 1024;
const pauseMs = 50;

/** Buffered standard output, without escapes. */
export class BareConsole {
  readonly #bytes = new Uint8Array(4 * charsMax);
  #lines = "";
  #timed = false;

  /** Prints a line, which must end with LF. */
  print(line: string): void {
    this.#lines += line;
    if (this.#lines.length > charsMax) this.#write();
    if (this.#timed) return;
    this.#timed = true;
    setTimeout(() => {
      this.#timed = false;
      this.#write();
    }, pauseMs);
  }

  #write(): void {
    const { written } = encoder.encodeInto(this.#lines, this.#bytes);
    this.#lines = "";
    for (let sent = 0; sent < written;) {
      sent += Deno.stdout.writeSync(this.#bytes.subarray(sent, written));
    }
  }
}
