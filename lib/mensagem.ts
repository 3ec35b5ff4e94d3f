/**
 * All messages of the wire, their decoder, and the errors of decoding.
 *
 * Every frame in every direction is one `Mensagem`: a JSON object in UTF-8, ended by LF. Only this
 * file and `lib/wire` read and write it. A message has the tag `type`, so a `switch` narrows it:
 *
 * ```ts
 * import { Get, Mensagem } from "./mensagem.ts";
 *
 * const line = new Get(1, "cor", 0).encode();
 * const message = Mensagem.decode(line);
 * if (message.type === "GET") console.log(message.key); // cor
 * ```
 *
 * Constructors trust their arguments; `decode` checks every field. Check text that a user typed with
 * {@linkcode checkKey} and {@linkcode checkValue} first. `docs/wire.md` describes the protocol.
 *
 * @module
 */

import { FrameError, MensagemError } from "./wire/errors.ts";
import { decodeFast, decodeLong } from "./wire/fast_decode.ts";
import { type AnyMensagem, Mensagem as Message } from "./wire/messages.ts";
import { fromFields } from "./wire/parse.ts";
import { checkTokens, frameTokensMax } from "./wire/tokens.ts";
import { type Fields, knownId, quote } from "./wire/validate.ts";

export { Write } from "./wire/encoded_write.ts";
export { type ErrorCode, errorCodes, FrameError, MensagemError } from "./wire/errors.ts";
export {
  type Counts,
  type EventOf,
  type FaultAction,
  faultActions,
  type ServerEvent,
} from "./wire/events.ts";
export * from "./wire/messages.ts";
export { LongValue, textOfValue, type Value } from "./wire/long_value.ts";
export { checkKey, checkValue } from "./wire/validate.ts";

/** A message of any type (enunciado 4, Observações: "a classe Mensagem"). */
export type Mensagem<Type extends string = string> = Message<Type>;

/** What the decoder needs to know about the sender of a line. */
export interface DecodingPeer {
  /** Types that it may not send now. Of such a message no field is read but the id. */
  readonly unexpected?: ReadonlySet<string> | undefined;
  /** Tokens in a line of it at most; by default as many as a server may send. */
  readonly tokensMax?: number | undefined;
  /**
   * Called for a line that takes longer to parse: it is not spelled as `encode` spells it, or has escapes.
   */
  spend?(chars: number): void;
}

/** The base class of all messages, with the decoder. */
export const Mensagem: typeof Message & {
  decode(line: string, peer?: DecodingPeer, bytes?: Uint8Array<ArrayBuffer>): AnyMensagem;
} = Object.assign(Message, { decode });

/**
 * Decodes one line, without its LF. A CR at its end is allowed.
 *
 * What it costs is bounded by the length of the line and its tokens, whatever the line contains.
 * `bytes` is the same line in UTF-8, if it is at hand. A long value is then kept as it came.
 *
 * @throws {FrameError} if the line is not a JSON object, or has too many tokens: the connection must
 * end.
 * @throws {MensagemError} if the type or a field is wrong: the sender gets an `ERROR`, and the
 * connection goes on.
 */
function decode(line: string, peer?: DecodingPeer, bytes?: Uint8Array<ArrayBuffer>): AnyMensagem {
  const long = bytes && decodeLong(line, bytes);
  const fast = long ?? decodeFast(line);
  if (fast === undefined || (long !== undefined && line.includes("\\"))) {
    peer?.spend?.(line.length);
  }
  if (fast !== undefined) return fast;
  checkTokens(line, peer?.tokensMax ?? frameTokensMax);
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch (cause) {
    throw new FrameError("BAD_MESSAGE", `the line is not JSON: ${quote(line)}`, { cause });
  }
  if (typeof parsed !== "object" || parsed === null || Array.isArray(parsed)) {
    throw new FrameError("BAD_MESSAGE", `the line is not a JSON object: ${quote(line)}`);
  }
  const fields = parsed as Fields;
  if (typeof fields.type === "string" && peer?.unexpected?.has(fields.type)) {
    const message = `${fields.type} is not for this server, or not from this connection`;
    throw new MensagemError("FORBIDDEN", message, knownId(fields));
  }
  return fromFields(fields);
}
