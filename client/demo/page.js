// @ts-check

/** The page's own element with this id. @param {string} id */
export function element(id) {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`index.html has no element "${id}"`);
  return found;
}
