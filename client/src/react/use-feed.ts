import { useDebugValue, useEffect, useMemo, useRef, useSyncExternalStore } from "react";
import type { Feed, FeedDefinition } from "./feed.ts";
import { useHub } from "./provider.ts";

const identity = (state: unknown): unknown => state;

/**
 * The state of a feed, or the selection that `select` returns. The component renders at most once per
 * animation frame, and only when `isEqual` says that the selection has changed: thousands of rows can each
 * select their own part.
 *
 * @param select may be another function at each rendering
 * @param isEqual default `Object.is`
 */
export function useFeed<State, Data>(definition: FeedDefinition<State, Data>): State;
export function useFeed<State, Data, Selection>(
  definition: FeedDefinition<State, Data>,
  select: (state: State) => Selection,
  isEqual?: (a: Selection, b: Selection) => boolean,
): Selection;
export function useFeed<State, Data, Selection>(
  definition: FeedDefinition<State, Data>,
  select?: (state: State) => Selection,
  isEqual?: (a: Selection, b: Selection) => boolean,
): Selection {
  const feed = useHub().defined(definition);
  return useSelection(feed, select ?? (identity as (state: State) => Selection), isEqual);
}

/** Like `useFeed`, for a feed instead of its definition. */
export function useSelection<State, Selection>(
  feed: Feed<State>,
  select: (state: State) => Selection,
  isEqual: (a: Selection, b: Selection) => boolean = Object.is,
): Selection {
  const rendered = useRef<{ value: Selection } | undefined>(undefined);
  const [get, getInitial] = useMemo(() => {
    // Keeps the value that was rendered last if the new value is equal, even if the selector is a new
    // function.
    const keep = (value: Selection): Selection => {
      const last = rendered.current;
      return last !== undefined && isEqual(last.value, value) ? last.value : value;
    };
    let memo: { state: State; value: Selection } | undefined;
    const selectFrom = (state: State): Selection => {
      if (memo !== undefined && Object.is(memo.state, state)) return memo.value;
      const value = select(state);
      memo = { state, value: memo !== undefined && isEqual(memo.value, value) ? memo.value : keep(value) };
      return memo.value;
    };
    return [() => selectFrom(feed.get()), () => selectFrom(feed.getInitial())] as const;
  }, [feed, select, isEqual]);
  const value = useSyncExternalStore(feed.subscribe, get, getInitial);
  useEffect(() => {
    rendered.current = { value };
  }, [value]);
  useDebugValue(value);
  return value;
}
