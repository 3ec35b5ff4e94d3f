/**
 * A second, simple implementation of the wire contract. It finds the messages in a stream of bytes and the answers
 * that a server must send. It shares with `lib/` only the limits and the format of addresses.
 *
 * @module
 */

import { clientTokensMax } from "../../../lib/wire/tokens.ts";
import { formatAddress, parseAddress, parseIpAddress } from "../../../lib/wire/address.ts";
import { frameBytesMax, keyBytesMax, valueBytesMax } from "../../../lib/limits.ts";

/** A JSON object. */
export type Fields = Readonly<Record<string, unknown>>;

/** The error code for invalid bytes. */
export type Code = "BAD_MESSAGE" | "TOO_LARGE";

/** An object with an invalid field. */
export interface Wrong {
  readonly kind: "wrong";
  readonly code: Code;
  /** The id of the request; "any" if the contract leaves it open. */
  readonly id: number | "any" | undefined;
}

/** The meaning of a line. */
export type Verdict =
  /** A message with the fields of its type alone, in their normal form. */
  | { readonly kind: "message"; readonly message: Fields }
  | Wrong
  /** Not a frame: the connection must end. */
  | { readonly kind: "no frame" };

/** The normal form of a field's value, or the error code. */
type Judged = { readonly value: unknown } | Code;
type Judge = (value: unknown) => Judged;

const integer: Judge = (n) =>
  typeof n === "number" && n >= 0 && n <= 2 ** 53 - 1 && n % 1 === 0
    ? { value: Math.abs(n) } // -0 becomes 0
    : "BAD_MESSAGE";

const text: Judge = (value) => typeof value === "string" ? { value } : "BAD_MESSAGE";

/** The text of an ERROR. */
const errorText: Judge = (value) => {
  if (typeof value !== "string") return "BAD_MESSAGE";
  return value.length <= 8_192 ? { value } : "TOO_LARGE";
};

const textUpTo = (bytesMax: number): Judge => (value) => {
  if (typeof value !== "string") return "BAD_MESSAGE";
  const bytes = new TextEncoder().encode(value);
  if (bytes.length > bytesMax) return "TOO_LARGE";
  // A text that is not well-formed changes when it is encoded and decoded.
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes) === value
    ? { value }
    : "BAD_MESSAGE";
};

const key: Judge = (value) => value === "" ? "BAD_MESSAGE" : textUpTo(keyBytesMax)(value);
const value = textUpTo(valueBytesMax);

const valueOrNull: Judge = (given) => given === null ? { value: null } : value(given);

const boolean: Judge = (value) => value === true || value === false ? { value } : "BAD_MESSAGE";

const addressOf = (parse: typeof parseAddress, charsMax: number): Judge => (value) => {
  const parsed = typeof value === "string" && value.length <= charsMax ? parse(value) : undefined;
  return parsed === undefined ? "BAD_MESSAGE" : { value: formatAddress(parsed) };
};
/** A client: "ip:port". */
const address = addressOf(parseIpAddress, 64);
/** A server: "host:port". */
const server = addressOf(parseAddress, 259);

const textLike = (pattern: RegExp): Judge => (value) =>
  typeof value === "string" && pattern.test(value) ? { value } : "BAD_MESSAGE";

const cluster = textLike(/^[A-Za-z0-9_-]{0,64}$/);
const nonce = textLike(/^[0-9a-f]{32}$/);
const proof = textLike(/^[0-9a-f]{64}$/);
const role = textLike(/^(server|client)$/);
const code = textLike(
  /^(BAD_MESSAGE|TOO_LARGE|UNAVAILABLE|UNKNOWN_OUTCOME|OVERLOADED|FORBIDDEN)$/,
);

const listOf = (element: Judge): Judge => (list) => {
  if (!Array.isArray(list)) return "BAD_MESSAGE";
  const values = [];
  for (const one of list) {
    const judged = element(one);
    if (typeof judged === "string") return judged;
    values.push(judged.value);
  }
  return { value: values };
};

