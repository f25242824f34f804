import { stringify } from "yaml";

const SOURCE = "# Rendered: npm run render. Change monitoring/*.ts instead.\n";

/** A configuration file. What stands in it twice is written twice, and no line is folded: people read it and search in it. */
export function yaml(content: object): string {
  return SOURCE + stringify(content, { aliasDuplicateObjects: false, lineWidth: 0 });
}
