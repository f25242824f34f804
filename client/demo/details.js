// @ts-check
/** The panel of the token that was clicked. */

import * as format from "./format.js";
import { element } from "./page.js";
import { drawSparkline } from "./sparkline.js";
import { put, turn } from "./table.js";

/** @import { Token } from "./market.js" */

const dollars = (/** @type {number | undefined} */ value) =>
  value === undefined ? format.NONE : `$${format.money(value)}`;

/** @param {Token | undefined} token */
export function drawDetails(token) {
  element("details").hidden = token === undefined;
  if (token === undefined) return;
  put(element("details-symbol"), token.symbol);
  put(element("details-name"), token.name);
  put(element("details-price"), `$${format.price(token.price)}`);
  turn(element("details-price"), token.direction);
  put(element("details-change"), `${format.percent(token.change)} 24 h`);
  turn(element("details-change"), Math.sign(token.change ?? 0));
  put(element("details-cap"), dollars(token.marketCap));
  put(element("details-volume"), dollars(token.volume));
  put(element("details-liquidity"), dollars(token.liquidity));
  put(element("details-favorites"), format.short(token.favorites));
  const canvas = /** @type {HTMLCanvasElement} */ (element("details-chart"));
  drawSparkline(canvas, token.points, { filled: true });
}
