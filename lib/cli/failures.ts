/**
 * Failed commands: what they tell people and programs, and their exit codes.
 *
 * @module
 */

import {
  AccessError,
  ClusterResetError,
  ConflictError,
  InvalidArgumentError,
  type KvErrorCode,
  LostError,
  StaleError,
  UnavailableError,
  UnknownOutcomeError,
} from "../client/errors.ts";
import { exitCodes } from "./exit_codes.ts";
import { UsageError } from "./flags.ts";
import type { CommandContext } from "./operator_commands.ts";
import { writeJson } from "./write_json.ts";

/** A failed command. */
export interface Failure {
  /** Its name for programs. */
  readonly error: KvErrorCode | "USAGE";
  /** Its text for people. */
  readonly text: string;
  /** Its exit code. */
  readonly code: number;
  /** Further fields for programs. */
  readonly fields?: Readonly<Record<string, unknown>>;
}

/**
 * Runs a command, and tells the failures that {@linkcode explain} knows: to people on standard
 * error, to programs as an object on standard output.
 */
export async function explained(
  context: CommandContext,
  name: string,
  fields: Readonly<Record<string, unknown>>,
  run: () => Promise<number>,
): Promise<number> {
  try {
    return await run();
  } catch (error) {
    return tell(context, explain(context, name.toUpperCase(), error), error as Error, fields);
  }
}

/** Tells a failure, with further fields for programs. Returns its exit code. */
export function tell(
  { screen, json }: CommandContext,
  failure: Failure,
  { message }: Error,
  fields: Readonly<Record<string, unknown>>,
): number {
  const { error } = failure;
  if (json) writeJson(screen, { ...fields, error, message, ...failure.fields });
  screen.err(`${failure.text}\n`);
  return failure.code;
}

/** Explains a failed request. Throws what is no failure of a request. */
export function explain(
  { texts, session }: CommandContext,
  choice: string,
  error: unknown,
): Failure {
  if (error instanceof InvalidArgumentError) {
    const text = texts.invalid(choice, texts.reason(error.message, error.code));
    return { error: error.code, text, code: exitCodes.usage };
  }
  if (error instanceof ConflictError) {
    const { code, key, value, timestamp } = error;
    const text = texts.conflict(choice, key, value === null ? undefined : timestamp);
    return { error: code, text, code: exitCodes.conflict, fields: { value, timestamp } };
  }
  if (error instanceof AccessError) {
    const { server, message } = error;
    const named = message.includes(server) ? message : `${server}: ${message}`;
    const reason = texts.reason(named, error.code);
    return { error: error.code, text: texts.unavailable(choice, reason), code: exitCodes.access };
  }
  if (error instanceof ClusterResetError) {
    const text = texts.otherCluster(choice, error.server, session);
    return { error: error.code, text, code: exitCodes.usage };
  }
  if (error instanceof LostError) {
    const text = `${texts.lost(choice, error.key)} ${texts.forget(session)}`;
    return { error: error.code, text, code: exitCodes.stale };
  }
  if (error instanceof StaleError) {
    const list = error.answers.map(({ server, timestamp }) => `${server} ${timestamp}`).join(", ");
    const lost = error.allAnswered && error.seen > 0;
    const text = texts.stale(error.key, error.seen, list) +
      (lost ? `\n${texts.maybeLost(session)}` : "");
    return { error: error.code, text, code: exitCodes.stale };
  }
  if (error instanceof UnavailableError) {
    const code = error.code ?? "UNAVAILABLE";
    const text = texts.unavailable(choice, texts.reason(error.message, code));
    return { error: code, text, code: exitCodes.unavailable };
  }
  if (error instanceof UnknownOutcomeError) {
    const reason = texts.reason(error.message, error.code);
    const text = texts.unknownOutcome(choice, error.server, reason);
    return { error: error.code, text, code: exitCodes.unknownOutcome };
  }
  throw error;
}

/** Explains a broken input, or what {@linkcode explain} does. */
export function explainWithInput(
  context: CommandContext,
  choice: string,
  error: unknown,
): Failure {
  if (!(error instanceof UsageError)) return explain(context, choice, error);
  return { error: "USAGE", text: error.message, code: exitCodes.usage };
}
