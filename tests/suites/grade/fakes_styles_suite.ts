import { styles } from "./fakes/cases.ts";
import { registerCases } from "./fakes/table.ts";

registerCases(styles.filter(({ language }) => language === "python"));
