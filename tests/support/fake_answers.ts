/**
 * Answers of a scripted server to the requests of a client, as JSON gives them.
 *
 * @module
 */

import type { Message } from "./wire_client.ts";

/** GET_OK with timestamp 5 and the value "azul" by default. */
export function getOk(
  { id, key }: Message,
  timestamp = 5,
  value: string | null = "azul",
): Message {
  return { type: "GET_OK", id, key, value, timestamp };
}

/** PUT_OK with timestamp 5. */
export function putOk({ id, key }: Message): Message {
  return { type: "PUT_OK", id, key, timestamp: 5 };
}

/** A correct answer to a PUT or a GET, with timestamp 5 or the one that the GET asks for. */
export function rightAnswer(request: Message): Message {
  if (request.type === "PUT") return putOk(request);
  return getOk(request, Math.max(5, Number(request.timestamp)));
}

/** TRY_OTHER_SERVER_OR_LATER from a server that has `timestamp` for the key. */
export function tryOther({ id, key }: Message, timestamp: number): Message {
  return { type: "TRY_OTHER_SERVER_OR_LATER", id, key, timestamp };
}

/** ERROR with this code and the message "hoje não". */
export function errorReply({ id }: Message, code: string): Message {
  return { type: "ERROR", id, code, message: "hoje não" };
}
