import { faults } from "./fakes/cases.ts";
import { registerCases } from "./fakes/table.ts";

registerCases(faults.filter(({ language }) => language === "python"));
