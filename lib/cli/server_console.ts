/**
 * The lines of a server's console, exactly as in the assignment.
 *
 * @module
 */

import type { ServerPrints } from "../replication/environment.ts";
import { escapeControls } from "./escape.ts";
import type { Write } from "./terminal.ts";
import { valueText } from "./texts.ts";

/** Shortest pause between two writes of a server process to its console, in milliseconds. */
export const consolePauseMs = 50;

/** Most text that the buffer holds before it is written, in UTF-16 units. */
const bufferCharsMax = 64 * 1024;

/**
 * The console of one server (enunciado, "Mensagens apresentadas na console", `cada servidor`).
 *
 * Lines are buffered and written in the order of the events. The first line after a pause is
 * written at the end of the turn of the event loop. Lines that follow within the pause are written
 * together when it ends. So a single line does not wait, and many lines cost one write.
 */
export class ServerConsole implements ServerPrints {
  readonly #write: Write;
  readonly #mark: string;
  readonly #pauseMs: number;
  #buffer = "";
  /** Whether a write is scheduled: at the end of the turn, or at the end of the pause. */
  #scheduled = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates a console that writes with `write`.
   *
   * @param mark Text before each line, for several servers on one screen.
   * @param pauseMs Shortest time between two writes, unless the buffer is full.
   */
  constructor(write: Write, mark = "", pauseMs = 0) {
    this.#write = write;
    this.#mark = mark;
    this.#pauseMs = pauseMs;
  }

  put(client: string, key: string, value: string): void {
    this.#print(
      `Cliente ${client} PUT key:${escapeControls(key)} value:${escapeControls(value)}.\n`,
    );
  }

  forwarding(key: string, value: string): void {
    this.#print(`Encaminhando PUT key:${escapeControls(key)} value:${escapeControls(value)}\n`);
  }

  replication(key: string, value: string, timestamp: number): void {
    this.#print(
      `REPLICATION key:${escapeControls(key)} value:${escapeControls(value)} ts:${timestamp}.\n`,
    );
  }

  putOk(client: string, key: string, timestamp: number): void {
    this.#print(
      `Enviando PUT_OK ao Cliente ${client} da key:${escapeControls(key)} ts:${timestamp}.\n`,
    );
  }

  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: string | null | undefined,
  ): void {
    this.#print(
      `Cliente ${client} GET key:${
        escapeControls(key)
      } ts:${seen}. Meu ts é ${own}, portanto devolvendo ${valueText(value)}\n`,
    );
  }

  /** Writes the buffered lines now. */
  flush(): void {
    const lines = this.#buffer;
    this.#buffer = "";
    if (lines !== "") this.#write(lines);
  }

  /** Writes the buffered lines and stops the timer. */
  close(): void {
    clearTimeout(this.#timer);
    this.flush();
  }

  #print(line: string): void {
    this.#buffer += this.#mark + line;
    if (this.#buffer.length > bufferCharsMax) return this.flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#flushAndPause());
  }

  #flushAndPause(): void {
    if (this.#buffer === "" || this.#pauseMs === 0) this.#scheduled = false;
    else this.#timer = setTimeout(() => this.#flushAndPause(), this.#pauseMs);
    this.flush();
  }
}
