/**
 * The texts of the client's commands, each language whole.
 *
 * @module
 */

import type { KvErrorCode } from "../client/errors.ts";
import { escapeControls } from "./escape.ts";
import type { Language } from "./language.ts";
import { portugueseMistakes, portugueseReason } from "./reasons.ts";
import { tryOther } from "./texts.ts";

/** The texts of the client's commands in one language. */
export interface CommandTexts {
  /** The answer to a PUT. */
  putOk(key: string, timestamp: number, server: string): string;
  /** The answer to a deletion. */
  deleteOk(key: string, timestamp: number, server: string): string;
  /** A write whose condition is not met. `timestamp` is the key's, `undefined` if there is no such key. */
  conflict(choice: string, key: string, timestamp: number | undefined): string;
  /** The answer to a GET of an absent key. */
  notFound(key: string): string;
  /** The refused read of a key, or of a list. `answers` are servers and their timestamps. */
  stale(key: string | undefined, seen: number, answers: string): string;
  /** A key or value that breaks a limit. */
  invalid(choice: string, reason: string): string;
  /** A request that failed and was not carried out. */
  unavailable(choice: string, reason: string): string;
  /** A PUT that may or may not be applied. */
  unknownOutcome(choice: string, server: string, reason: string): string;
  /** A server of another cluster than the session's. */
  otherCluster(choice: string, server: string, session: string | undefined): string;
  /** What this client saw of a key, or of anything, is lost. */
  lost(choice: string, key: string | undefined): string;
  /** Advice for a value that this client saw and that no server will ever have. */
  maybeLost(session: string | undefined): string;
  /** Advice for a session that has seen what is lost. */
  forget(session: string | undefined): string;
  /** A session that could not be stored. */
  sessionNotKept(path: string, reason: string): string;
  /** The leader has begun or ended a fault. */
  faultOk(action: string, follower: string, leader: string): string;
  /** An observed server is lost. */
  notObserved(server: string, reason: string): string;
  /** Events that an observed server has left out. */
  missed(server: string, count: number): string;
  /** A watch has shown everything up to this timestamp; changes follow. */
  watchReady(timestamp: number): string;
  /** What a watch has shown before does not count any more. */
  readonly watchReset: string;
  /** A watch is cut off from the servers. */
  watchCutOff(since: Date, reason: string): string;
  /** A watch goes on. */
  watchConnected(server: string): string;
  /** The lock is not free, or no server answers. */
  lockWaiting(name: string): string;
  /** The lock could not be taken within this time. */
  lockBusy(name: string, seconds: number): string;
  /** The lock is held. */
  lockHeld(name: string): string;
  /** The lock may be held by another client by now. */
  lockLost(reason: string): string;
  /** No server has confirmed that the lock is free. */
  lockNotReleased(name: string, reason: string): string;
  /** The program that was to run while a lock is held cannot be run. */
  commandNotRun(program: string, reason: string): string;
  /** How many entries are exported. */
  exported(count: number): string;
  /** An export has ended before the last entry. */
  exportEnded(count: number): string;
  /** How many entries are imported, and how many keys existed already and were left as they are. */
  imported(count: number, existed: number): string;
  /** An import has ended early. `line` is the first one that is not imported for certain. */
  importEnded(count: number, existed: number, line: number): string;
  /** The reason of a failure, with its code. */
  reason(reason: string, code: KvErrorCode): string;

  /** The titles of the columns of `status`. */
  readonly columns: readonly string[];
  /** The role of the server that leads. */
  readonly leader: string;
  /** The role of the other servers. */
  readonly follower: string;
  /** Of a follower without its leader; the time since then follows. */
  readonly cutOff: string;
  /** A server that does not answer. */
  readonly down: string;
  /** What is wrong with a server that this client cannot use, by the code of the error. */
  readonly mistakes: Readonly<Partial<Record<KvErrorCode, string>>>;
  /** The server is in sync. */
  readonly yes: string;
  /** The server is not in sync. */
  readonly no: string;
}

/** Shown in the table of `status` for a field that only the leader knows, if it does not answer. */
export const unknownText = "?";

/** A duration in its two largest units. Their names are the same in both languages. */
export function durationText(ms: number): string {
  const s = Math.floor(ms / 1000);
  const [days, hours, minutes] = [s / 86_400, s / 3_600 % 24, s / 60 % 60].map(Math.floor);
  if (days! > 0) return `${days} d ${hours} h`;
  if (hours! > 0) return `${hours} h ${minutes} min`;
  return minutes! > 0 ? `${minutes} min ${s % 60} s` : `${s} s`;
}

/** A size in MiB. */
export function memoryText(bytes: number): string {
  return `${Math.round(bytes / 1024 / 1024)} MiB`;
}

function keyText(key: string | undefined): string {
  return key === undefined ? "" : ` key: ${escapeControls(key)}`;
}

