import { assert, assertFalse, assertStrictEquals } from "@std/assert";
import { GetOk, PutOk, TryOther } from "../../lib/mensagem.ts";
import { Session } from "../../lib/client/session.ts";

const pure = { permissions: "none" } as const;

Deno.test("a key that was never seen has timestamp 0", pure, () => {
  assertStrictEquals(new Session().timestamp("constructor"), 0);
});

Deno.test("PUT_OK and GET_OK raise the timestamp of their key, and it never falls", pure, () => {
  const session = new Session();
  session.learn(new PutOk(1, "a", 5));
  session.learn(new GetOk(2, "b", "x", 7));
  session.learn(new GetOk(3, "a", "old", 4));
  session.learn(new GetOk(4, "a", null, 0));
  assertStrictEquals(session.timestamp("a"), 5);
  session.learn(new GetOk(5, "a", "new", 9));
  assertStrictEquals(session.timestamp("a"), 9);
  assertStrictEquals(session.timestamp("b"), 7);
});

Deno.test(
  "TRY_OTHER_SERVER_OR_LATER shows no value, so the session learns nothing from it",
  pure,
  () => {
    const session = new Session();
    session.learn(new TryOther(1, "a", 5));
    assertStrictEquals(session.timestamp("a"), 0);
  },
);

Deno.test("a session belongs to the first cluster that is named, and to no other", pure, () => {
  const session = new Session();
  assert(session.belongsTo(""));
  assert(session.belongsTo("one"));
  assert(session.belongsTo(""));
  assert(session.belongsTo("one"));
  assertFalse(session.belongsTo("two"));
  assertFalse(session.belongsTo("two"));
  assert(session.belongsTo("one"));
});
