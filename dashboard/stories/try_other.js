// @ts-check
/**
 * TRY_OTHER_SERVER_OR_LATER. Its only cause is a late REPLICATION.
 *
 * @module
 */

/** @import { Story } from "./story.ts" */

/** @type {Story} */
export const tryOther = {
  id: "try-other",
  key: "cor",
  title: { pt: "Mostre o TRY_OTHER", en: "Show me TRY_OTHER" },
  about: {
    pt: "Uma REPLICATION chega tarde, e o servidor atrasado recusa quem já viu o valor novo.",
    en: "A REPLICATION comes late, and the late server refuses a client that saw the new value.",
  },
  steps: [
    {
      name: "write",
      text: {
        pt: "O cliente {A} escreve azul. O PUT_OK só sai quando os três servidores têm o valor.",
        en: "Client {A} writes azul. PUT_OK comes only when all three servers have the value.",
      },
      commands: [{ do: "put", by: "A", at: "leader", value: "azul", as: "old" }],
    },
    {
      name: "pause",
      text: {
        pt: "Uma falha de propósito: as REPLICATION do líder para {far} ficam retidas.\n" +
          "O resto segue como sempre, e {far} continua contando entre os que precisam confirmar.",
        en: "A fault on purpose: the leader's REPLICATIONs to {far} are held.\n" +
          "Everything else goes on, and {far} is still one of the servers that must confirm.",
      },
      commands: [{ do: "hold", follower: "far" }],
    },
    {
      name: "put",
      text: {
        pt: "O cliente {A} escreve verde. O líder e {near} já têm o valor novo, {far} não.\n" +
          "Por isso ele espera: ainda não há PUT_OK.",
        en: "Client {A} writes verde. The leader and {near} have the new value, {far} does not.\n" +
          "So the client waits: there is no PUT_OK yet.",
      },
      commands: [
        { do: "put", by: "A", at: "leader", value: "verde", as: "new", later: true },
        { do: "has", server: "near", write: "new" },
        { do: "has", server: "far", write: "old" },
      ],
    },
    {
      name: "seen",
      text: {
        pt: "O cliente {B} lê em {near}: recebe verde, e com ele o timestamp {new}.\n" +
          "Daqui em diante não pode receber nada mais antigo.",
        en: "Client {B} reads at {near}: it gets verde, and with it timestamp {new}.\n" +
          "From now on it must not get anything older.",
      },
      commands: [{ do: "get", by: "B", at: "near", sees: "new" }],
    },
    {
      name: "refused",
      text: {
        pt:
          "O cliente {B} lê em {far} e manda o timestamp {new} que já viu. {far} só tem o {old}:\n" +
          "responder azul seria voltar no tempo, e a resposta é TRY_OTHER_SERVER_OR_LATER.",
        en:
          "Client {B} reads at {far} and sends timestamp {new}, which it has seen. {far} has only {old}:\n" +
          "azul would take the client back in time, so the answer is TRY_OTHER_SERVER_OR_LATER.",
      },
      commands: [{ do: "refused", by: "B", at: "far", standsAt: "old" }],
    },
    {
      name: "first",
      text: {
        pt:
          "O cliente {C} ainda não viu verde (timestamp {C.seen}). Para ele azul não é uma volta:\n" +
          "o mesmo servidor responde com o valor antigo.",
        en:
          "Client {C} has not seen verde (timestamp {C.seen}). For it azul is not a step back:\n" +
          "the same server answers with the old value.",
      },
      commands: [
        { do: "get", by: "C", at: "far", sees: "old" },
        { do: "unanswered", put: "new" },
      ],
    },
    {
      name: "resume",
      text: {
        pt: "A falha termina. A REPLICATION retida chega a {far}, ele confirma,\n" +
          "e só agora o cliente {A} recebe o PUT_OK.",
        en: "The fault ends. The held REPLICATION reaches {far}, which confirms it,\n" +
          "and only now client {A} gets its PUT_OK.",
      },
      commands: [{ do: "release", follower: "far" }, { do: "answered", puts: ["new"] }],
    },
    {
      name: "caught_up",
      text: {
        pt: "O cliente {B} lê outra vez em {far}: agora recebe verde.",
        en: "Client {B} reads at {far} again: now it gets verde.",
      },
      commands: [{ do: "get", by: "B", at: "far", sees: "new" }],
    },
  ],
};
