export { eventually, waitMsMax, within } from "../../bench/waiting.ts";
