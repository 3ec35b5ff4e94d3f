/**
 * Properties of the decoder and of the line reader, for any input.
 *
 * @module
 */

import {
  assert,
  assertEquals,
  assertGreater,
  assertLessOrEqual,
  assertStrictEquals,
} from "@std/assert";
import fc from "fast-check";
import { FrameError, MensagemError } from "../../../lib/mensagem.ts";
import { FrameReader } from "../../../lib/wire/line_reader.ts";
import { frameBytesMax } from "../../../lib/limits.ts";
import { frameTokensMax } from "../../../lib/wire/tokens.ts";
import { ErrorReply, Mensagem, Replication, textOfValue } from "../../../lib/mensagem.ts";
import { type Input, inputs, lineInputs, longInputs, texts } from "./arbitraries.ts";
import type { Proof } from "./check.ts";
import { type Fields, judge, split, tokensIn, type Verdict } from "./model.ts";

/** The longest error message about a bad line, escapes included. */
const messageCharsMax = 600;
/** The least share of each of the three kinds of lines. With less the test would show little. */
const shareMin = 0.05;

/** Counts the kinds of inputs. */
class Shares {
  readonly #counts = { message: 0, wrong: 0, "no frame": 0 };

  count({ kind }: Verdict): void {
    this.#counts[kind]++;
  }

  assertMixed(): void {
    const all = Object.values(this.#counts).reduce((sum, count) => sum + count);
    if (all < 1_000) return; // only one failing input is repeated
    const counts = JSON.stringify(this.#counts);
    for (const count of Object.values(this.#counts)) assert(count / all >= shareMin, counts);
  }
}

/** Asserts that the decoder agrees with {@linkcode judge}: the same message, or one of two errors. */
function assertDecodes(line: string, verdict: Verdict): void {
  let message: Mensagem;
  try {
    message = Mensagem.decode(line);
  } catch (error) {
    assertRefused(line, error, verdict);
    return;
  }
  assertEquals({ kind: "message", message: fieldsOf(message) }, verdict);
  assert(!Object.values(message).some((value) => Object.is(value, -0)), "a -0 is left");
  const frame = message.encode();
  assertStrictEquals(frame.indexOf("\n"), frame.length - 1);
  const again = Mensagem.decode(frame.slice(0, -1));
  assertStrictEquals(again.constructor, message.constructor);
  assertEquals(fieldsOf(again), fieldsOf(message));
  assertStrictEquals(again.encode(), frame);
  // UTF-8 changes nothing in it.
  assertStrictEquals(new TextDecoder().decode(new TextEncoder().encode(frame)), frame);
}

function fieldsOf(message: Mensagem): Fields {
  if (message instanceof Replication) {
    const { type, key, value, timestamp, write } = message;
    const ttl = write.ttlMs === undefined ? {} : { ttlMs: write.ttlMs };
    return { type, key, value: textOfValue(value), timestamp, ...ttl };
  }
  return Object.fromEntries(Object.entries(message).filter(([, value]) => value !== undefined));
}

function assertRefused(line: string, error: unknown, verdict: Verdict): void {
  assert(error instanceof MensagemError || error instanceof FrameError, `threw ${error}`);
  assertLessOrEqual(error.message.length, messageCharsMax);
  if (error instanceof FrameError && error.code === "TOO_LARGE") {
    assertGreater(tokensIn(line), frameTokensMax);
    return;
  }
  if (error instanceof FrameError) {
    assertEquals([verdict.kind, error.code], ["no frame", "BAD_MESSAGE"]);
    return;
  }
  assertStrictEquals(verdict.kind, "wrong", error.message);
  assert(verdict.kind === "wrong");
  assertStrictEquals(error.code, verdict.code, error.message);
  // A -0 and a 0 are the same on the wire.
  if (verdict.id !== "any") assert(error.id === verdict.id, `${error.message}: id ${error.id}`);
  // The error can be sent to the sender.
  const reply = new ErrorReply(error.code, error.message, error.id);
  assertEquals(Mensagem.decode(reply.encode()), reply);
}

/** The decoder agrees with the model, for decoded bytes and for texts that are not well-formed. */
export function decoding(): Proof {
  const shares = new Shares();
  const lines = inputs.map(({ bytes }) => new TextDecoder().decode(bytes));
  const property = fc.property(
    fc.oneof({ weight: 3, arbitrary: texts }, { weight: 1, arbitrary: lines }),
    (line) => {
      const verdict = judge(line);
      shares.count(verdict);
      assertDecodes(line, verdict);
    },
  );
  return { property, finish: () => shares.assertMixed() };
}

/** Feeds a reader as a socket does: into its own space, in parts if that is too small. */
function read({ chunks }: Input): { lines: string[]; reader: FrameReader } {
  const reader = new FrameReader();
  const lines: string[] = [];
  for (const chunk of chunks) {
    for (let start = 0; start < chunk.length && reader.failure === undefined;) {
      const { space } = reader;
      assert(space.length > 0, "no space");
      assertLessOrEqual(space.buffer.byteLength, frameBytesMax);
      const part = chunk.subarray(start, start + space.length);
      space.fill(10, part.length, part.length + 8); // old bytes behind the new ones mean nothing
      space.set(part);
      lines.push(...reader.push(part.length));
      start += part.length;
    }
  }
  return { lines, reader };
}

function assertReads(input: Input): void {
  const { lines, reader } = read(input);
  const expected = split(input.bytes);
  assertEquals(lines, expected.lines);
  assertStrictEquals(reader.failure?.code, expected.failure);
  if (expected.failure === undefined) {
    assertStrictEquals(reader.partialBytes > 0, expected.restBytes > 0);
  } else {
    assert(reader.failure instanceof FrameError);
  }
}

/** The line reader agrees with the model, however a stream is cut. */
export function reading(): Proof {
  return { property: fc.property(lineInputs, assertReads) };
}

/** The line reader agrees with the model, for lines about as long as the longest frame. */
export function readingLong(): Proof {
  return { property: fc.property(longInputs, assertReads) };
}