function fileText(path: string | undefined): string {
  return path === undefined ? "" : ` ${escapeControls(path)}`;
}

const english: CommandTexts = {
  putOk: (key, timestamp, server) =>
    `PUT_OK key: ${escapeControls(key)} timestamp ${timestamp} by server ${server}`,
  deleteOk: (key, timestamp, server) =>
    `DELETE_OK key: ${escapeControls(key)} timestamp ${timestamp} by server ${server}`,
  conflict: (choice, key, timestamp) =>
    `${choice} failed: conflict: ` + (timestamp === undefined
      ? `there is no key ${escapeControls(key)}`
      : `key ${escapeControls(key)} has timestamp ${timestamp}`) +
    ". Nothing was written.",
  notFound: (key) => `No such key: ${escapeControls(key)}`,
  stale: (key, seen, answers) =>
    `${tryOther}${keyText(key)}, my timestamp ${seen}, the servers': ${answers}`,
  lost: (choice, key) =>
    `${choice} failed${
      keyText(key)
    }: what this session saw was lost with the leader, before it was ` +
    "acknowledged.",
  invalid: (choice, reason) => `${choice} failed: invalid request: ${escapeControls(reason)}`,
  unavailable: (choice, reason) => `${choice} failed: not done: ${escapeControls(reason)}`,
  unknownOutcome: (choice, server, reason) =>
    `${choice} failed: it may or may not be done by server ${server}: ${escapeControls(reason)}`,
  otherCluster: (choice, server, session) =>
    `${choice} failed: server ${server} belongs to another cluster than the session. ` +
    `If all servers have lost their data, delete the session's file${fileText(session)}.`,
  maybeLost: (session) =>
    "If status shows all servers in sync, the value that was seen is lost: it was never " +
    `acknowledged. Write the key again, or delete the session's file${fileText(session)}.`,
  forget: (session) => `To go on, delete the session's file${fileText(session)}.`,
  sessionNotKept: (path, reason) =>
    `The session was not stored in ${escapeControls(path)}: ${escapeControls(reason)}`,
  faultOk: (action, follower, leader) => `FAULT_OK ${action} ${follower} by leader ${leader}`,
  notObserved: (server, reason) => `${server}: not observed: ${escapeControls(reason)}`,
  missed: (server, count) => `${server}: ${count} events left out`,
  watchReady: (timestamp) => `All shown up to timestamp ${timestamp}. Changes follow.`,
  watchReset: "Start over: what was shown does not count any more. All keys follow.",
  watchCutOff: (since, reason) =>
    `Cut off since ${since.toISOString()}, trying again: ${escapeControls(reason)}`,
  watchConnected: (server) => `Connected to ${server}.`,
  lockWaiting: (name) =>
    `Waiting for the lock ${escapeControls(name)}: another client holds it, or no server answers.`,
  lockBusy: (name, seconds) =>
    `LOCK failed: ${escapeControls(name)} could not be taken within ${seconds} s (--wait).`,
  lockHeld: (name) => `Holding the lock ${escapeControls(name)}. Ctrl-C releases it.`,
  lockLost: (reason) =>
    `LOCK failed: ${escapeControls(reason)}. Another client may hold it by now.`,
  lockNotReleased: (name, reason) =>
    `The lock ${escapeControls(name)} is free when its time to live is over; no server has ` +
    `confirmed its release: ${escapeControls(reason)}`,
  commandNotRun: (program, reason) =>
    `Cannot run ${escapeControls(program)}: ${escapeControls(reason)}`,
  exported: (count) => `${count} entries exported.`,
  exportEnded: (count) =>
    `Ended early, ${count} entries exported. To go on with FILE: ` +
    "tail -n 1 FILE | … export … --after=- >> FILE",
  imported: (count, existed) =>
    `${count} entries imported` + (existed > 0 ? `, ${existed} keys existed already.` : "."),
  importEnded: (count, existed, line) =>
    `Ended early: ${
      english.imported(count, existed)
    } To go on with the same input: --from-line=${line}`,
  reason: (reason) => reason,

  columns: [
    ...["SERVER", "ROLE", "IN SYNC", "TIMESTAMP", "LAG"],
    ...["KEYS", "CONNECTIONS", "UP FOR", "MEMORY"],
  ],
  leader: "leader",
  follower: "follower",
  cutOff: "cut off for",
  down: "down",
  mistakes: {
    FORBIDDEN: "access refused",
    TLS: "TLS does not match",
    PROTOCOL: "not a server of this store",
    PERMISSION: "no permission",
    INVALID_ARGUMENT: "invalid address",
  },
  yes: "yes",
  no: "no",
};

