/**
 * Moves the keyboard's focus when the view changes. On a narrow screen the focused element may be hidden
 * then.
 */

import { useEffect, useRef } from "react";
import type { Route } from "./route.ts";

const find = (selector: string): HTMLElement | null => document.querySelector<HTMLElement>(selector);

/** Frames to wait: a table that was hidden has its rows again only after a few frames. */
const FRAMES = 20;

/** Focuses the row that the Tab key reaches: the row that had the focus last. */
export function focusTable(frames = FRAMES): void {
  const row = find("#tokens a[tabindex='0']");
  if (row !== null) row.focus();
  else if (frames > 0) requestAnimationFrame(() => focusTable(frames - 1));
}

/**
 * Focuses the link back when a token covers the table, and the token's row when the table returns. Escape
 * returns to the table.
 */
export function useViewFocus(view: Route["view"]): void {
  const before = useRef(view);
  useEffect(() => {
    const from = before.current;
    before.current = view;
    if (from === view) return;
    if (view === "market" && from === "token") focusTable();
    const back = find(".back");
    if (view === "token" && back !== null && back.offsetParent !== null) back.focus();
  }, [view]);

  useEffect(() => {
    if (view === "market") return;
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.key !== "Escape" || event.defaultPrevented || event.target instanceof HTMLInputElement)
        return;
      location.hash = "#/";
    };
    addEventListener("keydown", onKeyDown);
    return () => removeEventListener("keydown", onKeyDown);
  }, [view]);
}
