/**
 * The one message class of the system and its codec.
 *
 * Every frame in every direction is one `Mensagem`: a JSON object in UTF-8, ended by LF. Nothing
 * else in the project makes or reads wire text. Instances are tagged by `type`, so `switch`
 * narrows:
 *
 * ```ts
 * import { Get, Mensagem } from "./mensagem.ts";
 *
 * const line = new Get(1, "cor", 0).encode();
 * const message = Mensagem.decode(line);
 * if (message.type === "GET") console.log(message.key); // cor
 * ```
 *
 * The classes are in `wire/messages.ts`. Constructors trust their arguments; `decode` trusts
 * nothing. Text that comes from people goes through {@linkcode checkKey} and
 * {@linkcode checkValue} first.
 *
 * @module
 */

import { FrameError } from "./wire/errors.ts";
import { decodeUsual } from "./wire/fast_decode.ts";
import { type AnyMensagem, Mensagem as Message } from "./wire/messages.ts";
import { fromFields } from "./wire/parse.ts";
import { type Fields, quote } from "./wire/validate.ts";

export { type ErrorCode, errorCodes, FrameError, MensagemError } from "./wire/errors.ts";
export * from "./wire/messages.ts";
export { checkKey, checkValue } from "./wire/validate.ts";

/**
 * A message of any kind: the class that all of them share (enunciado 4, Observações: "a classe
 * Mensagem").
 */
export type Mensagem<Type extends string = string> = Message<Type>;

/** The class, with its decoder. */
export const Mensagem: typeof Message & { decode(line: string): AnyMensagem } = Object.assign(
  Message,
  {
    decode,
  },
);

/**
 * The message in one line (without its LF; a CR before it is allowed).
 *
 * @throws {FrameError} if the line is no JSON object: the connection must end.
 * @throws {MensagemError} if a field or the type is wrong: an `ERROR` is due, the connection goes
 * on.
 */
function decode(line: string): AnyMensagem {
  const usual = decodeUsual(line);
  if (usual !== undefined) return usual;
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new FrameError("BAD_MESSAGE", `not a line of JSON: ${quote(line)}`, { cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new FrameError("BAD_MESSAGE", `not a JSON object: ${quote(line)}`);
  }
  return fromFields(parsed as Fields);
}
