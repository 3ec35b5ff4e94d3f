/**
 * The inputs of the fuzz tests: random bytes, valid frames, and frames with errors.
 *
 * @module
 */

import fc from "fast-check";
import { frameBytesMax, keyBytesMax, valueBytesMax } from "../../../lib/limits.ts";
import { contract } from "./model.ts";

/** A key whose value no test changes. A server that returns another value has applied a forged write. */
export const knownKey = "a key that the good client reads all the time";

const encoder = new TextEncoder();
const shownCharsMax = 2_000;

/** One input: bytes in chunks. */
export class Input {
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** The positions between chunks, in ascending order, without the start and the end. */
  readonly cuts: readonly number[];
  /** Whether the sender closes the connection without reading the answers. */
  readonly hangsUp: boolean;

  /** Cuts beyond the bytes are moved to positions within them. */
  constructor(bytes: Uint8Array<ArrayBuffer>, cuts: readonly number[], hangsUp: boolean) {
    this.bytes = bytes;
    const within = cuts.map((cut) => cut % Math.max(bytes.length, 1));
    this.cuts = [...new Set(within)].filter((cut) => cut > 0).sort((a, b) => a - b);
    this.hangsUp = hangsUp;
  }

  /** The bytes in chunks. */
  get chunks(): Uint8Array<ArrayBuffer>[] {
    const ends = [...this.cuts, this.bytes.length];
    return ends.map((end, n) => this.bytes.subarray(n === 0 ? 0 : ends[n - 1], end));
  }

  /** The text in a failure message: bytes that are not ASCII as `\xNN`. */
  [fc.toStringMethod](): string {
    const shown = Array.from(
      this.bytes.subarray(0, shownCharsMax),
      (byte) =>
        byte === 10
          ? "\\n"
          : byte < 32 || byte > 126
          ? `\\x${byte.toString(16).padStart(2, "0")}`
          : String.fromCharCode(byte),
    );
    const more = this.bytes.length > shownCharsMax ? "…" : "";
    return `{ ${this.bytes.length} bytes: ${shown.join("")}${more}; cut at [${this.cuts}]${
      this.hangsUp ? "; hangs up" : ""
    } }`;
  }
}

// Values in JSON: valid ones

const json = (value: unknown) => JSON.stringify(value);

const integerJson = fc.oneof(fc.nat(5), fc.maxSafeNat(), fc.constantFrom(0, 2 ** 53 - 1)).map(json);

/** Keys. Some of them are frequent, so that GETs find values. */
const keyText = fc.oneof(
  fc.constantFrom("cor", "outra", "__proto__", "constructor", "\0", "\n", "é", "😀", "\ufeff"),
  fc.string({ unit: "binary", minLength: 1, maxLength: 12 }),
);
const valueText = fc.oneof(
  fc.string({ unit: "binary", maxLength: 20 }),
  fc.string({ unit: "grapheme-ascii", maxLength: 5_000 }),
);

/** A text in JSON, plain or with every character escaped. */
function jsonOf(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 5, arbitrary: texts.map(json) },
    { weight: 1, arbitrary: texts.map((text) => `"${escaped(text)}"`) },
  );
}

function escaped(text: string): string {
  const units = text.split("").map((unit) => unit.charCodeAt(0).toString(16).padStart(4, "0"));
  return units.map((hex) => `\\u${hex}`).join("");
}

/** A text of `bytes` bytes, one less or one more. */
function textNear(bytes: number): fc.Arbitrary<string> {
  return fc.tuple(fc.constantFrom("a", "é", "€", "😀", "\0"), fc.integer({ min: -1, max: 1 }))
    .map(([char, more]) => {
      const charBytes = encoder.encode(char).length;
      const rest = (bytes + more) % charBytes;
      return char.repeat(Math.floor((bytes + more) / charBytes)) + "b".repeat(rest);
    });
}

