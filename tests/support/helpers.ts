/**
 * All fixtures under one name, for importers that do not name the file that they need yet.
 *
 * @module
 */

export { Cluster } from "./cluster.ts";
export { FakeServer, type Script } from "./fake_server.ts";
export { FakeTerminal } from "./fake_terminal.ts";
export { linesOf } from "./lines.ts";
export { anyPort, deadAddress, freePorts } from "./ports.ts";
export { joinAsFollower, openWithTwo } from "./scripted_follower.ts";
export { TestServer } from "./test_server.ts";
export { eventually, waitMsMax as patienceMs, within } from "./waiting.ts";
export { EndOfWire, type Message, Wire } from "./wire_client.ts";
