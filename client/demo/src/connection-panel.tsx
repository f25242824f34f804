import { useState, useSyncExternalStore } from "react";
import { type Connection, useChannel, useConnection } from "../../src/react/index.ts";
import { TABLE_CHANNELS } from "./events.ts";
import * as format from "./format.ts";
import { CutIcon, SlowIcon } from "./icons.tsx";
import type { JournalKeeper } from "./journal.ts";
import type { Line } from "./line.ts";
import { Figure } from "./token-view.tsx";

/** Subscribes the table's channels without a rate. The highest rate of a page counts. */
function Everything() {
  useChannel<unknown, number>(TABLE_CHANNELS, { select: () => 0 });
  return null;
}

const THROTTLE = ["Everything", "Not low priority", "High priority only", "Critical only"];

/** How the connection is, what has happened to it, and two ways to make trouble for it. */
export function ConnectionPanel({ journal, line }: { journal: JournalKeeper; line: Line }) {
  const connection = useConnection();
  const { entries, traffic } = useSyncExternalStore(journal.subscribe, journal.get);
  const { state, gateway, latencyMs } = connection;

  const [all, setAll] = useState(false);

  const toggleAll = () => {
    const rate = `before: ${format.plural(traffic.perSecond, "message")}/s`;
    journal.note(
      "plain",
      all
        ? `At most 4 messages a second of each channel again (${rate})`
        : `All messages, not only 4 a second of each channel (${rate})`,
    );
    setAll(!all);
  };
  const cut = () => {
    journal.note("warn", "You disconnected");
    line.cut();
  };
  const toggleSlow = () => {
    journal.note(
      "plain",
      traffic.slow ? "You read at full speed again" : "You read a quarter of the messages",
    );
    line.slow = !traffic.slow;
  };

  return (
    <section className="card connection" aria-labelledby="connection-title">
      <header>
        <h2 id="connection-title">Connection</h2>
      </header>
      <dl className="figures">
        <Figure label="Gateway" value={gateway ?? format.NONE} />
        <Figure label="Latency" value={state === "open" ? format.duration(latencyMs) : format.NONE} />
        <Figure label="Messages/s" value={format.count(traffic.perSecond)} />
        <Figure label="Age of data" value={format.duration(traffic.ageMs)} />
      </dl>
      <Throttle connection={connection} />
      <div className="actions">
        <button type="button" onClick={cut} disabled={state !== "open"}>
          <CutIcon /> Disconnect
        </button>
        <button type="button" onClick={toggleSlow} aria-pressed={traffic.slow}>
          <SlowIcon /> Read slowly
        </button>
        <button type="button" onClick={toggleAll} aria-pressed={all}>
          All messages
        </button>
        {all && <Everything />}
      </div>
      <h3 className="unseen" id="journal-title">
        What happened
      </h3>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a keyboard must be able to scroll the list */}
      <ol className="journal" aria-labelledby="journal-title" tabIndex={0}>
        {entries.map(({ id, at, tone, text }) => (
          <li key={id} data-tone={tone}>
            <time dateTime={new Date(at).toISOString()}>{format.time(at)}</time>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Throttle({ connection: { throttle } }: { connection: Connection }) {
  return (
    <div className="throttle" data-level={throttle}>
      <span>Throttle</span>
      <span className="meter" role="img" aria-label={`Throttle level ${throttle} of 3`}>
        {[0, 1, 2, 3].map((level) => (
          <i key={level} data-on={level <= throttle || undefined} />
        ))}
      </span>
      <b>{THROTTLE[throttle]}</b>
    </div>
  );
}
