/**
 * The lines of an export: one JSON object for each key.
 *
 * @module
 */

import { checkEntry } from "../client/arguments.ts";
import { InvalidArgumentError } from "../client/errors.ts";
import { escapeControls } from "./escape.ts";

/** A key and its value. */
export interface ExportedEntry {
  /** The key. */
  readonly key: string;
  /** The value. */
  readonly value: string;
}

/** An entry as a line of an export, its LF included. */
export function exportedLine({ key, value }: ExportedEntry, timestamp: number): string {
  return `${escapeControls(JSON.stringify({ key, value, timestamp }))}\n`;
}

/**
 * Parses a line of an export. Other fields than key and value are ignored.
 *
 * @throws {InvalidArgumentError} if it is not such a line, or key or value break a limit.
 */
export function parseExportedLine(text: string): ExportedEntry {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new InvalidArgumentError(notAnEntry, { cause });
  }
  if (typeof parsed !== "object" || parsed === null) throw new InvalidArgumentError(notAnEntry);
  const { key, value } = parsed as Partial<Record<"key" | "value", unknown>>;
  if (typeof key !== "string" || typeof value !== "string") {
    throw new InvalidArgumentError(notAnEntry);
  }
  checkEntry(key, value);
  return { key, value };
}

/** The message of an error; `reasons.ts` translates it. */
const notAnEntry = 'not a JSON object with the texts "key" and "value", as export writes it';
