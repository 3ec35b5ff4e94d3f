import {
  assert,
  assertEquals,
  assertInstanceOf,
  assertLess,
  assertStrictEquals,
  assertThrows,
} from "@std/assert";
import { Mensagem, Put, Replication } from "../../lib/mensagem.ts";
import { Store } from "../../lib/replication/store.ts";
import { valueBytesMax } from "../../lib/limits.ts";
import { textOf } from "../../lib/wire/frames.ts";
import { FrameReader } from "../../lib/wire/line_reader.ts";
import { LongValue, longValueChars, textOfValue } from "../../lib/wire/long_value.ts";
import { type Random, seeded } from "../support/random.ts";

const pure = { permissions: "none" } as const;
const encoder = new TextEncoder();

/** What decoding a line gives: the message as an object with its value as text, or the error. */
function outcome(line: string, bytes?: Uint8Array<ArrayBuffer>): unknown {
  try {
    const message = Mensagem.decode(line, undefined, bytes);
    const fields = JSON.parse(message.encode());
    const kept = message instanceof Put || message instanceof Replication ? message.key : "";
    return { ...fields, kept };
  } catch (error) {
    const { name, code, id, message } = error as Error & { code?: string; id?: number };
    return { name, code, id, message };
  }
}

const odd = ["é", "€", "😀", '"', "\\", "\n", "\0", "\x1f", "\x7f", "\u2028", "\ud83d\ude00", "/"];

/** A long text, plain but for a few characters in some of them. */
function longText(random: Random): string {
  const text = Array.from("x".repeat(random.between(longValueChars - 3, longValueChars + 60)));
  if (random.chance(0.3)) return text.join("");
  for (let n = random.between(1, 3); n > 0; n--) text[random.below(text.length)] = random.pick(odd);
  return text.join("");
}

/** A line of a PUT or REPLICATION, in some of them one byte is another. */
function randomLine(random: Random): Uint8Array<ArrayBuffer> {
  const key = random.pick(["k", "a key of some length", "é", 'a"b', "k".repeat(1024)]);
  const value = longText(random);
  const id = random.pick([0, 7, 2 ** 53 - 1]);
  const message = random.pick([
    new Put(id, key, value),
    new Put(id, key, value, "10.0.0.7:50123"),
    new Put(id, key, value, "no address"),
    Replication.of(key, value, id),
  ]);
  let line = message.encode().slice(0, -1);
  if (random.chance(0.1)) line = line.replace('"value"', ' "value"');
  if (random.chance(0.1)) line = line.replace(/(.)x{9}/, "$1\\u0041");
  if (random.chance(0.1)) line += "\r";
  const bytes = encoder.encode(line);
  if (random.chance(0.3)) {
    const edge = random.chance(0.5) ? random.below(60) : bytes.length - 1 - random.below(60);
    bytes[edge] = random.pick([...encoder.encode('"\\{}:,0a \t\0\x1f')]);
  }
  return bytes;
}

Deno.test(
  "a long line means the same, with its bytes and without them, in 1,500 random lines",
  pure,
  seeded((random) => {
    let kept = 0;
    for (let n = 0; n < 1_500; n++) {
      const bytes = randomLine(random);
      let line: string;
      try {
        line = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
      } catch {
        continue; // the reader refuses it
      }
      assertEquals(outcome(line, bytes), outcome(line));
      try {
        const message = Mensagem.decode(line, undefined, bytes);
        if (message instanceof Put && message.value instanceof LongValue) kept++;
      } catch {
        // compared above
      }
    }
    assert(kept > 75, `only ${kept} values were kept as bytes`);
  }),
);

Deno.test(
  "a control character in a long value ends the connection, as in a short one",
  pure,
  () => {
    const line = `{"type":"PUT","id":1,"key":"k","value":"${"x".repeat(longValueChars)}\t"}`;
    const error = assertThrows(() => Mensagem.decode(line, undefined, encoder.encode(line)));
    assertStrictEquals((error as Error).name, "FrameError");
  },
);

Deno.test("a value of the most bytes is kept, and one byte more is TOO_LARGE", pure, () => {
  for (const char of ["a", "é", "€", "😀"]) {
    const { length } = encoder.encode(char);
    const value = char.repeat(valueBytesMax / length) + "a".repeat(valueBytesMax % length);
    const line = new Put(4, "k", value).encode().slice(0, -1);
    const put = Mensagem.decode(line, undefined, encoder.encode(line));
    assertInstanceOf((put as Put).value, LongValue);
    const over = new Put(4, "k", `${value}a`).encode().slice(0, -1);
    const error = assertThrows(() => Mensagem.decode(over, undefined, encoder.encode(over)));
    assertEquals([(error as { code?: string }).code, (error as { id?: number }).id], [
      "TOO_LARGE",
      4,
    ]);
  }
});

