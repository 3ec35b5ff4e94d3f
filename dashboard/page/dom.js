/**
 * Finds and makes elements of the page.
 *
 * @module
 */

const svgNamespace = "http://www.w3.org/2000/svg";

/**
 * The element with an id.
 *
 * @template {Element} [T=HTMLElement]
 * @param {string} id
 * @returns {T}
 */
export function byId(id) {
  return /** @type {T} */ (/** @type {unknown} */ (document.getElementById(id)));
}

/**
 * The first element in another one that matches a selector. There must be one.
 *
 * @template {Element} [T=HTMLElement]
 * @param {Element} root
 * @param {string} selector
 * @returns {T}
 */
export function byQuery(root, selector) {
  return /** @type {T} */ (/** @type {unknown} */ (root.querySelector(selector)));
}

// Format characters change the direction of text or are not seen, and many combining marks are drawn
// over other lines. `lib/cli/escape.ts` has the same.
const invisible =
  /(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\ufe0f])(\u200d)(?=\p{Extended_Pictographic})|([\p{Mn}\p{Me}]{30})([\p{Mn}\p{Me}]+)|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}\p{Noncharacter_Code_Point}]/gu;
/** @type {Record<string, string>} */
const named = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * A text with its control and format characters spelled out: the last step before the screen.
 *
 * @param {string} text
 * @returns {string}
 */
export function visible(text) {
  return text.replace(
    invisible,
    (character, joiner, marks, excess) =>
      marks !== undefined ? marks + escapeOf(excess) : joiner ?? named[character] ??
        escapeOf(character),
  );
}

/**
 * One `\\uXXXX` for each UTF-16 unit.
 *
 * @param {string} text
 * @returns {string}
 */
function escapeOf(text) {
  return text.replace(
    /[^]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/**
 * Shows a text in an element, in place of what was there.
 *
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
  const shown = visible(text);
  // If the same text were set again, a screen reader would read it again.
  if (element.textContent !== shown) element.textContent = shown;
}

/**
 * A new HTML element. Strings become text, never markup.
 *
 * @param {string} tag
 * @param {Record<string, string>} attributes
 * @param {...(Node | string)} children
 * @returns {HTMLElement}
 */
export function html(tag, attributes, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, visible(value));
  }
  appendTo(element, children);
  return element;
}

/**
 * A new SVG element. Strings become text, never markup.
 *
 * @param {string} tag
 * @param {Record<string, string | number>} [attributes]
 * @param {...(Node | string)} children
 * @returns {SVGElement}
 */
export function svg(tag, attributes = {}, ...children) {
  const element = document.createElementNS(svgNamespace, tag);
  for (const [name, value] of Object.entries(attributes)) {
    element.setAttribute(name, visible(`${value}`));
  }
  appendTo(element, children);
  return /** @type {SVGElement} */ (element);
}

/**
 * @param {Element} element
 * @param {readonly (Node | string)[]} children
 */
function appendTo(element, children) {
  element.append(...children.map((child) => typeof child === "string" ? visible(child) : child));
}

/**
 * Disables or enables a button. A disabled button loses the focus, so a button that has it gets
 * `aria-disabled` instead.
 *
 * @param {HTMLButtonElement} button
 * @param {boolean} disabled
 */
export function setDisabled(button, disabled) {
  if (document.activeElement === button) button.setAttribute("aria-disabled", `${disabled}`);
  else {
    button.disabled = disabled;
    button.removeAttribute("aria-disabled");
  }
}
