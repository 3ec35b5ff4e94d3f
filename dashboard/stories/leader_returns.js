// @ts-check
/**
 * The leader that comes back without memory. It answers nothing before it has all that was confirmed.
 *
 * @module
 */

/** @import { Story } from "./story.ts" */

/** @type {Story} */
export const leaderReturns = {
  id: "leader-returns",
  key: "cor",
  title: { pt: "O líder volta sem memória", en: "The leader comes back without memory" },
  about: {
    pt:
      "Sem líder há leituras e nenhuma gravação. Ele volta vazio e copia a tabela dos seguidores.",
    en:
      "Without a leader there are reads and no writes. It comes back empty and copies its followers' table.",
  },
  steps: [
    {
      name: "write",
      text: {
        pt: "O cliente {A} escreve azul. Os três servidores confirmam.",
        en: "Client {A} writes azul. All three servers confirm it.",
      },
      commands: [{ do: "put", by: "A", at: "leader", value: "azul", as: "old" }],
    },
    {
      name: "stop",
      text: {
        pt: "O líder {leader} cai, e {far} também. Só {near} ainda tem o valor.",
        en: "The leader {leader} dies, and so does {far}. Only {near} still has the value.",
      },
      commands: [{ do: "stop", server: "leader" }, { do: "stop", server: "far" }],
    },
    {
      name: "unavailable",
      text: {
        pt:
          "O cliente {A} pede a {near} para escrever verde. Sem líder ninguém dá um timestamp:\n" +
          "a resposta é que nada foi gravado, e repetir não tem risco.",
        en: "Client {A} asks {near} to write verde. Without a leader there is no timestamp:\n" +
          "the answer is that nothing was written, so to repeat it has no risk.",
      },
      commands: [{ do: "unavailable", by: "A", at: "near", value: "verde" }],
    },
    {
      name: "read",
      text: {
        pt:
          "O cliente {B} lê em {near}: azul, com timestamp {old}. Um seguidor responde sem o líder.",
        en:
          "Client {B} reads at {near}: azul, with timestamp {old}. A follower needs no leader for it.",
      },
      commands: [{ do: "get", by: "B", at: "near", sees: "old" }],
    },
    {
      name: "start",
      text: {
        pt: "O líder volta, com a memória vazia. Ele não sabe o que já foi confirmado:\n" +
          "espera por todos os seguidores, e até lá responde TRY_OTHER_SERVER_OR_LATER, não NULL.",
        en: "The leader comes back, with an empty memory. It cannot know what was confirmed:\n" +
          "it waits for all followers, and until then answers TRY_OTHER_SERVER_OR_LATER, not NULL.",
      },
      commands: [
        { do: "start", server: "leader" },
        { do: "refused", by: "B", at: "leader", standsAt: null },
      ],
    },
    {
      name: "recover",
      text: {
        pt:
          "{far} volta também. Agora o líder ouviu todos: copia a tabela do mais adiantado, {near},\n" +
          "passa-a a {far} e volta a aceitar gravações.",
        en:
          "{far} comes back too. Now the leader has heard all: it copies the table of {near}, which\n" +
          "is the furthest, brings {far} up to it, and takes writes again.",
      },
      commands: [
        { do: "start", server: "far" },
        { do: "in sync", servers: 3 },
        { do: "has", server: "leader", write: "old" },
        { do: "has", server: "far", write: "old" },
      ],
    },
    {
      name: "recovered",
      text: {
        pt:
          "O cliente {B} lê no líder: azul, com timestamp {old}. Nada que foi confirmado se perdeu.",
        en:
          "Client {B} reads at the leader: azul, with timestamp {old}. Nothing confirmed was lost.",
      },
      commands: [{ do: "get", by: "B", at: "leader", sees: "old" }],
    },
    {
      name: "put",
      text: {
        pt: "O cliente {A} escreve verde. O líder salta bilhões de timestamps à frente:\n" +
          "assim nenhum dos que ele esqueceu é usado duas vezes.",
        en: "Client {A} writes verde. The leader skips billions of timestamps ahead:\n" +
          "so none of those that it has forgotten is used twice.",
      },
      commands: [{ do: "put", by: "A", at: "leader", value: "verde", as: "new" }],
    },
    {
      name: "seen",
      text: {
        pt: "O cliente {B} lê em {far}: verde, com timestamp {new}.",
        en: "Client {B} reads at {far}: verde, with timestamp {new}.",
      },
      commands: [{ do: "get", by: "B", at: "far", sees: "new" }],
    },
  ],
};
