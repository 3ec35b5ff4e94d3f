/**
 * What `deno task demo` says besides the story, in two languages.
 *
 * @module
 */

import type { Lang } from "../dashboard/stories/story.ts";
import { valueText } from "../lib/cli/texts.ts";

/** The texts in one language. They name servers by their ports. */
export interface DemoTexts {
  /** Introduces the servers. */
  readonly servers: (leader: string, near: string, far: string) => string;
  /** The question before each step, which Enter answers. */
  readonly next: string;
}

const pt: DemoTexts = {
  servers: (leader, near, far) =>
    `Três servidores de verdade: o líder na porta ${leader}, os outros em ${near} e ${far}.\n` +
    `As linhas de cada servidor começam com a sua porta, as de cada cliente com a sua letra.`,
  next: "Enter continua ",
};

const en: DemoTexts = {
  servers: (leader, near, far) =>
    `Three real servers: the leader on port ${leader}, the others on ${near} and ${far}.\n` +
    `Each server's lines begin with its port, each client's with its letter.`,
  next: "Press Enter ",
};

/** The texts, by language. */
export const demoTexts: Readonly<Record<Lang, DemoTexts>> = { pt, en };

/**
 * The lines of a client about a write under a condition, in the style of those of the assignment.
 * `expected` is the timestamp at which the key must stand.
 */
export const conditionTexts = {
  writeOk: (
    key: string,
    value: string | null,
    timestamp: number,
    server: string,
    expected: number,
  ): string =>
    `WRITE_OK key: ${key} value ${valueText(value)} timestamp ${timestamp} ` +
    `realizada no servidor ${server}, timestamp esperado ${expected}`,
  conflict: (
    key: string,
    value: string | null,
    timestamp: number,
    server: string,
    expected: number,
  ): string =>
    `CONFLICT key: ${key} value: ${valueText(value)} obtido do servidor ${server}, ` +
    `timestamp esperado ${expected} e do servidor ${timestamp}`,
} as const;