const addressText = fc.oneof(
  fc.tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => `${ip}:${port}`),
  fc.tuple(fc.ipV6(), fc.integer({ min: 1, max: 65_535 })).map(([ip, port]) => `[${ip}]:${port}`),
  fc.constantFrom(
    "localhost:1",
    "KV-0.kv.:1",
    "a..b:1",
    "127.0.0.1:0",
    "127.0.0.1:65536",
    "::1:80",
    "[::1]:80\n",
    "",
  ),
);
const clusterText = fc.oneof(
  fc.constantFrom("", "outro", "y".repeat(64), "y".repeat(65), "a b"),
  fc.uuid(),
);
const hexOf = (digits: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdef"), minLength: digits, maxLength: digits });

/** The keys of messages between servers: some of them try to overwrite the known key. */
const targetKeyJson = fc.oneof(fc.constant(json(knownKey)), jsonOf(keyText));
const valueOrNullJson = fc.oneof(
  { weight: 3, arbitrary: jsonOf(valueText) },
  { weight: 1, arbitrary: fc.constant("null") },
);
const ttlJson = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 1_000, max: 2 ** 31 - 1 }) },
  { weight: 1, arbitrary: fc.constantFrom(0, 999, 1_000, 2 ** 31, 2 ** 31 + 1) },
).map(json);
/** The list of some lists. */
const listsJson = (lists: fc.Arbitrary<string[]>, maxLength = 4) =>
  fc.array(lists, { maxLength }).map((entries) => `[${entries.map((entry) => `[${entry}]`)}]`);
const entriesJson = fc.oneof(
  { weight: 3, arbitrary: listsJson(fc.tuple(targetKeyJson, jsonOf(valueText), integerJson)) },
  { weight: 1, arbitrary: listsJson(fc.tuple(targetKeyJson, valueOrNullJson, integerJson), 2) },
  {
    weight: 1,
    arbitrary: listsJson(fc.tuple(targetKeyJson, valueOrNullJson, integerJson, ttlJson), 2),
  },
);

/** Events; most of them have the fields of their kind and more. */
const eventFields = fc.record({
  kind: fc.constantFrom(
    ...["table", "put", "put_ok", "get", "acknowledged", "members", "fault", "no"],
    ...["written", "write", "forwarding_write", "write_ok", "conflict"],
  ),
  at: fc.nat(9),
  key: keyText,
  value: fc.option(valueText),
  timestamp: fc.nat(9),
  client: fc.constant("127.0.0.1:1"),
  follower: fc.constant("127.0.0.1:1"),
  seen: fc.nat(9),
  own: fc.nat(9),
  ms: fc.float({ min: 0, noNaN: true }),
  joined: fc.array(addressText, { maxLength: 2 }),
  inSync: fc.constant([]),
  open: fc.boolean(),
  action: fc.constantFrom("pause", "delay", "stop"),
  expected: fc.nat(9),
  ttlMs: fc.nat(9),
  expired: fc.boolean(),
}, { requiredKeys: ["kind", "at", "key", "timestamp", "client", "follower"] });

/** The addresses at which the servers of the suite are known. */
export const advertised = ["kv-1.test:10097", "kv-2.test:10097", "kv-3.test:10097"] as const;

