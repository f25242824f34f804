import { useEffect, useRef, useState, useSyncExternalStore } from "react";
import { useConnection, useFeed, useRefetch } from "../../src/react/index.ts";
import { ConnectionPanel } from "./connection-panel.tsx";
import { focusTable, useViewFocus } from "./focus.ts";
import { Header } from "./header.tsx";
import { LineIcon, MarketIcon } from "./icons.tsx";
import type { JournalKeeper } from "./journal.ts";
import type { Line } from "./line.ts";
import { type Market, market } from "./market.ts";
import { Notice } from "./notice.tsx";
import { arrange, BY_RANK } from "./order.ts";
import { readRoute, useHash } from "./route.ts";
import { stateOf } from "./state.ts";
import { TokenTable } from "./token-table.tsx";
import { TokenView } from "./token-view.tsx";

/** Before the first trending list, the page shows the largest token once this many tokens are known. */
const ENOUGH = 10;

function leaderOf(state: Market): string | undefined {
  if (state.trending.length === 0 && state.tokens.size < ENOUGH) return undefined;
  return arrange(state, BY_RANK, "")[0];
}

/** Three regions: side by side on a wide screen, one at a time on a phone. */
export function App({ journal, line }: { journal: JournalKeeper; line: Line }) {
  const route = readRoute(useHash());
  const connection = useConnection();
  const behind = useSyncExternalStore(journal.subscribe, () => journal.get().behind);
  const leader = useFeed(market, leaderOf);
  // The first token of the list is shown beside the table until the user chooses another one.
  const [first, setFirst] = useState<string>();
  if (first === undefined && leader !== undefined) setFirst(leader);
  const chosen = route.view === "token" ? route.symbol : undefined;
  const last = useRef(chosen);
  if (chosen !== undefined) last.current = chosen;
  const symbol = chosen ?? last.current ?? first;

  useEffect(() => journal.status(connection), [journal, connection]);
  useViewFocus(route.view);
  useRefetch((lost) => journal.refetch(lost));
  useEffect(() => {
    document.title = chosen === undefined ? "Odin Markets" : `${chosen} · Odin Markets`;
  }, [chosen]);

  return (
    <div className="app" data-view={route.view}>
      <button type="button" className="skip" onClick={() => focusTable()}>
        Skip to the tokens
      </button>
      <Header behind={behind} />
      <Notice />
      <main>
        <TokenTable selected={symbol} />
        <div className="rail">
          {symbol === undefined ? (
            <section className="card token-view waiting" aria-label="Token">
              <p>Prices appear with the first trades.</p>
            </section>
          ) : (
            <TokenView key={symbol} symbol={symbol} />
          )}
          <ConnectionPanel journal={journal} line={line} />
        </div>
      </main>
      <nav className="tabs" aria-label="Views">
        <a href="#/" aria-current={route.view === "connection" ? undefined : "page"}>
          <MarketIcon /> Market
        </a>
        <a href="#/connection" aria-current={route.view === "connection" ? "page" : undefined}>
          <LineIcon /> Connection
          <i className="dot" data-tone={stateOf(connection, behind).tone} aria-hidden="true" />
        </a>
      </nav>
    </div>
  );
}
