/**
 * The lines of the assignment with as little as possible around them, for the programs that say how
 * fast it can get.
 *
 * @module
 */

const encoder = new TextEncoder();
/** As much is gathered at most, in UTF-16 units, and for so long. */
const charsMax = 64 * 1024;
const pauseMs = 50;

/** Standard output. Nothing is checked or escaped; lines are gathered, and written together. */
export class BareConsole {
  readonly #bytes = new Uint8Array(4 * charsMax);
  #lines = "";
  #timed = false;

  /** Prints a line, which ends with LF. */
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