const integerFrom = (min: number, max: number): Judge => (n) =>
  typeof n === "number" && n >= min && n <= max ? integer(n) : "BAD_MESSAGE";

/** A list of exactly these elements, checked in the order `checked`. */
const tupleOf = (judges: readonly Judge[], checked?: readonly number[]): Judge => (tuple) => {
  if (!Array.isArray(tuple) || tuple.length !== judges.length) return "BAD_MESSAGE";
  const values: unknown[] = [];
  for (const at of checked ?? judges.keys()) {
    const judged = judges[at]!(tuple[at]);
    if (typeof judged === "string") return judged;
    values[at] = judged.value;
  }
  return { value: values };
};

const ttlMs = integerFrom(1_000, 2_147_483_648);
/** The timestamp is looked at first, and a value that is missing last. */
const listed = tupleOf([key, (given) => given === null ? "BAD_MESSAGE" : value(given), integer], [
  2,
  0,
  1,
]);
const change = tupleOf([key, valueOrNull, integer], [2, 0, 1]);
const lasting = tupleOf([key, valueOrNull, integer, ttlMs], [2, 0, 1, 3]);
const entry: Judge = (entry) => {
  if (!Array.isArray(entry) || entry.length !== 4) return change(entry);
  const judged = lasting(entry);
  return typeof judged !== "string" && entry[1] === null ? "BAD_MESSAGE" : judged;
};

const gap: Judge = (gap) => {
  const judged = tupleOf([integer, integer])(gap);
  if (typeof judged === "string") return judged;
  const [first, last] = judged.value as [number, number];
  return first <= last ? judged : "BAD_MESSAGE";
};

/** `false` is the same as a missing field. */
const flag: Judge = (value) => value === false ? { value: undefined } : boolean(value);

const number: Judge = (n) =>
  typeof n === "number" && n >= 0 && n < Infinity ? { value: Math.abs(n) } : "BAD_MESSAGE";

const version = textLike(/^[\w.+-]{1,64}$/);
const action = textLike(/^(pause|delay|resume)$/);

/** An object with these fields; others are dropped. A name that ends in "?" is optional. */
const objectOf = (fields: Readonly<Record<string, Judge>>): Judge => (object) => {
  if (Object.prototype.toString.call(object) !== "[object Object]") return "BAD_MESSAGE";
  const values: Record<string, unknown> = {};
  for (const [field, judge] of Object.entries(fields)) {
    const name = field.replace("?", "");
    const given = Object.hasOwn(object as Fields, name) ? (object as Fields)[name] : undefined;
    if (given === undefined && field.endsWith("?")) continue;
    const judged = judge(given);
    if (typeof judged === "string") return judged;
    values[name] = judged.value;
  }
  return { value: values };
};

const follower = objectOf({ server, timestamp: integer, inSync: boolean });
/** A count that older servers leave out. */
const newerCount: Judge = (count) => count === undefined ? { value: 0 } : integer(count);
const counts = objectOf({
  puts: integer,
  putOks: integer,
  gets: integer,
  refused: integer,
  replications: integer,
  writes: newerCount,
  writeOks: newerCount,
  conflicts: newerCount,
});

const when = { kind: text, at: integer };
const written = { ...when, timestamp: integer, key, value: valueOrNull };
const write = objectOf(written);
const get = { ...when, client: address, seen: integer, own: integer, key };
const refusal = objectOf({ ...get, refused: boolean });
const reading = objectOf({ ...get, value: valueOrNull });

