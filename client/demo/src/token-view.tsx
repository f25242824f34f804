import { useFeed } from "../../src/react/index.ts";
import { Activity } from "./activity.tsx";
import { Avatar } from "./avatar.tsx";
import * as format from "./format.ts";
import { BackIcon } from "./icons.tsx";
import { market } from "./market.ts";
import { PriceChart } from "./price-chart.tsx";
import { turnOf } from "./turn.ts";

/** One token: price, chart, figures, and its latest trades, liquidity changes and comments. */
export function TokenView({ symbol }: { symbol: string }) {
  const token = useFeed(market, ({ tokens }) => tokens.get(symbol));
  return (
    <section className="card token-view" aria-labelledby="token-title">
      <header>
        <a className="round back" href="#/" aria-label="Back to the market">
          <BackIcon />
        </a>
        <Avatar symbol={symbol} />
        <div>
          <h2 id="token-title">{symbol}</h2>
          <p>{token?.name === symbol || token === undefined ? "Token" : token.name}</p>
        </div>
        <p className="quote">
          <b>{token?.price === undefined ? format.NONE : `$${format.price(token.price)}`}</b>
          <span data-turn={turnOf(token?.change)}>{format.percent(token?.change)}</span>
        </p>
      </header>
      <PriceChart symbol={symbol} points={token?.points ?? []} />
      <dl className="figures">
        <Figure label="Market cap" value={format.money(token?.marketCap)} />
        <Figure label="Volume 24 h" value={format.money(token?.volume)} />
        <Figure label="Liquidity" value={format.money(token?.liquidity)} />
        <Figure label="Holders" value={format.count(token?.holders)} />
      </dl>
      <Activity symbol={symbol} />
    </section>
  );
}

export function Figure({ label, value }: { label: string; value: string }) {
  return (
    <div>
      <dt>{label}</dt>
      <dd>{value}</dd>
    </div>
  );
}
