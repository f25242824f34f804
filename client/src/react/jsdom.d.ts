/** The part of jsdom that the tests of the hooks use. jsdom has no types. */
declare module "jsdom" {
  export interface PageElement {
    textContent: string | null;
    innerHTML: string;
    click(): void;
    querySelector(selector: string): PageElement | null;
    querySelectorAll(selector: string): ArrayLike<PageElement>;
  }
  export class JSDOM {
    constructor(html: string);
    readonly window: {
      readonly document: {
        getElementById(id: string): PageElement;
        createElement(name: string): PageElement;
      };
      close(): void;
    };
  }
}