/** The check of an event by its kind. */
const eventJudges: Readonly<Record<string, Judge>> = {
  table: write,
  written: (event) =>
    (event as Fields).expired === false
      ? write(event)
      : objectOf({ ...written, "expired?": boolean })(event),
  replication: write,
  put: objectOf({ ...when, client: address, key, value }),
  forwarding: objectOf({ ...when, key, value }),
  write: objectOf({
    ...{ ...when, client: address, "expected?": integer, "ttlMs?": integer },
    ...{ key, value: valueOrNull },
  }),
  forwarding_write: objectOf({ ...when, key, value: valueOrNull }),
  write_ok: objectOf({ ...when, timestamp: integer, client: address, key, "ms?": number }),
  conflict: objectOf({
    ...{ ...when, expected: integer, timestamp: integer, client: address },
    ...{ key, value: valueOrNull },
  }),
  acknowledged: objectOf({ ...when, follower: server, timestamp: integer }),
  put_ok: objectOf({ ...when, timestamp: integer, client: address, key, ms: number }),
  get: (event) => {
    const { refused } = event as Fields;
    return refused === undefined || refused === false ? reading(event) : refusal(event);
  },
  members: objectOf({ ...when, joined: listOf(server), inSync: listOf(server), open: boolean }),
  fault: objectOf({ ...when, action, "delayMs?": integer, follower: server }),
};

const event: Judge = (event) => {
  if (Object.prototype.toString.call(event) !== "[object Object]") return "BAD_MESSAGE";
  const { kind } = event as Fields;
  return typeof kind === "string" && Object.hasOwn(eventJudges, kind)
    ? eventJudges[kind]!(event)
    : "BAD_MESSAGE";
};

interface Field {
  readonly name: string;
  readonly judge: Judge;
  readonly optional?: true;
}

const id: Field = { name: "id", judge: integer };
const timestamp: Field = { name: "timestamp", judge: integer };
const theKey: Field = { name: "key", judge: key };
const theValue: Field = { name: "value", judge: value };
const valueOrNone: Field = { name: "value", judge: valueOrNull };
const theTtl: Field = { name: "ttlMs", judge: ttlMs, optional: true };
const maybe = (name: string, judge: Judge = integer): Field => ({ name, judge, optional: true });

