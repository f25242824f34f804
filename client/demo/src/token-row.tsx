import { memo } from "react";
import { useFeed } from "../../src/react/index.ts";
import { Avatar } from "./avatar.tsx";
import * as format from "./format.ts";
import { market } from "./market.ts";
import { tokenPath } from "./route.ts";
import { Sparkline } from "./sparkline.tsx";
import { turnOf } from "./turn.ts";

interface RowProps {
  symbol: string;
  /** Position in the table, from 0. */
  index: number;
  /** Distance from the top of the table, px. */
  top: number;
  selected: boolean;
  /** True for the only row that the Tab key reaches. */
  reachable: boolean;
}

/** A row of the table. It selects its own token, so a trade of another token does not render it. */
export const TokenRow = memo(function TokenRow({ symbol, index, top, selected, reachable }: RowProps) {
  const token = useFeed(market, ({ tokens }) => tokens.get(symbol));
  if (token === undefined) return null;
  return (
    <tr
      className="row"
      aria-rowindex={index + 2}
      aria-selected={selected}
      style={{ transform: `translateY(${top}px)` }}
    >
      <td className="rank">{index + 1}</td>
      <th scope="row" className="token">
        <a href={tokenPath(symbol)} data-symbol={symbol} tabIndex={reachable ? 0 : -1}>
          <Avatar symbol={symbol} />
          <span className="names">
            <b>{symbol}</b>
            {token.name !== symbol && <small>{token.name}</small>}
          </span>
        </a>
      </th>
      <td className="number price">
        {/* A new key restarts the flash. */}
        <span key={token.moves} data-flash={token.moves === 0 ? undefined : turnOf(token.direction)}>
          {format.price(token.price)}
        </span>
      </td>
      <td className="number change" data-turn={turnOf(token.change)}>
        {format.percent(token.change)}
      </td>
      <td className="trend">
        <Sparkline points={token.points} />
      </td>
      <td className="number volume">{format.money(token.volume)}</td>
      <td className="number cap">{format.money(token.marketCap)}</td>
      <td className="number liquidity">{format.money(token.liquidity)}</td>
    </tr>
  );
});
