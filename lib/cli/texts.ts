/**
 * The Portuguese text of the menu, the questions and the dashboard. The lines of a server are in
 * `server_console.ts`, the commands' in `command_texts.ts`, those of the stories in
 * `dashboard/stories/`.
 *
 * @module
 */

import { parseHost } from "../wire/address.ts";
import { escapeControls } from "./escape.ts";

/** The text shown in place of a value that a server may not return. */
export const tryOther = "TRY_OTHER_SERVER_OR_LATER";

/** A value as servers and clients show it. `undefined` means a refused GET, `null` no such key. */
export function valueText(value: string | null | undefined): string {
  if (value === undefined) return tryOther;
  return value === null ? "NULL" : escapeControls(value);
}

/**
 * The texts of the client's menu (enunciado, "Mensagens apresentadas na console", `cada cliente`).
 */
export const clientTexts = {
  menu: "Escolha a função (1 - INIT, 2 - PUT, 3 - GET): ",
  key: "Key: ",
  value: "Value: ",
  serverIp: (n: number, preset: string): string => `IP do servidor ${n} [${preset}]: `,
  serverPort: (n: number, preset: number): string => `Porta do servidor ${n} [${preset}]: `,
  badChoice: (choice: string): string =>
    `Opção inválida: ${escapeControls(choice)}. Escolha INIT, PUT ou GET.`,
  spaces: (key: string): string =>
    `Atenção: a key tem espaços no começo ou no fim: "${escapeControls(key)}"`,
  initFirst: (choice: string): string => `Faça o INIT antes do ${choice}.`,

  putOk: (key: string, value: string, timestamp: number, server: string): string =>
    `PUT_OK key: ${escapeControls(key)} value ${
      escapeControls(value)
    } timestamp ${timestamp} realizada no servidor ${server}`,

  get: (
    key: string,
    value: string | null | undefined,
    server: string,
    seen: number,
    own: number,
  ): string =>
    `GET key: ${escapeControls(key)} value: ${
      valueText(value)
    } obtido do servidor ${server}, meu timestamp ${seen} e do servidor ${own}`,

  invalid: (choice: string, reason: string): string =>
    `ERRO no ${choice}: pedido inválido: ${escapeControls(reason)}`,
  unavailable: (choice: string, server: string, reason: string): string =>
    `ERRO no ${choice}: não realizado pelo servidor ${server}: ${escapeControls(reason)}`,
  clusterReset: (choice: string, server: string): string =>
    `ERRO no ${choice}: o servidor ${server} pertence a outro cluster: ` +
    `os servidores perderam os dados, ou o endereço está errado; faça o INIT de novo [CLUSTER_RESET]`,
  unknownOutcome: (choice: string, server: string, reason: string): string =>
    `ERRO no ${choice}: não se sabe se foi realizado pelo servidor ${server}: ${
      escapeControls(reason)
    }`,
} as const;

/** The questions of a server (enunciado 5.a). */
export const serverTexts = {
  ip: (preset: string): string => `IP [${preset}]: `,
  port: (preset: number): string => `Porta [${preset}]: `,
  leaderIp: (preset: string): string => `IP do líder [${preset}]: `,
  leaderPort: (preset: number): string => `Porta do líder [${preset}]: `,
  secret: "Segredo dos servidores: ",
  etcdPassword: "Senha do etcd: ",
} as const;

/** The question for the password of clients, in server, client and dashboard. */
export const passwordText = "Senha dos clientes: ";

/** The same in English, for the client's commands. */
export const passwordTextEn = "Password of clients: ";

/** The complaints about a wrong address, from a question or a flag. */
export const addressTexts = {
  badIp: (text: string): string => {
    const hint = text.includes("%") ? ". Endereços com zona (%eth0) não são aceitos" : "";
    return `IP inválido: ${escapeControls(text)}${hint}`;
  },
  /** The complaint about the address that a program listens on. */
  badOwnIp: (text: string): string => {
    const hint = parseHost(text) === undefined
      ? ""
      : ". Aqui só vale um IP desta máquina; nomes valem em --leader-ip, --advertise e --servers";
    return `${addressTexts.badIp(text)}${hint}`;
  },
  badPort: (text: string): string => `Porta inválida: ${escapeControls(text)}`,
} as const;

/** What is wrong with a line of the input. `line` is its number; `undefined` if it was typed. */
export const inputTexts = {
  pt: {
    notUtf8: (line: number | undefined): string =>
      line === undefined
        ? "O que foi digitado não é UTF-8: ajuste o terminal para UTF-8 e digite de novo."
        : `A linha ${line} da entrada não é UTF-8: grave o arquivo em UTF-8.`,
    utf16: "A entrada é UTF-16, com marca de ordem de bytes (BOM): grave o arquivo em UTF-8.",
    nul: (line: number | undefined): string =>
      line === undefined
        ? "O que foi digitado tem um caractere NUL: digite de novo."
        : `A linha ${line} da entrada tem um caractere NUL: se o arquivo é UTF-16, grave-o em UTF-8.`,
    tooLong: (line: number | undefined, bytesMax: number): string =>
      `${line === undefined ? "O que foi digitado" : `A linha ${line} da entrada`} ` +
      `passa de ${bytesMax} bytes.`,
    cut: (bytes: number): string =>
      `O terminal corta uma linha digitada em ${bytes} bytes, e esta chegou a esse tamanho. ` +
      `Um valor longo vem de um arquivo: deno task client put KEY - < arquivo`,
    controls: "Um segredo não pode ter teclas de controle: digite de novo.",
    empty: "Um segredo precisa de pelo menos um caractere.",
    ended: "A entrada terminou antes da resposta.",
  },
  en: {
    notUtf8: (line: number | undefined): string =>
      line === undefined
        ? "What was typed is not UTF-8: set the terminal to UTF-8 and type it again."
        : `Line ${line} of the input is not UTF-8: save the file as UTF-8.`,
    utf16: "The input is UTF-16, with a byte order mark (BOM): save the file as UTF-8.",
    nul: (line: number | undefined): string =>
      line === undefined
        ? "What was typed has a NUL character: type it again."
        : `Line ${line} of the input has a NUL character: if the file is UTF-16, save it as UTF-8.`,
    tooLong: (line: number | undefined, bytesMax: number): string =>
      `${line === undefined ? "What was typed" : `Line ${line} of the input`} ` +
      `is longer than ${bytesMax} bytes.`,
    cut: (bytes: number): string =>
      `The terminal cuts a typed line at ${bytes} bytes, and this one is as long. ` +
      `A long value comes from a file: deno task client put KEY - < file`,
    controls: "A secret cannot have control keys: type it again.",
    empty: "A secret needs at least one character.",
    ended: "The input ended before the answer.",
  },
} as const;

/** The texts of `deno task start`. */
export const startTexts = {
  ready: (ports: readonly number[]): string =>
    `Servidores no ar nas portas ${ports.join(", ")} (líder: ${ports[0]}). ` +
    `As linhas de cada um começam com a porta entre colchetes.`,
} as const;

/** The texts of the dashboard's console. */
export const dashboardTexts = {
  ready: (url: string): string => `Painel no ar: abra ${url} no navegador. Ctrl-C termina.`,
  open: (ip: string): string =>
    `Atenção: ${ip} não é só desta máquina. Quem alcança essa porta vê tudo e comanda tudo.`,
} as const;
