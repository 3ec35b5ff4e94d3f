import { assertEquals } from "@std/assert";
import { JoinOk } from "../../lib/mensagem.ts";
import { Ledger } from "../../lib/replication/ledger.ts";

const pure = { permissions: "none" } as const;

Deno.test(
  "an action waits for the messages before it to be on the disk, and runs at once without a journal",
  pure,
  () => {
    const ran: string[] = [];
    const memory = new Ledger(undefined);
    memory.append(new JoinOk());
    memory.whenDurable(() => ran.push("at once"));
    assertEquals([memory.hasJournal, ran], [false, ["at once"]]);

    const ledger = new Ledger({ append: () => {} });
    ledger.whenDurable(() => ran.push("nothing to wait for"));
    ledger.append(new JoinOk());
    ledger.whenDurable(() => ran.push("one"));
    ledger.append(new JoinOk());
    ledger.whenDurable(() => ran.push("two"));
    assertEquals(ran.splice(0), ["at once", "nothing to wait for"]);
    ledger.durable(1);
    assertEquals(ran.splice(0), ["one"]);
    ledger.durable(2);
    ledger.whenDurable(() => ran.push("on the disk already"));
    assertEquals(ran, ["two", "on the disk already"]);
  },
);
