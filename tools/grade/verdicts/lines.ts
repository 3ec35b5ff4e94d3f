/**
 * Recognises the seven lines of the assignment in what consoles print: exactly, or in other words.
 *
 * @module
 */

import type { Run } from "../run.ts";

/** The seven lines: the two of clients, the five of servers. */
export type LineKind =
  | "client-put-ok"
  | "client-get"
  | "server-put"
  | "server-forward"
  | "server-replication"
  | "server-put-ok"
  | "server-get";

/** A recognised line, or a part of one where the lines of threads run together. */
export interface Line {
  readonly kind: LineKind;
  readonly exact: boolean;
  /** Index of the event. */
  readonly event: number;
  readonly console: string;
  readonly key: string;
  readonly value?: string;
  /** The first timestamp: of the write, or the one that the client sent. */
  readonly timestamp?: string;
  /** The server's own timestamp in the lines of a GET. */
  readonly own?: string;
  readonly address?: Address;
  readonly refused: boolean;
  /** Whether the value is the word for an absent key. */
  readonly absent: boolean;
  readonly text: string;
}

/** An address as a line gives it. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** The lines of a run, and which lines are none of the seven. */
export interface ReadLines {
  readonly lines: readonly Line[];
  /** Indexes of printed lines with nothing recognised in them. */
  readonly others: readonly number[];
}

const address = String.raw`(?<host>[\w.:-]+?):(?<port>\d{1,5})`;
const stamp = String.raw`(?:\d{4}-\d\d-\d\d[T ]\d\d:\d\d[\d:.,]*(?:Z|[+-]\d\d:?\d\d)?` +
  String.raw`|[A-Z][a-z]{2} [A-Z][a-z]{2} \d\d [\d:]+ \S+ \d{4}|\d\d/\d\d/\d{4} \d\d:[\d:.]+` +
  String.raw`|-?\d+(?:[.]\d+)?(?:[eE][+-]?\d+)?|NULL|null|None|nil)`;
const accented = String.raw`(?:é|e\u0301|\ufffd+|\?+)`;
const absentWords = /^(?:NULL|null|None|nil|undefined)$/;

/** The pattern of each line, for one key and the values that the line may show. */
const exactLines: Readonly<Record<LineKind, (key: string, value: string) => string>> = {
  "client-put-ok": (key, value) =>
    String.raw`PUT_OK key: ${key} value ${value} timestamp (?<ts>${stamp}) ` +
    String.raw`realizada no servidor ${address}`,
  "client-get": (key, value) =>
    String.raw`GET key: ${key} value: ${value} obtido do servidor ${address}, ` +
    String.raw`meu timestamp (?<ts>${stamp}) e do servidor (?<own>${stamp})`,
  "server-put": (key, value) => String.raw`Cliente ${address} PUT key:${key} value:${value}`,
  "server-forward": (key, value) => String.raw`Encaminhando PUT key:${key} value:${value}`,
  "server-replication": (key, value) =>
    String.raw`REPLICATION key:${key} value:${value} ts:(?<ts>${stamp})`,
  "server-put-ok": (key) =>
    String.raw`Enviando PUT_OK ao Cliente ${address} da key:${key} ts:(?<ts>${stamp})`,
  "server-get": (key, value) =>
    String.raw`Cliente ${address} GET key:${key} ts:(?<ts>${stamp})[.] ` +
    String.raw`Meu ts ${accented} (?<own>${stamp}), portanto devolvendo ${value}`,
};

const endsWithValue: ReadonlySet<LineKind> = new Set([
  "server-put",
  "server-forward",
  "server-get",
]);

const clientKinds: readonly LineKind[] = ["client-put-ok", "client-get"];
const serverKinds: readonly LineKind[] = [
  ...["server-replication", "server-put-ok", "server-forward", "server-get", "server-put"] as const,
];

/** Finds the seven lines in a transcript. `refusalWord` is how refusals are called in it. */
export function readLines(run: Run, refusalWord: string): ReadLines {
  const values = valuesOf(run, refusalWord);
  const lines: Line[] = [];
  const others: number[] = [];
  for (const [event, { console, kind, text }] of run.events.entries()) {
    if (kind !== "out" || run.errorLines.has(event) || event >= run.undisturbed) continue;
    const found = readLine({ event, console, text }, values, refusalWord);
    if (found.length === 0) others.push(event);
    lines.push(...found);
  }
  return { lines, others };
}

/** For each key of the trial, what a line may show as its value. */
function valuesOf(run: Run, refusalWord: string): ReadonlyMap<string, readonly string[]> {
  const values = new Map<string, string[]>();
  for (const { key, value } of run.requests) {
    const known = values.get(key) ??
      values.set(key, [refusalWord, "NULL", "null", "None", "nil"]).get(key)!;
    if (value !== undefined && !known.includes(value)) known.unshift(value);
  }
  return values;
}

interface Printed {
  readonly event: number;
  readonly console: string;
  readonly text: string;
}

