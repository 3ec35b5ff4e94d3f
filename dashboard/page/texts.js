// @ts-check
/**
 * Everything that the page says, in both languages.
 *
 * @module
 */

/** @import { Item, Refusal, Story } from "../server/item.ts" */

/**
 * How the page names things.
 *
 * @typedef {object} Names
 * @property {(address: string) => string} server a server, by its "ip:port"
 * @property {(address: string) => string} client a client, by its "ip:port"
 * @property {(value: string | null | undefined) => string} value a value as it is shown
 */

const pt = {
  htmlLang: "pt-BR",
  title: "Replicação ao vivo",
  lead: "Três servidores, uma tabela. Nenhum cliente lê algo mais antigo do que já viu.",
  language: "English",
  languageTitle: "Mudar para inglês",
  theme: "Tema",
  themes: { auto: "Automático", light: "Claro", dark: "Escuro" },
  connected: "conectado",
  disconnected: "sem conexão com o painel",
  skip: "Ir para os comandos",

  cluster: "Servidores e mensagens",
  clients: "Clientes",
  others: "outros",
  clientName: (/** @type {number} */ n) => `cliente ${n}`,
  leaderRole: "líder",
  followerRole: "seguidor",
  inSync: "em dia",
  notInSync: "fora do conjunto",
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
  atEnd: "no fim",
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

  hands: "Experimente",
  client: "Cliente",
  value: "Valor",
  server: "Servidor",
  random: "sorteado",
  put: "PUT",
  get: "GET",
  seenTitle: "O que este cliente já viu",
  seenNothing: "Nada ainda: todos os timestamps são 0.",
  answers: "Respostas",
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
   * @param {Refusal} refusal
   * @param {Names} names
   */
  refusal: ({ client, key, seen, own, server }, names) =>
    own === 0
      ? `${cap(names.client(client))} já viu ${key} com timestamp ${seen}; o servidor ${
        names.server(server)
      } ainda não tem essa chave.`
      : `${cap(names.client(client))} já viu ${key} com timestamp ${seen}; o servidor ${
        names.server(server)
      } só tem ${own}.`,

  /**
   * @param {Story} story
   * @param {Names} names
   * @returns {string}
   */
  story: ({ step, follower, leader, key, value, seen = 0, own = 0, reason = "" }, names) => {
    switch (step) {
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
        return `grava ${item.key} = ${names.value(item.value)} com timestamp ${item.timestamp}`;
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
          ? `em dia: ${item.inSync.map(names.server).join(", ")}`
          : "ainda não aceita PUT";
      case "fault":
        return item.action === "resume"
          ? `replicação para ${names.server(item.follower)} solta`
          : item.action === "pause"
          ? `replicação para ${names.server(item.follower)} pausada`
          : `replicação para ${names.server(item.follower)} atrasada ${item.delayMs} ms`;
      case "up":
        return "conectado";
      case "down":
        return `fora do ar (${item.reason})`;
      case "forgotten":
        return "os servidores perderam todos os dados; os clientes recomeçam do zero";
      case "story":
        return pt.story(item.story, names);
      default:
        return "";
    }
  },
};

