/**
 * The files of the page. They are imported as text, so that serving them needs no permission.
 *
 * @module
 */

import baseStyle from "../page/base.css" with { type: "text" };
import browserPlacesScript from "../page/browser_places.js" with { type: "text" };
import commandPanelScript from "../page/command_panel.js" with { type: "text" };
import cursorScript from "../page/cursor.js" with { type: "text" };
import densityScript from "../page/density.js" with { type: "text" };
import diagramScript from "../page/diagram.js" with { type: "text" };
import diagramStyle from "../page/diagram.css" with { type: "text" };
import domScript from "../page/dom.js" with { type: "text" };
import feedStreamScript from "../page/feed_stream.js" with { type: "text" };
import formatScript from "../page/format.js" with { type: "text" };
import geometryScript from "../page/geometry.js" with { type: "text" };
import knownServersScript from "../page/known_servers.js" with { type: "text" };
import layoutScript from "../page/layout.js" with { type: "text" };
import limitsScript from "../page/limits.js" with { type: "text" };
import messageAnimationScript from "../page/message_animation.js" with { type: "text" };
import page from "../page/page.html" with { type: "text" };
import pageScript from "../page/page.js" with { type: "text" };
import panelsStyle from "../page/panels.css" with { type: "text" };
import playbackScript from "../page/playback.js" with { type: "text" };
import plotsScript from "../page/plots.js" with { type: "text" };
import preferencesScript from "../page/preferences.js" with { type: "text" };
import presentationScript from "../page/presentation.js" with { type: "text" };
import recordingScript from "../page/recording.js" with { type: "text" };
import selectorsScript from "../page/selectors.js" with { type: "text" };
import stateScript from "../page/state.js" with { type: "text" };
import textsScript from "../page/texts.js" with { type: "text" };
import textsEnScript from "../page/texts_en.js" with { type: "text" };
import textsPtScript from "../page/texts_pt.js" with { type: "text" };
import trafficScript from "../page/traffic.js" with { type: "text" };
import viewsScript from "../page/views.js" with { type: "text" };

/** A file of the page. */
export interface PageFile {
  /** Its content type. */
  readonly type: string;
  /** Its content. */
  readonly text: string;
}

/** The files of the page, by path. */
export const pageFiles: ReadonlyMap<string, PageFile> = new Map([
  ["/", { type: "text/html; charset=utf-8", text: page }],
  ["/base.css", css(baseStyle)],
  ["/diagram.css", css(diagramStyle)],
  ["/panels.css", css(panelsStyle)],
  ["/browser_places.js", javascript(browserPlacesScript)],
  ["/command_panel.js", javascript(commandPanelScript)],
  ["/cursor.js", javascript(cursorScript)],
  ["/density.js", javascript(densityScript)],
  ["/diagram.js", javascript(diagramScript)],
  ["/dom.js", javascript(domScript)],
  ["/feed_stream.js", javascript(feedStreamScript)],
  ["/format.js", javascript(formatScript)],
  ["/geometry.js", javascript(geometryScript)],
  ["/known_servers.js", javascript(knownServersScript)],
  ["/layout.js", javascript(layoutScript)],
  ["/limits.js", javascript(limitsScript)],
  ["/message_animation.js", javascript(messageAnimationScript)],
  ["/page.js", javascript(pageScript)],
  ["/playback.js", javascript(playbackScript)],
  ["/plots.js", javascript(plotsScript)],
  ["/preferences.js", javascript(preferencesScript)],
  ["/presentation.js", javascript(presentationScript)],
  ["/recording.js", javascript(recordingScript)],
  ["/selectors.js", javascript(selectorsScript)],
  ["/state.js", javascript(stateScript)],
  ["/texts.js", javascript(textsScript)],
  ["/texts_en.js", javascript(textsEnScript)],
  ["/texts_pt.js", javascript(textsPtScript)],
  ["/traffic.js", javascript(trafficScript)],
  ["/views.js", javascript(viewsScript)],
]);

/** The page for a window that another site has opened without a click: it waits until it is used. */
export const waitingPage: PageFile = {
  type: "text/html; charset=utf-8",
  text: page.replace("<html ", '<html data-waits="true" '),
};

function css(text: string): PageFile {
  return { type: "text/css; charset=utf-8", text };
}

function javascript(text: string): PageFile {
  return { type: "text/javascript; charset=utf-8", text };
}
