/** Lines that are wrong in one field, and the error that they have to be. */

import { assertStrictEquals, assertThrows } from "@std/assert";
import { Mensagem, MensagemError } from "../../lib/mensagem.ts";

/** The line is a BAD_MESSAGE, with this id. */
export function assertBad(line: string, id?: number): void {
  const error = assertThrows(() => Mensagem.decode(line), MensagemError, undefined, line);
  assertStrictEquals(error.name, "MensagemError");
  assertStrictEquals(error.code, "BAD_MESSAGE", line);
  assertStrictEquals(error.id, id, line);
}

/** The line with other JSON for one field. */
export function withField(line: string, name: string, json: string): string {
  return JSON.stringify({ ...JSON.parse(line), [name]: "@" }).replace(`"@"`, () => json);
}
