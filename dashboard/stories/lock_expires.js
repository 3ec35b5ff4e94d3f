// @ts-check
/**
 * A lock that expires because its holder does not renew it, and the token that keeps order.
 *
 * @module
 */

/** @import { Story } from "./story.ts" */

/** @type {Story} */
export const lockExpires = {
  id: "lock-expires",
  key: "trava",
  title: { pt: "Uma trava que expira", en: "A lock that expires" },
  about: {
    pt: "A trava é uma chave com tempo de vida. Quem para de renová-la a perde, e outro a toma.",
    en: "A lock is a key with a time to live. A holder that stops renewing it loses it to another.",
  },
  steps: [
    {
      name: "take",
      text: {
        pt: "O cliente {A} cria a trava, só se ela não existir, com 3 s de vida.\n" +
          "O cliente {B} tenta o mesmo logo depois: CONFLICT, a trava é de outro.",
        en: "Client {A} creates the lock, only if it does not exist, with 3 s to live.\n" +
          "Client {B} tries the same right after it: CONFLICT, another one has the lock.",
      },
      commands: [
        {
          do: "write",
          by: "A",
          at: "near",
          value: "primeiro",
          expected: null,
          ttlMs: 3_000,
          as: "token",
        },
        {
          do: "conflict",
          by: "B",
          at: "far",
          value: "segundo",
          expected: null,
          standsAt: "token",
        },
      ],
    },
    {
      name: "expire",
      text: {
        pt: "O cliente {A} para: não solta a trava nem a renova.\n" +
          "Depois dos 3 s o líder apaga a chave, e a REPLICATION leva NULL aos seguidores.",
        en: "Client {A} stops: it neither releases the lock nor renews it.\n" +
          "After the 3 s the leader deletes the key, and the REPLICATION takes NULL to the followers.",
      },
      commands: [
        { do: "has", server: "leader", write: null },
        { do: "has", server: "near", write: null },
        { do: "has", server: "far", write: null },
      ],
    },
    {
      name: "next",
      text: {
        pt: "O cliente {B} tenta outra vez, e agora a trava é sua, por 10 minutos.",
        en: "Client {B} tries again, and now the lock is its own, for 10 minutes.",
      },
      commands: [
        {
          do: "write",
          by: "B",
          at: "far",
          value: "segundo",
          expected: null,
          ttlMs: 600_000,
          as: "next",
        },
      ],
    },
    {
      name: "late",
      text: {
        pt: "O cliente {A} acorda e quer renovar a trava do timestamp {token}: CONFLICT.\n" +
          "O timestamp é uma senha de vez (fencing token): a do cliente {B}, {next}, é maior.",
        en: "Client {A} wakes up and wants to renew the lock of timestamp {token}: CONFLICT.\n" +
          "Its timestamp is a fencing token: that of client {B}, {next}, is higher.",
      },
      commands: [
        {
          do: "conflict",
          by: "A",
          at: "near",
          value: "primeiro",
          expected: "token",
          standsAt: "next",
        },
      ],
    },
    {
      name: "release",
      text: {
        pt: "O cliente {B} termina e solta a trava: apaga a chave, só se ela ainda for a sua.",
        en:
          "Client {B} is done and releases the lock: it deletes the key, only if it is still its own.",
      },
      commands: [
        { do: "write", by: "B", at: "far", value: null, expected: "next", as: "free" },
      ],
    },
  ],
};
