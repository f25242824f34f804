import { useEffect, useState } from "react";
import { type Connection, useConnection } from "../../src/react/index.ts";

/** A short interruption ends before anybody could read the notice. */
const PATIENCE_MS = 1_500;
const SECOND = 1_000;

/**
 * A notice that the connection is lost, with the reason and the next attempt. Screen readers announce the
 * state in the header instead.
 */
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

/**
 * Returns Date.now(), updated each second, from 1.5 s after `running` became true until it is false;
 * undefined otherwise.
 */
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

/** Reasons of the client after an attempt to connect that failed. */
const REFUSED = ["refused", "asked to wait"];

/** Close code: another connection of the same user took the seat. */
const REPLACED = 4409;
const ELSEWHERE = "Another window or device took the connection of this page. Reload to use this page.";

interface Description {
  title: string;
  detail: string;
  again?: "connect" | "reload";
}

/**
 * The text of the notice. A browser does not show why a connection was refused, so a full gateway and a dead
 * one look the same.
 */
function describe({ state, reason, code, retryAt, gateway }: Connection, now: number): Description {
  const title = gateway === undefined ? "No connection." : "The connection is lost.";
  switch (state) {
    case "offline":
      return { title: "This device is offline.", detail: "Prices continue when the network is back." };
    case "closed":
      if (code === REPLACED)
        return { title: "This account is used elsewhere.", detail: ELSEWHERE, again: "reload" };
      return { title: "The connection has ended.", detail: `${reason}.`, again: "reload" };
    case "waiting": {
      const seconds = Math.ceil(((retryAt ?? now) - now) / SECOND);
      const next = seconds > 0 ? `Next attempt in ${seconds}\u00a0s.` : "Trying again …";
      const why = REFUSED.includes(reason) ? "The gateway is down, restarting or full. " : "";
      return { title, detail: why + next, again: "connect" };
    }
    default:
      return { title, detail: "Trying again …" };
  }
}
