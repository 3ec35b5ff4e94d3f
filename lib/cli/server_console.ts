/**
 * The lines of a server's console, exactly as in the assignment.
 *
 * @module
 */

import type { ServerPrints } from "../replication/environment.ts";
import type { Part } from "../wire/frames.ts";
import type { Value } from "../wire/long_value.ts";
import { escapeControls } from "./escape.ts";
import { ShownValues } from "./shown_values.ts";
import type { WriteParts } from "./terminal.ts";
import { valueText } from "./texts.ts";

/** Shortest pause between two writes of a server process to its console, in milliseconds. */
export const consolePauseMs = 50;

/** The size of lines that are written before a pause ends: UTF-16 units, and bytes of long values. */
const bufferSizeMax = 64 * 1024;

/**
 * The console of one server (enunciado, "Mensagens apresentadas na console", `cada servidor`).
 *
 * Lines are buffered and written in the order of the events. The first line after a pause is
 * written at the end of the turn of the event loop. Lines that follow within the pause are written
 * together when it ends. So a single line does not wait, and many lines cost one write.
 */
export class ServerConsole implements ServerPrints {
  readonly #write: WriteParts;
  readonly #mark: string;
  readonly #pauseMs: number;
  readonly #shown = new ShownValues();
  /** Lines that are not written yet: #parts, then #text. */
  #parts: Part[] = [];
  #text = "";
  /** UTF-16 units of text, and bytes of long values, in both. */
  #size = 0;
  /** Whether a write is scheduled: at the end of the turn, or at the end of the pause. */
  #scheduled = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /**
   * Creates a console that writes with `write`.
   *
   * @param mark Text before each line, for several servers on one screen.
   * @param pauseMs Shortest time between two writes, unless the buffer is full.
   */
  constructor(write: WriteParts, mark = "", pauseMs = 0) {
    this.#write = write;
    this.#mark = mark;
    this.#pauseMs = pauseMs;
  }

  put(client: string, key: string, value: Value): void {
    this.#print(`Cliente ${client} PUT key:${escapeControls(key)} value:`, value, ".\n");
  }

  forwarding(key: string, value: Value): void {
    this.#print(`Encaminhando PUT key:${escapeControls(key)} value:`, value, "\n");
  }

  replication(key: string, value: Value | null, timestamp: number): void {
    const shown = value ?? valueText(null);
    this.#print(`REPLICATION key:${escapeControls(key)} value:`, shown, ` ts:${timestamp}.\n`);
  }

  putOk(client: string, key: string, timestamp: number): void {
    this.#printText(
      `Enviando PUT_OK ao Cliente ${client} da key:${escapeControls(key)} ts:${timestamp}.\n`,
    );
  }

  get(
    client: string,
    key: string,
    seen: number,
    own: number,
    value: Value | null | undefined,
  ): void {
    const start = `Cliente ${client} GET key:${
      escapeControls(key)
    } ts:${seen}. Meu ts é ${own}, portanto devolvendo `;
    if (value === undefined || value === null) this.#printText(`${start}${valueText(value)}\n`);
    else this.#print(start, value, "\n");
  }

  /** Writes the buffered lines now. */
  flush(): void {
    const lines = this.#parts.length === 0 ? this.#text : [...this.#parts, this.#text];
    this.#parts = [];
    this.#text = "";
    this.#size = 0;
    if (lines !== "") this.#write(lines);
  }

  /** Writes the buffered lines and stops the timer. */
  close(): void {
    clearTimeout(this.#timer);
    this.flush();
  }

  /** Prints a line with a value between two texts. */
  #print(before: string, value: Value, after: string): void {
    if (typeof value === "string") {
      return this.#printText(`${before}${escapeControls(value)}${after}`);
    }
    const shown = this.#shown.of(value);
    this.#parts.push(this.#text + this.#mark + before, shown);
    this.#text = after;
    this.#size += before.length + shown.length + after.length;
    this.#schedule();
  }

  #printText(line: string): void {
    this.#text += this.#mark + line;
    this.#size += this.#mark.length + line.length;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#size > bufferSizeMax) return this.flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#flushAndPause());
  }

  #flushAndPause(): void {
    if (this.#size === 0 || this.#pauseMs === 0) this.#scheduled = false;
    else this.#timer = setTimeout(() => this.#flushAndPause(), this.#pauseMs);
    this.flush();
  }
}