const rightJson: Readonly<Record<string, fc.Arbitrary<string>>> = {
  id: integerJson,
  key: jsonOf(keyText),
  value: jsonOf(valueText),
  timestamp: integerJson,
  latest: integerJson,
  highest: integerJson,
  instance: integerJson,
  attempt: integerJson,
  protocol: integerJson,
  floor: integerJson,
  gaps: listsJson(fc.tuple(fc.nat(5), fc.integer({ min: 4, max: 99 })).map((gap) => gap.map(json))),
  atLeast: integerJson,
  lost: fc.boolean().map(json),
  expected: integerJson,
  ttlMs: ttlJson,
  prefix: jsonOf(fc.oneof(fc.constant(""), keyText)),
  after: fc.oneof(integerJson, jsonOf(keyText)),
  limit: fc.integer({ min: 0, max: 1_001 }).map(json),
  more: fc.boolean().map(json),
  changes: listsJson(fc.tuple(jsonOf(keyText), valueOrNullJson, integerJson)),
  reset: fc.boolean().map(json),
  client: jsonOf(addressText),
  server: jsonOf(fc.oneof(addressText, fc.constantFrom(...advertised))),
  peer: jsonOf(addressText),
  tls: fc.boolean().map(json),
  leader: jsonOf(addressText),
  cluster: jsonOf(clusterText),
  entries: entriesJson,
  last: fc.boolean().map(json),
  replace: fc.boolean().map(json),
  role: fc.constantFrom(`"server"`, `"client"`),
  nonce: jsonOf(hexOf(32)),
  proof: jsonOf(hexOf(64)),
  inSync: fc.array(addressText, { maxLength: 3 }).map(json),
  followers: fc.array(
    fc.record({ server: addressText, timestamp: fc.nat(9), inSync: fc.boolean() }),
    { maxLength: 3 },
  ).map(json),
  keys: integerJson,
  connections: integerJson,
  uptimeMs: integerJson,
  memoryBytes: integerJson,
  faults: fc.boolean().map(json),
  watches: integerJson,
  cutOffMs: integerJson,
  version: fc.constantFrom("0.1.0", "1.2.3-rc.1", "", "a b").map(json),
  proofVersion: fc.constantFrom(1, 2).map(json),
  at: integerJson,
  missed: integerJson,
  counts: fc.record({
    puts: fc.nat(9),
    putOks: fc.nat(9),
    gets: fc.nat(9),
    refused: fc.nat(9),
    replications: fc.nat(9),
    writes: fc.nat(9),
    writeOks: fc.nat(9),
    conflicts: fc.nat(9),
  }, { requiredKeys: ["puts", "putOks", "gets", "refused", "replications"] }).map(json),
  events: fc.array(eventFields, { maxLength: 3 }).map(json),
  follower: jsonOf(addressText),
  action: fc.constantFrom(`"pause"`, `"delay"`, `"resume"`),
  delayMs: integerJson,
  code: fc.constantFrom(`"BAD_MESSAGE"`, `"OVERLOADED"`, `"FORBIDDEN"`, `"UNKNOWN_OUTCOME"`),
  message: jsonOf(valueText),
};

// Values in JSON: invalid ones

// deno-fmt-ignore
const oddJson = [
  "null", "true", "false", `""`, `"0"`, `"null"`, "[]", "{}", "[null]", `{"length":3}`, `[["k","v",1]]`, `[["k","v"]]`,
  "0", "-0", "-1", "0.5", "1.0", "1e3", "1e999", "-1e999", "1e-400", "9007199254740991", "9007199254740992",
  "9007199254740993", "00", "01", "+1", ".5", "1.", "0x10", "NaN", "Infinity", "undefined", "'k'", "", "\\", `"\\x"`, `"`,
  `"\\ud800"`, `"a\\udc00"`, `"\\ude00\\ud83d"`, `"\u2028"`, `"\t"`, `"\0"`,
];
const deepest = 20_000;

