import { useConnection } from "../../src/react/index.ts";
import { Mark, MoonIcon, SunIcon } from "./icons.tsx";
import { stateOf } from "./state.ts";
import { useTheme } from "./theme.ts";

/** @param props.behind whether the arriving messages are too old to be called live */
export function Header({ behind }: { behind: boolean }) {
  const [theme, choose] = useTheme();
  const { label, tone } = stateOf(useConnection(), behind);
  const other = theme === "dark" ? "light" : "dark";
  return (
    <header className="bar">
      <h1>
        <Mark /> Odin <span>Markets</span>
      </h1>
      <p className="pill" role="status" data-tone={tone}>
        <span className="dot" aria-hidden="true" />
        {label}
      </p>
      <button
        type="button"
        className="round"
        onClick={() => choose(other)}
        aria-label={`Use the ${other} theme`}
      >
        {theme === "dark" ? <SunIcon /> : <MoonIcon />}
      </button>
    </header>
  );
}
