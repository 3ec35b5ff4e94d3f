import { faults, styles } from "./fakes/cases.ts";
import { registerCases } from "./fakes/table.ts";

registerCases([...styles, ...faults].filter(({ language }) => language === "java"));
