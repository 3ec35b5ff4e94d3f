// @ts-check
/**
 * The page's texts in Portuguese.
 *
 * @module
 */

import { capitalized, duration, mebibytes } from "./format.js";

/** @import { DemoStep, Item } from "../server/item.ts" */
/** @import { RefusedGet } from "../server/state.ts" */
/** @import { Names } from "./format.js" */

/** The texts. Their type is that of the texts in every language. */
export const pt = {
  htmlLang: "pt-BR",
  title: "Replicação ao vivo",
  lead: "Três servidores, uma tabela. Nenhum cliente lê algo mais antigo do que já viu.",
  language: "English",
  languageTitle: "Mudar para inglês",
  theme: "Tema",
  themes: { auto: "Automático", light: "Claro", dark: "Escuro" },
  connection: {
    connected: "conectado",
    disconnected: "sem conexão com o painel",
    hidden: "parado enquanto a página está oculta",
    waiting: "parado: clique ou aperte uma tecla",
  },
  skip: "Ir para os comandos",

  cluster: "Servidores e mensagens",
  clients: "Clientes",
  others: "outros",
  clientName: (/** @type {number} */ n) => `cliente ${n}`,
  leaderRole: "líder",
  followerRole: "seguidor",
  inSync: "em dia",
  notInSync: "fora do conjunto",
  slow: "envia mais do que cabe: o painel lê devagar",
  unreachable: "fora do ar",
  lastTimestamp: (/** @type {number} */ ts) => `último ts ${ts}`,
  paused: "pausada",
  delayed: (/** @type {number} */ ms) => `+${ms} ms`,
  withheld: (/** @type {number} */ n) => n === 1 ? "1 gravação retida" : `${n} gravações retidas`,
  sampled: (/** @type {number} */ drawn, /** @type {number} */ all) =>
    `Amostra: desenhadas ${drawn} de ${all} mensagens do último segundo`,
  notSampled: "Todas as mensagens são desenhadas",
  lost: (/** @type {number} */ n) => `${n} eventos não chegaram até aqui`,
  diagram: (/** @type {string} */ summary) => `Diagrama dos servidores. ${summary}`,

  playback: "Reprodução",
  live: "Ao vivo",
  goLive: "Voltar ao vivo",
  pause: "Pausar",
  play: "Reproduzir",
  stepBack: "Passo atrás",
  stepForward: "Passo à frente",
  speed: "Velocidade",
  timeline: "Linha do tempo",
  position: (/** @type {number} */ n, /** @type {number} */ all) => `evento ${n} de ${all}`,
  noEvents: "nada gravado ainda",
  events: "Acontecimentos",
  noEventsYet: "Faça um PUT para ver o que acontece.",

  table: "Quem tem o quê",
  key: "Chave",
  emptyTable: "Nenhuma chave ainda.",
  stale: "atrasada",
  missing: "não tem",
  unknown: "não se sabe",
  staleTitle: (/** @type {number} */ newest) => `há um mais novo, com timestamp ${newest}`,
  shownKeys: (/** @type {number} */ shown, /** @type {number} */ all) =>
    `As ${shown} gravadas por último, de ${all} conhecidas`,
  ts: "ts",

  rates: "Ritmo",
  putsPerSecond: "PUT_OK/s",
  getsPerSecond: "GET/s",
  refusedPerSecond: "GET recusados/s",
  replicationsPerSecond: "REPLICATION/s",
  putMs: "ms até o PUT_OK (tracejado: o maior)",
  lastMinute: "último minuto",
  now: "agora",
  most: "máx.",

  refusals: "GETs recusados, e por quê",
  noRefusals: "Nenhum até agora. “Mostre o TRY_OTHER” provoca um.",

  commands: "Experimente",
  client: "Cliente",
  value: "Valor",
  server: "Servidor",
  random: "sorteado",
  put: "PUT",
  get: "GET",
  seenTitle: "O que este cliente já viu",
  seenNothing: "Nada ainda: todos os timestamps são 0.",
  working: "enviando…",

  faults: "Replicação",
  faultsOff: "Comandos de falha desligados: os servidores precisam de --allow-faults.",
  pauseFault: "Pausar",
  delayFault: "Atrasar 1 s",
  resumeFault: "Soltar",
  towards: (/** @type {string} */ server) => `para ${server}`,
  faultState: { none: "normal", pause: "pausada", delay: "atrasada" },

  demo: "Mostre o TRY_OTHER",
  demoText:
    "Segura a replicação para um seguidor, grava, lê o novo valor no líder e pergunta ao seguidor atrasado.",
  demoRunning: "Mostrando…",

  status: (
    /** @type {number} */ keys,
    /** @type {number} */ connections,
    /** @type {number} */ uptimeMs,
    /** @type {number} */ bytes,
  ) =>
    [
      keys === 1 ? "1 chave" : `${keys} chaves`,
      connections === 1 ? "1 conexão" : `${connections} conexões`,
      `há ${duration(uptimeMs)}`,
      mebibytes(bytes),
    ].join(" · "),

  putOk: (/** @type {string} */ server, /** @type {number} */ ts) =>
    `PUT_OK de ${server}, timestamp ${ts}`,
  getOk: (
    /** @type {string} */ value,
    /** @type {string} */ server,
    /** @type {number} */ seen,
    /** @type {number} */ ts,
  ) => `${value} de ${server}, meu timestamp ${seen} e do servidor ${ts}`,
  getRefused: (
    /** @type {string} */ server,
    /** @type {number} */ seen,
    /** @type {number} */ ts,
  ) => `TRY_OTHER_SERVER_OR_LATER de ${server}: meu timestamp ${seen}, o do servidor ${ts}`,
  failed: {
    BAD_MESSAGE: "pedido inválido",
    UNAVAILABLE: "não realizado",
    UNKNOWN_OUTCOME: "não se sabe se foi realizado",
    REFUSED: "recusado pelo painel",
  },

  /**
   * @param {RefusedGet} refusal
   * @param {Names} names
   */
  refusal: ({ client, key, seen, own, server }, names) =>
    own === 0
      ? `${capitalized(names.client(client))} já viu ${key} com timestamp ${seen}; o servidor ${
        names.server(server)
      } ainda não tem essa chave.`
      : `${capitalized(names.client(client))} já viu ${key} com timestamp ${seen}; o servidor ${
        names.server(server)
      } só tem ${own}.`,

  /**
   * @param {DemoStep} step
   * @param {Names} names
   * @returns {string}
   */
  demoStep: ({ name, follower, leader, key, value, seen = 0, own = 0, reason = "" }, names) => {
    switch (name) {
      case "pause":
        return `A replicação para ${names.server(follower)} fica retida.`;
      case "put":
        return `O cliente 2 pede PUT ${key} = ${value} ao líder. Falta a confirmação de ${
          names.server(follower)
        }, então o PUT_OK espera.`;
      case "seen":
        return `O cliente 1 faz GET ${key} no líder ${
          names.server(leader)
        } e já vê ${value}, com timestamp ${seen}.`;
      case "refused":
        return `O mesmo cliente 1 pergunta a ${
          names.server(follower)
        }, que só tem timestamp ${own}: TRY_OTHER_SERVER_OR_LATER.`;
      case "resume":
        return `A replicação para ${names.server(follower)} é solta.`;
      case "stored":
        return `Todos confirmaram: o cliente 2 recebe PUT_OK com timestamp ${own}.`;
      case "caught_up":
        return `Agora ${names.server(follower)} responde ${value}, com timestamp ${own}.`;
      case "done":
        return "Pronto. Nenhum código foi alterado: só uma mensagem chegou tarde.";
      case "failed":
        return `Não deu certo: ${reason}`;
    }
  },

  /**
   * @param {Item} item
   * @param {Names} names
   * @returns {string}
   */
  item: (item, names) => {
    switch (item.kind) {
      case "put":
        return `PUT ${item.key} = ${names.value(item.value)}, de ${names.client(item.client)}`;
      case "forwarding":
        return `encaminha ao líder o PUT ${item.key} = ${names.value(item.value)}`;
      case "written":
        return item.value === null
          ? `apaga ${item.key} com timestamp ${item.timestamp}`
          : `grava ${item.key} = ${names.value(item.value)} com timestamp ${item.timestamp}`;
      case "replication":
        return `REPLICATION ${item.key} = ${names.value(item.value)}, timestamp ${item.timestamp}`;
      case "acknowledged":
        return `REPLICATION_OK de ${names.server(item.follower)} até ${item.timestamp}`;
      case "put_ok":
        return `PUT_OK ${item.key}, timestamp ${item.timestamp}, a ${names.client(item.client)}`;
      case "get":
        return "refused" in item
          ? `GET ${item.key} de ${
            names.client(item.client)
          } recusado: já viu ${item.seen}, aqui há ${item.own}`
          : `GET ${item.key} de ${names.client(item.client)}: ${
            names.value(item.value)
          }, timestamp ${item.own}`;
      case "members":
        return item.open
          ? `em dia: ${names.list(item.inSync, item.others)}`
          : "ainda não aceita PUT";
      case "fault":
        return item.action === "resume"
          ? `replicação para ${names.server(item.follower)} solta`
          : item.action === "pause"
          ? `replicação para ${names.server(item.follower)} pausada`
          : `replicação para ${names.server(item.follower)} atrasada ${item.delayMs} ms`;
      case "slow":
        return item.slow ? pt.slow : "volta a ser lido no ritmo normal";
      case "up":
        return "conectado";
      case "down":
        return `fora do ar (${item.reason})`;
      case "forgotten":
        return "os servidores perderam todos os dados; os clientes recomeçam do zero";
      case "demo":
        return pt.demoStep(item.step, names);
      default:
        return "";
    }
  },
};