/** The fields of each type, in the order of the checks: the first invalid one decides the error. */
export const contract: Readonly<Record<string, readonly Field[]>> = {
  PUT: [id, theKey, theValue, { name: "client", judge: address, optional: true }],
  PUT_OK: [id, theKey, timestamp],
  GET: [id, theKey, timestamp, maybe("atLeast")],
  GET_OK: [id, theKey, valueOrNone, timestamp],
  TRY_OTHER_SERVER_OR_LATER: [id, maybe("key", key), timestamp, maybe("lost", flag)],
  WRITE: [id, theKey, valueOrNone, maybe("expected"), maybe("client", address), theTtl],
  WRITE_OK: [id, theKey, timestamp],
  CONFLICT: [id, theKey, valueOrNone, timestamp],
  GET_LATEST: [id, theKey],
  LIST: [
    id,
    { name: "prefix", judge: textUpTo(keyBytesMax) },
    maybe("after", key),
    maybe("limit", integerFrom(1, 1_000)),
    maybe("atLeast"),
  ],
  LIST_OK: [
    id,
    { name: "entries", judge: listOf(listed) },
    { name: "more", judge: boolean },
    timestamp,
  ],
  WATCH: [
    id,
    maybe("key", key),
    maybe("prefix", textUpTo(keyBytesMax)),
    { name: "after", judge: integer },
  ],
  CHANGES: [
    id,
    { name: "changes", judge: listOf(change) },
    timestamp,
    maybe("reset", flag),
    maybe("more", flag),
  ],
  UNWATCH: [id],
  REPLICATION: [theKey, valueOrNone, timestamp, theTtl],
  REPLICATION_OK: [timestamp],
  JOIN: [
    { name: "server", judge: server },
    { name: "cluster", judge: cluster },
    timestamp,
    { name: "highest", judge: integer, optional: true },
    { name: "instance", judge: integer, optional: true },
    { name: "attempt", judge: integer, optional: true },
    maybe("protocol"),
  ],
  JOIN_OK: [maybe("protocol")],
  SYNC: [
    { name: "cluster", judge: cluster },
    timestamp,
    { name: "latest", judge: integer },
    maybe("floor"),
    maybe("gaps", listOf(gap)),
  ],
  SNAPSHOT_REQUEST: [],
  SNAPSHOT: [
    { name: "entries", judge: listOf(entry) },
    { name: "last", judge: boolean },
    { name: "replace", judge: boolean, optional: true },
    maybe("floor"),
    maybe("gaps", listOf(gap)),
  ],
  SNAPSHOT_OK: [],
  HEARTBEAT: [],
  HELLO: [
    { name: "role", judge: role },
    { name: "nonce", judge: nonce },
    { name: "server", judge: server, optional: true },
    { name: "peer", judge: address, optional: true },
    { name: "tls", judge: boolean, optional: true },
  ],
  CHALLENGE: [
    { name: "nonce", judge: nonce },
    { name: "proof", judge: proof },
    { name: "proofVersion", judge: integer, optional: true },
  ],
  PROOF: [{ name: "proof", judge: proof }],
  PROOF_OK: [],
  STATUS: [id],
  STATUS_OK: [
    id,
    { name: "server", judge: server },
    { name: "leader", judge: server },
    { name: "cluster", judge: cluster },
    timestamp,
    { name: "inSync", judge: listOf(server) },
    { name: "followers", judge: listOf(follower) },
    ...["keys", "connections", "uptimeMs", "memoryBytes"].map((name) => ({ name, judge: integer })),
    { name: "faults", judge: boolean },
    maybe("watches"),
    maybe("cutOffMs"),
    { name: "version", judge: version, optional: true },
  ],
  OBSERVE: [id, maybe("protocol")],
  EVENTS: [
    id,
    { name: "server", judge: server },
    { name: "at", judge: integer },
    { name: "missed", judge: integer },
    { name: "counts", judge: counts },
    { name: "events", judge: listOf(event) },
  ],
  FAULT: [
    id,
    { name: "follower", judge: server },
    { name: "action", judge: action },
    { name: "delayMs", judge: integer, optional: true },
  ],
  FAULT_OK: [id],
  ERROR: [
    { name: "code", judge: code },
    { name: "message", judge: errorText },
    { ...id, optional: true },
  ],
};

/** Strings, brackets, commas and colons of a line, counted in the dumbest way. */
export function tokensIn(line: string): number {
  return line.match(/"(?:[^"\\]|\\.)*"?|[[\]{},:]/gs)?.length ?? 0;
}

/** The meaning of a line. */
export function judge(line: string): Verdict {
  let object: Fields;
  try {
    object = JSON.parse(line);
  } catch {
    return { kind: "no frame" };
  }
  if (Object.prototype.toString.call(object) !== "[object Object]") return { kind: "no frame" };
  const own = (name: string) => Object.hasOwn(object, name) ? object[name] : undefined;
  const judgedId = integer(own("id"));
  const knownId = typeof judgedId === "string" ? undefined : judgedId.value as number;
  const type = own("type");
  if (typeof type !== "string" || !Object.hasOwn(contract, type)) {
    return { kind: "wrong", code: "BAD_MESSAGE", id: knownId };
  }
  const contradiction: Wrong = { kind: "wrong", code: "BAD_MESSAGE", id: knownId };
  if (type === "WATCH" && (own("key") === undefined) === (own("prefix") === undefined)) {
    return contradiction;
  }
  const fields = contract[type]!;
  const message: Record<string, unknown> = { type };
  for (const { name, judge, optional } of fields) {
    const given = own(name);
    if (given === undefined && optional) continue;
    const judged = judge(given);
    if (typeof judged === "string") {
      // A snapshot is not a request.
      const id = name === "entries" || name === "gaps" ? "any" : knownId;
      return { kind: "wrong", code: judged, id };
    }
    if (judged.value !== undefined) message[name] = judged.value;
  }
  const canExpire = type === "WRITE" || type === "REPLICATION";
  if (canExpire && message.value === null && message.ttlMs !== undefined) return contradiction;
  return { kind: "message", message };
}

