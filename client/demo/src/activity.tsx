import { type KeyboardEvent, type ReactNode, useId, useRef, useState } from "react";
import type { Envelope } from "../../src/index.ts";
import { useChannel } from "../../src/react/index.ts";
import { ACTIVITY_EVENTS, type ActivityEvent } from "./events.ts";
import * as format from "./format.ts";

interface Trade {
  side: "buy" | "sell";
  price: number;
  amount: number;
  value: number;
}
interface Liquidity {
  liquidity: number;
  delta: number;
}
interface Comment {
  author: string;
  text: string;
}

const NAMES: Record<ActivityEvent, string> = { trade: "Trades", liquidity: "Liquidity", comment: "Comments" };
const KEPT = 50;

/** Latest trades, liquidity changes and comments of a token, in one tab each, newest first. */
export function Activity({ symbol }: { symbol: string }) {
  const [shown, setShown] = useState<ActivityEvent>("trade");
  const id = useId();
  const list = useRef<HTMLDivElement>(null);
  const messages = {
    trade: useChannel<Trade>(`${symbol}.trade`, { list: KEPT, last: true }),
    liquidity: useChannel<Liquidity>(`${symbol}.liquidity`, { list: KEPT, last: true }),
    comment: useChannel<Comment>(`${symbol}.comment`, { list: KEPT, last: true }),
  };

  const onKeyDown = ({ key }: KeyboardEvent) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[key];
    if (step === undefined) return;
    const next =
      ACTIVITY_EVENTS.at((ACTIVITY_EVENTS.indexOf(shown) + step) % ACTIVITY_EVENTS.length) ?? "trade";
    setShown(next);
    list.current?.querySelector<HTMLElement>(`#${CSS.escape(`${id}-${next}`)}`)?.focus();
  };

  return (
    <div className="activity">
      <div role="tablist" aria-label={`Activity of ${symbol}`} ref={list} onKeyDown={onKeyDown}>
        {ACTIVITY_EVENTS.map((event) => (
          <button
            key={event}
            type="button"
            role="tab"
            id={`${id}-${event}`}
            aria-selected={event === shown}
            aria-controls={`${id}-panel`}
            tabIndex={event === shown ? 0 : -1}
            onClick={() => setShown(event)}
          >
            {NAMES[event]}
            {messages[event].length > 0 && event !== "trade" && (
              <span className="badge">{messages[event].length}</span>
            )}
          </button>
        ))}
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a keyboard must be able to scroll the list */}
      <div role="tabpanel" id={`${id}-panel`} aria-labelledby={`${id}-${shown}`} tabIndex={0}>
        {messages[shown].length === 0 && <p className="empty">Nothing yet since this page was opened.</p>}
        {shown === "trade" && <Rows messages={messages.trade} row={tradeRow} />}
        {shown === "liquidity" && <Rows messages={messages.liquidity} row={liquidityRow} />}
        {shown === "comment" && <Rows messages={messages.comment} row={commentRow} />}
      </div>
    </div>
  );
}

function Rows<Data>({
  messages,
  row,
}: {
  messages: readonly Envelope<Data>[];
  row: (data: Data) => ReactNode;
}) {
  if (messages.length === 0) return null;
  return (
    <ol>
      {messages.map(({ offset, ts, data }) => (
        <li key={offset}>
          <time dateTime={new Date(ts).toISOString()}>{format.time(ts)}</time>
          {row(data)}
        </li>
      ))}
    </ol>
  );
}

const tradeRow = ({ side, price, amount, value }: Trade) => (
  <>
    <span className="side" data-turn={side === "buy" ? "up" : "down"}>
      {side === "buy" ? "Buy" : "Sell"}
    </span>
    <span className="number">{format.price(price)}</span>
    <span className="number amount">{format.amount(amount)}</span>
    <span className="number">{format.money(value)}</span>
  </>
);

const liquidityRow = ({ liquidity, delta }: Liquidity) => (
  <>
    <span className="side" data-turn={delta >= 0 ? "up" : "down"}>
      {delta >= 0 ? "Added" : "Removed"}
    </span>
    <span className="number">{format.money(Math.abs(delta))}</span>
    <span className="number amount">pool {format.money(liquidity)}</span>
  </>
);

const commentRow = ({ author, text }: Comment) => (
  <p>
    {text} <small>{format.short(author)}</small>
  </p>
);
