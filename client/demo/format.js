// @ts-check
/** Numbers and times as the page writes them. A value that is not known is a dash. */

export const NONE = "–";

const compact = new Intl.NumberFormat("en-US", { notation: "compact", maximumSignificantDigits: 4 });
const whole = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });
const large = new Intl.NumberFormat("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
// Roughly five digits that say something, however many zeros stand before them.
const small = new Intl.NumberFormat("en-US", { minimumSignificantDigits: 5, maximumSignificantDigits: 5 });
const quantity = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });
const clock = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** @typedef {number | undefined} Maybe */

/** Prices of a millionth are common: 0.0000098 is written 0.0₅98, as traders do. */
const LEADING_ZEROS = /^(-?)0\.(0{3,})/;
const SUBSCRIPTS = [..."₀₁₂₃₄₅₆₇₈₉", "₁₀", "₁₁", "₁₂"];

/** @param {Maybe} value */
export function price(value) {
  if (value === undefined) return NONE;
  const text = (Math.abs(value) >= 1_000 ? large : small).format(value);
  return text.replace(LEADING_ZEROS, (_, sign, zeros) => `${sign}0.0${SUBSCRIPTS[zeros.length] ?? zeros}`);
}

/** @param {Maybe} value Dollars. */
export function money(value) {
  if (value === undefined) return NONE;
  return (Math.abs(value) >= 1_000 ? compact : large).format(value);
}

/** @param {Maybe} value A number of things. */
export const short = (value) => (value === undefined ? NONE : compact.format(value));

/** @param {Maybe} value */
export const amount = (value) =>
  value === undefined ? NONE : (Math.abs(value) >= 10_000 ? compact : quantity).format(value);

/** @param {Maybe} value */
export const count = (value) => (value === undefined ? NONE : whole.format(value));

/** @param {Maybe} value Percent, signed. */
export function percent(value) {
  if (value === undefined) return NONE;
  return `${value > 0 ? "+" : value < 0 ? "−" : ""}${Math.abs(value).toFixed(Math.abs(value) >= 100 ? 0 : 2)} %`;
}

/** @param {Maybe} ms */
export function duration(ms) {
  if (ms === undefined) return NONE;
  if (ms < 1) return "<1 ms";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

/** @param {number} ms since 1970 */
export const time = (ms) => clock.format(ms);

/** @param {number} number @param {string} noun */
export const plural = (number, noun) => `${count(number)} ${noun}${number === 1 ? "" : "s"}`;
