import { assertRejects } from "@std/assert";
import { dial } from "../../lib/net/dial.ts";
import { anyPort, deadAddress } from "../support/ports.ts";

Deno.test("dial throws if no server listens, and if its signal is aborted", async () => {
  const signal = new AbortController().signal;
  await assertRejects(
    () => dial(deadAddress(), signal),
    Deno.errors.ConnectionRefused,
  );
  using listener = Deno.listen({ ...anyPort });
  const { port } = listener.addr;
  await assertRejects(
    () => dial({ hostname: "127.0.0.1", port }, AbortSignal.abort(new Error("enough"))),
    Error,
    "enough",
  );
});
