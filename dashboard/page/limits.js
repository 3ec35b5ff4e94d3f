// @ts-check
/**
 * The limits of what the dashboard takes from a server, keeps, sends to browsers and draws. They hold
 * whatever a server sends. The limits of HTTP stand in `server/http.ts`.
 *
 * @module
 */

/* What is taken from a server. Beyond it the dashboard reads slowly, and says so. */

/** Events of one server in a second. An honest server sends at most 256 in 50 ms. */
export const eventsPerSecondMax = 6_400;
/** Characters of EVENTS of one server in a second. */
export const charsPerSecondMax = 4 * 1024 * 1024;
/** The part of the dashboard's time that the EVENTS of one server may take. */
export const timeShareMax = 1 / 4;
/** How far a server may be ahead of these rates, such as with its table when it is connected. */
export const burstMs = 1_000;

/* What an item may hold. Longer texts are cut, and end with an ellipsis. */

/** Characters of a key or value, as servers cut them, with the ellipsis. */
export const textCharsMax = 129;
/** Characters of a reason: of an error, or why a server is down. */
export const reasonCharsMax = 400;
/** Servers in one list. The servers of the page come first, and the others are counted. */
export const listedServersMax = 5;
/** A count that a server claims, of what happened since its last EVENTS. */
export const countMax = 1_000_000_000;
/** A duration that a server claims, in milliseconds. */
export const durationMsMax = 86_400_000;

/* What the dashboard's clients keep. */

/** Keys of which one client has seen a timestamp. It asks for no others. */
export const keysSeenMax = 1_000;

/* What the feed keeps for the browsers. */

/** Items that may wait for others. If there are more, all of them are delivered at once. */
export const itemsWaitingMax = 10_000;
/** Browsers that may be connected. If there are more, the oldest one of an address gives way. */
export const browsersMax = 32;
/** Bytes that may wait for a browser that reads slowly. If there are more, it loses items. */
export const browserBytesMax = 1024 * 1024;

/* What the state keeps. The feed has one state, and the page one for each segment. */

/** Keys in the table. If there are more, the key whose last write is the oldest is dropped. */
export const keysMax = 200;
/** Recent writes whose keys are remembered. */
export const writesMax = 500;
/** Refused GETs and WRITEs that are kept. */
export const refusalsMax = 50;
/** Seconds that the plots show. */
export const secondsMax = 60;
/** Forwarded PUTs and WRITEs that may wait for the leader's report of them. */
export const forwardedMax = 32;
/** Connections of clients that are kept. */
export const clientsMax = 64;
/** Steps of a story, with the one at its end. */
export const demoStepsMax = 12;

/* What the pages of one browser hold together. */

/** Event streams. A browser opens six connections to a site, and commands need some. */
export const streamsPerBrowserMax = 4;
/** Other pages that a page knows of. */
export const pagesKnownMax = 32;

/** How long a page waits for the answer to a command, in milliseconds. Stories are long. */
export const commandMsMax = 60_000;

/* What the page records. */

/** Items between two keyframes. A jump replays at most this number of items. */
export const segmentItemsMax = 256;
/** Items that a recording keeps. */
export const itemsMax = 20_000;
/** Segments that a recording keeps: more than the items need, as the feed sends keyframes too. */
export const segmentsMax = 128;

/**
 * Bytes of a saved recording. It is more than the largest recording has: an item has two texts of
 * at most `textCharsMax`, and a character takes at most six bytes in JSON.
 */
export const recordingBytesMax = 64 * 1024 * 1024;

/* What the page draws. */

/** Keys in the table. */
export const rowsMax = 12;
/** Keys in the table of a presentation. */
export const presentedRowsMax = 3;
/** Events in the list. */
export const eventsMax = 60;
/** Items that are searched for these events. */
export const searchedMax = 4_000;
/** Keys in the list of what a client has seen. */
export const seenMax = 50;
/** Messages that may be on their way at the same time. */
export const flightsMax = 24;
/** Effects that wait for their messages. If there are more, all of them show at once. */
export const presentedMax = 20_000;
/** Arrivals that are remembered, so that a message leaves after those before it have arrived. */
export const arrivalsMax = 4 * flightsMax;
/** Characters of a key or value. */
export const shownCharsMax = 60;

/* What the space-time diagram draws. A row has one dot and at most one arrow for each server. */

/** Rows: each is an event, or a line of text. */
export const spaceTimeRowsMax = 48;
/** Characters of a key or value beside an event. */
export const spaceTimeCharsMax = 10;
/** Lines of a caption. */
export const captionLinesMax = 3;
