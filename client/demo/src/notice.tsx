import { useEffect, useState } from "react";
import { type Connection, useConnection } from "../../src/react/index.ts";

/** Short breaks mend themselves before anybody could read what this says. */
const PATIENCE_MS = 1_500;
const SECOND = 1_000;

/** Says that nothing is live any more, why, and what comes next. The state in the header is what a screen reader hears of it. */
export function Notice() {
  const connection = useConnection();
  const down = connection.state !== "open" && connection.state !== "paused";
  const now = useClock(down);
  if (now === undefined) return null;
  const { title, detail, again } = describe(connection, now);
  return (
    <aside className="notice" aria-label="Connection problem">
      <p>
        <b>{title}</b> <span>{detail}</span>
      </p>
      {again === "connect" && (
        <button type="button" onClick={connection.resume}>
          Try now
        </button>
      )}
      {again === "reload" && (
        <button type="button" onClick={() => location.reload()}>
          Reload
        </button>
      )}
    </aside>
  );
}

/** Date.now() each second, from 1.5 s after `running` became true until it is false again. */
function useClock(running: boolean): number | undefined {
  const [now, setNow] = useState<number>();
  useEffect(() => {
    if (!running) return setNow(undefined);
    let timer = setTimeout(function tick() {
      setNow(Date.now());
      timer = setTimeout(tick, SECOND);
    }, PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [running]);
  return now;
}

interface Description {
  title: string;
  detail: string;
  again?: "connect" | "reload";
}

/** A browser does not tell a page why it was refused: a gateway that is down and one that is full look the same. */
export function describe({ state, reason, retryAt, gateway }: Connection, now: number): Description {
  const title = gateway === undefined ? "No connection." : "The connection is lost.";
  switch (state) {
    case "offline":
      return { title: "This device is offline.", detail: "Prices go on when the network is back." };
    case "closed":
      return { title: "The connection has ended.", detail: `${reason}.`, again: "reload" };
    case "waiting": {
      const seconds = Math.ceil(((retryAt ?? now) - now) / SECOND);
      const next = seconds > 0 ? `Next attempt in ${seconds}\u00a0s.` : "Trying again …";
      const why = reason === "refused" ? "The gateway is down, restarting or full. " : "";
      return { title, detail: why + next, again: "connect" };
    }
    default:
      return { title, detail: "Trying again …" };
  }
}