const wrongJson = fc.oneof(
  { weight: 150, arbitrary: fc.constantFrom(...oddJson) },
  { weight: 40, arbitrary: fc.json() },
  { weight: 20, arbitrary: fc.integer({ min: 15, max: 400 }).map((digits) => "9".repeat(digits)) },
  { weight: 20, arbitrary: textNear(keyBytesMax).map(json) },
  {
    weight: 10,
    arbitrary: fc.tuple(fc.integer({ min: 1, max: deepest }), fc.boolean()).map(([depth, lists]) =>
      lists
        ? "[".repeat(depth) + "]".repeat(depth)
        : `${`{"a":`.repeat(depth)}0${"}".repeat(depth)}`
    ),
  },
  { weight: 1, arbitrary: textNear(valueBytesMax).map(json) },
);

// Frames

/** A field of an object: its name, and its value in JSON. */
type Field = readonly [name: string, json: string];

const types = Object.keys(contract);
const names = [...Object.keys(rightJson), "type", "extra", "__proto__", "constructor", "toString"];

const rightFields: fc.Arbitrary<Field[]> = fc.oneof(...types.map((type) => {
  const fields = contract[type]!.map(({ name, optional }): fc.Arbitrary<Field | undefined> => {
    const isForged = name === "key" && type === "REPLICATION";
    const takesNull = name === "value" && type !== "PUT";
    const right = isForged ? targetKeyJson : takesNull ? valueOrNullJson : rightJson[name]!;
    const field = right.map((raw): Field => [name, raw]);
    return optional ? fc.option(field, { nil: undefined }) : field;
  });
  return fc.tuple(...fields).map((fields): Field[] => [
    ["type", json(type)],
    ...fields.filter((field) => field !== undefined),
  ]);
}));

/** A change to the fields of a frame. */
type FieldMutation = (fields: Field[]) => void;

const at = fc.nat(7);
const fieldMutation: fc.Arbitrary<FieldMutation> = fc.oneof(
  // An invalid value, or the value of another field.
  fc.tuple(at, wrongJson).map(([at, raw]): FieldMutation => (fields) => {
    const [name] = fields[at % fields.length]!;
    fields[at % fields.length] = [name, raw];
  }),
  fc.tuple(at, at).map(([to, from]): FieldMutation => (fields) => {
    const [name] = fields[to % fields.length]!;
    fields[to % fields.length] = [name, fields[from % fields.length]![1]];
  }),
  // A missing field, an additional one, a double one, or one with another name.
  at.map((at): FieldMutation => (fields) => {
    if (fields.length > 1) fields.splice(at % fields.length, 1);
  }),
  fc.tuple(fc.constantFrom(...names), wrongJson).map((field): FieldMutation => (fields) => {
    fields.push(field);
  }),
  fc.tuple(fc.constantFrom(...names), at).map(([name, at]): FieldMutation => (fields) => {
    fields[at % fields.length] = [name, fields[at % fields.length]![1]];
  }),
  // Another type, with the fields of the first one and more.
  fc.tuple(fc.constantFrom(...types), rightFields).map(
    ([type, more]): FieldMutation => (fields) => {
      fields[0] = ["type", json(type)];
      fields.push(...more.slice(1));
    },
  ),
);

const space = fc.constantFrom("", "", "", " ", "\t", "\r", "\ufeff", "\u00a0");

const frameText: fc.Arbitrary<string> = fc.tuple(
  rightFields,
  fc.oneof(
    { weight: 3, arbitrary: fc.constant<FieldMutation[]>([]) },
    { weight: 5, arbitrary: fc.array(fieldMutation, { minLength: 1, maxLength: 3 }) },
  ),
  space,
  fc.boolean(),
).map(([right, mutations, space, reversed]) => {
  const fields = [...right];
  for (const mutate of mutations) mutate(fields);
  if (reversed) fields.reverse();
  return `{${fields.map(([name, raw]) => `${json(name)}:${raw}`).join(`,${space}`)}}`;
});

/** A change to the bytes of a frame. */
type ByteMutation = (bytes: Uint8Array) => Uint8Array;

const place = fc.nat(600);
const span = fc.integer({ min: 1, max: 40 });
const byteMutation: fc.Arbitrary<ByteMutation> = fc.oneof(
  fc.tuple(place, fc.nat(7)).map(([place, bit]): ByteMutation => (bytes) => {
    const flipped = bytes.slice();
    if (bytes.length > 0) flipped[place % bytes.length]! ^= 1 << bit;
    return flipped;
  }),
  place.map((place): ByteMutation => (bytes) => bytes.subarray(0, place % (bytes.length + 1))),
  fc.tuple(place, span).map(([place, span]): ByteMutation => (bytes) => {
    const start = place % (bytes.length + 1);
    return concat([bytes.subarray(0, start), bytes.subarray(start + span)]);
  }),
  fc.tuple(place, span).map(([place, span]): ByteMutation => (bytes) => {
    const start = place % (bytes.length + 1);
    return concat([bytes.subarray(0, start + span), bytes.subarray(start)]);
  }),
  fc.tuple(place, fc.uint8Array({ minLength: 1, maxLength: 6 })).map(
    ([place, more]): ByteMutation => (bytes) => {
      const start = place % (bytes.length + 1);
      return concat([bytes.subarray(0, start), more, bytes.subarray(start)]);
    },
  ),
  // The end of another frame instead of its own.
  fc.tuple(place, frameText, place).map(([place, other, from]): ByteMutation => (bytes) => {
    const end = encoder.encode(other);
    return concat([
      bytes.subarray(0, place % (bytes.length + 1)),
      end.subarray(from % (end.length + 1)),
    ]);
  }),
);

const mutatedFrame = fc.tuple(frameText, fc.array(byteMutation, { minLength: 1, maxLength: 3 }))
  .map(([text, mutations]) =>
    mutations.reduce((bytes, mutate) => mutate(bytes), encoder.encode(text) as Uint8Array)
  );

/** One line of a stream, without its line end. */
const line: fc.Arbitrary<Uint8Array> = fc.oneof(
  { weight: 10, arbitrary: frameText.map((text) => encoder.encode(text)) },
  { weight: 4, arbitrary: mutatedFrame },
  { weight: 1, arbitrary: fc.json().map((text) => encoder.encode(text)) },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 100 }) },
  { weight: 1, arbitrary: fc.string({ unit: "binary" }).map((text) => encoder.encode(text)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom("", "GET / HTTP/1.1\r", "[]", "null", "7", `"PUT"`, "\ufeff{}").map((
      text,
    ) => encoder.encode(text)),
  },
);

