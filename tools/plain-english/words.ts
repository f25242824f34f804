/** Words and phrases that make a sentence harder to read than necessary, and what to write instead. */

/** One entry of the word list. */
export interface WordRule {
  /** Lower case. A phrase also matches when a line break, with or without a comment marker, separates its words. */
  words: readonly string[];
  /** What to write instead, for the report. */
  instead: string;
  /** Text directly before the match that makes the match harmless, as a regular expression. */
  notAfter?: string;
  /** Text directly after the match that makes the match harmless, as a regular expression. */
  notBefore?: string;
}

export const WORDS: readonly WordRule[] = [
  {
    words: ["tell", "tells", "told", "telling"],
    instead: "report, say, send or notify; distinguish instead of 'tell apart'",
  },
  { words: ["anew"], instead: "again" },
  { words: ["mend", "mends", "mended", "mending"], instead: "fix or repair" },
  { words: ["whoever", "whomever"], instead: "a noun: the caller, the operator, a client that …" },
  { words: ["whence"], instead: "from which" },
  { words: ["hence", "thus", "thereby"], instead: "so, or therefore" },
  { words: ["lest"], instead: "so that … does not" },
  { words: ["aloud"], instead: "explicit or explicitly" },
  // AUTH_MODE has the value none.
  {
    words: ["is none", "are none"],
    instead: "is not one, does not exist, or there is no …",
    notAfter: "AUTH_MODE\\s+",
  },
  {
    words: ["so many", "so long", "so much"],
    instead: "this many, this long or this much; as long as; too many",
  },
  { words: ["for ever"], instead: "forever, or without a limit" },
  // 'not for the gateway, but for its clients' is ordinary English.
  { words: ["but for", "save for"], instead: "except, or except for", notAfter: ",\\s*" },
  { words: ["be had"], instead: "is available" },
  { words: ["had again"], instead: "received again, or fetched again" },
  { words: ["in vain"], instead: "without success" },
  { words: ["dear"], instead: "expensive" },
  // 'The rate of late deliveries' is ordinary English, and 'const offset of late' is code.
  {
    words: ["of late"],
    notAfter: "(?:const|let) \\w+ ",
    instead: "recently",
    notBefore: "\\s+(?:answers|deliveries|events|messages)\\b",
  },
  { words: ["forth"], instead: "forward, or and so on" },
  { words: ["heed", "heeds", "heeded"], instead: "respect, use or follow" },
  { words: ["shall"], instead: "must, will or should" },
  { words: ["the like"], instead: "similar things, or a full list" },
  { words: ["nobody hears"], instead: "nobody is notified" },
  // The word alone is a name that Pulumi and Grafana use in their interfaces.
  { words: ["no news", "not news", "is news", "are news", "be news"], instead: "new, or a change" },
  { words: ["speak of", "speaks of"], instead: "name or mention" },
  {
    words: ["go on", "goes on", "going on", "went on"],
    instead: "continue, or keep running",
    // 'The message goes on the wire' is about a place.
    notBefore: "\\s+(?:a|an|the|its|their|this|that|each|every|top|port|path|disk)\\b",
  },
  { words: ["give way", "gives way"], instead: "make room, fail or yield: say which" },
  { words: ["stands for itself"], instead: "say what the thing means" },
  { words: ["up to here"], instead: "up to this offset, line or time: name the thing" },
  { words: ["what for"], instead: "why, or for which purpose" },
];

/** Files that are not our text, or that have to quote the words. */
export const EXEMPT: readonly string[] = [
  "LICENSE",
  "package-lock.json",
  "tools/plain-english/words.ts",
  "tools/plain-english/plain-english.test.ts",
];
