/** The page's only Line, and its journal. */

import { JournalKeeper } from "./journal.ts";
import { Line } from "./line.ts";

export const journal = new JournalKeeper();
export const line = new Line(journal);
