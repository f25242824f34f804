/** What there is one of for the page: the line, and the journal of what happens to it. */

import { JournalKeeper } from "./journal.ts";
import { Line } from "./line.ts";

export const journal = new JournalKeeper();
export const line = new Line(journal);
