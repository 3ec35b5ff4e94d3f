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
  /** The answer to a GET of an absent key. */
  notFound(key: string): string;
  /** The refused GET. `answers` are servers and their timestamps. */
  stale(key: string, seen: number, answers: string): string;
  /** A key or value that breaks a limit. */
  invalid(choice: string, reason: string): string;
  /** A request that failed and was not carried out. */
  unavailable(choice: string, reason: string): string;
  /** A PUT that may or may not be applied. */
  unknownOutcome(choice: string, server: string, reason: string): string;
  /** A server of another cluster than the session's. */
  otherCluster(choice: string, server: string, session: string | undefined): string;
  /** Advice for a value that this client saw and that no server will ever have. */
  maybeLost(session: string | undefined): string;
  /** A session that could not be stored. */
  sessionNotKept(path: string, reason: string): string;
  /** The leader has begun or ended a fault. */
  faultOk(action: string, follower: string, leader: string): string;
  /** An observed server is lost. */
  notObserved(server: string, reason: string): string;
  /** Events that an observed server has left out. */
  missed(server: string, count: number): string;
  /** The reason of a failure, with its code. */
  reason(reason: string, code: KvErrorCode): string;

  /** The titles of the columns of `status`. */
  readonly columns: readonly string[];
  /** The role of the server that leads. */
  readonly leader: string;
  /** The role of the other servers. */
  readonly follower: string;
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

function fileText(path: string | undefined): string {
  return path === undefined ? "" : ` ${escapeControls(path)}`;
}

const english: CommandTexts = {
  putOk: (key, timestamp, server) =>
    `PUT_OK key: ${escapeControls(key)} timestamp ${timestamp} by server ${server}`,
  notFound: (key) => `No such key: ${escapeControls(key)}`,
  stale: (key, seen, answers) =>
    `${tryOther} key: ${escapeControls(key)}, my timestamp ${seen}, the servers': ${answers}`,
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
  sessionNotKept: (path, reason) =>
    `The session was not stored in ${escapeControls(path)}: ${escapeControls(reason)}`,
  faultOk: (action, follower, leader) => `FAULT_OK ${action} ${follower} by leader ${leader}`,
  notObserved: (server, reason) => `${server}: not observed: ${escapeControls(reason)}`,
  missed: (server, count) => `${server}: ${count} events left out`,
  reason: (reason) => reason,

  columns: [
    ...["SERVER", "ROLE", "IN SYNC", "TIMESTAMP", "LAG"],
    ...["KEYS", "CONNECTIONS", "UP FOR", "MEMORY"],
  ],
  leader: "leader",
  follower: "follower",
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
  notFound: (key) => `A key não existe: ${escapeControls(key)}`,
  stale: (key, seen, answers) =>
    `${tryOther} key: ${escapeControls(key)}, meu timestamp ${seen}, dos servidores: ${answers}`,
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
  sessionNotKept: (path, reason) =>
    `A sessão não foi gravada em ${escapeControls(path)}: ${escapeControls(reason)}`,
  faultOk: (action, follower, leader) => `FAULT_OK ${action} ${follower} no líder ${leader}`,
  notObserved: (server, reason) => `${server}: sem observação: ${escapeControls(reason)}`,
  missed: (server, count) => `${server}: ${count} eventos omitidos`,
  reason: portugueseReason,

  columns: [
    ...["SERVIDOR", "PAPEL", "EM DIA", "TIMESTAMP", "ATRASO"],
    ...["KEYS", "CONEXÕES", "NO AR HÁ", "MEMÓRIA"],
  ],
  leader: "líder",
  follower: "seguidor",
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