/** The lines of a stream of bytes. */
export interface Stream {
  /** The complete lines before a failure. */
  readonly lines: readonly string[];
  /** Why reading stopped; `undefined` if it did not. */
  readonly failure: Code | undefined;
  /** The bytes of an incomplete last line; 0 after a failure. */
  readonly restBytes: number;
}

/** Splits bytes into lines of at most `bytesMax` bytes. */
export function split(bytes: Uint8Array, bytesMax: number = frameBytesMax): Stream {
  const lines: string[] = [];
  const isTls = (bytes[0] === 21 || bytes[0] === 22) && bytes[1] === 3;
  if (isTls) return { lines, failure: "BAD_MESSAGE", restBytes: 0 };
  const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  let start = 0;
  for (let lf = bytes.indexOf(10); lf >= 0; lf = bytes.indexOf(10, start)) {
    if (lf + 1 - start > bytesMax) return { lines, failure: "TOO_LARGE", restBytes: 0 };
    try {
      lines.push(decoder.decode(bytes.slice(start, lf)));
    } catch {
      return { lines, failure: "BAD_MESSAGE", restBytes: 0 };
    }
    start = lf + 1;
  }
  const restBytes = bytes.length - start;
  return { lines, failure: restBytes >= bytesMax ? "TOO_LARGE" : undefined, restBytes };
}

/** What only servers send. */
const serversOnly = Object.keys(contract).filter((type) =>
  /_OK$|^(TRY_|CONFLICT|CHANGES|REPLICATION|SYNC|SNAPSHOT|HEARTBEAT|EVENTS)/.test(type) &&
  type !== "PROOF_OK"
);

/** The facts about a server that decide its answers. */
export interface Facts {
  /** Whether it is the leader of a complete cluster. Otherwise it is a follower. */
  readonly leads: boolean;
  /** Whether servers and clients must prove that they know a secret. */
  readonly guarded: boolean;
  /** Its "host:port". */
  readonly self: string;
}

/** An expected answer. */
export type Due =
  | { readonly type: "ERROR"; readonly code: string; readonly id: number | "any" | undefined }
  | { readonly type: "PUT_OK" | "STATUS_OK" | "CHALLENGE"; readonly request: Fields }
  /** WRITE_OK or CONFLICT. */
  | { readonly type: "written"; readonly request: Fields }
  /** GET_OK. */
  | { readonly type: "latest"; readonly request: Fields }
  /** GET_OK, or TRY_OTHER_SERVER_OR_LATER. */
  | { readonly type: "read"; readonly request: Fields };

/**
 * Returns the answers that are due to a stream, in order. `ends` says whether the server then closes the connection,
 * `observes` whether EVENTS come between the answers. With `watches`, a LIST or WATCH is answered, which
 * may come at any time and depends on the table.
 */