const portuguese: CommandTexts = {
  putOk: (key, timestamp, server) =>
    `PUT_OK key: ${escapeControls(key)} timestamp ${timestamp} realizada no servidor ${server}`,
  deleteOk: (key, timestamp, server) =>
    `DELETE_OK key: ${escapeControls(key)} timestamp ${timestamp} realizada no servidor ${server}`,
  conflict: (choice, key, timestamp) =>
    `ERRO no ${choice}: conflito: ` + (timestamp === undefined
      ? `a key ${escapeControls(key)} não existe`
      : `a key ${escapeControls(key)} tem o timestamp ${timestamp}`) +
    ". Nada foi gravado.",
  notFound: (key) => `A key não existe: ${escapeControls(key)}`,
  stale: (key, seen, answers) =>
    `${tryOther}${keyText(key)}, meu timestamp ${seen}, dos servidores: ${answers}`,
  lost: (choice, key) =>
    `ERRO no ${choice}${keyText(key)}: o que esta sessão viu se perdeu com o líder, antes de ser ` +
    "confirmado.",
  invalid: (choice, reason) => `ERRO no ${choice}: pedido inválido: ${escapeControls(reason)}`,
  unavailable: (choice, reason) => `ERRO no ${choice}: não realizado: ${escapeControls(reason)}`,
  unknownOutcome: (choice, server, reason) =>
    `ERRO no ${choice}: não se sabe se foi realizado pelo servidor ${server}: ${
      escapeControls(reason)
    }`,
  otherCluster: (choice, server, session) =>
    `ERRO no ${choice}: o servidor ${server} pertence a outro cluster que o da sessão. ` +
    `Se os servidores perderam os dados, apague o arquivo da sessão${fileText(session)}.`,
  maybeLost: (session) =>
    "Se no status todos os servidores estão em dia, o valor visto se perdeu antes de ser " +
    `confirmado: grave a key de novo, ou apague o arquivo da sessão${fileText(session)}.`,
  forget: (session) => `Para continuar, apague o arquivo da sessão${fileText(session)}.`,
  sessionNotKept: (path, reason) =>
    `A sessão não foi gravada em ${escapeControls(path)}: ${escapeControls(reason)}`,
  faultOk: (action, follower, leader) => `FAULT_OK ${action} ${follower} no líder ${leader}`,
  notObserved: (server, reason) => `${server}: sem observação: ${escapeControls(reason)}`,
  missed: (server, count) => `${server}: ${count} eventos omitidos`,
  watchReady: (timestamp) => `Tudo até o timestamp ${timestamp}. Seguem as mudanças.`,
  watchReset: "Recomeço: o que foi mostrado não vale mais. Seguem todas as keys.",
  watchCutOff: (since, reason) =>
    `Sem contato desde ${since.toISOString()}, tentando de novo: ${escapeControls(reason)}`,
  watchConnected: (server) => `Conectado a ${server}.`,
  lockWaiting: (name) =>
    `À espera do lock ${
      escapeControls(name)
    }: outro cliente está com ele, ou nenhum servidor atende.`,
  lockBusy: (name, seconds) =>
    `ERRO no LOCK: ${escapeControls(name)} não ficou livre em ${seconds} s (--wait).`,
  lockHeld: (name) => `O lock ${escapeControls(name)} está com este cliente. Ctrl-C o libera.`,
  lockLost: (reason) =>
    `ERRO no LOCK: ${escapeControls(reason)}. Outro cliente já pode estar com ele.`,
  lockNotReleased: (name, reason) =>
    `O lock ${escapeControls(name)} fica livre quando o seu tempo acabar; nenhum servidor ` +
    `confirmou a liberação: ${escapeControls(reason)}`,
  commandNotRun: (program, reason) =>
    `${escapeControls(program)} não pôde ser executado: ${escapeControls(reason)}`,
  exported: (count) => `${count} entradas exportadas.`,
  exportEnded: (count) =>
    `Interrompido, ${count} entradas exportadas. Para continuar com ARQUIVO: ` +
    "tail -n 1 ARQUIVO | … export … --after=- >> ARQUIVO",
  imported: (count, existed) =>
    `${count} entradas importadas` + (existed > 0 ? `, ${existed} keys já existiam.` : "."),
  importEnded: (count, existed, line) =>
    `Interrompido: ${
      portuguese.imported(count, existed)
    } Para continuar com a mesma entrada: --from-line=${line}`,
  reason: portugueseReason,

  columns: [
    ...["SERVIDOR", "PAPEL", "EM DIA", "TIMESTAMP", "ATRASO"],
    ...["KEYS", "CONEXÕES", "NO AR HÁ", "MEMÓRIA"],
  ],
  leader: "líder",
  follower: "seguidor",
  cutOff: "sem líder há",
  down: "fora do ar",
  mistakes: portugueseMistakes,
  yes: "sim",
  no: "não",
};

/** The texts of the client's commands. */
export const commandTexts: Readonly<Record<Language, CommandTexts>> = {
  en: english,
  pt: portuguese,
};
