// @ts-check
/**
 * A follower that dies, misses a write and catches up.
 *
 * @module
 */

/** @import { Story } from "./story.ts" */

/** @type {Story} */
export const followerReturns = {
  id: "follower-returns",
  key: "cor",
  title: { pt: "Um seguidor cai e volta", en: "A follower dies and catches up" },
  about: {
    pt: "Sem ele as gravações continuam com os outros dois. Ao voltar, ele recebe o que perdeu.",
    en: "Without it writes go on with the other two. When it is back, it gets what it has missed.",
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
        pt: "{far} cai, e com ele tudo o que tinha na memória.\n" +
          "A conexão com o líder termina, e ele fica fora do conjunto dos que confirmam.",
        en: "{far} dies, with all that it had in memory.\n" +
          "Its connection to the leader ends, so it leaves the set of servers that confirm.",
      },
      commands: [{ do: "stop", server: "far" }, { do: "in sync", servers: 2 }],
    },
    {
      name: "put",
      text: {
        pt: "O cliente {A} escreve verde. Dois servidores bastam, e o PUT_OK não espera por {far}.",
        en: "Client {A} writes verde. Two servers are enough, and PUT_OK does not wait for {far}.",
      },
      commands: [{ do: "put", by: "A", at: "leader", value: "verde", as: "new" }],
    },
    {
      name: "seen",
      text: {
        pt: "O cliente {B} lê em {near}: recebe verde, com timestamp {new}.",
        en: "Client {B} reads at {near}: it gets verde, with timestamp {new}.",
      },
      commands: [{ do: "get", by: "B", at: "near", sees: "new" }],
    },
    {
      name: "start",
      text: {
        pt: "{far} volta com a memória vazia. Ele diz ao líder até onde sabe (nada),\n" +
          "recebe o que lhe falta e só então conta de novo entre os três.",
        en:
          "{far} comes back with an empty memory. It tells the leader how far it knows (nothing),\n" +
          "gets what it lacks, and only then is one of the three again.",
      },
      commands: [
        { do: "start", server: "far" },
        { do: "in sync", servers: 3 },
        { do: "has", server: "far", write: "new" },
      ],
    },
    {
      name: "caught_up",
      text: {
        pt: "O cliente {B} lê em {far}: verde, com o mesmo timestamp {new} que nos outros.",
        en: "Client {B} reads at {far}: verde, with the same timestamp {new} as at the others.",
      },
      commands: [{ do: "get", by: "B", at: "far", sees: "new" }],
    },
  ],
};
