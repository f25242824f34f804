/** Where the keyboard goes when the view changes. On a narrow screen what had the focus may not be shown any more. */

import { useEffect, useRef } from "react";
import type { Route } from "./route.ts";

const find = (selector: string): HTMLElement | null => document.querySelector<HTMLElement>(selector);

/** A table that was not shown has its rows again only a few frames later. */
const FRAMES = 20;

/** Goes to the row that the Tab key reaches: the one that had the focus last. */
export function focusTable(frames = FRAMES): void {
  const row = find("#tokens a[tabindex='0']");
  if (row !== null) row.focus();
  else if (frames > 0) requestAnimationFrame(() => focusTable(frames - 1));
}

/** Opening a token that covers the table goes to its way back; coming back goes to its row. Escape comes back. */
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