Deno.test("a long value stays what it was when the reader's buffer is used again", pure, () => {
  const reader = new FrameReader();
  const table = new Store();
  const values = ["a", "é", "b"].map((char) => char.repeat(longValueChars));
  for (const [n, value] of values.entries()) {
    const bytes = encoder.encode(new Put(n, `key ${n}`, value).encode());
    for (let start = 0; start < bytes.length;) {
      const { space } = reader;
      const part = bytes.subarray(start, start + space.length);
      space.set(part);
      start += part.length;
      for (const [index, line] of reader.push(part.length).entries()) {
        const put = Mensagem.decode(line, undefined, reader.longLines![index]) as Put;
        assertInstanceOf(put.value, LongValue);
        const { key, write } = put.stamped(n + 1);
        table.keep(key, write);
      }
    }
  }
  const held = [...table.entries()].map(([, { value }]) => textOfValue(value));
  assertEquals(held, values);
});

Deno.test("the text of a decoded value stays the same when others were decoded", pure, () => {
  const texts = [...odd, "x"].map((char) => `${char}.`.repeat(longValueChars));
  const values = texts.map((text, id) => {
    const line = new Put(id, "k", text).encode().slice(0, -1);
    const { value } = Mensagem.decode(line, undefined, encoder.encode(line)) as Put;
    assertInstanceOf(value, LongValue);
    assertStrictEquals(value.text, text);
    return value;
  });
  for (const [n, value] of values.entries()) assertStrictEquals(value.text, texts[n]);
});

Deno.test("the frames of a long value are those of its text", pure, () => {
  for (const value of ["x", "é", '"', "\\", "\n", "\0", "😀"]) {
    const text = value.repeat(longValueChars);
    const long = LongValue.of(text);
    assertEquals([long.text, JSON.stringify({ long })], [text, JSON.stringify({ long: text })]);
    for (const key of ["k", "é\n"]) {
      const client = "10.0.0.7:50123";
      assertStrictEquals(textOf(new Put(1, key, long).frame()), new Put(1, key, text).encode());
      const forwarded = new Put(1, key, long).forwarded(2, client);
      assertStrictEquals(textOf(forwarded.frame()), new Put(2, key, text, client).encode());
      const { write } = new Put(1, key, text).stamped(9);
      assertInstanceOf(write.value, LongValue);
      assertEquals(write, Replication.of(key, long, 9).write);
      const fields = { type: "REPLICATION", key, value: text, timestamp: 9 };
      assertStrictEquals(Replication.of(key, long, 9).encode(), `${JSON.stringify(fields)}\n`);
    }
  }
});

for (const char of ["x", "é", '\\"']) {
  Deno.test(
    `a key and a long value of ${char} do not keep what came with them in memory`,
    pure,
    () => {
      const count = 2_000;
      const rest = "y".repeat(60_000);
      const value = char.repeat(longValueChars);
      const kept: unknown[] = [];
      const before = Deno.memoryUsage().heapUsed;
      for (let n = 0; n < count; n++) {
        const key = `a key that is not short ${n}`;
        const text = `{"type":"PUT","id":1,"key":"${key}","value":"${value}"}\n${rest}`;
        // Lines are slices of their chunk.
        const [line] = new TextDecoder().decode(encoder.encode(text)).split("\n");
        const put = Mensagem.decode(line!, undefined, encoder.encode(line)) as Put;
        kept.push([put.key, put.stamped(n + 1)]);
      }
      assertStrictEquals(kept.length, count);
      assertLess(Deno.memoryUsage().heapUsed - before, count * rest.length / 2);
    },
  );
}

Deno.test(
  "escapes of a long value are kept as they came, and cost as much as costly text",
  pure,
  () => {
    const value = 'a\\u0041\\/\\"\\ud83d\\ude00'.repeat(longValueChars);
    const line = `{"type":"PUT","id":1,"key":"k","value":"${value}"}`;
    let spent = 0;
    const peer = { spend: (chars: number) => spent += chars };
    const put = Mensagem.decode(line, peer, encoder.encode(line)) as Put;
    assertStrictEquals(textOf(put.frame()), `${line}\n`);
    assertStrictEquals(textOfValue(put.value), 'aA/"😀'.repeat(longValueChars));
    assertStrictEquals(spent, line.length);
    const lone = line.replace("\\ude00", "x");
    const error = assertThrows(() => Mensagem.decode(lone, peer, encoder.encode(lone)));
    assertStrictEquals((error as { code?: string }).code, "BAD_MESSAGE");
  },
);
