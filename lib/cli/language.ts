/**
 * The languages in which the client's commands speak.
 *
 * @module
 */

import { UsageError } from "./flags.ts";

/** The languages: English and Portuguese. */
export const languages = ["en", "pt"] as const;

/** One of {@linkcode languages}. */
export type Language = typeof languages[number];

/** The language of a tag such as "pt-BR" or "pt_BR"; `undefined` if there are no texts in it. */
function knownLanguage(tag: string): Language | undefined {
  const [, first] = /^([a-z]+)(?:[-_.@].*)?$/i.exec(tag) ?? [];
  return languages.find((language) => language === first?.toLowerCase());
}

/** The language of a tag such as "pt-BR": Portuguese if it says so, else English. */
export function languageOf(tag: string): Language {
  return knownLanguage(tag) ?? "en";
}

/**
 * The language of `--lang`, or that of the system if the flag is not given.
 *
 * @throws {UsageError} if there are no texts in the language of the flag.
 */
export function chooseLanguage(flag: string | undefined): Language {
  if (flag === undefined) return languageOf(navigator.language);
  const known = knownLanguage(flag);
  if (known !== undefined) return known;
  throw new UsageError(`--lang must be ${languages.join(" or ")}, not ${JSON.stringify(flag)}`);
}
