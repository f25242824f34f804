/** The direction of a change, for its colour. */
export const turnOf = (value: number | undefined): "up" | "down" | "flat" =>
  value === undefined || value === 0 ? "flat" : value > 0 ? "up" : "down";