/** @type {typeof pt} */
const en = {
  htmlLang: "en",
  title: "Replication, live",
  lead: "Three servers, one table. No client ever reads anything older than it has seen.",
  language: "Português",
  languageTitle: "Switch to Portuguese",
  theme: "Theme",
  themes: { auto: "Automatic", light: "Light", dark: "Dark" },
  connected: "connected",
  disconnected: "no connection to the dashboard",
  skip: "Skip to the commands",

  cluster: "Servers and messages",
  clients: "Clients",
  others: "others",
  clientName: (n) => `client ${n}`,
  leaderRole: "leader",
  followerRole: "follower",
  inSync: "in sync",
  notInSync: "not in sync",
  unreachable: "unreachable",
  lastTimestamp: (ts) => `last ts ${ts}`,
  paused: "paused",
  delayed: (ms) => `+${ms} ms`,
  withheld: (n) => n === 1 ? "1 write held back" : `${n} writes held back`,
  sampled: (drawn, all) => `Sample: ${drawn} of the last second's ${all} messages are drawn`,
  notSampled: "All messages are drawn",
  lost: (n) => `${n} events did not get here`,
  diagram: (summary) => `Diagram of the servers. ${summary}`,

  playback: "Playback",
  live: "Live",
  goLive: "Back to live",
  pause: "Pause",
  play: "Play",
  stepBack: "Step back",
  stepForward: "Step forward",
  speed: "Speed",
  timeline: "Timeline",
  position: (n, all) => `event ${n} of ${all}`,
  atEnd: "at the end",
  noEvents: "nothing recorded yet",
  events: "Events",
  noEventsYet: "Do a PUT to see what happens.",

  table: "Who holds what",
  key: "Key",
  emptyTable: "No keys yet.",
  stale: "stale",
  missing: "has none",
  unknown: "not known",
  staleTitle: (newest) => `there is a newer one, with timestamp ${newest}`,
  shownKeys: (shown, all) => `The ${shown} written last, of ${all} known`,
  ts: "ts",

  rates: "Pace",
  putsPerSecond: "PUT_OK/s",
  getsPerSecond: "GET/s",
  refusedPerSecond: "Refused GET/s",
  replicationsPerSecond: "REPLICATION/s",
  putMs: "ms to PUT_OK (dashed: the longest)",
  lastMinute: "last minute",
  now: "now",
  most: "max.",

  refusals: "Refused GETs, and why",
  noRefusals: "None so far. “Show me TRY_OTHER” brings one about.",

  hands: "Try it",
  client: "Client",
  value: "Value",
  server: "Server",
  random: "drawn at random",
  put: "PUT",
  get: "GET",
  seenTitle: "What this client has seen",
  seenNothing: "Nothing yet: all timestamps are 0.",
  answers: "Answers",
  working: "sending…",

  faults: "Replication",
  faultsOff: "Fault commands are off: the servers need --allow-faults.",
  pauseFault: "Pause",
  delayFault: "Delay 1 s",
  resumeFault: "Resume",
  towards: (server) => `towards ${server}`,
  faultState: { none: "normal", pause: "paused", delay: "delayed" },

  demo: "Show me TRY_OTHER",
  demoText:
    "Holds replication to a follower, writes, reads the new value at the leader and asks the late follower.",
  demoRunning: "Showing…",

  status: (keys, connections, uptimeMs, bytes) =>
    [
      keys === 1 ? "1 key" : `${keys} keys`,
      connections === 1 ? "1 connection" : `${connections} connections`,
      `up ${duration(uptimeMs)}`,
      mebibytes(bytes),
    ].join(" · "),

  putOk: (server, ts) => `PUT_OK from ${server}, timestamp ${ts}`,
  getOk: (value, server, seen, ts) =>
    `${value} from ${server}, my timestamp ${seen}, the server's ${ts}`,
  getRefused: (server, seen, ts) =>
    `TRY_OTHER_SERVER_OR_LATER from ${server}: my timestamp ${seen}, the server's ${ts}`,
  failed: {
    BAD_MESSAGE: "invalid request",
    UNAVAILABLE: "not carried out",
    UNKNOWN_OUTCOME: "nobody knows whether it was carried out",
    REFUSED: "refused by the dashboard",
  },

  refusal: ({ client, key, seen, own, server }, names) =>
    own === 0
      ? `${cap(names.client(client))} has seen ${key} with timestamp ${seen}; server ${
        names.server(server)
      } does not have that key yet.`
      : `${cap(names.client(client))} has seen ${key} with timestamp ${seen}; server ${
        names.server(server)
      } has only ${own}.`,

  story: ({ step, follower, leader, key, value, seen = 0, own = 0, reason = "" }, names) => {
    switch (step) {
      case "pause":
        return `Replication towards ${names.server(follower)} is held back.`;
      case "put":
        return `Client 2 asks the leader for PUT ${key} = ${value}. ${
          names.server(follower)
        } has not confirmed it, so PUT_OK waits.`;
      case "seen":
        return `Client 1 does GET ${key} at the leader ${
          names.server(leader)
        } and sees ${value} already, with timestamp ${seen}.`;
      case "refused":
        return `The same client 1 asks ${
          names.server(follower)
        }, which has only timestamp ${own}: TRY_OTHER_SERVER_OR_LATER.`;
      case "resume":
        return `Replication towards ${names.server(follower)} goes on.`;
      case "stored":
        return `All have confirmed: client 2 gets PUT_OK with timestamp ${own}.`;
      case "caught_up":
        return `Now ${names.server(follower)} answers ${value}, with timestamp ${own}.`;
      case "done":
        return "That is all. No code was changed: a message came late.";
      case "failed":
        return `It did not work: ${reason}`;
    }
  },

  item: (item, names) => {
    switch (item.kind) {
      case "put":
        return `PUT ${item.key} = ${names.value(item.value)}, from ${names.client(item.client)}`;
      case "forwarding":
        return `passes PUT ${item.key} = ${names.value(item.value)} on to the leader`;
      case "written":
        return `writes ${item.key} = ${names.value(item.value)} with timestamp ${item.timestamp}`;
      case "replication":
        return `REPLICATION ${item.key} = ${names.value(item.value)}, timestamp ${item.timestamp}`;
      case "acknowledged":
        return `REPLICATION_OK from ${names.server(item.follower)} up to ${item.timestamp}`;
      case "put_ok":
        return `PUT_OK ${item.key}, timestamp ${item.timestamp}, to ${names.client(item.client)}`;
      case "get":
        return "refused" in item
          ? `GET ${item.key} from ${
            names.client(item.client)
          } refused: it has seen ${item.seen}, here is ${item.own}`
          : `GET ${item.key} from ${names.client(item.client)}: ${
            names.value(item.value)
          }, timestamp ${item.own}`;
      case "members":
        return item.open
          ? `in sync: ${item.inSync.map(names.server).join(", ")}`
          : "takes no PUT yet";
      case "fault":
        return item.action === "resume"
          ? `replication towards ${names.server(item.follower)} goes on`
          : item.action === "pause"
          ? `replication towards ${names.server(item.follower)} paused`
          : `replication towards ${names.server(item.follower)} delayed by ${item.delayMs} ms`;
      case "up":
        return "connected";
      case "down":
        return `unreachable (${item.reason})`;
      case "forgotten":
        return "the servers have lost all data; the clients begin anew";
      case "story":
        return en.story(item.story, names);
      default:
        return "";
    }
  },
};

/** By language. */
export const texts = { pt, en };

/** @typedef {typeof pt} Texts */

/**
 * The first letter large.
 *
 * @param {string} text
 */
function cap(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

/**
 * How long something has lasted, roughly: the units are the same in both languages.
 *
 * @param {number} ms
 */
function duration(ms) {
  const seconds = Math.floor(ms / 1000);
  if (seconds < 60) return `${seconds}\u00a0s`;
  if (seconds < 3_600) return `${Math.floor(seconds / 60)}\u00a0min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3_600)}\u00a0h`;
  return `${Math.floor(seconds / 86_400)}\u00a0d`;
}

/** @param {number} bytes */
function mebibytes(bytes) {
  return `${Math.round(bytes / 2 ** 20)}\u00a0MiB`;
}
