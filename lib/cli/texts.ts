/**
 * All Portuguese text of the screen, except the lines of a server (`server_console.ts`) and the
 * narration of the demonstration (`tools/demo_texts.ts`).
 *
 * @module
 */

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
    `ERRO no ${choice}: pedido inválido (${escapeControls(reason)})`,
  unavailable: (choice: string, server: string, reason: string): string =>
    `ERRO no ${choice}: não realizado pelo servidor ${server} (${escapeControls(reason)})`,
  clusterReset: (choice: string, server: string): string =>
    `ERRO no ${choice}: os servidores perderam todos os dados (diz ${server}); faça o INIT de novo`,
  unknownOutcome: (choice: string, server: string, reason: string): string =>
    `ERRO no ${choice}: não se sabe se foi realizado pelo servidor ${server} (${
      escapeControls(reason)
    })`,
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

/** The complaints about a wrong address, from a question or a flag. */
export const addressTexts = {
  badIp: (text: string): string => `IP inválido: ${escapeControls(text)}`,
  badPort: (text: string): string => `Porta inválida: ${escapeControls(text)}`,
} as const;

/** The texts of `deno task start`. */
export const startTexts = {
  ready: (ports: readonly number[]): string =>
    `Servidores no ar nas portas ${ports.join(", ")} (líder: ${ports[0]}). ` +
    `As linhas de cada um começam com a porta entre colchetes.`,
} as const;

/** The texts of the one-shot commands. */
export const commandTexts = {
  putOk: (key: string, timestamp: number, server: string): string =>
    `PUT_OK key: ${escapeControls(key)} timestamp ${timestamp} realizada no servidor ${server}`,
  notFound: (key: string): string => `A key não existe: ${escapeControls(key)}`,
  stale: (key: string, seen: number, answers: string): string =>
    `${tryOther} key: ${escapeControls(key)}, meu timestamp ${seen}, dos servidores: ${answers}`,
  unavailable: (choice: string, reason: string): string =>
    `ERRO no ${choice}: não realizado (${escapeControls(reason)})`,
  otherCluster: (choice: string, server: string): string =>
    `ERRO no ${choice}: o servidor ${server} pertence a outro cluster; ` +
    `se todos os servidores perderam os dados, apague o arquivo da sessão`,
  sessionNotKept: (path: string, reason: string): string =>
    `A sessão não foi gravada em ${escapeControls(path)}: ${escapeControls(reason)}`,

  columns: [
    ...["SERVIDOR", "PAPEL", "EM DIA", "TIMESTAMP", "ATRASO"],
    ...["KEYS", "CONEXÕES", "NO AR HÁ", "MEMÓRIA"],
  ],
  leader: "líder",
  follower: "seguidor",
  down: "fora do ar",
  yes: "sim",
  no: "não",
  unknown: "?",
  duration: (ms: number): string => {
    const s = Math.floor(ms / 1000);
    const [days, hours, minutes] = [s / 86_400, s / 3_600 % 24, s / 60 % 60].map(Math.floor);
    if (days! > 0) return `${days} d ${hours} h`;
    if (hours! > 0) return `${hours} h ${minutes} min`;
    return minutes! > 0 ? `${minutes} min ${s % 60} s` : `${s} s`;
  },
  memory: (bytes: number): string => `${Math.round(bytes / 1024 / 1024)} MiB`,
};

/** The texts of the dashboard's console. */
export const dashboardTexts = {
  ready: (url: string): string => `Painel no ar: abra ${url} no navegador. Ctrl-C termina.`,
  open: (ip: string): string =>
    `Atenção: ${ip} não é só desta máquina. Quem alcança essa porta vê tudo e comanda tudo.`,
} as const;
