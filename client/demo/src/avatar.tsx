import type { CSSProperties } from "react";

/** A token's sign: its first letter on a colour that depends on the symbol. */
export function Avatar({ symbol }: { symbol: string }) {
  let hash = 0;
  for (const char of symbol) hash = (hash * 31 + (char.codePointAt(0) ?? 0)) % 360;
  return (
    <span className="avatar" aria-hidden="true" style={{ "--hue": hash } as CSSProperties}>
      {symbol.slice(0, 1)}
    </span>
  );
}
