// @ts-check
/**
 * The page's texts in Portuguese.
 *
 * @module
 */

import { capitalized, duration, mebibytes, toldStep } from "./format.js";
import { storyDefault } from "../stories/stories.js";

/** @import { DemoStep, Item } from "../server/item.ts" */
/** @import { Lang } from "../stories/story.ts" */
/** @import { RefusedGet, RefusedWrite } from "../server/state.ts" */
/** @import { Names } from "./format.js" */
/** @import { FileProblem } from "./story_file.js" */

/** The texts. Their type is that of the texts in every language. */
export const pt = {
  htmlLang: "pt-BR",
  lang: /** @type {Lang} */ ("pt"),
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
  story: "História",
  present: "Apresentar",
  presentEnd: "Sair da apresentação",
  presentHint: "→ ou o avançar do controle conta a história. Esc sai.",
  storyPlace: (/** @type {number} */ step, /** @type {number} */ all) => `passo ${step} de ${all}`,
  skip: "Ir para os comandos",

  cluster: "Servidores e mensagens",
  clientName: (/** @type {number} */ n) => `cliente ${n}`,
  clientTitle: (/** @type {number} */ n) => n === 0 ? "Outros" : `Cliente ${n}`,
  leaderRole: "líder",
  followerRole: "seguidor",
  inSync: "em dia",
  notInSync: "fora do conjunto",
  slow: "envia mais do que cabe: o painel lê devagar",
  unreachable: "fora do ar",
  lastTimestamp: (/** @type {number} */ ts) => `último ts ${ts}`,
  held: "segurada",
  delayed: (/** @type {number} */ ms) => `+${ms} ms`,
  withheld: (/** @type {number} */ n) => n === 1 ? "1 gravação retida" : `${n} gravações retidas`,
  sampled: (/** @type {number} */ drawn, /** @type {number} */ all) =>
    `Amostra: desenhadas ${drawn} de ${all} mensagens do último segundo`,
  notSampled: "Todas as mensagens de PUT, WRITE, GET e replicação são desenhadas",
  lost: (/** @type {number} */ n) => `${n} eventos não chegaram até aqui`,
  diagram: (/** @type {string} */ summary) => `Diagrama dos servidores. ${summary}`,

  views: "Vista",
  viewDiagram: "Diagrama",
  viewSpaceTime: "Espaço-tempo",
  saveSvg: "Salvar SVG",
  forwards: "encaminha ao líder",
  refusedHere: (/** @type {number} */ seen, /** @type {number} */ own) =>
    `já viu ${seen}, aqui há ${own}`,
  conflictHere: (/** @type {number} */ expected, /** @type {number} */ timestamp) =>
    `esperava ${expected}, aqui há ${timestamp}`,
  expiredHere: "expirou",
  spaceTimeLabel: (/** @type {number} */ rows, /** @type {string} */ columns) =>
    `Diagrama espaço-tempo de ${columns}: ${rows} linhas, a mais nova embaixo`,

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

  recordings: "Gravações",
  saveRecording: "Salvar gravação",
  openRecording: "Abrir gravação…",
  fileShown: (/** @type {string} */ name) => `Mostrando o arquivo ${name}.`,
  /**
   * @param {string} name
   * @param {FileProblem} problem
   * @returns {string}
   */
  fileRefused: (name, problem) => {
    switch (problem.is) {
      case "large":
        return `${name} não foi aberto: é maior do que uma gravação pode ser.`;
      case "unreadable":
        return `${name} não foi aberto: o navegador não consegue lê-lo.`;
      case "format":
        return `${name} não foi aberto: não é uma gravação deste painel.`;
      case "version":
        return `${name} não foi aberto: é da versão ${problem.version}, que esta página não conhece.`;
      case "shape":
        return `${name} não foi aberto: a gravação está errada em ${problem.place}.`;
    }
  },

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
  putsPerSecond: "PUT_OK + WRITE_OK/s",
  getsPerSecond: "GET/s",
  refusedPerSecond: "GET recusados/s",
  replicationsPerSecond: "REPLICATION/s",
  putMs: "ms até o OK (tracejado: o maior)",
  lastMinute: "último minuto",
  now: "agora",
  most: "máx.",

  refusals: "GETs e WRITEs recusados, e por quê",
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
  reasons: {
    disconnected: "Desligado: sem conexão com o painel.",
    noServer: "Desligado: nenhum servidor responde ao painel.",
    unknownLeader: "Desligado: ainda não se sabe quem é o líder.",
    leaderDown: "Desligado: o líder está fora do ar.",
    faultsOff: "Desligado: o líder precisa de --allow-faults.",
    followerAway: "Segurar e atrasar: só um seguidor em dia.",
    alreadyHeld: "Já está segurada.",
    nothingHeld: "Nada está retido, então nada há a soltar.",
  },
  holdFault: "Segurar",
  delayFault: "Atrasar 1 s",
  resumeFault: "Soltar",
  towards: (/** @type {string} */ server) => `para ${server}`,
  faultState: { none: "normal", pause: "segurada", delay: "atrasada" },

  demo: storyDefault.title.pt,
  demoText: storyDefault.about.pt,
  moreStories: "Outras histórias",
  demoRunning: "Mostrando…",
  storyReasons: {
    disconnected: "Sem conexão com o painel.",
    running: "Uma história está em andamento.",
    unknownLeader: "Falta saber quem é o líder.",
    leaderDown: "O líder está fora do ar.",
    faultsOff: "O líder precisa de --allow-faults.",
    followerAway: "Precisa de dois seguidores em dia.",
    notThree: "Só com três servidores.",
    noControl: "Só com --start: o painel precisa poder parar servidores.",
  },

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
   * @param {RefusedWrite} conflict
   * @param {Names} names
   */
  conflict: ({ client, key, expected, value, timestamp }, names) => {
    const asker = capitalized(names.client(client));
    if (expected === 0) {
      return `${asker} queria criar ${key}, mas a chave já existe: ${
        names.value(value)
      }, com timestamp ${timestamp}.`;
    }
    return value === null
      ? `${asker} esperava ${key} com timestamp ${expected}, mas a chave não existe mais.`
      : `${asker} esperava ${key} com timestamp ${expected}, mas a chave tem ${
        names.value(value)
      }, com timestamp ${timestamp}.`;
  },

  /**
   * @param {DemoStep} step
   * @param {Names} names
   * @returns {string}
   */
  demoStep: (step, names) => toldStep(step, "pt", names),

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
      case "write":
        return [
          `WRITE ${item.key} = ${names.value(item.value)}`,
          ...(item.expected === undefined
            ? []
            : [item.expected === 0 ? "se não existe" : `se está em ${item.expected}`]),
          ...(item.ttlMs === undefined ? [] : [`por ${duration(item.ttlMs)}`]),
          `de ${names.client(item.client)}`,
        ].join(", ");
      case "forwarding_write":
        return `encaminha ao líder o WRITE ${item.key} = ${names.value(item.value)}`;
      case "write_ok":
        return `WRITE_OK ${item.key}, timestamp ${item.timestamp}, a ${names.client(item.client)}`;
      case "conflict":
        return `CONFLICT: ${pt.conflict(item, names)}`;
      case "written":
        if (item.expired) return `${item.key} expirou: apagada com timestamp ${item.timestamp}`;
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
          ? `replicação para ${names.server(item.follower)} segurada`
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