const lineEnd = fc.oneof(
  { weight: 12, arbitrary: fc.constant("\n") },
  { weight: 1, arbitrary: fc.constantFrom("\r\n", "\n\n", "\r", "") },
);

const stream = fc.array(fc.tuple(line, lineEnd), { maxLength: 6 }).map((lines) => {
  const parts = lines.flatMap(([line, end]) => [line, encoder.encode(end)]);
  return concat(parts);
});

function concat(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    whole.set(part, end);
    end += part.length;
  }
  return whole;
}

const cuts = fc.array(fc.nat(20_000), { maxLength: 5 });

/** The beginning of a TLS connection, which may hold no line end. */
const tlsRecord = fc.uint8Array({ maxLength: 300 }).map((bytes) => Uint8Array.of(22, 3, ...bytes));

/** Streams for a server or the decoder: most lines are frames, and most frames are invalid. */
export const inputs: fc.Arbitrary<Input> = fc.tuple(
  fc.oneof({ weight: 12, arbitrary: stream }, {
    weight: 1,
    arbitrary: fc.uint8Array({ maxLength: 3_000 }),
  }, { weight: 1, arbitrary: tlsRecord }),
  cuts,
  fc.nat(9),
).map(([bytes, cuts, ending]) => new Input(new Uint8Array(bytes), cuts, ending === 0));

/** Texts for the decoder, some of them not well-formed. */
export const texts: fc.Arbitrary<string> = fc.oneof(
  { weight: 6, arbitrary: frameText },
  {
    weight: 6,
    arbitrary: fc.oneof(mutatedFrame, fc.uint8Array({ maxLength: 300 })).map((bytes) =>
      new TextDecoder().decode(bytes)
    ),
  },
  { weight: 1, arbitrary: fc.json() },
  {
    weight: 1,
    arbitrary: fc.string({ unit: fc.nat(0xffff).map((unit) => String.fromCharCode(unit)) }),
  },
);

/** Long runs of one character, around the sizes at which a reader's buffer grows. */
const runs = fc.tuple(
  fc.oneof(
    fc.nat(100),
    fc.constantFrom(1_023, 1_024, 1_025, 65_535, 65_536, 65_537),
    fc.nat(200_000),
  ),
  fc.constantFrom("x", "é", "€", "😀"),
).map(([length, char]) => encoder.encode(char.repeat(length)));

const lineBytes = fc.array(
  fc.oneof(
    { weight: 4, arbitrary: fc.uint8Array({ maxLength: 20 }) },
    { weight: 8, arbitrary: fc.string({ unit: "binary" }).map((text) => encoder.encode(text)) },
    {
      weight: 8,
      arbitrary: fc.constantFrom("\n", "\n\n", "\r\n", "\n\ufeff").map((text) =>
        encoder.encode(text)
      ),
    },
    { weight: 1, arbitrary: runs },
  ),
  { maxLength: 20 },
).map(concat);

/** Streams for the line reader. */
export const lineInputs: fc.Arbitrary<Input> = fc.tuple(
  lineBytes,
  fc.oneof(cuts, fc.array(fc.nat(40), { maxLength: 40 }), fc.array(fc.nat(300_000))),
).map(([bytes, cuts]) => new Input(bytes, cuts, false));

/** Streams with a line about as long as the longest frame. */
export const longInputs: fc.Arbitrary<Input> = fc.tuple(
  fc.uint8Array({ maxLength: 20 }),
  fc.integer({ min: -2, max: 2 }),
  fc.array(fc.nat(frameBytesMax + 20), { maxLength: 4 }),
  fc.boolean(),
).map(([before, more, cuts, ended]) => {
  const long = new Uint8Array(frameBytesMax + more).fill(0x78);
  if (ended) long[long.length - 1] = 10;
  return new Input(concat([before, long, encoder.encode("{}\n")]), cuts, false);
});
