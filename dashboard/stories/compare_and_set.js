// @ts-check
/**
 * Compare-and-set: a write that is made only if its key has not changed.
 *
 * @module
 */

/** @import { Story } from "./story.ts" */

/** @type {Story} */
export const compareAndSet = {
  id: "compare-and-set",
  key: "vagas",
  title: { pt: "Gravar só se nada mudou", en: "Compare-and-set" },
  about: {
    pt: "Dois clientes vendem a mesma vaga. Um WRITE com condição não deixa uma venda se perder.",
    en: "Two clients sell the same seat. A WRITE with a condition lets no sale get lost.",
  },
  steps: [
    {
      name: "write",
      text: {
        pt: "O cliente {A} anota que há 10 vagas.",
        en: "Client {A} notes that there are 10 seats.",
      },
      commands: [{ do: "put", by: "A", at: "leader", value: "10", as: "ten" }],
    },
    {
      name: "read",
      text: {
        pt:
          "O cliente {A} e o cliente {B} leem 10, com timestamp {ten}. Cada um quer vender uma vaga.\n" +
          "Com dois PUTs de 9, uma das vendas se perderia.",
        en:
          "Client {A} and client {B} read 10, with timestamp {ten}. Each wants to sell one seat.\n" +
          "With two PUTs of 9, one of the sales would be lost.",
      },
      commands: [
        { do: "get", by: "A", at: "near", sees: "ten" },
        { do: "get", by: "B", at: "far", sees: "ten" },
      ],
    },
    {
      name: "first",
      text: {
        pt: "O cliente {A} grava 9, só se a chave ainda estiver no timestamp {ten}. Ela está.",
        en: "Client {A} writes 9, only if the key still stands at timestamp {ten}. It does.",
      },
      commands: [
        { do: "write", by: "A", at: "near", value: "9", expected: "ten", as: "nine" },
      ],
    },
    {
      name: "conflict",
      text: {
        pt:
          "O cliente {B} grava 9 com a mesma condição. A chave já está em {nine}: nada é gravado,\n" +
          "e a resposta CONFLICT diz o que há lá.",
        en:
          "Client {B} writes 9 under the same condition. The key stands at {nine} by now: nothing is\n" +
          "written, and the answer CONFLICT says what is there.",
      },
      commands: [
        { do: "conflict", by: "B", at: "far", value: "9", expected: "ten", standsAt: "nine" },
      ],
    },
    {
      name: "again",
      text: {
        pt:
          "O cliente {B} faz a conta de novo a partir de 9: grava 8, só se a chave estiver em {nine}.",
        en: "Client {B} does its sum again from 9: it writes 8, only if the key stands at {nine}.",
      },
      commands: [
        { do: "write", by: "B", at: "far", value: "8", expected: "nine", as: "eight" },
      ],
    },
    {
      name: "end",
      text: {
        pt: "O cliente {C} lê: 8 vagas. As duas vendas contam.",
        en: "Client {C} reads: 8 seats. Both sales count.",
      },
      commands: [{ do: "get", by: "C", at: "near", sees: "eight" }],
    },
  ],
};
