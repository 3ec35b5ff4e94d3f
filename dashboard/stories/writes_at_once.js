// @ts-check
/**
 * Two clients that write at once, and why the tables do not differ.
 *
 * @module
 */

/** @import { Story } from "./story.ts" */

/** @type {Story} */
export const writesAtOnce = {
  id: "writes-at-once",
  key: "cor",
  title: { pt: "Dois clientes gravam ao mesmo tempo", en: "Two clients write at once" },
  about: {
    pt:
      "Por que as tabelas não divergem: só o líder dá a ordem, e todos aplicam as gravações nela.",
    en:
      "Why the tables do not differ: the leader alone gives the order, and all apply writes in it.",
  },
  steps: [
    {
      name: "race",
      text: {
        pt:
          "Ao mesmo tempo, o cliente {A} pede azul a {near} e o cliente {B} pede verde a {far}.\n" +
          "Os dois seguidores encaminham ao líder, que faz uma gravação depois da outra.",
        en:
          "At the same time client {A} asks {near} for azul and client {B} asks {far} for verde.\n" +
          "Both followers forward to the leader, which makes one write after the other.",
      },
      commands: [
        { do: "put", by: "A", at: "near", value: "azul", as: "a", later: true },
        { do: "put", by: "B", at: "far", value: "verde", as: "b", later: true },
        { do: "answered", puts: ["a", "b"], newest: "last" },
      ],
    },
    {
      name: "same",
      text: {
        pt: "azul recebeu o timestamp {a}, verde o {b}: a ordem é essa em todos os servidores.\n" +
          "O cliente {C} lê nos três, e cada um tem {last.value}, com timestamp {last}.",
        en: "azul got timestamp {a}, verde got {b}: this is the order at all servers.\n" +
          "Client {C} reads at all three, and each has {last.value}, with timestamp {last}.",
      },
      commands: [
        { do: "get", by: "C", at: "leader", sees: "last" },
        { do: "get", by: "C", at: "near", sees: "last" },
        { do: "get", by: "C", at: "far", sees: "last" },
      ],
    },
    {
      name: "pause",
      text: {
        pt: "Agora as REPLICATION para {far} ficam retidas.\n" +
          "O cliente {A} grava roxo por {near}, e depois o cliente {B} grava preto por {far}.",
        en: "Now the REPLICATIONs to {far} are held.\n" +
          "Client {A} writes roxo at {near}, and then client {B} writes preto at {far}.",
      },
      commands: [
        { do: "hold", follower: "far" },
        { do: "put", by: "A", at: "near", value: "roxo", as: "c", later: true },
        { do: "has", server: "near", write: "c" },
        { do: "put", by: "B", at: "far", value: "preto", as: "d", later: true },
        { do: "has", server: "near", write: "d" },
      ],
    },
    {
      name: "behind",
      text: {
        pt: "O líder e {near} já têm preto, com timestamp {d}. {far} ainda tem {last.value},\n" +
          "com {last}, e é isso que o cliente {C} lê lá. Ele está atrasado, mas não diferente: tem o que os outros tinham há pouco.",
        en:
          "The leader and {near} have preto, with timestamp {d}. {far} still has {last.value}, with {last},\n" +
          "and this is what client {C} reads there. It is behind, but not different: it has what the others had a moment ago.",
      },
      commands: [
        { do: "get", by: "C", at: "far", sees: "last" },
        { do: "unanswered", put: "c" },
        { do: "unanswered", put: "d" },
      ],
    },
    {
      name: "resume",
      text: {
        pt: "A falha termina. {far} recebe as duas gravações, na ordem em que o líder as fez,\n" +
          "e os dois clientes recebem o seu PUT_OK.",
        en: "The fault ends. {far} gets both writes, in the order that the leader gave,\n" +
          "and both clients get their PUT_OK.",
      },
      commands: [
        { do: "release", follower: "far" },
        { do: "answered", puts: ["c", "d"] },
      ],
    },
    {
      name: "equal",
      text: {
        pt: "roxo recebeu o timestamp {c}, preto o {d}. Os três têm preto de novo.",
        en: "roxo got timestamp {c}, preto got {d}. All three have preto again.",
      },
      commands: [
        { do: "get", by: "C", at: "leader", sees: "d" },
        { do: "get", by: "C", at: "near", sees: "d" },
        { do: "get", by: "C", at: "far", sees: "d" },
      ],
    },
  ],
};
