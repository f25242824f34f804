import { defaultRangeExtractor, type Range, useVirtualizer } from "@tanstack/react-virtual";
import {
  type FocusEvent,
  type KeyboardEvent,
  useCallback,
  useDeferredValue,
  useEffect,
  useMemo,
  useRef,
  useState,
} from "react";
import { useFeed } from "../../src/react/index.ts";
import { plural } from "./format.ts";
import { SearchIcon } from "./icons.tsx";
import { market } from "./market.ts";
import { BY_RANK, type Column, calmOrder, choose, type Sort } from "./order.ts";
import { TokenRow } from "./token-row.tsx";

const ROW = 56; // px, as in table.css
const SKELETONS = [..."abcdefgh"];
const PAGE = 10; // rows that PageUp and PageDown move

const HEADS: readonly { column: Column | undefined; label: string; className: string }[] = [
  { column: "rank", label: "#", className: "rank" },
  { column: "symbol", label: "Token", className: "token" },
  { column: "price", label: "Price", className: "number price" },
  { column: "change", label: "24 h", className: "number change" },
  { column: undefined, label: "Trend", className: "trend" },
  { column: "volume", label: "Volume", className: "number volume" },
  { column: "marketCap", label: "Market cap", className: "number cap" },
  { column: "liquidity", label: "Liquidity", className: "number liquidity" },
];

export function TokenTable({ selected }: { selected: string | undefined }) {
  const [sort, setSort] = useState(BY_RANK);
  const [typed, setTyped] = useState("");
  const query = useDeferredValue(typed);
  const order = useFeed(
    market,
    useMemo(() => calmOrder(sort, query), [sort, query]),
  );
  return (
    <section className="card market" aria-labelledby="market-title">
      <header>
        <div>
          <h2 id="market-title">Trending</h2>
          <p>{order.length === 0 ? "Top 100 by volume" : plural(order.length, "token")}</p>
        </div>
        <label className="search">
          <SearchIcon />
          <span className="unseen">Search tokens</span>
          <input
            type="search"
            placeholder="Search"
            value={typed}
            onChange={({ target }) => setTyped(target.value)}
            autoComplete="off"
            spellCheck={false}
          />
        </label>
      </header>
      <Grid
        order={order}
        sort={sort}
        onSort={(column) => setSort(choose(sort, column))}
        selected={selected}
        searching={query !== ""}
      />
    </section>
  );
}

interface GridProps {
  order: readonly string[];
  sort: Sort;
  onSort: (column: Column) => void;
  selected: string | undefined;
  searching: boolean;
}

/**
 * Renders only the visible rows and the row with the keyboard's focus. Arrow keys, Home, End, PageUp and
 * PageDown move between rows.
 */
function Grid({ order, sort, onSort, selected, searching }: GridProps) {
  const scroller = useRef<HTMLTableElement>(null);
  const [active, setActive] = useState<{ symbol: string; index: number }>();
  const wanted = useRef<string | undefined>(undefined);
  // The focus follows its token. When the token is gone, the row in its place gets the focus.
  const known = active === undefined ? -1 : order.indexOf(active.symbol);
  const current = known >= 0 ? known : Math.min(active?.index ?? 0, Math.max(0, order.length - 1));
  const virtualizer = useVirtualizer({
    count: order.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW,
    overscan: 6,
    rangeExtractor: useCallback(
      (range: Range) => [...new Set([...defaultRangeExtractor(range), current])].sort((a, b) => a - b),
      [current],
    ),
  });

  // The row that should get the focus may have been rendered only now.
  useEffect(() => {
    if (wanted.current === undefined) return;
    const link = scroller.current?.querySelector<HTMLElement>(
      `a[data-symbol="${CSS.escape(wanted.current)}"]`,
    );
    if (link === null || link === undefined) return;
    wanted.current = undefined;
    link.focus({ preventScroll: true });
  });

  const onKeyDown = (event: KeyboardEvent) => {
    const from = symbolOf(event.target);
    const index = from === undefined ? -1 : order.indexOf(from);
    const next = index < 0 ? undefined : destination(event.key, index, order.length);
    const symbol = next === undefined ? undefined : order[next];
    if (next === undefined || symbol === undefined) return;
    event.preventDefault();
    wanted.current = symbol;
    setActive({ symbol, index: next });
    virtualizer.scrollToIndex(next);
  };
  const onFocus = ({ target }: FocusEvent) => {
    const symbol = symbolOf(target);
    if (symbol !== undefined) setActive({ symbol, index: order.indexOf(symbol) });
  };

  return (
    <table
      // biome-ignore lint/a11y/noNoninteractiveElementToInteractiveRole: a grid is a table whose rows the arrow keys move through
      role="grid"
      id="tokens"
      className="grid"
      aria-labelledby="market-title"
      aria-rowcount={order.length + 1}
      aria-colcount={HEADS.length}
      ref={scroller}
      onKeyDown={onKeyDown}
      onFocus={onFocus}
    >
      <thead className="head">
        <tr className="row" aria-rowindex={1}>
          {HEADS.map(({ column, label, className }) => (
            <th key={label} scope="col" className={className} aria-sort={ariaSort(column, sort)}>
              {column === undefined ? label : <HeadButton {...{ column, label, sort, onSort }} />}
            </th>
          ))}
        </tr>
      </thead>
      {order.length === 0 ? (
        <Empty searching={searching} />
      ) : (
        <tbody className="body" style={{ height: virtualizer.getTotalSize() }}>
          {virtualizer.getVirtualItems().map(({ index, start }) => {
            const symbol = order[index];
            if (symbol === undefined) return null;
            return (
              <TokenRow
                key={symbol}
                symbol={symbol}
                index={index}
                top={start}
                selected={symbol === selected}
                reachable={index === current}
              />
            );
          })}
        </tbody>
      )}
    </table>
  );
}

function HeadButton({
  column,
  label,
  sort,
  onSort,
}: {
  column: Column;
  label: string;
  sort: Sort;
  onSort: (column: Column) => void;
}) {
  const chosen = sort.by === column;
  return (
    <button type="button" onClick={() => onSort(column)} aria-label={label === "#" ? "Rank" : undefined}>
      {label}
      <span
        className="arrow"
        aria-hidden="true"
        data-turn={chosen ? (sort.descending ? "down" : "up") : undefined}
      />
    </button>
  );
}

function Empty({ searching }: { searching: boolean }) {
  return (
    <tbody className="empty" aria-busy={!searching}>
      <tr>
        <td>
          <p className={searching ? undefined : "unseen"}>
            {searching ? "No token has this name." : "Waiting for the first prices"}
          </p>
          {!searching && SKELETONS.map((key) => <div key={key} className="skeleton" aria-hidden="true" />)}
        </td>
      </tr>
    </tbody>
  );
}

function ariaSort(
  column: Column | undefined,
  { by, descending }: Sort,
): "ascending" | "descending" | "none" | undefined {
  if (column === undefined) return undefined;
  if (column !== by) return "none";
  return descending ? "descending" : "ascending";
}

const symbolOf = (target: EventTarget): string | undefined =>
  target instanceof HTMLElement ? target.closest<HTMLElement>("a[data-symbol]")?.dataset.symbol : undefined;

function destination(key: string, index: number, count: number): number | undefined {
  const steps: Record<string, number> = {
    ArrowDown: 1,
    ArrowUp: -1,
    PageDown: PAGE,
    PageUp: -PAGE,
    Home: -count,
    End: count,
  };
  const step = steps[key];
  return step === undefined ? undefined : Math.min(count - 1, Math.max(0, index + step));
}
