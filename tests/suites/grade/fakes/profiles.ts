import { parseProfile, type Profile, type Step } from "../../../../tools/grade/profile.ts";
import type { Case } from "./cases.ts";

/** The folder of the fake implementations. */
export const folder: string = import.meta.dirname!;

/** A line that is missing is waited for this long. */
const answerS = 5;

/** The profile of a fake implementation. `classes` is the folder of the compiled Java program. */
export function profileOf({ language, fault, style }: Case, classes: string): Profile {
  const flags = [
    ...(fault === undefined ? [] : [`--fault=${fault}`]),
    ...(style === undefined ? [] : [`--style=${style}`]),
  ];
  const fields = language === "python" ? pythonFields(style) : javaFields();
  const start = language === "python" ? ["python3", "kv.py"] : ["java", "-cp", classes, "Kv"];
  const args = style === "arguments";
  return parseProfile(
    JSON.stringify({
      server: [
        ...start,
        "server",
        ...flags,
        ...(args ? ["{ip}:{port}", "{leaderIp}:{leaderPort}"] : []),
      ],
      client: [...start, "client", ...flags, ...(args ? clientArguments : [])],
      putTimeoutS: answerS,
      ...fields,
    }),
    `${language} ${fault ?? style}`,
  );
}

const clientArguments = ["{ip1}:{port1}", "{ip2}:{port2}", "{ip3}:{port3}"];

function pythonFields(style = "plain"): object {
  const silent = style === "no-prompts";
  const prompt = (text: string) => silent ? null : text;
  const address = (whose: string, ip: string, port: string): Step[] => {
    if (style === "arguments") return [];
    if (style === "one-line") return [[`Endereço ${whose}`, `{${ip}}:{${port}}`]];
    return [[prompt(`IP ${whose}`), `{${ip}}`], [prompt(`Porta ${whose}`), `{${port}}`]];
  };
  const numbered = style === "numbered-menu";
  return {
    serverDialog: [
      ...address("do servidor", "ip", "port"),
      ...address("do líder", "leaderIp", "leaderPort"),
    ],
    ...(style !== "leader-asks" ? {} : {
      leaderMore: [
        ...address("do seguidor 1", "ip2", "port2"),
        ...address("do seguidor 2", "ip3", "port3"),
      ],
    }),
    menu: silent ? "INIT, PUT ou GET" : numbered ? "Opção" : "Escolha",
    init: [
      [null, numbered ? "1" : "INIT"],
      ...[1, 2, 3].flatMap((n) => address(`do servidor ${n}`, `ip${n}`, `port${n}`)),
    ],
    put: [[null, numbered ? "2" : "PUT"], [prompt("Key"), "{key}"], [prompt("Value"), "{value}"]],
    get: [[null, numbered ? "3" : "GET"], [prompt("Key"), "{key}"]],
    keys: style === "integer-keys" ? "integers" : "words",
  };
}

function javaFields(): object {
  const address = (whose: string, ip: string, port: string): Step[] => [
    [`Digite o IP ${whose}`, `{${ip}}`],
    [`Digite a porta ${whose}`, `{${port}}`],
  ];
  return {
    serverDialog: [
      ...address("do servidor", "ip", "port"),
      ...address("do lider", "leaderIp", "leaderPort"),
    ],
    leaderMore: [
      ...address("do seguidor 1", "ip2", "port2"),
      ...address("do seguidor 2", "ip3", "port3"),
    ],
    menu: "Menu",
    init: [
      [null, "1"],
      ...[1, 2, 3].flatMap((n) => address(`do servidor ${n}`, `ip${n}`, `port${n}`)),
    ],
    put: [[null, "2"], ["Digite a key", "{key}"], ["Digite o value", "{value}"]],
    get: [[null, "3"], ["Digite a key", "{key}"]],
  };
}
