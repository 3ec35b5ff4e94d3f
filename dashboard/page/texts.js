// @ts-check
/**
 * Everything that the page says, in each language.
 *
 * @module
 */

import { en } from "./texts_en.js";
import { pt } from "./texts_pt.js";

/** The page's texts in one language. @typedef {typeof pt} Texts */

/** By language: the page's texts. */
export const texts = { pt, en };
