/** The checks of the load generator: it accepts right answers and refuses wrong ones. */

import { assertEquals, assertNotEquals, assertThrows } from "@std/assert";
import { type Asked, History, Violation } from "../../bench/history.ts";
import { valueBytesMin, Values } from "../../bench/values.ts";
import {
  type AnyMensagem,
  ErrorReply,
  GetOk,
  Heartbeat,
  type Put,
  PutOk,
  TryOther,
} from "../../lib/mensagem.ts";
import { textOfValue } from "../../lib/wire/long_value.ts";

const pure = { permissions: "none" } as const;

function valueOf({ request }: Asked): string {
  return textOfValue((request as Put).value);
}

/** The history of a client that has written key 0: value 1 with timestamp 5. */
function afterOnePut(): { history: History; values: Values; written: string } {
  const values = new Values(1, 10, 64);
  const history = new History(values);
  const asked = history.put(1, 0, 0, 0);
  history.answered(asked, new PutOk(1, values.key(0), 5));
  return { history, values, written: valueOf(asked) };
}

function refuses(history: History, asked: Asked, reply: AnyMensagem, why: string): void {
  assertThrows(() => history.answered(asked, reply), Violation, why);
}

Deno.test("a value is recognised by its key and run, and has its length", pure, () => {
  for (const bytes of [valueBytesMin, 100, 65_536]) {
    const values = new Values(Date.now(), 1_000, bytes);
    for (const [key, number] of [[0, 1], [999, 4_000_000_000], [35, 36]] as const) {
      const text = values.value(key, number);
      assertEquals(text.length, bytes);
      assertEquals(values.numberOf(key, text), number);
      assertEquals(values.numberOf(key + 1, text), undefined);
      assertEquals(new Values(7, 1_000, bytes).numberOf(key, text), undefined);
    }
  }
});

Deno.test("a value with one character changed, missing or added is not recognised", pure, () => {
  const values = new Values(1, 10, valueBytesMin);
  const text = values.value(3, 77);
  for (let at = 0; at < text.length; at++) {
    const changed = `${text.slice(0, at)}#${text.slice(at + 1)}`;
    assertEquals(values.numberOf(3, changed), undefined, changed);
  }
  for (const other of ["", ".", "..", text.slice(0, -1), `${text}x`, text.toUpperCase()]) {
    assertEquals(values.numberOf(3, other), undefined, other);
  }
});

Deno.test("every write has a value of its own", pure, () => {
  const history = new History(new Values(1, 2, 64));
  const texts = [0, 1, 0, 1, 0].map((key, id) => valueOf(history.put(id, key, 0, 0)));
  assertEquals(new Set(texts).size, texts.length);
  assertNotEquals(texts[0], texts[2]);
});

Deno.test(
  "a GET has the highest timestamp seen for its key, by PUT_OK or GET_OK",
  pure,
  () => {
    const { history, values } = afterOnePut();
    assertEquals(history.get(2, 0, 0, 0).floor, 5);
    assertEquals(history.get(3, 1, 0, 0).floor, 0);
    const put = history.put(4, 1, 0, 0); // read before it is acknowledged
    history.answered(history.get(5, 1, 0, 0), new GetOk(5, values.key(1), valueOf(put), 8));
    assertEquals(history.get(6, 1, 0, 0).floor, 8);
  },
);

Deno.test("right answers are accepted: value, absent key, TRY_OTHER_SERVER_OR_LATER", pure, () => {
  const { history, values, written } = afterOnePut();
  const key = values.key(0);
  assertEquals(history.answered(history.get(2, 0, 0, 0), new GetOk(2, key, written, 5)), true);
  assertEquals(history.answered(history.get(3, 0, 0, 0), new TryOther(3, key, 4)), false);
  const absent = new GetOk(4, values.key(1), null, 0);
  assertEquals(history.answered(history.get(4, 1, 0, 0), absent), true);
});

Deno.test("an answer that is older than the GET's timestamp is a violation", pure, () => {
  const { history, values, written } = afterOnePut();
  const older = new GetOk(2, values.key(0), written, 4);
  refuses(history, history.get(2, 0, 0, 0), older, "timestamp 4, older than 5, which was seen");
});

Deno.test(
  "an answer may be older than another one that came after its request was sent",
  pure,
  () => {
    const { history, values, written } = afterOnePut();
    const early = history.get(2, 0, 0, 0);
    const put = history.put(3, 0, 0, 0);
    history.answered(put, new PutOk(3, values.key(0), 6));
    assertEquals(history.answered(early, new GetOk(2, values.key(0), written, 5)), true);
    assertEquals(history.get(4, 0, 0, 0).floor, 6); // the highest timestamp stays
  },
);

Deno.test(
  "NULL for a key that was seen is a violation, and so is NULL with a timestamp",
  pure,
  () => {
    const { history, values } = afterOnePut();
    refuses(history, history.get(2, 0, 0, 0), new GetOk(2, values.key(0), null, 0), "older than 5");
    const odd = new GetOk(3, values.key(1), null, 9);
    refuses(history, history.get(3, 1, 0, 0), odd, "null, which was never written");
  },
);

Deno.test(
  "a value that was never written is a violation: unknown, of another key, or not sent yet",
  pure,
  () => {
    const { history, values } = afterOnePut();
    const foreign = ["", "azul", values.value(1, 1), values.value(0, 2), values.value(0, 0)];
    for (const text of foreign) {
      const reply = new GetOk(2, values.key(0), text, 9);
      refuses(history, history.get(2, 0, 0, 0), reply, "which was never written");
    }
  },
);

Deno.test("another value with the same key and timestamp is a violation", pure, () => {
  const { history, values } = afterOnePut();
  const second = valueOf(history.put(2, 0, 0, 0));
  const reply = new GetOk(3, values.key(0), second, 5);
  refuses(history, history.get(3, 0, 0, 0), reply, "though it was value 1 before");
});

Deno.test(
  "the timestamp of a PUT_OK must be above all that were seen before the PUT was sent",
  pure,
  () => {
    const { history, values } = afterOnePut();
    const [first, second] = [history.put(2, 1, 0, 0), history.put(3, 2, 0, 0)];
    refuses(history, first, new PutOk(2, values.key(1), 5), "though 5 was seen before it was sent");
    history.answered(first, new PutOk(2, values.key(1), 7));
    // Both were in flight at once, so their order is the leader's.
    history.answered(second, new PutOk(3, values.key(2), 6));
    const third = history.put(4, 3, 0, 0);
    refuses(history, third, new PutOk(4, values.key(3), 7), "though 7 was seen before it was sent");
  },
);

Deno.test("TRY_OTHER_SERVER_OR_LATER of a server that is not behind is a violation", pure, () => {
  const { history, values } = afterOnePut();
  const reply = new TryOther(2, values.key(0), 5);
  refuses(history, history.get(2, 0, 0, 0), reply, "though 5 was asked for");
});

Deno.test("an answer of another type, or for another key, is a violation", pure, () => {
  const { history, values, written } = afterOnePut();
  const key = values.key(0);
  const heartbeat = new Heartbeat();
  for (
    const reply of [
      new PutOk(2, key, 9),
      new GetOk(2, values.key(1), written, 9),
      new TryOther(2, values.key(1), 0),
      heartbeat,
      new ErrorReply("UNAVAILABLE", "", 2),
    ]
  ) refuses(history, history.get(2, 0, 0, 0), reply, "answered with");
  for (const reply of [new GetOk(3, key, written, 5), new TryOther(3, key, 0), heartbeat]) {
    refuses(history, history.put(3, 0, 0, 0), reply, "answered with");
  }
});
