/** For tests: a page without a browser, whose animation frames, clock and gateway the test controls. */

import type { TestContext } from "node:test";
import { JSDOM, type PageElement } from "jsdom";
import { act, createElement, type ReactNode, StrictMode } from "react";
import { createRoot, type hydrateRoot } from "react-dom/client";
import { FakeLine, type FakeSocket } from "../fake-line.fixture.ts";
import { OdinProvider } from "./index.ts";

export const URL = "wss://gateway.example/ws";

/** The browser globals that React and the hooks read. */
interface Page {
  window: unknown;
  document: unknown;
  requestAnimationFrame: (callback: () => void) => number;
  cancelAnimationFrame: (id: number) => void;
  IS_REACT_ACT_ENVIRONMENT: boolean;
}
/** The same globals, by the names that React uses. */
export const asContainer = (element: PageElement) =>
  element as unknown as Parameters<typeof hydrateRoot>[0] & Parameters<typeof createRoot>[0];

const page = globalThis as unknown as Partial<Page>;

export class Stage {
  readonly line = new FakeLine();
  readonly host: PageElement;
  /** Makes an element that is not on the page. */
  readonly element: () => PageElement;
  readonly #root;
  readonly #t: TestContext;
  #frames = new Map<number, () => void>();
  #count = 0;

  constructor(t: TestContext) {
    this.#t = t;
    // The timers of 1 s must not slow the test down.
    t.mock.timers.enable({ apis: ["setTimeout"] });
    const { window } = new JSDOM('<div id="root"></div>');
    page.window = window;
    page.document = window.document;
    page.IS_REACT_ACT_ENVIRONMENT = true;
    page.requestAnimationFrame = (callback) => {
      this.#frames.set(++this.#count, callback);
      return this.#count;
    };
    page.cancelAnimationFrame = (id) => void this.#frames.delete(id);
    this.host = window.document.getElementById("root");
    this.element = () => window.document.createElement("div");
    this.#root = createRoot(asContainer(this.host));
    t.after(async () => {
      await act(() => this.#root.unmount());
      for (const name of ["window", "document", "requestAnimationFrame", "cancelAnimationFrame"] as const)
        delete page[name];
      window.close();
    });
  }

  get text(): string {
    return this.host.textContent ?? "";
  }

  get framesAwaited(): number {
    return this.#frames.size;
  }

  get socket(): FakeSocket {
    return this.line.socket;
  }

  /** Renders below a provider, in strict mode, and lets it connect. */
  async show(...children: ReactNode[]): Promise<void> {
    const { environment } = this.line;
    const provider = createElement(OdinProvider, { url: URL, options: { environment } }, ...children);
    await act(() => this.#root.render(createElement(StrictMode, null, provider)));
    await this.line.pass(0);
  }

  /** Answers the client's last request. */
  async live(...channels: string[]): Promise<void> {
    if (this.socket.offset === undefined) this.socket.welcome();
    await this.line.pass(100);
    this.socket.acknowledge(channels);
  }

  async frame(): Promise<void> {
    const frames = [...this.#frames.values()];
    this.#frames.clear();
    await act(() => {
      for (const frame of frames) frame();
    });
  }

  /** Lets the timers fire that are not the client's. */
  async wait(ms: number): Promise<void> {
    await act(() => this.#t.mock.timers.tick(ms));
    await this.line.pass(0);
  }

  async unmount(): Promise<void> {
    await act(() => this.#root.render(null));
  }
}