export function answersTo(
  stream: Stream,
  { leads, guarded, self }: Facts,
): { due: Due[]; ends: boolean; observes: boolean; watches: boolean } {
  const due: Due[] = [];
  let observes = false;
  let watches = false;
  const refuse = (code: string, id?: number | "any") => due.push({ type: "ERROR", code, id });
  for (const line of stream.lines) {
    if (tokensIn(line) > clientTokensMax) {
      refuse("TOO_LARGE");
      return { due, ends: true, observes, watches };
    }
    const verdict = judge(line);
    if (verdict.kind === "no frame") {
      refuse("BAD_MESSAGE");
      return { due, ends: true, observes, watches };
    }
    const fields: Fields = JSON.parse(line);
    if (serversOnly.includes(fields.type as string)) {
      const id = integer(fields.id); // no other field is read
      refuse("FORBIDDEN", typeof id === "string" ? undefined : id.value as number);
      continue;
    }
    if (verdict.kind === "wrong") {
      refuse(verdict.code, verdict.id);
      continue;
    }
    const request = verdict.message;
    const id = request.id as number | undefined;
    switch (request.type) {
      case "GET":
      case "PUT":
      case "WRITE":
      case "GET_LATEST":
      case "STATUS":
        if (guarded) refuse("FORBIDDEN", id);
        else if (request.type === "GET") due.push({ type: "read", request });
        else if (request.type === "WRITE") due.push({ type: "written", request });
        else if (request.type === "GET_LATEST") due.push({ type: "latest", request });
        else due.push({ type: `${request.type}_OK`, request });
        break;
      case "LIST":
      case "WATCH":
      case "UNWATCH":
        if (guarded) refuse("FORBIDDEN", id);
        else watches = true;
        break;
      case "OBSERVE":
        if (guarded || observes) refuse("FORBIDDEN", id);
        else observes = true;
        break;
      case "HELLO":
        if (guarded && (leads || request.role === "client") && means(request, self)) {
          due.push({ type: "CHALLENGE", request });
          break;
        }
        refuse("FORBIDDEN");
        return { due, ends: true, observes, watches };
      case "CHALLENGE":
      case "PROOF":
      case "PROOF_OK":
        refuse("FORBIDDEN");
        return { due, ends: true, observes, watches };
      case "JOIN":
        refuse(codeOfJoin(request, leads && !guarded));
        if (!leads) break;
        return { due, ends: true, observes, watches };
      default:
        refuse("FORBIDDEN", id);
    }
  }
  if (stream.failure !== undefined) refuse(stream.failure);
  return { due, ends: stream.failure !== undefined, observes, watches };
}

/** Whether a HELLO is for this server. */
function means({ server, peer }: Fields, self: string): boolean {
  return server !== undefined && peer !== undefined && (server === self || peer === self);
}

/** The code that refuses a JOIN. A leader judges the data if it asks for no proof. */
function codeOfJoin({ timestamp, highest, instance }: Fields, judged: boolean): string {
  const hasData = Number(timestamp) > 0 || Number(highest ?? 0) > 0;
  return instance === undefined || (judged && hasData) ? "FORBIDDEN" : "UNAVAILABLE";
}

/** The difference between an answer and the expected one; `undefined` if there is none. */
export function complaint(due: Due, reply: Fields): string | undefined {
  const line = JSON.stringify(reply);
  const verdict = judge(line);
  if (verdict.kind !== "message") return `not a message: ${line}`;
  const { message } = verdict;
  const same = (name: string, given: unknown) =>
    Object.is(message[name], given) ? undefined : `${name} should be ${given}: ${line}`;
  switch (due.type) {
    case "ERROR":
      return same("type", "ERROR") ?? same("code", due.code) ??
        (due.id === "any" ? undefined : same("id", due.id));
    case "STATUS_OK":
      return same("type", due.type) ?? same("id", due.request.id);
    case "PUT_OK":
      return same("type", due.type) ?? same("id", due.request.id) ?? same("key", due.request.key);
    case "CHALLENGE":
      return same("type", due.type);
    case "written": {
      const refused = due.request.expected !== undefined && message.type === "CONFLICT";
      return same("type", refused ? "CONFLICT" : "WRITE_OK") ?? same("id", due.request.id) ??
        same("key", due.request.key);
    }
    case "latest":
      return same("type", "GET_OK") ?? same("id", due.request.id) ?? same("key", due.request.key);
    case "read": {
      const { timestamp: seen, atLeast = 0 } = due.request;
      const isNewer = (message.timestamp as number) >= (seen as number);
      // A key without entry may be older than what the client says that it has seen.
      const shown = isNewer ? atLeast === 0 || message.type === "GET_OK" : message.value === null;
      return same("type", shown ? "GET_OK" : "TRY_OTHER_SERVER_OR_LATER") ??
        same("id", due.request.id) ?? same("key", due.request.key);
    }
  }
}