function readLine(
  printed: Printed,
  values: ReadonlyMap<string, readonly string[]>,
  refusalWord: string,
): Line[] {
  const { text } = printed;
  const kinds = printed.console.startsWith("S") ? serverKinds : clientKinds;
  const found: Line[] = [];
  for (const [key, known] of values) {
    if (!hasWord(text, key)) continue;
    const matches = exactMatches(printed, kinds, key, known, refusalWord);
    if (matches.length > 0) found.push(...matches);
    else {
      const loose = looseLine(printed, kinds, key, known, refusalWord);
      if (loose !== undefined) found.push(loose);
    }
  }
  return found;
}

function exactMatches(
  printed: Printed,
  kinds: readonly LineKind[],
  key: string,
  values: readonly string[],
  refusalWord: string,
): Line[] {
  // the longest value first: a value may begin with another one
  const known = [...values].sort((a, b) => b.length - a.length).map(escapePattern).join("|");
  const found: Line[] = [];
  let rest = printed.text;
  for (const kind of kinds) {
    // a value that was never typed: as far as the words after it, or the line, go
    const value = `(?<value>${known}|.${endsWithValue.has(kind) ? "+" : "*?"})`;
    const pattern = new RegExp(exactLines[kind](escapePattern(key), value), "gu");
    for (const match of rest.matchAll(pattern)) {
      const groups = match.groups!;
      const shown = withoutStop(groups.value, values);
      found.push({
        ...{ kind, exact: true, event: printed.event, console: printed.console, key },
        text: match[0],
        ...(shown === undefined ? {} : { value: shown }),
        ...(groups.ts === undefined ? {} : { timestamp: groups.ts }),
        ...(groups.own === undefined ? {} : { own: groups.own }),
        ...(groups.host === undefined
          ? {}
          : { address: { host: groups.host, port: Number(groups.port) } }),
        refused: shown === refusalWord,
        absent: shown !== undefined && absentWords.test(shown),
      });
    }
    rest = rest.replaceAll(pattern, " ");
  }
  if (found.length === 0) return found;
  // what stands around the lines is allowed to be a prompt, a full stop, or nothing
  const clean = printed.console.startsWith("C") || /^[\s.“”"]*$/.test(withoutKnown(rest));
  return clean ? found : found.map((line) => ({ ...line, exact: false, text: printed.text }));
}

/** Removes the seven lines of any key from text: lines of threads run together. */
function withoutKnown(text: string): string {
  let rest = text;
  for (const kind of serverKinds) {
    rest = rest.replaceAll(new RegExp(exactLines[kind]("\\S+", "\\S+"), "gu"), " ");
  }
  return rest;
}

/** A value without the full stop that may end the line. */
function withoutStop(value: string | undefined, known: readonly string[]): string | undefined {
  if (value === undefined || known.includes(value) || !value.endsWith(".")) return value;
  return value.slice(0, -1);
}

function looseLine(
  printed: Printed,
  kinds: readonly LineKind[],
  key: string,
  values: readonly string[],
  refusalWord: string,
): Line | undefined {
  const { text } = printed;
  const kind = looseKind(text, kinds);
  if (kind === undefined) return undefined;
  const rest = text.replace(wordPattern(key), " ");
  const value = [...values].sort((a, b) => b.length - a.length)
    .find((one) => hasWord(rest, one));
  const stamps = [...rest.matchAll(
    new RegExp(
      String.raw`(?:timestamp|\bts|servidor|server)\b[^\d\n]{0,14}?(?<ts>${stamp})(?![.:]\d)`,
      "giu",
    ),
  )].map((match) => match.groups!.ts!);
  const where = /(\d+\.\d+\.\d+\.\d+|localhost)\D{1,6}?(\d{4,5})(?!\d)/i.exec(text);
  const isGet = kind === "client-get" || kind === "server-get";
  return {
    ...{ kind, exact: false, event: printed.event, console: printed.console, key, text },
    ...(value === undefined ? {} : { value }),
    ...(stamps[0] === undefined ? {} : { timestamp: stamps[0] }),
    ...(isGet && stamps[1] !== undefined ? { own: stamps[1] } : {}),
    ...(where === null ? {} : { address: { host: where[1]!, port: Number(where[2]) } }),
    refused: text.includes(refusalWord),
    absent: value !== undefined && absentWords.test(value),
  };
}

function looseKind(text: string, kinds: readonly LineKind[]): LineKind | undefined {
  const patterns: Readonly<Record<LineKind, RegExp>> = {
    "client-put-ok": /put.?ok/i,
    "client-get": /\bget\b.*(?:valu?e|valor|obtid)|obtid|recebid.*valor/i,
    "server-replication": /replica(?!.{0,5}_?ok)/i,
    "server-put-ok": /envi.*put.?ok|put.?ok.*(?:ao|para|to)\b/i,
    "server-forward": /encaminh|forward/i,
    "server-get": /\bget\b/i,
    "server-put": /\bput\b/i,
  };
  return kinds.find((kind) => patterns[kind].test(text));
}

function hasWord(text: string, word: string): boolean {
  return wordPattern(word).test(text);
}

function wordPattern(word: string): RegExp {
  return new RegExp(`(?<![\\p{L}\\d_])${escapePattern(word)}(?![\\p{L}\\d_])`, "u");
}

function escapePattern(text: string): string {
  return text.replaceAll(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
